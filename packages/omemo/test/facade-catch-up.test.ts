/** Archives, in any order, and messages that come more than once (XEP-0384 §6; rows 5 and 13). */
import { bare, type Element, type Received } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import { decodeContact } from '../src/device/contact.ts'
import { OmemoError } from '../src/error.ts'
import {
  beginCatchUp,
  CATCH_UP_MS,
  decodeSpent,
  encodeSpent,
  endCatchUp,
  MAX_SPENT_PRE_KEYS,
  MAX_SPENT_USES,
  nothingSpent,
  type Spent,
  tickCatchUp,
  usablePreKeys,
  withUse,
} from '../src/message/catch-up.ts'
import { settle } from '../src/message/kept.ts'
import { decrypt } from '../src/message/receiving.ts'
import { decodeSeen, hasSeen, MAX_SEEN, withSeen } from '../src/message/seen.ts'
import { decodePreKeys } from '../src/pre-keys.ts'
import { type Namespace, protocols } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { decodeSessions } from '../src/session-codec.ts'
import { encryptedFormats } from '../src/stanza/encrypted.ts'
import { type BareAccount, bareAccount } from './bare-account.ts'
import { message, seen, unreadable, waiting } from './outcomes.ts'
import { BOTH, by, givePreKeys, live, Peer, stored } from './peer.ts'
import { seeded } from './support.ts'

const romeo = bare('romeo@montague.lit')
const tybalt = bare('tybalt@capulet.lit')

async function pair(preKeys = 30) {
  const juliet = bareAccount()
  await givePreKeys(juliet, preKeys)
  return { juliet, peer: new Peer(romeo, 7) }
}

function archived(juliet: BareAccount, stanza: Element, sentAt = new Date(juliet.time)): Received {
  return by(live(juliet, stanza), 'archive', sentAt)
}

async function current(of: BareAccount, peer: Peer, namespace: Namespace): Promise<string> {
  const device = { jid: peer.account, id: peer.deviceId }
  const [head, rest] = await Promise.all([
    stored(of, records.session(namespace, device, peer.fingerprint)),
    stored(of, records.archived(namespace, device, peer.fingerprint)),
  ])
  const { current } = decodeSessions({ current: head as Bytes, archived: rest as Bytes })
  return Buffer.from(current.ephemeralKey).toString('hex')
}

