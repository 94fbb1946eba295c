/**
 * The records of SMP: `INT count ‖ count MPIs`, and in front of a first message with a question the question and a
 * NUL. How many numbers there are and which of them are group elements depends on the message:
 *
 *     1  g2a c2 D2 g3a c3 D3                      3  Pa Qa cP D5 D6 Ra cR D7
 *     2  g2b c2 D2 g3b c3 D3 Pb Qb cP D5 D6       4  Rb cR D7
 */

import { concatBytes, utf8ToBytes } from '@noble/ciphers/utils.js'
import { assertGroupElement, ORDER } from '../arithmetic/group.ts'
import { OtrError } from '../error.ts'
import { bytesToText } from '../wire/bytes.ts'
import { reader } from '../wire/reader.ts'
import { int, mpi } from '../wire/writer.ts'
import { TLV, type Tlv } from './tlv.ts'

/** The longest question in bytes: with message 1, of less than 1000, it must fit into one record of 65 535. */
export const MAX_QUESTION_BYTES = 32_768

export type SmpMessageNumber = 1 | 2 | 3 | 4

/** By letter: g a group element, d an exponent in 1 … q − 1, c a hash of 256 bits, which is an exponent as well. */
const FIELDS = { 1: 'gcdgcd', 2: 'gcdgcdggcdd', 3: 'ggcddgcd', 4: 'gcd' } as const

/** 2²⁵⁶: what SHA-256 stays below. */
const HASH_LIMIT = 1n << 256n

export interface SmpMessage {
  readonly number: SmpMessageNumber
  readonly values: readonly bigint[]
  /** Without NUL. Only before message 1. */
  readonly question?: string
}

/** Which message of SMP a record is; 'abort' for one that ends a run, `undefined` for any other record. */
export function smpMessageNumber(type: number): SmpMessageNumber | 'abort' | undefined {
  switch (type) {
    case TLV.SMP_1:
    case TLV.SMP_1_QUESTION:
      return 1
    case TLV.SMP_2:
      return 2
    case TLV.SMP_3:
      return 3
    case TLV.SMP_4:
      return 4
    case TLV.SMP_ABORT:
      return 'abort'
    default:
      return undefined
  }
}

/** @throws RangeError for a question longer than `MAX_QUESTION_BYTES` */
export function encodeSmpMessage({ number, values, question }: SmpMessage): Tlv {
  const numbers = concatBytes(int(values.length), ...values.map(mpi))
  if (question === undefined) return { type: number + 1, value: numbers }
  const asked = utf8ToBytes(question.replaceAll('\0', '\ufffd'))
  if (asked.length > MAX_QUESTION_BYTES)
    throw new RangeError(`question: expected at most ${MAX_QUESTION_BYTES} bytes`)
  return { type: TLV.SMP_1_QUESTION, value: concatBytes(asked, Uint8Array.of(0), numbers) }
}

/**
 * @throws OtrError `message-malformed` for a wrong count, trailing bytes, or an exponent or hash out of range;
 *   `group-element-invalid`, which also keeps a peer from learning the parity of a secret through a non-residue
 */
export function decodeSmpMessage(number: SmpMessageNumber, { type, value }: Tlv): SmpMessage {
  const end = type === TLV.SMP_1_QUESTION ? value.indexOf(0) : -1
  if (type === TLV.SMP_1_QUESTION && end < 0)
    throw new OtrError('message-malformed', 'SMP: a question without an end')
  const fields = FIELDS[number]
  const input = reader(value.subarray(end + 1), 'SMP')
  if (input.int() !== fields.length)
    throw new OtrError('message-malformed', `SMP: expected ${fields.length} numbers`)
  const values = Array.from(fields, () => input.mpi())
  input.end()
  values.forEach((number, at) => {
    if (fields[at] === 'g') assertGroupElement(number)
    if (fields[at] === 'd' && (number < 1n || number >= ORDER))
      throw new OtrError('message-malformed', 'SMP: an exponent is out of range')
    // A record has room for one of 32 000 bytes, which would take a second to raise something to.
    if (fields[at] === 'c' && number >= HASH_LIMIT)
      throw new OtrError('message-malformed', 'SMP: a hash is too long')
  })
  return end < 0 ? { number, values } : { number, values, question: bytesToText(value.subarray(0, end)) }
}
