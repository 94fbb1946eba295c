/**
 * The four messages of the authenticated key exchange (Authenticated Key Exchange (AKE)), without their headers.
 *
 *     Commit     DATA AES(r, MPI g^x) ‖ DATA SHA-256(MPI g^x)
 *     Key        MPI g^y
 *     Reveal     DATA r ‖ DATA AES(c, X) ‖ MAC(m2, X's field)
 *     Signature          DATA AES(c', X) ‖ MAC(m2', X's field)
 *
 *     X = PUBKEY ‖ INT key id ‖ signature of M        M = HMAC(m1, MPI own g ‖ MPI their g ‖ PUBKEY ‖ INT key id)
 *
 * AES is AES-128 in counter mode from 0, each key for one message; HMAC uses SHA-256, the MAC's first 20 bytes.
 */

import { ctr } from '@noble/ciphers/aes.js'
import { concatBytes } from '@noble/ciphers/utils.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Group } from '../arithmetic/group.ts'
import {
  type DsaPrivateKey,
  type DsaPublicKey,
  encodePublicKey,
  readPublicKey,
  SIGNATURE_BYTES,
  sign,
  verify,
} from '../dsa/dsa.ts'
import { OtrError } from '../error.ts'
import { type Bytes, equalBytes, type Random } from '../wire/bytes.ts'
import { type Reader, reader } from '../wire/reader.ts'
import { data, int, mpi } from '../wire/writer.ts'
import type { SignatureKeys } from './keys.ts'

/**
 * The largest key id that a peer may begin with: each rotation adds one and the field is an INT, which leaves 2³¹
 * rotations, more than there are messages.
 */
export const MAX_FIRST_KEY_ID = 0x7fff_ffff

/**
 * What a commit can hide: an MPI of 192 bytes takes 196, and the rest is for leading zeros. It is kept until the exchange
 * goes on, for whoever sends it.
 */
export const MAX_COMMITTED_BYTES = 256

export interface Commit {
  readonly encrypted: Bytes
  /** 32 bytes. */
  readonly hash: Bytes
}

/** X, encrypted, and its MAC. */
export interface Sealed {
  readonly encrypted: Bytes
  /** 20 bytes. */
  readonly mac: Bytes
}

/** Reveal Signature: r, 16 bytes that are no number, and X. */
export interface Reveal extends Sealed {
  readonly revealed: Bytes
}

/** Who has signed, and which Diffie-Hellman key of theirs it is by their count. */
export interface Signer {
  readonly key: DsaPublicKey
  readonly keyId: number
}

/** Hides g^x behind `revealed` until the other side has sent its own value. */
export function commitTo(publicKey: bigint, revealed: Uint8Array): Commit {
  const value = mpi(publicKey)
  return { encrypted: cipher(revealed, value), hash: sha256(value) }
}

/** g^x, or `undefined` when that is not what was committed to. Not checked to be in the group. */
export function openCommit({ encrypted, hash }: Commit, revealed: Uint8Array): bigint | undefined {
  const value = cipher(revealed, encrypted)
  if (!equalBytes(sha256(value), hash)) return undefined
  const input = reader(value, 'D-H Commit')
  const publicKey = input.mpi()
  input.end()
  return publicKey
}

/** Signs both Diffie-Hellman values, `ours` first, and seals that. */
export function seal(
  keys: SignatureKeys,
  [ours, theirs]: readonly [bigint, bigint],
  key: DsaPrivateKey,
  keyId: number,
  random: Random,
  group?: Group,
): Sealed {
  const publicKey = encodePublicKey(key)
  const digest = signedDigest(keys, ours, theirs, publicKey, keyId)
  const encrypted = cipher(keys.cipher, concatBytes(publicKey, int(keyId), sign(key, digest, random, group)))
  return { encrypted, mac: sealMac(keys, encrypted) }
}

/**
 * Who sealed, or `undefined` when the MAC or the signature is wrong.
 *
 * @throws OtrError `message-malformed`, `dsa-key-invalid`: sealed by somebody who holds the keys, but badly
 */
export function unseal(
  keys: SignatureKeys,
  [ours, theirs]: readonly [bigint, bigint],
  { encrypted, mac }: Sealed,
): Signer | undefined {
  if (!equalBytes(sealMac(keys, encrypted), mac)) return undefined
  const content = cipher(keys.cipher, encrypted)
  const input = reader(content, 'signature')
  const key = readPublicKey(input)
  // Signed as it was sent, which may be with leading zeros.
  const publicKey = content.subarray(0, input.offset)
  const keyId = input.int()
  const signature = input.bytes(SIGNATURE_BYTES)
  input.end()
  if (keyId === 0 || keyId > MAX_FIRST_KEY_ID) return undefined
  return verify(key, signedDigest(keys, theirs, ours, publicKey, keyId), signature)
    ? { key, keyId }
    : undefined
}

export function encodeCommit({ encrypted, hash }: Commit): Bytes {
  return concatBytes(data(encrypted), data(hash))
}

/** @throws OtrError `message-malformed` */
export function readCommit(input: Reader): Commit {
  const commit = { encrypted: input.data(), hash: input.data(32) }
  input.end()
  if (commit.encrypted.length > MAX_COMMITTED_BYTES)
    throw new OtrError('message-malformed', `D-H Commit: hides more than ${MAX_COMMITTED_BYTES} bytes`)
  return commit
}

export function encodeSealed({ encrypted, mac }: Sealed): Bytes {
  return concatBytes(data(encrypted), mac)
}

export function readSealed(input: Reader): Sealed {
  const sealed = { encrypted: input.data(), mac: input.mac() }
  input.end()
  return sealed
}

export function encodeReveal(reveal: Reveal): Bytes {
  return concatBytes(data(reveal.revealed), encodeSealed(reveal))
}

export function readReveal(input: Reader): Reveal {
  return { revealed: input.data(16), ...readSealed(input) }
}

function cipher(key: Uint8Array, bytes: Uint8Array): Bytes {
  return Uint8Array.from(ctr(key, new Uint8Array(16)).encrypt(bytes))
}

function signedDigest(
  { signed }: SignatureKeys,
  own: bigint,
  other: bigint,
  publicKey: Uint8Array,
  keyId: number,
): Bytes {
  return hmac(sha256, signed, concatBytes(mpi(own), mpi(other), publicKey, int(keyId)))
}

/** Over the field as it is sent, with its length. */
function sealMac({ sealed }: SignatureKeys, encrypted: Uint8Array): Bytes {
  return hmac(sha256, sealed, data(encrypted)).slice(0, 20)
}
