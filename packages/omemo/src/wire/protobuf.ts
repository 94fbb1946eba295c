/**
 * The part of Protocol Buffers that the messages need: varints and byte strings, in the order given.
 *
 *     message = { tag varint ‖ value }     tag = field number << 3 | wire type
 *     uint32  : wire type 0, varint, at most 5 bytes
 *     bytes   : wire type 2, length varint ‖ bytes
 *
 * Every field is written, zeros too: readers of proto2 take a missing required field for an error. Reading
 * skips unknown fields and refuses truncated, overlong and repeated ones.
 */
import { concatBytes } from '@noble/hashes/utils.js'
import type { Bytes } from '../bytes.ts'
import { OmemoError } from '../error.ts'

type FieldType = 'uint32' | 'bytes'

/** A message: its name for error paths, and number and type of each field in wire order. */
export interface Message<F extends Fields> {
  readonly name: string
  readonly fields: F
}

export type Fields = Readonly<Record<string, Field>>

export interface Field {
  readonly number: number
  readonly type: FieldType
  /** Readers do without it. */
  readonly optional?: true
  /** Exact length in bytes. */
  readonly length?: number
}

type ValueOf<T extends FieldType> = T extends 'uint32' ? number : Bytes

/** The values of a message: optional fields may be undefined. */
export type Values<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends { readonly optional: true }
    ? ValueOf<F[K]['type']> | undefined
    : ValueOf<F[K]['type']>
}

const UINT32_MAX = 0xffff_ffff
/** ⌈32 / 7⌉: more bytes cannot be a uint32 written without padding. */
const MAX_VARINT_LENGTH = 5

export function encodeFields<F extends Fields>(message: Message<F>, values: Values<F>): Bytes {
  const parts: Uint8Array[] = []
  for (const [name, field] of Object.entries(message.fields)) {
    const value: number | Uint8Array | undefined = values[name]
    if (value === undefined) {
      if (!field.optional) throw new TypeError(`${message.name}.${name}: missing`)
    } else if (typeof value === 'number') parts.push(encodeVarint(field.number << 3), encodeVarint(value))
    else parts.push(encodeVarint((field.number << 3) | 2), encodeVarint(value.length), value)
  }
  return concatBytes(...parts)
}

/** @throws OmemoError `message-malformed` with the path of the field */
export function decodeFields<F extends Fields>(message: Message<F>, bytes: Uint8Array): Values<F> {
  const names = new Map(Object.entries(message.fields).map(([name, field]) => [field.number, name]))
  const values = new Map<string, number | Bytes>()
  let at = 0
  while (at < bytes.length) {
    const tag = decodeVarint(bytes, at, message.name)
    if (tag.value < 8) throw malformed('field number 0', message.name)
    const name = names.get(tag.value >>> 3)
    const path = name === undefined ? message.name : `${message.name}.${name}`
    const read = readValue(bytes, tag.end, tag.value & 7, path)
    at = read.end
    if (name === undefined) continue
    if (values.has(name)) throw malformed('repeated field', path)
    values.set(name, checkField(message.fields[name] as Field, read.value, path))
  }
  for (const [name, field] of Object.entries(message.fields))
    if (!field.optional && !values.has(name)) throw malformed('missing field', `${message.name}.${name}`)
  return Object.fromEntries(values) as Values<F>
}

function checkField(field: Field, value: number | Bytes | undefined, path: string): number | Bytes {
  if ((field.type === 'uint32') !== (typeof value === 'number') || value === undefined)
    throw malformed('wrong wire type', path)
  if (typeof value !== 'number' && field.length !== undefined && value.length !== field.length)
    throw malformed(`expected ${field.length} bytes, got ${value.length}`, path)
  return value
}

/** Reads a value of any wire type; those that no field of ours has come back as nothing. */
function readValue(
  bytes: Uint8Array,
  at: number,
  wireType: number,
  path: string,
): { readonly value: number | Bytes | undefined; readonly end: number } {
  switch (wireType) {
    case 0:
      return decodeVarint(bytes, at, path)
    case 2: {
      const length = decodeVarint(bytes, at, path)
      const end = length.end + length.value
      if (end > bytes.length) throw malformed('truncated bytes', path)
      return { value: bytes.slice(length.end, end), end }
    }
    case 1:
    case 5: {
      const end = at + (wireType === 1 ? 8 : 4)
      if (end > bytes.length) throw malformed('truncated fixed field', path)
      return { value: undefined, end }
    }
    default:
      throw malformed(`wire type ${wireType}`, path)
  }
}

/** Base-128, least significant group first, no padding. */
export function encodeVarint(value: number): Bytes {
  if (!Number.isInteger(value) || value < 0 || value > UINT32_MAX)
    throw new RangeError(`uint32: expected 0 … ${UINT32_MAX}, got ${value}`)
  const groups: number[] = []
  let rest = value
  while (rest > 0x7f) {
    groups.push((rest & 0x7f) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return Uint8Array.of(...groups, rest)
}

/** @throws OmemoError `message-malformed` for one that is truncated, padded or above 2³² − 1 */
export function decodeVarint(
  bytes: Uint8Array,
  at: number,
  path: string,
): { readonly value: number; readonly end: number } {
  let value = 0
  for (let i = 0; i < MAX_VARINT_LENGTH; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) throw malformed('truncated varint', path)
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      if (i > 0 && byte === 0) throw malformed('padded varint', path)
      if (value > UINT32_MAX) throw malformed('varint above 2³² − 1', path)
      return { value, end: at + i + 1 }
    }
  }
  throw malformed('overlong varint', path)
}

function malformed(message: string, path: string): OmemoError {
  return new OmemoError('message-malformed', `${path}: ${message}`, { path })
}
