/** Policies and trust messages (XEP-0434, XEP-0450), through the façade. */
import {
  automaticTrustManagement,
  blindTrustBeforeVerification,
  firstUse,
  type Level,
  manual,
  type Policy,
} from '@xmpp-e2e/trust'
import { type BareJid, children, type Element, element, type Received } from '@xmpp-e2e/xml'
import { beforeEach, describe, expect, test } from 'vitest'
import { REANNOUNCE_JITTER_MS } from '../src/device/own-events.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { bodyOf, chat, type TestDevice, type World, world } from './world.ts'

let w: World
let romeo: BareJid

beforeEach(() => {
  w = world()
  w.service.subscribeBoth('juliet', 'romeo')
  romeo = w.service.account('romeo')
})

async function sends(from: TestDevice, to: BareJid, body: string) {
  const outcome = await w.service.finish(from.omemo.encrypt(chat(to, body), [to]))
  if (outcome.kind === 'encrypted') {
    for (const stanza of outcome.stanzas) await from.client.connection.send(stanza)
    await w.service.settle()
  }
  return outcome
}

/** Opens all that has arrived at some devices, until nothing is under way. */
async function everythingArrives(...devices: readonly TestDevice[]): Promise<readonly string[]> {
  const seen: string[] = []
  for (let isQuiet = false; !isQuiet; ) {
    isQuiet = true
    await w.service.settle()
    for (const device of devices)
      for (const received of device.arrived()) {
        isQuiet = false
        seen.push(await openedBy(device, received))
      }
  }
  return seen
}

async function openedBy({ omemo }: TestDevice, received: Received): Promise<string> {
  const opened = await w.service.finish(omemo.decrypt(received))
  switch (opened.kind) {
    case 'message':
      return bodyOf(opened.content) ?? ''
    case 'silent':
      return opened.why
    case 'unreadable':
      return opened.code
  }
}

async function levelOf({ omemo }: TestDevice, other: TestDevice): Promise<Level | undefined> {
  const keys = await omemo.keys(other.account)
  return keys.find(({ fingerprint }) => fingerprint === other.omemo.fingerprint)?.level
}

/** Devices that have written to each other, and so know each other's keys. */
async function acquainted(...devices: readonly TestDevice[]): Promise<void> {
  for (const [i, one] of devices.entries())
    for (const other of devices.slice(i + 1)) {
      await sends(one, other.account, 'hello')
      await everythingArrives(...devices)
      await sends(other, one.account, 'hello')
      await everythingArrives(...devices)
    }
}

const compare = (one: TestDevice, other: TestDevice, level: Level = 'verified') =>
  one.omemo.decide({ owner: other.account, fingerprint: other.omemo.fingerprint }, level, 'compare')

