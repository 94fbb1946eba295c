/** Sessions at rest: what is written is read back, for ever; what was not written by us is refused. */
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import { MAX_COUNTER } from '../src/double-ratchet.ts'
import { OmemoError } from '../src/error.ts'
import { decodeIdentity, encodeIdentity } from '../src/identity-key.ts'
import { decodePreKeys, encodePreKeys, MAX_PRE_KEY_ID } from '../src/pre-keys.ts'
import type { Session } from '../src/session.ts'
import { decodeSessions, encodeSessions, SESSION_VERSION } from '../src/session-codec.ts'
import { MAX_ARCHIVED_SESSIONS, type SessionList } from '../src/session-list.ts'
import { MAX_ENDED_CHAINS, MAX_SKIPPED_KEYS, type SkippedKeys } from '../src/skipped-keys.ts'
import { ByteReader, ByteWriter } from '../src/state-bytes.ts'
import { attempt, device, failure, flipped, initiated, received, sent, versions } from './support.ts'
import frozen from './vectors/state-1.json' with { type: 'json' }

/** Promised for a session without skipped keys. */
const MAX_HEAD_LENGTH = 300

const NEVER_DATED_LATER = Date.UTC(2100, 0)

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const counter = fc.integer({ min: 0, max: MAX_COUNTER })
const chain = fc.record({ chainKey: bytes32, next: fc.integer({ min: 0, max: MAX_COUNTER + 1 }) })
const receiving = fc.record({ ratchetKey: bytes32, chainKey: bytes32, next: counter })
const skipped: fc.Arbitrary<SkippedKeys> = fc.array(
  fc.record({
    ratchetKey: bytes32,
    length: counter,
    keys: fc.array(fc.record({ counter, messageKey: bytes32 }), { maxLength: 4 }),
  }),
  { maxLength: 4 },
)
const ratchet: fc.Arbitrary<Session['ratchet']> = fc.oneof(
  fc.record({
    state: fc.constant('sending' as const),
    rootKey: bytes32,
    previousCounter: counter,
    skipped,
    ours: fc.record({ secret: bytes32, publicKey: bytes32 }),
    sending: chain,
    receiving: fc.option(receiving, { nil: undefined }),
  }),
  fc.record({
    state: fc.constant('waiting' as const),
    rootKey: bytes32,
    previousCounter: counter,
    skipped,
    receiving,
  }),
)
const origin: fc.Arbitrary<Pick<Session, 'role' | 'exchange'>> = fc.oneof(
  fc.record({
    role: fc.constant('initiator' as const),
    exchange: fc.record({
      state: fc.constant('pending' as const),
      preKeyId: counter,
      signedPreKeyId: counter,
    }),
  }),
  fc.constant({ role: 'responder', exchange: { state: 'accepted' } } as const),
  fc.constantFrom<Pick<Session, 'role' | 'exchange'>>(
    { role: 'initiator', exchange: { state: 'confirmed' } },
    { role: 'responder', exchange: { state: 'confirmed' } },
  ),
)
const session: fc.Arbitrary<Session> = fc
  .record({
    origin,
    namespace: fc.constantFrom(...versions.map((version) => version.namespace)),
    ephemeralKey: bytes32,
    theirIdentity: bytes32,
    stamp: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    ratchet,
  })
  .map(({ origin: { role, exchange }, ...rest }) => ({ ...rest, role, exchange }))
const sessionList: fc.Arbitrary<SessionList> = fc.record({
  current: session,
  archived: fc.array(session, { maxLength: MAX_ARCHIVED_SESSIONS }),
  rival: fc.option(fc.record({ ephemeralKey: bytes32, crossed: fc.boolean(), streak: counter }), {
    nil: undefined,
  }),
})

test('what is written is read back', () => {
  fc.assert(
    fc.property(sessionList, (sessions) => {
      expect(hexed(decodeSessions(encodeSessions(sessions)))).toEqual(hexed(sessions))
    }),
    { numRuns: 100 },
  )
})

test('any bytes are read, or refused by an OmemoError', () => {
  fc.assert(
    fc.property(
      sessionList,
      fc.nat(),
      fc.uint8Array({ maxLength: 3 }),
      fc.boolean(),
      (sessions, at, edit, head) => {
        const stored = encodeSessions(sessions)
        const target = head ? stored.current : stored.archived
        target.set(edit.subarray(0, target.length), at % Math.max(1, target.length - edit.length))
        const read = attempt(() => decodeSessions(stored))
        if (read instanceof OmemoError) expect(read.code).toMatch(/^state-/)
        else expect(hexed(encodeSessions(read))).toEqual(hexed(stored))
      },
    ),
    { numRuns: 150 },
  )
})

