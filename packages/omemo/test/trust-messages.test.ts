/** Trust messages (XEP-0434, XEP-0450) and what waits for them, without network. */
import {
  ATM_NAMESPACE,
  automaticTrustManagement,
  encodeWaiting,
  manual,
  type Policy,
  trustMessage,
} from '@xmpp-e2e/trust'
import { type BareJid, bare, type Element, element } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { change } from '../src/account.ts'
import { encodeContact, newContact, withIdentity } from '../src/device/contact.ts'
import { OmemoError } from '../src/error.ts'
import { fingerprint, generateIdentity, importEd25519 } from '../src/identity-key.ts'
import { decide, type Introduction, keysOf, meet } from '../src/keyring.ts'
import { OMEMO_2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { decodeRoom, encodeRoom } from '../src/room-record.ts'
import { elementOf, receiveTrust } from '../src/trust-messages.ts'
import {
  decodeNotice,
  encodeNotice,
  fingerprintOfKeyId,
  keyIdOf,
  SEND_TRUST,
  trustEffects,
} from '../src/trust-notices.ts'
import { type BareAccount, bareAccount } from './bare-account.ts'
import { attempt, failure, seeded } from './support.ts'

const random = seeded('trust messages')
const romeo = bare('romeo@montague.lit')
const juliet = bare('juliet@capulet.lit')

interface Person extends Introduction {
  readonly edwards: Uint8Array
}

function person(owner: BareJid): Person {
  const identity = generateIdentity(random)
  return { owner, fingerprint: fingerprint(identity), edwards: identity.edwards }
}

const refOf = ({ owner, fingerprint }: Person) => ({ owner, fingerprint })

function met(account: BareAccount, people: readonly Person[]) {
  return change(account, [], async (_, reader) => {
    const { keys, ...meeting } = await meet(account, reader, people.map(refOf))
    return { ...meeting, result: keys }
  })
}

function says(about: Readonly<Record<string, readonly Person[]>>, encryption: string = OMEMO_2): Element {
  const people = Object.values(about).flat()
  const of = (kind: string, owner: BareJid) =>
    (about[kind] ?? []).filter((one) => one.owner === owner).map(({ edwards }) => Uint8Array.from(edwards))
  const keyOwners = [...new Set(people.map(({ owner }) => owner))].map((jid) => ({
    jid,
    trust: of('trust', jid),
    distrust: of('distrust', jid),
  }))
  return trustMessage.encode({ usage: ATM_NAMESPACE, encryption, keyOwners })
}

function hears(
  account: BareAccount,
  sender: Person,
  element: Element,
  at: Date | undefined = new Date(account.time),
) {
  return change(account, [], async (_, reader) => {
    const { keys, ...meeting } = await receiveTrust(account, reader, refOf(sender), { element, at })
    return { ...meeting, result: keys[0] }
  })
}

const levelOf = async (account: BareAccount, { owner, fingerprint }: Person) =>
  (await keysOf(account, owner)).find((key) => key.fingerprint === fingerprint)?.level

const atm = (policy: Policy = automaticTrustManagement) => bareAccount({ policy })

describe('receiving', () => {
  test('from a verified device of a contact, about their other devices', async () => {
    const account = atm()
    const [phone, tablet] = [person(romeo), person(romeo)]
    await met(account, [phone, tablet])
    await decide(account, refOf(phone), 'verified', 'compare')
    await hears(account, phone, says({ trust: [tablet] }))
    expect(await levelOf(account, tablet)).toBe('verified')
    expect(account.events.at(-1)).toMatchObject({ kind: 'key-changed', key: { by: 'trust-message' } })
    await hears(account, phone, says({ distrust: [tablet] }))
    expect(await levelOf(account, tablet)).toBe('distrusted')
  })

  test('introduces the sender, who waits until verified, and the key, until it is met', async () => {
    const account = atm()
    const [phone, tablet] = [person(romeo), person(romeo)]
    const key = await hears(account, phone, says({ trust: [tablet] }))
    expect(key).toMatchObject({ level: 'blind', fingerprint: phone.fingerprint })
    expect(account.events).toMatchObject([{ kind: 'key-met' }])
    await decide(account, refOf(phone), 'verified', 'compare')
    expect(await levelOf(account, tablet)).toBeUndefined()
    await met(account, [tablet])
    expect(await levelOf(account, tablet)).toBe('verified')
    const [reading] = await account.store.read([records.waiting])
    expect(Buffer.from(reading?.value ?? []).toString()).toBe('1\n')
  })

  test('from an own device, about everybody, in whatever order keys are met', async () => {
    const account = atm()
    const [tablet, phone, watch] = [person(juliet), person(romeo), person(juliet)]
    await hears(account, tablet, says({ trust: [phone, watch] }))
    await hears(account, watch, says({ trust: [person(romeo)] }))
    await met(account, [phone])
    expect(await levelOf(account, phone)).toBe('blind')
    await decide(account, refOf(tablet), 'verified', 'scan')
    expect(await levelOf(account, phone)).toBe('verified')
    expect(await levelOf(account, watch)).toBe('verified')
  })

  test('from an own device that is met last: what it has said of contacts who are known', async () => {
    const account = atm()
    const [tablet, watch, phone] = [person(juliet), person(juliet), person(romeo)]
    await met(account, [tablet, phone])
    await decide(account, refOf(tablet), 'verified', 'scan')
    const at = new Date(account.time)
    const waiting = encodeWaiting([
      { sender: refOf(watch), about: refOf(phone), trust: true, at },
      { sender: refOf(tablet), about: refOf(watch), trust: true, at },
    ])
    await account.store.commit([], { put: [[records.waiting, waiting]] })
    expect(await levelOf(account, phone)).toBe('blind')
    await met(account, [watch])
    expect(await levelOf(account, watch)).toBe('verified')
    expect(await levelOf(account, phone)).toBe('verified')
  })

  const nothing: readonly [string, (phone: Person, tablet: Person) => Element][] = [
    ['of another encryption', (_, tablet) => says({ trust: [tablet] }, 'urn:xmpp:openpgp:0')],
    ['that is malformed', () => element('urn:xmpp:tm:1', 'trust-message', { usage: ATM_NAMESPACE })],
    [
      'about nobody',
      () => element('urn:xmpp:tm:1', 'trust-message', { usage: ATM_NAMESPACE, encryption: OMEMO_2 }),
    ],
    ['about the sender itself', (phone) => says({ distrust: [phone] })],
  ]
  test.each(nothing)('one %s says nothing', async (_, write) => {
    const account = atm()
    const [phone, tablet] = [person(romeo), person(romeo)]
    await met(account, [phone, tablet])
    await decide(account, refOf(phone), 'verified', 'compare')
    const before = await keysOf(account, undefined)
    await hears(account, phone, write(phone, tablet))
    expect(await keysOf(account, undefined)).toEqual(before)
  })

  test('one without a time, or with a policy that does not want it, says nothing', async () => {
    for (const [account, at] of [
      [atm(), undefined],
      [atm(manual), new Date(0)],
    ] as const) {
      const [phone, tablet] = [person(romeo), person(romeo)]
      await met(account, [phone, tablet])
      await decide(account, refOf(phone), 'verified', 'compare')
      await change(account, [], async (_, reader) => {
        const { keys: _keys, ...meeting } = await receiveTrust(account, reader, refOf(phone), {
          element: says({ trust: [tablet] }),
          at,
        })
        return { ...meeting, result: undefined }
      })
      expect(await levelOf(account, tablet)).not.toBe('verified')
    }
  })

  test('a contact does not speak about others, nor about this device', async () => {
    const account = atm()
    const [phone, tablet, nurse] = [person(romeo), person(juliet), person(bare('nurse@capulet.lit'))]
    await met(account, [phone, tablet, nurse])
    await decide(account, refOf(phone), 'verified', 'compare')
    const self = {
      owner: juliet,
      fingerprint: account.self.fingerprint,
      edwards: account.self.identity.edwards,
    }
    await hears(account, phone, says({ distrust: [tablet, nurse, self] }))
    expect(await levelOf(account, tablet)).toBe('blind')
    expect(await levelOf(account, nurse)).toBe('blind')
  })

  test('a person has the last word: what contradicts them is an event', async () => {
    const account = atm()
    const [phone, tablet] = [person(romeo), person(romeo)]
    await decide(account, refOf(phone), 'verified', 'compare')
    await decide(account, refOf(tablet), 'distrusted', 'choice')
    account.time += 1000
    await hears(account, phone, says({ trust: [tablet] }))
    expect(await levelOf(account, tablet)).toBe('distrusted')
    expect(account.events.at(-1)).toMatchObject({ kind: 'key-contested', contest: { level: 'verified' } })
  })
})

describe('notices', () => {
  test('of a decision are queued in its commit, and of nothing but news', async () => {
    const account = atm()
    const [tablet, phone] = [person(juliet), person(romeo)]
    await decide(account, refOf(tablet), 'verified', 'compare')
    expect(await account.effects.list()).toHaveLength(0)
    await decide(account, refOf(phone), 'verified', 'compare')
    const queued = await account.effects.list()
    expect(queued.map(({ kind }) => kind)).toEqual([SEND_TRUST, SEND_TRUST])
    expect(queued.map(({ payload }) => decodeNotice(payload)).sort((a, b) => (a.to < b.to ? -1 : 1))).toEqual(
      [
        { to: juliet, recipients: [tablet.fingerprint], trust: true, about: [refOf(phone)] },
        { to: romeo, recipients: [phone.fingerprint], trust: true, about: [refOf(tablet)] },
      ],
    )
    await decide(account, refOf(phone), 'verified', 'compare')
    expect(await account.effects.list()).toHaveLength(2)
    await decide(account, refOf(phone), 'distrusted', 'choice')
    expect(await account.effects.list()).toHaveLength(3)
  })

  test('about many keys of long addresses are as many as fit', () => {
    const longest = bare(`${'a'.repeat(1000)}@${'b'.repeat(60)}.lit`)
    const about = Array.from({ length: 250 }, () => ({ owner: longest, fingerprint: 'ab'.repeat(32) }))
    const recipients = [{ owner: romeo, fingerprint: 'cd'.repeat(32) }]
    const effects = trustEffects([{ to: romeo, recipients, trust: about, distrust: [] }])
    expect(effects.length).toBeGreaterThan(1)
    expect(effects.every(({ payload }) => payload.length <= 131_072)).toBe(true)
    expect(effects.flatMap(({ payload }) => decodeNotice(payload).about)).toEqual(about)
  })

  test('come back as they were', () => {
    const notice = {
      to: romeo,
      recipients: ['ab'.repeat(32)],
      trust: false,
      about: [{ owner: juliet, fingerprint: 'cd'.repeat(32) }],
    }
    expect(decodeNotice(encodeNotice(notice))).toEqual(notice)
  })

  const good = {
    v: 1,
    to: romeo,
    recipients: ['ab'.repeat(32)],
    trust: true,
    about: [[romeo, 'cd'.repeat(32)]],
  }
  test.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['a full address', JSON.stringify({ ...good, to: `${romeo}/phone` })],
    ['a recipient that is none', JSON.stringify({ ...good, recipients: ['AB'.repeat(32)] })],
    ['no recipients', JSON.stringify({ ...good, recipients: undefined })],
    ['neither trust nor distrust', JSON.stringify({ ...good, trust: 'yes' })],
    ['a key of nobody', JSON.stringify({ ...good, about: [['', 'cd'.repeat(32)]] })],
    ['a key that is none', JSON.stringify({ ...good, about: [[romeo]] })],
  ])('with %s are malformed', (_, text) => {
    expect(failure(() => decodeNotice(Buffer.from(text))).code).toBe('state-malformed')
  })

  test('of a newer version are left alone', () => {
    const text = JSON.stringify({ ...good, v: 2 })
    expect(failure(() => decodeNotice(Buffer.from(text))).code).toBe('state-version-unknown')
    expect(failure(() => decodeRoom(Buffer.from('{"v":2}'))).code).toBe('state-version-unknown')
  })
})

