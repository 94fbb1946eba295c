/** Sending: whole messages in, whole encrypted messages out, to every device in the best way that it knows. */
import { firstUse, manual } from '@xmpp-e2e/trust'
import { child, type Element, element, elements, text } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { FALLBACK_BODY } from '../src/index.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { nodeCurve } from './node-curve.ts'
import {
  madeUpBundle,
  publishBundleOf,
  publishDevices,
  read,
  refused,
  rids,
  send,
  sent,
} from './sending-support.ts'
import { bodyOf, chat, world } from './world.ts'

const curve = nodeCurve
const older = { curve, namespaces: [AXOLOTL] as const }
const newer = { curve, namespaces: [OMEMO_2] as const }

const el = (ns: string, name: string, text = ''): Element => element(ns, name, {}, text)

test('a first message goes to the devices of both accounts, and is read there', async () => {
  const { service, device } = world()
  const [juliet, laptop, romeo] = [
    await device('juliet', { curve }),
    await device('juliet', { curve }),
    await device('romeo', { curve }),
  ]
  const { reached, skipped, keys, exposed, withheld } = await send(
    service,
    juliet,
    chat(romeo.account, 'Wherefore?'),
    [romeo.account],
  )
  expect(reached.map(({ device, protocol }) => [device.jid, device.id, protocol])).toEqual([
    [romeo.account, romeo.omemo.deviceId, OMEMO_2],
    [juliet.account, laptop.omemo.deviceId, OMEMO_2],
  ])
  expect(keys.map(({ fingerprint }) => fingerprint)).toEqual([
    romeo.omemo.fingerprint,
    laptop.omemo.fingerprint,
  ])
  expect([skipped, exposed, withheld]).toEqual([[], [], []])
  const [message] = await read(service, romeo)
  expect(bodyOf(message?.content ?? [])).toBe('Wherefore?')
  expect(juliet.events.filter(({ kind }) => kind === 'session')).toHaveLength(2)

  const answer = await send(service, romeo, chat(juliet.account, 'Call me but love'), [juliet.account])
  expect(answer.reached.map(({ device }) => device.id)).toEqual(
    expect.arrayContaining([juliet.omemo.deviceId, laptop.omemo.deviceId]),
  )
  expect((await read(service, juliet)).map(({ content }) => bodyOf(content))).toEqual(['Call me but love'])
  expect((await read(service, laptop)).map(({ content }) => bodyOf(content))).toEqual(['Call me but love'])
})

test('row 2: omemo:2 is preferred for each device; a device never gets both elements', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  const [both, old, recent] = [
    await device('romeo', { curve }),
    await device('romeo', older),
    await device('romeo', newer),
  ]
  const { stanzas } = await send(service, juliet, chat(both.account, 'hi'), [both.account])
  const keys = rids(stanzas[0])
  expect([...keys[OMEMO_2]].sort()).toEqual([both.omemo.deviceId, recent.omemo.deviceId].sort())
  expect(keys[AXOLOTL]).toEqual([old.omemo.deviceId])
  for (const each of [both, old, recent])
    expect((await read(service, each)).map(({ content }) => bodyOf(content))).toEqual(['hi'])
})

