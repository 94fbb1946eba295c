import { memoryStore } from '@xmpp-e2e/store'
import { element, serialize } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { bounded } from '../src/bounded.ts'
import { capsCache, claimKey, MAX_CACHED, MAX_INFO_LENGTH } from '../src/cache.ts'
import type { Claim } from '../src/claim.ts'
import { disco } from '../src/disco.ts'
import { sha1 } from '../src/hash.ts'
import { type Info, infoQuery } from '../src/info.ts'
import { MAX_PRIVATE } from '../src/inquiry.ts'
import { MAX_RESOURCES, type Resources, resources } from '../src/resource.ts'
import { features, queryOf } from './read.ts'
import { world } from './world.ts'

const claim = (hash: string): Claim => ({ xep: '0115', algorithm: 'sha-1', hash, node: `n#${hash}` })

const info = (length: number): Info => ({ identities: [], features: ['a'.repeat(length)], forms: [] })

test('a bounded map forgets what was not used for longest', () => {
  const map = bounded<number>(2)
  expect([map.put('a', 1), map.put('b', 2)]).toEqual([[], []])
  expect(map.get('a')).toBe(1)
  expect(map.put('c', 3)).toEqual(['b'])
  expect(map.put('a', 4)).toEqual([])
  expect([map.keys(), map.get('b'), map.get('a')]).toEqual([['c', 'a'], undefined, 4])
  map.delete('c')
  map.clear()
  expect(map.keys()).toEqual([])
})

test('MAX_INFO_LENGTH', async () => {
  const store = memoryStore()
  const cache = capsCache(store, [sha1])
  const room = MAX_INFO_LENGTH - serialize(infoQuery(info(0))).length
  await cache.put(claim('a'), info(room))
  await cache.put(claim('b'), info(room + 1))
  expect((await store.list('')).entries.map(([key]) => key)).toEqual([claimKey(claim('a'))])
  expect([await cache.get(claim('a')), await cache.get(claim('b'))]).toEqual([info(room), undefined])
})

test.each([MAX_INFO_LENGTH, MAX_INFO_LENGTH + 1])(
  'MAX_INFO_LENGTH, of %i for one address',
  async (length) => {
    const w = world()
    const options = {
      store: memoryStore(),
      identities: [{ category: 'client', type: 'pc' }],
      node: 'urn:us',
    } as const
    const d = disco(w.connection, options)
    const answer = info(length - JSON.stringify(info(0)).length)
    w.presence(
      'romeo@montague.lit/x',
      "<c xmlns='http://jabber.org/protocol/caps' hash='md5' node='urn:n' ver='AAAA'/>",
    )
    w.peers.set('romeo@montague.lit/x', () => infoQuery(answer))
    expect(await d.info('romeo@montague.lit/x')).toEqual(answer)
    await d.info('romeo@montague.lit/x')
    expect(w.requests.length).toBe(length === MAX_INFO_LENGTH ? 1 : 2)
  },
)

test.each([MAX_CACHED, MAX_CACHED + 1])('MAX_CACHED, of %i that others have stored', async (count) => {
  const store = memoryStore()
  const put = Array.from({ length: count }, (_, i) => [claimKey(claim(`${i}`)), Uint8Array.of(1)] as const)
  await store.commit([], { put: [...put, ['other', Uint8Array.of(1)]] })
  await capsCache(store, [sha1]).get(claim('x'))
  expect((await store.list('')).entries.length).toBe(MAX_CACHED + 1)
})

test.each([MAX_RESOURCES, MAX_RESOURCES + 1])('MAX_RESOURCES, of %i', (count) => {
  const there = resources()
  for (let i = 0; i < count; i++)
    there.presence(element('jabber:client', 'presence', { from: `room@chat.lit/${i}` }))
  const room = there.of('room@chat.lit' as Parameters<typeof there.of>[0])
  expect([room.length, room.some(({ jid }) => jid === 'room@chat.lit/0')]).toEqual([
    MAX_RESOURCES,
    count === MAX_RESOURCES,
  ])
})

describe('when there are too many', () => {
  type Address = Parameters<Resources['of']>[0]
  const romeo = 'romeo@montague.lit' as Address
  const presence = (there: Resources, from: string, type?: string) =>
    there.presence(element('jabber:client', 'presence', { from, type }))
  const flooded = (domainOf: (i: number) => string) => {
    const there = resources()
    presence(there, `${romeo}/phone`)
    presence(there, `${romeo}/desk`)
    for (let i = 1; i < MAX_RESOURCES; i++) presence(there, `s${i}@${domainOf(i)}/x`)
    return there
  }

  test('strangers of one domain push out each other', () => {
    const there = flooded(() => 'evil.lit')
    expect([there.of(romeo).length, there.hasAll(romeo)]).toEqual([2, true])
    expect([there.of('s1@evil.lit' as Address), there.hasAll('s1@evil.lit' as Address)]).toEqual([[], false])
    there.clear()
    expect([there.of(romeo), there.hasAll('s1@evil.lit' as Address)]).toEqual([[], true])
  })

  test('of as many domains, too, and what is not whole is known for that', () => {
    const there = flooded((i) => `${i}.lit`)
    expect([there.of(romeo).length, there.hasAll(romeo)]).toEqual([1, false])
    expect([there.hasAll('s9@9.lit' as Address), there.hasAll('new.lit' as Address)]).toEqual([true, true])
    // Gone and back, it is still not known whether that is all.
    presence(there, `${romeo}/desk`, 'unavailable')
    expect(there.hasAll(romeo)).toBe(false)
    presence(there, `${romeo}/desk`)
    expect([there.of(romeo).length, there.hasAll(romeo)]).toEqual([1, false])
  })
})

test('MAX_PRIVATE', async () => {
  const w = world()
  const options = {
    store: memoryStore(),
    identities: [{ category: 'client', type: 'pc' }],
    node: 'urn:us',
  } as const
  const d = disco(w.connection, options)
  const query = queryOf(features('urn:a'))
  for (let i = 0; i <= MAX_PRIVATE; i++) {
    const jid = `room@chat.lit/${i}`
    w.presence(jid, "<c xmlns='http://jabber.org/protocol/caps' hash='md5' node='urn:n' ver='AAAA'/>")
    w.peers.set(jid, () => query)
  }
  const ask = async (i: number) => {
    const before = w.requests.length
    await d.info(`room@chat.lit/${i}`)
    return w.requests.length - before
  }
  for (let i = 0; i < MAX_PRIVATE; i++) expect(await ask(i)).toBe(1)
  expect([await ask(0), await ask(MAX_PRIVATE), await ask(0), await ask(1)]).toEqual([0, 1, 0, 1])
})