describe.each(BOTH)('%s', (namespace) => {
  test('two who took the same prekey are both heard while catch-up is open, and only then', async () => {
    const { juliet, peer } = await pair(1)
    const [second, third] = [new Peer(tybalt, 1), new Peer(tybalt, 2)]
    const stanzas = await Promise.all(
      [peer, second, third].map((one) => one.write(juliet, namespace, 'me first')),
    )
    const [a, b, c] = stanzas.map((stanza) => archived(juliet, stanza)) as [Received, Received, Received]
    await beginCatchUp(juliet)
    expect(seen(await decrypt(juliet, a))).toBe('me first')
    const left = decodePreKeys((await stored(juliet, records.preKeys(namespace))) as Bytes)
    expect(left.oneTime).toEqual([])
    expect(await waiting(juliet)).toEqual(['completion', 'publish-bundle'])
    expect(seen(await decrypt(juliet, b))).toBe('me first')
    await endCatchUp(juliet)
    expect(juliet.events.at(-1)).toEqual({ kind: 'caught-up' })
    expect(await stored(juliet, records.spent(namespace))).toBeUndefined()
    expect(await stored(juliet, records.catchUp)).toBeUndefined()
    expect(unreadable(await decrypt(juliet, c))).toMatchObject({ code: 'pre-key-unknown', retry: 'never' })
  })

  test('row 5: a key exchange comes again after its session was dropped, and stays a duplicate', async () => {
    const { juliet, peer } = await pair()
    await beginCatchUp(juliet)
    const first = archived(juliet, await peer.write(juliet, namespace, 'first'))
    const { ref } = message(await decrypt(juliet, first))
    await settle(juliet, [ref])
    for (let i = 0; i < 10; i++) {
      juliet.time += 1000
      peer.forget(juliet, namespace)
      expect(seen(await decrypt(juliet, archived(juliet, await peer.write(juliet, namespace, 'more'))))).toBe(
        'more',
      )
    }
    expect(await decrypt(juliet, first)).toEqual({ kind: 'silent', why: 'duplicate' })
    await endCatchUp(juliet)
    expect(await decrypt(juliet, first)).toEqual({ kind: 'silent', why: 'duplicate' })
  })

  test('row 5: an archive that is read again and again, over many turns of the ratchet, is all duplicates', async () => {
    const { juliet, peer } = await pair()
    const stanzas: Element[] = []
    for (let i = 0; i < 30; i++) {
      stanzas.push(await peer.write(juliet, namespace, `${i}`))
      const outcome = message(await decrypt(juliet, live(juliet, stanzas[i] as Element)))
      await settle(juliet, [outcome.ref])
      await peer.hear(juliet, namespace)
    }
    for (const stanza of stanzas)
      expect(await decrypt(juliet, archived(juliet, stanza))).toEqual({ kind: 'silent', why: 'duplicate' })
  })

  test('row 5: an ephemeral key that another device has used is forged', async () => {
    const { juliet, peer } = await pair()
    await beginCatchUp(juliet)
    const stanza = await peer.write(juliet, namespace, 'first')
    expect(seen(await decrypt(juliet, archived(juliet, stanza)))).toBe('first')
    const repeated = { ...stanza, attrs: { ...stanza.attrs, from: `${tybalt}/x` } }
    expect(unreadable(await decrypt(juliet, archived(juliet, repeated))).code).toBe('forged')
  })

  test('pages may come newest first', async () => {
    const { juliet, peer } = await pair()
    // Juliet’s other installation has answered: what follows is no key exchange.
    const before = bareAccount()
    for (const { 0: key, 1: value } of (await juliet.store.list('')).entries)
      await before.store.commit([], { put: [[key, value]] })
    const first = await peer.write(juliet, namespace, 'one')
    await decrypt(before, live(before, first))
    const second = await peer.write(juliet, namespace, 'two')
    const third = await peer.write(juliet, namespace, 'three')
    await peer.hear(before, namespace)
    await beginCatchUp(juliet)
    const late = archived(juliet, await peer.write(juliet, namespace, 'of an answered session'))
    expect(unreadable(await decrypt(juliet, late))).toMatchObject({
      code: 'archived-session-missing',
      retry: 'after-catch-up',
    })
    const read: string[] = []
    for (const stanza of [third, second, first])
      read.push(seen(await decrypt(juliet, archived(juliet, stanza))))
    expect(read).toEqual(['three', 'two', 'one'])
    // Its session exists now, but goes by an answer that this installation never gave.
    expect(unreadable(await decrypt(juliet, late))).toMatchObject({ retry: 'after-catch-up' })
    await endCatchUp(juliet)
    expect(unreadable(await decrypt(juliet, late))).toMatchObject({ retry: 'never' })
  })

  test('a message before the key exchange of its session is read after it', async () => {
    const { juliet, peer } = await pair()
    // QXmpp marks the first key exchange alone, but sends them all: here the second message really is none.
    const first = await peer.write(juliet, namespace, 'key exchange')
    const bare = await peer.write(juliet, namespace, 'message')
    const inner = withoutExchange(bare, namespace)
    await beginCatchUp(juliet)
    const early = archived(juliet, inner)
    expect(unreadable(await decrypt(juliet, early)).retry).toBe('after-catch-up')
    expect(seen(await decrypt(juliet, archived(juliet, first)))).toBe('key exchange')
    expect(seen(await decrypt(juliet, early))).toBe('message')
  })

  test('row 13: an old archive over a live session changes nothing of it', async () => {
    const { juliet, peer } = await pair()
    // Both sessions may have taken the same prekey.
    await beginCatchUp(juliet)
    const old = await Promise.all([peer.write(juliet, namespace, 'old')])
    old.push(await peer.write(juliet, namespace, 'older session, more'))
    juliet.time += 60_000
    const then = new Date(juliet.time - 60_000)
    peer.forget(juliet, namespace)
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'new')))
    await juliet.effects.discard(await juliet.effects.list())
    const before = await current(juliet, peer, namespace)
    for (const stanza of [...old, ...old])
      expect((await decrypt(juliet, archived(juliet, stanza, then))).kind).toBe('message')
    expect(await current(juliet, peer, namespace)).toBe(before)
    expect(juliet.events.flatMap((event) => (event.kind === 'session' ? event.what : []))).toEqual([
      'accepted',
    ])
    // Neither completed nor healed: nobody is told of a session that is out of use.
    expect(await waiting(juliet)).toEqual(['publish-bundle'])
    expect(seen(await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'goes on'))))).toBe(
      'goes on',
    )
  })

  test('row 13: an archive does not say which identity a device has now', async () => {
    const { juliet, peer } = await pair()
    await beginCatchUp(juliet)
    const before = new Peer(romeo, 7)
    const old = await before.write(juliet, namespace, 'before the reset')
    await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'after it')))
    await decrypt(juliet, archived(juliet, old, new Date(juliet.time - 1000)))
    const contact = decodeContact((await stored(juliet, records.contact(romeo))) as Bytes)
    expect(contact.devices[0]?.identities.map(({ fingerprint }) => fingerprint)).toEqual([
      peer.fingerprint,
      before.fingerprint,
    ])
  })

  test('row 5: every stanza three times, by every way, in any order: each is shown once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { minLength: 18, maxLength: 18 }), async (order) => {
        const { juliet, peer } = await pair(4)
        await beginCatchUp(juliet)
        const stanzas = [await peer.write(juliet, namespace, '0'), await peer.write(juliet, namespace, '1')]
        const shown: string[] = []
        const deliver = async (received: Received) => {
          const outcome = await decrypt(juliet, received)
          if (outcome.kind === 'message') {
            shown.push(seen(outcome))
            await settle(juliet, [outcome.ref])
          }
          return outcome
        }
        await deliver(live(juliet, stanzas[0] as Element))
        await peer.hear(juliet, namespace)
        for (const text of ['2', '3']) stanzas.push(await peer.write(juliet, namespace, text))
        peer.forget(juliet, namespace)
        for (const text of ['4', '5']) stanzas.push(await peer.write(juliet, namespace, text))
        const copies = stanzas.flatMap((stanza) =>
          (['live', 'carbon', 'archive'] as const).map((way) => by(live(juliet, stanza), way)),
        )
        const shuffled = copies.map((copy, i) => [order[i] ?? 0, copy] as const).sort(([a], [b]) => a - b)
        for (const [, copy] of shuffled) {
          const outcome = await deliver(copy)
          if (outcome.kind === 'silent') expect(outcome.why).toBe('duplicate')
        }
        expect([...shown].sort()).toEqual(['0', '1', '2', '3', '4', '5'])
      }),
      { numRuns: 15 },
    )
  })
})