describe('row 33: what stays readable', () => {
  const message = (to: string): Element =>
    element('jabber:client', 'message', { to, type: 'chat', id: 'm1' }, [
      element('jabber:client', 'body', {}, 'Meet at nine'),
      el('urn:xmpp:message-correct:0', 'replace'),
      el('urn:xmpp:reactions:0', 'reactions'),
      el('jabber:client', 'thread', 't1'),
      el('urn:xmpp:hints', 'no-copy'),
    ])
  const outside = (stanza: Element) => elements(stanza).map(({ ns, name }) => `{${ns}}${name}`)

  test('of a message to omemo:2: nothing but hints, and no fallback body', async () => {
    const { service, device } = world()
    const [juliet, romeo] = [await device('juliet', { curve }), await device('romeo', { curve })]
    const { stanzas, exposed, withheld } = await send(service, juliet, message(romeo.account), [
      romeo.account,
    ])
    expect(outside(stanzas[0])).toEqual([
      '{urn:xmpp:omemo:2}encrypted',
      '{urn:xmpp:eme:0}encryption',
      '{urn:xmpp:hints}store',
      '{urn:xmpp:hints}no-copy',
    ])
    expect([exposed, withheld]).toEqual([[], []])
    expect(stanzas[0].attrs).toEqual({ to: romeo.account, type: 'chat', id: 'm1' })
    const [opened] = await read(service, romeo)
    expect(opened?.content.map(({ name }) => name)).toEqual(['body', 'replace', 'reactions', 'thread'])
  })

  test('of a message to 0.3: what may, reported; the rest is withheld', async () => {
    const { service, device } = world()
    const [juliet, romeo] = [await device('juliet', { curve }), await device('romeo', older)]
    const { stanzas, exposed, withheld } = await send(service, juliet, message(romeo.account), [
      romeo.account,
    ])
    expect(exposed).toEqual(['{urn:xmpp:message-correct:0}replace', '{jabber:client}thread'])
    expect(withheld).toEqual(['{urn:xmpp:reactions:0}reactions'])
    expect(outside(stanzas[0])).toEqual([
      '{eu.siacs.conversations.axolotl}encrypted',
      '{urn:xmpp:eme:0}encryption',
      '{urn:xmpp:hints}store',
      '{jabber:client}body',
      '{urn:xmpp:message-correct:0}replace',
      '{jabber:client}thread',
      '{urn:xmpp:hints}no-copy',
    ])
    expect(text(child(stanzas[0], 'body') as Element)).toBe(FALLBACK_BODY)
    expect((await read(service, romeo)).map(({ content }) => bodyOf(content))).toEqual(['Meet at nine'])
  })

  test('the application decides what may', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve, expose: ({ name }) => name === 'reactions' })
    const romeo = await device('romeo', older)
    const { exposed } = await send(service, juliet, message(romeo.account), [romeo.account])
    expect(exposed).toEqual(['{urn:xmpp:reactions:0}reactions'])
  })

  test('who asks that nothing is stored is not contradicted', async () => {
    const { service, device } = world()
    const [juliet, romeo] = [await device('juliet', { curve }), await device('romeo', { curve })]
    const state = element('jabber:client', 'message', { to: romeo.account, type: 'chat' }, [
      el('http://jabber.org/protocol/chatstates', 'composing'),
      el('urn:xmpp:hints', 'no-store'),
    ])
    const { stanzas } = await send(service, juliet, state, [romeo.account])
    expect(outside(stanzas[0])).toEqual([
      '{urn:xmpp:omemo:2}encrypted',
      '{urn:xmpp:eme:0}encryption',
      '{urn:xmpp:hints}no-store',
    ])
  })
})

test('what 0.3 cannot say is not said to it', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  const [old, recent] = [await device('romeo', older), await device('romeo', { curve })]
  const reaction = element('jabber:client', 'message', { to: old.account, type: 'chat' }, [
    el('urn:xmpp:reactions:0', 'reactions'),
  ])
  const { reached, skipped } = await send(service, juliet, reaction, [old.account])
  expect(reached.map(({ device }) => device.id)).toEqual([recent.omemo.deviceId])
  expect(skipped).toEqual([{ owner: old.account, device: old.omemo.deviceId, code: 'content-needs-omemo2' }])
})

test('row 27: a device that is taken off the list gets nothing any more', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  const [kept, gone] = [await device('romeo', { curve }), await device('romeo', { curve })]
  service.subscribeBoth('juliet', 'romeo')
  juliet.client.presence({ features: ['urn:xmpp:omemo:2:devices+notify'] })
  await send(service, juliet, chat(kept.account, 'both'), [kept.account])
  await gone.omemo.close()
  await service.finish(kept.omemo.removeDevices([gone.omemo.deviceId]))
  await service.advance(3_700_000)
  const { reached, stanzas } = await send(service, juliet, chat(kept.account, 'one'), [kept.account])
  expect(reached.map(({ device }) => device.id)).toEqual([kept.omemo.deviceId])
  expect(rids(stanzas[0])[OMEMO_2]).toEqual([kept.omemo.deviceId])
})

