/**
 * Curve25519, behind one small port: X25519 (RFC 7748) and the verification of Ed25519 (RFC 8032).
 *
 * A step of the protocol that needs a curve is a generator that yields `CurveRequest`s and is given their
 * answers: `run` serves it synchronously from `nobleCurve`, `runAsync` from any backend, all requests of one
 * yield at the same time. Backends compute; `answer` decides what is acceptable, for all of them alike.
 */
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { isBytes } from '@noble/hashes/utils.js'
import { type Bytes, littleEndian } from './bytes.ts'
import { OmemoError } from './error.ts'

export const PUBLIC_KEY_LENGTH = 32
export const SECRET_KEY_LENGTH = 32
export const SIGNATURE_LENGTH = 64

/** What a step may ask for. Keys are 32 bytes: X25519 in Montgomery form, Ed25519 for `verify`. */
export type CurveRequest =
  | { readonly op: 'publicKey'; readonly secret: Bytes }
  | { readonly op: 'sharedSecret'; readonly secret: Bytes; readonly publicKey: Bytes }
  | {
      readonly op: 'verify'
      readonly signature: Bytes
      readonly message: Bytes
      readonly publicKey: Bytes
    }

export type CurveAnswer = Bytes | boolean

/** A computation that pauses whenever it needs the curve. Nothing has changed while it is paused. */
export type CurveStep<T> = Generator<readonly CurveRequest[], T, readonly CurveAnswer[]>

/**
 * A backend. It is asked only for keys that are acceptable; what it throws is its own failure and is passed on
 * unchanged, never taken for a fault of the peer.
 */
export interface Curve {
  /** X25519 with the base point: 32 bytes from 32 bytes, which the backend clamps (RFC 7748 §5). */
  publicKey(secret: Bytes): Bytes | Promise<Bytes>
  /** X25519: 32 bytes. */
  sharedSecret(secret: Bytes, publicKey: Bytes): Bytes | Promise<Bytes>
  /** Ed25519 (RFC 8032 §5.1.7): false for a signature that is not good. */
  verify(signature: Bytes, message: Bytes, publicKey: Bytes): boolean | Promise<boolean>
}

/** A backend that answers at once. */
export interface SyncCurve extends Curve {
  publicKey(secret: Bytes): Bytes
  sharedSecret(secret: Bytes, publicKey: Bytes): Bytes
  verify(signature: Bytes, message: Bytes, publicKey: Bytes): boolean
}

/** @noble/curves: pure TypeScript, everywhere. Not constant-time, see SECURITY.md. */
export const nobleCurve: SyncCurve = {
  publicKey: (secret) => x25519.getPublicKey(secret),
  sharedSecret: (secret, publicKey) => x25519.getSharedSecret(secret, publicKey),
  verify: (signature, message, publicKey) => ed25519.verify(signature, message, publicKey, { zip215: false }),
}

const FIELD_PRIME = 2n ** 255n - 19n
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

/** The u of all points whose order divides 8, on the curve and on its twist: with them every secret is zero. */
const SMALL_ORDER: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  FIELD_PRIME - 1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
])

/** Whether the bytes are a canonical Montgomery u, 32 bytes below 2²⁵⁵ − 19, and not of small order. */
export function isMontgomery(publicKey: Uint8Array): boolean {
  const u = littleEndian(publicKey)
  return publicKey.length === PUBLIC_KEY_LENGTH && u < FIELD_PRIME && !SMALL_ORDER.has(u)
}

/** @throws OmemoError `key-invalid` unless `isMontgomery` */
export function assertMontgomery(publicKey: Uint8Array, path?: string): void {
  if (!isMontgomery(publicKey)) throw keyInvalid('public key: not a canonical X25519 key', path)
}

/**
 * Throws unless the bytes are the canonical encoding of a point of the prime-order group other than its
 * neutral element: a key of small or mixed order would verify what its owner never signed.
 */
export function assertEdwards(publicKey: Uint8Array, path?: string): void {
  try {
    const point = ed25519.Point.fromBytes(publicKey, false)
    if (!point.is0() && point.isTorsionFree()) return
  } catch {
    // Not 32 bytes, y ≥ p, or no point of the curve: the same refusal as for an order that is wrong.
  }
  throw keyInvalid('public key: not a canonical Ed25519 key of prime order', path)
}

function keyInvalid(message: string, path: string | undefined): OmemoError {
  return new OmemoError('key-invalid', message, path === undefined ? {} : { path })
}

/** Whether r ‖ S is 64 bytes with S < L, so that nobody can turn one valid signature into another. */
function isCanonicalSignature(signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_LENGTH && littleEndian(signature.subarray(32)) < GROUP_ORDER
}

function assertSecret(secret: Uint8Array): void {
  if (secret.length !== SECRET_KEY_LENGTH)
    throw new RangeError(`secret key: expected ${SECRET_KEY_LENGTH} bytes, got ${secret.length}`)
}

