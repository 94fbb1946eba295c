/**
 * Being found by others (XEP-0373 §4): certificate first, then the list, merged with what is there. One client can revoke a key
 * that another has as well, so certificates are merged too: nobody publishes an older one over it.
 */
import { fetchItems, PepError, type PepEvent, type PepOptions } from '@xmpp-e2e/disco/pep'
import type { Signal } from '@xmpp-e2e/store'
import type { Element } from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { decodePublicKey, encodePublicKey, publicKeyNode } from '../elements/key-element.ts'
import { decodeKeyList, type KeyList, withKey, withoutKey } from '../elements/key-list.ts'
import { stamp } from '../elements/stamp.ts'
import { OxError } from '../error.ts'
import { type Certificate, readCertificate } from '../openpgp/certificate.ts'
import { missingFrom } from '../openpgp/secret-key-update.ts'
import { records } from '../record.ts'
import { contactRecord } from './contact.ts'
import { saysWhatIsKnown } from './contact-event.ts'
import { takeList } from './contact-refresh.ts'
import { learn } from './own-key-change.ts'
import { editOwnList, keepOpen, pause, publishOpen, readOwnList } from './own-list.ts'
import { decodeSelf, encodeSelf } from './self.ts'

/** How often a list that somebody takes our key off is written again, per hour. */
export const MAX_ANNOUNCEMENTS_PER_HOUR = 6

const HOUR_MS = 3_600_000

/** @internal What is remembered while a façade is open: it does one thing at a time to its list. */
export interface Announcing {
  /** Settled when that is over. */
  turn: Promise<unknown>
  /** What the server has told last, when nobody has looked yet: one look is enough for several notifications. */
  news: PepEvent | undefined
  /** When the list was written again lately, in milliseconds. */
  again: readonly number[]
}

/** @internal */
export function createAnnouncing(): Announcing {
  return { turn: Promise.resolve(), news: undefined, again: [] }
}

/** @internal Publishes what is not published. @throws {PepError} @throws the signal's reason */
export function announce(account: Account, options: { readonly signal?: Signal | undefined }): Promise<void> {
  return inTurn(account, () => publishAll(account, options))
}

function inTurn<T>({ announcing }: Account, work: () => Promise<T>): Promise<T> {
  const turn = announcing.turn.then(work, work)
  announcing.turn = turn.catch(() => {})
  return turn
}

async function publishAll(account: Account, options: PepOptions): Promise<void> {
  const { signing, announced } = await account.own.self()
  const certificates = (await account.own.all())
    .map(({ certificate }) => certificate)
    .filter(({ fingerprint }) => fingerprint === signing || announced.includes(fingerprint))
  if (certificates.length === 0) return
  const published: Published[] = []
  for (const certificate of certificates)
    published.push(await publishCertificate(account, certificate, options))
  await editOwnList(account, (list) => withOurs(list, published, account.clock.now()), options)
  const missing = certificates
    .map(({ fingerprint }) => fingerprint)
    .filter((fingerprint) => !announced.includes(fingerprint))
  if (missing.length > 0) await changeAnnounced(account, (before) => [...new Set([...before, ...missing])])
}

interface Published {
  readonly fingerprint: string
  /** As its item says; absent if another client has published it, and named it otherwise. */
  readonly at: Date | undefined
}

/** What others are to read again has a later date (§4.2). `undefined` if all is there. */
function withOurs(
  before: KeyList | undefined,
  published: readonly Published[],
  now: number,
): Element | undefined {
  let list = before
  for (const { fingerprint, at } of published) {
    const entry = list?.entries.find((one) => one.fingerprint === fingerprint)
    const isThere = entry !== undefined && (at === undefined || Number(entry.date ?? 0) >= at.getTime())
    if (!isThere) list = decodeKeyList(withKey(list, fingerprint, at ?? new Date(now)))
  }
  return list === before ? undefined : list?.element
}

