import { describe, expect, it } from 'vitest'
import { MAX_REMEMBERED_KEYS, type OtrStep } from '../src/protocol/conversation.ts'
import { decodeMessage, encodeMessage, MAX_MESSAGE_BYTES } from '../src/protocol/encoded-message.ts'
import { MAX_FRAGMENTS, MAX_INSTANCES } from '../src/protocol/fragment.ts'
import {
  BROADCAST_EXPIRY_MS,
  MAX_AKE_RETRIES,
  QUERY_QUIET_MS,
  QUERY_REPEAT_MS,
  query,
  start,
} from '../src/protocol/handshake.ts'
import type { Version } from '../src/protocol/header.ts'
import { nextTick, selectInstance, sendPlain } from '../src/protocol/outgoing.ts'
import {
  clock,
  converse,
  encrypted,
  hangUp,
  isEncrypted,
  type Side,
  sessionOf,
  side,
  waitFor,
} from './sides.ts'

const ask = (one: Side) => one.apply(query(one.conversation, one.means()))
const commit = (one: Side) => one.apply(start(one.conversation, [2, 3], one.means()))
const events = (one: Side, type: string) => one.events.filter((event) => event.type === type)
const dropped = (one: Side) => one.events.flatMap((event) => (event.type === 'dropped' ? [event.why] : []))
const plain = (one: Side, text: string) => one.apply(sendPlain(one.conversation, text, one.means()))

describe('OTR Query Messages', () => {
  it('offer the versions of the policy, and are answered by the highest common one', () => {
    for (const [ours, theirs, version] of [
      [[3], [3], 3],
      [[2, 3], [2, 3], 3],
      [[2, 3], [2], 2],
      [[2], [2, 3], 2],
      [[2], [3], undefined],
      [[3], [2], undefined],
    ] as const) {
      const [a, b] = [side(1, ours), side(2, theirs)]
      ask(a)
      expect(a.out).toStrictEqual([`?OTRv${ours.join('')}?`])
      converse(a, b)
      const session = sessionOf(b)
      expect(session?.state === 'encrypted' ? session.version : undefined).toBe(version)
      expect(events(b, 'offer')).toMatchObject([{ via: 'query', accepted: version !== undefined }])
    }
  })

  it('may have a text, and offer neither version 1 nor 4 to us', () => {
    const a = side(1, [3], { queryText: 'Please use OTR.' })
    ask(a)
    expect(a.out).toStrictEqual(['?OTRv3? Please use OTR.'])
    for (const text of ['?OTR?', '?OTRv?', '?OTRv14?', '?OTRvx?', '?OTR?v1?']) {
      const b = side(2, [2, 3])
      b.receive(text)
      expect(b.out).toStrictEqual([])
      expect(b.events).toStrictEqual([{ type: 'offer', via: 'query', versions: [], accepted: false }])
    }
  })

  it('are left to the user when the policy says so', () => {
    const [a, b] = [side(1, [3]), side(2, [3], { queryStartsAke: false })]
    ask(a)
    converse(a, b)
    expect(b.events).toStrictEqual([{ type: 'offer', via: 'query', versions: [3], accepted: false }])
    b.apply(start(b.conversation, [3], b.means()))
    converse(a, b)
    expect(isEncrypted(a) && isEncrypted(b)).toBe(true)
  })

  // row 15
  it('go out once, however much waits to be said', () => {
    const [a, b] = [side(1, [3], { requireEncryption: true }), side(2, [3])]
    for (let i = 0; i < 20; i++) a.send(`${i}`)
    expect(a.out).toStrictEqual(['?OTRv3?'])
    expect(events(a, 'refused').length).toBe(20)
    clock.now += QUERY_REPEAT_MS - 1
    a.send('still')
    expect(a.out.length).toBe(1)
    clock.now += 1
    a.send('again')
    expect(a.out.length).toBe(2)
    for (const text of a.out.splice(0)) b.receive(text)
    expect(b.out.length).toBe(1)
    a.receive(b.out.shift()!)
    for (let i = 0; i < 20; i++) a.send(`${i}`)
    ask(a)
    expect(a.out.length).toBe(1)
  })

  it('are ignored shortly after a step of an exchange', () => {
    const a = side(1, [3])
    a.receive('?OTRv3?')
    a.receive('?OTRv3?')
    clock.now += QUERY_QUIET_MS - 1
    a.receive('?OTRv3?')
    expect(a.out.length).toBe(1)
    clock.now += 1
    a.receive('?OTRv3?')
    expect(a.out.length).toBe(2)
  })
})

