/**
 * What is derived from a Diffie-Hellman secret s ("Computing the keys"), always from `secbytes`: s as an MPI, that is
 * with its length in front and without leading zeros (one secret in 256 has 191 bytes).
 *
 *     h2(b) = SHA-256(b || secbytes)          h1(b) = SHA-1(b || secbytes)
 *     ssid  = h2(00)[0..8]                    AES key = h1(sendbyte)[0..16]
 *     c, c' = h2(01)[0..16], [16..32]         MAC key = SHA-1(AES key)
 *     m1, m2, m1', m2' = h2(02 … 05)          extra   = h2(ff)
 */

import { sha1 } from '@noble/hashes/legacy.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Bytes } from '../wire/bytes.ts'

/** The keys of one of the two messages that carry a signature. */
export interface SignatureKeys {
  /** c: AES-128, 16 bytes. */
  readonly cipher: Bytes
  /** m1: for M, which is what is signed; 32 bytes. */
  readonly signed: Bytes
  /** m2: for the encrypted signature; 32 bytes. */
  readonly sealed: Bytes
}

/** The keys of a key exchange. */
export interface AkeKeys {
  /** The secure session id, 8 bytes: to compare by voice, or in SMP. */
  readonly ssid: Bytes
  /** c, m1 and m2, for the Reveal Signature message. */
  readonly reveal: SignatureKeys
  /** c', m1' and m2', for the Signature message. */
  readonly signature: SignatureKeys
}

/** The keys of a pair of ours and one of theirs. */
export interface SessionKeys {
  /** AES-128, 16 bytes each. */
  readonly sendingCipher: Bytes
  readonly receivingCipher: Bytes
  /** HMAC-SHA-1, 20 bytes each. */
  readonly sendingMac: Bytes
  readonly receivingMac: Bytes
  /** The extra symmetric key, 32 bytes ("Extra symmetric key"; version 3 only). */
  readonly extra: Bytes
}

export function akeKeys(secretMpi: Uint8Array): AkeKeys {
  const ciphers = prefixed(sha256, 1, secretMpi)
  return {
    ssid: prefixed(sha256, 0, secretMpi).slice(0, 8),
    reveal: {
      cipher: ciphers.slice(0, 16),
      signed: prefixed(sha256, 2, secretMpi),
      sealed: prefixed(sha256, 3, secretMpi),
    },
    signature: {
      cipher: ciphers.slice(16),
      signed: prefixed(sha256, 4, secretMpi),
      sealed: prefixed(sha256, 5, secretMpi),
    },
  }
}

/** `end` is `high` for the one whose public key is the greater number. */
export function sessionKeys(secretMpi: Uint8Array, end: 'low' | 'high'): SessionKeys {
  const [sending, receiving] = end === 'high' ? ([1, 2] as const) : ([2, 1] as const)
  const sendingCipher = prefixed(sha1, sending, secretMpi).slice(0, 16)
  const receivingCipher = prefixed(sha1, receiving, secretMpi).slice(0, 16)
  return {
    sendingCipher,
    receivingCipher,
    sendingMac: sha1(sendingCipher),
    receivingMac: sha1(receivingCipher),
    extra: prefixed(sha256, 0xff, secretMpi),
  }
}

function prefixed(hash: (message: Uint8Array) => Bytes, byte: number, secretMpi: Uint8Array): Bytes {
  const message = new Uint8Array(1 + secretMpi.length)
  message[0] = byte
  message.set(secretMpi, 1)
  const digest = hash(message)
  message.fill(0)
  return digest
}
