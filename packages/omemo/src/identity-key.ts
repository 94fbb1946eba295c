/**
 * Identity keys: one key pair that agrees (X25519) and signs (Ed25519), XEP-0384 §4.2.
 *
 * The two public forms are linked by the birational map of RFC 7748 §4.1, with p = 2²⁵⁵ − 19:
 *
 *     u = (1 + y) / (1 − y)        y = (u − 1) / (u + 1)
 *
 * The Montgomery u is what keys are compared, trusted and fingerprinted by. Going back from u loses the sign
 * of x; ours is always 0, so that the two forms of it determine each other.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, randomBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { type Bytes, littleEndian, type Random, sameBytes } from './bytes.ts'
import { assertEdwards, assertMontgomery, SECRET_KEY_LENGTH } from './curve.ts'
import { ByteReader } from './state-bytes.ts'

const { Fp, Fn, BASE } = ed25519.Point

/** A public identity key in both forms, 32 bytes each. */
export interface IdentityKey {
  /** Montgomery u: what trust, fingerprints and comparisons go by. */
  readonly montgomery: Bytes
  /** Ed25519, sign bit as it was received. */
  readonly edwards: Bytes
}

/** Our identity: an expanded Ed25519 key whose public sign bit is 0. Secret. */
export interface Identity extends IdentityKey {
  /** Clamped X25519 scalar, for key agreement. */
  readonly secret: Bytes
  /** The scalar of `edwards` modulo L, for signing: `secret` or its negative. */
  readonly scalar: Bytes
  /** What makes signing deterministic, RFC 8032 §5.1.6. */
  readonly prefix: Bytes
}

const PREFIX_INFO = 'xmpp-e2e identity prefix'

/** Every second seed does: a source of randomness that fails this often gives the same bytes every time. */
const MAX_DRAWS = 128

/**
 * Makes a new identity: seeds are drawn until the public key has sign bit 0, twice on average.
 * @throws RangeError for a `random` that is not random
 */
export function generateIdentity(random: Random = randomBytes): Identity {
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const identity = identityFromSeed(random(SECRET_KEY_LENGTH))
    if (identity !== undefined) return identity
  }
  throw new RangeError('random: expected other bytes at each call')
}

/** The RFC 8032 key of a 32-byte seed, or nothing if the sign bit of its public key is 1. */
function identityFromSeed(seed: Uint8Array): Identity | undefined {
  const expanded = sha512(seed)
  const secret = clamp(expanded.subarray(0, 32))
  return signBit(edwardsPublicKey(secret)) === 0 ? expand(secret, expanded.slice(32)) : undefined
}

/**
 * Takes over the Curve25519 identity of another client: libsignal stores and most clients of the 0.3
 * namespace keep one. The fingerprint stays. The prefix is derived from the secret.
 * @throws RangeError unless given 32 bytes
 */
export function importCurve25519(secret: Uint8Array): Identity {
  if (secret.length !== SECRET_KEY_LENGTH)
    throw new RangeError(`identity secret: expected ${SECRET_KEY_LENGTH} bytes, got ${secret.length}`)
  const clamped = clamp(secret)
  return expand(clamped, sha512(concatBytes(utf8ToBytes(PREFIX_INFO), clamped)).slice(32))
}

/**
 * Takes over an Ed25519 identity from its 32-byte seed, as python-omemo keeps one. Where its public key has
 * sign bit 1, ours is its negative: the same fingerprint in both namespaces, another omemo:2 key on the wire.
 * @throws RangeError unless given 32 bytes
 */
export function importEd25519(seed: Uint8Array): Identity {
  if (seed.length !== SECRET_KEY_LENGTH)
    throw new RangeError(`identity seed: expected ${SECRET_KEY_LENGTH} bytes, got ${seed.length}`)
  // The other client has signed with its own prefix: under the negative key that prefix would repeat a nonce
  // beside another challenge, and two signatures of one message would give the secret away.
  return identityFromSeed(seed) ?? importCurve25519(sha512(seed).subarray(0, 32))
}

function expand(secret: Bytes, prefix: Bytes): Identity {
  const edwards = edwardsPublicKey(secret)
  const scalar = reduce(secret)
  const positive = signBit(edwards) === 0
  edwards[31] = (edwards[31] as number) & 0x7f
  return {
    secret,
    scalar: Uint8Array.from(Fn.toBytes(positive ? scalar : Fn.neg(scalar))),
    prefix,
    edwards,
    montgomery: ed25519.utils.toMontgomery(edwards),
  }
}

