/**
 * DSA (FIPS 186-4 §4) with OTR's deviation: what is signed is 32 bytes, taken as a number modulo q. FIPS would cut
 * them to the length of q, so that no common library makes or accepts these signatures.
 *
 *     r = (g^k mod p) mod q      s = k⁻¹ · (z + x·r) mod q      z = digest mod q
 *     PUBKEY = SHORT 0 ‖ MPI p ‖ MPI q ‖ MPI g ‖ MPI y          signature = r ‖ s, 20 bytes each
 */
import { sha1 } from '@noble/hashes/legacy.js'
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js'
import type { Group } from '../arithmetic/group.ts'
import { modInverse, modPow, modProduct, repunit } from '../arithmetic/modular.ts'
import { OtrError } from '../error.ts'
import type { Bytes, Random } from '../wire/bytes.ts'
import { bitLength, bytesToInteger, integerToBytes } from '../wire/integer.ts'
import type { Reader } from '../wire/reader.ts'
import { mpi, short } from '../wire/writer.ts'
import { nonces } from './nonce.ts'

/** Numbers of a DSA key: p of 512 to 3072 bits, q of 160, g and y in the subgroup of order q (FIPS 186-4 §4.1). */
export interface DsaPublicKey {
  /** A prime, in practice of 1024 bits. */
  readonly p: bigint
  /** A prime of 160 bits that divides p − 1. */
  readonly q: bigint
  /** Of order q. */
  readonly g: bigint
  /** g^x. */
  readonly y: bigint
}

/** x is the secret, 0 < x < q, and y is g to its power. */
export interface DsaPrivateKey extends DsaPublicKey {
  readonly x: bigint
}

/** Bytes of q, and of each half of a signature. */
export const Q_BYTES = 20
export const SIGNATURE_BYTES = 40
export const DIGEST_BYTES = 32
/** Half of what any implementation makes. */
const MIN_P_BITS = 512
/** Three times what any implementation makes. Time grows by the square: a verification then takes 5 ms, not 0.5. */
const MAX_P_BITS = 3072
const KEY_TYPE = 0

export function encodePublicKey({ p, q, g, y }: DsaPublicKey): Bytes {
  return concatBytes(short(KEY_TYPE), mpi(p), mpi(q), mpi(g), mpi(y))
}

/** @throws OtrError `message-malformed`; `dsa-key-invalid`, also for a key of another type than DSA */
export function readPublicKey(reader: Reader): DsaPublicKey {
  if (reader.short() !== KEY_TYPE)
    throw new OtrError('dsa-key-invalid', 'public key: of another type than DSA')
  const key = { p: reader.mpi(), q: reader.mpi(), g: reader.mpi(), y: reader.mpi() }
  assertPublicKey(key)
  return key
}

/**
 * Checks what a signature's meaning rests on. That p and q are prime is not checked: who makes a key whose numbers
 * are not only makes it easier to break.
 *
 * @throws OtrError `dsa-key-invalid`
 */
export function assertPublicKey({ p, q, g, y }: DsaPublicKey): void {
  const bits = bitLength(p)
  const sound =
    bits >= MIN_P_BITS &&
    bits <= MAX_P_BITS &&
    (p & 1n) === 1n &&
    bitLength(q) === 8 * Q_BYTES &&
    (q & 1n) === 1n &&
    (p - 1n) % q === 0n &&
    [g, y].every((element) => element > 1n && element < p && modPow(element, q, p) === 1n)
  if (!sound) throw new OtrError('dsa-key-invalid', 'public key: its numbers do not make a DSA key')
}

/** @throws OtrError `dsa-key-invalid`, also when the two halves do not belong together */
export function assertPrivateKey(key: DsaPrivateKey): void {
  assertPublicKey(key)
  if (key.x < 1n || key.x >= key.q || powerOfG(key, key.x) !== key.y)
    throw new OtrError('dsa-key-invalid', 'private key: not that of the public key')
}

/** 20 bytes: SHA-1 of the encoded key without its type. */
export function fingerprintBytes(key: DsaPublicKey): Bytes {
  return Uint8Array.from(sha1(encodePublicKey(key).subarray(2)))
}

