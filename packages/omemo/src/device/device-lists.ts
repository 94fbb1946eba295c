/** The device lists of contacts and of the own account: read when they are needed, and as they are told (XEP-0384 §5.2). */
import { fetchItems, type Item, type PepErrorCode, type PepEvent } from '@xmpp-e2e/disco/pep'
import type { Put, Signal } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { OmemoError } from '../error.ts'
import type { OmemoEvent } from '../event.ts'
import type { SkipCode } from '../outcome.ts'
import { type Namespace, protocols } from '../protocol.ts'
import { records } from '../record.ts'
import { recordsOfForgotten } from '../session-records.ts'
import { type DeviceList, deviceLists } from '../stanza/device-list.ts'
import { currentItem } from '../stanza/item.ts'
import { ASK_TIMEOUT_MS, inParallel, pepCode } from './asking.ts'
import {
  activeDevices,
  type Contact,
  changedDevices,
  decodeContact,
  encodeContact,
  readContacts,
  withList,
} from './contact.ts'

/**
 * Milliseconds for which a list that was read or told is not asked for again, an hour. Changes are told to who sees the
 * contact's presence; this is for those who do not.
 */
export const LIST_FRESH_MS = 3_600_000

/** Milliseconds after which a server that did not answer is asked again, when there is another list to go by. */
export const LIST_RETRY_MS = 60_000

/** @internal A list as the node has it, and the items of the node. */
export interface FetchedList {
  /** Empty when there is no node, no item, or no device. */
  readonly devices: DeviceList
  readonly items: readonly Item[]
  /** The one that counts among `items`. */
  readonly current: Item | undefined
}

type Answer = { readonly jid: BareJid; readonly namespace: Namespace } & (
  | { readonly devices: DeviceList }
  | { readonly devices?: undefined; readonly code: SkipCode; readonly isFinal: boolean }
)

/** Refusals that will be the same in a minute. */
const FINAL: readonly PepErrorCode[] = ['forbidden', 'not-supported', 'refused', 'malformed']

/**
 * @internal Reads the lists of accounts that are not known freshly, in parallel and bounded, and stores what they say in
 * one commit. With `fresh` it reads all.
 *
 * @returns what went wrong, of accounts of which no device is known
 * @throws the signal's reason
 */
export async function refreshLists(
  account: Account,
  jids: readonly BareJid[],
  { signal, fresh = false }: { readonly signal?: Signal | undefined; readonly fresh?: boolean | undefined },
): Promise<ReadonlyMap<BareJid, SkipCode>> {
  const unique = [...new Set(jids)]
  const now = account.clock.now()
  const wanted = await change(account, [], async (_, reader) => {
    const contacts = await readContacts(reader, unique)
    const result = contacts.flatMap((contact) =>
      account.namespaces
        .filter((namespace) => fresh || !isFresh(contact, namespace, now))
        .map((namespace) => ({ jid: contact.jid, namespace })),
    )
    return { result }
  })
  if (wanted.length === 0) return new Map()
  let done = 0
  const answers = await inParallel(
    wanted,
    async ({ jid, namespace }) => {
      const answer = await ask(account, jid, namespace, signal)
      account.emit({ kind: 'progress', work: 'device-lists', done: ++done, total: wanted.length })
      return answer
    },
    signal,
  )
  return store(account, answers)
}

function isFresh({ lists, retryAt = {} }: Contact, namespace: Namespace, now: number): boolean {
  const age = now - (lists[namespace]?.at ?? Number.NEGATIVE_INFINITY)
  const wait = (retryAt[namespace] ?? now) - now
  // A clock that was put back makes neither last for ever.
  return (age >= 0 && age < LIST_FRESH_MS) || (wait > 0 && wait <= LIST_FRESH_MS)
}

async function ask(
  account: Account,
  jid: BareJid,
  namespace: Namespace,
  signal: Signal | undefined,
): Promise<Answer> {
  try {
    const { devices } = await fetchList(account, jid, namespace, { signal })
    return { jid, namespace, devices }
  } catch (error) {
    if (error instanceof OmemoError && error.code === 'device-list-malformed')
      return { jid, namespace, code: error.code, isFinal: true }
    const code = pepCode(error, signal)
    return {
      jid,
      namespace,
      code: code === 'malformed' ? 'device-list-malformed' : 'devices-unavailable',
      isFinal: FINAL.includes(code),
    }
  }
}

/**
 * @internal The list of an account as its server has it.
 *
 * @throws {PepError} but not `not-found`, which is an empty list
 * @throws OmemoError `device-list-malformed`
 */
export async function fetchList(
  { connection, jid: own }: Pick<Account, 'connection' | 'jid'>,
  jid: BareJid,
  namespace: Namespace,
  {
    signal,
    timeoutMs = ASK_TIMEOUT_MS,
  }: { readonly signal?: Signal | undefined; readonly timeoutMs?: number },
): Promise<FetchedList> {
  const { node, decode } = deviceLists[namespace]
  const owner = jid === own ? undefined : jid
  let items: readonly Item[] = []
  try {
    items = await fetchItems(connection, node, { owner, signal, timeoutMs })
  } catch (error) {
    if (pepCode(error, signal) !== 'not-found') throw error
  }
  // Items of a node that was fetched have an id.
  const current = currentItem(items.map((item) => ({ ...item, id: item.id ?? '' })))
  if (current === undefined) return { devices: [], items, current }
  if (current.payload === undefined)
    throw new OmemoError('device-list-malformed', 'device list: an item without payload')
  return { devices: decode(current.payload), items, current }
}

