import { memoryStore, type Store } from '@xmpp-e2e/store'
import { ConnectionError, type Element, element, parse } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { MAX_CACHED } from '../src/cache.ts'
import { verificationString } from '../src/caps.ts'
import { hashInput } from '../src/caps2.ts'
import { type Disco, disco } from '../src/disco.ts'
import { DiscoError } from '../src/error.ts'
import { hashed, sha1, sha256 } from '../src/hash.ts'
import { sha512 } from '../src/hashes.ts'
import { readInfo } from '../src/info.ts'
import { CLAIM_TIMEOUT_MS, MAX_CLAIMANTS } from '../src/inquiry.ts'
import { features, form, queryOf, vectors, verOf } from './read.ts'
import { type Responder, settled, type World, world } from './world.ts'

const INFO = 'http://jabber.org/protocol/disco#info'
const ROMEO = 'romeo@montague.lit/orchard'
const PARIS = 'paris@capulet.lit/garden'
const MALLORY = 'mallory@evil.lit/x'

const open = (w: World, store: Store = memoryStore()): Disco =>
  disco(w.connection, { store, identities: [{ category: 'client', type: 'pc' }], node: 'urn:us' })

const PAYLOAD = `<identity category='client' type='pc' name='Gabber'/>${features('urn:a', 'urn:b')}`

/** Answers whatever node with the same. */
const says =
  (query: Element): Responder =>
  (iq) => {
    const [asked] = iq.children
    const node = typeof asked === 'object' ? asked.attrs.node : undefined
    return element(INFO, 'query', { node }, query.children)
  }

const hash115 = (query: Element, hash = sha1) => verOf(verificationString(readInfo(query)) ?? '', hash)
const c115 = (value: string, algorithm = 'sha-1', node = 'urn:gabber') =>
  `<c xmlns='http://jabber.org/protocol/caps' hash='${algorithm}' node='${node}' ver='${value}'/>`
const hash390 = (query: Element, lang?: string) =>
  hashed(hashInput(readInfo(query, lang)) ?? Uint8Array.of(), sha256)
const c390 = (value: string, algorithm = 'sha-256') =>
  `<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='${algorithm}'>${value}</hash></c>`

const asked = (w: World) => w.requests.map(([to, , node]) => (node === undefined ? to : `${to} ${node}`))