describe('Tagged plaintext', () => {
  it('offers until plaintext without a tag comes', () => {
    const [a, b] = [side(1, [3], { sendWhitespaceTag: true }), side(2, [3])]
    plain(a, 'hello')
    expect(a.out[0]!.length).toBe('hello'.length + 24)
    converse(a, b)
    expect(b.events).toStrictEqual([
      { type: 'message', encrypted: false, text: 'hello' },
      { type: 'offer', via: 'whitespace', versions: [3], accepted: false },
    ])
    plain(b, 'hi')
    converse(a, b)
    plain(a, 'no tag')
    expect(a.out).toStrictEqual(['no tag'])
    expect(plain(b, 'x').send).toStrictEqual(['x'])
  })

  it('starts a session if the policy says so', () => {
    const policy = { sendWhitespaceTag: true, whitespaceStartsAke: true }
    const [a, b] = [side(1, [2, 3], policy), side(2, [2, 3], policy)]
    plain(a, 'hello')
    converse(a, b)
    expect(isEncrypted(a) && isEncrypted(b)).toBe(true)
    expect(events(b, 'message')).toStrictEqual([{ type: 'message', encrypted: false, text: 'hello' }])
    expect(plain(a, 'x').events).toStrictEqual([{ type: 'refused', reason: 'encryption-required' }])
  })
})

// row 22
describe('Plaintext', () => {
  it('carries a warning where a session is or was, or the policy wants one', () => {
    const [a, b] = encrypted(3, 40)
    expect(a.receive('hello').events).toMatchObject([{ encrypted: false, warning: 'unencrypted-in-private' }])
    hangUp(b)
    converse(a, b)
    expect(a.receive('hello').events).toMatchObject([{ encrypted: false, warning: 'unencrypted-in-private' }])
    hangUp(a)
    expect(a.receive('hello').events).toStrictEqual([{ type: 'message', encrypted: false, text: 'hello' }])
    const c = side(3, [3], { requireEncryption: true })
    expect(c.receive('hello').events).toMatchObject([{ encrypted: false, warning: 'encryption-required' }])
    expect(plain(c, 'x').send).toStrictEqual([])
  })

  it('never leaves by `send`, in no state and with no policy', () => {
    for (const policy of [
      {},
      { requireEncryption: true },
      { sendWhitespaceTag: true },
      { errorStartsAke: true },
    ]) {
      const [a, b] = encrypted(3, 41, policy)
      const unsent = side(5, [3], policy)
      hangUp(a)
      converse(a, b)
      for (const one of [a, b, unsent]) {
        one.out = []
        const step = one.send('secret plan')
        expect(step.send.filter((text) => text.includes('secret') || text.startsWith('?OTR:'))).toStrictEqual(
          [],
        )
        expect(events(one, 'refused').length).toBe(1)
      }
    }
  })
})

