/**
 * Catch-up (XEP-0384 §6): while an archive is read, two contacts may turn out to have used the same one-time prekey, for
 * nobody had seen that the first one took it. So a prekey that is used leaves the bundle at once, but its secret is kept
 * until the end, with the ephemeral keys that it was used with: a key exchange that comes again is a duplicate even after
 * its session was dropped, and nobody else's.
 *
 * `catch-up` is JSON, version 1. `spent/<ns>`:
 *
 *     version 1 ‖ count ‖ { id ‖ secret 32 ‖ public key 32 } … ‖ count ‖ { prekey id ‖ ephemeral key 32 ‖ user 16 } …
 *
 * Numbers are varints; the user is a hash of the account, the device id and the fingerprint.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Put } from '@xmpp-e2e/store'
import { type Account, change } from '../account.ts'
import { type Bytes, sameBytes } from '../bytes.ts'
import { decodeRecord, encodeRecord, isMaybe, isObject, isTime } from '../json-record.ts'
import type { PreKey, PreKeys } from '../pre-keys.ts'
import { namespaces } from '../protocol.ts'
import { records } from '../record.ts'
import type { SessionListRef } from '../session-records.ts'
import { ByteReader, ByteWriter } from '../state-bytes.ts'

/** Milliseconds: catch-up ends by itself a day after it began. */
export const CATCH_UP_MS = 86_400_000

/**
 * Milliseconds, a week: for so long catch-up can begin anew, where an archive can never be read to its end, until used
 * prekeys are forgotten all the same. Else a server could keep them, and the signed prekey, for ever.
 */
export const MAX_CATCH_UP_MS = 7 * 86_400_000

/** Used prekeys kept in one catch-up; the oldest go first. 500 × up to 69 bytes = 34 kB, written at each key exchange. */
export const MAX_SPENT_PRE_KEYS = 500

/**
 * Key exchanges with used prekeys in one catch-up: above, a prekey is for the first who comes, as without catch-up. 1000
 * × up to 53 bytes = 53 kB.
 */
export const MAX_SPENT_USES = 1000

/** @internal */
export interface Spent {
  /** Oldest first. */
  readonly preKeys: readonly PreKey[]
  readonly uses: readonly SpentUse[]
}

/** @internal */
export interface SpentUse {
  readonly preKeyId: number
  readonly ephemeralKey: Bytes
  /** Of `userOf`. */
  readonly user: Bytes
}

/** @internal */
export const nothingSpent: Spent = { preKeys: [], uses: [] }

const SPENT_VERSION = 1
const USER_LENGTH = 16

/** @internal Tells who made a key exchange from all others. */
export function userOf({ device: { jid, id }, fingerprint }: SessionListRef): Bytes {
  return sha256(utf8ToBytes(`${jid}\n${id}\n${fingerprint}`)).slice(0, USER_LENGTH)
}

/** @internal */
export function findUse(spent: Spent, ephemeralKey: Uint8Array): SpentUse | undefined {
  return spent.uses.find((use) => sameBytes(use.ephemeralKey, ephemeralKey))
}

/** @internal The prekeys that a key exchange may use: those used already too, while there is room to remember it. */
export function usablePreKeys(preKeys: PreKeys, spent: Spent): PreKeys {
  if (spent.uses.length >= MAX_SPENT_USES) return preKeys
  const present = new Set(preKeys.oneTime.map(({ id }) => id))
  return { ...preKeys, oneTime: [...preKeys.oneTime, ...spent.preKeys.filter(({ id }) => !present.has(id))] }
}

/** @internal After a key exchange: keeps the prekey, if it is `used` for the first time, and by whom. */
export function withUse(spent: Spent, used: PreKey, use: Omit<SpentUse, 'preKeyId'>): Spent {
  const known = spent.preKeys.some(({ id }) => id === used.id)
  const preKeys = known ? spent.preKeys : [...spent.preKeys, used].slice(-MAX_SPENT_PRE_KEYS)
  return { preKeys, uses: [...spent.uses, { preKeyId: used.id, ...use }].slice(-MAX_SPENT_USES) }
}