describe('XEP-0030 §3.1 asking', () => {
  test('who claims nothing is asked each time, by its canonical address', async () => {
    const w = world()
    const d = open(w)
    w.peers.set('conference.capulet.lit', says(queryOf(features('urn:a') + form('urn:f', { x: ['1'] }))))
    expect(await d.info('Conference.CAPULET.lit')).toEqual(
      readInfo(queryOf(features('urn:a') + form('urn:f', { x: ['1'] }))),
    )
    await d.info('conference.capulet.lit')
    expect(asked(w)).toEqual(['conference.capulet.lit', 'conference.capulet.lit'])
  })

  test('equal questions at once are one request, other nodes and addresses are not', async () => {
    const w = world()
    const d = open(w)
    w.peers.set(ROMEO, says(queryOf('')))
    w.peers.set('a@b/c d', says(queryOf(features('urn:a'))))
    w.peers.set('a@b/c', says(queryOf(features('urn:b'))))
    const both = Promise.all([d.info('a@b/c d', { node: 'e' }), d.info('a@b/c', { node: 'd e' })])
    await Promise.all([d.info(ROMEO), d.info(ROMEO), d.info(ROMEO, { node: 'x' })])
    expect((await both).map((info) => info.features)).toEqual([['urn:a'], ['urn:b']])
    expect(asked(w)).toEqual(['a@b/c d e', 'a@b/c d e', ROMEO, `${ROMEO} x`])
  })

  test('a signal ends the waiting of who gave it', async () => {
    const w = world()
    const d = open(w)
    let answer: (reply: Element) => void = () => {}
    w.peers.set(ROMEO, () => new Promise((resolve) => (answer = resolve)))
    const abort = new AbortController()
    const gone = d.info(ROMEO, { signal: abort.signal })
    const stays = d.info(ROMEO)
    abort.abort()
    await expect(gone).rejects.toThrow(expect.objectContaining({ code: 'aborted' }))
    await expect(d.info(ROMEO, { signal: abort.signal })).rejects.toThrow(ConnectionError)
    answer(queryOf(''))
    expect((await stays).features).toEqual([])
    expect(w.requests.length).toBe(1)
    // Aborted already, it does not even begin.
    await expect(d.info(ROMEO, { signal: abort.signal })).rejects.toThrow(ConnectionError)
    w.presence(ROMEO, c115('AAAA'))
    await expect(d.info(ROMEO, { signal: abort.signal })).rejects.toThrow(ConnectionError)
    expect(w.requests.length).toBe(1)
  })

  test('refusals pass through', async () => {
    const w = world()
    await expect(open(w).info(ROMEO)).rejects.toThrow(
      expect.objectContaining({ name: 'StanzaError', condition: 'service-unavailable' }),
    )
  })

  test.each([
    ['another payload', element('urn:other', 'query'), 'malformed'],
    ['no category', queryOf("<identity type='pc'/>"), 'malformed'],
    ['another node', element(INFO, 'query', { node: 'other' }), 'wrong-node'],
  ])('%s is an error', async (_name, reply, code) => {
    const w = world()
    w.peers.set(ROMEO, () => reply)
    const refused = open(w).info(ROMEO, { node: 'asked' })
    await expect(refused).rejects.toThrow(expect.objectContaining({ constructor: DiscoError, code }))
  })

  test('an answer may leave out the node', async () => {
    const w = world()
    w.peers.set(ROMEO, () => queryOf(features('urn:a')))
    expect((await open(w).info(ROMEO, { node: 'asked' })).features).toEqual(['urn:a'])
  })

  test('what is no JID is not asked', async () => {
    const w = world()
    await expect(open(w).info('@')).rejects.toThrow(expect.objectContaining({ name: 'JidError' }))
    expect(w.requests).toEqual([])
  })
})

