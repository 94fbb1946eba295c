/**
 * Keeping up with an account's keys:
 *
 *     list ─► each entry that is new, or has another date ─► its certificate ─► merged, stored, met
 *
 * A key that is no longer listed is not encrypted to; what it has signed can still be read.
 */
import type { Signal } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import { type KeyEntry, MAX_KEYS_PER_ACCOUNT } from '../elements/key-list.ts'
import { OxError } from '../error.ts'
import { belongsTo, type Certificate, readCertificate } from '../openpgp/certificate.ts'
import { utf8 } from '../utf8.ts'
import { type FetchedList, fetchCertificate, fetchList } from './certificate-fetch.ts'
import { type Contact, contactRecord, contactWith, knownContact } from './contact.ts'
import { changeContact } from './contact-change.ts'
import type { ContactRecord, KeyRecord } from './contact-record.ts'

/** How long a list is believed without notifications, in milliseconds: a day. */
export const LIST_MS = 86_400_000
/** How soon what could not be read is asked for again, in milliseconds. */
export const RETRY_MS = 60_000

/** @internal What is known if it is fresh, otherwise refreshed. @throws the signal's reason */
export async function contactOf(
  account: Account,
  jid: BareJid,
  options: { readonly signal?: Signal | undefined },
): Promise<Contact> {
  const record = await contactRecord(account, jid)
  return isFresh(record, account.clock.now())
    ? contactWith(account, jid, record)
    : refreshContact(account, jid, options)
}

/** Not what was read in a future that a clock was wrong about. */
function isFresh({ readAt, freshUntil }: ContactRecord, now: number): boolean {
  if (readAt === undefined || freshUntil === undefined) return false
  return readAt.getTime() <= now && now < freshUntil.getTime()
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
  const work = fetchList(account, jid, { signal: account.closing })
    .then((fetched) => takeList(account, jid, fetched))
    .finally(() => account.refreshing.delete(jid))
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

/** @internal Of what was just read: fetches the certificates that are wanting. @throws the reason of `closing` */
export async function takeList(account: Account, jid: BareJid, fetched: FetchedList): Promise<Contact> {
  const now = account.clock.now()
  const readAt = new Date(now)
  const again = new Date(now + RETRY_MS)
  if (fetched.kind === 'problem') {
    const { problem } = fetched
    const isListed = problem !== 'keys-missing'
    const record = await changeContact(account, jid, ({ keys }) => ({
      readAt,
      freshUntil: again,
      problem,
      keys: keys.map((key) => ({ ...key, listed: isListed && key.listed })),
    }))
    return contactWith(account, jid, record)
  }
  const [chosen, tooMany] = await chosenOf(account, jid, fetched.list.entries)
  const found = await Promise.all(chosen.map((one) => look(account, jid, one)))
  const listed = [
    ...found.map(({ key }) => key),
    ...tooMany.map(({ fingerprint }): KeyRecord => ({ fingerprint, listed: true, problem: 'keys-too-many' })),
  ]
  const names = new Set(listed.map(({ fingerprint }) => fingerprint))
  const isComplete = found.every(({ isUnavailable }) => !isUnavailable)
  const record = await changeContact(
    account,
    jid,
    ({ keys }) => ({
      readAt,
      freshUntil: isComplete ? new Date(now + LIST_MS) : again,
      keys: [
        ...keys
          .filter(({ fingerprint }) => !names.has(fingerprint))
          .map((key) => ({ ...key, listed: false })),
        ...listed,
      ],
    }),
    found.flatMap(({ certificate }) => certificate ?? []),
  )
  return contactWith(account, jid, record)
}

interface Candidate {
  readonly entry: KeyEntry
  /** What is known of it. */
  readonly record: KeyRecord | undefined
  readonly isHere: boolean
}

/** Keys whose certificates are here come first: new ones must not push them out. One that is too many is named. */
async function chosenOf(
  account: Account,
  jid: BareJid,
  entries: readonly KeyEntry[],
): Promise<readonly [chosen: readonly Candidate[], tooMany: readonly KeyEntry[]]> {
  const { keys } = await knownContact(account, jid)
  const here = new Set(keys.filter((key) => key.certificate !== undefined).map((key) => key.fingerprint))
  const known = new Map((await contactRecord(account, jid)).keys.map((key) => [key.fingerprint, key]))
  const ordered = [
    ...entries.filter(({ fingerprint }) => here.has(fingerprint)),
    ...entries.filter(({ fingerprint }) => !here.has(fingerprint)),
  ]
  const chosen = ordered.slice(0, MAX_KEYS_PER_ACCOUNT).map((entry) => ({
    entry,
    record: known.get(entry.fingerprint),
    isHere: here.has(entry.fingerprint),
  }))
  return [chosen, ordered.slice(MAX_KEYS_PER_ACCOUNT, MAX_KEYS_PER_ACCOUNT + 1)]
}

interface Look {
  readonly key: KeyRecord
  readonly certificate?: Certificate
  readonly isUnavailable?: boolean
}

async function look(account: Account, jid: BareJid, { entry, record, isHere }: Candidate): Promise<Look> {
  const { fingerprint, date } = entry
  const key = { fingerprint, listed: true }
  const dated = date === undefined ? key : { ...key, date }
  const isSame = date !== undefined && record?.date?.getTime() === date.getTime()
  if (isHere && isSame && record?.problem === undefined) return { key: dated }
  const fetched = await fetchCertificate(account, jid, entry, { signal: account.closing })
  if (fetched.kind === 'certificate') return { key: dated, certificate: fetched.certificate }
  const { problem } = fetched
  // One that is here stays of use, and without its date it is asked for again.
  return { key: isHere ? key : { ...key, problem }, isUnavailable: problem === 'certificate-unavailable' }
}

/**
 * @internal A certificate that a person has got elsewhere. The account does not announce it by that.
 *
 * @throws {OxError} as `readCertificate`, `user-id-missing`
 */
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
  const next = (before: ContactRecord): ContactRecord => {
    const { problem: _, ...known } = before.keys.find((key) => key.fingerprint === fingerprint) ?? {
      fingerprint,
      listed: false,
    }
    return { ...before, keys: [...before.keys.filter((key) => key.fingerprint !== fingerprint), known] }
  }
  await changeContact(account, jid, next, [certificate])
  return fingerprint
}
