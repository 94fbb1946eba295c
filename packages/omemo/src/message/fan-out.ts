/**
 * One payload for many devices: what they need is fetched and computed first, then all sessions advance in one commit.
 *
 *     lists    of all accounts                                        network
 *     look     what is stored → a step for each device                pure
 *     bundles  of devices without a session                           network
 *     sessions X3DH with each bundle whose key may be sent to         seconds, for hundreds
 *     change   look again, encrypt for every device, commit           nothing has left before it
 *
 * A lost race repeats the last line alone: sessions that were opened are values, and an attempt that wrote nothing has
 * used none of their keys. Where another tab has opened a session meanwhile, that one is used.
 */
import { type Effect, type Put, type Reader, type Signal, StoreError } from '@xmpp-e2e/store'
import type { BareJid, Element } from '@xmpp-e2e/xml'
import { type Account, change, compute, type Decision, pause } from '../account.ts'
import { type Bytes, sameBytes } from '../bytes.ts'
import type { FetchedBundle } from '../device/bundle-fetch.ts'
import {
  type Contact,
  encodeContact,
  MAX_DEVICES_PER_ACCOUNT,
  withBundle,
  withIdentity,
  withUse,
} from '../device/contact.ts'
import { refreshLists } from '../device/device-lists.ts'
import { deviceOf, type OwnDevice } from '../device/own-device.ts'
import type { OmemoEvent } from '../event.ts'
import type { Reached, Refused, SkipCode, Skipped } from '../outcome.ts'
import { MAX_PAYLOAD_LENGTH } from '../payload.ts'
import { type Namespace, OMEMO_2 } from '../protocol.ts'
import { records } from '../record.ts'
import type { Session } from '../session.ts'
import { encryptMessage, type SessionList, withInitiated } from '../session-list.ts'
import { putList } from '../session-records.ts'
import { type EncryptedKey, encryptedFormats } from '../stanza/encrypted.ts'
import { areTooMany, look, type Prepared, prepare, type View } from './preparation.ts'
import { edwardsIn, fingerprintIn, nameOfBundle, nameOfKey, type Step, type Wanted } from './recipients.ts'

/** @internal What all devices of one namespace get: a payload, or a key alone. */
export interface Sealed {
  /** What the ratchets carry. */
  readonly keyMaterial: Bytes
  readonly iv?: Bytes | undefined
  readonly payload?: Bytes | undefined
}

/** @internal */
export interface FanOut extends Pick<Wanted, 'isMeant' | 'isMeantKey' | 'isFresh'> {
  /** Whose devices it is for; it is refused when none of them can be reached. */
  readonly to: readonly BareJid[]
  /** Whether the account's other devices get it too. */
  readonly withOwn: boolean
  /** Namespaces that cannot carry it are absent. */
  readonly sealed: ReadonlyMap<Namespace, Sealed>
  readonly signal?: Signal | undefined
  /** A contact who has opted out is refused, unless it does not matter. */
  readonly heedsOptOut?: boolean | undefined
  /** What has to be done about it, in the same commit. */
  effects?(encrypted: Extract<FannedOut, { readonly kind: 'encrypted' }>): readonly Effect[]
}

/** @internal */
export type FannedOut =
  | {
      readonly kind: 'encrypted'
      /** `<encrypted/>`, at most one of each namespace, the better one first. */
      readonly elements: readonly Element[]
      readonly reached: readonly Reached[]
      readonly skipped: readonly Skipped[]
    }
  | Refused

/** How often what was prepared may be outdated when it is to be committed: then something is fetched without end. */
const MAX_ROUNDS = 5

/** Messages encrypted between two pauses: 0.1 ms each, or 3 ms where a ratchet turns. */
const MESSAGES_AT_ONCE = 32

/** @internal @throws the signal's reason; as `update` */
export async function fanOut(account: Account, order: FanOut): Promise<FannedOut> {
  const { signal } = order
  const to = [...new Set(order.to)]
  const accounts = order.withOwn ? [...new Set([...to, account.jid])] : to
  const unavailable = await refreshLists(account, accounts, { signal, fresh: order.isFresh })
  const prepared: Prepared = { bundles: new Map(), sessions: new Map() }
  for (let round = 1; ; round++) {
    const { self } = account
    const wanted: Wanted = {
      ...(order.isMeant && { isMeant: order.isMeant }),
      ...(order.isMeantKey && { isMeantKey: order.isMeantKey }),
      isFresh: order.isFresh,
      accounts,
      spoken: account.namespaces,
      namespaces: account.namespaces.filter((namespace) => order.sealed.has(namespace)),
      self: { jid: account.jid, id: self.deviceId },
      maxDevices: MAX_DEVICES_PER_ACCOUNT,
    }
    await prepare(account, wanted, prepared, signal)
    const done = await change(
      account,
      [],
      (_, reader) => commit(account, reader, { order, to, wanted, self, prepared, unavailable }),
      { signal },
    )
    if (done !== undefined) return done
    if (round === MAX_ROUNDS)
      throw new StoreError('conflict', `sessions changed ${MAX_ROUNDS} times meanwhile`)
  }
}

