/** DSA as OTR has it: RFC 6979 A.2.1, the digest modulo q, and keys that are none. */
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createGroup } from '../src/arithmetic/group.ts'
import {
  assertPrivateKey,
  assertPublicKey,
  type DsaPrivateKey,
  type DsaPublicKey,
  encodePublicKey,
  fingerprint,
  fingerprintBytes,
  powerOfG,
  readPublicKey,
  SIGNATURE_BYTES,
  sign,
  verify,
} from '../src/dsa/dsa.ts'
import { nonces } from '../src/dsa/nonce.ts'
import { bytesToInteger, integerToBytes } from '../src/wire/integer.ts'
import { reader } from '../src/wire/reader.ts'
import { mpi, short } from '../src/wire/writer.ts'
import { otrError, plainPower, seeded } from './support.ts'
import vectors from './vectors/rfc-6979.json' with { type: 'json' }

const number = (hex: string) => BigInt(`0x${hex}`)
const key: DsaPrivateKey = {
  p: number(vectors.key.p),
  q: number(vectors.key.q),
  g: number(vectors.key.g),
  y: number(vectors.key.y),
  x: number(vectors.key.x),
}
const { p, q, g, y, x } = key
const digest = seeded(1)(32)
const invalid = otrError('dsa-key-invalid')

/** What FIPS takes of a digest of 256 bits, as OTR would have to be given it. */
const leftmost = (hex: string) => concatBytes(new Uint8Array(12), hexToBytes(hex).subarray(0, 20))

describe('RFC 6979', () => {
  const rows = [
    ...vectors.rfc.map((row) => ({ ...row, signed: leftmost(row.digest) })),
    ...vectors.otr.map((row) => ({ ...row, signed: hexToBytes(row.digest) })),
  ]
  test.each(rows)('$name', ({ signed, k, r, s }) => {
    const [nonce] = nonces(q, x, bytesToInteger(signed) % q)
    expect(nonce?.k).toBe(number(k))
    const signature = sign(key, signed)
    expect(bytesToHex(signature)).toBe(r + s)
    expect(verify(key, signed, signature)).toBe(true)
  })

  test('§3.6: with additional randomness k is another, and the signature is as good', () => {
    const random = seeded(2)
    const signatures = Array.from({ length: 3 }, () => sign(key, digest, random))
    for (const signature of signatures) expect(verify(key, digest, signature)).toBe(true)
    expect(new Set([sign(key, digest), ...signatures].map(bytesToHex)).size).toBe(4)
  })

  test('§3.2 h: every nonce is from 1 to q − 1, and none comes twice', () => {
    const seen = new Set<bigint>()
    for (const { k, blind } of nonces(q, x, 5n)) {
      for (const drawn of [k, blind]) expect(drawn > 0n && drawn < q).toBe(true)
      seen.add(k).add(blind)
      if (seen.size >= 400) break
    }
    expect(seen.size).toBe(400)
  })
})