test('row 24: a device that never answers is read-only after 106 messages, until it does', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  const romeo = await device('romeo', { curve })
  for (let n = 1; n <= 106; n++)
    sent(await service.finish(juliet.omemo.encrypt(chat(romeo.account, `${n}`), [romeo.account])))
  const outcome = refused(
    await service.finish(juliet.omemo.encrypt(chat(romeo.account, '107'), [romeo.account])),
  )
  expect(outcome.code).toBe('recipients-unreachable')
  expect(outcome.skipped).toMatchObject([
    { owner: romeo.account, device: romeo.omemo.deviceId, code: 'device-read-only' },
  ])
  await send(service, romeo, chat(juliet.account, 'I hear'), [juliet.account])
  await read(service, juliet)
  sent(await service.finish(juliet.omemo.encrypt(chat(romeo.account, '107'), [romeo.account])))
})

describe('row 29: nothing is sent in plain text', () => {
  test('nobody there', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve })
    const romeo = service.account('romeo')
    expect(refused(await service.finish(juliet.omemo.encrypt(chat(romeo, 'hi'), [romeo])))).toEqual({
      kind: 'refused',
      code: 'recipients-unreachable',
      ask: [],
      skipped: [{ owner: romeo, code: 'devices-missing' }],
    })
  })

  test('nothing to encrypt', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve })
    const romeo = service.account('romeo')
    const hints = element('jabber:client', 'message', { to: romeo, type: 'chat' }, [
      el('urn:xmpp:hints', 'store'),
    ])
    expect(refused(await service.finish(juliet.omemo.encrypt(hints, [romeo]))).code).toBe('content-missing')
  })

  test('too much to encrypt', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve })
    const romeo = await device('romeo', { curve })
    const long = chat(romeo.account, 'a'.repeat(600_000), 'long')
    expect(refused(await service.finish(juliet.omemo.encrypt(long, [romeo.account]))).code).toBe(
      'content-too-long',
    )
  })

  test('two payloads that do not fit into one stanza', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve })
    const romeo = await device('romeo', { curve })
    const half = chat(romeo.account, 'a'.repeat(300_000), 'long')
    sent(await service.finish(juliet.omemo.encrypt(half, [romeo.account])))
    await device('romeo', older)
    await service.advance(3_700_000)
    expect(refused(await service.finish(juliet.omemo.encrypt(half, [romeo.account]))).code).toBe(
      'content-too-long',
    )
  })

  test('undecided keys, which are asked about, and then reached', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve, policy: manual })
    const romeo = await device('romeo', { curve })
    const outcome = refused(
      await service.finish(juliet.omemo.encrypt(chat(romeo.account, 'hi'), [romeo.account])),
    )
    expect(outcome).toMatchObject({
      code: 'keys-undecided',
      ask: [{ owner: romeo.account, fingerprint: romeo.omemo.fingerprint, level: 'undecided' }],
      skipped: [{ owner: romeo.account, device: romeo.omemo.deviceId, code: 'key-undecided' }],
    })
    expect(juliet.events.map(({ kind }) => kind)).toContain('key-met')
    expect(await juliet.omemo.keys(romeo.account)).toEqual(outcome.ask)
    const { entries } = await juliet.store.list('')
    expect(entries.filter(([key]) => key.includes('session/'))).toEqual([])
    const [key] = outcome.ask
    await service.finish(juliet.omemo.decide(key!, 'verified', 'compare'))
    const { keys } = await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])
    expect(keys).toMatchObject([{ level: 'verified' }])
    await service.finish(juliet.omemo.decide(key!, 'distrusted', 'choice'))
    const again = refused(
      await service.finish(juliet.omemo.encrypt(chat(romeo.account, 'hi'), [romeo.account])),
    )
    expect(again).toMatchObject({
      code: 'recipients-unreachable',
      ask: [],
      skipped: [{ code: 'key-distrusted' }],
    })
  })
})

