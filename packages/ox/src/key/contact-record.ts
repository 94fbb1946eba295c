/** What is remembered of an account's list of keys; the certificates are records of their own. */
import { attr, bool, codec, dateTime, many, optional, type Scalar, serialize } from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'
import type { SkipCode } from '../outcome.ts'
import { RECORDS } from '../record.ts'
import { utf8 } from '../utf8.ts'
import { decodeRecord, fingerprintScalar } from './self.ts'

/** @internal Why there is no list, or none that is up to date. */
export type ListProblem = Extract<
  SkipCode,
  'keys-missing' | 'keys-unavailable' | 'keys-forbidden' | 'key-list-malformed'
>

/** @internal Why there is no certificate. */
export type KeyProblem = Extract<
  SkipCode,
  | 'certificate-missing'
  | 'certificate-unavailable'
  | 'certificate-malformed'
  | 'fingerprint-mismatch'
  | 'user-id-missing'
  | 'algorithm-refused'
>

/** @internal */
export interface KeyRecord {
  readonly fingerprint: string
  /** As the list says it. */
  readonly date?: Date | undefined
  readonly listed: boolean
  readonly problem?: KeyProblem | undefined
}

/** @internal */
export interface ContactRecord {
  /** When the list was asked for last. */
  readonly readAt?: Date | undefined
  /** The server has told that there is another list. */
  readonly stale: boolean
  readonly problem?: ListProblem | undefined
  readonly keys: readonly KeyRecord[]
}

/** @internal */
export const UNKNOWN: ContactRecord = { stale: true, keys: [] }

function oneOf<T extends string>(...values: readonly T[]): Scalar<T> {
  return {
    expected: values.join(', '),
    decode: (text) => values.find((value) => value === text),
    encode: (value) => value,
  }
}

const key = codec(RECORDS, 'key', {
  fingerprint: attr('fingerprint', fingerprintScalar),
  date: optional(attr('date', dateTime)),
  listed: attr('listed', bool),
  problem: optional(
    attr(
      'problem',
      oneOf<KeyProblem>(
        'certificate-missing',
        'certificate-unavailable',
        'certificate-malformed',
        'fingerprint-mismatch',
        'user-id-missing',
        'algorithm-refused',
      ),
    ),
  ),
})

const contact = codec(RECORDS, 'contact', {
  readAt: optional(attr('read', dateTime)),
  stale: attr('stale', bool),
  problem: optional(
    attr(
      'problem',
      oneOf<ListProblem>('keys-missing', 'keys-unavailable', 'keys-forbidden', 'key-list-malformed'),
    ),
  ),
  keys: many(key),
})

/** @internal */
export function encodeContact(record: ContactRecord): Bytes {
  return utf8(serialize(contact.encode(record)))
}

/** @internal Of a record that may be absent. @throws OxError `state-malformed`, `state-version-unknown` */
export function decodeContact(bytes: Uint8Array | undefined): ContactRecord {
  return bytes === undefined ? UNKNOWN : decodeRecord(bytes, contact.decode)
}
