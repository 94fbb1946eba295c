/** What is asked of the network because a message came from a device that we know too little of (XEP-0384 §6). */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { Effect, HandleOptions, QueuedEffect, Reader } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account, Decision } from '../account.ts'
import { type Contact, encodeContact, withDevice } from '../device/contact.ts'
import { refreshLists } from '../device/device-lists.ts'
import { meet } from '../keyring.ts'
import { records } from '../record.ts'
import { sendEmpty } from './follow-up.ts'
import type { FailedElement } from './opening.ts'

/** XEP-0384 §6 lets us open a session when there is none: once a day for each device, or failures could be made to loop. */
export const HEAL_MS = 86_400_000

/** How old a list may be before a message of a device that is not in it has it read again: ten minutes. */
export const UNLISTED_REFRESH_MS = 600_000

/** @internal XEP-0384 §6: of no session, and of nothing else, a device is told by a new one. */
export async function healed(
  account: Account,
  reader: Reader,
  { device, namespace, contact }: FailedElement,
): Promise<Omit<Decision<unknown>, 'result'>> {
  if (device === undefined || namespace === undefined || contact === undefined) return {}
  const now = account.clock.now()
  const isListed = contact.lists[namespace]?.devices.some(({ id }) => id === device.id) ?? false
  const known = contact.devices.find(({ id }) => id === device.id)
  if (!isListed) return isStale(contact, now) ? { effects: [refreshList(contact)] } : {}
  const last = known?.healedAt
  if (last !== undefined && last <= now && now - last < HEAL_MS) return {}
  // The bundle says whose key it is now, and is asked again; but of one that is not sent to, nothing is asked.
  const shown = known?.identities ?? []
  const refs = shown.map(({ fingerprint }) => ({ owner: device.jid, fingerprint }))
  const { keys } = await meet(account, reader, refs)
  if (keys.length > 0 && !keys.some(({ level }) => account.policy.maySend(level))) return {}
  const effect = sendEmpty(namespace, device, shown[0]?.fingerprint ?? '', { why: 'heal' })
  const noted = withDevice(contact, { identities: [], ...known, id: device.id, healedAt: now })
  return {
    put: [[records.contact(device.jid), encodeContact(noted)]],
    effects: [
      shown.length > 0 ? effect : { ...effect, lane: 'heal strangers', key: `${effect.key} ${device.jid}` },
    ],
  }
}

/** @internal Whether the lists of an account are worth being read again. */
export function isStale({ lists, retryAt = {} }: Contact, now: number): boolean {
  const isRecent = (at: number) => at <= now && now - at < UNLISTED_REFRESH_MS
  if (Object.values(lists).some(({ at }) => isRecent(at))) return false
  return !Object.values(retryAt).some((at) => at > now)
}

/** @internal Kind of the effect that reads the lists of an account again. */
export const REFRESH_LIST = 'refresh-list'

/**
 * @internal Lists that have never been read are read one after another: anybody can write from thousands of addresses
 * whose server does not answer, and each takes a timeout.
 */
export function refreshList({ jid, lists }: Contact): Effect {
  const isKnown = Object.keys(lists).length > 0
  // The address is in the name once: twice, a long one would not fit.
  const lane = isKnown
    ? `lists ${bytesToHex(sha256(utf8ToBytes(jid)).subarray(0, 16))}`
    : 'lists of strangers'
  return { lane, kind: REFRESH_LIST, key: jid, payload: new Uint8Array() }
}

/** @internal Handles `REFRESH_LIST`, as far as it goes now: the next message of such a device asks again. */
export async function handleRefreshList(
  account: Account,
  { key }: QueuedEffect,
  { signal }: HandleOptions,
): Promise<void> {
  await refreshLists(account, [key as BareJid], { fresh: true, signal })
}
