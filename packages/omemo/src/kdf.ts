/**
 * The key derivations of X3DH and of the Double Ratchet, over HKDF (RFC 5869) and HMAC (RFC 2104), both with
 * SHA-256.
 *
 *     KDF_RK(rk, dh) = HKDF(ikm = dh, salt = rk, info = root chain, 64)  → root key ‖ chain key
 *     KDF_CK(ck)     = HMAC(ck, 01) → message key,  HMAC(ck, 02) → next chain key
 *     ENCRYPT        : HKDF(ikm = mk, salt = 00×32, info = message keys, 80) → encryption 32 ‖ MAC 32 ‖ IV 16
 */
import { hkdf as nobleHkdf } from '@noble/hashes/hkdf.js'
import { hmac as nobleHmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Bytes } from './bytes.ts'

const ZERO_SALT: Bytes = new Uint8Array(32)
const MESSAGE_KEY_INPUT: Bytes = Uint8Array.of(0x01)
const CHAIN_KEY_INPUT: Bytes = Uint8Array.of(0x02)

/** HMAC-SHA-256, 32 bytes. */
export function hmacSha256(key: Uint8Array, message: Uint8Array): Bytes {
  return nobleHmac(sha256, key, message)
}

/** HKDF-SHA-256. @throws RangeError for more than 255 × 32 bytes of output. */
export function hkdfSha256(
  ikm: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array | string,
  length: number,
): Bytes {
  if (length > 255 * 32) throw new RangeError(`hkdf length: expected at most 8160 bytes, got ${length}`)
  return nobleHkdf(sha256, ikm, salt, typeof info === 'string' ? utf8ToBytes(info) : info, length)
}

/** HKDF with the all-zero salt, as X3DH, message keys and payload keys use it. */
export function deriveKey(ikm: Uint8Array, info: string, length: number): Bytes {
  return hkdfSha256(ikm, ZERO_SALT, info, length)
}

/** KDF_RK: turns the root chain by one Diffie-Hellman result. */
export function turnRoot(
  rootKey: Uint8Array,
  sharedSecret: Uint8Array,
  info: string,
): { readonly rootKey: Bytes; readonly chainKey: Bytes } {
  const derived = hkdfSha256(sharedSecret, rootKey, info, 64)
  return { rootKey: derived.slice(0, 32), chainKey: derived.slice(32) }
}

/** KDF_CK, first half: the message key at a place of a chain. */
export function messageKeyAt(chainKey: Uint8Array): Bytes {
  return hmacSha256(chainKey, MESSAGE_KEY_INPUT)
}

/** KDF_CK, second half: the chain key of the next place. */
export function nextChainKey(chainKey: Uint8Array): Bytes {
  return hmacSha256(chainKey, CHAIN_KEY_INPUT)
}

/** What encrypts and authenticates under one key: AES-256 key 32, HMAC key 32, IV 16. */
export interface CipherKeys {
  readonly encryptionKey: Bytes
  readonly authenticationKey: Bytes
  readonly iv: Bytes
}

/** The keys of a ratchet message, from its message key, and of a payload of omemo:2. */
export function deriveCipherKeys(ikm: Uint8Array, info: string): CipherKeys {
  const derived = deriveKey(ikm, info, 80)
  return {
    encryptionKey: derived.slice(0, 32),
    authenticationKey: derived.slice(32, 64),
    iv: derived.slice(64),
  }
}