describe.each([
  ['XEP-0115', c115(hash115(queryOf(PAYLOAD))), `urn:gabber#${hash115(queryOf(PAYLOAD))}`],
  [
    'XEP-0115 with SHA-256',
    c115(hash115(queryOf(PAYLOAD), sha256), 'sha-256'),
    `urn:gabber#${hash115(queryOf(PAYLOAD), sha256)}`,
  ],
  ['XEP-0390', c390(hash390(queryOf(PAYLOAD))), `urn:xmpp:caps#sha-256.${hash390(queryOf(PAYLOAD))}`],
])('%s', (_name, claims, node) => {
  test('one of all that claim the same is asked, at its full JID, and its answer is stored', async () => {
    const w = world()
    const store = memoryStore()
    const d = open(w, store)
    w.presence(ROMEO, claims)
    w.presence(PARIS, claims)
    w.presence('room@chat.lit/Nurse', claims)
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    const infos = await Promise.all([d.info(ROMEO), d.info(PARIS), d.info(ROMEO)])
    expect(infos.map((info) => info.features)).toEqual([
      ['urn:a', 'urn:b'],
      ['urn:a', 'urn:b'],
      ['urn:a', 'urn:b'],
    ])
    expect((await d.info('room@chat.lit/Nurse')).identities).toEqual([
      { category: 'client', type: 'pc', name: 'Gabber' },
    ])
    expect(asked(w)).toEqual([`${ROMEO} ${node}`])

    const later = world()
    const again = open(later, store)
    later.presence(PARIS, claims)
    expect((await again.info(PARIS)).features).toEqual(['urn:a', 'urn:b'])
    expect(later.requests).toEqual([])
  })

  test('the wrong answer of one counts for that one, and another one is asked', async () => {
    const w = world()
    const d = open(w)
    for (const jid of [MALLORY, ROMEO, PARIS]) w.presence(jid, claims)
    w.peers.set(MALLORY, says(queryOf(features('urn:evil'))))
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    const [evil, good] = await Promise.all([d.info(MALLORY), d.info(ROMEO)])
    expect([evil.features, good.features]).toEqual([['urn:evil'], ['urn:a', 'urn:b']])
    expect((await d.info(PARIS)).features).toEqual(['urn:a', 'urn:b'])
    expect(asked(w)).toEqual([`${MALLORY} ${node}`, `${ROMEO} ${node}`])
  })

  test('who does not answer holds up the others once, and not for as long as a request may take', async () => {
    const w = world()
    const d = open(w)
    for (const jid of [MALLORY, ROMEO]) w.presence(jid, claims)
    w.peers.set(MALLORY, () => undefined)
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    const evil = d.info(MALLORY)
    const refused = expect(evil).rejects.toThrow(expect.objectContaining({ code: 'timeout' }))
    await settled()
    const good = d.info(ROMEO)
    await settled()
    expect(w.requests.length).toBe(1)
    w.pass(CLAIM_TIMEOUT_MS)
    await refused
    expect((await good).features).toEqual(['urn:a', 'urn:b'])
  })

  test('liars cost a question each, up to so many', async () => {
    for (const liars of [1, MAX_CLAIMANTS, MAX_CLAIMANTS + 1]) {
      const w = world()
      const d = open(w)
      const jids = Array.from({ length: 12 }, (_, i) => `room@chat.lit/${i}`)
      for (const [i, jid] of jids.entries()) {
        w.presence(jid, claims)
        w.peers.set(jid, says(i < liars ? queryOf(features('urn:evil')) : queryOf(PAYLOAD)))
      }
      const infos = await Promise.all(jids.map((jid) => d.info(jid)))
      expect(infos.filter((info) => info.features.includes('urn:a')).length).toBe(12 - liars)
      expect(w.requests.length).toBe(liars < MAX_CLAIMANTS ? liars + 1 : 12)
    }
  })

  test('one time is all that there is for both questions', async () => {
    const w = world()
    const d = open(w)
    for (const jid of [MALLORY, ROMEO]) w.presence(jid, claims)
    let refuse: (condition: string) => void = () => {}
    w.peers.set(MALLORY, () =>
      w.requests.length === 1 ? new Promise((resolve) => (refuse = resolve)) : undefined,
    )
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    const evil = expect(d.info(MALLORY)).rejects.toThrow(expect.objectContaining({ code: 'timeout' }))
    await settled()
    const good = d.info(ROMEO)
    w.pass((CLAIM_TIMEOUT_MS * 2) / 3 - 1)
    refuse('item-not-found')
    await settled()
    expect(asked(w)).toEqual([`${MALLORY} ${node}`, MALLORY])
    w.pass(CLAIM_TIMEOUT_MS / 3)
    await evil
    expect((await good).features).toEqual(['urn:a', 'urn:b'])
  })

  test('who does not know the node any more is asked without it', async () => {
    const w = world()
    const d = open(w)
    w.presence(ROMEO, claims)
    w.presence(PARIS, claims)
    const answer = says(queryOf(PAYLOAD))
    w.peers.set(ROMEO, (iq) => (w.requests.length === 1 ? 'item-not-found' : answer(iq)))
    await d.info(ROMEO)
    expect((await d.info(PARIS)).features).toEqual(['urn:a', 'urn:b'])
    expect(asked(w)).toEqual([`${ROMEO} ${node}`, ROMEO])
  })

  test('asking anew asks', async () => {
    const w = world()
    const d = open(w)
    w.presence(ROMEO, claims)
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    await d.info(ROMEO)
    await d.info(ROMEO, { fresh: true })
    expect(asked(w)).toEqual([`${ROMEO} ${node}`, ROMEO])
  })
})

