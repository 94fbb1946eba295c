/** RFC 3526 §2, and arithmetic in its group against the plainest there is. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  assertGroupElement,
  createGroup,
  ELEMENT_BYTES,
  GENERATOR,
  MODULUS,
  ORDER,
  SECRET_BYTES,
} from '../src/arithmetic/group.ts'
import { bytesToInteger, integerToBytes } from '../src/wire/integer.ts'
import { otrError, plainPower, seeded } from './support.ts'
import vectors from './vectors/dh-group-5.json' with { type: 'json' }

const group = createGroup(seeded(1))
const exponents = (...lengths: number[]) =>
  fc.constantFrom(...lengths).chain((n) => fc.uint8Array({ minLength: n, maxLength: n }))

describe('RFC 3526 §2', () => {
  test('the prime is 2^1536 - 2^1472 - 1 + 2^64 * ( [2^1406 pi] + 741804 )', () => {
    // Machin: pi = 16 arctan(1/5) - 4 arctan(1/239), in fixed point with 64 bits to spare.
    const one = 1n << 1470n
    const arctan = (x: bigint) => {
      let [sum, term] = [0n, one / x]
      for (let n = 1n; term !== 0n; n += 2n, term /= -(x * x)) sum += term / n
      return sum
    }
    const pi = 16n * arctan(5n) - 4n * arctan(239n)
    expect(MODULUS).toBe(2n ** 1536n - 2n ** 1472n - 1n + 2n ** 64n * ((pi >> 64n) + 741804n))
  })

  test('g generates the subgroup of squares, of order q', () => {
    expect(GENERATOR).toBe(2n)
    expect(ORDER).toBe((MODULUS - 1n) / 2n)
    expect(MODULUS % 8n).toBe(7n)
    expect(plainPower(GENERATOR, ORDER, MODULUS)).toBe(1n)
  })

  test('an element and an exponent of SMP have 192 bytes, a secret has 40', () => {
    expect(integerToBytes(MODULUS)).toHaveLength(ELEMENT_BYTES)
    expect(group.generateDh(seeded(2)).secret).toHaveLength(SECRET_BYTES)
  })
})

describe.each(vectors.cases)('what two sides have in common, $name', ({ x, y, gx, gy, s }) => {
  const [first, second] = [hexToBytes(x), hexToBytes(y)]

  test('public keys', () => {
    expect(group.generateDh(() => first)).toEqual({ secret: first, publicKey: BigInt(`0x${gx}`) })
    expect(group.generateDh(() => second)).toEqual({ secret: second, publicKey: BigInt(`0x${gy}`) })
  })

  test('the secret as a minimal MPI, from both sides', () => {
    const expected = `000000${(s.length / 2).toString(16)}${s}`
    expect(bytesToHex(group.sharedSecret(first, BigInt(`0x${gy}`)))).toBe(expected)
    expect(bytesToHex(group.sharedSecret(second, BigInt(`0x${gx}`)))).toBe(expected)
  })
})

describe('exponentiation', () => {
  test('g by the comb, exponents of every length that is used', () => {
    fc.assert(
      fc.property(exponents(1, 20, 39, 40, 41, 80, 192, 200), (exponent) => {
        expect(group.powerOfG(exponent)).toBe(plainPower(GENERATOR, bytesToInteger(exponent), MODULUS))
      }),
      { numRuns: 60 },
    )
  })

  test.each([0, 1, 39, 40, 41, 192, 200])('g by the comb, %i bytes of 00 and of ff', (length) => {
    for (const fill of [0x00, 0xff]) {
      const exponent = new Uint8Array(length).fill(fill)
      expect(group.powerOfG(exponent)).toBe(plainPower(GENERATOR, bytesToInteger(exponent), MODULUS))
    }
  })

  test('an exponent of 201 bytes is refused', () => {
    expect(() => group.powerOfG(new Uint8Array(201))).toThrow(RangeError)
  })

  test('any base modulo another prime, by the comb', () => {
    const prime = 2n ** 521n - 1n
    fc.assert(
      fc.property(exponents(1, 19, 20, 21, 40), exponents(60), (exponent, base) => {
        const power = plainPower(bytesToInteger(base), bytesToInteger(exponent), prime)
        expect(group.powersOf(bytesToInteger(base), prime)(exponent)).toBe(power)
      }),
      { numRuns: 20 },
    )
  })

  test('32 tables are kept, by base and modulus, the latest', () => {
    const fresh = createGroup(seeded(4))
    const prime = 2n ** 127n - 1n
    const powers = Array.from({ length: 32 }, (_, i) => fresh.powersOf(BigInt(i + 2), prime))
    expect(Array.from({ length: 32 }, (_, i) => fresh.powersOf(BigInt(i + 2), prime))).toEqual(powers)
    const other = fresh.powersOf(33n, MODULUS)
    expect(other).not.toBe(powers[31])
    expect(other(Uint8Array.of(200))).toBe(plainPower(33n, 200n, MODULUS))
    expect(fresh.powersOf(33n, prime)).toBe(powers[31])
    expect(fresh.powersOf(3n, prime)).toBe(powers[1])
    expect(fresh.powersOf(2n, prime)).not.toBe(powers[0])
  })

  test('any base, and products of powers of different lengths', () => {
    fc.assert(
      fc.property(exponents(32, 40, 192), exponents(32, 40), (a, b) => {
        const [base, other] = [MODULUS - bytesToInteger(b) - 2n, bytesToInteger(a) + 2n]
        const [left, right] = [
          plainPower(base, bytesToInteger(a), MODULUS),
          plainPower(other, bytesToInteger(b), MODULUS),
        ]
        expect(group.product({ base, exponent: a })).toBe(left)
        expect(group.product({ base, exponent: a }, { base: other, exponent: b })).toBe(
          (left * right) % MODULUS,
        )
      }),
      { numRuns: 25 },
    )
  })

  test('an exponent of zeros gives 1, none gives 1', () => {
    expect(group.product({ base: 3n, exponent: new Uint8Array(40) })).toBe(1n)
    expect(group.product({ base: 3n, exponent: new Uint8Array(0) })).toBe(1n)
    expect(group.product()).toBe(1n)
  })

  test('blinding never changes a result, not even with randomness that is none', () => {
    const secret = seeded(3)(40)
    for (const fill of [0x00, 0xff]) {
      const constant = createGroup((length) => new Uint8Array(length).fill(fill))
      for (let i = 0; i < 3; i++)
        expect(constant.sharedSecret(secret, 5n)).toEqual(group.sharedSecret(secret, 5n))
      expect(constant.powerOfG(secret)).toBe(group.powerOfG(secret))
    }
  })
})

describe('row 14: values that are not in the group', () => {
  test('every power of g is', () => {
    for (let i = 0; i < 20; i++)
      expect(() => assertGroupElement(group.generateDh(seeded(i)).publicKey)).not.toThrow()
  })

  test.each([
    ['0', 0n],
    ['1', 1n],
    ['p − 1', MODULUS - 1n],
    ['p', MODULUS],
    ['p + 1', MODULUS + 1n],
    ['p + 2, which is 2 modulo p', MODULUS + 2n],
    ['−2', -2n],
    ['p − 2, which is no square', MODULUS - 2n],
    ['a number of 1 MiB', 1n << (8n * 1024n * 1024n)],
  ])('%s', (_name, value) => {
    expect(() => assertGroupElement(value)).toThrow(otrError('group-element-invalid'))
  })

  test('row 7: −g^x, a value out of which a peer of SMP learns a bit', () => {
    const { publicKey } = group.generateDh(seeded(6))
    expect(() => assertGroupElement(MODULUS - publicKey)).toThrow(otrError('group-element-invalid'))
  })
})