/** Unless all of it is there. */
async function publishCertificate(
  account: Account,
  certificate: Certificate,
  options: PepOptions,
): Promise<Published> {
  const { fingerprint } = certificate
  const now = account.clock.now()
  const there = await publishedCertificate(account, fingerprint, options)
  const missing = there === undefined ? certificate : await missingFrom(there.certificate, certificate, now)
  if (there !== undefined) await learn(account, there.certificate)
  if (missing === undefined) {
    await keepOpen(account, publicKeyNode(fingerprint), options)
    return { fingerprint, at: there?.at }
  }
  // Stamps tell seconds apart, and others go by them.
  const at = new Date(Math.max(now, (there?.at?.getTime() ?? 0) + 1000))
  const item = { id: stamp.encode(at), payload: encodePublicKey(missing.bytes) }
  await publishOpen(account, publicKeyNode(fingerprint), item, options)
  return { fingerprint, at: stamp.decode(item.id) }
}

/** @throws {PepError} whatever it is but "there is none", or none that can be read */
async function publishedCertificate(
  { connection, clock }: Account,
  fingerprint: string,
  options: PepOptions,
): Promise<{ readonly certificate: Certificate; readonly at: Date | undefined } | undefined> {
  try {
    const item = (await fetchItems(connection, publicKeyNode(fingerprint), { ...options, max: 1 })).at(-1)
    if (item?.payload === undefined) return undefined
    const certificate = await readCertificate(decodePublicKey(item.payload), fingerprint, clock.now())
    return { certificate, at: stamp.decode(item.id ?? '') }
  } catch (error) {
    if (error instanceof OxError && error.code !== 'crypto-unavailable') return undefined
    if (error instanceof PepError && (error.code === 'not-found' || error.code === 'malformed'))
      return undefined
    throw error
  }
}

/** @internal Takes keys off the list; the certificates stay, for what was signed by them. @throws {PepError} */
export function unannounce(
  account: Account,
  fingerprints: readonly string[],
  options: { readonly signal?: Signal | undefined },
): Promise<void> {
  return inTurn(account, async () => {
    await changeAnnounced(account, (before) => before.filter((one) => !fingerprints.includes(one)))
    const without = (before: KeyList | undefined) => {
      const listed = new Set(before?.entries.map(({ fingerprint }) => fingerprint))
      let list = before
      for (const fingerprint of fingerprints)
        if (list !== undefined && listed.has(fingerprint)) list = decodeKeyList(withoutKey(list, fingerprint))
      return list === before ? undefined : list?.element
    }
    await editOwnList(account, without, options)
  })
}

function changeAnnounced(
  account: Account,
  next: (before: readonly string[]) => readonly string[],
): Promise<void> {
  return change(account, [records.self], ([bytes]) => {
    const self = decodeSelf(bytes)
    return {
      put: [[records.self, encodeSelf({ ...self, announced: next(self.announced) })]],
      result: undefined,
    }
  })
}

/** @internal What the server tells of our own list: it is read, unless it is said to be what is known. @throws {PepError} */
export async function onOwnListEvent(account: Account, event: PepEvent): Promise<void> {
  const { announcing } = account
  const isWaiting = announcing.news !== undefined
  announcing.news = event
  if (isWaiting) return
  await inTurn(account, async () => {
    const { news } = announcing
    announcing.news = undefined
    const known = await contactRecord(account, account.jid)
    const { announced } = await account.own.self()
    const listed = new Set(known.keys.filter((key) => key.listed).map(({ fingerprint }) => fingerprint))
    // An empty list is what is known where none was ever read, and still misses ours.
    const isWhole = announced.every((fingerprint) => listed.has(fingerprint))
    if (news !== undefined && !(isWhole && saysWhatIsKnown(news, known))) await lookAtList(account)
  })
}

async function lookAtList(account: Account): Promise<void> {
  const options = { signal: account.closing }
  const list = await readOwnList(account, options)
  await takeList(
    account,
    account.jid,
    list ? { kind: 'list', list } : { kind: 'problem', problem: 'keys-missing' },
  )
  const { announced } = await account.own.self()
  const listed = new Set(list?.entries.map(({ fingerprint }) => fingerprint))
  const removed = announced.filter((fingerprint) => !listed.has(fingerprint))
  if (removed.length === 0) return
  const now = account.clock.now()
  const lately = account.announcing.again.filter((at) => now - at < HOUR_MS)
  const announcedAgain = lately.length < MAX_ANNOUNCEMENTS_PER_HOUR
  for (const fingerprint of removed) account.emit({ kind: 'own-key-removed', fingerprint, announcedAgain })
  if (!announcedAgain) return
  account.announcing.again = [...lately, now]
  await pause(account)
  if (!account.closing.aborted) await publishAll(account, options)
}