/** @internal */
export function encodeSpent({ preKeys, uses }: Spent): Bytes {
  const writer = new ByteWriter().byte(SPENT_VERSION).varint(preKeys.length)
  for (const { id, secret, publicKey } of preKeys) writer.varint(id).bytes(secret).bytes(publicKey)
  writer.varint(uses.length)
  for (const { preKeyId, ephemeralKey, user } of uses) writer.varint(preKeyId).bytes(ephemeralKey).bytes(user)
  return writer.finish()
}

/** @internal @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeSpent(bytes: Uint8Array | undefined): Spent {
  if (bytes === undefined) return nothingSpent
  const reader = new ByteReader(bytes, 'spent prekeys')
  reader.version(SPENT_VERSION)
  const preKeys: PreKey[] = []
  for (let left = reader.varint(MAX_SPENT_PRE_KEYS); left > 0; left--)
    preKeys.push({ id: reader.varint(), secret: reader.bytes(32), publicKey: reader.bytes(32) })
  const uses: SpentUse[] = []
  for (let left = reader.varint(MAX_SPENT_USES); left > 0; left--)
    uses.push({ preKeyId: reader.varint(), ephemeralKey: reader.bytes(32), user: reader.bytes(USER_LENGTH) })
  reader.finish()
  return { preKeys, uses }
}

/** @internal When catch-up began. @throws OmemoError `state-malformed`, `state-version-unknown` */
export function openedAt(record: Uint8Array | undefined): number | undefined {
  return record && decodeRecord(record, 'catch-up', shape).openedAt
}

const shape = isObject({ openedAt: isTime, since: isMaybe(isTime) })

/** @internal Whether it was begun anew for so long that nobody should wait for its end. */
export function isTooLong(record: Uint8Array | undefined, now: number): boolean {
  if (record === undefined) return false
  const { openedAt, since = openedAt } = decodeRecord(record, 'catch-up', shape)
  return Math.abs(now - since) >= MAX_CATCH_UP_MS
}

/** @internal Opens it, or lets it begin anew: each page read is a reason to wait a day longer, up to `MAX_CATCH_UP_MS`. */
export function beginCatchUp(account: Account): Promise<void> {
  return change(account, [records.catchUp], ([record]) => {
    const now = account.clock.now()
    const before = record && decodeRecord(record, 'catch-up', shape)
    const isNew = before === undefined || isOver(before.openedAt, now) || isTooLong(record, now)
    const since = isNew ? now : (before.since ?? before.openedAt)
    const begun: Put = [records.catchUp, encodeRecord({ openedAt: now, since })]
    return { put: [begun], delete: isNew ? allSpent : [], result: undefined }
  })
}

const allSpent = namespaces.map(records.spent)

/** @internal Forgets the used prekeys. Nothing happens when it is not open. */
export function endCatchUp(account: Account): Promise<void> {
  return end(account, () => true)
}

/** @internal Ends it when it is time. @returns when that will be */
export async function tickCatchUp(account: Account): Promise<Date | undefined> {
  const [reading] = await account.store.read([records.catchUp])
  const began = openedAt(reading?.value)
  if (began === undefined) return undefined
  if (!isOver(began, account.clock.now())) return new Date(began + CATCH_UP_MS)
  await end(account, isOver)
  return undefined
}

/** @internal Also where the clock was set back by more than that: a secret is not to be kept for years. */
export function isOver(began: number, now: number): boolean {
  return now >= began + CATCH_UP_MS || now < began - CATCH_UP_MS
}

function end(account: Account, isTime: (began: number, now: number) => boolean): Promise<void> {
  return change(account, [records.catchUp], ([record]) => {
    const began = openedAt(record)
    if (began === undefined || !isTime(began, account.clock.now())) return { result: undefined }
    return { delete: [records.catchUp, ...allSpent], events: [{ kind: 'caught-up' }], result: undefined }
  })
}
