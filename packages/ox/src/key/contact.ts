/** What is known of an account's keys: its list as it was read last, and the certificates, merged from all that were seen. */
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import { OxError } from '../error.ts'
import { keysOf } from '../keyring.ts'
import { type Certificate, readCertificate } from '../openpgp/certificate.ts'
import type { SkipCode } from '../outcome.ts'
import { records } from '../record.ts'
import { type ContactRecord, decodeContact, type ListProblem } from './contact-record.ts'

/** @internal One key that an account announces, or did. */
export interface ContactKey {
  readonly fingerprint: string
  /** Whether it is in the list now. */
  readonly isListed: boolean
  readonly certificate: Certificate | undefined
  /** Why it cannot be encrypted to, whatever is thought of it. */
  readonly problem: SkipCode | undefined
}

/** @internal */
export interface Contact {
  readonly jid: BareJid
  readonly keys: readonly ContactKey[]
  /** Why there is no list, or none that is up to date. */
  readonly problem: ListProblem | undefined
  readonly readAt: Date | undefined
}

/** A certificate, for who shows it. */
export interface CertificateInfo {
  /** Lower-case hex. */
  readonly fingerprint: string
  /** What is thought of it; absent where it was never usable. */
  readonly key: Key | undefined
  /** Whether the account announces it now. */
  readonly listed: boolean
  readonly created: Date | undefined
  readonly expires: Date | undefined
  readonly revoked: 'hard' | 'soft' | undefined
  /** Those that the key has signed. */
  readonly userIds: readonly string[]
  /** Why it cannot be encrypted to. */
  readonly problem: SkipCode | undefined
  /** As OpenPGP writes it. */
  readonly bytes: Bytes | undefined
}

/** What is known of the keys of an account. */
export interface Certificates {
  readonly all: readonly CertificateInfo[]
  /** Why there is no list, or none that is up to date. */
  readonly problem:
    | Extract<SkipCode, 'keys-missing' | 'keys-unavailable' | 'keys-forbidden' | 'key-list-malformed'>
    | undefined
  readonly readAt: Date | undefined
}

/** @internal */
export async function contactRecord({ store }: Account, jid: BareJid): Promise<ContactRecord> {
  const [reading] = await store.read([records.contact(jid)])
  return decodeContact(reading?.value)
}

/** @internal From the store alone. */
export async function knownContact(account: Account, jid: BareJid): Promise<Contact> {
  return contactWith(account, jid, await contactRecord(account, jid))
}

/** @internal */
export async function contactWith(account: Account, jid: BareJid, record: ContactRecord): Promise<Contact> {
  const names = record.keys.map(({ fingerprint }) => records.cert(jid, fingerprint))
  const values = names.length === 0 ? [] : await account.store.read(names)
  const keys = await Promise.all(
    record.keys.map(async ({ fingerprint, listed, problem }, i): Promise<ContactKey> => {
      const certificate = await storedCertificate(values[i]?.value, fingerprint, account.clock.now())
      return { fingerprint, isListed: listed, certificate, problem: problem ?? certificate?.problem }
    }),
  )
  return { jid, keys, problem: record.problem, readAt: record.readAt }
}

/** @internal Of a record that may be absent. @throws {OxError} `state-malformed` */
export async function storedCertificate(
  bytes: Bytes | undefined,
  fingerprint: string,
  now: number,
): Promise<Certificate | undefined> {
  try {
    return bytes && (await readCertificate(bytes, fingerprint, now))
  } catch (cause) {
    if (cause instanceof OxError && cause.code !== 'crypto-unavailable')
      throw new OxError('state-malformed', 'cert: damaged', { cause })
    throw cause
  }
}

/** @internal From the store alone. */
export async function certificatesOf(account: Account, jid: BareJid): Promise<Certificates> {
  const { keys, problem, readAt } = await knownContact(account, jid)
  const trust = new Map((await keysOf(account, jid)).map((key) => [key.fingerprint, key]))
  const all = keys.map(({ fingerprint, isListed, certificate, problem }) => ({
    fingerprint,
    key: trust.get(fingerprint),
    listed: isListed,
    created: certificate?.created,
    expires: certificate?.expires,
    revoked: certificate?.revoked,
    userIds: certificate?.userIds ?? [],
    problem,
    bytes: certificate?.bytes,
  }))
  return { all, problem, readAt }
}
