/**
 * What is known of an account's keys: its list as it was read last, and the certificates, merged from all that were seen.
 *
 *     list ─► each entry that is new, or has another date ─► its certificate ─► merged, stored, met
 *
 * A key that is no longer listed is not encrypted to; what it has signed can still be read.
 */
import type { PepEvent } from '@xmpp-e2e/disco/pep'
import type { Put, Signal } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import { MAX_KEYS_PER_ACCOUNT } from '../elements/key-list.ts'
import { OxError } from '../error.ts'
import type { OxEvent } from '../event.ts'
import { keysOf, meet } from '../keyring.ts'
import { belongsTo, type Certificate, mergeCertificates, readCertificate } from '../openpgp/certificate.ts'
import type { SkipCode } from '../outcome.ts'
import { records } from '../record.ts'
import { utf8 } from '../utf8.ts'
import { type FetchedCertificate, fetchCertificate, fetchList } from './certificate-fetch.ts'
import {
  type ContactRecord,
  decodeContact,
  encodeContact,
  type KeyRecord,
  type ListProblem,
} from './contact-record.ts'

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

export interface Certificates {
  readonly all: readonly CertificateInfo[]
  /** Why there is no list, or none that is up to date. */
  readonly problem: Contact['problem']
  readonly readAt: Date | undefined
}

/** @internal From the store alone. */
export async function knownContact(account: Account, jid: BareJid): Promise<Contact> {
  const [reading] = await account.store.read([records.contact(jid)])
  return contactWith(account, jid, decodeContact(reading?.value))
}

async function contactWith(account: Account, jid: BareJid, record: ContactRecord): Promise<Contact> {
  const names = record.keys.map(({ fingerprint }) => records.cert(jid, fingerprint))
  const values = names.length === 0 ? [] : await account.store.read(names)
  const keys = await Promise.all(
    record.keys.map(async ({ fingerprint, listed, problem }, i): Promise<ContactKey> => {
      const bytes = values[i]?.value
      const certificate = bytes && (await stored(bytes, fingerprint, account.clock.now()))
      return { fingerprint, isListed: listed, certificate, problem: problem ?? certificate?.problem }
    }),
  )
  return { jid, keys, problem: record.problem, readAt: record.readAt }
}

async function stored(bytes: Bytes, fingerprint: string, now: number): Promise<Certificate> {
  try {
    return await readCertificate(bytes, fingerprint, now)
  } catch (cause) {
    if (cause instanceof OxError) throw new OxError('state-malformed', 'cert: damaged', { cause })
    throw cause
  }
}

/** @internal What is known if it is fresh, otherwise refreshed. @throws the signal's reason */
export async function contactOf(
  account: Account,
  jid: BareJid,
  options: { readonly signal?: Signal | undefined },
): Promise<Contact> {
  const [reading] = await account.store.read([records.contact(jid)])
  const record = decodeContact(reading?.value)
  return isFresh(record, account.clock.now())
    ? contactWith(account, jid, record)
    : refreshContact(account, jid, options)
}

function isFresh({ readAt, stale, problem, keys }: ContactRecord, now: number): boolean {
  const age = readAt === undefined ? Number.NaN : now - readAt.getTime()
  const isIncomplete = keys.some(({ problem, listed }) => listed && problem === 'certificate-unavailable')
  const failed = problem === 'keys-unavailable' || problem === 'keys-forbidden' || isIncomplete
  return age >= 0 && age < (failed || problem === 'keys-missing' ? RETRY_MS : stale ? 0 : LIST_MS)
}

/**
 * @internal Reads list and certificates over the network, and keeps what is known where that fails. Those who come while it
 * goes on wait for it.
 *
 * @throws the signal's reason
 */
export async function refreshContact(
  account: Account,
  jid: BareJid,
  { signal }: { readonly signal?: Signal | undefined },
): Promise<Contact> {
  const running = account.refreshing.get(jid)
  if (running !== undefined) return abortable(running, signal)
  const work = refresh(account, jid).finally(() => account.refreshing.delete(jid))
  account.refreshing.set(jid, work)
  return abortable(work, signal)
}

