/** What strangers can have a conversation keep, counted in the state itself, and what it costs to keep it. */
import { concatBytes } from '@noble/hashes/utils.js'
import { describe, expect, it, vi } from 'vitest'
import type { Conversation } from '../src/protocol/conversation.ts'
import { decodeMessage, encodeMessage, MAX_MESSAGE_BYTES } from '../src/protocol/encoded-message.ts'
import { MAX_FRAGMENTS, MAX_INSTANCES } from '../src/protocol/fragment.ts'
import type { Version } from '../src/protocol/header.ts'
import { nextTick } from '../src/protocol/outgoing.ts'
import { data } from '../src/wire/writer.ts'
import { commit as commitAs, headerLength } from './attacker.ts'
import { clock, converse, encrypted, type Side, side } from './sides.ts'

/** Everything that hangs on a value: bytes with the whole of their buffers, characters, and how many values there are. */
function retained(value: unknown, seen = new Set<unknown>()): { bytes: number; values: number } {
  const sum = { bytes: 0, values: 1 }
  const buffer = value instanceof Uint8Array ? value.buffer : undefined
  if (typeof value === 'string') sum.bytes = 2 * value.length
  if (typeof value === 'bigint') sum.bytes = Math.ceil(value.toString(16).length / 2)
  if (buffer !== undefined && !seen.has(buffer)) sum.bytes = seen.add(buffer) && buffer.byteLength
  if (buffer !== undefined || typeof value !== 'object' || value === null || seen.has(value)) return sum
  seen.add(value)
  for (const part of Object.values(value)) {
    const { bytes, values } = retained(part, seen)
    sum.bytes += bytes
    sum.values += values
  }
  return sum
}

/** An instance without a session: two numbers of the group, a commit, keys. */
const STRANGER = { bytes: 4096, values: 60 }
/** A conversation with one session, or with none. */
const FRIEND = { bytes: 8192, values: 200 }

function expectBounded({ conversation }: Side, assembled = 0): void {
  const { bytes, values } = retained(conversation)
  expect(bytes).toBeLessThanOrEqual(FRIEND.bytes + MAX_INSTANCES * (STRANGER.bytes + assembled))
  expect(values).toBeLessThanOrEqual(FRIEND.values + MAX_INSTANCES * STRANGER.values)
}

const fragment = (version: Version, tag: number, k: number, n: number, piece: string) =>
  version === 3 ? `?OTR|${tag.toString(16)}|0,${k},${n},${piece},` : `?OTR,${k},${n},${piece},`

/** Bytes that are copied from one array into another meanwhile. */
function copied(work: () => void): number {
  const set = vi.spyOn(Uint8Array.prototype, 'set')
  try {
    work()
    return set.mock.calls.reduce((sum, [source]) => sum + source.length, 0)
  } finally {
    set.mockRestore()
  }
}

it('row 19: the count counts what it should', () => {
  const [long] = [new Uint8Array(1000)]
  expect(retained([long.subarray(0, 1), long.subarray(1, 2)])).toStrictEqual({ bytes: 1000, values: 3 })
  expect(retained({ a: 'xy', b: 255n })).toStrictEqual({ bytes: 5, values: 3 })
  expect(copied(() => long.set(new Uint8Array(10), 5))).toBe(10)
})

