/** Rows of `attacks.md`: what can be done to key exchanges by who delivers their messages. */
import { describe, expect, it } from 'vitest'
import { decodeMessage, encodeMessage } from '../src/protocol/encoded-message.ts'
import { AKE_RETRY_JITTER_MS, AKE_RETRY_MS, MAX_AKE_RETRIES } from '../src/protocol/handshake.ts'
import { nextTick, sendPlain } from '../src/protocol/outgoing.ts'
import { ask, commit, dataOf, expectTalk, liveSession, overhear, patched, states, why } from './attacker.ts'
import { clock, converse, encrypted, hangUp, isEncrypted, type Side, side, waitFor } from './sides.ts'

/** To a version of a message that nothing of it authenticates. */
function rewritten(text: string, version: number, sender: number, receiver: number): string {
  const bytes = decodeMessage(text)
  const body = bytes.slice(bytes[1] === 3 ? 11 : 3)
  const tags = new Uint8Array(version === 3 ? 8 : 0)
  if (version === 3) new DataView(tags.buffer).setUint32(0, sender)
  if (version === 3) new DataView(tags.buffer).setUint32(4, receiver)
  return encodeMessage(Uint8Array.of(0, version, bytes[2]!, ...tags, ...body))
}

/** Two who have spoken version 3 once, with what the policies say. */
function acquainted(policy = {}): readonly [Side, Side] {
  const [a, b] = [side(8, [2, 3], policy), side(9, [2, 3], policy)]
  commit(a)
  converse(a, b)
  for (const one of [a, b]) {
    hangUp(one)
    one.out = []
    one.events = []
  }
  clock.now += 5000
  return [a, b]
}

describe('row 1: version rollback', () => {
  it('a query of which somebody takes the 3 away is noticed by both', () => {
    const [a, b] = acquainted()
    ask(a)
    b.receive(a.out.shift()!.replace('v23', 'v2'))
    converse(a, b)
    for (const one of [a, b])
      expect(states(one)).toMatchObject([{ downgrade: true, to: { state: 'encrypted', version: 2 } }])
  })

  it('a whitespace tag of which somebody takes the 3 away is noticed by both', () => {
    const [a, b] = acquainted({ sendWhitespaceTag: true, whitespaceStartsAke: true })
    a.apply(sendPlain(a.conversation, 'hello', a.means()))
    const text = a.out.shift()!
    expect(text.endsWith('  \t\t  \t\t')).toBe(true)
    b.receive(text.slice(0, -8))
    converse(a, b)
    for (const one of [a, b])
      expect(states(one)).toMatchObject([{ downgrade: true, to: { state: 'encrypted', version: 2 } }])
  })

  it('headers that somebody rewrites on the way: who speaks 2 knows, and nothing is read across', () => {
    const [a, b] = acquainted()
    commit(a)
    const [ours, bogus] = [a.conversation.ourTag, 0x7777]
    while (a.out.length + b.out.length > 0) {
      for (const text of a.out.splice(0)) b.receive(rewritten(text, 2, 0, 0))
      for (const text of b.out.splice(0)) a.receive(rewritten(text, 3, bogus, ours))
    }
    expect(states(b)).toMatchObject([{ downgrade: true, to: { version: 2 } }])
    expect(states(a)).toMatchObject([{ downgrade: false, to: { version: 3 } }])
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.send('across')
      const text = from.out.shift()!
      to.receive(to === a ? rewritten(text, 3, bogus, ours) : rewritten(text, 2, 0, 0))
      expect(to.read()).toStrictEqual([])
      to.out = []
    }
  })

  it.each([2, 3] as const)('a policy with version %i alone hears no other, and none hears 1', (version) => {
    const other = version === 2 ? 3 : 2
    const [a, b] = [side(8, [version]), side(9, [other])]
    commit(b)
    const text = b.out.shift()!
    expect(why(a.receive(text).events)).toStrictEqual(['version'])
    for (const wrong of [0, 1, 4, 0xff])
      expect(why(a.receive(patched(text, 1, wrong)).events)).toStrictEqual(['version'])
    for (const query of ['?OTR?', '?OTR?v?', '?OTRv1?', '?OTRv4?', `?OTRv${other}?`, '?OTRv?'])
      expect(a.receive(query).events).toMatchObject([{ type: 'offer', versions: [], accepted: false }])
    expect(a.out).toStrictEqual([])
    expect(a.conversation.instances).toStrictEqual([])
  })
})