/** Whoever gives up does not take it from those who wait. */
function abortable<T>(work: Promise<T>, signal: Signal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

async function refresh(account: Account, jid: BareJid): Promise<Contact> {
  const options = { signal: account.closing }
  const fetched = await fetchList(account, jid, options)
  if (fetched.kind === 'problem')
    return store(account, jid, (before) => failed(before, fetched.problem, account.clock.now()), [])
  const before = await knownContact(account, jid)
  const [reading] = await account.store.read([records.contact(jid)])
  const known = new Map(decodeContact(reading?.value).keys.map((key) => [key.fingerprint, key]))
  const entries = fetched.list.entries.slice(0, MAX_KEYS_PER_ACCOUNT)
  const found = await Promise.all(
    entries.map(async (entry): Promise<readonly [KeyRecord, FetchedCertificate | undefined]> => {
      const { fingerprint, date } = entry
      const record = { fingerprint, listed: true, ...(date !== undefined && { date }) }
      const old = known.get(fingerprint)
      const isHere = before.keys.some(
        (key) => key.fingerprint === fingerprint && key.certificate !== undefined,
      )
      if (
        isHere &&
        old?.problem === undefined &&
        date !== undefined &&
        old?.date?.getTime() === date.getTime()
      )
        return [record, undefined]
      const certificate = await fetchCertificate(account, jid, entry, options)
      if (certificate.kind === 'certificate') return [record, certificate]
      // One that is here stays of use, and is asked for again.
      return [
        isHere ? { ...(old ?? record), listed: true } : { ...record, problem: certificate.problem },
        undefined,
      ]
    }),
  )
  const certificates = found.flatMap(([, one]) => (one?.kind === 'certificate' ? [one.certificate] : []))
  const listed = found.map(([record]) => record)
  return store(account, jid, (old) => listedNow(old, listed, account.clock.now()), certificates)
}

function failed(before: ContactRecord, problem: ListProblem, now: number): ContactRecord {
  const keys =
    problem === 'keys-missing' ? before.keys.map((key) => ({ ...key, listed: false })) : before.keys
  return { readAt: new Date(now), stale: true, problem, keys }
}

function listedNow(before: ContactRecord, listed: readonly KeyRecord[], now: number): ContactRecord {
  const isListed = new Set(listed.map(({ fingerprint }) => fingerprint))
  const others = before.keys.filter(({ fingerprint }) => !isListed.has(fingerprint))
  return {
    readAt: new Date(now),
    stale: false,
    keys: [...others.map((key) => ({ ...key, listed: false })), ...listed],
  }
}

/** Merges, meets and stores in one commit. */
async function store(
  account: Account,
  jid: BareJid,
  next: (before: ContactRecord) => ContactRecord,
  certificates: readonly Certificate[],
): Promise<Contact> {
  const names = certificates.map(({ fingerprint }) => records.cert(jid, fingerprint))
  const record = await change(
    account,
    [records.contact(jid), ...names],
    async ([bytes, ...stores], reader) => {
      const before = decodeContact(bytes)
      const after = next(before)
      const now = account.clock.now()
      const merged = await Promise.all(
        certificates.map(async (certificate, i) => {
          const known = stores[i]
          const old = known && (await stored(known, certificate.fingerprint, now))
          return {
            old,
            now: old === undefined ? certificate : await mergeCertificates(old, certificate, now),
          }
        }),
      )
      const met = await meet(
        account,
        reader,
        jid,
        certificates.map(({ fingerprint }) => fingerprint),
      )
      const put: readonly Put[] = [
        [records.contact(jid), encodeContact(after)],
        ...merged.map(({ now }) => [records.cert(jid, now.fingerprint), now.bytes] as const),
        ...met.put,
      ]
      const states = merged.flatMap(({ old, now }, i) => stateEvent(old, now, met.keys[i]))
      return { put, events: [...met.events, ...listEvents(jid, before, after), ...states], result: after }
    },
  )
  return contactWith(account, jid, record)
}

function listEvents(jid: BareJid, before: ContactRecord, after: ContactRecord): readonly OxEvent[] {
  const listed = ({ keys }: ContactRecord) =>
    keys.filter((key) => key.listed).map(({ fingerprint }) => fingerprint)
  const [old, now] = [listed(before), listed(after)]
  const added = now.filter((fingerprint) => !old.includes(fingerprint))
  const removed = old.filter((fingerprint) => !now.includes(fingerprint))
  return added.length + removed.length === 0 ? [] : [{ kind: 'keys-changed', jid, added, removed }]
}

function stateEvent(
  old: Certificate | undefined,
  now: Certificate,
  key: Key | undefined,
): readonly OxEvent[] {
  if (key === undefined) return []
  if (now.revoked !== undefined && now.revoked !== old?.revoked)
    return [{ kind: 'certificate-changed', key, state: now.revoked === 'hard' ? 'revoked-hard' : 'revoked' }]
  if (now.problem === 'certificate-expired' && old?.problem !== now.problem)
    return [{ kind: 'certificate-changed', key, state: 'expired' }]
  return []
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

/** @internal What a server tells of a contact's list, with or without saying what it is: it is read when it is needed, or now if it was of use. */
export async function onContactEvent(account: Account, { owner }: PepEvent): Promise<void> {
  const isUsed = await change(account, [records.contact(owner)], ([bytes]) => {
    // Of those who were never written to, nothing is kept: anybody in the roster could fill the store.
    if (bytes === undefined) return { result: false }
    return {
      put: [[records.contact(owner), encodeContact({ ...decodeContact(bytes), stale: true })]],
      result: true,
    }
  })
  if (isUsed) await refreshContact(account, owner, {})
}

/** @internal A certificate that a person has got elsewhere. @throws {OxError} as `readCertificate`, `user-id-missing` */
export async function importCertificate(
  account: Account,
  jid: BareJid,
  data: Uint8Array | string,
): Promise<string> {
  const bytes = typeof data === 'string' ? utf8(data) : data
  const certificate = await readCertificate(bytes, undefined, account.clock.now())
  const { fingerprint } = certificate
  if (!belongsTo(certificate, jid))
    throw new OxError('user-id-missing', 'data: no user ID of the certificate names the address')
  const withKey = (before: ContactRecord): ContactRecord =>
    before.keys.some((key) => key.fingerprint === fingerprint)
      ? before
      : { ...before, keys: [...before.keys, { fingerprint, listed: true }] }
  await store(account, jid, withKey, [certificate])
  return fingerprint
}
