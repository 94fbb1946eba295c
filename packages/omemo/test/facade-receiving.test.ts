/** Receiving: what comes of a message, in both namespaces. */
import { bare, type Element, element, hint, text } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { decodeContact } from '../src/device/contact.ts'
import { encodeDevice } from '../src/device/own-device.ts'
import { decide } from '../src/keyring.ts'
import { isRef } from '../src/message/candidate.ts'
import { explain } from '../src/message/explain.ts'
import { MAX_KEPT_OUTSIDE, settle, unsettled } from '../src/message/kept.ts'
import { decrypt } from '../src/message/receiving.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { type BareAccount, bareAccount } from './bare-account.ts'
import { message, seen, unreadable, waiting } from './outcomes.ts'
import { BOTH, by, contents, giveList, givePreKeys, live, Peer, put, stored } from './peer.ts'

const romeo = bare('romeo@montague.lit')
const room = bare('room@conference.lit')

async function pair(options: Parameters<typeof bareAccount>[0] = {}) {
  const juliet = bareAccount(options)
  await givePreKeys(juliet)
  return { juliet, peer: new Peer(romeo, 7) }
}

const client = (name: string, ...children: readonly (Element | string)[]) =>
  element('jabber:client', name, {}, ...children)

describe.each(BOTH)('%s', (namespace) => {
  test('a key exchange, a message after it, and the same again until it is settled', async () => {
    const { juliet, peer } = await pair()
    const first = live(juliet, await peer.write(juliet, namespace, 'hello', { id: 'm1' }))
    const opened = message(await decrypt(juliet, first))
    expect(seen(opened)).toBe('hello')
    expect(opened).toMatchObject({
      protocol: namespace,
      sender: { jid: romeo, id: 7 },
      key: { owner: romeo, fingerprint: peer.fingerprint, level: 'blind', own: false },
      authenticated: true,
      chat: romeo,
      own: false,
      warnings: [],
      unauthenticated: [],
    })
    expect(isRef(opened.ref)).toBe(true)
    expect(opened.stanza.attrs).toMatchObject({ id: 'm1', type: 'chat' })
    expect(juliet.events.map(({ kind }) => kind)).toEqual(['key-met', 'session'])
    const second = live(juliet, await peer.write(juliet, namespace, 'again'))
    expect(seen(await decrypt(juliet, second))).toBe('again')

    const before = await contents(juliet)
    expect(await decrypt(juliet, first)).toEqual(opened)
    expect(await contents(juliet)).toBe(before)
    expect((await unsettled(juliet)).map(seen)).toEqual(['hello', 'again'])
    await settle(juliet, [opened.ref])
    expect(await decrypt(juliet, first)).toEqual({ kind: 'silent', why: 'duplicate' })
    expect((await unsettled(juliet)).map(seen)).toEqual(['again'])
    expect(await waiting(juliet)).toEqual(['completion', 'publish-bundle', 'refresh-list'])
  })

  test('row 19: a message says who, from which device, with which key, by which version, in which chat', async () => {
    const { juliet, peer } = await pair()
    const received = live(juliet, await peer.write(juliet, namespace, 'x'))
    const at = new Date(juliet.time - 60_000)
    const opened = message(await decrypt(juliet, by(received, 'archive', at)))
    expect(Object.keys(opened).sort()).toEqual(
      ['kind', 'ref', 'content', 'stanza', 'unauthenticated', 'protocol', 'sender', 'key']
        .concat(['authenticated', 'chat', 'own', 'sentAt', 'warnings'])
        .sort(),
    )
    expect(opened.sentAt).toEqual(at)
    expect(structuredClone(opened)).toEqual(opened)
  })

  test('an empty message is silent, completes a key exchange, and is never answered otherwise', async () => {
    const { juliet, peer } = await pair()
    const { encrypted } = await peer.encrypted(juliet, namespace, undefined)
    const received = live(juliet, peer.stanza([encrypted], { to: juliet.jid }))
    expect(await decrypt(juliet, received)).toEqual({ kind: 'silent', why: 'control' })
    expect(await unsettled(juliet)).toEqual([])
    expect(await waiting(juliet)).toEqual(['completion', 'publish-bundle', 'refresh-list'])
    await juliet.effects.discard(await juliet.effects.list())
    // Sixty more without an answer: the ratchet asks for a heartbeat, and empty messages get none.
    for (let i = 0; i < 60; i++) {
      const more = await peer.encrypted(juliet, namespace, undefined)
      await decrypt(juliet, live(juliet, peer.stanza([more.encrypted], { to: juliet.jid })))
    }
    expect((await waiting(juliet)).filter((what) => what !== 'refresh-list')).toEqual([])
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'are you there?')))
    expect(await waiting(juliet)).toContain('heartbeat')
  })

  test('a distrusted key is not shown, is kept, and is given after another decision', async () => {
    const { juliet, peer } = await pair()
    const ref = { owner: romeo, fingerprint: peer.fingerprint }
    await decide(juliet, ref, 'distrusted', 'choice')
    const received = live(juliet, await peer.write(juliet, namespace, 'trust me'))
    const hidden = unreadable(await decrypt(juliet, received))
    expect(hidden).toMatchObject({
      code: 'key-distrusted',
      retry: 'after-decision',
      detail: { chat: romeo, sender: { jid: romeo, id: 7 }, protocol: namespace },
    })
    expect(unreadable(await decrypt(juliet, received))).toEqual(hidden)
    expect(await unsettled(juliet)).toEqual([])
    expect(await waiting(juliet)).not.toContain('completion')
    await decide(juliet, ref, 'verified', 'compare')
    expect(message(await decrypt(juliet, received)).key.level).toBe('verified')
    expect((await unsettled(juliet)).map(seen)).toEqual(['trust me'])
  })

  test('an undecided key is shown with a warning', async () => {
    const { juliet, peer } = await pair()
    const ref = { owner: romeo, fingerprint: peer.fingerprint }
    await decide(juliet, ref, 'undecided', 'choice')
    const received = live(juliet, await peer.write(juliet, namespace, 'hm'))
    expect(message(await decrypt(juliet, received)).warnings).toEqual(['key-undecided'])
  })

  test('a device that is in no list is reported, and its list is read again at most every ten minutes', async () => {
    const { juliet, peer } = await pair()
    await giveList(juliet, romeo, namespace, [8], juliet.time - 600_001)
    const first = message(await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'one'))))
    expect(first.warnings).toEqual(['device-unlisted'])
    expect(await waiting(juliet)).toContain('refresh-list')
    await juliet.effects.discard(await juliet.effects.list())
    await giveList(juliet, romeo, namespace, [8])
    const second = message(await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'two'))))
    expect(second.warnings).toEqual(['device-unlisted'])
    expect(await waiting(juliet)).not.toContain('refresh-list')
    await giveList(juliet, romeo, namespace, [7, 8])
    const third = message(await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'three'))))
    expect(third.warnings).toEqual([])
  })

  test('a stanza without a key for this device', async () => {
    const { juliet, peer } = await pair()
    const nurse = bareAccount({ jid: juliet.jid, seed: 'other' })
    const other = { ...nurse, self: { ...nurse.self, deviceId: 2 } }
    await givePreKeys(other)
    const received = live(juliet, await peer.write(other, namespace, 'for the other'))
    expect(unreadable(await decrypt(juliet, received))).toMatchObject({
      code: 'not-for-this-device',
      retry: 'never',
    })
    expect(await explain(juliet, received)).toMatch(/no key for this device, 1, in it/)
    expect(await explain(juliet, received)).toMatch(/own device list of .* was never read/)
  })

  test('a broken element is unreadable, and one without OMEMO is ignored', async () => {
    const { juliet } = await pair()
    const broken = element(
      'jabber:client',
      'message',
      { from: romeo, to: juliet.jid },
      element(namespace, 'encrypted'),
    )
    expect(unreadable(await decrypt(juliet, live(juliet, broken)))).toMatchObject({
      code: 'message-malformed',
      detail: { path: 'encrypted/header' },
    })
    const plain = element('jabber:client', 'message', { from: romeo, to: juliet.jid }, client('body', 'hi'))
    expect(await decrypt(juliet, live(juliet, plain))).toEqual({ kind: 'silent', why: 'ignored' })
    expect(await explain(juliet, live(juliet, plain))).toMatch(/not encrypted with OMEMO/)
  })

  test('another device of this account, by carbon, in the chat it was sent to', async () => {
    const { juliet } = await pair()
    const tablet = new Peer(juliet.jid, 9)
    const envelope = { to: romeo }
    const stanza = await tablet.write(juliet, namespace, 'dear romeo', { to: romeo, envelope })
    const opened = message(await decrypt(juliet, by(live(juliet, stanza), 'carbon')))
    expect(opened).toMatchObject({
      own: true,
      chat: romeo,
      sender: { jid: juliet.jid, id: 9 },
      key: { own: true },
    })
    expect(seen(opened)).toBe('dear romeo')
  })

  test('what this device has sent comes back', async () => {
    const { juliet } = await pair()
    const self = new Peer(juliet.jid, juliet.self.deviceId)
    const sibling = bareAccount({ jid: romeo, seed: 'romeo' })
    const there = { ...sibling, self: { ...sibling.self, deviceId: 5 } }
    await givePreKeys(there)
    const stanza = await self.write(there, namespace, 'mine')
    expect(await decrypt(juliet, by(live(juliet, stanza), 'archive'))).toEqual({ kind: 'silent', why: 'own' })
    expect(juliet.events).toEqual([])
  })
})

