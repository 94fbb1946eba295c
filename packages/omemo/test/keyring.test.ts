import { MAX_LANE_EFFECTS, memoryStore, type Store } from '@xmpp-e2e/store'
import {
  automaticTrustManagement,
  blindTrustBeforeVerification,
  decodeKey,
  encodeKey,
  firstUse,
  formatKeyUri,
  type Key,
  type KeyRef,
  manual,
  TrustError,
} from '@xmpp-e2e/trust'
import { type BareJid, bare } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { change } from '../src/account.ts'
import { fingerprint, generateIdentity } from '../src/identity-key.ts'
import { decodeKeys, encodeKeys, MAX_KEYS_BYTES } from '../src/key-records.ts'
import { decide, type Introduction, keysOf, meet, scan } from '../src/keyring.ts'
import { records } from '../src/record.ts'
import { type BareAccount, bareAccount } from './bare-account.ts'
import { failure, seeded } from './support.ts'

const romeo = bare('romeo@montague.lit')
const random = seeded('keyring')
const ref = (owner: BareJid = romeo): KeyRef => ({
  owner,
  fingerprint: fingerprint(generateIdentity(random)),
})

function met(account: BareAccount, introduced: readonly Introduction[]): Promise<readonly Key[]> {
  return change(account, [], async (_, reader) => {
    const { keys, ...meeting } = await meet(account, reader, introduced)
    return { ...meeting, result: keys }
  })
}

const levels = (keys: readonly Key[]) => keys.map(({ level }) => level)
const failing = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('meeting keys', () => {
  test.each([
    ['blind before verification', blindTrustBeforeVerification, ['blind', 'blind', 'blind']],
    ['first use', firstUse, ['blind', 'undecided', 'blind']],
    ['manual', manual, ['undecided', 'undecided', 'undecided']],
    ['automatic', automaticTrustManagement, ['blind', 'blind', 'blind']],
  ])('policy %s', async (_, policy, expected) => {
    const account = bareAccount({ policy })
    const keys = [ref(), ref(), ref(account.jid)]
    expect(levels(await met(account, keys))).toEqual(expected)
    expect(account.events.map(({ kind }) => kind)).toEqual(['key-met', 'key-met', 'key-met'])
    const [own, first, second] = await keysOf(account, undefined)
    expect(levels([first, second, own] as Key[])).toEqual(expected)
    // Known keys are what they were, and nobody hears of them again.
    expect(levels(await met(account, [...keys].reverse()))).toEqual([...expected].reverse())
    expect(account.events).toHaveLength(3)
  })

  test('of this device is verified, and in no record', async () => {
    const account = bareAccount()
    const { jid, self } = account
    const [key] = await met(account, [{ owner: jid, fingerprint: self.fingerprint, label: 'mine' }])
    expect(key).toMatchObject({ level: 'verified', own: true, protocol: 'urn:xmpp:omemo:2' })
    expect(await keysOf(account, undefined)).toEqual([])
    expect(await account.store.list('')).toMatchObject({ entries: [] })
    expect(account.events).toEqual([])
  })

  test('once, however often it is introduced, with its device and label', async () => {
    const account = bareAccount()
    const key = ref()
    const device = { jid: romeo, id: 7 }
    const keys = await met(account, [{ ...key, device }, { ...key, label: 'phone' }, key])
    expect(keys.map(({ label }) => label)).toEqual(['phone', 'phone', 'phone'])
    expect(account.events).toEqual([{ kind: 'key-met', key: keys[0], device }])
    await met(account, [{ ...key, label: 'phone' }])
    expect(account.events).toHaveLength(1)
    const [renamed] = await met(account, [{ ...key, label: 'tablet' }])
    expect(account.events[1]).toEqual({ kind: 'key-changed', key: renamed, previous: 'blind' })
  })

  test('row 17: the same key of two owners are two keys; a device id is no part of one', async () => {
    const account = bareAccount()
    const { fingerprint } = ref()
    const benvolio = bare('benvolio@montague.lit')
    await met(account, [
      { owner: romeo, fingerprint, device: { jid: romeo, id: 1 } },
      { owner: benvolio, fingerprint, device: { jid: benvolio, id: 1 } },
    ])
    await decide(account, { owner: romeo, fingerprint }, 'distrusted', 'choice')
    expect(levels(await keysOf(account, benvolio))).toEqual(['blind'])
    const other = ref()
    const [key] = await met(account, [{ ...other, device: { jid: romeo, id: 1 } }])
    expect(key).toMatchObject({ fingerprint: other.fingerprint, level: 'undecided' })
  })

  test('row 10: a device that a server adds after a verification waits for a decision', async () => {
    const account = bareAccount()
    const [genuine, injected] = [ref(), ref()]
    await met(account, [genuine])
    await decide(account, genuine, 'verified', 'compare')
    const [key] = await met(account, [injected])
    expect(key?.level).toBe('undecided')
    expect(account.events.at(-1)).toMatchObject({ kind: 'key-met', key: injected })
  })

  test('of a hundred accounts reads and writes once, and each record once', async () => {
    const calls: string[] = []
    const store = counting(memoryStore(), calls)
    const account = bareAccount({ store })
    const owners = Array.from({ length: 100 }, (_, i) => bare(`user${i}@montague.lit`))
    const print = (i: number) => i.toString(16).padStart(64, '0')
    const introduced = Array.from({ length: 1000 }, (_, i) => ({
      owner: owners[i % 100] as BareJid,
      fingerprint: print(i),
    }))
    expect(await met(account, introduced)).toHaveLength(1000)
    expect(calls).toEqual(['read 101', 'commit 100'])
    calls.length = 0
    await met(account, introduced)
    expect(calls).toEqual(['read 101'])
  })
})