describe('signatures', () => {
  const signature = sign(key, digest)

  test('have 40 bytes, each half padded', () => {
    const random = seeded(3)
    let padded = false
    for (let i = 0; i < 400 && !padded; i++) {
      const other = sign(key, random(32))
      expect(other).toHaveLength(SIGNATURE_BYTES)
      padded = other[0] === 0 || other[20] === 0
    }
    expect(padded).toBe(true)
  })

  test('are the same with the tables of a group, which are computed once', () => {
    const group = createGroup(seeded(6))
    for (let i = 0; i < 3; i++) expect(sign(key, digest, undefined, group)).toEqual(signature)
    expect(sign(key, digest, seeded(2), group)).toEqual(sign(key, digest, seeded(2)))
    expect(() => sign({ ...key, x: x + 1n }, digest, undefined, group)).toThrow(RangeError)
  })

  test.each([['g^k'], ['g^u1'], ['y^u2']])('row 13: none leaves with a faulty %s', (faulty) => {
    let left = ['g^k', 'g^u1', 'y^u2'].indexOf(faulty)
    const group = createGroup(seeded(6))
    const powersOf: typeof group.powersOf = (base, modulus) => (exponent) =>
      group.powersOf(base, modulus)(exponent) ^ (left-- === 0 ? 1n << 40n : 0n)
    expect(() => sign(key, digest, undefined, { powersOf })).toThrow(RangeError)
  })

  test('of what is the same modulo q are the same: the digest is neither cut nor hashed', () => {
    const small = integerToBytes(7n, 32)
    const large = integerToBytes(7n + q * 2n ** 90n, 32)
    expect(sign(key, large)).toEqual(sign(key, small))
    expect(verify(key, small, sign(key, large))).toBe(true)
  })

  test('do not verify with any bit changed, of digest or signature', () => {
    for (let bit = 0; bit < 8 * SIGNATURE_BYTES; bit++)
      expect(verify(key, digest, flipped(signature, bit))).toBe(false)
    for (let bit = 0; bit < 256; bit += 5) expect(verify(key, flipped(digest, bit), signature)).toBe(false)
  })

  test('do not verify at another length', () => {
    for (const length of [0, 20, 39]) expect(verify(key, digest, signature.subarray(0, length))).toBe(false)
    const zero = Uint8Array.of(0)
    expect(verify(key, digest, concatBytes(signature, zero))).toBe(false)
    expect(verify(key, digest, concatBytes(signature.subarray(0, 20), zero, signature.subarray(20)))).toBe(
      false,
    )
  })

  test.each([
    ['r = 0', 0n, 1n],
    ['s = 0', 1n, 0n],
    ['r = q', q, 1n],
    ['s = q', 1n, q],
    ['both the highest', 2n ** 160n - 1n, 2n ** 160n - 1n],
  ])('row 13: %s', (_name, r, s) => {
    expect(verify(key, digest, concatBytes(integerToBytes(r, 20), integerToBytes(s, 20)))).toBe(false)
  })

  test.each([
    ['r + q', 0],
    ['s + q', 20],
  ])('%s is not the same half', (_name, at) => {
    const random = seeded(6)
    for (;;) {
      const digest = random(32)
      const signature = sign(key, digest)
      const larger = bytesToInteger(signature.subarray(at, at + 20)) + q
      if (larger >= 2n ** 160n) continue
      signature.set(integerToBytes(larger, 20), at)
      expect(verify(key, digest, signature)).toBe(false)
      return
    }
  })

  test('of a digest that has not 32 bytes are refused', () => {
    for (const length of [0, 20, 31, 33]) expect(() => sign(key, new Uint8Array(length))).toThrow(RangeError)
  })

  test('with x of another key: nothing that does not verify is given out', () => {
    expect(() => sign({ ...key, x: x + 1n }, digest)).toThrow(RangeError)
  })

  test('of a peer whose q is no prime: no exception', () => {
    const composite = { p, q: 3n * (2n ** 158n + 1n), g, y }
    const r = integerToBytes(1n, 20)
    expect(verify(composite, digest, concatBytes(r, integerToBytes(3n, 20)))).toBe(false)
  })

  test('g^x by exponents of every size', () => {
    const sizes = fc
      .integer({ min: 0, max: 160 })
      .chain((bits) => fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) }))
    fc.assert(
      fc.property(sizes, (n) => {
        fc.pre(n < q)
        expect(powerOfG(key, n)).toBe(plainPower(g, n, p))
      }),
    )
    for (const n of [0n, 1n, q - 1n]) expect(powerOfG(key, n)).toBe(plainPower(g, n, p))
  })
})

