/** What is known of an account's keys: its list as it was read last, and the certificates, merged from all that were seen. */
import type { PepEvent } from '@xmpp-e2e/disco/pep'
import type { Signal } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import type { Certificate } from '../openpgp/certificate.ts'
import type { SkipCode } from '../outcome.ts'

/** How long a list is believed without notifications, in milliseconds: a day. */
export const LIST_MS = 86_400_000
/** How soon what could not be read is asked for again, in milliseconds. */
export const RETRY_MS = 60_000

/** @internal One key that an account announces, or did. */
export interface ContactKey {
  readonly fingerprint: string
  /** Whether it is in the list now. */
  readonly isListed: boolean
  readonly certificate: Certificate | undefined
  /** Why it cannot be used, whatever is thought of it. */
  readonly problem: SkipCode | undefined
}

/** @internal */
export interface Contact {
  readonly jid: BareJid
  readonly keys: readonly ContactKey[]
  /** Why there is no list, or none that is up to date. */
  readonly problem:
    | Extract<SkipCode, 'keys-missing' | 'keys-unavailable' | 'keys-forbidden' | 'key-list-malformed'>
    | undefined
  readonly readAt: Date | undefined
}

/** @internal From the store alone. */
export async function knownContact(_account: Account, _jid: BareJid): Promise<Contact> {
  throw new Error('to be written')
}

/**
 * @internal Reads list and certificates over the network, merges and stores them, introduces keys to trust, tells of changes;
 * keeps what is known where the network fails. One request at a time per account; those who come meanwhile wait for it.
 *
 * @throws the signal's reason
 */
export async function refreshContact(
  _account: Account,
  _jid: BareJid,
  _options: { readonly signal?: Signal | undefined },
): Promise<Contact> {
  throw new Error('to be written')
}

/** @internal What is known if it is fresh (`LIST_MS`, or notified), otherwise refreshed. */
export async function contactOf(
  _account: Account,
  _jid: BareJid,
  _options: { readonly signal?: Signal | undefined },
): Promise<Contact> {
  throw new Error('to be written')
}

/** A certificate, for who shows it. */
export interface CertificateInfo {
  readonly fingerprint: string
  /** What is thought of it; absent where it was never usable. */
  readonly key: Key | undefined
  /** Whether the account announces it now. */
  readonly listed: boolean
  readonly created: Date | undefined
  readonly expires: Date | undefined
  readonly revoked: 'hard' | 'soft' | undefined
  readonly userIds: readonly string[]
  readonly problem: SkipCode | undefined
  /** As OpenPGP writes it. */
  readonly bytes: Bytes | undefined
}

export interface Certificates {
  readonly all: readonly CertificateInfo[]
  readonly problem: Contact['problem']
  readonly readAt: Date | undefined
}

/** @internal From the store alone. */
export async function certificatesOf(_account: Account, _jid: BareJid): Promise<Certificates> {
  throw new Error('to be written')
}

/** @internal What a server tells of a contact's list. */
export async function onContactEvent(_account: Account, _event: PepEvent): Promise<void> {
  throw new Error('to be written')
}

/** @internal A certificate that a person has got elsewhere. @throws {OxError} as `readCertificate`, `user-id-missing` */
export async function importCertificate(
  _account: Account,
  _jid: BareJid,
  _data: Uint8Array | string,
): Promise<string> {
  throw new Error('to be written')
}
