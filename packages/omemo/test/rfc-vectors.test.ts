/** The published vectors of the primitives, through this package's own wrappers and both curve backends. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { answer, publicKeys, run, sharedSecrets, verify } from '../src/curve.ts'
import { generateIdentity, importEd25519, sign, toEdwards } from '../src/identity-key.ts'
import { hkdfSha256, hmacSha256 } from '../src/kdf.ts'
import { backends, nodeCurve } from './model/node-curve.ts'
import { failure, flipped } from './support.ts'
import rfc4231 from './vectors/rfc-4231.json' with { type: 'json' }
import rfc5869 from './vectors/rfc-5869.json' with { type: 'json' }
import rfc7748 from './vectors/rfc-7748.json' with { type: 'json' }
import rfc8032 from './vectors/rfc-8032.json' with { type: 'json' }

describe.each(Object.entries(backends))('RFC 7748, %s', (_name, curve) => {
  test.each(rfc7748.sharedSecret)('$name: shared secret', ({ secret, publicKey, shared, note }) => {
    const theirs = hexToBytes(publicKey)
    const agree = (u: Uint8Array) => run(sharedSecrets([[hexToBytes(secret), u]]), curve)[0] as Uint8Array
    if (note !== undefined) {
      expect(failure(() => agree(theirs)).code).toBe('key-invalid')
      theirs[31] = (theirs[31] as number) & 0x7f
    }
    expect(bytesToHex(agree(theirs))).toBe(shared)
  })

  test.each(rfc7748.publicKey)('$name: public key', ({ secret, publicKey }) => {
    expect(run(publicKeys([hexToBytes(secret)]), curve).map(bytesToHex)).toEqual([publicKey])
  })
})

test.each(rfc7748.iterated)('RFC 7748 §5.2: $rounds rounds', ({ rounds, result }) => {
  const base = Uint8Array.of(9, ...new Uint8Array(31))
  let [secret, publicKey] = [base, base]
  for (let round = 0; round < rounds; round++) {
    const [next] = run(sharedSecrets([[secret, publicKey]]), nodeCurve)
    publicKey = secret
    secret = next as typeof base
  }
  expect(bytesToHex(secret)).toBe(result)
})

describe.each(rfc8032.ed25519)('RFC 8032 §7.1, $name', (row) => {
  const [seed, publicKey, message, signature] = [row.seed, row.publicKey, row.message, row.signature].map(
    (text) => hexToBytes(text),
  ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  const signBit = (publicKey[31] as number) >> 7

  test.each(Object.entries(backends))('verifies, %s', (_name, curve) => {
    const good = (s: Uint8Array, m: Uint8Array) => run(verify(s, m, publicKey), curve)
    expect(good(signature, message)).toBe(true)
    expect(good(signature, Uint8Array.of(...message, 0))).toBe(false)
    for (const offset of [0, 31, 32, 62]) expect(good(flipped(signature, offset, 3), message)).toBe(false)
  })

  test('an identity from the seed', () => {
    const identity = importEd25519(seed)
    expect(bytesToHex(identity.edwards)).toBe(bytesToHex(toEdwards(identity.montgomery, 0)))
    const ours = sign(identity, message)
    if (signBit === 0) {
      expect(bytesToHex(identity.edwards)).toBe(row.publicKey)
      expect(bytesToHex(ours)).toBe(row.signature)
      expect(generateIdentity(() => seed)).toEqual(identity)
    } else {
      // The negative of the key of the RFC: another signature, by the key with sign bit 0.
      expect(bytesToHex(identity.edwards)).toBe(bytesToHex(flipped(publicKey, 31, 7)))
      // Nor does a nonce come twice: R of both signatures and their challenges would give the secret away.
      expect(bytesToHex(ours.subarray(0, 32))).not.toBe(row.signature.slice(0, 64))
    }
    for (const curve of Object.values(backends))
      expect(answer(curve, { op: 'verify', signature: ours, message, publicKey: identity.edwards })).toBe(
        true,
      )
  })
})

test.each(rfc5869.hkdf)('RFC 5869 $name', ({ ikm, salt, info, length, okm }) => {
  expect(bytesToHex(hkdfSha256(hexToBytes(ikm), hexToBytes(salt), hexToBytes(info), length))).toBe(okm)
})

test('RFC 5869 §2.3: at most 255 blocks', () => {
  const none = new Uint8Array()
  expect(hkdfSha256(none, none, none, 255 * 32).length).toBe(255 * 32)
  expect(() => hkdfSha256(none, none, none, 255 * 32 + 1)).toThrow(RangeError)
})

test.each(rfc4231.hmacSha256)('RFC 4231 §$name', ({ key, message, mac }) => {
  const full = bytesToHex(hmacSha256(hexToBytes(key), hexToBytes(message)))
  expect(full.slice(0, mac.length)).toBe(mac)
})