describe('key identifiers', () => {
  test('are the Ed25519 form, with the sign that its device has shown', () => {
    const seeds = Array.from({ length: 16 }, () => random(32))
    for (const seed of seeds) {
      const { edwards, montgomery } = importEd25519(seed)
      const key = { owner: romeo, fingerprint: fingerprint({ montgomery }) }
      expect(keyIdOf(key, undefined)).toEqual(edwards)
      const negative = Uint8Array.from(edwards)
      negative[31] = (negative[31] as number) | 0x80
      expect(keyIdOf(key, negative)).toEqual(negative)
      for (const id of [edwards, negative]) expect(fingerprintOfKeyId(id, [])).toBe(key.fingerprint)
      expect(fingerprintOfKeyId(montgomery, [key])).toBe(key.fingerprint)
    }
  })

  test.each([
    ['too short', new Uint8Array(31)],
    ['too long', new Uint8Array(33)],
    ['no point', new Uint8Array(32).fill(0xff)],
    ['of small order', Uint8Array.of(1, ...new Uint8Array(31))],
  ])('that are %s name nothing', (_, id) => {
    expect(fingerprintOfKeyId(id, [])).toBeUndefined()
  })

  test('are as a contact has shown them', async () => {
    const account = atm()
    const { edwards, fingerprint } = person(romeo)
    const negative = Uint8Array.from(edwards)
    negative[31] = (negative[31] as number) | 0x80
    const notice = { to: romeo, recipients: [], trust: true, about: [{ owner: romeo, fingerprint }] }
    const idIn = async () => trustMessage.decode(await elementOf(account, notice)).keyOwners[0]?.trust[0]
    expect(await idIn()).toEqual(Uint8Array.from(edwards))
    const { contact } = withIdentity(newContact(romeo), 7, { fingerprint, edwards: negative }, 0)
    await account.store.commit([], { put: [[records.contact(romeo), encodeContact(contact)]] })
    expect(await idIn()).toEqual(negative)
  })
})

