/**
 * Our bundle on the server (XEP-0384 §5.3.2): what is there, what it says of this store, and putting ours there.
 *
 * It is also a witness. Prekeys only ever get higher ids, and are stored before they are published; so a bundle under
 * our identity key with ids that this store has not reached was published from a later state of it. A restored backup
 * would go on with ratchets that others have seen go further, and use keys again: all sessions are dropped.
 *
 * A witness that can be forged: ids are not signed, and the account's server can write any. So it is believed within
 * bounds (`MAX_IDS_AHEAD`, `ROLLBACK_MS`), or each session would begin with the loss of all others.
 */
import { configuration, fetchItems, type PepOptions, publish } from '@xmpp-e2e/disco/pep'
import type { Signal } from '@xmpp-e2e/store'
import { type Account, change, compute } from '../account.ts'
import { publishedBundle } from '../bundle.ts'
import { sameBytes } from '../bytes.ts'
import { OmemoError } from '../error.ts'
import {
  decodePreKeys,
  encodePreKeys,
  MAX_PRE_KEY_ID,
  type PreKeys,
  rotateSignedPreKey,
} from '../pre-keys.ts'
import { type Namespace, OMEMO_2, protocols } from '../protocol.ts'
import { records } from '../record.ts'
import { type Bundle, bundles } from '../stanza/bundle.ts'
import { ASK_TIMEOUT_MS, pepCode } from './asking.ts'
import { deviceOf, type OwnDevice } from './own-device.ts'
import { growPreKeys, readPreKeys } from './pre-key-supply.ts'
import { encodeUpkeep, type Upkeep, upkeepOf } from './upkeep.ts'

/**
 * How many ids a later state of this store can be ahead by; more is forged, and believed of nothing. 27 key exchanges a day,
 * the life of a backup being ten years, use 98 550 prekeys. In the other direction it takes 21 474 forgeries of one day
 * each, 58 years, to use up 2³¹ ids.
 */
export const MAX_IDS_AHEAD = 100_000

/** Milliseconds, a day: how often the sessions of a store are dropped because of what is published. */
export const ROLLBACK_MS = 86_400_000

/** @internal What is published under an id of ours. `unreadable` is in the way of nobody. */
export type PublishedBundle =
  | { readonly kind: 'none' | 'unreadable' }
  | { readonly kind: 'bundle'; readonly bundle: Bundle }

/** @internal @throws {PepError} but not `not-found` */
export async function fetchOwnBundle(
  { connection }: Pick<Account, 'connection'>,
  namespace: Namespace,
  deviceId: number,
  { signal, timeoutMs = ASK_TIMEOUT_MS }: PepOptions,
): Promise<PublishedBundle> {
  const format = bundles[namespace]
  const { node, item: id } = format.location(deviceId)
  const asked = namespace === OMEMO_2 ? { ids: [id] } : {}
  try {
    const items = await fetchItems(connection, node, { ...asked, signal, timeoutMs })
    const item = format.itemOf(
      items.map((item) => ({ ...item, id: item.id ?? '' })),
      deviceId,
    )
    if (item === undefined) return { kind: 'none' }
    if (item.payload === undefined) return { kind: 'unreadable' }
    return { kind: 'bundle', bundle: format.decode(item.payload) }
  } catch (error) {
    if (error instanceof OmemoError && error.code === 'bundle-malformed') return { kind: 'unreadable' }
    if (pepCode(error, signal) === 'not-found') return { kind: 'none' }
    throw error
  }
}

/** @internal Whether it is the bundle of another identity: somebody else has our id. */
export function isForeign(device: OwnDevice, namespace: Namespace, { identityKey }: Bundle): boolean {
  return !sameBytes(identityKey, protocols[namespace].identityBytes(device.identity))
}

/**
 * @internal Whether it was published from a later state than these prekeys are. After 2³¹ prekeys their ids start over,
 * and this is wrong once.
 */
export function isAhead(preKeys: PreKeys, { signedPreKey, preKeys: published }: Bundle): boolean {
  const { signed } = preKeys
  if (signedPreKey.id > signed.id && isSignedId(preKeys, signedPreKey.id)) return true
  if (signedPreKey.id === signed.id && !sameBytes(signedPreKey.publicKey, signed.publicKey)) return true
  const held = new Map(preKeys.oneTime.map((preKey) => [preKey.id, preKey.publicKey]))
  return published.some(({ id, publicKey }) => {
    const ours = held.get(id)
    if (ours !== undefined) return !sameBytes(ours, publicKey)
    return id >= preKeys.nextId && isOneTimeId(preKeys, id)
  })
}

const isSignedId = ({ signed }: PreKeys, id: number): boolean => id <= signed.id + MAX_IDS_AHEAD
const isOneTimeId = ({ nextId }: PreKeys, id: number): boolean => id < nextId + MAX_IDS_AHEAD

/** Within a time that is short enough for another witness to be a forged one. */
function isUndone({ rolledBackAt: at }: Upkeep, now: number): boolean {
  return at !== undefined && at <= now && now - at < ROLLBACK_MS
}

/** @internal Bundles as they were found, by namespace; a namespace that could not be read is missing. */
export type FoundBundles = ReadonlyMap<Namespace, Bundle>

/**
 * @internal Starts over after a rollback, if there was one: no sessions, and prekeys with ids above all that was
 * published. What is published and still ours stays usable. At most once in `ROLLBACK_MS`. `found` must have been read before this is called: prekeys
 * are stored before they are published, so those of another tab are known by then.
 *
 * @throws the signal's reason
 */
