/**
 * Which devices a message goes to, each in which namespace and with which key (XEP-0384 §5.5.2): pure, so that it can be
 * asked before anything is fetched, and again on what the store holds when it is committed.
 *
 * A device gets at most one element. Of the namespaces that list it, best first:
 *
 *     a session with its newest key that the policy sends to    → send
 *     else a bundle whose key the policy sends to               → open a session
 *     else the next namespace
 *
 * Of a device whose keys are known, and none may be sent to, no bundle is fetched: a person has to decide first.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import type { VerifiedBundle } from '../bundle.ts'
import type { Bytes } from '../bytes.ts'
import type { FetchedBundle } from '../device/bundle-fetch.ts'
import { type ActiveDevice, activeDevices, type Contact } from '../device/contact.ts'
import type { DeviceRef, SkipCode, Skipped } from '../outcome.ts'
import { type Namespace, OMEMO_2 } from '../protocol.ts'
import type { Session } from '../session.ts'
import type { SessionListRef, StoredList } from '../session-records.ts'

/**
 * Messages on one sending chain without an answer from which on a device counts as read-only: it must answer after 53
 * (XEP-0384 §6), so two of its heartbeats are missing. Going on would leave one chain in use for ever.
 */
export const MAX_UNANSWERED = 106

/**
 * Milliseconds for which a bundle that could not be had is not asked for again, a minute as in other clients: many lists
 * name devices that are long gone.
 */
export const BUNDLE_RETRY_MS = 60_000

/** @internal Whose devices are meant, and how. */
export interface Wanted {
  readonly accounts: readonly BareJid[]
  /** Those that this device speaks, best first. */
  readonly spoken: readonly Namespace[]
  /** Those of them that can carry this. */
  readonly namespaces: readonly Namespace[]
  /** This device, which never gets anything. */
  readonly self: DeviceRef
  /** At most so many of one account. */
  readonly maxDevices: number
  /** Which devices, by id and by key; all unless given. */
  isMeant?(device: DeviceRef): boolean
  isMeantKey?(key: { readonly owner: BareJid; readonly fingerprint: string }): boolean
  /** Sessions are opened anew, whatever there is. */
  readonly isFresh?: boolean | undefined
}

/** @internal What is known, as read at one time. */
export interface Known {
  readonly contacts: ReadonlyMap<BareJid, Contact>
  /** By `nameOfList`. */
  readonly lists: ReadonlyMap<string, StoredList>
  /** By `nameOfKey`: of all identities of these contacts, and of bundles. */
  readonly keys: ReadonlyMap<string, Key>
  /** By `nameOfBundle`: what was fetched on this occasion. */
  readonly bundles: ReadonlyMap<string, FetchedBundle>
  /** Milliseconds since 1970. */
  readonly now: number
  /** What the policy says. */
  maySend(key: Key): boolean
}

interface Way {
  readonly device: DeviceRef
  readonly namespace: Namespace
  readonly key: Key
}

/** @internal What to do about one device, or about an account that has none. */
export type Step =
  | (Way & { readonly kind: 'send'; readonly list: StoredList })
  | (Way & { readonly kind: 'open'; readonly bundle: VerifiedBundle; readonly list: StoredList | undefined })
  | { readonly kind: 'fetch'; readonly device: DeviceRef; readonly namespace: Namespace }
  | ({ readonly kind: 'skip' } & Skipped)

/** @internal */
export const nameOfKey = (owner: BareJid, fingerprint: string): string => `${owner}\n${fingerprint}`

/** @internal */
export const nameOfBundle = (namespace: Namespace, { jid, id }: DeviceRef): string =>
  `${namespace}\n${jid}\n${id}`

/** @internal */
export const nameOfList = ({ namespace, device, fingerprint }: SessionListRef): string =>
  `${nameOfBundle(namespace, device)}\n${fingerprint}`

/** @internal Of the identity in a bundle. */
export const fingerprintIn = ({ identityKey }: VerifiedBundle): string => bytesToHex(identityKey.montgomery)

/**
 * @internal The devices of one account that may get something: those on its lists, known ones first, without our own.
 * Of each the namespaces that we speak.
 */
export function listedDevices(contact: Contact, wanted: Wanted): readonly ActiveDevice[] {
  const { self, spoken } = wanted
  const listed = activeDevices(contact).flatMap((device): readonly ActiveDevice[] => {
    const ref = { jid: contact.jid, id: device.id }
    if (ref.jid === self.jid && ref.id === self.id) return []
    const namespaces = spoken.filter((namespace) => device.namespaces.includes(namespace))
    return namespaces.length > 0 && (wanted.isMeant?.(ref) ?? true) ? [{ ...device, namespaces }] : []
  })
  // A server can list any number of devices before the ones that exist.
  const isProven = ({ identities }: ActiveDevice) => identities.length > 0
  return [...listed.filter(isProven), ...listed.filter((device) => !isProven(device))]
}

