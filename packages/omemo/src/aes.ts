/**
 * AES as OMEMO uses it, over @noble/ciphers: CBC with PKCS #7 padding (ratchet messages of both versions, payloads
 * of `urn:xmpp:omemo:2`) and GCM (payloads of `eu.siacs.conversations.axolotl`).
 */
import { cbc, gcm } from '@noble/ciphers/aes.js'
import type { Bytes } from './bytes.ts'

/** Length of a GCM authentication tag, in bytes. */
export const GCM_TAG_LENGTH = 16

/** AES-CBC (NIST SP 800-38A) with PKCS #7 padding (RFC 5652 §6.3). It authenticates nothing: check a MAC first. */
export const aesCbc = {
  /** @param iv 16 bytes. */
  encrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Bytes {
    return cbc(checkedKey(key), iv).encrypt(plaintext)
  },

  /** `undefined` when the length is not a positive multiple of 16 or the padding is wrong. */
  decrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Bytes | undefined {
    const cipher = cbc(checkedKey(key), iv)
    return unlessThrown(() => cipher.decrypt(ciphertext))
  },
}

/** AES-GCM (NIST SP 800-38D) with a tag of 16 bytes and no associated data. */
export const aesGcm = {
  /** @param iv 12 bytes where it is ours to choose; any length from 8 works. */
  encrypt(
    key: Uint8Array,
    iv: Uint8Array,
    plaintext: Uint8Array,
  ): { readonly ciphertext: Bytes; readonly tag: Bytes } {
    const sealed = gcm(checkedKey(key), iv).encrypt(plaintext)
    return { ciphertext: sealed.slice(0, -GCM_TAG_LENGTH), tag: sealed.slice(-GCM_TAG_LENGTH) }
  },

  /** `undefined` when the tag, which must have 16 bytes, is not that of key, IV and ciphertext. */
  decrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array): Bytes | undefined {
    // noble reads the last 16 bytes as the tag: a shorter one would borrow from the ciphertext.
    if (tag.length !== GCM_TAG_LENGTH) return undefined
    const sealed = new Uint8Array(ciphertext.length + tag.length)
    sealed.set(ciphertext)
    sealed.set(tag, ciphertext.length)
    const cipher = gcm(checkedKey(key), iv)
    return unlessThrown(() => cipher.decrypt(sealed))
  },
}

// noble looks at the key's length only when it decrypts, where it would pass for a bad ciphertext.
function checkedKey(key: Uint8Array): Uint8Array {
  if (key.length !== 16 && key.length !== 24 && key.length !== 32)
    throw new RangeError(`AES key: expected 16, 24 or 32 bytes, got ${key.length}`)
  return key
}

function unlessThrown(decrypt: () => Bytes): Bytes | undefined {
  try {
    return decrypt()
  } catch {
    return undefined
  }
}
