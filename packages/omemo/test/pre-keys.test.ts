/** XEP-0384 §4.2 and §5.3.2: prekeys are made, used once, refilled and rotated. */
import { describe, expect, test } from 'vitest'
import { run, type SyncCurve } from '../src/curve.ts'
import { OmemoError } from '../src/error.ts'
import {
  consumePreKey,
  decodePreKeys,
  encodePreKeys,
  findPreKey,
  findSignedPreKey,
  forgetPreviousSignedPreKey,
  generatePreKeys,
  MAX_PRE_KEY_ID,
  MAX_STORED_PRE_KEYS,
  MIN_PRE_KEYS,
  type PreKeys,
  refillPreKeys,
  rotateSignedPreKey,
  TARGET_PRE_KEYS,
} from '../src/pre-keys.ts'
import { nodeCurve } from './node-curve.ts'
import { attempt, failure, flipped, seeded } from './support.ts'

/** Answers without computing, for counts at the limit. */
const instant: SyncCurve = { ...nodeCurve, publicKey: () => new Uint8Array(32) }

const four = run(generatePreKeys(4, seeded('four')), nodeCurve)
const ids = ({ oneTime }: PreKeys): readonly number[] => oneTime.map(({ id }) => id)

test('§4.2: a hundred, and never fewer than 25', () => {
  const preKeys = run(generatePreKeys(), instant)
  expect(preKeys.oneTime.length).toBe(TARGET_PRE_KEYS)
  expect([TARGET_PRE_KEYS, MIN_PRE_KEYS]).toEqual([100, 25])
  expect(ids(preKeys)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
  expect(preKeys).toMatchObject({ nextId: 101, previousSigned: undefined, signed: { id: 1 } })
})

test('public keys belong to their secrets', () => {
  for (const { secret, publicKey } of [four.signed, ...four.oneTime])
    expect(publicKey).toEqual(nodeCurve.publicKey(secret))
  expect(new Set([four.signed, ...four.oneTime].map(({ secret }) => secret.join())).size).toBe(5)
})

test('a used prekey is gone, and its id never comes back', () => {
  const used = consumePreKey(four, 2)
  expect(ids(used)).toEqual([1, 3, 4])
  expect(failure(() => findPreKey(used, 2)).code).toBe('pre-key-unknown')
  const refilled = run(refillPreKeys(used, 4, seeded('refill')), nodeCurve)
  expect(ids(refilled)).toEqual([1, 3, 4, 5])
  expect(refilled.nextId).toBe(6)
  expect(consumePreKey(four, 99)).toEqual(four)
})

test('refilling what is full changes nothing', () => {
  expect(run(refillPreKeys(four, 4), nodeCurve)).toBe(four)
  expect(run(refillPreKeys(four, 3), nodeCurve)).toBe(four)
})

test('MAX_PRE_KEY_ID: ids start over at 1', () => {
  const late = {
    ...four,
    oneTime: [],
    nextId: MAX_PRE_KEY_ID - 1,
    signed: { ...four.signed, id: MAX_PRE_KEY_ID },
  }
  const refilled = run(refillPreKeys(late, 4, seeded('wrap')), nodeCurve)
  expect(ids(refilled)).toEqual([MAX_PRE_KEY_ID - 1, MAX_PRE_KEY_ID, 1, 2])
  expect(refilled.nextId).toBe(3)
  expect(run(refillPreKeys(late, 2, seeded('wrap')), nodeCurve).nextId).toBe(1)
  expect(run(rotateSignedPreKey(late, seeded('rotate')), nodeCurve).signed.id).toBe(1)
})

test('rotation keeps the signed prekey before, by its id, once', () => {
  const once = run(rotateSignedPreKey(four, seeded('one')), nodeCurve)
  expect([once.signed.id, once.previousSigned]).toEqual([2, four.signed])
  expect(findSignedPreKey(once, 1)).toBe(four.signed)
  expect(findSignedPreKey(once, 2)).toBe(once.signed)
  expect(once.oneTime).toBe(four.oneTime)
  const twice = run(rotateSignedPreKey(once, seeded('two')), nodeCurve)
  expect(twice.previousSigned).toBe(once.signed)
  expect(failure(() => findSignedPreKey(twice, 1)).code).toBe('signed-pre-key-unknown')
  expect(failure(() => findSignedPreKey(forgetPreviousSignedPreKey(once), 1)).code).toBe(
    'signed-pre-key-unknown',
  )
})

test('no id is no prekey, and has a place', () => {
  expect(failure(() => findPreKey(four, undefined))).toMatchObject({
    code: 'pre-key-missing',
    path: 'key exchange/prekey id',
  })
})

test('MAX_STORED_PRE_KEYS: what may be made can be read back', () => {
  const most = run(
    generatePreKeys(MAX_STORED_PRE_KEYS, () => new Uint8Array(32)),
    instant,
  )
  expect(decodePreKeys(encodePreKeys(most)).oneTime.length).toBe(MAX_STORED_PRE_KEYS)
  for (const count of [MAX_STORED_PRE_KEYS + 1, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => run(generatePreKeys(count), instant)).toThrow(RangeError)
    expect(() => run(refillPreKeys(four, count), instant)).toThrow(RangeError)
  }
  expect(run(generatePreKeys(0), instant).oneTime).toEqual([])
})

describe('at rest', () => {
  const rotated = run(rotateSignedPreKey(four, seeded('rest')), nodeCurve)
  const stored = encodePreKeys(rotated)

  test('read back as written', () => {
    for (const preKeys of [four, rotated, { ...four, oneTime: [] }, { ...rotated, nextId: MAX_PRE_KEY_ID }])
      expect(decodePreKeys(encodePreKeys(preKeys))).toEqual(preKeys)
  })

  test('malformed at every truncation, and with a byte more', () => {
    for (let length = 0; length < stored.length; length++)
      expect(failure(() => decodePreKeys(stored.subarray(0, length))).code).toBe('state-malformed')
    expect(failure(() => decodePreKeys(Uint8Array.of(...stored, 0))).code).toBe('state-malformed')
  })

  test('version 0 is none, a newer version is not known', () => {
    expect(failure(() => decodePreKeys(Uint8Array.of(0, ...stored.subarray(1)))).code).toBe('state-malformed')
    expect(failure(() => decodePreKeys(Uint8Array.of(2, ...stored.subarray(1)))).code).toBe(
      'state-version-unknown',
    )
  })

  test('a count beyond the limit is refused before anything is made of it', () => {
    const none = encodePreKeys({ ...four, oneTime: [] })
    const counted = (...count: number[]) =>
      failure(() => decodePreKeys(Uint8Array.of(...none.subarray(0, -1), ...count)))
    // 65 537 and 2⁵⁶ − 1.
    expect(counted(0x81, 0x80, 0x04).message).toContain('number')
    expect(counted(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f).message).toContain('number')
    expect(counted(0x80, 0x80, 0x04).message).toContain('truncated')
  })

  test('a bit flipped anywhere gives an error, or prekeys that are written as they were read', () => {
    for (let offset = 0; offset < stored.length; offset++) {
      const damaged = flipped(stored, offset, offset % 8)
      const read = attempt(() => decodePreKeys(damaged))
      if (read instanceof OmemoError) expect(read.code).toMatch(/^state-/)
      else expect(encodePreKeys(read)).toEqual(damaged)
    }
  })
})