test('of omemo:2 nothing outside counts; of 0.3 what stands beside the body is told apart', async () => {
  const { juliet, peer } = await pair()
  const replace = element('urn:xmpp:message-correct:0', 'replace', { id: 'old' })
  const outside = [
    replace,
    element('urn:xmpp:sid:0', 'stanza-id', { id: 's', by: juliet.jid }),
    hint('store'),
    client('subject', 'urgent'),
  ]
  const newer = message(
    await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, 'new', { outside }))),
  )
  expect(newer.unauthenticated).toEqual([])
  expect(newer.stanza.children.map((el) => (typeof el === 'string' ? el : el.name)).sort()).toEqual(
    ['body', 'encryption', 'stanza-id', 'store', 'store'].sort(),
  )
  const older = message(
    await decrypt(juliet, live(juliet, await peer.write(juliet, AXOLOTL, 'old', { outside }))),
  )
  expect(older.unauthenticated.map(({ name }) => name)).toEqual(['replace', 'subject'])
  expect(older.content.map((el) => text(el))).toEqual(['old'])
  expect(older.stanza.children).not.toContainEqual(replace)
})

test('content has everything that was in the envelope, but what servers may say', async () => {
  const { juliet, peer } = await pair()
  const content = [client('body', 'x'), element('urn:xmpp:reactions:0', 'reactions', { id: 'm' })]
  const opened = message(await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, content))))
  expect(opened.content).toEqual(content)
})

