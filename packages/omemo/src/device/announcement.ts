/**
 * Being found by others: prekeys, bundle and entry in the device list, in both namespaces (XEP-0384 §5.3).
 *
 *     prekeys ─► an id that nobody has ─► what is published? ─► bundle ─► list        each namespace for itself
 *                (until the first time)        │ later than this store: no sessions, new prekeys
 *                                              │ of another identity: somebody has our id
 */
import { deleteNode, PepError, type PepOptions, retract } from '@xmpp-e2e/disco/pep'
import type { Effect, HandleOptions, QueuedEffect, Signal } from '@xmpp-e2e/store'
import { type Account, change } from '../account.ts'
import { type Namespace, OMEMO_2 } from '../protocol.ts'
import { records } from '../record.ts'
import { bundles } from '../stanza/bundle.ts'
import { ASK_TIMEOUT_MS } from './asking.ts'
import { fetchList } from './device-lists.ts'
import {
  fetchOwnBundle,
  isForeign,
  type PublishedBundle,
  publishOwnBundle,
  undoRollback,
} from './own-bundle.ts'
import { deviceOf, encodeDevice, newDeviceId, type OwnDevice } from './own-device.ts'
import { changeOwnList, listWith, ownEntry } from './own-list.ts'
import { missingPreKeys, supplyPreKeys } from './pre-key-supply.ts'
import { encodeUpkeep, type Upkeep, upkeepOf } from './upkeep.ts'

/** Milliseconds, a day: how often a bundle of another identity under our id is replaced. */
export const RECLAIM_MS = 86_400_000

/** @internal Kind of the effect that publishes what the present bundle of a namespace is. */
export const PUBLISH_BUNDLE = 'publish-bundle'

/** @internal Kind of the effect that does what `start` does once more. */
export const ANNOUNCE = 'announce'

/** One after the other. */
const LANE = 'device'
const NOTHING = new Uint8Array(0)

/** @internal The effect to queue with every change of prekeys. Of one that waits already, this takes the place. */
export function publishBundle(namespace: Namespace): Effect {
  return { lane: LANE, kind: PUBLISH_BUNDLE, key: namespace, payload: NOTHING }
}

/** @internal */
export function announceAgain(): Effect {
  return { lane: LANE, kind: ANNOUNCE, key: '', payload: NOTHING }
}

/** @internal Handles `PUBLISH_BUNDLE`. What there is when it runs is published, refilled before. */
export async function handlePublishBundle(
  account: Account,
  { key }: QueuedEffect,
  options: HandleOptions,
): Promise<void> {
  const namespace = account.namespaces.find((spoken) => spoken === key)
  const device = await adoptStored(account)
  // The first announcement publishes everything.
  if (namespace === undefined || !device.announced) return
  const preKeys = await supplyPreKeys(account, namespace, options)
  await publishOwnBundle(account, namespace, device, preKeys, options)
}

/** @internal Handles `ANNOUNCE`. */
export async function handleAnnounce(
  account: Account,
  _effect: QueuedEffect,
  { signal }: HandleOptions,
): Promise<void> {
  const { announced } = await adoptStored(account)
  if (announced) await announce(account, { signal })
}

/**
 * @internal Makes prekeys where there are none, publishes and reconciles bundles and lists. One namespace that fails does
 * not stop the other.
 *
 * @throws {PepError} the first failure, when all that can be done is done
 * @throws OmemoError `device-list-malformed` when our own list cannot be read, and so not be changed
 * @throws the signal's reason
 */
export async function announce(
  account: Account,
  { signal }: { readonly signal?: Signal | undefined },
): Promise<void> {
  await adoptStored(account)
  await makePreKeys(account, signal)
  const found = account.self.announced
    ? await findBundles(account, signal)
    : await settleDeviceId(account, signal)
  await judge(account, found.values, signal)
  const upkeep = await change(account, [], async (_, reader) => ({ result: await upkeepOf(reader) }))
  const published = await settled(account, async (namespace) => {
    const bundle = found.values.get(namespace)
    if (bundle === undefined) return
    await announceIn(account, namespace, bundle, upkeep, { signal, timeoutMs: ASK_TIMEOUT_MS })
  })
  if (signal?.aborted) throw signal.reason
  const failures = [...found.failures, ...published.failures]
  if (failures.length > 0) throw failures[0]
  if (upkeep.retired.length > 0) await forgetRetired(account, upkeep.retired)
}

/** Takes over what is stored: another tab may have reset the device. */
async function adoptStored(account: Account): Promise<OwnDevice> {
  const device = await change(account, [], async (_, reader) => ({ result: await deviceOf(reader) }))
  account.adopt(device)
  return device
}

async function makePreKeys(account: Account, signal: Signal | undefined): Promise<void> {
  const total = await missingPreKeys(account, account.namespaces)
  let done = 0
  const made = (count: number) => {
    done += count
    account.emit({ kind: 'progress', work: 'pre-keys', done: Math.min(done, total), total })
  }
  for (const namespace of account.namespaces) await supplyPreKeys(account, namespace, { signal, made })
}

interface Settled<T> {
  readonly values: ReadonlyMap<Namespace, T>
  readonly failures: readonly unknown[]
}

/** Does `work` in each namespace, whatever becomes of it in the other. */
async function settled<T>(account: Account, work: (namespace: Namespace) => Promise<T>): Promise<Settled<T>> {
  const values = new Map<Namespace, T>()
  const failures: unknown[] = []
  await Promise.all(
    account.namespaces.map((namespace) =>
      work(namespace).then(
        (value) => void values.set(namespace, value),
        (error: unknown) => void failures.push(error),
      ),
    ),
  )
  return { values, failures }
}