/** @internal The session lists that may matter. */
export function listsOf(contacts: Iterable<Contact>, wanted: Wanted): readonly SessionListRef[] {
  return [...contacts].flatMap((contact) =>
    listedDevices(contact, wanted)
      .slice(0, wanted.maxDevices)
      .flatMap(({ id, namespaces, identities }) =>
        identities.flatMap(({ fingerprint }) =>
          namespaces.map((namespace) => ({ namespace, device: { jid: contact.jid, id }, fingerprint })),
        ),
      ),
  )
}

/** @internal What to do about each device, account by account. */
export function stepsFor(wanted: Wanted, known: Known): readonly Step[] {
  return wanted.accounts.flatMap((jid): readonly Step[] => {
    const contact = known.contacts.get(jid)
    const devices = contact === undefined ? [] : listedDevices(contact, wanted)
    const tooMany = devices.slice(wanted.maxDevices)
    return [
      ...devices
        .slice(0, wanted.maxDevices)
        .map((device) => stepFor({ jid, id: device.id }, device, wanted, known)),
      ...tooMany.map(({ id }) => skip({ jid, id }, 'devices-too-many')),
    ]
  })
}

function stepFor(device: DeviceRef, active: ActiveDevice, wanted: Wanted, known: Known): Step {
  const namespaces = active.namespaces.filter((namespace) => wanted.namespaces.includes(namespace))
  if (namespaces.length === 0) return skip(device, 'content-needs-omemo2')
  const identities = keysOf(device, active, known)
  const mayUse = (key: Key): boolean => known.maySend(key) && (wanted.isMeantKey?.(key) ?? true)
  const usable = identities.filter(mayUse)
  const [newest] = wanted.isFresh ? [] : identities
  if (newest !== undefined && usable.length === 0) return skip(device, codeOf(newest, known), newest)
  let failure: Step | undefined
  for (const namespace of namespaces) {
    const way = (key: Key) => ({ device, namespace, key })
    const listOf = (key: Key) =>
      known.lists.get(nameOfList({ namespace, device, fingerprint: key.fingerprint }))
    if (!wanted.isFresh) {
      const key = usable.find((key) => listOf(key) !== undefined)
      const list = key && listOf(key)
      if (key && list)
        return isReadOnly(list.sessions.current)
          ? skip(device, 'device-read-only', key)
          : { kind: 'send', ...way(key), list }
    }
    const fetched = known.bundles.get(nameOfBundle(namespace, device))
    const failed = fetched === undefined ? recentFailure(active, namespace, wanted, known) : fetched.code
    if (failed !== undefined) {
      failure ??= skip(device, failed)
      continue
    }
    if (fetched?.bundle === undefined) return { kind: 'fetch', device, namespace }
    const key = known.keys.get(nameOfKey(device.jid, fingerprintIn(fetched.bundle)))
    if (key === undefined) return { kind: 'fetch', device, namespace }
    if (mayUse(key)) return { kind: 'open', ...way(key), bundle: fetched.bundle, list: listOf(key) }
    failure = skip(device, codeOf(key, known), key)
  }
  return failure ?? skip(device, 'bundle-missing')
}

/** Why a bundle could not be had a moment ago: asking with every message would hold up all of them. */
function recentFailure(
  { failures = [] }: ActiveDevice,
  namespace: Namespace,
  { isFresh }: Wanted,
  { now }: Known,
): SkipCode | undefined {
  if (isFresh) return undefined
  return failures.find(
    (failed) => failed.namespace === namespace && Math.abs(now - failed.at) < BUNDLE_RETRY_MS,
  )?.code
}

/** The keys that the device has shown, newest first. */
function keysOf({ jid }: DeviceRef, { identities }: ActiveDevice, known: Known): readonly Key[] {
  return identities.flatMap(({ fingerprint }) => known.keys.get(nameOfKey(jid, fingerprint)) ?? [])
}

function codeOf(key: Key, known: Known): SkipCode {
  return key.level === 'distrusted' || known.maySend(key) ? 'key-distrusted' : 'key-undecided'
}

function isReadOnly({ ratchet }: Session): boolean {
  return ratchet.state === 'sending' && ratchet.sending.next >= MAX_UNANSWERED
}

function skip({ jid, id }: DeviceRef, code: SkipCode, key?: Key): Step {
  return { kind: 'skip', owner: jid, device: id, code, ...(key && { key }) }
}

/** @internal The Ed25519 form, which bundles of omemo:2 show. */
export function edwardsIn(
  namespace: Namespace,
  { identityKey }: VerifiedBundle,
): { readonly edwards?: Bytes } {
  return namespace === OMEMO_2 ? { edwards: identityKey.edwards } : {}
}