/** a·B in Ed25519 form, sign bit as it falls. */
function edwardsPublicKey(secret: Uint8Array): Bytes {
  return Uint8Array.from(BASE.multiply(reduce(secret)).toBytes())
}

function clamp(secret: Uint8Array): Bytes {
  const clamped = Uint8Array.from(secret)
  clamped[0] = (clamped[0] as number) & 0xf8
  clamped[31] = ((clamped[31] as number) & 0x7f) | 0x40
  return clamped
}

/** Up to 64 little-endian bytes modulo L. */
function reduce(bytes: Uint8Array): bigint {
  return Fn.create(littleEndian(bytes))
}

function signBit(edwards: Uint8Array): number {
  return (edwards[31] as number) >> 7
}

/**
 * RFC 8032 §5.1.6 over the expanded key: deterministic, 64 bytes, good for both namespaces.
 *
 *     r = SHA-512(prefix ‖ M)    R = r·B    S = r + SHA-512(R ‖ A ‖ M)·s   (mod L)
 */
export function sign(identity: Identity, message: Uint8Array): Bytes {
  const nonce = reduce(sha512(concatBytes(identity.prefix, message)))
  const commitment = BASE.multiply(nonce).toBytes()
  const challenge = reduce(sha512(concatBytes(commitment, identity.edwards, message)))
  const response = Fn.add(nonce, Fn.mul(challenge, Fn.fromBytes(identity.scalar)))
  return concatBytes(commitment, Fn.toBytes(response))
}

/**
 * A peer's key from its Ed25519 form, kept as it came: omemo:2 authenticates these very bytes.
 * @throws OmemoError `key-invalid`
 */
export function fromEdwards(edwards: Uint8Array, path?: string): IdentityKey {
  assertEdwards(edwards, path)
  return { edwards: Uint8Array.from(edwards), montgomery: ed25519.utils.toMontgomery(edwards) }
}

/**
 * A peer's key from its Montgomery form, sign bit 0.
 * @throws OmemoError `key-invalid` also for a u that is on the twist only
 */
export function fromMontgomery(montgomery: Uint8Array, path?: string): IdentityKey {
  assertMontgomery(montgomery, path)
  const edwards = toEdwards(montgomery, 0)
  assertEdwards(edwards, path)
  return { montgomery: Uint8Array.from(montgomery), edwards }
}

/**
 * Throws unless a canonical u is on the curve and in its prime-order group: for keys that no MAC covers, where a
 * point of small order added would agree on the same secret under another name.
 * @throws OmemoError `key-invalid`
 */
export function assertPrimeOrder(montgomery: Uint8Array, path: string): void {
  fromMontgomery(montgomery, path)
}

/** The Ed25519 form of a u that `assertMontgomery` accepts, with the sign bit given. */
export function toEdwards(montgomery: Uint8Array, sign: 0 | 1): Bytes {
  const u = Fp.fromBytes(montgomery)
  // u = −1 has none; it is of small order.
  const edwards = Uint8Array.from(Fp.toBytes(Fp.div(Fp.sub(u, Fp.ONE), Fp.add(u, Fp.ONE))))
  edwards[31] = (edwards[31] as number) | (sign << 7)
  return edwards
}

/** XEP-0384 §8: the Montgomery form in lowercase hex, 64 digits. Group by eight to show it. */
export function fingerprint(key: Pick<IdentityKey, 'montgomery'>): string {
  return bytesToHex(key.montgomery)
}

/**
 * The identity at rest, 65 bytes:
 *
 *     version 1 ‖ secret 32 ‖ prefix 32
 */
export function encodeIdentity(identity: Identity): Bytes {
  return concatBytes(Uint8Array.of(IDENTITY_VERSION), identity.secret, identity.prefix)
}

/** @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeIdentity(bytes: Uint8Array): Identity {
  const reader = new ByteReader(bytes, 'identity')
  reader.version(IDENTITY_VERSION)
  const secret = reader.bytes(32)
  if (!sameBytes(secret, clamp(secret))) throw reader.malformed('a secret that is not clamped')
  const prefix = reader.bytes(32)
  reader.finish()
  return expand(secret, prefix)
}

const IDENTITY_VERSION = 1
