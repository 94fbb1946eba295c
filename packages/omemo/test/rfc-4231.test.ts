/** RFC 4231: HMAC with SHA-256, its published vectors. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { expect, test } from 'vitest'
import { hmacSha256 } from '../src/kdf.ts'
import rfc4231 from './vectors/rfc-4231.json' with { type: 'json' }

test.each(rfc4231.hmacSha256)('§$name', ({ key, message, mac }) => {
  const full = bytesToHex(hmacSha256(hexToBytes(key), hexToBytes(message)))
  expect(full.slice(0, mac.length)).toBe(mac)
})