describe('size', () => {
  const key = new Uint8Array(32)
  const worst: Session = {
    namespace: 'urn:xmpp:omemo:2',
    role: 'initiator',
    ephemeralKey: key,
    theirIdentity: key,
    stamp: NEVER_DATED_LATER,
    exchange: { state: 'confirmed' },
    ratchet: {
      state: 'sending',
      rootKey: key,
      previousCounter: MAX_COUNTER,
      skipped: [],
      ours: { secret: key, publicKey: key },
      sending: { chainKey: key, next: MAX_COUNTER + 1 },
      receiving: { ratchetKey: key, chainKey: key, next: MAX_COUNTER + 1 },
    },
  }
  const pending: Session = {
    ...worst,
    exchange: { state: 'pending', preKeyId: MAX_PRE_KEY_ID, signedPreKeyId: MAX_PRE_KEY_ID },
    ratchet: { ...worst.ratchet, receiving: undefined } as Session['ratchet'],
  }
  const lengths = (current: Session) => {
    const stored = encodeSessions({ current, archived: [], rival: undefined })
    return [stored.current.length, stored.archived.length]
  }

  test(`at most ${MAX_HEAD_LENGTH} bytes, all counters at their highest`, () => {
    expect(lengths(worst)).toEqual([280, 4])
    expect(lengths(pending)).toEqual([221, 4])
    // The last moment of a `Date` is the latest stamp.
    expect(lengths({ ...worst, stamp: 8.64e15 })).toEqual([282, 4])
    for (const most of [worst, pending, { ...worst, stamp: 8.64e15 }])
      expect(lengths(most).reduce((sum, length) => sum + length)).toBeLessThanOrEqual(MAX_HEAD_LENGTH)
  })

  test('in use: sending rewrites the head only, which stays as small', () => {
    for (const protocol of versions) {
      let [a, b] = [device('alice', 1), device('bob', 2)]
      a = initiated(protocol, a, b)
      for (let round = 0; round < 8; round++) {
        const forth = sent(a, `forth ${round}`)
        b = received(protocol, b, forth.message.data).device
        const back = sent(b, `back ${round}`)
        a = received(protocol, forth.device, back.message.data).device
        b = back.device
      }
      for (const { sessions } of [a, b]) {
        if (sessions === undefined) throw new Error('no session')
        const { current, archived } = encodeSessions(sessions)
        expect(current.length).toBeLessThanOrEqual(MAX_HEAD_LENGTH - 20)
        // Chains remembered after they ended: a ratchet key, two numbers, and the one extra key of each.
        expect(archived.length).toBeLessThanOrEqual(4 + MAX_ENDED_CHAINS * (32 + 2 + 33))
      }
      const before = encodeSessions(a.sessions as SessionList)
      const after = encodeSessions(sent(a, 'one more').device.sessions as SessionList)
      expect(after.archived).toEqual(before.archived)
    }
  })

  test('all skipped keys there may be, in as many chains as there may be', () => {
    const keys = { counter: MAX_COUNTER, messageKey: key }
    const one: SkippedKeys = [
      { ratchetKey: key, length: MAX_COUNTER, keys: Array.from({ length: MAX_SKIPPED_KEYS }, () => keys) },
    ]
    const many: SkippedKeys = Array.from({ length: MAX_SKIPPED_KEYS + MAX_ENDED_CHAINS }, (_, i) => ({
      ratchetKey: key,
      length: MAX_COUNTER,
      keys: i < MAX_SKIPPED_KEYS ? [keys] : [],
    }))
    for (const kept of [one, many]) {
      const full = { ...worst, ratchet: { ...worst.ratchet, skipped: kept } }
      const list = { current: full, archived: [full], rival: undefined }
      const written = encodeSessions(list)
      const read = decodeSessions(written)
      expect(bytesToHex(encodeSessions(read).archived)).toBe(bytesToHex(written.archived))
      expect(read.current.ratchet.skipped.length).toBe(kept.length)
      const [chain] = kept as [SkippedKeys[number]]
      const more = [{ ...chain, keys: [...chain.keys, ...one.flatMap((c) => c.keys)] }, ...kept]
      const beyond = { ...worst, ratchet: { ...worst.ratchet, skipped: more } }
      const stored = encodeSessions({ current: beyond, archived: [], rival: undefined })
      expect(failure(() => decodeSessions(stored)).code).toBe('state-malformed')
    }
  })

  test(`${MAX_ARCHIVED_SESSIONS} archived sessions, and not one more`, () => {
    const of = (count: number) =>
      encodeSessions({
        current: worst,
        archived: Array.from({ length: count }, () => worst),
        rival: undefined,
      })
    expect(decodeSessions(of(MAX_ARCHIVED_SESSIONS)).archived.length).toBe(MAX_ARCHIVED_SESSIONS)
    expect(failure(() => decodeSessions(of(MAX_ARCHIVED_SESSIONS + 1))).code).toBe('state-malformed')
  })
})