/** Stores what came back; failures leave what is known, and for how long that must do. */
function store(account: Account, answers: readonly Answer[]): Promise<ReadonlyMap<BareJid, SkipCode>> {
  const byJid = new Map<BareJid, Answer[]>()
  for (const answer of answers) byJid.set(answer.jid, [...(byJid.get(answer.jid) ?? []), answer])
  const jids = [...byJid.keys()]
  return change(account, [], async (_, reader) => {
    const now = account.clock.now()
    const put: Put[] = []
    const forgotten: string[] = []
    const events: OmemoEvent[] = []
    const failed = new Map<BareJid, SkipCode>()
    for (const before of await readContacts(reader, jids)) {
      const mine = byJid.get(before.jid) ?? []
      let after = before
      for (const answer of mine)
        if (answer.devices) after = withList(after, answer.namespace, answer.devices, now)
      const failures = mine.flatMap((answer) => (answer.devices ? [] : [answer]))
      const [failure] = failures
      // Where nothing is known at all, it is worth asking each time.
      const isKnown = activeDevices(after).length > 0
      if (failure && !isKnown) failed.set(before.jid, failure.code)
      for (const { namespace, isFinal } of isKnown ? failures : [])
        after = withRetry(after, namespace, now + (isFinal ? LIST_FRESH_MS : LIST_RETRY_MS))
      if (after !== before) put.push([records.contact(before.jid), encodeContact(after)])
      forgotten.push(...(await recordsOfForgotten(reader, before, after)))
      events.push(...devicesChanged(account, before, after))
    }
    return { put, delete: forgotten, events, result: failed }
  })
}

function withRetry(contact: Contact, namespace: Namespace, at: number): Contact {
  return { ...contact, retryAt: { ...contact.retryAt, [namespace]: at } }
}

/** Tells nothing of an account whose devices were not known before: all its keys are met anyway. Nor of this device. */
function devicesChanged({ jid, self }: Account, before: Contact, after: Contact): readonly OmemoEvent[] {
  const isNew = Object.keys(before.lists).length === 0
  const others = (ids: readonly number[]) => ids.filter((id) => before.jid !== jid || id !== self.deviceId)
  const changed = changedDevices(before, after)
  const [added, removed] = [others(changed.added), others(changed.removed)]
  if (isNew || (added.length === 0 && removed.length === 0)) return []
  return [{ kind: 'devices-changed', jid: before.jid, added, removed }]
}

/** @internal Which list a node is. */
export function namespaceOf(node: string): Namespace | undefined {
  return (Object.keys(protocols) as Namespace[]).find((namespace) => deviceLists[namespace].node === node)
}

/**
 * @internal What a notification says of the list it is about: `undefined` where it has to be read to know.
 *
 * @throws OmemoError `device-list-malformed`
 */
export function toldList(event: PepEvent, namespace: Namespace): DeviceList | undefined {
  switch (event.kind) {
    case 'purged':
    case 'deleted':
      return []
    case 'items': {
      const item = currentItem(event.items.map((item) => ({ ...item, id: item.id ?? '' })))
      return item?.payload && deviceLists[namespace].decode(item.payload)
    }
    case 'retracted':
    case 'configured':
      return undefined
  }
}

/**
 * @internal A notification about a list of a contact. Only of accounts that there have been dealings with: anybody can
 * tell us of devices, and each would be a record.
 */
export async function onListEvent(account: Account, event: PepEvent): Promise<void> {
  const namespace = namespaceOf(event.node)
  if (namespace === undefined || event.kind === 'configured') return
  const { owner } = event
  const [known] = await readStored(account, owner)
  if (known === undefined) return
  try {
    const devices =
      toldList(event, namespace) ??
      (await fetchList(account, owner, namespace, { signal: account.closing })).devices
    await storeList(account, owner, namespace, devices)
  } catch (error) {
    // The list before is as good as anything that can be had.
    if (!(error instanceof OmemoError && error.code === 'device-list-malformed'))
      pepCode(error, account.closing)
  }
}

function readStored(account: Account, jid: BareJid): Promise<readonly [Contact | undefined]> {
  return change(account, [records.contact(jid)], ([bytes]) => ({
    result: [bytes && decodeContact(bytes)] as const,
  }))
}

/** @internal Takes in a list; writes nothing when it says what is known. */
export function storeList(
  account: Account,
  jid: BareJid,
  namespace: Namespace,
  devices: DeviceList,
): Promise<void> {
  return change(account, [], async (_, reader) => {
    const [before] = await readContacts(reader, [jid])
    const at = account.clock.now()
    const after = withList(before as Contact, namespace, devices, at)
    const old = before?.lists[namespace]
    if (
      old &&
      sameList(old.devices, after.lists[namespace]?.devices ?? []) &&
      at - old.at < LIST_FRESH_MS / 2
    )
      return { result: undefined }
    return {
      put: [[records.contact(jid), encodeContact(after)]],
      delete: await recordsOfForgotten(reader, before as Contact, after),
      events: devicesChanged(account, before as Contact, after),
      result: undefined,
    }
  })
}

/** @internal Whether two lists would be written alike. */
export function sameList(a: DeviceList, b: DeviceList): boolean {
  const written = (devices: DeviceList) =>
    JSON.stringify(
      devices.map(({ id, label, labelSignature }) => [id, label, labelSignature && [...labelSignature]]),
    )
  return written(a) === written(b)
}
