/**
 * What a recipient can do to other recipients: it knows the key of the payload, but not what their sessions carry
 * beyond that, which is the tag.
 */
import { ecb } from '@noble/ciphers/aes.js'
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { aesGcm } from '../src/aes.ts'
import { OmemoError } from '../src/error.ts'
import { axolotlPayload, omemo2Payload } from '../src/payload.ts'
import { decodeBody, encodeBody } from '../src/payload-body.ts'

const R = 0xe1n << 120n

/** Multiplication in the field of GHASH, NIST SP 800-38D §6.3. */
function times(x: bigint, y: bigint): bigint {
  let z = 0n
  for (let v = y, i = 127n; i >= 0n; i--) {
    if ((x >> i) & 1n) z ^= v
    v = v & 1n ? (v >> 1n) ^ R : v >> 1n
  }
  return z
}

/** x⁻¹ = x^(2¹²⁸ − 2): all powers x^(2ⁱ) but the first. */
function inverse(x: bigint): bigint {
  let product = 1n << 127n
  for (let i = 0, square = x; i < 127; i++) {
    square = times(square, square)
    product = times(product, square)
  }
  return product
}

const toBlock = (bytes: Uint8Array): bigint => BigInt(`0x${bytesToHex(bytes).padEnd(32, '0')}`)

function ghash(h: bigint, ciphertext: Uint8Array): bigint {
  let y = 0n
  for (let i = 0; i < ciphertext.length; i += 16) y = times(y ^ toBlock(ciphertext.subarray(i, i + 16)), h)
  return times(y ^ BigInt(8 * ciphertext.length), h)
}

/** Another ciphertext for `plaintext` and one block of noise, under the tag of the ciphertext given. */
function forge(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const h = toBlock(ecb(key, { disablePadding: true }).encrypt(new Uint8Array(16)))
  const start = aesGcm.encrypt(key, iv, plaintext).ciphertext
  // GHASH is linear: an unknown last block X adds X·H² to what the rest with a zero block gives.
  const missing = ghash(h, ciphertext) ^ ghash(h, concatBytes(start, new Uint8Array(16)))
  const last = times(missing, inverse(times(h, h)))
  return concatBytes(start, hexToBytes(last.toString(16).padStart(32, '0')))
}

const original = encodeBody('Meet me at the old oak at noon.')
// Two whole blocks.
const instead = encodeBody('Wire the money to the bandit ok ')

describe('XEP-0384: a payload replaced by another recipient', () => {
  test('0.3.0 §4.5: known limitation: GCM opens it, with a block of noise that is rarely UTF-8', () => {
    let refused = 0
    for (let i = 0; i < 20; i++) {
      const { payload, keyMaterial, iv } = axolotlPayload.seal(original)
      const forged = forge(keyMaterial.slice(0, 16), iv as Uint8Array, payload, instead)
      const opened = axolotlPayload.open({ payload: forged, keyMaterial, iv })
      expect(opened.slice(0, instead.length)).toEqual(instead)
      try {
        decodeBody(opened)
      } catch (error) {
        expect(error).toMatchObject({ code: 'message-malformed' })
        refused++
      }
    }
    // One block in about 2¹⁴ is UTF-8: an insider must try that often, and can.
    expect(refused).toBeGreaterThan(15)
  })

  test('omemo:2 §4.5: HMAC commits to the ciphertext', () => {
    const { payload, keyMaterial } = omemo2Payload.seal(original)
    const key = keyMaterial.slice(0, 32)
    // All that the insider can do: encrypt under the same key, and send the tag that the others expect.
    const forged = omemo2Payload.seal(instead, () => key)
    expect(forged.payload).not.toEqual(payload)
    expect(() => omemo2Payload.open({ payload: forged.payload, keyMaterial })).toThrow(OmemoError)
  })
})