test('own devices that cannot be reached refuse nothing', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', { curve, policy: firstUse })
  const romeo = await device('romeo', { curve })
  await publishDevices(service, juliet, OMEMO_2, [juliet.omemo.deviceId, 77])
  await service.advance(3_700_000)
  const { reached, skipped } = await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])
  expect(reached.map(({ device }) => device.jid)).toEqual([romeo.account])
  expect(skipped).toEqual([{ owner: juliet.account, device: 77, code: 'bundle-missing' }])
})

test('a note to oneself goes to the other devices, and is refused without any', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  const note = chat(juliet.account, 'buy milk')
  expect(refused(await service.finish(juliet.omemo.encrypt(note, [juliet.account]))).skipped).toEqual([
    { owner: juliet.account, code: 'devices-missing' },
  ])
  const laptop = await device('juliet', { curve })
  await service.advance(3_700_000)
  const { reached } = await send(service, juliet, note, [juliet.account])
  expect(reached.map(({ device }) => device.id)).toEqual([laptop.omemo.deviceId])
})

describe('row 30: one broken device blocks nobody', () => {
  const good = madeUpBundle(OMEMO_2, 'good')
  const flip = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
    Uint8Array.from(bytes, (b, i) => (i === 5 ? b ^ 1 : b))
  const { signedPreKey } = good
  test.each([
    ['is missing', undefined, 'bundle-missing'],
    ['is no bundle', el('urn:xmpp:omemo:2', 'nonsense'), 'bundle-malformed'],
    ['has no signed prekey', el('urn:xmpp:omemo:2', 'bundle'), 'bundle-malformed'],
    [
      'has a signed prekey of somebody else',
      { ...good, signedPreKey: { ...signedPreKey, signature: flip(signedPreKey.signature) } },
      'bundle-signature-invalid',
    ],
    [
      'has an identity of small order',
      { ...good, identityKey: Uint8Array.of(1, ...new Uint8Array(31)) },
      'key-invalid',
    ],
  ] as const)('whose bundle %s', async (_, bundle, code) => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve })
    const romeo = await device('romeo', { curve })
    await publishDevices(service, romeo, OMEMO_2, [99, romeo.omemo.deviceId])
    if (bundle !== undefined) await publishBundleOf(service, romeo, OMEMO_2, 99, bundle)
    const { reached, skipped } = await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])
    expect(reached.map(({ device }) => device.id)).toEqual([romeo.omemo.deviceId])
    expect(skipped).toMatchObject([{ owner: romeo.account, device: 99, code }])
  })

  test('whose bundle of omemo:2 is broken, but not that of 0.3', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve })
    const romeo = await device('romeo', { curve })
    await publishBundleOf(service, romeo, OMEMO_2, romeo.omemo.deviceId, el('urn:xmpp:omemo:2', 'nonsense'))
    const { stanzas, skipped } = await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])
    expect(rids(stanzas[0])).toEqual({ [OMEMO_2]: [], [AXOLOTL]: [romeo.omemo.deviceId] })
    expect(skipped).toEqual([])
    expect((await read(service, romeo)).map(({ content }) => bodyOf(content))).toEqual(['hi'])
  })

  test('whose bundle is our own', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', newer)
    const romeo = await device('romeo', newer)
    await publishDevices(service, romeo, OMEMO_2, [99, romeo.omemo.deviceId])
    const { node } = { node: 'urn:xmpp:omemo:2:bundles' }
    const items = await service.finish(
      juliet.client.connection.request(
        element('jabber:client', 'iq', { type: 'get' }, [
          element('http://jabber.org/protocol/pubsub', 'pubsub', {}, [
            element('http://jabber.org/protocol/pubsub', 'items', { node }),
          ]),
        ]),
      ),
    )
    const ours = elements(elements(elements(elements(items)[0]!)[0]!)[0]!)[0]!
    await publishBundleOf(service, romeo, OMEMO_2, 99, ours)
    const { skipped } = await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])
    expect(skipped).toMatchObject([{ device: 99, code: 'identity-mismatch' }])
  })

  test('a service that does not answer blocks nobody else', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve })
    const romeo = await device('romeo', { curve })
    const old = await device('romeo', { curve })
    const isFor = (stanza: Element) => JSON.stringify(stanza).includes(`bundles:${old.omemo.deviceId}`)
    const isNewer = (stanza: Element) => JSON.stringify(stanza).includes(`"id":"${old.omemo.deviceId}"`)
    service.fault({
      fault: { kind: 'error', condition: 'remote-server-timeout' },
      client: juliet.client.jid,
      match: (stanza) => stanza.attrs.type === 'get' && (isFor(stanza) || isNewer(stanza)),
    })
    const { reached, skipped } = await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])
    expect(reached.length + skipped.length).toBe(2)
    expect(skipped.every(({ code }) => code === 'bundle-unavailable')).toBe(true)
  })
})