describe('Keys that change', () => {
  /** Somebody else with b's address: with b's tag or another. */
  const other = (version: Version, tag: number) => {
    const c = side(6, [version])
    c.conversation = { ...c.conversation, ourTag: tag }
    return c
  }

  // rows 9 and 10
  it.each([2, 3] as const)('stop what is sent until the user has said so, version %i', (version) => {
    const [a, b] = encrypted(version, 50, { errorStartsAke: true })
    const c = other(version, b.conversation.ourTag)
    a.send('the secret plan')
    a.out = []
    a.receive('?OTR Error: lost')
    expect(a.out).toStrictEqual([`?OTRv${version}?`])
    commit(c)
    converse(a, c)
    expect(isEncrypted(c)).toBe(true)
    expect(events(a, 'state')).toMatchObject([
      {
        keyChanged: true,
        from: { state: 'encrypted', fingerprint: b.fingerprint },
        to: { state: 'encrypted', fingerprint: c.fingerprint },
      },
    ])
    expect(c.read()).toStrictEqual([])
    expect(a.send('more of it').events).toStrictEqual([{ type: 'refused', reason: 'key-changed' }])
    expect(a.out).toStrictEqual([])
    a.apply(selectInstance(a.conversation, version === 2 ? 0 : b.conversation.ourTag, c.fingerprint))
    a.send('to you')
    converse(a, c)
    expect(c.read()).toStrictEqual(['to you'])
    // And back again: what is expected now is the other key.
    clock.now += 5000
    commit(b)
    converse(a, b)
    expect(a.send('x').events).toStrictEqual([{ type: 'refused', reason: 'key-changed' }])
  })

  it('of another instance do not draw messages to it', () => {
    const [a, b] = encrypted(3, 51)
    const c = other(3, 0x777)
    commit(c)
    converse(a, c)
    expect(isEncrypted(c)).toBe(true)
    expect(events(a, 'state')).toMatchObject([
      { keyChanged: true, instance: 0x777, from: { state: 'plaintext' } },
    ])
    a.send('for b')
    const text = a.out.shift()!
    c.receive(text)
    b.receive(text)
    expect([b.read(), c.read()]).toStrictEqual([['for b'], []])
    expect(dropped(c)).toStrictEqual(['other-instance'])
    c.send('from c')
    converse(a, c)
    expect(a.events.at(-1)).toMatchObject({ type: 'message', fingerprint: c.fingerprint, instance: 0x777 })
    hangUp(b)
    a.receive(b.out.shift()!)
    expect(a.send('x').events).toStrictEqual([{ type: 'refused', reason: 'finished' }])
    const { conversation, fingerprint } = a
    expect(selectInstance(conversation, 0x777, fingerprint)).toStrictEqual({
      conversation,
      send: [],
      events: [{ type: 'refused', reason: 'key-changed' }],
    })
    a.apply(selectInstance(conversation, 0x777, c.fingerprint))
    a.send('for c')
    converse(a, c)
    expect(c.read()).toStrictEqual(['for c'])
    expect(selectInstance(a.conversation, 0x9999, c.fingerprint).events).toStrictEqual([
      { type: 'refused', reason: 'not-encrypted' },
    ])
  })

  it('are the same on another instance: messages follow', () => {
    const [a, b] = encrypted(3, 52)
    const moved: Side = { ...side(7, [3]), key: b.key }
    const c = side(2 * 52 + 1, [3])
    c.conversation = { ...c.conversation, ourTag: 0x888 }
    expect(moved.key).toBe(b.key)
    commit(c)
    converse(a, c)
    expect(events(a, 'state')).toMatchObject([{ keyChanged: false, instance: 0x888 }])
    a.send('for c')
    converse(a, c)
    expect(c.read()).toStrictEqual(['for c'])
    expect(a.conversation.instances.length).toBe(2)
    hangUp(a)
    expect(a.out.length).toBe(2)
  })
})

// row 1
describe('Version rollback', () => {
  it('is noticed with a key that has spoken version 3', () => {
    const [a, b] = [side(8, [2, 3]), side(9, [2, 3])]
    ask(a)
    converse(a, b)
    expect(events(a, 'state')).toMatchObject([{ downgrade: false, to: { version: 3 } }])
    hangUp(a)
    converse(a, b)
    hangUp(b)
    clock.now += 5000
    ask(a)
    b.receive(a.out.shift()!.replace('v23', 'v2'))
    converse(a, b)
    expect(events(a, 'state').at(-1)).toMatchObject({ downgrade: true, to: { version: 2 } })
    expect(a.conversation.highest).toStrictEqual([{ fingerprint: b.fingerprint, version: 3 }])
  })

  it('is not possible without version 2 in the policy', () => {
    const [a, b] = [side(8, [3]), side(9, [2, 3])]
    b.receive('?OTRv2?')
    a.receive(b.out.shift()!)
    expect(a.out).toStrictEqual([])
    expect(dropped(a)).toStrictEqual(['version'])
    commit(b)
    const rewritten = decodeMessage(b.out.shift()!)
    rewritten[1] = 2
    a.receive(encodeMessage(rewritten))
    for (const version of [0, 1, 4, 5, 255]) {
      rewritten[1] = version
      a.receive(encodeMessage(rewritten))
    }
    expect(a.out).toStrictEqual([])
    expect(new Set(dropped(a))).toStrictEqual(new Set(['version']))
  })

  it('remembers a bounded number of keys', () => {
    const highest = Array.from({ length: 40 }, (_, i) => ({ fingerprint: `${i}`, version: 3 }) as const)
    const [a, b] = [side(8, [3]), side(9, [3])]
    a.conversation = { ...a.conversation, highest }
    commit(a)
    converse(a, b)
    expect(a.conversation.highest.length).toBe(MAX_REMEMBERED_KEYS)
  })
})

