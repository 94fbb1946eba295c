/** Managing the account's devices: labels, taking devices out, leaving, starting over (XEP-0384 §5.3.1, §6). */
import { PepError, type PepOptions } from '@xmpp-e2e/disco/pep'
import type { Signal } from '@xmpp-e2e/store'
import { decideKey } from '@xmpp-e2e/trust'
import { type Account, change } from '../account.ts'
import { signedLabel } from '../device-label.ts'
import { OmemoError } from '../error.ts'
import { openBook } from '../keyring.ts'
import type { Namespace } from '../protocol.ts'
import { records } from '../record.ts'
import { announce, announceAgain, deleteBundle } from './announcement.ts'
import { ASK_TIMEOUT_MS } from './asking.ts'
import { readContacts } from './contact.ts'
import { deviceOf, encodeDevice, newDevice } from './own-device.ts'
import { changeOwnList } from './own-list.ts'
import { encodeUpkeep, upkeepOf } from './upkeep.ts'

/** Ids this device had before that are remembered until they are off the lists: as many resets without a network. */
const MAX_RETIRED = 20

/** @internal Stored at once, published from the queue. @throws {RangeError} as `signedLabel` */
export async function setLabel(account: Account, label: string | undefined): Promise<void> {
  const device = await change(account, [], async (_, reader) => {
    const stored = await deviceOf(reader)
    if (label !== undefined) signedLabel(stored.identity, label)
    if (stored.label === label) return { result: stored }
    const labelled = { ...stored, label }
    return {
      put: [[records.device, encodeDevice(labelled)]],
      effects: stored.announced ? [announceAgain()] : [],
      result: labelled,
    }
  })
  account.adopt(device)
}

/**
 * @internal Takes other devices of the account off its lists and deletes their bundles. A device that is in use puts itself
 * back. Unless trust is kept, its keys are distrusted before anything is taken away: nothing that fails or stops halfway
 * leaves one trusted that is gone.
 *
 * @throws {RangeError} for this device's own id
 * @throws {PepError}
 */
export async function removeDevices(
  account: Account,
  ids: readonly number[],
  { keepTrust = false, signal }: { readonly keepTrust?: boolean; readonly signal?: Signal | undefined },
): Promise<void> {
  if (ids.includes(account.self.deviceId)) throw new RangeError('ids: expected other devices than this one')
  if (!keepTrust) await distrustDevices(account, ids)
  await inAll(account, async (namespace) => {
    const options = { signal, timeoutMs: ASK_TIMEOUT_MS }
    await changeOwnList(
      account,
      namespace,
      (devices) => devices.filter(({ id }) => !ids.includes(id)),
      options,
    )
    for (const id of new Set(ids)) await deleteBundle(account, namespace, id, options)
  })
}

/** All keys that were seen under these ids: whoever has the device can show another one at any time. */
function distrustDevices(account: Account, ids: readonly number[]): Promise<void> {
  const { jid, self, policy } = account
  return change(account, [], async (_, reader) => {
    const [contact] = await readContacts(reader, [jid])
    const seen = (contact?.devices ?? []).filter(({ id }) => ids.includes(id))
    const fingerprints = new Set(seen.flatMap(({ identities }) => identities.map((one) => one.fingerprint)))
    // An id that this device had before.
    fingerprints.delete(self.fingerprint)
    // The verified ones are told (XEP-0450 §4).
    const book = await openBook(account, reader, policy.trustMessages ? 'all' : [jid])
    const at = new Date(account.clock.now())
    for (const fingerprint of fingerprints) {
      const decision = { key: { owner: jid, fingerprint }, level: 'distrusted', by: 'choice', at } as const
      book.take('all', (keyring, endpoint) => decideKey(keyring, endpoint, decision))
    }
    return { ...book.close([]), result: undefined }
  })
}

/**
 * @internal Takes this device off the lists and deletes its bundles (XEP-0384 §6), as far as the network lets it. From then
 * on it does not put itself back; `start` announces it anew.
 *
 * @returns whether it is off all lists: nobody encrypts to it any more
 */
export async function leave(
  account: Account,
  { signal }: { readonly signal?: Signal | undefined },
): Promise<boolean> {
  const { device, retired } = await change(account, [], async (_, reader) => {
    const stored = await deviceOf(reader)
    const left = { ...stored, announced: false }
    const { retired } = await upkeepOf(reader)
    return { put: [[records.device, encodeDevice(left)]], result: { device: left, retired } }
  })
  account.adopt(device)
  const ids = [device.deviceId, ...retired]
  const options = { signal, timeoutMs: ASK_TIMEOUT_MS }
  const left = await Promise.all(
    account.namespaces.map((namespace) => forget(account, namespace, ids, options)),
  )
  return left.every(Boolean)
}

/** A bundle that stays where nobody looks for it harms nobody. */
async function forget(
  account: Account,
  namespace: Namespace,
  ids: readonly number[],
  options: PepOptions,
): Promise<boolean> {
  let isUnlisted = false
  try {
    await changeOwnList(
      account,
      namespace,
      (devices) => devices.filter(({ id }) => !ids.includes(id)),
      options,
    )
    isUnlisted = true
    for (const id of ids) await deleteBundle(account, namespace, id, options)
  } catch (error) {
    if (!(error instanceof PepError || error instanceof OmemoError) && !options.signal?.aborted) throw error
  }
  return isUnlisted
}

/** @internal Deletes all records, also those that another tab writes meanwhile. */
export async function deleteAll({ store }: Account): Promise<void> {
  for (;;) {
    const { entries, token } = await store.list('')
    if (entries.length === 0 || (await store.commit([token], { delete: entries.map(([key]) => key) }))) return
  }
}

/** In each namespace, whatever becomes of it in the other. @throws the first failure, at the end */
async function inAll(account: Account, work: (namespace: Namespace) => Promise<void>): Promise<void> {
  const outcomes = await Promise.allSettled(account.namespaces.map(work))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

/**
 * @internal Starts over under a new id, without sessions; with `keepIdentity` the fingerprint stays. What is known of
 * others, and thought of their keys, stays. The old id leaves the lists when the new one is announced.
 *
 * @throws {PepError} when it could not be announced: it is tried again with the next session
 */
export async function reset(
  account: Account,
  { keepIdentity }: { readonly keepIdentity: boolean },
): Promise<void> {
  const now = account.clock.now()
  const fresh = newDevice(account.random, now)
  const device = await change(account, [], async (_, reader) => {
    const before = await deviceOf(reader)
    const after = keepIdentity
      ? { ...newDevice(account.random, now, before.identity), label: before.label }
      : { ...fresh, label: before.label }
    const upkeep = await upkeepOf(reader)
    const sessions = await Promise.all(records.allSessions.map((prefix) => reader.list(prefix)))
    const retired = before.announced ? [...upkeep.retired, before.deviceId] : upkeep.retired
    const gone = account.namespaces.flatMap((namespace) => [
      records.preKeys(namespace),
      records.spent(namespace),
    ])
    return {
      put: [
        [records.device, encodeDevice(after)],
        [
          records.upkeep,
          encodeUpkeep({ ...upkeep, rotatedAt: undefined, retired: retired.slice(-MAX_RETIRED) }),
        ],
      ],
      delete: [...gone, ...sessions.flat().map(([key]) => key)],
      result: after,
    }
  })
  account.adopt(device)
  await announce(account, { signal: account.closing })
}