function assertContributory(sharedSecret: Bytes): Bytes {
  let bits = 0
  for (const byte of sharedSecret) bits |= byte
  if (bits === 0) throw keyInvalid('public key: of small order, the shared secret is zero', undefined)
  return sharedSecret
}

/** The checks before a backend is asked. @returns an answer that needs no backend, or nothing */
function checkRequest(request: CurveRequest): false | undefined {
  switch (request.op) {
    case 'publicKey':
      assertSecret(request.secret)
      return undefined
    case 'sharedSecret':
      assertSecret(request.secret)
      assertMontgomery(request.publicKey)
      return undefined
    case 'verify':
      if (!isCanonicalSignature(request.signature)) return false
      assertEdwards(request.publicKey)
      return undefined
  }
}

function ask(curve: SyncCurve, request: CurveRequest): CurveAnswer
function ask(curve: Curve, request: CurveRequest): CurveAnswer | Promise<CurveAnswer>
function ask(curve: Curve, request: CurveRequest): CurveAnswer | Promise<CurveAnswer> {
  switch (request.op) {
    case 'publicKey':
      return curve.publicKey(request.secret)
    case 'sharedSecret':
      return curve.sharedSecret(request.secret, request.publicKey)
    case 'verify':
      return curve.verify(request.signature, request.message, request.publicKey)
  }
}

/** The checks after it. @throws TypeError for a backend that gives something else than it should */
function checkAnswer(request: CurveRequest, answer: CurveAnswer): CurveAnswer {
  if (request.op === 'verify') {
    if (typeof answer !== 'boolean') throw new TypeError('curve.verify: expected true or false')
    return answer
  }
  if (!isBytes(answer) || answer.length !== 32) throw new TypeError(`curve.${request.op}: expected 32 bytes`)
  // A copy: what a backend gives may be a view of its own memory, or a class of its own.
  const bytes = Uint8Array.from(answer)
  return request.op === 'sharedSecret' ? assertContributory(bytes) : bytes
}

/**
 * Answers one request with every check: canonical encodings, S < L, no key of small or mixed order, no
 * all-zero result. @throws OmemoError `key-invalid`
 */
export function answer(curve: SyncCurve, request: CurveRequest): CurveAnswer {
  const known = checkRequest(request)
  return known ?? checkAnswer(request, ask(curve, request))
}

/** The same for a backend that may take its time. */
export async function answerAsync(curve: Curve, request: CurveRequest): Promise<CurveAnswer> {
  const known = checkRequest(request)
  return known ?? checkAnswer(request, await ask(curve, request))
}

/** Runs a step to its end with a synchronous backend. A refusal is thrown *into* the step, which may catch it. */
export function run<T>(step: CurveStep<T>, curve: SyncCurve = nobleCurve): T {
  let next = step.next()
  while (!next.done) {
    let answers: readonly CurveAnswer[]
    try {
      answers = next.value.map((request) => answer(curve, request))
    } catch (error) {
      next = step.throw(error)
      continue
    }
    next = step.next(answers)
  }
  return next.value
}

/** Runs a step to its end with any backend; the requests of one yield run at the same time. */
export async function runAsync<T>(step: CurveStep<T>, curve: Curve): Promise<T> {
  let next = step.next()
  while (!next.done) {
    let answers: readonly CurveAnswer[]
    try {
      answers = await Promise.all(next.value.map((request) => answerAsync(curve, request)))
    } catch (error) {
      next = step.throw(error)
      continue
    }
    next = step.next(answers)
  }
  return next.value
}

/** Asks for the X25519 public key of a secret. */
export function* publicKey(secret: Bytes): CurveStep<Bytes> {
  const [key] = yield [{ op: 'publicKey', secret }]
  return asBytes(key)
}

/** Asks for one X25519 shared secret. */
export function* sharedSecret(secret: Bytes, publicKey: Bytes): CurveStep<Bytes> {
  const [shared] = yield [{ op: 'sharedSecret', secret, publicKey }]
  return asBytes(shared)
}

/** Asks for the X25519 public keys of some secrets. */
export function* publicKeys(secrets: readonly Bytes[]): CurveStep<readonly Bytes[]> {
  return (yield secrets.map((secret) => ({ op: 'publicKey', secret }))).map(asBytes)
}

/** Asks for X25519 shared secrets, in the order of the pairs. */
export function* sharedSecrets(
  pairs: readonly (readonly [secret: Bytes, publicKey: Bytes])[],
): CurveStep<readonly Bytes[]> {
  return (yield pairs.map(([secret, publicKey]) => ({ op: 'sharedSecret', secret, publicKey }))).map(asBytes)
}

/** Asks whether an Ed25519 signature is good. */
export function* verify(signature: Bytes, message: Bytes, publicKey: Bytes): CurveStep<boolean> {
  const [good] = yield [{ op: 'verify', signature, message, publicKey }]
  return good === true
}

function asBytes(value: CurveAnswer | undefined): Bytes {
  if (typeof value !== 'object') throw new TypeError('curve: expected bytes')
  return value
}