describe('Instance tags', () => {
  // row 20
  it('are taken from a header only after a key exchange', () => {
    const [a, b] = [side(10, [3]), side(11, [3])]
    const [from] = encrypted(3, 60)
    from.send('x')
    const bogus = decodeMessage(from.out[0]!)
    bogus.set([0, 0, 0x99, 0x99, 0, 0, 1, 10], 3)
    a.receive(encodeMessage(bogus))
    expect(a.conversation.instances).toStrictEqual([])
    a.out = []
    commit(a)
    converse(a, b)
    expect(isEncrypted(a) && isEncrypted(b)).toBe(true)
  })

  // row 19
  it('that nobody has are bounded in number, and do not push out a session', () => {
    const [a, b] = encrypted(3, 61)
    const c = side(12, [3])
    commit(c)
    const message = decodeMessage(c.out[0]!)
    for (let i = 0; i < 300; i++) {
      message.set([0, 1, i >> 8, i & 0xff], 3)
      a.receive(encodeMessage(message))
    }
    expect(a.conversation.instances.length).toBe(1 + MAX_INSTANCES)
    a.out = []
    a.send('still here')
    converse(a, b)
    expect(b.read()).toStrictEqual(['still here'])
    clock.now += 60_000
    for (let i = 0; i < 60 && nextTick(a.conversation, a.policy) !== undefined; i++) {
      clock.now = Math.max(clock.now, nextTick(a.conversation, a.policy)!)
      a.tick()
    }
    expect(a.conversation.instances.length).toBe(1)
    expect(a.out.length).toBeLessThanOrEqual(MAX_INSTANCES * (1 + MAX_AKE_RETRIES) + 1)
  })

  it('of several who answer one commit lead to several sessions', () => {
    const a = side(13, [3])
    const peers = [14, 15, 21].map((seed) => side(seed, [3]))
    peers.forEach((peer, i) => {
      peer.conversation = { ...peer.conversation, ourTag: 0x1000 + i }
    })
    commit(a)
    for (let round = 0; round < 4; round++) {
      const line = a.out.splice(0)
      for (const peer of peers) {
        for (const text of line) peer.receive(text)
        for (const text of peer.out.splice(0)) a.receive(text)
      }
    }
    expect(peers.map(isEncrypted)).toStrictEqual([true, true, true])
    expect(a.conversation.instances.length).toBe(3)
    // The third has the key of the first, the second another: messages follow the key, and the latest with it.
    expect([peers[0]!.fingerprint === peers[2]!.fingerprint, a.conversation.active]).toStrictEqual([
      true,
      0x1002,
    ])
    // None can answer twice, which would be a second session with the same x.
    const key = a.conversation.broadcast!.ake.dh.publicKey.toString(16)
    const y = Uint8Array.from(key.padStart(384, '0').match(/../g)!, (digits) => Number.parseInt(digits, 16))
    const again = Uint8Array.of(0, 3, 10, 0, 0, 0x10, 0, 0, 0, 1, 13, 0, 0, 0, 192, ...y)
    expect(a.receive(encodeMessage(again)).events).toStrictEqual([{ type: 'dropped', why: 'unexpected' }])
    again.set([0, 0, 0x20, 0], 3)
    expect(a.receive(encodeMessage(again)).events).toStrictEqual([{ type: 'dropped', why: 'reflected' }])
  })

  it('are served by one commit for a while', () => {
    for (const [passed, isServed] of [
      [BROADCAST_EXPIRY_MS - 1, true],
      [BROADCAST_EXPIRY_MS, false],
    ] as const) {
      const [a, b, c] = [side(13, [3]), side(14, [3]), side(15, [3])]
      commit(a)
      const [text] = a.out
      converse(a, b)
      clock.now += passed
      c.receive(text!)
      a.receive(c.out.shift()!)
      expect(a.out.length === 1).toBe(isServed)
    }
  })

  it('may be so many to answer one commit, and no more', () => {
    const a = side(13, [3])
    const peers = Array.from({ length: MAX_INSTANCES + 1 }, (_, i) => side(30 + i, [3]))
    commit(a)
    const [text] = a.out
    for (const [i, peer] of peers.entries()) {
      expect(a.conversation.broadcast?.answered.length).toBe(i)
      peer.receive(text!)
      a.receive(peer.out.shift()!)
    }
    expect(a.conversation.broadcast).toBeUndefined()
    expect(a.conversation.instances.length).toBe(MAX_INSTANCES)
  })

  it('of ours, 0 and too small ones are refused', () => {
    const a = side(16, [3])
    const b = side(17, [3])
    commit(b)
    const message = decodeMessage(b.out[0]!)
    for (const [sender, receiver, why] of [
      [[0, 0, 0, 0], [0, 0, 0, 0], 'malformed'],
      [[0, 0, 0, 0xff], [0, 0, 0, 0], 'malformed'],
      [[0, 0, 1, 17], [0, 0, 0, 0xff], 'malformed'],
      [[0, 0, 1, 17], [0, 0, 1, 99], 'other-instance'],
      [[0, 0, 1, 16], [0, 0, 0, 0], 'reflected'],
    ] as const) {
      message.set([...sender, ...receiver], 3)
      expect(a.receive(encodeMessage(message)).events).toStrictEqual([{ type: 'dropped', why }])
    }
    expect(a.conversation.instances).toStrictEqual([])
  })
})