/**
 * What people compare: SHA-1 of the numbers p, q, g and y as MPIs, in 40 lower-case hexadecimal digits (Fingerprints of
 * public keys).
 */
export function fingerprint(key: DsaPublicKey): string {
  return bytesToHex(fingerprintBytes(key))
}

/**
 * 40 bytes. The same for the same digest, unless `random` is given: then 32 bytes of it join what k is derived from,
 * which is no weaker than RFC 6979 when they are predictable, and defies faults that hit the same computation twice.
 * With a `group`, whose tables of the key make it three times as quick from the second signature on.
 *
 * @throws RangeError for a digest that has not 32 bytes, or a private key that is not that of the public key
 */
export function sign(
  key: DsaPrivateKey,
  digest: Uint8Array,
  random?: Random,
  group?: Pick<Group, 'powersOf'>,
): Bytes {
  const { p, q, g, y, x } = key
  const z = reduced(digest, q)
  const product: Product = group
    ? (a, b) => group.powersOf(g, p)(a) * group.powersOf(y, p)(b)
    : productOf(key)
  for (const { k, blind } of nonces(q, x, z, random?.(32))) {
    const r = (group ? group.powersOf(g, p)(integerToBytes(k, Q_BYTES)) : powerOfG(key, k)) % q
    // All that depends on k or x is multiplied by `blind`, since division takes time by what is divided.
    const s = (modInverse(k * blind, q) * (blind * z + ((blind * x) % q) * r)) % q
    if (r === 0n || s === 0n) continue
    const signature = concatBytes(integerToBytes(r, Q_BYTES), integerToBytes(s, Q_BYTES))
    // One signature with a faulty r or s gives x away.
    if (!isValid(key, digest, signature, product)) break
    return signature
  }
  throw new RangeError('key: its halves do not belong together')
}

/** Any signature that is not 40 bytes of two numbers from 1 to q − 1 is wrong. `key` has been checked before. */
export function verify(key: DsaPublicKey, digest: Uint8Array, signature: Uint8Array): boolean {
  return isValid(key, digest, signature, productOf(key))
}

/** g^a · y^b modulo p, or a number that is the same modulo p. */
type Product = (a: Uint8Array, b: Uint8Array) => bigint

function productOf({ p, g, y }: DsaPublicKey): Product {
  return (a, b) =>
    modProduct(
      [
        { base: g, exponent: a },
        { base: y, exponent: b },
      ],
      p,
    )
}

function isValid(
  { p, q }: DsaPublicKey,
  digest: Uint8Array,
  signature: Uint8Array,
  product: Product,
): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false
  const r = bytesToInteger(signature.subarray(0, Q_BYTES))
  const s = bytesToInteger(signature.subarray(Q_BYTES))
  if (r === 0n || r >= q || s === 0n || s >= q) return false
  const w = inverse(s, q)
  if (w === undefined) return false
  const exponent = (value: bigint) => integerToBytes((value * w) % q, Q_BYTES)
  return (product(exponent(reduced(digest, q)), exponent(r)) % p) % q === r
}

/** A peer's q need not be prime: then a number may have no inverse. */
function inverse(value: bigint, modulus: bigint): bigint | undefined {
  try {
    return modInverse(value, modulus)
  } catch {
    return undefined
  }
}

function reduced(digest: Uint8Array, q: bigint): bigint {
  if (digest.length !== DIGEST_BYTES)
    throw new RangeError(`digest: expected ${DIGEST_BYTES} bytes, got ${digest.length}`)
  return bytesToInteger(digest) % q
}

/**
 * g^secret, for a secret below q. Blinded by g itself: every digit counts one more than it says, from 1 to 16, and E
 * is taken off before. As the order of g is known, that costs nothing.
 */
export function powerOfG({ p, q, g }: Omit<DsaPublicKey, 'y'>, secret: bigint): bigint {
  const exponent = (secret + q - (repunit(Q_BYTES) % q)) % q
  const blinding = { factor: g, correction: 1n }
  return modProduct([{ base: g, exponent: integerToBytes(exponent, Q_BYTES), blinding }], p)
}