describe('XEP-0115 §9.3 collisions', () => {
  test.each(vectors.collisions)(
    '$name: no answer of an attacker is used for anybody else',
    async ({ ver, queries }) => {
      const [honest = '', ...forged] = queries
      for (const evil of forged) {
        const w = world()
        const store = memoryStore()
        const d = open(w, store)
        for (const jid of [MALLORY, ROMEO]) w.presence(jid, c115(ver))
        w.peers.set(MALLORY, says(parse(evil)))
        w.peers.set(ROMEO, says(parse(honest)))
        expect(await d.info(MALLORY)).toEqual(readInfo(parse(evil)))
        expect((await store.list('')).entries).toEqual([])
        const romeo = await d.info(ROMEO)
        expect([...romeo.features].sort()).toEqual([...readInfo(parse(honest)).features].sort())
        expect(w.requests.length).toBe(2)
      }
    },
  )

  test('at once, too', async () => {
    const [, downgrade] = vectors.collisions
    const [honest = '', evil = ''] = downgrade?.queries ?? []
    const w = world()
    const d = open(w)
    for (const jid of [MALLORY, ROMEO]) w.presence(jid, c115(downgrade?.ver ?? ''))
    w.peers.set(MALLORY, says(parse(evil)))
    w.peers.set(ROMEO, says(parse(honest)))
    const [mallory, romeo] = await Promise.all([d.info(MALLORY), d.info(ROMEO)])
    expect(mallory.features).not.toContain('urn:xmpp:omemo:2:devices+notify')
    expect(romeo.features).toContain('urn:xmpp:omemo:2:devices+notify')
  })
})

describe('claims that cannot be shared', () => {
  const weak = queryOf(features('urn:a') + form('urn:b', { c: ['1'] }))

  test.each([
    ['a verified answer that may collide', c115(hash115(weak)), weak],
    ['an answer with another hash', c115('AAAAAAAAAAAAAAAAAAAAAAAAAAA='), queryOf(PAYLOAD)],
    ['a hash function that is not at hand', c115(hash115(queryOf(PAYLOAD)), 'md5'), queryOf(PAYLOAD)],
    ['an ill-formed answer', c115('AAAA'), queryOf(features('urn:a', 'urn:a'))],
  ])('%s counts for the one address, while it claims the same', async (_name, claims, query) => {
    const w = world()
    const store = memoryStore()
    const d = open(w, store)
    for (const jid of [ROMEO, PARIS]) {
      w.presence(jid, claims)
      w.peers.set(jid, says(query))
    }
    const first = await d.info(ROMEO)
    expect(first).toEqual(readInfo(query))
    w.presence(ROMEO, '<show>away</show>')
    w.presence(ROMEO, claims)
    expect(await d.info(ROMEO)).toEqual(first)
    expect(w.requests.length).toBe(1)
    await d.info(PARIS)
    expect(w.requests.length).toBe(2)
    w.presence(ROMEO, c115('BBBB'))
    await d.info(ROMEO)
    expect(w.requests.length).toBe(3)
    expect((await store.list('')).entries).toEqual([])
  })

  test('a claim of before XEP-0115 1.4 is none', async () => {
    const w = world()
    const d = open(w)
    w.presence(ROMEO, "<c xmlns='http://jabber.org/protocol/caps' node='urn:old' ver='0.9' ext='a b'/>")
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    await d.info(ROMEO)
    expect(asked(w)).toEqual([ROMEO])
    expect(d.resources(ROMEO)).toEqual([{ jid: ROMEO, claims: [], signed: false }])
  })

  test('XEP-0390 §7.2: beside a set, an answer known by XEP-0115 is not used', async () => {
    const w = world()
    const d = open(w)
    const other = queryOf(features('urn:z'))
    w.presence(PARIS, c115(hash115(queryOf(PAYLOAD))))
    w.presence(ROMEO, c115(hash115(queryOf(PAYLOAD))) + c390(hash390(other)))
    w.peers.set(PARIS, says(queryOf(PAYLOAD)))
    w.peers.set(ROMEO, says(other))
    await d.info(PARIS)
    expect((await d.info(ROMEO)).features).toEqual(['urn:z'])
  })

  test('an answer that bears out one claim of two is not used for those who wait for the other', async () => {
    const w = world()
    const d = open(w)
    const evil = queryOf(features('urn:evil'))
    const set = c390(hash390(queryOf(PAYLOAD)))
    w.presence(MALLORY, set + c115(hash115(evil)))
    w.presence(ROMEO, set)
    w.peers.set(MALLORY, says(evil))
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    const [mallory, romeo] = await Promise.all([d.info(MALLORY), d.info(ROMEO)])
    expect([mallory.features, romeo.features]).toEqual([['urn:evil'], ['urn:a', 'urn:b']])
    expect(w.requests.length).toBe(2)
  })

  test('a new session asks again', async () => {
    const w = world()
    const d = open(w)
    w.presence(ROMEO, c115('AAAA'))
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    await d.info(ROMEO)
    w.session('new')
    w.presence(ROMEO, c115('AAAA'))
    await d.info(ROMEO)
    expect(w.requests.length).toBe(2)
  })

  test('but where its functions are unknown, XEP-0115 counts', async () => {
    const w = world()
    const d = open(w)
    w.presence(PARIS, c115(hash115(queryOf(PAYLOAD))))
    w.presence(ROMEO, c115(hash115(queryOf(PAYLOAD))) + c390('AAAA', 'sha3-256'))
    w.peers.set(PARIS, says(queryOf(PAYLOAD)))
    await d.info(PARIS)
    expect((await d.info(ROMEO)).features).toEqual(['urn:a', 'urn:b'])
    expect(w.requests.length).toBe(1)
  })

  test('a hash function that the host hands in is used', async () => {
    const w = world()
    const options = {
      store: memoryStore(),
      identities: [{ category: 'client', type: 'pc' }],
      node: 'urn:us',
    } as const
    const d = disco(w.connection, { ...options, hashes: [sha512] })
    const claims = c390(hashed(hashInput(readInfo(queryOf(PAYLOAD))) ?? Uint8Array.of(), sha512), 'sha-512')
    w.presence(ROMEO, claims)
    w.presence(PARIS, claims)
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    await d.info(ROMEO)
    await d.info(PARIS)
    expect(w.requests.length).toBe(1)
  })
})

