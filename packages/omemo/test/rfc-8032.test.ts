/** RFC 8032: Ed25519, its published vectors through both backends, and our signer over expanded keys. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import { answer, run, verify } from '../src/curve.ts'
import { generateIdentity, importEd25519, sign, toEdwards } from '../src/identity-key.ts'
import { backends } from './node-curve.ts'
import { flipped } from './support.ts'
import rfc8032 from './vectors/rfc-8032.json' with { type: 'json' }

describe.each(rfc8032.ed25519)('§7.1, $name', (row) => {
  const [seed, publicKey, message, signature] = [row.seed, row.publicKey, row.message, row.signature].map(
    (text) => hexToBytes(text),
  ) as [Bytes, Bytes, Bytes, Bytes]
  const signBit = (publicKey[31] as number) >> 7

  test.each(Object.entries(backends))('verifies, %s', (_name, curve) => {
    const good = (s: Bytes, m: Bytes) => run(verify(s, m, publicKey), curve)
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
