/**
 * Session lists in the store: one of each device, namespace *and identity*, in two records, so that sending rewrites
 * only the small one. A stranger's key exchange under a known device id is another list, beside the contact's.
 */
import type { Put, Reader } from '@xmpp-e2e/store'
import { type Bytes, sameBytes } from './bytes.ts'
import type { Contact } from './device/contact.ts'
import { OmemoError } from './error.ts'
import type { DeviceRef } from './outcome.ts'
import { type Namespace, protocols } from './protocol.ts'
import { records } from './record.ts'
import { decodeSessions, encodeSessions } from './session-codec.ts'
import type { SessionList } from './session-list.ts'

/** @internal Names one list. */
export interface SessionListRef {
  readonly namespace: Namespace
  readonly device: DeviceRef
  /** Of the identity, in lower-case hex. */
  readonly fingerprint: string
}

/** @internal A list with the bytes that it was read from, if it is in the store. */
export interface StoredList {
  readonly ref: SessionListRef
  readonly sessions: SessionList
  readonly archived: Bytes | undefined
}

/** @internal The lists of one device in one namespace, of all its identities. @throws OmemoError `state-malformed` */
export async function readListsOf(
  reader: Reader,
  namespace: Namespace,
  device: DeviceRef,
): Promise<readonly StoredList[]> {
  const prefix = records.sessionsOf(namespace, device)
  const found = await reader.list(prefix)
  if (found.length === 0) return []
  const fingerprints = found.map(([key]) => key.slice(prefix.length))
  const archived = await reader.read(fingerprints.map((f) => records.archived(namespace, device, f)))
  return found.map(([, current], i) =>
    decode({ namespace, device, fingerprint: fingerprints[i] as string }, current, archived[i]),
  )
}

/** @internal Lists by name, in the order of `refs`, in one reading; `undefined` where there is none. */
export async function readLists(
  reader: Reader,
  refs: readonly SessionListRef[],
): Promise<readonly (StoredList | undefined)[]> {
  const keys = refs.flatMap(({ namespace, device, fingerprint }) => [
    records.session(namespace, device, fingerprint),
    records.archived(namespace, device, fingerprint),
  ])
  const values = keys.length > 0 ? await reader.read(keys) : []
  return refs.map((ref, i) => {
    const current = values[2 * i]
    return current && decode(ref, current, values[2 * i + 1])
  })
}

/** @internal What to write for a list that has changed; `before` is what was read. */
export function putList(
  ref: SessionListRef,
  sessions: SessionList,
  before: StoredList | undefined,
): readonly Put[] {
  const { namespace, device, fingerprint } = ref
  const { current, archived } = encodeSessions(sessions)
  const put: Put = [records.session(namespace, device, fingerprint), current]
  if (before?.archived !== undefined && sameBytes(before.archived, archived)) return [put]
  return [put, [records.archived(namespace, device, fingerprint), archived]]
}

/** @internal The records of a list, to be deleted. */
export function recordsOfList({ namespace, device, fingerprint }: SessionListRef): readonly string[] {
  return [records.session(namespace, device, fingerprint), records.archived(namespace, device, fingerprint)]
}

/** @internal The records of the lists of devices that one state of a contact knows and the next one does not. */
export async function recordsOfForgotten(
  reader: Reader,
  before: Contact,
  after: Contact,
): Promise<readonly string[]> {
  const isLeft = new Set(after.devices.map(({ id }) => id))
  const forgotten = before.devices.filter(({ id, identities }) => identities.length > 0 && !isLeft.has(id))
  const found = await Promise.all(
    forgotten.flatMap(({ id }) =>
      NAMESPACES.flatMap((namespace) => {
        const device = { jid: before.jid, id }
        const prefixes = [records.sessionsOf(namespace, device), records.archivedOf(namespace, device)]
        return prefixes.map((prefix) => reader.list(prefix))
      }),
    ),
  )
  return found.flat().map(([key]) => key)
}

const NAMESPACES = Object.keys(protocols) as readonly Namespace[]

function decode(ref: SessionListRef, current: Bytes, archived: Bytes | undefined): StoredList {
  if (archived === undefined)
    throw new OmemoError('state-malformed', 'sessions: one of the two records is missing')
  return { ref, sessions: decodeSessions({ current, archived }), archived }
}