test.each([
  ['from', { from: bare('tybalt@capulet.lit') }],
  ['to', { to: bare('tybalt@capulet.lit') }],
])('an envelope whose %s is another changes nothing', async (path, envelope) => {
  const { juliet, peer } = await pair()
  const received = live(juliet, await peer.write(juliet, OMEMO_2, 'moved', { envelope }))
  const before = await contents(juliet)
  expect(unreadable(await decrypt(juliet, received))).toMatchObject({
    code: 'envelope-affix-mismatch',
    retry: 'never',
    detail: { path: `envelope/${path}`, sender: { jid: romeo, id: 7 }, protocol: OMEMO_2 },
  })
  expect(await contents(juliet)).toBe(before)
  expect(juliet.events).toEqual([])
})

test('a message of a room names the room; one that names the account was moved', async () => {
  const { juliet, peer } = await pair()
  const write = (to: typeof room, text: string) =>
    peer.write(juliet, OMEMO_2, text, { type: 'groupchat', from: `${room}/nick`, envelope: { to } })
  const good = live(juliet, await write(room, 'all'), romeo)
  expect(message(await decrypt(juliet, good))).toMatchObject({
    chat: room,
    warnings: [],
    sender: { jid: romeo },
  })
  const moved = live(juliet, await write(juliet.jid, 'private'), romeo)
  expect(unreadable(await decrypt(juliet, moved)).code).toBe('envelope-affix-mismatch')
})

test('a note to oneself', async () => {
  const { juliet } = await pair()
  const tablet = new Peer(juliet.jid, 9)
  const stanza = await tablet.write(juliet, OMEMO_2, 'milk', { to: juliet.jid, envelope: { to: juliet.jid } })
  expect(message(await decrypt(juliet, live(juliet, stanza)))).toMatchObject({
    own: true,
    chat: juliet.jid,
    warnings: [],
  })
})

