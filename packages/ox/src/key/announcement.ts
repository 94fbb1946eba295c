/**
 * Being found by others (XEP-0373 §4): certificate first, then the list, merged with what is there, never clobbered, never
 * deleted. Any error of reading but "there is none" ends it without writing: a list that could not be read may be full of
 * keys of other clients.
 *
 *     read the list ─► certificates that are missing or changed ─► list with ours ─► read it again: another client may have
 *                                                                                    written between the two
 */
import { fetchItems, PepError, type PepEvent, type PepOptions, publish } from '@xmpp-e2e/disco/pep'
import type { Signal } from '@xmpp-e2e/store'
import type { Element } from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { encodePublicKey, publicKeyNode } from '../elements/key-element.ts'
import { decodeKeyList, KEY_LIST_NODE, type KeyList, withKey, withoutKey } from '../elements/key-list.ts'
import { stamp } from '../elements/stamp.ts'
import type { Certificate } from '../openpgp/certificate.ts'
import { records } from '../record.ts'
import { decodeSelf, encodeSelf } from './self.ts'

/** How often a list that somebody takes our key off is written again, per hour. */
export const MAX_ANNOUNCEMENTS_PER_HOUR = 6
/** The most milliseconds before it is written again: of two clients that repair one list, one comes later and sees it. */
export const ANNOUNCE_JITTER_MS = 5000
/** Attempts at a list that other clients write at the same time. */
const MAX_ATTEMPTS = 8

const HOUR_MS = 3_600_000
const OPEN = { access: 'open', persist: true, sendLast: 'on_sub' } as const

/** @internal Publishes what is not published. @throws {PepError} @throws the signal's reason */
export async function announce(
  account: Account,
  options: { readonly signal?: Signal | undefined },
): Promise<void> {
  const signing = await account.own.signing()
  if (signing === undefined) return
  const { announced } = await account.own.self()
  const keys = (await account.own.all()).filter(
    ({ certificate }) => certificate === signing.certificate || announced.includes(certificate.fingerprint),
  )
  const certificates = keys.map(({ certificate }) => certificate)
  for (const certificate of certificates) await publishCertificate(account, certificate, options)
  await putIntoList(account, certificates, options)
  const fingerprints = certificates.map(({ fingerprint }) => fingerprint)
  await change(account, [records.self], ([bytes]) => {
    const self = decodeSelf(bytes)
    const missing = fingerprints.filter((fingerprint) => !self.announced.includes(fingerprint))
    if (missing.length === 0) return { result: undefined }
    return {
      put: [[records.self, encodeSelf({ ...self, announced: [...self.announced, ...missing] })]],
      result: undefined,
    }
  })
}

/** Unless the very same is there. */
async function publishCertificate(
  account: Account,
  { fingerprint, bytes }: Certificate,
  options: PepOptions,
): Promise<void> {
  const node = publicKeyNode(fingerprint)
  const payload = encodePublicKey(bytes)
  if (await isPublished(account, node, payload, options)) return
  const id = stamp.encode(new Date(account.clock.now()))
  await put(account, node, { id, payload }, options)
}

async function isPublished(
  { connection }: Account,
  node: string,
  payload: Element,
  options: PepOptions,
): Promise<boolean> {
  try {
    const item = (await fetchItems(connection, node, { ...options, max: 1 })).at(-1)
    return item?.payload !== undefined && contentOf(item.payload) === contentOf(payload)
  } catch (error) {
    if (error instanceof PepError && (error.code === 'not-found' || error.code === 'malformed')) return false
    throw error
  }
}

function contentOf(payload: Element): string {
  return JSON.stringify(
    payload.children.map((node) => (typeof node === 'string' ? node : node.children)),
  ).replace(/\\n|\s/g, '')
}

