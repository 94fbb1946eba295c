/** What is remembered of an account's list of keys; the certificates are records of their own. */
import { attr, bool, codec, dateTime, many, optional, type Scalar, serialize } from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'
import type { SkipCode } from '../outcome.ts'
import { RECORDS } from '../record.ts'
import { utf8 } from '../utf8.ts'
import { decodeRecord, fingerprintScalar } from './self.ts'

const LIST_PROBLEMS = ['keys-missing', 'keys-unavailable', 'keys-forbidden', 'key-list-malformed'] as const
const KEY_PROBLEMS = [
  'certificate-missing',
  'certificate-unavailable',
  'certificate-malformed',
  'fingerprint-mismatch',
  'user-id-missing',
  'algorithm-refused',
  'keys-too-many',
] as const
const STATES = ['expired', 'revoked', 'revoked-hard'] as const

/** @internal Why there is no list, or none that is up to date. */
export type ListProblem = Extract<SkipCode, (typeof LIST_PROBLEMS)[number]>

/** @internal Why there is no certificate. */
export type KeyProblem = Extract<SkipCode, (typeof KEY_PROBLEMS)[number]>

/** @internal */
export type CertificateState = (typeof STATES)[number]

/** @internal */
export interface KeyRecord {
  readonly fingerprint: string
  /** As the list says it, of the certificate that is here. */
  readonly date?: Date | undefined
  readonly listed: boolean
  readonly problem?: KeyProblem | undefined
  /** What was told of the certificate last. */
  readonly state?: CertificateState | undefined
}

/** @internal */
export interface ContactRecord {
  /** When the list was asked for last. */
  readonly readAt?: Date | undefined
  /** Until when it need not be asked for again; absent when the server has told that there is another one. */
  readonly freshUntil?: Date | undefined
  readonly problem?: ListProblem | undefined
  readonly keys: readonly KeyRecord[]
}

function oneOf<T extends string>(values: readonly T[]): Scalar<T> {
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
  problem: optional(attr('problem', oneOf(KEY_PROBLEMS))),
  state: optional(attr('state', oneOf(STATES))),
})

const contact = codec(RECORDS, 'contact', {
  readAt: optional(attr('read', dateTime)),
  freshUntil: optional(attr('fresh-until', dateTime)),
  problem: optional(attr('problem', oneOf(LIST_PROBLEMS))),
  keys: many(key),
})

/** @internal */
export function encodeContact(record: ContactRecord): Bytes {
  return utf8(serialize(contact.encode(record)))
}

/** @internal Of a record that may be absent. @throws OxError `state-malformed`, `state-version-unknown` */
export function decodeContact(bytes: Uint8Array | undefined): ContactRecord {
  return bytes === undefined ? { keys: [] } : decodeRecord(bytes, contact.decode)
}