test('of two elements that of omemo:2 is taken, and the other when there is no key in it', async () => {
  const { juliet, peer } = await pair()
  const both = [
    (await peer.encrypted(juliet, AXOLOTL, 'old')).encrypted,
    (await peer.encrypted(juliet, OMEMO_2, 'new')).encrypted,
  ]
  const first = message(await decrypt(juliet, live(juliet, peer.stanza(both, { to: juliet.jid }))))
  expect([seen(first), first.protocol]).toEqual(['new', OMEMO_2])
  const other = { ...juliet, self: { ...juliet.self, deviceId: 2 } }
  const mixed = [
    (await peer.encrypted(juliet, AXOLOTL, 'old')).encrypted,
    (await peer.encrypted(other, OMEMO_2, 'not yours')).encrypted,
  ]
  const second = message(await decrypt(juliet, live(juliet, peer.stanza(mixed, { to: juliet.jid }))))
  expect([seen(second), second.protocol]).toEqual(['old', AXOLOTL])
})

test('row 11: a key that has spoken omemo:2 and speaks 0.3 is reported, and told once until it speaks omemo:2 again', async () => {
  const { juliet, peer } = await pair()
  const open = async (namespace: Namespace) => {
    const stanza = await peer.write(juliet, namespace, 'x')
    const { warnings } = message(await decrypt(juliet, live(juliet, stanza)))
    return [warnings, juliet.events.filter(({ kind }) => kind === 'downgraded').length]
  }
  expect(await open(OMEMO_2)).toEqual([[], 0])
  expect(await open(AXOLOTL)).toEqual([['namespace-downgraded'], 1])
  peer.forget(juliet, AXOLOTL)
  expect(await open(AXOLOTL)).toEqual([['namespace-downgraded'], 1])
  expect(await open(OMEMO_2)).toEqual([[], 1])
  peer.forget(juliet, AXOLOTL)
  expect(await open(AXOLOTL)).toEqual([['namespace-downgraded'], 2])
})

test('what a host hands over that no parser would give is left out, and never costs the message', async () => {
  const { juliet, peer } = await pair()
  const odd: Element = { name: 'x', ns: 'a', attrs: {}, children: ['\u0000'] }
  const long = element('urn:example', 'long', {}, 'x'.repeat(MAX_KEPT_OUTSIDE))
  const fine = element('urn:example', 'fine')
  const stanza = await peer.write(juliet, AXOLOTL, 'x')
  const received = live(juliet, { ...stanza, children: [...stanza.children, odd, long, fine] })
  const opened = message(await decrypt(juliet, received))
  expect(opened.unauthenticated).toEqual([fine])
  expect(await decrypt(juliet, received)).toEqual(opened)
})

test('a payload of full size is kept and given again', async () => {
  const { juliet, peer } = await pair()
  const body = '"&<'.repeat(174_700)
  const received = live(juliet, await peer.write(juliet, AXOLOTL, body))
  const opened = message(await decrypt(juliet, received))
  expect(seen(opened)).toBe(body)
  expect(await decrypt(juliet, received)).toEqual(opened)
})

test('only refs are settled', async () => {
  const { juliet } = await pair()
  await expect(settle(juliet, ['device'])).rejects.toThrow(RangeError)
  await settle(juliet, ['0'.repeat(32)])
})

test('damage in the store is no failure of a message', async () => {
  const { juliet, peer } = await pair()
  await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, 'x')))
  const key = records.session(OMEMO_2, { jid: romeo, id: 7 }, peer.fingerprint)
  expect(await stored(juliet, key)).toBeDefined()
  await juliet.store.commit([], { put: [[key, Uint8Array.of(1)]] })
  const next = live(juliet, await peer.write(juliet, OMEMO_2, 'y'))
  await expect(decrypt(juliet, next)).rejects.toMatchObject({ code: 'state-malformed' })
})

test('a received of another account is a mistake', async () => {
  const { juliet, peer } = await pair()
  const other = bareAccount({ jid: bare('nurse@capulet.lit') })
  const received = live(juliet, await peer.write(juliet, OMEMO_2, 'x'))
  await expect(decrypt(other, received)).rejects.toThrow(TypeError)
  await expect(explain(other, received)).rejects.toThrow(TypeError)
})