export async function undoRollback(
  account: Account,
  found: FoundBundles,
  { signal }: { readonly signal?: Signal | undefined },
): Promise<void> {
  const namespaces = account.namespaces
  const stored = await readPreKeys(account, namespaces)
  const isBehind = (all: readonly (PreKeys | undefined)[]) =>
    namespaces.some((namespace, i) => {
      const [preKeys, bundle] = [all[i], found.get(namespace)]
      return preKeys && bundle && isAhead(preKeys, bundle)
    })
  if (!isBehind(stored)) return
  const before = await change(account, [], async (_, reader) => ({ result: await upkeepOf(reader) }))
  if (isUndone(before, account.clock.now())) return
  const renewed: PreKeys[] = []
  for (const [i, namespace] of namespaces.entries()) {
    const base = renewable(stored[i], found.get(namespace))
    const rotated = base && (await compute(account, rotateSignedPreKey(base, account.random)))
    const kept = rotated && { ...rotated, previousSigned: stored[i]?.signed }
    renewed.push(await growPreKeys(account, kept, { signal }))
  }
  const { deviceId } = account.self
  await change(account, namespaces.map(records.preKeys), async (values, reader) => {
    const device = await deviceOf(reader)
    const now = values.map((bytes) => bytes && decodePreKeys(bytes))
    const upkeep = await upkeepOf(reader)
    const at = account.clock.now()
    // Another tab has been here.
    if (device.deviceId !== deviceId || !isBehind(now) || isUndone(upkeep, at)) return { result: undefined }
    const sessions = await Promise.all(records.allSessions.map((prefix) => reader.list(prefix)))
    return {
      put: [
        ...namespaces.map(
          (namespace, i) => [records.preKeys(namespace), encodePreKeys(renewed[i] as PreKeys)] as const,
        ),
        [records.upkeep, encodeUpkeep({ ...upkeep, rotatedAt: at, rolledBackAt: at })],
      ],
      delete: sessions.flat().map(([key]) => key),
      events: [
        {
          kind: 'rolled-back',
          detail: `device ${deviceId}: its bundle on the server was published from a later state of its store`,
        },
      ],
      result: undefined,
    }
  })
}

/** Prekeys to go on from: ids above what is published, without those that others may have used since. */
function renewable(preKeys: PreKeys | undefined, published: Bundle | undefined): PreKeys | undefined {
  if (preKeys === undefined) return undefined
  const believed = published?.preKeys.filter(({ id }) => isOneTimeId(preKeys, id))
  const known = new Map(believed?.map(({ id, publicKey }) => [id, publicKey]))
  const oneTime = preKeys.oneTime.filter(({ id, publicKey }) => {
    const other = known.get(id)
    return other !== undefined && sameBytes(other, publicKey)
  })
  const highest = Math.max(preKeys.nextId - 1, ...known.keys())
  const theirs = published?.signedPreKey.id ?? 0
  const signedId = isSignedId(preKeys, theirs) ? Math.max(preKeys.signed.id, theirs) : preKeys.signed.id
  return {
    ...preKeys,
    // Theirs may be above 2³¹ − 1, when ours are close to it; then ours start over.
    signed: { ...preKeys.signed, id: Math.min(signedId, MAX_PRE_KEY_ID) },
    oneTime,
    nextId: highest >= MAX_PRE_KEY_ID ? 1 : highest + 1,
  }
}

/** @internal Whether what is published is what would be published. The order of prekeys says nothing. */
export function sameBundle(a: Bundle, b: Bundle): boolean {
  const [one, other] = [a.signedPreKey, b.signedPreKey]
  if (!sameBytes(a.identityKey, b.identityKey) || one.id !== other.id) return false
  if (!sameBytes(one.publicKey, other.publicKey) || !sameBytes(one.signature, other.signature)) return false
  if (a.preKeys.length !== b.preKeys.length) return false
  const keys = new Map(b.preKeys.map(({ id, publicKey }) => [id, publicKey]))
  return a.preKeys.every(({ id, publicKey }) => {
    const key = keys.get(id)
    return key !== undefined && sameBytes(key, publicKey)
  })
}

/**
 * @internal Publishes our bundle, unless it is there already, and to be seen by everybody.
 *
 * @throws {PepError}
 */
export async function publishOwnBundle(
  account: Account,
  namespace: Namespace,
  device: OwnDevice,
  preKeys: PreKeys,
  { published, ...options }: PepOptions & { readonly published?: PublishedBundle | undefined },
): Promise<void> {
  const { connection } = account
  const format = bundles[namespace]
  const { node, item: id } = format.location(device.deviceId)
  const bundle = publishedBundle(protocols[namespace], device.identity, preKeys)
  const isThere = published?.kind === 'bundle' && sameBundle(published.bundle, bundle)
  // XEP-0384 §5.3.2: all devices share one node in omemo:2, which keeps one item unless told otherwise.
  if (isThere && (await isOpen(account, node, options, namespace === OMEMO_2 ? 2 : 1))) return
  const maxItems = namespace === OMEMO_2 ? 'max' : undefined
  await publish(
    connection,
    node,
    { id, payload: format.encode(bundle) },
    { access: 'open', maxItems },
    options,
  )
}

/** @internal Whether strangers can read a node of ours, and it keeps so many items, as far as the service says. */
export async function isOpen(
  { connection }: Pick<Account, 'connection'>,
  node: string,
  options: PepOptions,
  items = 1,
): Promise<boolean> {
  try {
    const { access = 'open', maxItems = 'max' } = await configuration(connection, node, options)
    return access === 'open' && (maxItems === 'max' || maxItems >= items)
  } catch (error) {
    const code = pepCode(error, options.signal)
    // The service does not tell owners. What it was told with the publication must do.
    return code === 'forbidden' || code === 'not-supported' || code === 'refused' || code === 'malformed'
  }
}