interface Preparation {
  readonly order: FanOut
  readonly to: readonly BareJid[]
  readonly wanted: Wanted
  readonly self: OwnDevice
  readonly prepared: Prepared
  readonly unavailable: ReadonlyMap<BareJid, SkipCode>
}

/** Within the change. `undefined` when something has to be prepared again. */
async function commit(
  account: Account,
  reader: Reader,
  { order, to, wanted, self, prepared, unavailable }: Preparation,
): Promise<Decision<FannedOut | undefined>> {
  const stored = await deviceOf(reader)
  if (stored.deviceId !== self.deviceId || stored.fingerprint !== self.fingerprint) {
    // It was reset, perhaps by another tab: sessions are of the identity that opened them.
    prepared.sessions.clear()
    account.adopt(stored)
    return { result: undefined }
  }
  const view = await look(account, reader, wanted, prepared.bundles)
  const { contacts, steps, meeting } = view
  const isPrepared = (step: Step): boolean =>
    step.kind !== 'fetch' &&
    (step.kind !== 'open' || prepared.sessions.has(nameOfBundle(step.namespace, step.device)))
  if (!areTooMany(steps) && !steps.every(isPrepared)) return { result: undefined }

  const shown = withShown(account, view, prepared.bundles)
  const events = [...meeting.events, ...shown.events]
  const skipped = [...missingDevices(account, to, steps, unavailable), ...steps.flatMap(asSkipped)]
  const ways = steps.filter((step) => step.kind === 'send' || step.kind === 'open')
  const refusal = refusalOf(account, order, to, view, ways)
  if (refusal !== undefined) {
    const put = [...meeting.put, ...contactPuts(shown.changed)]
    return { put, effects: meeting.effects, events, result: { kind: 'refused', ...refusal, skipped } }
  }

  const encrypted = await encryptForAll(account, self, ways, order.sealed, prepared.sessions, order.signal)
  const used = wanted.namespaces.filter((namespace) => encrypted.keys.has(namespace))
  const elements = used.map((namespace) => {
    const { iv, payload } = order.sealed.get(namespace) as Sealed
    const keys = encrypted.keys.get(namespace) ?? []
    return encryptedFormats[namespace].encode({
      sid: self.deviceId,
      keys,
      ...(iv && { iv }),
      ...(payload && { payload }),
    })
  })
  const reached = ways.map(({ device, key, namespace }) => ({ device, key, protocol: namespace }))
  const result = { kind: 'encrypted', elements, reached, skipped } as const
  const uses = withUses(wanted, contacts, shown.changed, ways)
  return {
    put: [...meeting.put, ...contactPuts(uses.changed), ...encrypted.put],
    effects: [...meeting.effects, ...(order.effects?.(result) ?? [])],
    events: [...events, ...ways.flatMap(openedEvents), ...uses.events],
    result,
  }
}

type Way = Extract<Step, { kind: 'send' | 'open' }>

/** Why nothing is encrypted; `undefined` where something is. */
function refusalOf(
  account: Account,
  { heedsOptOut, sealed }: FanOut,
  to: readonly BareJid[],
  { contacts, steps }: View,
  ways: readonly Way[],
): Pick<Refused, 'code' | 'ask'> | undefined {
  if (areTooMany(steps)) return { code: 'recipients-too-many', ask: [] }
  const others = to.filter((jid) => jid !== account.jid)
  if (heedsOptOut && others.some((jid) => contacts.get(jid)?.optedOut !== undefined))
    return { code: 'opted-out', ask: [] }
  const recipients = others.length > 0 ? others : [account.jid]
  if (!ways.some(({ device }) => recipients.includes(device.jid))) {
    const ask = steps.flatMap((step) =>
      step.kind === 'skip' && step.key && step.code === 'key-undecided' && recipients.includes(step.owner)
        ? [step.key]
        : [],
    )
    return { code: ask.length > 0 ? 'keys-undecided' : 'recipients-unreachable', ask }
  }
  const used = new Set(ways.map(({ namespace }) => namespace))
  const length = [...used].reduce((sum, namespace) => sum + (sealed.get(namespace)?.payload?.length ?? 0), 0)
  return length > MAX_PAYLOAD_LENGTH ? { code: 'content-too-long', ask: [] } : undefined
}

function asSkipped(step: Step): readonly Skipped[] {
  if (step.kind !== 'skip') return []
  const { kind: _, ...skipped } = step
  return [skipped]
}

/** Accounts without a device, and those of which nobody knows. */
function missingDevices(
  account: Account,
  to: readonly BareJid[],
  steps: readonly Step[],
  unavailable: ReadonlyMap<BareJid, SkipCode>,
): readonly Skipped[] {
  const found = new Set(steps.map((step) => (step.kind === 'skip' ? step.owner : step.device.jid)))
  const silent = [...new Set([...to, ...unavailable.keys()])].filter((jid) => !found.has(jid))
  return silent.flatMap((owner): readonly Skipped[] => {
    const code = unavailable.get(owner)
    if (code !== undefined) return [{ owner, code }]
    return owner === account.jid && to.some((jid) => jid !== owner)
      ? []
      : [{ owner, code: 'devices-missing' }]
  })
}