test('it is explained in words, and nothing changes', async () => {
  const { juliet, peer } = await pair()
  await giveList(juliet, romeo, OMEMO_2, [7])
  const received = live(juliet, await peer.write(juliet, OMEMO_2, 'x'))
  const before = await contents(juliet)
  const told = await explain(juliet, received)
  expect(told).toMatch(/from device 7, with a payload of \d+ bytes, for 1 of juliet@capulet.lit/)
  expect(told).toMatch(/Its sender is romeo@montague.lit/)
  expect(told).toMatch(/Device 7 of romeo@montague.lit \(listed\): no session/)
  expect(told).toMatch(/It can be opened/)
  expect(await contents(juliet)).toBe(before)
  const { ref } = message(await decrypt(juliet, received))
  expect(await explain(juliet, received)).toMatch(/kept until it is settled/)
  const key = { owner: romeo, fingerprint: peer.fingerprint }
  await decide(juliet, key, 'distrusted', 'choice')
  const distrusted = await explain(juliet, received)
  expect(distrusted).toMatch(/key-distrusted: .*\(decide\)/)
  expect(distrusted).toContain(`${peer.fingerprint} of ${romeo}`)
  await settle(juliet, [ref])
  expect(await explain(juliet, received)).toMatch(/message-duplicate: It was opened before/)
})

test('a tab that did not see that another one started over reads on as the new device', async () => {
  const { juliet, peer } = await pair()
  const now = { ...juliet.self, deviceId: 99 }
  await put(juliet, records.device, encodeDevice(now))
  const adopted: number[] = []
  let self = juliet.self
  const tab = {
    ...juliet,
    get self() {
      return self
    },
    adopt(device: typeof self) {
      adopted.push(device.deviceId)
      self = device
    },
  }
  const stanza = await peer.write({ ...juliet, self: now }, OMEMO_2, 'to the new one')
  expect(seen(await decrypt(tab, live(tab, stanza)))).toBe('to the new one')
  expect(adopted).toEqual([99])
})

describe('opting out (XEP-0384 §5.7)', () => {
  const optOut = element(OMEMO_2, 'opt-out', {}, element(OMEMO_2, 'reason', {}, 'compliance'))
  const optedOut = async (of: BareAccount) => {
    const bytes = await stored(of, records.contact(romeo))
    return bytes && decodeContact(bytes).optedOut
  }

  test('is told, remembered, and nothing to show', async () => {
    const { juliet, peer } = await pair()
    const received = live(juliet, await peer.write(juliet, OMEMO_2, [optOut]))
    expect(await decrypt(juliet, received)).toEqual({ kind: 'silent', why: 'control' })
    expect(juliet.events).toContainEqual({ kind: 'opted-out', jid: romeo, reason: 'compliance' })
    expect(await optedOut(juliet)).toEqual({ at: juliet.time, reason: 'compliance' })
  })

  test('row 18: not from a key that is distrusted, not in a room, and not for others', async () => {
    const { juliet, peer } = await pair()
    await decide(juliet, { owner: romeo, fingerprint: peer.fingerprint }, 'distrusted', 'choice')
    await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, [optOut])))
    await decide(juliet, { owner: romeo, fingerprint: peer.fingerprint }, 'verified', 'choice')
    const options = { type: 'groupchat', from: `${room}/nick`, envelope: { to: room } }
    await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, [optOut], options), romeo))
    const tablet = new Peer(juliet.jid, 9)
    const own = await tablet.write(juliet, OMEMO_2, [optOut], { to: romeo, envelope: { to: romeo } })
    await decrypt(juliet, by(live(juliet, own), 'carbon'))
    expect(juliet.events.filter(({ kind }) => kind === 'opted-out')).toEqual([])
    expect(await optedOut(juliet)).toBeUndefined()
  })

  test('row 18: control elements are no part of the content, whatever stands beside them', async () => {
    const { juliet, peer } = await pair()
    const trust = element('urn:xmpp:tm:1', 'trust-message', { usage: 'urn:xmpp:atm:1', encryption: OMEMO_2 })
    const content = [client('body', 'seen'), optOut, trust]
    const opened = message(await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, content))))
    expect(opened.content).toEqual([client('body', 'seen')])
  })
})
