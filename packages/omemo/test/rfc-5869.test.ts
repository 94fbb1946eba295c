/** RFC 5869: HKDF with SHA-256, its published vectors. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { expect, test } from 'vitest'
import { hkdfSha256 } from '../src/kdf.ts'
import rfc5869 from './vectors/rfc-5869.json' with { type: 'json' }

test.each(rfc5869.hkdf)('$name', ({ ikm, salt, info, length, okm }) => {
  expect(bytesToHex(hkdfSha256(hexToBytes(ikm), hexToBytes(salt), hexToBytes(info), length))).toBe(okm)
})

test('§2.3: at most 255 blocks', () => {
  const none = new Uint8Array()
  expect(hkdfSha256(none, none, none, 255 * 32).length).toBe(255 * 32)
  expect(() => hkdfSha256(none, none, none, 255 * 32 + 1)).toThrow(RangeError)
})
