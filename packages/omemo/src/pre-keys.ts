/**
 * Our prekeys: what others open sessions to us with (XEP-0384 §4.2, §5.3.2).
 *
 * One-time prekeys are used once and never come back: ids only grow, so that a key exchange under way to a
 * used prekey never meets another key under its id. The signed prekey is replaced now and then; the one
 * before is kept, by id, for one more period.
 */
import { randomBytes } from '@noble/hashes/utils.js'
import type { Bytes, Random } from './bytes.ts'
import { type CurveStep, publicKeys, SECRET_KEY_LENGTH } from './curve.ts'
import type { KeyPair } from './double-ratchet.ts'
import { OmemoError } from './error.ts'
import { ByteReader, ByteWriter } from './state-bytes.ts'

/** XEP-0384 §4.2: around 100 in a bundle. */
export const TARGET_PRE_KEYS = 100

/** XEP-0384 §4.2: never fewer than 25 in a bundle; the 0.3 namespace asks for 20. */
export const MIN_PRE_KEYS = 25

/** Ids are 1 … 2³¹ − 1: zero breaks several readers, and some take more for negative. They start over after. */
export const MAX_PRE_KEY_ID = 0x7fff_ffff

/** 65 536 × up to 69 bytes are 4.5 MB of state; no device publishes that many. */
export const MAX_STORED_PRE_KEYS = 0x1_0000

export interface PreKey extends KeyPair {
  readonly id: number
}

/** The secret prekeys of one device in one namespace. */
export interface PreKeys {
  readonly signed: PreKey
  /** The signed prekey before, until it is forgotten. */
  readonly previousSigned: PreKey | undefined
  /** Lowest id first. */
  readonly oneTime: readonly PreKey[]
  /** Id of the next one-time prekey. */
  readonly nextId: number
}

/** A signed prekey and `TARGET_PRE_KEYS` one-time prekeys, or as many as given. @throws RangeError above `MAX_STORED_PRE_KEYS` */
export function* generatePreKeys(
  count: number = TARGET_PRE_KEYS,
  random: Random = randomBytes,
): CurveStep<PreKeys> {
  assertCount(count)
  const [signed, ...oneTime] = yield* generate([1, ...idsFrom(1, count)], random)
  return { signed: signed as PreKey, previousSigned: undefined, oneTime, nextId: after(count) }
}

/** Tops the one-time prekeys up to a count. @returns the same value if there are enough */
export function* refillPreKeys(
  preKeys: PreKeys,
  count: number = TARGET_PRE_KEYS,
  random: Random = randomBytes,
): CurveStep<PreKeys> {
  assertCount(count)
  const missing = count - preKeys.oneTime.length
  if (missing <= 0) return preKeys
  const ids = idsFrom(preKeys.nextId, missing)
  const added = yield* generate(ids, random)
  return { ...preKeys, oneTime: [...preKeys.oneTime, ...added], nextId: after(ids.at(-1) as number) }
}

/** Makes a new signed prekey and keeps the present one for key exchanges that are under way. */
export function* rotateSignedPreKey(preKeys: PreKeys, random: Random = randomBytes): CurveStep<PreKeys> {
  const [signed] = yield* generate([after(preKeys.signed.id)], random)
  return { ...preKeys, signed: signed as PreKey, previousSigned: preKeys.signed }
}

/** Ends the grace of the signed prekey before the present one. */
export function forgetPreviousSignedPreKey(preKeys: PreKeys): PreKeys {
  return { ...preKeys, previousSigned: undefined }
}

/** Without the one-time prekey of that id, which a key exchange has used. */
export function consumePreKey(preKeys: PreKeys, id: number): PreKeys {
  return { ...preKeys, oneTime: preKeys.oneTime.filter((preKey) => preKey.id !== id) }
}

/** @throws OmemoError `pre-key-missing` for no id, `pre-key-unknown` */
export function findPreKey(preKeys: PreKeys, id: number | undefined): PreKey {
  if (id === undefined)
    throw new OmemoError('pre-key-missing', 'key exchange: without a one-time prekey', {
      path: 'key exchange/prekey id',
    })
  const found = preKeys.oneTime.find((preKey) => preKey.id === id)
  if (found === undefined) throw new OmemoError('pre-key-unknown', `key exchange: no prekey ${id}`)
  return found
}

/** @throws OmemoError `signed-pre-key-unknown` */
export function findSignedPreKey(preKeys: PreKeys, id: number): PreKey {
  const found = [preKeys.signed, preKeys.previousSigned].find((preKey) => preKey?.id === id)
  if (found === undefined)
    throw new OmemoError('signed-pre-key-unknown', `key exchange: no signed prekey ${id}`)
  return found
}

function* generate(ids: readonly number[], random: Random): CurveStep<readonly PreKey[]> {
  const secrets = ids.map((): Bytes => Uint8Array.from(random(SECRET_KEY_LENGTH)))
  const keys = yield* publicKeys(secrets)
  return ids.map((id, i) => ({ id, secret: secrets[i] as Bytes, publicKey: keys[i] as Bytes }))
}

function assertCount(count: number): void {
  if (!Number.isInteger(count) || count < 0 || count > MAX_STORED_PRE_KEYS)
    throw new RangeError(`prekeys: expected 0 … ${MAX_STORED_PRE_KEYS}, got ${count}`)
}

function after(id: number): number {
  return id >= MAX_PRE_KEY_ID ? 1 : id + 1
}

function idsFrom(first: number, count: number): readonly number[] {
  const ids: number[] = []
  for (let id = first; ids.length < count; id = after(id)) ids.push(id)
  return ids
}

/**
 * Prekeys at rest, version 1; a prekey is id varint ‖ secret 32 ‖ public key 32:
 *
 *     version 1 ‖ signed ‖ flag 1 [‖ previous signed] ‖ next id varint ‖ count varint ‖ one-time …
 */
export function encodePreKeys(preKeys: PreKeys): Bytes {
  const writer = new ByteWriter().byte(PRE_KEYS_VERSION)
  const write = (preKey: PreKey): unknown =>
    writer.varint(preKey.id).bytes(preKey.secret).bytes(preKey.publicKey)
  write(preKeys.signed)
  writer.byte(preKeys.previousSigned === undefined ? 0 : 1)
  if (preKeys.previousSigned !== undefined) write(preKeys.previousSigned)
  writer.varint(preKeys.nextId).varint(preKeys.oneTime.length)
  for (const preKey of preKeys.oneTime) write(preKey)
  return writer.finish()
}

/** @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodePreKeys(bytes: Uint8Array): PreKeys {
  const reader = new ByteReader(bytes, 'prekeys')
  reader.version(PRE_KEYS_VERSION)
  const read = (): PreKey => ({ id: reader.varint(), secret: reader.bytes(32), publicKey: reader.bytes(32) })
  const signed = read()
  const previousSigned = reader.flag() ? read() : undefined
  const nextId = reader.varint()
  const count = reader.varint(MAX_STORED_PRE_KEYS)
  const oneTime: PreKey[] = []
  while (oneTime.length < count) oneTime.push(read())
  reader.finish()
  return { signed, previousSigned, oneTime, nextId }
}

const PRE_KEYS_VERSION = 1