describe.each([2, 3] as const)('row 11: Diffie-Hellman keys used twice, version %i', (version) => {
  it('every exchange of one pair of sides has fresh ones, and both directions are readable', () => {
    const [a, b] = [side(61, [version]), side(62, [version])]
    const seen = new Set<bigint>()
    let windows = 0
    for (let round = 0; round < 6; round++) {
      commit(round % 2 === 0 ? a : b)
      converse(a, b)
      for (const one of [a, b]) {
        const { ourCurrent, ourPrevious } = liveSession(one).window
        for (const { publicKey } of [ourCurrent, ourPrevious]) seen.add(publicKey)
        windows++
      }
      expectTalk(a, b)
      // The session is ended by one, by both, or replaced.
      if (round % 3 > 0) hangUp(a)
      if (round % 3 === 1) hangUp(b)
      converse(a, b)
      clock.now += 5000
    }
    expect(seen.size).toBe(2 * windows)
  })
})

describe.each([2, 3] as const)('row 15: crossed commits and floods, version %i', (version) => {
  it('commits that cross, in every order of delivery', () => {
    for (let order = 0; order < 64; order++) {
      const [a, b] = [side(2 * order + 501, [version]), side(2 * order + 502, [version])]
      commit(a)
      commit(b)
      for (let bit = 0; bit < 6; bit++) {
        const [from, to] = (order >> bit) & 1 ? [a, b] : [b, a]
        const text = from.out.shift()
        if (text !== undefined) to.receive(text)
      }
      converse(a, b)
      expect(isEncrypted(a) && isEncrypted(b), `order ${order}`).toBe(true)
      expect(liveSession(a).ssid).toStrictEqual(liveSession(b).ssid)
      expect(states(a).length + states(b).length).toBe(2)
    }
  })

  it('a peer that leaves its state too early, as libotr does, is brought back by a fresh commit', () => {
    const [a, b] = [side(21, [version]), side(22, [version])]
    commit(a)
    const first = a.out.shift()
    // Whatever was there, b has forgotten it and answers nothing.
    clock.now = nextTick(a.conversation, a.policy)!
    a.tick()
    expect(a.out.length).toBe(1)
    expect(a.out[0]).not.toBe(first)
    converse(a, b)
    expect(isEncrypted(a) && isEncrypted(b)).toBe(true)
    expectTalk(a, b)
  })

  it('20 messages on either side before the exchange: a query each, and one session', () => {
    const policy = { requireEncryption: true }
    const [a, b] = [side(23, [version], policy), side(24, [version], policy)]
    for (let i = 0; i < 20; i++) for (const one of [a, b]) one.send(`${i}`)
    expect([...a.out, ...b.out]).toStrictEqual([`?OTRv${version}?`, `?OTRv${version}?`])
    const said = overhear(a, b)
    expect(said.length).toBeLessThanOrEqual(10)
    expect(states(a).length + states(b).length).toBe(2)
    expectTalk(a, b)
  })

  it('1000 queries and tags lead to one commit, and no answer to four', () => {
    const a = side(25, [version], { whitespaceStartsAke: true })
    const tag = ` \t  \t\t\t\t \t \t \t    \t\t  \t ${'  \t\t  \t\t'}`
    for (let i = 0; i < 1000; i++) a.receive(i % 2 ? tag : `?OTRv${version}?`)
    expect(a.out.length).toBe(1)
    const began = clock.now
    for (let due = nextTick(a.conversation, a.policy); due !== undefined; ) {
      clock.now = due
      a.tick()
      due = nextTick(a.conversation, a.policy)
    }
    expect(a.out.length).toBe(1 + MAX_AKE_RETRIES)
    const longest = (1 + MAX_AKE_RETRIES) * (AKE_RETRY_MS + AKE_RETRY_JITTER_MS)
    // The broadcast of version 3 can be answered for a minute.
    expect(clock.now - began).toBeLessThanOrEqual(version === 3 ? 60_000 + longest : longest)
  })
})