function counting(store: Store, calls: string[]): Store {
  return {
    read(keys) {
      calls.push(`read ${keys.length}`)
      return store.read(keys)
    },
    list(prefix) {
      calls.push(`list ${prefix}`)
      return store.list(prefix)
    },
    commit(tokens, batch) {
      calls.push(`commit ${batch.put?.length ?? 0}`)
      return store.commit(tokens, batch)
    },
  }
}

describe('deciding', () => {
  test('is told, stored, and stands when the key is met again', async () => {
    const account = bareAccount()
    const key = ref()
    await met(account, [key])
    const decided = await decide(account, key, 'distrusted', 'choice')
    expect(decided).toMatchObject({ level: 'distrusted', by: 'choice', decidedAt: new Date(account.time) })
    expect(account.events.at(-1)).toEqual({ kind: 'key-changed', key: decided, previous: 'blind' })
    expect(await met(account, [key])).toEqual([decided])
  })

  test('about a key that was never met makes it known', async () => {
    const account = bareAccount()
    const decided = await decide(account, ref(), 'verified', 'compare')
    expect(account.events).toEqual([{ kind: 'key-met', key: decided, device: undefined }])
  })

  test('about the own key of this device is a mistake', async () => {
    const account = bareAccount()
    const own = { owner: account.jid, fingerprint: account.self.fingerprint }
    expect(await failing(decide(account, own, 'distrusted', 'choice'))).toBeInstanceOf(RangeError)
  })

  test.each([
    [
      'a fingerprint in groups',
      { fingerprint: 'ab'.repeat(32).replace(/.{8}/g, '$& ').trim() },
      'parseFingerprint',
    ],
    ['one in upper case', { fingerprint: 'AB'.repeat(32) }, 'parseFingerprint'],
    ['one of 62 digits', { fingerprint: 'ab'.repeat(31) }, '64 digits'],
    ['one of 66 digits', { fingerprint: 'ab'.repeat(33) }, '64 digits'],
    ['an owner that is a full JID', { owner: `${romeo}/orchard` as BareJid }, 'owner'],
    ['an owner in upper case', { owner: romeo.toUpperCase() as BareJid }, 'owner'],
  ])('about %s is a mistake', async (_, wrong, says) => {
    const account = bareAccount()
    const error = await failing(decide(account, { ...ref(), ...wrong }, 'blind', 'choice'))
    expect(error).toBeInstanceOf(RangeError)
    expect(String(error)).toContain(says)
    expect((await account.store.list('')).entries).toEqual([])
  })

  test('stands where too much waits to be told to somebody, who is not told of it; others are', async () => {
    const account = bareAccount({ policy: automaticTrustManagement })
    const [phone, sibling] = [ref(), ref(account.jid)]
    for (const key of [phone, sibling]) await decide(account, key, 'verified', 'scan')
    const to = (await account.effects.list())
      .filter(({ key }) => key.startsWith(romeo))
      .map(({ lane }) => lane)
    const [lane = ''] = to
    await change(account, [], () => ({
      effects: Array.from({ length: MAX_LANE_EFFECTS - to.length }, (_, i) => ({
        lane,
        kind: 'send-trust',
        key: `${i}`,
        payload: new Uint8Array(1),
      })),
      result: undefined,
    }))
    const waiting = await account.effects.list()
    const key = ref(account.jid)
    const decided = await decide(account, key, 'verified', 'compare')
    expect(decided.level).toBe('verified')
    expect((await keysOf(account, account.jid)).map(({ level }) => level)).toEqual(['verified', 'verified'])
    expect(account.events.filter(({ kind }) => kind === 'trust-untold')).toEqual([
      { kind: 'trust-untold', to: romeo, about: [key] },
    ])
    const more = (await account.effects.list()).filter(
      (one) => !waiting.some((other) => other.lane === one.lane && other.key === one.key),
    )
    expect(more.length).toBeGreaterThan(0)
    expect(more.filter((one) => one.lane === lane)).toEqual([])
  })
})