describe('policies', () => {
  const cases: readonly [string, Policy, string, string][] = [
    ['blind before verification', blindTrustBeforeVerification, 'encrypted', 'encrypted'],
    ['first use', firstUse, 'encrypted', 'encrypted, one skipped'],
    ['manual', manual, 'keys-undecided', 'keys-undecided'],
    ['automatic trust management', automaticTrustManagement, 'encrypted', 'encrypted'],
  ]
  test.each(cases)('%s', async (_, policy, toOne, toTwo) => {
    const juliet = await w.device('juliet', { policy })
    const phone = await w.device('romeo')
    const result = async (body: string) => {
      const outcome = await sends(juliet, romeo, body)
      if (outcome.kind === 'refused') return outcome.code
      return outcome.skipped.length > 0 ? 'encrypted, one skipped' : 'encrypted'
    }
    expect(await result('one')).toBe(toOne)
    const tablet = await w.device('romeo')
    expect(await result('two')).toBe(toTwo)
    await compare(juliet, phone)
    await compare(juliet, tablet, 'distrusted')
    expect(await result('three')).toBe('encrypted, one skipped')
    expect((await everythingArrives(tablet)).at(-1)).toBe('not-for-this-device')
    expect((await everythingArrives(phone)).at(-1)).toBe('three')
  })

  test('manual: what a refusal asks about can be decided, and the same message goes out', async () => {
    const juliet = await w.device('juliet', { policy: manual })
    const phone = await w.device('romeo')
    const refused = await sends(juliet, romeo, 'one')
    if (refused.kind !== 'refused') throw new Error('it was encrypted')
    expect(refused.ask.map(({ fingerprint }) => fingerprint)).toEqual([phone.omemo.fingerprint])
    for (const key of refused.ask) await juliet.omemo.decide(key, 'verified', 'compare')
    expect((await sends(juliet, romeo, 'one')).kind).toBe('encrypted')
    expect(await everythingArrives(phone)).toEqual(['one'])
  })

  test('a distrusted sender is not shown before another decision', async () => {
    const juliet = await w.device('juliet')
    const phone = await w.device('romeo')
    await acquainted(juliet, phone)
    await compare(juliet, phone, 'distrusted')
    await sends(phone, juliet.account, 'let me in')
    const [received] = juliet.arrived()
    expect(await openedBy(juliet, received as Received)).toBe('key-distrusted')
    await compare(juliet, phone)
    expect(await openedBy(juliet, received as Received)).toBe('let me in')
  })

  test('row 10: a device that the server adds after a verification gets nothing, and is told of', async () => {
    const juliet = await w.device('juliet')
    const phone = await w.device('romeo')
    await acquainted(juliet, phone)
    await compare(juliet, phone)
    juliet.events.length = 0
    const injected = await w.device('romeo')
    await everythingArrives(juliet, phone, injected)
    const outcome = await sends(juliet, romeo, 'secret')
    expect(outcome).toMatchObject({
      kind: 'encrypted',
      skipped: [{ code: 'key-undecided', key: { fingerprint: injected.omemo.fingerprint } }],
    })
    expect(juliet.events.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['devices-changed', 'key-met']),
    )
    expect((await everythingArrives(injected)).at(-1)).toBe('not-for-this-device')
  })

  test('row 10: an own device that appears after a verification of another own one gets nothing either', async () => {
    const juliet = await w.device('juliet')
    const tablet = await w.device('juliet')
    const phone = await w.device('romeo')
    await acquainted(juliet, phone)
    await compare(juliet, tablet)
    const injected = await w.device('juliet')
    await w.service.settle()
    const outcome = await sends(juliet, romeo, 'secret')
    expect(outcome).toMatchObject({
      kind: 'encrypted',
      skipped: [{ code: 'key-undecided', owner: juliet.account }],
    })
    expect((await everythingArrives(phone)).at(-1)).toBe('secret')
    if (outcome.kind === 'encrypted')
      expect(outcome.reached.map(({ device }) => device.id)).not.toContain(injected.omemo.deviceId)
  })
})

describe('scanning', () => {
  test('the URI of another device verifies it, on paper as in the store', async () => {
    const juliet = await w.device('juliet')
    const phone = await w.device('romeo')
    expect(phone.omemo.uri).toBe(`xmpp:${romeo}?omemo-sid-${phone.omemo.deviceId}=${phone.omemo.fingerprint}`)
    expect(await juliet.omemo.scan(phone.omemo.uri, romeo)).toMatchObject([{ level: 'verified', by: 'scan' }])
    const outcome = await sends(juliet, romeo, 'hello')
    expect(outcome).toMatchObject({ kind: 'encrypted', keys: [{ level: 'verified' }] })
  })
})