/** What the sender would have written had it known that the key exchange arrived. */
function withoutExchange(stanza: Element, namespace: Namespace): Element {
  const format = encryptedFormats[namespace]
  const { wire } = protocols[namespace]
  const children = stanza.children.map((el) => {
    if (typeof el === 'string' || el.name !== 'encrypted') return el
    const encrypted = format.decode(el)
    const keys = encrypted.keys.map((key) => ({
      ...key,
      keyExchange: false,
      data: wire.decodeKeyExchange(key.data).message,
    }))
    return format.encode({ ...encrypted, keys })
  })
  return { ...stanza, children }
}

test('catch-up ends by itself a day after it was begun last', async () => {
  const { juliet } = await pair()
  expect(await tickCatchUp(juliet)).toBeUndefined()
  await beginCatchUp(juliet)
  const begun = juliet.time
  juliet.time += CATCH_UP_MS - 1
  expect(await tickCatchUp(juliet)).toEqual(new Date(begun + CATCH_UP_MS))
  await beginCatchUp(juliet)
  juliet.time += CATCH_UP_MS - 1
  expect(await tickCatchUp(juliet)).toBeDefined()
  juliet.time += 1
  expect(await tickCatchUp(juliet)).toBeUndefined()
  expect(juliet.events).toEqual([{ kind: 'caught-up' }])
  await endCatchUp(juliet)
  expect(juliet.events).toHaveLength(1)
})