describe('scanning', () => {
  test('verifies what a code names', async () => {
    const account = bareAccount()
    const [phone, tablet] = [ref(), ref()]
    await met(account, [phone])
    const uri = formatKeyUri({
      jid: romeo,
      claims: [phone, tablet].map(({ fingerprint }, i) => ({ kind: 'omemo', device: i + 1, fingerprint })),
    })
    const keys = await scan(account, uri, romeo)
    expect(keys.map(({ level, by }) => `${level} by ${by}`)).toEqual(['verified by scan', 'verified by scan'])
    expect(await keysOf(account, romeo)).toEqual(keys)
    expect(account.events.map(({ kind }) => kind)).toEqual(['key-met', 'key-changed', 'key-met'])
  })

  test('of a code of the own account leaves this device out', async () => {
    const account = bareAccount()
    const sibling = ref(account.jid)
    const uri = formatKeyUri({
      jid: account.jid,
      claims: [account.self, sibling].map(({ fingerprint }, i) => ({
        kind: 'omemo',
        device: i + 1,
        fingerprint,
      })),
    })
    expect(levels(await scan(account, uri, account.jid))).toEqual(['verified', 'verified'])
    expect(await keysOf(account, account.jid)).toHaveLength(1)
  })

  test('XEP-0434 §9.1.1: names keys by their Ed25519 form, or by fingerprint', async () => {
    const account = bareAccount()
    const identity = generateIdentity(random)
    const [shown, known] = [fingerprint(identity), ref()]
    await met(account, [known])
    const id = Array.from(identity.edwards, (byte) => byte.toString(16).padStart(2, '0')).join('')
    const uri = `xmpp:${romeo}?trust-message;encryption=urn:xmpp:omemo:2;trust=${id};distrust=${known.fingerprint}`
    const keys = await scan(account, uri, romeo)
    expect(keys.map((key) => [key.fingerprint, key.level])).toEqual([
      [shown, 'verified'],
      [known.fingerprint, 'distrusted'],
    ])
  })

  test.each([
    ['another address', 'xmpp:tybalt@capulet.lit?omemo-sid-1=', 'uri-wrong-owner'],
    ['another encryption', `xmpp:${romeo}?otr-fingerprint=${'AB'.repeat(20)}`, 'uri-without-keys'],
    [
      'what is no key',
      `xmpp:${romeo}?trust-message;encryption=urn:xmpp:omemo:2;trust=00`,
      'uri-without-keys',
    ],
  ])('refuses %s', async (_, uri, code) => {
    const account = bareAccount()
    const text = uri.endsWith('sid-1=') ? uri + ref().fingerprint : uri
    const error = await failing(scan(account, text, romeo))
    expect(error instanceof TrustError && error.code).toBe(code)
    expect(await keysOf(account, undefined)).toEqual([])
  })

  test('does not take back what a person has distrusted: it asks', async () => {
    const account = bareAccount()
    const key = ref()
    await decide(account, key, 'distrusted', 'choice')
    const uri = formatKeyUri({
      jid: romeo,
      claims: [{ kind: 'omemo', device: 1, fingerprint: key.fingerprint }],
    })
    expect(levels(await scan(account, uri, romeo))).toEqual(['distrusted'])
    expect(account.events.at(-1)).toMatchObject({
      kind: 'key-contested',
      contest: { level: 'verified', by: 'scan' },
    })
  })
})

