/**
 * The plaintext of a data message: `text [ 00 TLV* ]`, each TLV a `SHORT type, SHORT length, value`
 * ("Data Message format" and "TLV Record Types").
 *
 * The text ends at the first NUL, so a NUL *inside* a text would let its author append records (a disconnect,
 * say) through any program that forwards texts. It leaves here as U+FFFD.
 */

import { utf8ToBytes } from '@noble/ciphers/utils.js'
import { type Bytes, bytesToText } from '../wire/bytes.ts'
import { reader } from '../wire/reader.ts'

/** Types of records. `SMP_1_QUESTION` is SMP message 1 behind a question and a NUL. */
export const TLV = {
  PADDING: 0,
  DISCONNECTED: 1,
  SMP_1: 2,
  SMP_2: 3,
  SMP_3: 4,
  SMP_4: 5,
  SMP_ABORT: 6,
  SMP_1_QUESTION: 7,
  SYMMETRIC_KEY: 8,
} as const

/** The longest value of a record: its length is a SHORT. */
export const MAX_TLV_BYTES = 0xffff

/** The largest multiple to pad to, in bytes: longer than what people write. */
export const MAX_PAD = 4096

export interface Tlv {
  readonly type: number
  readonly value: Uint8Array
}

/** What a data message carries. `text` is empty in heartbeats and in messages that carry records only. */
export interface Plaintext {
  readonly text: string
  readonly tlvs: readonly Tlv[]
}

/**
 * The bytes of a plaintext. `pad` is a number of bytes to a multiple of which the result is padded by a record of
 * type 0; 0 adds none. A padding record takes at least four bytes, so the result may take one multiple more.
 *
 * @throws {RangeError} when a type is not a SHORT, a value is longer than `MAX_TLV_BYTES`, or `pad` is not in
 * 0 … `MAX_PAD`
 */
export function encodePlaintext({ text, tlvs }: Plaintext, pad = 0): Bytes {
  if (!Number.isInteger(pad) || pad < 0 || pad > MAX_PAD) throw new RangeError(`pad: expected 0 … ${MAX_PAD}`)
  const words = utf8ToBytes(text.replaceAll('\0', '\ufffd'))
  const length = tlvs.reduce((sum, tlv) => sum + 4 + tlv.value.length, words.length + 1)
  const padding = pad === 0 ? undefined : (pad - ((length + 4) % pad)) % pad
  const records =
    padding === undefined ? tlvs : [...tlvs, { type: TLV.PADDING, value: new Uint8Array(padding) }]
  const out = new Uint8Array(length + (padding === undefined ? 0 : 4 + padding))
  out.set(words)
  // libotr writes the NUL always; so a text without records does not look different from one with them.
  let at = words.length + 1
  for (const { type, value } of records) {
    if (!Number.isInteger(type) || type < 0 || type > 0xffff) throw new RangeError('type: expected a SHORT')
    if (value.length > MAX_TLV_BYTES) throw new RangeError(`value: expected at most ${MAX_TLV_BYTES} bytes`)
    out.set([type >> 8, type & 0xff, value.length >> 8, value.length & 0xff], at)
    out.set(value, at + 4)
    at += 4 + value.length
  }
  return out
}

/**
 * The plaintext that authenticated bytes hold. A record that does not fit ends the list, as in libotr: the text
 * before it is genuine. What is not UTF-8 becomes U+FFFD. Values are copies, since the bytes are wiped.
 */
export function decodePlaintext(bytes: Uint8Array): Plaintext {
  const end = bytes.indexOf(0)
  const text = bytesToText(end < 0 ? bytes : bytes.subarray(0, end))
  const tlvs: Tlv[] = []
  const input = reader(bytes.subarray(end < 0 ? bytes.length : end + 1), 'plaintext')
  while (input.remaining >= 4) {
    const type = input.short()
    const length = input.short()
    if (length > input.remaining) break
    tlvs.push({ type, value: input.bytes(length) })
  }
  return { text, tlvs }
}
