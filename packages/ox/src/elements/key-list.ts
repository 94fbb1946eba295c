/**
 * The list of an account's keys, and each key (XEP-0373 §4).
 *
 *     urn:xmpp:openpgp:0:public-keys            <public-keys-list> <pubkey-metadata v4-fingerprint='1357B0…' date='…Z'/> …
 *     urn:xmpp:openpgp:0:public-keys:1357B0…    <pubkey> <data>base64</data> </pubkey>
 *     urn:xmpp:openpgp:0:secret-key             <secretkey>base64</secretkey>
 *
 * Fingerprints are lower-case hex here and in upper case on the wire.
 */
import type { Element } from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'

export const KEY_LIST_NODE = 'urn:xmpp:openpgp:0:public-keys'
export const SECRET_KEY_NODE = 'urn:xmpp:openpgp:0:secret-key'

/** Keys in one list. Each costs about 130 characters of every message. */
export const MAX_KEYS_PER_ACCOUNT = 32

export interface KeyEntry {
  /** 40 digits, lower case. */
  readonly fingerprint: string
  /** As advertised: node names tell cases apart. */
  readonly advertised: string
  /** When it was published; absent if it was unreadable. */
  readonly date: Date | undefined
}

/** What a list says, and its element, so that what is foreign in it is written again as it was. */
export interface KeyList {
  readonly entries: readonly KeyEntry[]
  readonly element: Element
}

/** Reads each entry for itself. @throws {OxError} `key-list-malformed` for another element */
export function decodeKeyList(_element: Element): KeyList {
  throw new Error('to be written')
}

/** The list with a key that was published at `date`, at its end or in its old place; everything else as it is. */
export function withKey(_list: KeyList | undefined, _fingerprint: string, _date: Date): Element {
  throw new Error('to be written')
}

export function withoutKey(_list: KeyList, _fingerprint: string): Element {
  throw new Error('to be written')
}

export function publicKeyNode(_fingerprint: string): string {
  throw new Error('to be written')
}

export function encodePublicKey(_certificate: Uint8Array): Element {
  throw new Error('to be written')
}

/** Bytes, or the text of an armored key: which, the caller finds out. @throws {OxError} `certificate-malformed` */
export function decodePublicKey(_element: Element): Bytes {
  throw new Error('to be written')
}

export function encodeSecretKey(_message: Uint8Array): Element {
  throw new Error('to be written')
}

/** @throws {OxError} `backup-malformed` */
export function decodeSecretKey(_element: Element): Bytes {
  throw new Error('to be written')
}
