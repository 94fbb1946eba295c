/** Modular arithmetic against the plainest there is. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jacobi, modInverse, modPow, modProduct, randomInteger, repunit } from '../src/arithmetic/modular.ts'
import { bitLength, bytesToInteger, integerToBytes } from '../src/wire/integer.ts'
import { plainPower, seeded } from './support.ts'

const odd = fc.bigInt({ min: 3n, max: 1n << 200n }).map((n) => n | 1n)
const number = fc.bigInt({ min: 0n, max: 1n << 200n })
const bytes = fc.uint8Array({ maxLength: 24 })

describe('integers', () => {
  test('as bytes and back, minimal and padded', () => {
    fc.assert(
      fc.property(number, fc.nat(8), (n, more) => {
        const minimal = integerToBytes(n)
        expect(bytesToInteger(minimal)).toBe(n)
        expect(minimal[0]).not.toBe(0)
        const padded = integerToBytes(n, minimal.length + more)
        expect(padded).toHaveLength(minimal.length + more)
        expect(bytesToInteger(padded)).toBe(n)
      }),
    )
  })

  test('that do not fit are refused', () => {
    expect(integerToBytes(255n, 1)).toEqual(Uint8Array.of(255))
    expect(() => integerToBytes(256n, 1)).toThrow(RangeError)
    expect(() => integerToBytes(-1n)).toThrow(RangeError)
  })

  test.each([
    [0n, 0],
    [1n, 1],
    [7n, 3],
    [8n, 4],
    [0xffn, 8],
    [0x100n, 9],
    [1n << 159n, 160],
    [(1n << 1024n) - 1n, 1024],
  ])('bits of %i', (n, bits) => {
    expect(bitLength(n)).toBe(bits)
  })
})

describe('powers', () => {
  test('of one base', () => {
    fc.assert(
      fc.property(number, number, odd, (base, exponent, modulus) => {
        expect(modPow(base, exponent, modulus)).toBe(plainPower(base, exponent, modulus))
      }),
    )
  })

  test('of several at once', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(number, bytes), { maxLength: 4 }), odd, (pairs, modulus) => {
        const terms = pairs.map(([base, exponent]) => ({ base, exponent }))
        const expected = pairs.reduce(
          (product, [base, exponent]) =>
            (product * plainPower(base, bytesToInteger(exponent), modulus)) % modulus,
          1n % modulus,
        )
        expect(modProduct(terms, modulus)).toBe(expected)
      }),
    )
  })

  test('with blinding, every digit multiplies by a blinded entry, the digit 0 and leading zeros too', () => {
    const prime = (1n << 127n) - 1n
    fc.assert(
      fc.property(number, bytes, fc.bigInt({ min: 2n, max: prime - 2n }), (base, exponent, factor) => {
        const hidden = plainPower(factor, repunit(exponent.length), prime)
        const clear = plainPower(base, bytesToInteger(exponent), prime)
        const term = { base, exponent }
        expect(modProduct([{ ...term, blinding: { factor, correction: 1n } }], prime)).toBe(
          (clear * hidden) % prime,
        )
        const correction = modInverse(hidden, prime)
        expect(modProduct([{ ...term, blinding: { factor, correction } }], prime)).toBe(clear)
      }),
    )
  })

  test('E is a 1 for each digit', () => {
    expect(repunit(0)).toBe(0n)
    expect(repunit(1)).toBe(0x11n)
    expect(repunit(4)).toBe(0x11111111n)
  })
})

describe('inverses', () => {
  test('multiply to 1', () => {
    fc.assert(
      fc.property(number, odd, (value, modulus) => {
        let inverse: bigint
        try {
          inverse = modInverse(value, modulus)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
          expect(gcd(value, modulus)).not.toBe(1n)
          return
        }
        expect((value * inverse) % modulus).toBe(1n)
        expect(inverse > 0n && inverse < modulus).toBe(true)
      }),
    )
  })

  test('do not exist for 0 and for multiples', () => {
    for (const value of [0n, 15n, 30n, 3n, 5n]) expect(() => modInverse(value, 15n)).toThrow(RangeError)
  })
})

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b)
}

describe('the Jacobi symbol', () => {
  test('tells squares modulo every odd prime below 400', () => {
    for (let p = 3n; p < 400n; p += 2n) {
      if (!isSmallPrime(p)) continue
      const squares = new Set(Array.from({ length: Number(p) - 1 }, (_, i) => BigInt(i + 1) ** 2n % p))
      for (let a = 0n; a < p; a++) expect(jacobi(a, p)).toBe(a === 0n ? 0 : squares.has(a) ? 1 : -1)
    }
  })

  test.each([
    ['7', (1n << 127n) - 1n],
    ['3', (1n << 130n) - 5n],
    ['5', (1n << 255n) - 19n],
    ['1', (1n << 224n) - (1n << 96n) + 1n],
  ])('is Euler’s criterion for a large prime, %s modulo 8', (_name, prime) => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: prime - 1n }), fc.nat(110), (a, shift) => {
        const value = (a << BigInt(shift)) % prime
        const euler = plainPower(value, (prime - 1n) / 2n, prime)
        expect(jacobi(value, prime)).toBe(euler === 1n ? 1 : -1)
      }),
    )
  })

  test('of powers of 2, in one step and in many', () => {
    const prime = (1n << 127n) - 1n
    for (let n = 0n; n < 126n; n++) {
      expect(jacobi(1n << n, prime)).toBe(1)
      expect(jacobi(1n << n, 11n)).toBe(n % 2n === 0n ? 1 : -1)
    }
  })

  test('is multiplicative below as well, and 0 with a common divisor', () => {
    for (let a = 0n; a < 50n; a++) {
      expect(jacobi(a, 15n)).toBe(jacobi(a % 3n, 3n) * jacobi(a % 5n, 5n) || 0)
    }
  })
})

function isSmallPrime(n: bigint): boolean {
  for (let d = 3n; d * d <= n; d += 2n) if (n % d === 0n) return false
  return true
}

test('random integers are from 1 to limit − 1', () => {
  const random = seeded(1)
  const drawn = Array.from({ length: 500 }, () => randomInteger(5n, random))
  expect([...new Set(drawn)].sort()).toEqual([1n, 2n, 3n, 4n])
  expect(randomInteger(1n << 160n, (length) => new Uint8Array(length))).toBe(1n)
})