test('row 31: no bytes make the readers of records fail in another way than they say', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => Uint8Array.from(Buffer.from(text))),
    fc
      .record({
        v: fc.constant(1),
        to: fc.constant(romeo),
        recipients: fc.anything(),
        trust: fc.anything(),
        about: fc.anything(),
      })
      .map((value) => Uint8Array.from(Buffer.from(JSON.stringify(value)))),
    fc
      .record({ v: fc.constant(1), last: fc.anything(), answer: fc.anything() })
      .map((value) => Uint8Array.from(Buffer.from(JSON.stringify(value)))),
  )
  fc.assert(
    fc.property(bytes, (input) => {
      for (const read of [decodeNotice, decodeRoom]) {
        const result = attempt(() => read(input))
        if (result instanceof OmemoError) expect(result.code).toMatch(/^state-/)
      }
    }),
    { numRuns: 500 },
  )
})

test('what is kept of a room comes back as it was', () => {
  const answers = [
    { kind: 'members', jids: [romeo], hidden: ['owner'], at: 5 },
    { kind: 'refused', code: 'room-open', at: 5 },
  ] as const
  for (const record of [
    {},
    { last: [] },
    { last: [romeo, juliet] },
    ...answers.map((answer) => ({ answer })),
  ])
    expect(decodeRoom(encodeRoom(record))).toEqual(record)
})