describe('the cache', () => {
  const claims = c115(hash115(queryOf(PAYLOAD)))

  test('what was changed in the store is asked for again', async () => {
    const w = world()
    const store = memoryStore()
    w.presence(ROMEO, claims)
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    const d = open(w, store)
    w.presence(ROMEO, claims)
    await d.info(ROMEO)
    const { entries } = await store.list('')
    const forged = `<query xmlns='${INFO}'>${features('urn:evil')}</query>`
    for (const value of [forged, '<query', '']) {
      await store.commit([], { put: entries.map(([key]) => [key, new TextEncoder().encode(value)]) })
      const later = world()
      const again = open(later, store)
      later.presence(ROMEO, claims)
      later.peers.set(ROMEO, says(queryOf(PAYLOAD)))
      expect((await again.info(ROMEO)).features).toEqual(['urn:a', 'urn:b'])
      expect(later.requests.length).toBe(1)
    }
  })

  test('a store that fails costs questions, and nothing else', async () => {
    const w = world()
    const fails = async () => {
      throw new Error('disk full')
    }
    const d = open(w, { read: fails, list: fails, commit: fails })
    w.presence(ROMEO, claims)
    w.peers.set(ROMEO, says(queryOf(PAYLOAD)))
    expect((await d.info(ROMEO)).features).toEqual(['urn:a', 'urn:b'])
    await d.info(ROMEO)
    expect(w.requests.length).toBe(1)
  })

  test('it holds so many, in memory and in the store, and forgets the one that was not used', async () => {
    const w = world()
    const store = memoryStore()
    const d = open(w, store)
    const learn = async (i: number) => {
      const query = queryOf(features(`urn:${i}`))
      w.presence(ROMEO, c115(hash115(query)))
      w.peers.set(ROMEO, says(query))
      await d.info(ROMEO)
    }
    for (let i = 0; i < MAX_CACHED; i++) await learn(i)
    await learn(0)
    expect(w.requests.length).toBe(MAX_CACHED)
    expect((await store.list('')).entries.length).toBe(MAX_CACHED)
    await learn(MAX_CACHED)
    expect((await store.list('')).entries.length).toBe(MAX_CACHED)
    await learn(0)
    expect(w.requests.length).toBe(MAX_CACHED + 1)
    await learn(1)
    expect(w.requests.length).toBe(MAX_CACHED + 2)
  })

  test('an answer above the limit is not kept', async () => {
    const w = world()
    const store = memoryStore()
    const d = open(w, store)
    const big = queryOf(features(...Array.from({ length: 1000 }, (_, i) => `urn:example:${i}`)))
    w.presence(ROMEO, c115(hash115(big)))
    w.peers.set(ROMEO, says(big))
    await d.info(ROMEO)
    await d.info(ROMEO)
    expect(w.requests.length).toBe(2)
    expect((await store.list('')).entries).toEqual([])
  })
})