describe.each([2, 3] as const)('row 19: memory, version %i', (version) => {
  it.each(['', 'y', 'yyyy', 'y'.repeat(100)])(
    `${MAX_FRAGMENTS} fragments of %j are kept as what is in them`,
    (piece) => {
      const [a] = encrypted(version, 300)
      const fits = Math.min(MAX_FRAGMENTS - 1, Math.floor(MAX_MESSAGE_BYTES / Math.max(1, piece.length)))
      const work = copied(() => {
        for (let k = 1; k <= fits; k++) {
          a.receive(fragment(version, 0x5000, k, MAX_FRAGMENTS, piece))
          if (k % 4096 === 0) expectBounded(a, MAX_MESSAGE_BYTES / MAX_INSTANCES)
        }
      })
      expect(a.conversation.assemblies).toMatchObject([{ index: fits }])
      expectBounded(a, MAX_MESSAGE_BYTES / MAX_INSTANCES)
      // Each byte when it comes, and 18 times as it moves on.
      expect(work).toBeLessThanOrEqual(20 * fits * piece.length)
      expect(a.out).toStrictEqual([])
    },
  )

  it(`${MAX_FRAGMENTS} fragments are the message`, () => {
    const [a, b] = encrypted(version, 301)
    // As many as there can be, with what is appended to the full stop passed over.
    b.send('whole')
    const text = b.out.shift()!.padEnd(MAX_FRAGMENTS, ' ')
    for (const [i, piece] of [...text].entries())
      a.receive(fragment(version, b.conversation.ourTag, i + 1, MAX_FRAGMENTS, piece))
    expect(a.read()).toStrictEqual(['whole'])
    expect(a.conversation.assemblies).toStrictEqual([])
  })

  it('10000 tags with a piece each, and with a commit each', () => {
    const [a, b] = encrypted(version, 302)
    const piece = 'z'.repeat(100)
    const stranger = side(603, [version])
    commitAs(stranger)
    const commit = decodeMessage(stranger.out.shift()!)
    const start = commit.slice(0, headerLength(version))
    const long = concatBytes(start, data(new Uint8Array(100_000)), data(new Uint8Array(32)))
    for (let i = 0; i < 10_000; i++) {
      a.receive(fragment(version, 0x10_000 + i, 1, 3, piece))
      if (i % 10 !== 0) continue
      for (const message of i % 20 === 0 ? [commit, long] : [commit]) {
        if (version === 3) new DataView(message.buffer).setUint32(3, 0x20_000 + i)
        new DataView(message.buffer).setUint32(message.length - 4, i)
        a.receive(encodeMessage(message))
      }
      expectBounded(a, 200)
    }
    const strangers = version === 3 ? MAX_INSTANCES : 0
    expect(a.conversation.instances.length).toBe(1 + strangers)
    expect(a.conversation.assemblies.length).toBe(version === 3 ? MAX_INSTANCES : 1)
    a.out = []
    a.send('still here')
    converse(a, b)
    expect(b.read()).toContain('still here')
  })

  it('everything goes when nobody says anything more', () => {
    const [a] = encrypted(version, 304)
    const before = retained(a.conversation)
    for (let i = 0; i < 20; i++) a.receive(fragment(version, 0x10_000 + i, 1, 3, 'z'.repeat(1000)))
    expect(retained(a.conversation).bytes).toBeGreaterThan(before.bytes)
    for (let i = 0; i < 10 && nextTick(a.conversation, a.policy) !== undefined; i++) {
      clock.now = Math.max(clock.now, nextTick(a.conversation, a.policy)!)
      a.tick()
    }
    expect(retained(a.conversation).bytes).toBeLessThanOrEqual(before.bytes)
  })

  it('10000 errors, queries and unreadable messages leave nothing', () => {
    const [a] = encrypted(version, 305)
    const [c] = encrypted(version, 306)
    c.conversation = { ...c.conversation, ourTag: 0x900 }
    c.send('unreadable')
    const message = decodeMessage(c.out.shift()!)
    const before: Conversation = a.conversation
    for (let i = 0; i < 10_000; i++) {
      a.receive(`?OTR Error: ${i}`)
      a.receive('?OTRv4?')
      a.receive(`?OTRv${i}`)
      if (version === 3) new DataView(message.buffer).setUint32(3, 0x20_000 + i)
      if (i % 10 === 0) a.receive(encodeMessage(message))
      a.events = []
      a.out = []
    }
    expect(a.conversation.instances).toStrictEqual(before.instances)
    expect(a.conversation.errorsAt.length).toBeLessThanOrEqual(3)
    expectBounded(a)
  })
})