/** Reads, writes, and reads again, until our keys are there. */
async function putIntoList(
  account: Account,
  certificates: readonly Certificate[],
  options: PepOptions,
): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const list = await readOwnList(account, options)
    const listed = new Set(list?.entries.map(({ fingerprint }) => fingerprint))
    const missing = certificates.filter(({ fingerprint }) => !listed.has(fingerprint))
    if (missing.length === 0) return
    const now = new Date(account.clock.now())
    let element = list?.element
    for (const { fingerprint } of missing)
      element = withKey(element && decodeKeyList(element), fingerprint, now)
    if (element !== undefined) await put(account, KEY_LIST_NODE, { id: 'current', payload: element }, options)
    if (attempt > 0) await pause(account)
  }
  throw new PepError('refused', 'the list of keys: other clients keep on changing it')
}

/** @throws {PepError} whatever it is but "there is none" */
async function readOwnList({ connection }: Account, options: PepOptions): Promise<KeyList | undefined> {
  try {
    const item = (await fetchItems(connection, KEY_LIST_NODE, { ...options, max: 1 })).at(-1)
    return item?.payload && decodeKeyList(item.payload)
  } catch (error) {
    if (error instanceof PepError && error.code === 'not-found') return undefined
    throw error
  }
}

async function put(
  { connection, emit }: Account,
  node: string,
  item: { readonly id: string; readonly payload: Element },
  options: PepOptions,
): Promise<void> {
  const { unmet } = await publish(connection, node, item, OPEN, options)
  if (unmet.length > 0) emit({ kind: 'server-limited', node, unmet })
}

/** @internal Takes keys off the list; the certificates stay, for what was signed by them. @throws {PepError} */
export async function unannounce(
  account: Account,
  fingerprints: readonly string[],
  options: { readonly signal?: Signal | undefined },
): Promise<void> {
  await change(account, [records.self], ([bytes]) => {
    const self = decodeSelf(bytes)
    const announced = self.announced.filter((fingerprint) => !fingerprints.includes(fingerprint))
    return { put: [[records.self, encodeSelf({ ...self, announced })]], result: undefined }
  })
  const list = await readOwnList(account, options)
  if (list === undefined) return
  let element = list.element
  for (const fingerprint of fingerprints) element = withoutKey(decodeKeyList(element), fingerprint)
  if (element.children.length !== list.element.children.length)
    await put(account, KEY_LIST_NODE, { id: 'current', payload: element }, options)
}

/** @internal What the server tells of our own list: it is read, whatever the notification says. @throws {PepError} */
export async function onOwnListEvent(account: Account, _event: PepEvent): Promise<void> {
  const options = { signal: account.closing }
  const list = await readOwnList(account, options)
  const listed = list?.entries.map(({ fingerprint }) => fingerprint) ?? []
  const { announced } = await account.own.self()
  const ours = (await account.own.all()).map(({ certificate }) => certificate.fingerprint)
  for (const fingerprint of listed)
    if (!ours.includes(fingerprint)) account.emit({ kind: 'own-key-elsewhere', fingerprint })
  const removed = announced.filter((fingerprint) => !listed.includes(fingerprint))
  if (removed.length === 0) return
  const now = account.clock.now()
  const lately = account.announcements.filter((at) => now - at < HOUR_MS)
  const announcedAgain = lately.length < MAX_ANNOUNCEMENTS_PER_HOUR
  for (const fingerprint of removed) account.emit({ kind: 'own-key-removed', fingerprint, announcedAgain })
  if (!announcedAgain) return
  account.announcements.splice(0, account.announcements.length, ...lately, now)
  await pause(account)
  if (!account.closing.aborted) await announce(account, options)
}

/** A part of the jitter, at random. */
function pause({ clock, random }: Account): Promise<void> {
  const [high = 0, low = 0] = random(2)
  const ms = ((high * 256 + low) / 65_536) * ANNOUNCE_JITTER_MS
  return new Promise((resolve) => void clock.after(ms, resolve))
}