describe('PUBKEY', () => {
  const encoded = encodePublicKey(key)

  test('there and back', () => {
    const from = reader(encoded, 'test')
    expect(readPublicKey(from)).toEqual({ p, q, g, y })
    expect(from.remaining).toBe(0)
  })

  test('its fingerprint is SHA-1 of what follows the type', () => {
    expect(fingerprint(key)).toBe(vectors.fingerprint)
    expect(bytesToHex(fingerprintBytes(key))).toBe(vectors.fingerprint)
  })

  test('cut off at every byte', () => {
    for (let length = 0; length < encoded.length; length++)
      expect(() => readPublicKey(reader(encoded.subarray(0, length), 'test'))).toThrow(
        otrError('message-malformed'),
      )
  })

  test('with a bit changed it is another key or none', () => {
    const random = seeded(4)
    for (let i = 0; i < 150; i++) {
      const [high = 0, low = 0] = random(2)
      const bytes = flipped(encoded, ((high << 8) | low) % (8 * encoded.length))
      expect(() => readPublicKey(reader(bytes, 'test'))).toThrow(
        expect.objectContaining({ name: 'OtrError' }),
      )
    }
  })

  test('of another type', () => {
    const other = Uint8Array.from(encoded)
    other[1] = 1
    expect(() => readPublicKey(reader(other, 'test'))).toThrow(invalid)
  })
})

describe('row 13: keys that are none', () => {
  const bigPrimeSized = (bits: bigint) => (1n << (bits - 1n)) + 1n

  test.each<[string, Partial<DsaPublicKey>]>([
    ['p = 0', { p: 0n }],
    ['p = 1', { p: 1n }],
    ['p even', { p: p + 1n }],
    ['p of 511 bits', { p: bigPrimeSized(511n) }],
    ['p of 3073 bits', { p: bigPrimeSized(3073n) }],
    ['p of 8192 bits', { p: bigPrimeSized(8192n) }],
    ['q = 0', { q: 0n }],
    ['q = 1', { q: 1n }],
    ['q of 159 bits', { q: (2n ** 159n - 1n) | 1n }],
    ['q of 161 bits', { q: 2n ** 160n + 1n }],
    ['q does not divide p − 1', { q: q + 2n }],
    ['g = 0', { g: 0n }],
    ['g = 1', { g: 1n }],
    ['g = p − 1', { g: p - 1n }],
    ['g = p', { g: p }],
    ['g = p + g', { g: p + g }],
    ['g of another order', { g: 2n }],
    ['y = 0', { y: 0n }],
    ['y = 1', { y: 1n }],
    ['y = p − 1', { y: p - 1n }],
    ['y = p', { y: p }],
    ['y of another order', { y: 2n }],
    ['y of 1 MiB', { y: 1n << (8n * 1024n * 1024n) }],
  ])('%s', (_name, change) => {
    const other = { p, q, g, y, ...change }
    expect(() => assertPublicKey(other)).toThrow(invalid)
    const bytes = concatBytes(short(0), mpi(other.p), mpi(other.q), mpi(other.g), mpi(other.y))
    expect(() => readPublicKey(reader(bytes, 'test'))).toThrow(invalid)
  })

  test.each(vectors.bounds)('p of $bits bits is still one', (row) => {
    const [p, q, g, y, x] = [row.p, row.q, row.g, row.y, row.x].map(number) as [
      bigint,
      bigint,
      bigint,
      bigint,
      bigint,
    ]
    const other = { p, q, g, y, x }
    expect(() => assertPrivateKey(other)).not.toThrow()
    expect(verify(other, digest, sign(other, digest))).toBe(true)
  })

  test.each(vectors.outside)('nothing else being wrong: $name', (row) => {
    const [p, q, g, y] = [row.p, row.q, row.g, row.y].map(number) as [bigint, bigint, bigint, bigint]
    expect(plainPower(g, q, p)).toBe(1n)
    expect(() => assertPublicKey({ p, q, g, y })).toThrow(invalid)
  })

  test('x that is out of range or of another key', () => {
    expect(() => assertPrivateKey(key)).not.toThrow()
    for (const other of [0n, q, x + 1n, x + q])
      expect(() => assertPrivateKey({ ...key, x: other })).toThrow(invalid)
  })
})

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}