describe('Fragmentation', () => {
  it.each([2, 3] as const)('of everything, at every limit, version %i', (version) => {
    for (const maxFragment of [60, 100, 163, 200, 400, 1000]) {
      const [a, b] = encrypted(version, 70, { maxFragment })
      a.send('x'.repeat(500))
      expect(a.out.every((text) => text.length <= maxFragment)).toBe(true)
      converse(a, b, 1000)
      expect(b.read()).toStrictEqual(['x'.repeat(500)])
    }
  })

  it('keeps a bounded amount', () => {
    const a = side(18, [3])
    const piece = 'y'.repeat(10_000)
    for (let i = 0; i < 100; i++)
      for (let k = 1; k <= 3; k++)
        a.receive(`?OTR|${(0x1000 + i).toString(16)}|0,${k},${MAX_FRAGMENTS},${piece},`)
    const parts = a.conversation.assemblies.flatMap((assembly) => assembly.parts)
    const kept = parts.reduce((sum, { length }) => sum + length, 0)
    expect(kept).toBeLessThanOrEqual(MAX_INSTANCES * MAX_MESSAGE_BYTES)
    expect(a.conversation.assemblies.length).toBe(MAX_INSTANCES)
    clock.now = nextTick(a.conversation, a.policy)!
    a.tick()
    expect(a.conversation.assemblies).toStrictEqual([])
  })

  it('is not for other instances, for ourselves, or for fragments', () => {
    const a = side(19, [3])
    const why = (text: string) => a.receive(text).events
    expect(why('?OTR|00000200|00000999,00001,00001,x,')).toStrictEqual([
      { type: 'dropped', why: 'other-instance' },
    ])
    expect(why('?OTR|00000113|00000000,00001,00001,x,')).toStrictEqual([
      { type: 'dropped', why: 'reflected' },
    ])
    expect(why('?OTR|00000200|00000113,00002,00002,x,')).toStrictEqual([{ type: 'dropped', why: 'fragment' }])
    expect(why('?OTR,1,1,?OTR,')).toStrictEqual([{ type: 'message', encrypted: false, text: '?OTR' }])
  })
})

// row 16
it('Errors and unreadable messages come to an end by themselves', () => {
  const policy = { requireEncryption: true, errorStartsAke: true }
  const [a, b] = encrypted(3, 80, policy)
  const [c] = encrypted(3, 81, policy)
  // b has lost its keys and has those of another session under a's tag.
  const session = sessionOf(c)!
  b.conversation = { ...b.conversation, instances: [{ ...b.conversation.instances[0]!, session }] }
  for (let i = 0; i < 5; i++) {
    a.send(`${i}`)
    b.send(`${i}`)
  }
  converse(a, b, 100)
  for (let i = 0; i < 5 && nextTick(a.conversation, a.policy) !== undefined; i++) {
    waitFor(a, b)
    converse(a, b, 100)
  }
  expect(isEncrypted(a) && isEncrypted(b)).toBe(true)
})

it('After a restart what cannot be read is answered once', () => {
  const [a, b] = encrypted(3, 82)
  const again = side(2 * 82 + 1, [3])
  const steps: OtrStep[] = []
  for (let i = 0; i < 10; i++) {
    a.send(`${i}`)
    steps.push(again.receive(a.out.shift()!))
  }
  expect(again.out).toStrictEqual(['?OTR Error: An encrypted message could not be read.'])
  expect(steps.every(({ events }) => events[0]?.type === 'dropped')).toBe(true)
  expect(again.conversation.instances).toStrictEqual([])
  expect(b.conversation.ourTag).toBe(again.conversation.ourTag)
  again.out = []
  ask(again)
  converse(a, again)
  a.send('readable')
  converse(a, again)
  expect(again.read()).toStrictEqual(['readable'])
})

it('A text that is too long is refused before anything changes', () => {
  const [a] = encrypted(3, 83)
  const before = a.conversation
  expect(() => a.send('x'.repeat(MAX_MESSAGE_BYTES))).toThrow(RangeError)
  expect(a.conversation).toBe(before)
  a.send('x'.repeat(190_000))
  expect(a.out.length).toBe(1)
})
