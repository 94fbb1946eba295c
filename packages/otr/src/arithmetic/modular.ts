/**
 * Arithmetic modulo a large odd number, for Diffie-Hellman and DSA.
 *
 * Constant time is out of reach on BigInt: `%` takes time by the size of its operands, and which entry of a table is
 * read shows in the cache. What can be had is had: the sequence of operations depends on the length of an exponent
 * only, never on its digits, and no operand is short because of a digit that is zero.
 */
import { bytesToInteger, integerToBytes } from '../wire/integer.ts'

/**
 * Hides which digits of an exponent are 0, where a multiplication by 1 would be quicker than by another number: every
 * entry of the table is multiplied by `factor`, and the result by `correction` = factor^−E, with E = 11…1 in base 16,
 * a 1 for each digit.
 */
export interface Blinding {
  readonly factor: bigint
  readonly correction: bigint
}

/** `blinding` must be that of the exponent's length. Without it the exponent is taken to be public. */
export interface Term {
  readonly base: bigint
  /** Big-endian; its length, which may be padded by zeros, is not hidden. */
  readonly exponent: Uint8Array
  readonly blinding?: Blinding | undefined
}

const PUBLIC: Blinding = { factor: 1n, correction: 1n }

/** The product of base^exponent over all terms; the squarings, which take most of the time, are shared. */
export function modProduct(terms: readonly Term[], modulus: bigint): bigint {
  const length = Math.max(0, ...terms.map(({ exponent }) => exponent.length))
  const rows = terms.map(({ base, exponent, blinding = PUBLIC }) => {
    const powers = [blinding.factor % modulus]
    for (let i = 1; i < 16; i++) powers.push(((powers[i - 1] as bigint) * base) % modulus)
    return { powers, exponent, skipped: length - exponent.length }
  })
  let product = 1n
  for (let at = 0; at < length; at++) {
    for (const shift of [4, 0]) {
      for (let i = 0; i < 4; i++) product = (product * product) % modulus
      for (const { powers, exponent, skipped } of rows) {
        if (at < skipped) continue
        const digit = ((exponent[at - skipped] as number) >> shift) & 15
        product = (product * (powers[digit] as bigint)) % modulus
      }
    }
  }
  for (const { blinding = PUBLIC } of terms) product = (product * blinding.correction) % modulus
  return product % modulus
}

/** base^exponent for a public exponent ≥ 0. */
export function modPow(base: bigint, exponent: bigint, modulus: bigint): bigint {
  return modProduct([{ base, exponent: integerToBytes(exponent) }], modulus)
}

/** E of `Blinding`, for an exponent of so many bytes. */
export function repunit(length: number): bigint {
  return ((1n << BigInt(8 * length)) - 1n) / 15n
}

/**
 * By Euclid's algorithm, whose steps depend on `value`: what is secret is multiplied by something random before.
 *
 * @throws RangeError when the two have a common divisor
 */
export function modInverse(value: bigint, modulus: bigint): bigint {
  let [a, b] = [modulus, ((value % modulus) + modulus) % modulus]
  let [u, v] = [0n, 1n]
  while (b !== 0n) {
    const quotient = a / b
    ;[a, b] = [b, a - quotient * b]
    ;[u, v] = [v, u - quotient * v]
  }
  if (a !== 1n) throw new RangeError('value: expected one without a divisor in common with the modulus')
  return u < 0n ? u + modulus : u
}

/** The Jacobi symbol of a public value ≥ 0 over an odd modulus: for a prime one, 1 says that it is a square. */
export function jacobi(value: bigint, modulus: bigint): -1 | 0 | 1 {
  let [a, n] = [value % modulus, modulus]
  let sign: -1 | 1 = 1
  while (a !== 0n) {
    let low = Number(BigInt.asUintN(32, a))
    while (low === 0) {
      a >>= 32n
      low = Number(BigInt.asUintN(32, a))
    }
    const zeros = 31 - Math.clz32(low & -low)
    a >>= BigInt(zeros)
    const residue = Number(n & 7n)
    // (2/n) = −1 for n ≡ 3, 5 mod 8; an even number of twos, 32 of them too, changes nothing.
    if (zeros % 2 === 1 && (residue === 3 || residue === 5)) sign = sign === 1 ? -1 : 1
    if ((a & 3n) === 3n && residue % 4 === 3) sign = sign === 1 ? -1 : 1
    ;[a, n] = [n % a, a]
  }
  return n === 1n ? sign : 0
}

/** A number from 1 to `limit` − 1, evenly but for one part in 2⁶⁴. */
export function randomInteger(limit: bigint, random: (length: number) => Uint8Array): bigint {
  const drawn = random(integerToBytes(limit).length + 8)
  return (bytesToInteger(drawn) % (limit - 1n)) + 1n
}