function findBundles(account: Account, signal: Signal | undefined): Promise<Settled<PublishedBundle>> {
  const { deviceId } = account.self
  return settled(account, (namespace) => fetchOwnBundle(account, namespace, deviceId, { signal }))
}

/**
 * XEP-0384 §6: an id that was never published must be in no list, and under no bundle but ours: then the device has left,
 * or its store is from before it was published. From then on the id is ours.
 *
 * @returns what is published under it
 * @throws {PepError} when nothing can be found out
 */
async function settleDeviceId(
  account: Account,
  signal: Signal | undefined,
): Promise<Settled<PublishedBundle>> {
  const lists = await settled(account, (namespace) => fetchList(account, account.jid, namespace, { signal }))
  if (signal?.aborted) throw signal.reason
  if (lists.values.size === 0) throw lists.failures[0]
  const taken = new Set([...lists.values.values()].flatMap(({ devices }) => devices.map(({ id }) => id)))
  for (;;) {
    const { deviceId } = account.self
    const found = await findBundles(account, signal)
    if (signal?.aborted) throw signal.reason
    const isFree = isOurs(account.self, found.values) ?? !taken.has(deviceId)
    const device = await change(account, [], async (_, reader) => {
      const stored = await deviceOf(reader)
      // Another tab was faster.
      if (stored.announced || stored.deviceId !== deviceId) return { result: stored }
      const next = isFree
        ? { ...stored, announced: true }
        : { ...stored, deviceId: newDeviceId(account.random) }
      return { put: [[records.device, encodeDevice(next)]], result: next }
    })
    account.adopt(device)
    if (device.announced) return device.deviceId === deviceId ? found : findBundles(account, signal)
  }
}

/** Whose bundles they are; `undefined` when there is none. */
function isOurs(device: OwnDevice, found: ReadonlyMap<Namespace, PublishedBundle>): boolean | undefined {
  const present = [...found].filter(([, { kind }]) => kind !== 'none')
  if (present.length === 0) return undefined
  return present.every(
    ([namespace, one]) => one.kind === 'bundle' && !isForeign(device, namespace, one.bundle),
  )
}

/** Looks at what is published under our id: a later state of this store, or somebody else's. */
async function judge(
  account: Account,
  found: ReadonlyMap<Namespace, PublishedBundle>,
  signal: Signal | undefined,
): Promise<void> {
  const bundlesFound = [...found].flatMap(([namespace, published]) =>
    published.kind === 'bundle' ? [[namespace, published.bundle] as const] : [],
  )
  const device = account.self
  const ours = bundlesFound.filter(([namespace, bundle]) => !isForeign(device, namespace, bundle))
  const foreign = bundlesFound.filter(([namespace, bundle]) => isForeign(device, namespace, bundle))
  if (ours.length > 0) await undoRollback(account, new Map(ours), { signal })
  const [first] = foreign
  if (first === undefined) return
  const [namespace] = first
  account.emit({
    kind: 'cloned',
    detail: `device ${device.deviceId}: another identity has published its bundle (${namespace})`,
  })
}

/** Bundle first: who reads the list can then read the bundle. */
async function announceIn(
  account: Account,
  namespace: Namespace,
  published: PublishedBundle,
  { retired }: Upkeep,
  options: PepOptions,
): Promise<void> {
  const device = account.self
  const isTaken = published.kind === 'bundle' && isForeign(device, namespace, published.bundle)
  if (!isTaken || (await mayReclaim(account, namespace))) {
    const preKeys = await supplyPreKeys(account, namespace, options)
    await publishOwnBundle(account, namespace, device, preKeys, { ...options, published })
  }
  const own = ownEntry(device, namespace)
  await changeOwnList(account, namespace, (devices) => listWith(devices, own, retired), options)
  for (const id of retired) await deleteBundle(account, namespace, id, options)
}

/** Both would go on for ever taking each other's place. */
function mayReclaim(account: Account, namespace: Namespace): Promise<boolean> {
  return change(account, [], async (_, reader) => {
    const upkeep = await upkeepOf(reader)
    const now = account.clock.now()
    const last = upkeep.reclaimed.find((one) => one.namespace === namespace)?.at
    if (last !== undefined && last <= now && now - last < RECLAIM_MS) return { result: false }
    const others = upkeep.reclaimed.filter((one) => one.namespace !== namespace)
    const reclaimed = [...others, { namespace, at: now }]
    return { put: [[records.upkeep, encodeUpkeep({ ...upkeep, reclaimed })]], result: true }
  })
}

/** @internal Takes a bundle of this account off the server; the node of 0.3 is that device's alone. @throws {PepError} */
export async function deleteBundle(
  { connection }: Account,
  namespace: Namespace,
  deviceId: number,
  options: PepOptions,
): Promise<void> {
  const { node, item } = bundles[namespace].location(deviceId)
  try {
    if (namespace === OMEMO_2) await retract(connection, node, item, options)
    else await deleteNode(connection, node, options)
  } catch (error) {
    if (!(error instanceof PepError && error.code === 'not-found')) throw error
  }
}

function forgetRetired(account: Account, gone: readonly number[]): Promise<void> {
  return change(account, [], async (_, reader) => {
    const upkeep = await upkeepOf(reader)
    const retired = upkeep.retired.filter((id) => !gone.includes(id))
    return { put: [[records.upkeep, encodeUpkeep({ ...upkeep, retired })]], result: undefined }
  })
}
