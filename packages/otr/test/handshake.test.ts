import { equalBytes } from '@noble/ciphers/utils.js'
import { describe, expect, it } from 'vitest'
import { decodeMessage, encodeMessage } from '../src/protocol/encoded-message.ts'
import type { ConversationEvent } from '../src/protocol/event.ts'
import {
  AKE_RETRY_JITTER_MS,
  AKE_RETRY_MS,
  isHandshaking,
  MAX_AKE_RETRIES,
  query,
  start,
} from '../src/protocol/handshake.ts'
import type { Version } from '../src/protocol/header.ts'
import { nextTick } from '../src/protocol/outgoing.ts'
import { clock, converse, encrypted, isEncrypted, type Side, sessionOf, side, waitFor } from './sides.ts'
import { seeded } from './support.ts'

const ask = (one: Side) => one.apply(query(one.conversation, one.means()))
const commit = (one: Side) => one.apply(start(one.conversation, [2, 3], one.means()))
const states = (events: readonly ConversationEvent[]) => events.filter(({ type }) => type === 'state')
const dropped = (one: Side) => one.events.flatMap((event) => (event.type === 'dropped' ? [event.why] : []))
const texts = (one: Side) => one.events.flatMap((event) => (event.type === 'message' ? [event.text] : []))

/** After an exchange: what one says the other reads, and they have the same id. */
function agree(a: Side, b: Side): void {
  const [ours, theirs] = [sessionOf(a), sessionOf(b)]
  if (ours?.state !== 'encrypted' || theirs?.state !== 'encrypted') throw new Error('no session')
  expect(ours.ssid).toStrictEqual(theirs.ssid)
  expect(ours.boldHalf).not.toBe(theirs.boldHalf)
  expect([ours.fingerprint, theirs.fingerprint]).toStrictEqual([b.fingerprint, a.fingerprint])
  a.send('to b')
  b.send('to a')
  a.send('to b again')
  converse(a, b)
  expect(b.read().slice(-2)).toStrictEqual(['to b', 'to b again'])
  expect(a.read().slice(-1)).toStrictEqual(['to a'])
}

function inStep(a: Side, b: Side): boolean {
  const [ours, theirs] = [sessionOf(a), sessionOf(b)]
  return ours?.state === 'encrypted' && theirs?.state === 'encrypted' && equalBytes(ours.ssid, theirs.ssid)
}

