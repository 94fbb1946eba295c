/**
 * Records that are JSON, version 1: what they hold is checked field by field when they are read, since a store may have
 * been damaged, or written by a later version. Of objects only fields with names of our own are looked at; whatever has foreign names is an
 * array.
 */
import { bytesToUtf8 } from '@noble/ciphers/utils.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { type BareJid, bareJid, hex } from '@xmpp-e2e/xml'
import type { Bytes } from './bytes.ts'
import { OmemoError } from './error.ts'

const VERSION = 1

type JsonObject = Readonly<Record<string, unknown>>

/** @internal `undefined` fields are left out. */
export function encodeRecord(fields: JsonObject): Bytes {
  return utf8ToBytes(JSON.stringify({ v: VERSION, ...fields }))
}

/** @internal @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeRecord<T>(bytes: Uint8Array, what: string, shape: Shape<T>): T {
  const record = parsed(bytes)
  const version = typeof record === 'object' && record !== null && 'v' in record ? record.v : undefined
  if (version === VERSION) return shape(record, what)
  if (typeof version === 'number' && version > VERSION)
    throw new OmemoError('state-version-unknown', `${what}: written by a newer version`)
  throw new OmemoError('state-malformed', `${what}: not written by this version`)
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(bytesToUtf8(bytes))
  } catch {
    return undefined
  }
}

/** @internal Reads one value. @throws OmemoError `state-malformed` */
export type Shape<T> = (value: unknown, at: string) => T

/** @internal */
export const isText: Shape<string> = (value, at) => {
  if (typeof value !== 'string') throw malformed(at, 'text')
  return value
}

/** @internal */
export const isFlag: Shape<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw malformed(at, 'true or false')
  return value
}

/** @internal An integer in a range. */
export function isWhole(min = 0, max: number = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value, at) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
      throw malformed(at, `an integer from ${min} to ${max}`)
    return value
  }
}

/** @internal Milliseconds since 1970, as an application's clock gives them. */
export const isTime: Shape<number> = (value, at) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw malformed(at, 'milliseconds')
  return value
}

/** @internal Bytes in hex, as `hex` of xml writes them. */
export function isHex(length?: number): Shape<Bytes> {
  return (value, at) => {
    const bytes = typeof value === 'string' ? hex.decode(value) : undefined
    if (bytes === undefined || (length !== undefined && bytes.length !== length))
      throw malformed(at, `${length ?? 'some'} bytes in hex`)
    return bytes
  }
}

/** @internal Canonical: what is not would be another key of the store. */
export const isJid: Shape<BareJid> = (value, at) => {
  const text = isText(value, at)
  const jid = bareJid.decode(text)
  if (jid !== text) throw malformed(at, 'a bare JID')
  return jid
}

/** @internal Of an identity key, as `fingerprint` writes it. */
export const isFingerprint: Shape<string> = (value, at) => {
  const text = isText(value, at)
  if (!FINGERPRINT.test(text)) throw malformed(at, '64 digits of lower-case hex')
  return text
}

const FINGERPRINT = /^[0-9a-f]{64}$/

/** @internal */
export function isOneOf<T extends string>(values: readonly T[]): Shape<T> {
  return (value, at) => {
    const found = values.find((known) => known === value)
    if (found === undefined) throw malformed(at, values.join(', '))
    return found
  }
}

/** @internal */
export function isList<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw malformed(at, 'an array')
    return value.map((item: unknown, i) => shape(item, `${at}[${i}]`))
  }
}

/** @internal */
export function isMaybe<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, at) => (value === undefined ? undefined : shape(value, at))
}

type Shapes = Readonly<Record<string, Shape<unknown>>>
type Fields<S extends Shapes> = { readonly [K in keyof S]: ReturnType<S[K]> }

/** @internal An object; fields without a shape are not looked at. */
export function isObject<const S extends Shapes>(shapes: S): Shape<Fields<S>> {
  return (value, at) => {
    if (typeof value !== 'object' || value === null) throw malformed(at, 'an object')
    const values = new Map<string, unknown>(Object.entries(value))
    const read = Object.entries(shapes).map(([name, shape]) => [
      name,
      shape(values.get(name), `${at}.${name}`),
    ])
    return Object.fromEntries(read) as Fields<S>
  }
}

/** @internal */
export function malformed(at: string, expected: string): OmemoError {
  return new OmemoError('state-malformed', `${at}: expected ${expected}`, { path: at })
}
