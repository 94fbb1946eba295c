/** How values are written in attributes and text: XML Schema's lexical forms, read strictly. */

import { type Bytes, decodeBase64, encodeBase64 } from './base64.ts'
import { formatDateTime, parseDateTime } from './date.ts'

/**
 * One kind of value. A field checks what `encode` gives by decoding it again, so `encode` need not check.
 */
export interface Scalar<T> {
  /** Completes "expected …" in an error. */
  readonly expected: string
  /** `undefined` when the text is not in the lexical form or range. */
  decode(text: string): T | undefined
  encode(value: T): string
}

/** Any text, unchanged. */
export const string: Scalar<string> = {
  expected: 'text',
  decode: (text) => text,
  encode: (value) => value,
}

/** `true`, `1`, `false`, `0` (XML Schema 2 §3.2.2); written as words. */
export const bool: Scalar<boolean> = {
  expected: 'true, false, 1 or 0',
  decode: (text) =>
    text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : undefined,
  encode: String,
}

/**
 * A decimal integer from `min` to `max`: digits only, no sign, space, fraction or exponent.
 *
 * @throws {RangeError} when a bound is not a safe integer ≥ 0
 */
export function uint(max: number, min = 0): Scalar<number> {
  if (!Number.isSafeInteger(max) || !Number.isSafeInteger(min) || min < 0 || max < min)
    throw new RangeError('uint: expected safe integers with 0 ≤ min ≤ max')
  return {
    expected: `an integer from ${min} to ${max}`,
    decode: (text) => {
      // Ten digits hold 2^32 - 1, sixteen any safe integer; leading zeros count.
      if (!/^[0-9]{1,16}$/.test(text)) return undefined
      const value = Number(text)
      return value >= min && value <= max ? value : undefined
    },
    encode: String,
  }
}

/** RFC 4648 §4. White space is ignored, padding may be missing; with `length`, exactly that many bytes. */
export function base64(length?: number): Scalar<Bytes> {
  return {
    expected: length === undefined ? 'base64' : `${length} bytes in base64`,
    decode: (text) => {
      const bytes = decodeBase64(text)
      return length === undefined || bytes?.length === length ? bytes : undefined
    },
    encode: encodeBase64,
  }
}

/** Two hexadecimal digits a byte, of either case; written in lower case. */
export const hex: Scalar<Bytes> = {
  expected: 'hexadecimal digits, two a byte',
  decode: (text) => {
    if (text.length % 2 !== 0 || /[^0-9A-Fa-f]/.test(text)) return undefined
    const bytes = new Uint8Array(text.length / 2)
    for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
    return bytes
  },
  encode: (value) => Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join(''),
}

/** XEP-0082 §3.2; see `parseDateTime` for what is read. Written in UTC, with milliseconds if there are any. */
export const dateTime: Scalar<Date> = {
  expected: 'a date and time with offset, as in 2002-09-10T23:41:07Z',
  decode: parseDateTime,
  encode: formatDateTime,
}