test('devices without a bundle are asked for one a minute, not with each message', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  const romeo = await device('romeo', newer)
  await publishDevices(service, romeo, OMEMO_2, [romeo.omemo.deviceId, 98, 99])
  const count = () => service.transcript.filter((entry) => JSON.stringify(entry).includes('bundles')).length
  await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
  const asked = count()
  const { skipped } = await send(service, juliet, chat(romeo.account, 'two'), [romeo.account])
  expect(count()).toBe(asked)
  expect(skipped.map(({ device, code }) => [device, code])).toEqual([
    [98, 'bundle-missing'],
    [99, 'bundle-missing'],
  ])
  await publishBundleOf(service, romeo, OMEMO_2, 99, madeUpBundle(OMEMO_2, 'late'))
  await service.advance(60_000)
  const { reached } = await send(service, juliet, chat(romeo.account, 'three'), [romeo.account])
  expect(reached.map(({ device }) => device.id)).toEqual([romeo.omemo.deviceId, 99])
})

test('row 25: a prekey that was used is not used again', async () => {
  const { service, device } = world()
  const [juliet, nurse] = [await device('juliet', newer), await device('nurse', newer)]
  const romeo = await device('romeo', newer)
  const asks = () =>
    service.transcript.filter((entry) => JSON.stringify(entry).includes('"node":"urn:xmpp:omemo:2:bundles"'))
      .length
  await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
  const before = asks()
  await send(service, juliet, chat(romeo.account, 'two'), [romeo.account])
  expect(asks()).toBe(before)
  await read(service, romeo)
  await send(service, nurse, chat(romeo.account, 'three'), [romeo.account])
  expect(asks()).toBeGreaterThan(before)
  expect((await read(service, romeo)).map(({ content }) => bodyOf(content))).toEqual(['three'])
  const replaced = await service.finish(
    juliet.omemo.replaceSession({ jid: romeo.account, id: romeo.omemo.deviceId }),
  )
  expect(replaced).toEqual({ kind: 'replaced', protocol: OMEMO_2 })
})

test('row 17: a device id says nothing about whose key it is', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', newer)
  const romeo = await device('romeo', newer)
  await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])
  // The same id under another account: another session, another key.
  const tybalt = await device('tybalt', newer)
  await publishDevices(service, tybalt, OMEMO_2, [romeo.omemo.deviceId])
  await publishBundleOf(service, tybalt, OMEMO_2, romeo.omemo.deviceId, madeUpBundle(OMEMO_2, 'tybalt'))
  const { keys } = await send(service, juliet, chat(tybalt.account, 'hi'), [tybalt.account])
  expect(keys).toMatchObject([{ owner: tybalt.account }])
  expect(keys[0]?.fingerprint).not.toBe(romeo.omemo.fingerprint)
})