/** Bytes as hex, as the vectors write them. */
function hexed(value: unknown): unknown {
  if (value instanceof Uint8Array) return bytesToHex(value)
  if (Array.isArray(value)) return value.map(hexed)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(entries.map(([name, each]) => [name, hexed(each)]))
}

describe('version 1, for ever', () => {
  test.each(frozen.sessions)('$name', ({ current, archived, decoded }) => {
    const stored = { current: hexToBytes(current), archived: hexToBytes(archived) }
    const sessions = decodeSessions(stored)
    expect(hexed(sessions)).toEqual(decoded)
    if (SESSION_VERSION === 1) expect(encodeSessions(sessions)).toEqual(stored)
  })

  test('an identity', () => {
    const stored = hexToBytes(frozen.identity.stored)
    expect(hexed(decodeIdentity(stored))).toEqual(frozen.identity.decoded)
    expect(encodeIdentity(decodeIdentity(stored))).toEqual(stored)
  })

  test('prekeys', () => {
    const stored = hexToBytes(frozen.preKeys.stored)
    expect(hexed(decodePreKeys(stored))).toEqual(frozen.preKeys.decoded)
    expect(encodePreKeys(decodePreKeys(stored))).toEqual(stored)
  })
})

describe.each(frozen.sessions)('damaged: $name', (row) => {
  const stored = { current: hexToBytes(row.current), archived: hexToBytes(row.archived) }

  describe.each(['current', 'archived'] as const)('%s', (record) => {
    const read = (bytes: Uint8Array) => decodeSessions({ ...stored, [record]: bytes })

    test('cut short anywhere, or longer', () => {
      const bytes = stored[record]
      for (let length = 0; length < bytes.length; length++) {
        const error = failure(() => read(bytes.subarray(0, length)))
        expect(error.code, `${length}`).toBe('state-malformed')
        expect(error.path).toMatch(/@\d+$/)
      }
      expect(failure(() => read(concatBytes(bytes, Uint8Array.of(0)))).code).toBe('state-malformed')
    })

    test('of another version', () => {
      const versioned = (version: number) => Uint8Array.of(version, ...stored[record].subarray(1))
      expect(failure(() => read(versioned(0))).code).toBe('state-malformed')
      for (const version of [SESSION_VERSION + 1, 255])
        expect(failure(() => read(versioned(version))).code).toBe('state-version-unknown')
    })

    test('one bit changed: an error, or sessions that are written as they were read', () => {
      let refused = 0
      for (let offset = 0; offset < stored[record].length; offset++)
        for (let bit = 0; bit < 8; bit++) {
          const changed = flipped(stored[record], offset, bit)
          const sessions = attempt(() => read(changed))
          if (sessions instanceof OmemoError) {
            expect(sessions.code).toMatch(/^state-/)
            refused++
          } else expect(bytesToHex(encodeSessions(sessions)[record])).toBe(bytesToHex(changed))
        }
      expect(refused).toBeGreaterThan(0)
    })
  })
})

describe('flags of a head', () => {
  const { current, archived } = frozen.sessions[0] as (typeof frozen.sessions)[number]
  const withByte = (at: number, value: number) => () => {
    const bytes: Bytes = hexToBytes(current)
    bytes[at] = value
    return decodeSessions({ current: bytes, archived: hexToBytes(archived) })
  }

  test.each([
    ['a namespace that is none', 1, 2],
    ['a state that is none', 2, 0b01111],
    ['a bit that means nothing', 2, 0b101100],
    ['a responder that is pending', 2, 0b01000],
    ['an initiator that has accepted', 2, 0b01101],
    ['no chain at all', 2, 0b00100],
  ])('%s', (_name, at, value) => {
    expect(failure(withByte(at, value)).code).toBe('state-malformed')
  })
})

describe('varints of stored state', () => {
  test.each([0, 1, 127, 128, 2 ** 32, Number.MAX_SAFE_INTEGER])('%d', (value) => {
    expect(new ByteReader(new ByteWriter().varint(value).finish(), 'test').varint()).toBe(value)
  })

  test.each([-1, 1.5, 2 ** 53, Number.NaN])('%d is a mistake of the caller', (value) => {
    expect(() => new ByteWriter().varint(value)).toThrow(RangeError)
  })

  test.each(['80', '8000', 'ffffffffffffff10', 'ffffffffffffffff01', ''])('%s is refused', (hex) => {
    expect(failure(() => new ByteReader(hexToBytes(hex), 'test').varint()).code).toBe('state-malformed')
  })
})