describe('automatic trust management', () => {
  const policy = automaticTrustManagement

  /** What went over the wires of one device as encrypted messages, by namespace. */
  const sentBy = ({ client }: TestDevice): readonly Element[] =>
    w.service.transcript.flatMap((entry) =>
      entry.kind === 'stanza' &&
      entry.direction === 'sent' &&
      entry.client === client.jid &&
      entry.stanza.name === 'message'
        ? [entry.stanza]
        : [],
    )

  test('XEP-0450 §4.1: one scan verifies on both own devices, and the contact learns the own keys', async () => {
    const laptop = await w.device('juliet', { policy })
    const tablet = await w.device('juliet', { policy })
    const phone = await w.device('romeo', { policy })
    await acquainted(laptop, phone, tablet)
    await compare(laptop, tablet)
    await compare(tablet, laptop)
    await everythingArrives(laptop, tablet, phone)
    expect(await levelOf(tablet, phone)).toBe('blind')

    // The laptop and the phone scan each other: tablet and phone know each other then.
    await laptop.omemo.scan(phone.omemo.uri, romeo)
    await everythingArrives(laptop, tablet, phone)
    expect(await levelOf(tablet, phone)).toBe('verified')
    expect(await levelOf(phone, tablet)).toBe('blind')
    await phone.omemo.scan(laptop.omemo.uri, laptop.account)
    await everythingArrives(laptop, tablet, phone)
    expect(await levelOf(phone, tablet)).toBe('verified')
    expect(tablet.events).toContainEqual(
      expect.objectContaining({
        kind: 'key-changed',
        key: expect.objectContaining({ owner: romeo, level: 'verified' }),
      }),
    )
  })

  test('row 18: trust messages go in omemo:2 alone, to verified keys alone', async () => {
    const laptop = await w.device('juliet', { policy })
    const tablet = await w.device('juliet', { policy })
    const other = await w.device('juliet', { policy })
    const phone = await w.device('romeo', { policy })
    await acquainted(laptop, phone)
    await everythingArrives(laptop, tablet, other, phone)
    await compare(laptop, tablet)
    await everythingArrives(laptop, tablet, other, phone)
    const before = sentBy(laptop).length
    await compare(laptop, phone)
    await w.service.settle()
    const told = sentBy(laptop).slice(before)
    expect(told).toHaveLength(2)
    for (const stanza of told) {
      expect(stanza.attrs.type).toBe('chat')
      expect(children(stanza, 'store', 'urn:xmpp:hints')).toHaveLength(1)
      expect(children(stanza, 'encrypted', AXOLOTL)).toEqual([])
      const [encrypted] = children(stanza, 'encrypted', OMEMO_2)
      const rids = children(children(encrypted as Element, 'header')[0] as Element, 'keys').flatMap((keys) =>
        children(keys, 'key').map(({ attrs }) => Number(attrs.rid)),
      )
      expect(rids).toContain(tablet.omemo.deviceId)
      expect(rids).not.toContain(other.omemo.deviceId)
    }
  })

  test('row 18: a trust message in 0.3, or in the clear, says nothing', async () => {
    const laptop = await w.device('juliet', { policy })
    const phone = await w.device('romeo', { policy })
    const tablet = await w.device('romeo', { policy })
    await acquainted(laptop, phone, tablet)
    await compare(laptop, phone)
    await everythingArrives(laptop, phone, tablet)
    const level = await levelOf(laptop, tablet)
    const statement = element(
      'urn:xmpp:tm:1',
      'trust-message',
      { usage: 'urn:xmpp:atm:1', encryption: OMEMO_2 },
      [
        element('urn:xmpp:tm:1', 'key-owner', { jid: romeo }, [
          element(
            'urn:xmpp:tm:1',
            'distrust',
            {},
            Buffer.from(tablet.omemo.fingerprint, 'hex').toString('base64'),
          ),
        ]),
      ],
    )
    await phone.client.connection.send(
      element('jabber:client', 'message', { to: laptop.account, type: 'chat' }, [statement]),
    )
    const older = await phone.omemo.encrypt(
      element('jabber:client', 'message', { to: laptop.account, type: 'chat' }, [
        element('jabber:client', 'body', {}, 'hello'),
      ]),
      [laptop.account],
    )
    if (older.kind !== 'encrypted') throw new Error('refused')
    const [stanza] = older.stanzas
    await phone.client.connection.send({ ...stanza, children: [...stanza.children, statement] })
    await everythingArrives(laptop)
    expect(await levelOf(laptop, tablet)).toBe(level)
  })

  test('distrust is told, and the distrusted device is not among those who are', async () => {
    const laptop = await w.device('juliet', { policy })
    const tablet = await w.device('juliet', { policy })
    const stolen = await w.device('juliet', { policy })
    const phone = await w.device('romeo', { policy })
    const all = [laptop, tablet, stolen, phone]
    await acquainted(laptop, phone, tablet)
    await acquainted(stolen, phone)
    for (const one of [laptop, tablet, phone])
      for (const other of [laptop, tablet, phone, stolen]) if (one !== other) await compare(one, other)
    await everythingArrives(...all)
    await compare(laptop, stolen, 'distrusted')
    await everythingArrives(...all)
    // A person has verified it on the tablet and on the phone: to distrust is always allowed.
    expect(await levelOf(tablet, stolen)).toBe('distrusted')
    expect(await levelOf(phone, stolen)).toBe('distrusted')
    expect(await levelOf(laptop, stolen)).toBe('distrusted')
  })

  describe('removing an own device', () => {
    async function stolen() {
      const laptop = await w.device('juliet', { policy })
      const thief = await w.device('juliet', { policy })
      const phone = await w.device('romeo', { policy })
      await acquainted(laptop, thief, phone)
      await compare(laptop, thief)
      await compare(thief, laptop)
      await everythingArrives(laptop, thief, phone)
      expect(await levelOf(laptop, thief)).toBe('verified')
      const { deviceId } = thief.omemo
      const shown = async () =>
        (await laptop.omemo.devices(laptop.account)).find(({ device }) => device.id === deviceId)?.key
      return { laptop, thief, phone, deviceId, shown }
    }

    test('distrusts it: it comes back, and what it says of others is not heeded', async () => {
      const { laptop, thief, phone, deviceId, shown } = await stolen()
      await w.service.finish(laptop.omemo.removeDevices([deviceId]))
      expect(await shown()).toMatchObject({ level: 'distrusted', by: 'choice' })
      await w.service.advance(REANNOUNCE_JITTER_MS)
      await compare(thief, phone)
      await everythingArrives(laptop, thief, phone)
      expect(await levelOf(laptop, phone)).toBe('blind')
      expect(await shown()).toMatchObject({ level: 'distrusted' })
    })

    test('keeps its trust when told to', async () => {
      const { laptop, thief, phone, deviceId, shown } = await stolen()
      await w.service.finish(laptop.omemo.removeDevices([deviceId], { keepTrust: true }))
      expect(await shown()).toMatchObject({ level: 'verified', by: 'compare' })
      await w.service.advance(REANNOUNCE_JITTER_MS)
      await compare(thief, phone)
      await everythingArrives(laptop, thief, phone)
      expect(await levelOf(laptop, phone)).toBe('verified')
    })

    test('distrusts it also when the server takes nothing off its lists', async () => {
      const { laptop, deviceId, shown } = await stolen()
      w.service.fault({ fault: { kind: 'error', condition: 'internal-server-error' }, direction: 'sent' })
      await expect(w.service.finish(laptop.omemo.removeDevices([deviceId]))).rejects.toThrow()
      expect(await shown()).toMatchObject({ level: 'distrusted' })
    })
  })

  test('what was decided otherwise before it could be told is not told any more', async () => {
    const laptop = await w.device('juliet', { policy })
    const tablet = await w.device('juliet', { policy })
    const phone = await w.device('romeo', { policy })
    await acquainted(laptop, phone, tablet)
    await compare(laptop, tablet)
    await compare(tablet, laptop)
    await everythingArrives(laptop, tablet, phone)
    laptop.client.lose()
    await compare(laptop, phone)
    await compare(laptop, phone, 'undecided')
    laptop.client.reconnect()
    laptop.client.presence()
    await w.service.finish(laptop.omemo.start())
    await everythingArrives(laptop, tablet, phone)
    expect(await levelOf(tablet, phone)).toBe('blind')
  })

  test('a notice survives the network, and goes when it is back', async () => {
    const laptop = await w.device('juliet', { policy })
    const tablet = await w.device('juliet', { policy })
    const phone = await w.device('romeo', { policy })
    await acquainted(laptop, phone, tablet)
    await compare(laptop, tablet)
    await compare(tablet, laptop)
    await everythingArrives(laptop, tablet, phone)
    laptop.client.lose()
    await compare(laptop, phone)
    await w.service.settle()
    expect(await levelOf(tablet, phone)).toBe('blind')
    laptop.client.reconnect()
    laptop.client.presence()
    await w.service.finish(laptop.omemo.start())
    await everythingArrives(laptop, tablet, phone)
    expect(await levelOf(tablet, phone)).toBe('verified')
  })

  test('who is distrusted before they could be told is not told any more', async () => {
    const laptop = await w.device('juliet', { policy })
    const tablet = await w.device('juliet', { policy })
    const phone = await w.device('romeo', { policy })
    await acquainted(laptop, phone, tablet)
    await compare(laptop, tablet)
    await compare(tablet, laptop)
    await everythingArrives(laptop, tablet, phone)
    laptop.client.lose()
    await compare(laptop, phone)
    await compare(laptop, tablet, 'distrusted')
    laptop.client.reconnect()
    laptop.client.presence()
    const before = sentBy(laptop).length
    await w.service.finish(laptop.omemo.start())
    await everythingArrives(laptop, tablet, phone)
    expect(await levelOf(tablet, phone)).toBe('blind')
    // Nor is the phone told that a tablet is verified which is distrusted now.
    expect(await levelOf(phone, tablet)).not.toBe('verified')
    const addressees = sentBy(laptop).slice(before)
    expect(addressees.map(({ attrs }) => attrs.to)).not.toContain(laptop.account)
  })

  test('who is not verified waits: verifying later brings what they have said', async () => {
    const laptop = await w.device('juliet', { policy })
    const phone = await w.device('romeo', { policy })
    const tablet = await w.device('romeo', { policy })
    await acquainted(laptop, phone, tablet)
    // The phone verifies the laptop and the tablet, and tells the laptop of the tablet.
    await compare(phone, laptop)
    await compare(phone, tablet)
    await everythingArrives(laptop, phone, tablet)
    expect(await levelOf(laptop, tablet)).toBe('blind')
    await compare(laptop, phone)
    expect(await levelOf(laptop, tablet)).toBe('verified')
  })
})