test('a device that was reset is another key, and told', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', newer)
  const romeo = await device('romeo', newer)
  await publishDevices(service, romeo, OMEMO_2, [99])
  await publishBundleOf(service, romeo, OMEMO_2, 99, madeUpBundle(OMEMO_2, 'before'))
  const [before] = (await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])).keys
  await publishBundleOf(service, romeo, OMEMO_2, 99, madeUpBundle(OMEMO_2, 'after'))
  const same = await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])
  expect(same.keys).toEqual([before])
  await service.finish(juliet.omemo.replaceSession({ jid: romeo.account, id: 99 }))
  const after = await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])
  expect(after.keys[0]?.fingerprint).not.toBe(before?.fingerprint)
  expect(juliet.events).toContainEqual(
    expect.objectContaining({ kind: 'identity-changed', previous: before?.fingerprint }),
  )
})

test('row 11: a key that has spoken omemo:2 and is only offered in 0.3 is told once, until it is reached in omemo:2 again', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  const romeo = await device('romeo', { curve })
  await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
  await romeo.omemo.close()
  const list = async (ids: readonly number[]) => {
    await publishDevices(service, romeo, OMEMO_2, ids)
    await service.advance(3_700_000)
  }
  const told = {
    kind: 'downgraded',
    device: { jid: romeo.account, id: romeo.omemo.deviceId },
    key: { fingerprint: romeo.omemo.fingerprint },
  }
  const downgrades = () => juliet.events.filter(({ kind }) => kind === 'downgraded')
  const say = async (body: string) =>
    (await send(service, juliet, chat(romeo.account, body), [romeo.account])).reached.map(
      ({ protocol }) => protocol,
    )
  await list([])
  expect(await say('two')).toEqual([AXOLOTL])
  expect(downgrades()).toMatchObject([told])
  expect(await say('three')).toEqual([AXOLOTL])
  expect(downgrades()).toHaveLength(1)

  await list([romeo.omemo.deviceId])
  expect(await say('four')).toEqual([OMEMO_2])
  await list([])
  expect(await say('five')).toEqual([AXOLOTL])
  expect(await say('six')).toEqual([AXOLOTL])
  expect(downgrades()).toMatchObject([told, told])
})

test('a key of a file is sent in 0.3 alone, which is no downgrade, and hides none', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  const romeo = await device('romeo', { curve })
  await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
  const sealed = juliet.omemo.encryptKey(romeo.account, new Uint8Array(16), new Uint8Array(12))
  expect(await service.finish(sealed)).toMatchObject({ kind: 'encrypted' })
  expect(juliet.events.filter(({ kind }) => kind === 'downgraded')).toEqual([])
  await romeo.omemo.close()
  await publishDevices(service, romeo, OMEMO_2, [])
  await service.advance(3_700_000)
  await send(service, juliet, chat(romeo.account, 'two'), [romeo.account])
  expect(juliet.events.filter(({ kind }) => kind === 'downgraded')).toHaveLength(1)
})

describe('misuse is thrown', () => {
  const to = 'romeo@capulet.example'
  test.each([
    ['no message', element('jabber:client', 'iq', { to })],
    ['an error', element('jabber:client', 'message', { to, type: 'error' })],
    ['without address', element('jabber:client', 'message', {}, el('jabber:client', 'body', 'a'))],
    ['encrypted already', element('jabber:client', 'message', { to }, el('urn:xmpp:omemo:2', 'encrypted'))],
    ['to no address', element('jabber:client', 'message', { to: '@' }, el('jabber:client', 'body', 'a'))],
    ['to somebody else', chat('tybalt@capulet.example', 'a')],
    [
      'to an occupant as a room',
      element('jabber:client', 'message', { to: `${to}/nick`, type: 'groupchat' }),
    ],
  ])('%s', async (_, message) => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve, isStarted: false })
    await expect(juliet.omemo.encrypt(message, [service.account('romeo')])).rejects.toThrow(/message: |to: /)
  })
})