test('where nobody calls tick, the next message ends it, and finds no used prekeys', async () => {
  const { juliet, peer } = await pair(1)
  const [namespace] = BOTH as [Namespace]
  const other = new Peer(tybalt, 1)
  const [a, b] = [await peer.write(juliet, namespace, 'a'), await other.write(juliet, namespace, 'b')]
  await beginCatchUp(juliet)
  await decrypt(juliet, live(juliet, a))
  const damaged = withoutExchange(await other.write(juliet, namespace, 'c'), namespace)
  expect(unreadable(await decrypt(juliet, archived(juliet, damaged))).retry).toBe('after-catch-up')
  juliet.time += CATCH_UP_MS
  expect(unreadable(await decrypt(juliet, archived(juliet, damaged))).retry).toBe('never')
  await beginCatchUp(juliet)
  juliet.time += CATCH_UP_MS
  expect(unreadable(await decrypt(juliet, live(juliet, b)))).toMatchObject({
    code: 'pre-key-unknown',
    retry: 'never',
  })
  expect(juliet.events.filter(({ kind }) => kind === 'caught-up')).toHaveLength(2)
  expect(await stored(juliet, records.spent(namespace))).toBeUndefined()
})

test('a clock that was set back by more than a day ends it', async () => {
  const { juliet } = await pair()
  await beginCatchUp(juliet)
  juliet.time -= CATCH_UP_MS + 1
  expect(await tickCatchUp(juliet)).toBeUndefined()
  expect(juliet.events).toEqual([{ kind: 'caught-up' }])
})

describe('seen messages', () => {
  const ref = (i: number) => i.toString(16).padStart(16, '0').padEnd(32, 'f')

  test('are bounded, the oldest go', () => {
    let record: Uint8Array | undefined
    for (let i = 0; i <= MAX_SEEN; i++) record = withSeen(record, ref(i))
    expect(decodeSeen(record)).toHaveLength(MAX_SEEN)
    expect(hasSeen(record, [ref(0)])).toBe(false)
    expect(hasSeen(record, [ref(0), ref(1)])).toBe(true)
    expect(hasSeen(record, [])).toBe(false)
    expect(hasSeen(undefined, [ref(1)])).toBe(false)
  })

  test.each([[[]], [[2]], [[1, 0]], [[1, ...new Uint8Array(8 * (MAX_SEEN + 1))]]])('damaged: %#', (bytes) => {
    expect(() => decodeSeen(Uint8Array.from(bytes))).toThrow(OmemoError)
  })
})

describe('used prekeys', () => {
  const random = seeded('spent')
  const preKey = (id: number) => ({ id, secret: random(32), publicKey: random(32) })
  const use = () => ({ ephemeralKey: random(32), user: random(16) })

  test('are written and read again', () => {
    const spent = withUse(
      withUse(withUse(nothingSpent, preKey(1), use()), preKey(2), use()),
      preKey(1),
      use(),
    )
    expect(spent.preKeys.map(({ id }) => id)).toEqual([1, 2])
    expect(spent.uses).toHaveLength(3)
    expect(decodeSpent(encodeSpent(spent))).toEqual(spent)
    expect(decodeSpent(undefined)).toEqual(nothingSpent)
  })

  test('are bounded: the oldest go, and above the limit of uses none is used again', () => {
    let spent: Spent = nothingSpent
    for (let id = 1; id <= MAX_SPENT_PRE_KEYS + 1; id++) spent = withUse(spent, preKey(id), use())
    expect(spent.preKeys).toHaveLength(MAX_SPENT_PRE_KEYS)
    expect(spent.preKeys[0]?.id).toBe(2)
    const preKeys = { signed: preKey(1), previousSigned: undefined, oneTime: [], nextId: 1000 }
    expect(usablePreKeys(preKeys, spent).oneTime).toHaveLength(MAX_SPENT_PRE_KEYS)
    while (spent.uses.length < MAX_SPENT_USES) spent = withUse(spent, preKey(5), use())
    expect(usablePreKeys(preKeys, spent).oneTime).toEqual([])
    spent = withUse(spent, preKey(5), use())
    expect(spent.uses).toHaveLength(MAX_SPENT_USES)
    expect(decodeSpent(encodeSpent(spent))).toEqual(spent)
  })
})
