/**
 * Records that are JSON, version 1: what they hold is checked field by field when they are read, since a store may have
 * been damaged, or written by a later version.
 */
import { bytesToUtf8 } from '@noble/ciphers/utils.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Bytes } from './bytes.ts'
import { OmemoError } from './error.ts'

const VERSION = 1

/** @internal */
export type JsonObject = Readonly<Record<string, unknown>>

/** @internal */
export function encodeJson(record: JsonObject): Bytes {
  return utf8ToBytes(JSON.stringify({ v: VERSION, ...record }))
}

/** @internal The fields of a record; none is checked. @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeJson(bytes: Uint8Array, what: string): JsonObject {
  const record = asObject(parsed(bytes))
  if (record === undefined) throw malformedRecord(what)
  if (record.v === VERSION) return record
  if (typeof record.v === 'number' && record.v > VERSION)
    throw new OmemoError('state-version-unknown', `${what}: written by a newer version`)
  throw malformedRecord(what)
}

/** @internal */
export function malformedRecord(what: string): OmemoError {
  return new OmemoError('state-malformed', `${what}: not written by this version`)
}

/** @internal */
export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
}

/** @internal */
export function asArray(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(bytesToUtf8(bytes))
  } catch {
    return undefined
  }
}