describe.each([2, 3] as const)('row 17: own messages that come back, version %i', (version) => {
  it('every one, at once and again at the end, changes nothing', () => {
    const [a, b] = [side(71, [version]), side(72, [version])]
    const sent = new Map<Side, string[]>([
      [a, []],
      [b, []],
    ])
    const exchange = () => {
      while (a.out.length + b.out.length > 0)
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const)
          for (const text of from.out.splice(0)) {
            sent.get(from)!.push(text)
            const before = from.conversation
            const step = from.receive(text)
            expect(step.send).toStrictEqual([])
            expect(step.conversation).toBe(before)
            to.receive(text)
          }
    }
    commit(a)
    commit(b)
    exchange()
    for (let i = 0; i < 6; i++) {
      const one = i % 2 === 0 ? a : b
      one.send(`${i >> 1}`)
      exchange()
    }
    const sessions = [a, b].map(liveSession)
    for (const [one, texts] of sent) {
      expect(texts.length).toBeGreaterThan(4)
      for (const text of [...texts, ...[...texts].reverse()]) one.receive(text)
      one.out = []
    }
    expect([a, b].map(liveSession)).toStrictEqual(sessions)
    expect(a.read()).toStrictEqual(['0', '1', '2'])
    expectTalk(a, b)
  })

  it('a side whose line leads back to itself never has a session', () => {
    const a = side(73, [version])
    commit(a)
    for (let i = 0; i < 60; i++) {
      if (a.out.length > 20) a.out.length = 20
      const text = a.out.shift()
      if (text !== undefined) a.receive(text)
      else clock.now = nextTick(a.conversation, a.policy) ?? clock.now
      a.tick()
    }
    expect(states(a)).toStrictEqual([])
    expect(a.out).toStrictEqual([])
  })
})

describe.each([2, 3] as const)('row 18: a transcript that is replayed, version %i', (version) => {
  it('forwards, backwards and twice, into the session that it led to and into a later one', () => {
    const [a, b] = [side(81, [version]), side(82, [version])]
    commit(a)
    const said = overhear(a, b)
    for (let i = 0; i < 4; i++) {
      for (const one of [a, b]) one.send(`${i}`)
      said.push(...overhear(a, b))
    }
    for (const round of [0, 1]) {
      const sessions = [a, b].map(liveSession)
      const read = [a, b].map((one) => one.read())
      for (const { to, text } of [...said, ...[...said].reverse(), ...said, ...said]) to.receive(text)
      expect([liveSession(a), liveSession(b)].every((one, i) => one === sessions[i])).toBe(true)
      expect([a, b].map((one) => one.read())).toStrictEqual(read)
      for (const one of [a, b]) one.out = []
      for (let i = 0; i < 6 && nextTick(b.conversation, b.policy) !== undefined; i++) waitFor(a, b)
      converse(a, b)
      expectTalk(a, b)
      if (round === 1) break
      clock.now += 5000
      commit(b)
      converse(a, b)
    }
  })

  it('one that answers again and again makes one Diffie-Hellman key for it', () => {
    const [a, b] = encrypted(version, 316)
    const c = side(26, [version])
    const keys = new Set<string>()
    for (let i = 0; i < 20; i++) {
      c.out = []
      commit(c)
      // The same stranger, as far as tags say.
      a.receive(c.out[0]!)
      keys.add(a.out.splice(0).join())
    }
    expect(keys.size).toBe(1)
    expectTalk(a, b)
    expect(dataOf(b.send('x').send[0]!).data.ignoreUnreadable).toBe(false)
  })
})