/** Contacts of whom something is known that was not, and what is told of it. */
interface Changes {
  readonly changed: ReadonlyMap<BareJid, Contact>
  readonly events: readonly OmemoEvent[]
}

function contactPuts(changed: Changes['changed']): readonly Put[] {
  return Array.from(changed.values(), (contact) => [records.contact(contact.jid), encodeContact(contact)])
}

/** What bundles have shown of the identities of devices. */
function withShown(
  account: Account,
  { contacts, keys, steps }: View,
  bundles: ReadonlyMap<string, FetchedBundle>,
): Changes {
  const now = account.clock.now()
  const changed = new Map<BareJid, Contact>()
  const events: OmemoEvent[] = []
  const isOpened = new Set(
    steps.flatMap((step) => (step.kind === 'open' ? nameOfBundle(step.namespace, step.device) : [])),
  )
  // Those that sessions are opened with last: they are to be the newest.
  const all = [...bundles.values()]
  const opened = ({ namespace, device }: FetchedBundle) => isOpened.has(nameOfBundle(namespace, device))
  for (const fetched of [...all.filter((one) => !opened(one)), ...all.filter(opened)]) {
    const { bundle, device, namespace } = fetched
    const before = changed.get(device.jid) ?? contacts.get(device.jid)
    if (before === undefined) continue
    const asked = withBundle(before, device.id, namespace, fetched.bundle ? undefined : fetched.code, now)
    if (asked !== before) changed.set(device.jid, asked)
    if (bundle === undefined) continue
    const fingerprint = fingerprintIn(bundle)
    const shown = { fingerprint, ...edwardsIn(namespace, bundle) }
    const { contact, previous } = withIdentity(asked, device.id, shown, now)
    if (contact !== before) changed.set(device.jid, contact)
    const key = keys.get(nameOfKey(device.jid, fingerprint))
    if (previous !== undefined && key !== undefined)
      events.push({ kind: 'identity-changed', device, key, previous })
  }
  return { changed, events }
}

/** In which namespaces keys were reached. What can only be said in 0.3, as the key of a file, tells nothing. */
function withUses(
  { namespaces: [best] }: Wanted,
  contacts: View['contacts'],
  shown: Changes['changed'],
  ways: readonly Way[],
): Changes {
  const changed = new Map(shown)
  const events: OmemoEvent[] = []
  for (const { device, key, namespace } of ways) {
    const before = changed.get(device.jid) ?? contacts.get(device.jid)
    if (before === undefined || (namespace !== OMEMO_2 && best !== OMEMO_2)) continue
    const { contact, isNews } = withUse(before, device.id, key.fingerprint, namespace)
    if (contact !== before) changed.set(device.jid, contact)
    if (isNews) events.push({ kind: 'downgraded', device, key })
  }
  return { changed, events }
}

async function encryptForAll(
  account: Account,
  self: OwnDevice,
  ways: readonly Way[],
  sealed: ReadonlyMap<Namespace, Sealed>,
  sessions: ReadonlyMap<string, Session>,
  signal: Signal | undefined,
): Promise<{
  readonly put: readonly Put[]
  readonly keys: ReadonlyMap<Namespace, readonly EncryptedKey[]>
}> {
  const put: Put[] = []
  const keys = new Map<Namespace, EncryptedKey[]>()
  for (const [i, way] of ways.entries()) {
    if (i > 0 && i % MESSAGES_AT_ONCE === 0) {
      await pause(account, 0)
      if (signal?.aborted) throw signal.reason
    }
    const { namespace, device, key } = way
    const { keyMaterial } = sealed.get(namespace) as Sealed
    const before = sessionsFor(way, sessions)
    const { random } = account
    const next = await compute(account, encryptMessage(self, before, keyMaterial, { random }))
    put.push(...putList({ namespace, device, fingerprint: key.fingerprint }, next.sessions, way.list))
    const written = keys.get(namespace) ?? []
    const { data, keyExchange } = next.message
    written.push({ jid: device.jid, rid: device.id, keyExchange, data })
    keys.set(namespace, written)
  }
  return { put, keys }
}

function sessionsFor(way: Way, sessions: ReadonlyMap<string, Session>): SessionList {
  if (way.kind === 'send') return way.list.sessions
  const session = sessions.get(nameOfBundle(way.namespace, way.device)) as Session
  const stored = way.list?.sessions
  // Stored by a commit that did not say so: from its beginning, it would use its first key again.
  const isStored = [stored?.current, ...(stored?.archived ?? [])].some(
    (other) => other !== undefined && sameBytes(other.ephemeralKey, session.ephemeralKey),
  )
  return stored !== undefined && isStored ? stored : withInitiated(stored, session)
}

function openedEvents({ kind, device, namespace }: Way): readonly OmemoEvent[] {
  return kind === 'open' ? [{ kind: 'session', device, protocol: namespace, what: 'opened' }] : []
}