describe.each([2, 3] as const)('Authenticated Key Exchange, version %i', (version: Version) => {
  it('completes, for 250 seeds', () => {
    for (let seed = 0; seed < 250; seed++) {
      const [a, b] = [side(2 * seed, [version]), side(2 * seed + 1, [version])]
      ask(a)
      converse(a, b)
      expect(isEncrypted(a) && isEncrypted(b), `seed ${seed}`).toBe(true)
      if (seed < 5) agree(a, b)
    }
  }, 60_000)

  it('names the key, the id, the version and who changed what', () => {
    const [a, b] = [side(1, [version]), side(2, [version])]
    ask(a)
    converse(a, b)
    const session = sessionOf(a)
    if (session?.state !== 'encrypted') throw new Error('no session')
    expect(states(a.events)).toStrictEqual([
      {
        type: 'state',
        instance: version === 2 ? 0 : 0x102,
        from: { state: 'plaintext' },
        to: {
          state: 'encrypted',
          version,
          fingerprint: b.fingerprint,
          ssid: expect.stringMatching(/^[0-9a-f]{16}$/),
          boldHalf: 'second',
        },
        keyChanged: false,
        downgrade: false,
      },
    ])
    expect(states(b.events)).toMatchObject([{ to: { boldHalf: 'first' } }])
    expect(nextTick({ ...a.conversation, broadcast: undefined }, a.policy)).toBeUndefined()
  })

  // Every way in which the messages of two commits at once can be interleaved, each direction in order.
  it('resolves crossed commits whatever is delivered first', () => {
    for (let order = 0; order < 64; order++) {
      const [a, b] = [side(2 * order + 1, [version]), side(2 * order + 2, [version])]
      commit(a)
      commit(b)
      for (let bit = 0; bit < 6; bit++) {
        const [from, to] = (order >> bit) & 1 ? [a, b] : [b, a]
        const text = from.out.shift()
        if (text !== undefined) to.receive(text)
      }
      converse(a, b)
      expect(isEncrypted(a) && isEncrypted(b), `order ${order}`).toBe(true)
      agree(a, b)
      expect(states(a.events).length + states(b.events).length).toBe(2)
    }
  })

  it('resolves two queries at once', () => {
    for (let seed = 0; seed < 20; seed++) {
      const [a, b] = [side(2 * seed + 1, [version]), side(2 * seed + 2, [version])]
      ask(a)
      ask(b)
      converse(a, b)
      expect(isEncrypted(a) && isEncrypted(b), `seed ${seed}`).toBe(true)
      agree(a, b)
    }
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('survives the loss of message %i', (lost) => {
    const [a, b] = [side(31, [version]), side(32, [version])]
    ask(a)
    commit(a)
    let count = 0
    const deliver = (from: Side, to: Side) => {
      for (const text of from.out.splice(0)) if (++count !== lost) to.receive(text)
    }
    for (let round = 0; round < 40 && !(isEncrypted(a) && isEncrypted(b) && count >= lost); round++) {
      deliver(a, b)
      deliver(b, a)
      if (a.out.length + b.out.length === 0 && nextTick(a.conversation, a.policy)) waitFor(a, b)
    }
    converse(a, b)
    expect(isEncrypted(a) && isEncrypted(b)).toBe(true)
    agree(a, b)
  })

  // No order at all, a fifth lost and a fifth twice, while both begin: time brings them together.
  it('resolves crossed commits in any disorder', () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = seeded(seed)
      const [a, b] = [side(2 * seed + 1, [version]), side(2 * seed + 2, [version])]
      commit(a)
      commit(b)
      const inTheAir: (readonly [Side, string])[] = []
      for (let i = 0; i < 60; i++) {
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const)
          for (const text of from.out.splice(0)) inTheAir.push([to, text])
        const [place = 0, fate = 0] = random(2)
        const [next] = inTheAir.splice(place % (inTheAir.length + 1), 1)
        if (next !== undefined && fate >= 51) next[0].receive(next[1])
        if (next !== undefined && fate >= 204) inTheAir.push(next)
        const waits = [a, b].some((one) => nextTick(one.conversation, one.policy) !== undefined)
        if (inTheAir.length === 0 && waits && a.out.length + b.out.length === 0) waitFor(a, b)
      }
      for (const [to, text] of inTheAir) to.receive(text)
      converse(a, b)
      for (let i = 0; i < 20 && !inStep(a, b); i++) {
        // Whoever has no session, or another than the other side, finds out and asks again.
        clock.now += 5000
        if (isHandshaking(a.conversation) || isHandshaking(b.conversation)) waitFor(a, b)
        else ask(a)
        converse(a, b)
      }
      expect(inStep(a, b), `seed ${seed}`).toBe(true)
      agree(a, b)
    }
  })

  it('survives that everything comes twice', () => {
    const [a, b] = [side(41, [version]), side(42, [version])]
    commit(a)
    commit(b)
    for (let round = 0; round < 12; round++) {
      for (const text of a.out.splice(0).flatMap((one) => [one, one])) b.receive(text)
      for (const text of b.out.splice(0).flatMap((one) => [one, one])) a.receive(text)
    }
    expect(isEncrypted(a) && isEncrypted(b)).toBe(true)
    agree(a, b)
  })

  it('gives up when nobody answers, and says so', () => {
    const a = side(51, [version])
    const began = clock.now
    commit(a)
    const times: number[] = []
    for (let due = nextTick(a.conversation, a.policy); due !== undefined; ) {
      clock.now = due
      a.tick()
      times.push(due - began)
      due = nextTick(a.conversation, a.policy)
    }
    expect(a.out.length).toBe(1 + MAX_AKE_RETRIES)
    expect(new Set(a.out).size).toBe(a.out.length)
    expect(a.events).toStrictEqual([{ type: 'handshake-failed' }])
    expect(times[0]).toBeGreaterThanOrEqual(AKE_RETRY_MS)
    expect(times[0]).toBeLessThan(AKE_RETRY_MS + AKE_RETRY_JITTER_MS)
    expect(a.conversation.instances).toStrictEqual([])
  })

  it('does not disturb a running session until it has ended', () => {
    const [a, b] = encrypted(version, 30)
    const before = sessionOf(a)
    commit(b)
    a.receive(b.out.shift()!)
    expect(sessionOf(a)).toBe(before)
    b.receive(a.out.shift()!)
    expect(sessionOf(a)).toBe(before)
    b.send('under the old keys')
    b.out.reverse()
    a.receive(b.out.shift()!)
    expect(texts(a)).toStrictEqual(['under the old keys'])
    clock.now += 10
    converse(a, b)
    expect(states(a.events)).toMatchObject([{ from: { state: 'encrypted' }, to: { state: 'encrypted' } }])
    agree(a, b)
  })

  it('does not insist on an exchange that somebody else began beside a session', () => {
    const [a, b] = encrypted(version, 31)
    const before = sessionOf(a)
    commit(b)
    a.receive(b.out.shift()!)
    expect(a.out.splice(0).length).toBe(1)
    clock.now = nextTick(a.conversation, { ...a.policy, heartbeatMs: Number.POSITIVE_INFINITY })!
    a.tick()
    expect(a.out).toStrictEqual([])
    expect(a.conversation.instances).toMatchObject([{ ake: { state: 'none' }, retry: undefined }])
    expect(sessionOf(a)).toBe(before)
  })

  // row 11
  it('takes a fresh Diffie-Hellman key each time', () => {
    const [a, b] = [side(61, [version]), side(62, [version])]
    const keys = new Set<string>()
    for (let round = 0; round < 3; round++) {
      commit(a)
      keys.add(a.out[0]!)
      converse(a, b)
      agree(a, b)
    }
    expect(keys.size).toBe(3)
  })

  // row 17
  it('drops every message of its own that comes back', () => {
    const [a, b] = [side(71, [version]), side(72, [version])]
    commit(a)
    for (let round = 0; round < 12; round++) {
      for (const text of a.out.splice(0)) {
        const before = a.conversation
        const step = a.receive(text)
        expect(step.send).toStrictEqual([])
        expect(step.conversation).toBe(before)
        b.receive(text)
      }
      for (const text of b.out.splice(0)) a.receive(text)
    }
    expect(isEncrypted(a) && isEncrypted(b)).toBe(true)
    expect(new Set(dropped(a))).toStrictEqual(
      new Set(version === 3 ? ['reflected'] : ['reflected', 'unexpected']),
    )
    a.send('mine')
    expect(a.receive(a.out[0]!).events).toStrictEqual([{ type: 'dropped', why: 'reflected' }])
    expect(a.conversation.errorsAt).toStrictEqual([])
  })

  // row 18
  it('goes on when a whole exchange is replayed', () => {
    const [a, b] = [side(81, [version]), side(82, [version])]
    const transcript: [Side, string][] = []
    commit(a)
    while (a.out.length + b.out.length > 0) {
      for (const text of a.out.splice(0)) transcript.push([b, text]) && b.receive(text)
      for (const text of b.out.splice(0)) transcript.push([a, text]) && a.receive(text)
    }
    const ids = [a, b].map((one) => sessionOf(one))
    for (const [to, text] of transcript) to.receive(text)
    a.out = []
    b.out = []
    expect([a, b].map((one) => sessionOf(one))).toStrictEqual(ids)
    agree(a, b)
    for (let round = 0; round < 6; round++) if (nextTick(b.conversation, b.policy)) waitFor(a, b)
    converse(a, b)
    agree(a, b)
  })

  it('refuses what does not verify, and stays', () => {
    const [a, b] = [side(91, [version]), side(92, [version])]
    commit(a)
    const offset = version === 3 ? 11 : 3
    for (let round = 0; round < 4; round++) {
      const [from, to] = round % 2 === 0 ? [a, b] : [b, a]
      const genuine = from.out.shift()!
      const bytes = decodeMessage(genuine)
      // A changed commit is only found out at its end, and a changed key where the signature is.
      for (let at = offset; round >= 2 && at < bytes.length; at += 7) {
        const changed = bytes.slice()
        changed[at]! ^= 1
        const before = to.conversation
        const step = to.receive(encodeMessage(changed))
        expect(step.conversation, `${round} ${at}`).toBe(before)
        expect(step.send).toStrictEqual([])
      }
      to.receive(genuine)
    }
    agree(a, b)
  })

  it('notices that the key of the other side is its own', () => {
    const a = side(95, [version])
    commit(a)
    const header = decodeMessage(a.out[0]!).slice(0, version === 3 ? 11 : 3)
    expect(header[2]).toBe(2)
    const state = a.conversation.broadcast?.ake ?? a.conversation.instances[0]!.ake
    if (state.state !== 'awaiting-dh-key') throw new Error(state.state)
    const y = state.dh.publicKey.toString(16).padStart(384, '0').match(/../g)!
    const value = y.map((digits) => Number.parseInt(digits, 16))
    const tags = version === 3 ? [0, 0, 9, 9, 0, 0, 1, 95] : []
    const reply = Uint8Array.from([0, version, 10, ...tags, 0, 0, 0, 192, ...value])
    expect(a.receive(encodeMessage(reply)).events).toStrictEqual([{ type: 'dropped', why: 'reflected' }])
  })
})