describe('records', () => {
  const key = (i: number, level: Key['level'], by?: Key['by']): Key => ({
    owner: romeo,
    fingerprint: i.toString(16).padStart(64, '0'),
    protocol: 'urn:xmpp:omemo:2',
    level,
    own: false,
    ...(by && { by, decidedAt: new Date(0) }),
  })

  test('of keys come back as they were, in their order', () => {
    const keys = [key(3, 'blind'), key(1, 'verified', 'scan'), { ...key(2, 'undecided'), label: 'Ä' }]
    expect(decodeKeys(encodeKeys(keys))).toEqual(keys)
    expect(decodeKeys(undefined)).toEqual([])
    expect(decodeKeys(encodeKeys([]))).toEqual([])
  })

  test('that are damaged are an error', () => {
    const bytes = encodeKeys([key(1, 'blind')])
    expect(failure(() => decodeKeys(bytes.slice(0, -1))).code).toBe('state-malformed')
    expect(failure(() => decodeKeys(Uint8Array.of(0x7b, 0x0a))).code).toBe('state-malformed')
    expect(decodeKey(encodeKey(key(1, 'blind')))).toEqual(key(1, 'blind'))
  })

  test('that grow too long lose undecided keys first, then blind ones, the oldest first', () => {
    const line = encodeKey(key(1, 'verified', 'scan')).length + 1
    const room = Math.floor(MAX_KEYS_BYTES / line)
    const decided = Array.from({ length: room - 2 }, (_, i) => key(i + 100, 'verified', 'scan'))
    const fits = [key(1, 'blind'), key(2, 'undecided'), ...decided]
    expect(decodeKeys(encodeKeys(fits))).toHaveLength(fits.length)
    const over = [key(1, 'blind'), key(2, 'undecided'), key(3, 'blind'), key(4, 'undecided'), ...decided]
    const kept = decodeKeys(encodeKeys(over))
    expect(encodeKeys(over).length).toBeLessThanOrEqual(MAX_KEYS_BYTES)
    expect(kept.slice(0, 2).map(({ fingerprint }) => Number.parseInt(fingerprint, 16))).toEqual([1, 3])
  })

  test('of nobody are read as nothing, and damaged ones stop every use', async () => {
    const account = bareAccount()
    await account.store.commit([], { put: [[records.keysOf(romeo), Uint8Array.of(1)]] })
    expect(await failing(met(account, [ref()]))).toMatchObject({ code: 'state-malformed' })
    expect(await failing(keysOf(account, undefined))).toMatchObject({ code: 'state-malformed' })
  })
})