describe('presence', () => {
  const claims = c115(hash115(queryOf(PAYLOAD)))

  test('absent `<c/>` keeps the last one; unavailable forgets the resource', () => {
    const w = world()
    const d = open(w)
    w.presence(ROMEO, `${claims}<x xmlns='jabber:x:signed'>…</x>`)
    w.presence('romeo@montague.lit/phone')
    w.presence('romeo@montague.lit.evil/x', claims)
    expect(d.resources('romeo@montague.lit').map(({ jid, signed }) => [jid, signed])).toEqual([
      [ROMEO, true],
      ['romeo@montague.lit/phone', false],
    ])
    w.presence(ROMEO, '<show>away</show>')
    expect(d.resources(ROMEO)).toMatchObject([
      { jid: ROMEO, claims: [{ algorithm: 'sha-1' }], signed: false },
    ])
    w.presence(ROMEO, '', 'subscribe')
    w.presence(ROMEO, '', 'unavailable')
    expect(d.resources('romeo@montague.lit').map(({ jid }) => jid)).toEqual(['romeo@montague.lit/phone'])
    w.presence('romeo@montague.lit', '', 'unavailable')
    expect(d.resources('romeo@montague.lit')).toEqual([])
    expect(d.resources('romeo@montague.lit.evil').length).toBe(1)
  })

  test('occupants of a room are told apart, and a service has claims of its own', () => {
    const w = world()
    const d = open(w)
    w.presence('room@chat.lit/A', claims)
    w.presence('room@chat.lit/B')
    w.presence('gateway.lit', claims)
    expect(d.resources('room@chat.lit').length).toBe(2)
    expect(d.resources('gateway.lit')).toMatchObject([{ jid: 'gateway.lit', claims: [{ xep: '0115' }] }])
  })

  test('a new session begins without anybody; a resumed one does not', () => {
    const w = world()
    const d = open(w)
    w.presence(ROMEO, claims)
    w.session('lost')
    w.session('resumed')
    expect(d.resources(ROMEO).length).toBe(1)
    w.session('new')
    expect(d.resources(ROMEO)).toEqual([])
  })

  test('what has no address, or none that is one, is nobody', () => {
    const w = world()
    const d = open(w)
    w.receive('<presence/>')
    w.presence('@/x', claims)
    expect(d.resources('capulet.lit')).toEqual([])
  })

  test('the server is known by the features of the stream', async () => {
    const w = world()
    const d = open(w)
    const stream = parse(`<features xmlns='http://etherx.jabber.org/streams'>${claims}</features>`)
    d.streamFeatures(stream, 'capulet.lit')
    w.session('new')
    w.peers.set('capulet.lit', says(queryOf(PAYLOAD)))
    await d.info('capulet.lit')
    await d.info('capulet.lit')
    expect(asked(w)).toEqual([`capulet.lit urn:gabber#${hash115(queryOf(PAYLOAD))}`])
  })
})
