/**
 * Opens `<encrypted/>`, whatever it is in: a message, an IQ, the `<security/>` of a file transfer.
 *
 *     change(account, [], async (_, reader) => {
 *       const opened = await openElement(account, reader, { element, senders, arrival }, interpret)
 *       if (opened.kind === 'failed') return { result: … opened.code … }
 *       const { key, ...noted } = await noteOpened(account, reader, opened)
 *       return { ...noted, result: … opened.value, key … }
 *     })
 *
 * `interpret` gets what the ratchet carried and the payload beside it, and says what it means; what it throws, an
 * `OmemoError`, is a failure like that of a MAC: nothing of the store changes.
 */
import type { Effect, Put, Reader } from '@xmpp-e2e/store'
import type { BareJid, Element } from '@xmpp-e2e/xml'
import { type Account, compute } from '../account.ts'
import { type Bytes, sameBytes } from '../bytes.ts'
import { publishBundle } from '../device/announcement.ts'
import { type Contact, decodeContact, newContact } from '../device/contact.ts'
import { OmemoError } from '../error.ts'
import { fingerprint } from '../identity-key.ts'
import { decodeKeys } from '../key-records.ts'
import type { DeviceRef, UnreadableCode } from '../outcome.ts'
import { consumePreKey, decodePreKeys, encodePreKeys, type PreKeys } from '../pre-keys.ts'
import { AXOLOTL, type Namespace, protocols } from '../protocol.ts'
import { records } from '../record.ts'
import { type Arrival, decryptMessage, type Opened } from '../session-list.ts'
import { readListsOf, recordsOfList, type SessionListRef, type StoredList } from '../session-records.ts'
import type { KeyExchange } from '../wire/wire.ts'
import { type Candidate, type Reading, type Recipient, readElements } from './candidate.ts'
import {
  decodeSpent,
  encodeSpent,
  findUse,
  isOver,
  nothingSpent,
  openedAt,
  type Spent,
  usablePreKeys,
  userOf,
  withUse,
} from './catch-up.ts'

/**
 * Identities of one device id whose sessions are kept, and tried for a message that is no key exchange: above, those go
 * first that are not sent to, and that nobody has answered. Each session costs a Diffie-Hellman to try, so 8 × 9 × 1.2 ms.
 */
export const MAX_LISTS_PER_DEVICE = 8

/** @internal What is to be opened. */
export interface Opening {
  readonly reading: Reading
  readonly senders: readonly BareJid[]
  /**
   * Nobody but the session says who it is: then a key exchange counts only from an identity that the device of that
   * account has shown before.
   */
  readonly bySession: boolean
  readonly arrival: Arrival
}

/** @internal What was in a `<key/>`, and what is beside it. */
export interface Inside {
  readonly namespace: Namespace
  readonly sender: DeviceRef
  readonly keyMaterial: Bytes
  readonly payload: Bytes | undefined
  readonly iv: Bytes | undefined
}

/** @internal Authenticated; to be stored with `noteOpened`. */
export interface OpenedElement<T> {
  readonly kind: 'opened'
  readonly value: T
  readonly candidate: Candidate
  readonly list: SessionListRef
  readonly before: StoredList | undefined
  readonly opened: Opened
  readonly arrival: Arrival
  readonly contact: Contact
  readonly storedContact: Bytes | undefined
  /** Puts and deletes of prekeys and of lists that had to go. */
  readonly put: readonly Put[]
  readonly delete: readonly string[]
  readonly effects: readonly Effect[]
}

/** @internal Nothing has changed. */
export interface FailedElement {
  readonly kind: 'failed'
  readonly code: UnreadableCode
  readonly path?: string | undefined
  /** The account and device it was tried for, if one was. */
  readonly device?: DeviceRef | undefined
  readonly namespace?: Namespace | undefined
  /** Whose device it would be, as far as known. */
  readonly contact?: Contact | undefined
}

/** @internal */
export function recipientOf({ jid, self, namespaces }: Account): Recipient {
  return { jid, deviceId: self.deviceId, namespaces }
}

/** @internal Reads the elements and opens the first key that can be, within a change. */
export function openElement<T>(
  account: Account,
  reader: Reader,
  { element, ...opening }: Omit<Opening, 'reading'> & { readonly element: Element },
  interpret: (inside: Inside) => T,
): Promise<OpenedElement<T> | FailedElement> {
  const reading = readElements(element, recipientOf(account))
  return openFirst(account, reader, { ...opening, reading }, interpret)
}

/** @internal The same of elements that were read. */
export async function openFirst<T>(
  account: Account,
  reader: Reader,
  { reading, senders, bySession, arrival }: Opening,
  interpret: (inside: Inside) => T,
): Promise<OpenedElement<T> | FailedElement> {
  const { candidates, failure } = reading
  let worst: FailedElement | undefined
  if (candidates.length > 0 && senders.length === 0) worst = { kind: 'failed', code: 'sender-unknown' }
  const values =
    senders.length > 0 ? await reader.read([records.catchUp, ...senders.map(records.contact)]) : []
  const [catchUp, ...contacts] = values
  const known = contacts.flatMap((bytes) => bytes ?? []).map((bytes) => decodeContact(bytes))
  const began = openedAt(catchUp)
  const isCatchingUp = began !== undefined && !isOver(began, account.clock.now())
  for (const candidate of candidates) {
    for (const [i, sender] of senders.entries()) {
      const attempt: Attempt = {
        candidate,
        device: { jid: sender, id: candidate.encrypted.sid },
        storedContact: contacts[i],
        contact: contacts[i] ? decodeContact(contacts[i]) : newContact(sender),
        bySession,
        namesakes: known.filter(({ jid }) => jid !== sender),
        arrival,
        isCatchingUp,
      }
      const result = await open(account, reader, attempt, interpret)
      if (result.kind === 'opened' || result.code === 'message-duplicate') return result
      worst = worse(worst, result)
    }
  }
  if (worst !== undefined) return worst
  if (failure !== undefined) return { kind: 'failed', code: failure.code, path: failure.path }
  return { kind: 'failed', code: 'not-for-this-device' }
}

interface Attempt {
  readonly candidate: Candidate
  readonly device: DeviceRef
  readonly storedContact: Bytes | undefined
  readonly contact: Contact
  readonly bySession: boolean
  /** The other accounts that are tried. */
  readonly namesakes: readonly Contact[]
  readonly arrival: Arrival
  readonly isCatchingUp: boolean
}

/** What a failure tells about the message, least first; all others are between. */
const LEAST_TELLING: readonly UnreadableCode[] = ['sender-unknown', 'message-malformed', 'session-missing']
const MOST_TELLING: readonly UnreadableCode[] = [
  'message-gap-too-big',
  'payload-authentication-failed',
  'envelope-malformed',
  'envelope-affix-mismatch',
]

function worse(before: FailedElement | undefined, failed: FailedElement): FailedElement {
  return before === undefined || telling(failed.code) > telling(before.code) ? failed : before
}

function telling(code: UnreadableCode): number {
  const least = LEAST_TELLING.indexOf(code)
  return least >= 0 ? least : LEAST_TELLING.length + 1 + MOST_TELLING.indexOf(code)
}

async function open<T>(
  account: Account,
  reader: Reader,
  attempt: Attempt,
  interpret: (inside: Inside) => T,
): Promise<OpenedElement<T> | FailedElement> {
  const { candidate, device, contact } = attempt
  const { namespace, key } = candidate
  const failed = (code: UnreadableCode, path?: string): FailedElement => ({
    kind: 'failed',
    code,
    path,
    device,
    namespace,
    contact,
  })
  try {
    const lists = await readListsOf(reader, namespace, device)
    const { wire } = protocols[namespace]
    const result = wire.isKeyExchange(key.data)
      ? await openExchange(account, reader, attempt, lists, wire.decodeKeyExchange(key.data))
      : await openWithLists(account, attempt, lists)
    if (typeof result === 'string') return failed(result)
    const { payload, iv } = candidate.encrypted
    const value = interpret({
      namespace,
      sender: device,
      keyMaterial: result.opened.plaintext,
      payload,
      iv,
    })
    const { storedContact, arrival } = attempt
    return { kind: 'opened', value, candidate, arrival, contact, storedContact, ...result }
  } catch (error) {
    if (!(error instanceof OmemoError) || isOfState(error)) throw error
    return failed(error.code, error.path)
  }
}

/** Damage of the store is not the message's. */
function isOfState({ code }: OmemoError): boolean {
  return code === 'state-malformed' || code === 'state-version-unknown'
}

type Result = Pick<OpenedElement<unknown>, 'list' | 'before' | 'opened' | 'put' | 'delete' | 'effects'>

/** A message that is no key exchange belongs to one of the sessions that there are, under whichever identity. */
async function openWithLists(
  account: Account,
  { candidate, arrival }: Attempt,
  lists: readonly StoredList[],
): Promise<Result> {
  const { namespace, key } = candidate
  let failure: OmemoError | undefined
  for (const before of inOrderOfUse(lists)) {
    try {
      const state = { self: account.self, preKeys: NO_PRE_KEYS, sessions: before.sessions }
      const opened = await compute(account, decryptMessage(protocols[namespace], state, key.data, arrival))
      return { list: before.ref, before, opened, put: [], delete: [], effects: [] }
    } catch (error) {
      if (!(error instanceof OmemoError)) throw error
      if (error.code === 'message-duplicate') throw error
      if (failure?.code !== 'message-gap-too-big') failure = error
    }
  }
  throw failure ?? new OmemoError('session-missing', 'message: no session with this device')
}

/** Only key exchanges look at prekeys. */
const NO_PRE_KEYS: PreKeys = {
  signed: { id: 0, secret: new Uint8Array(), publicKey: new Uint8Array() },
  previousSigned: undefined,
  oneTime: [],
  nextId: 1,
}

function inOrderOfUse(lists: readonly StoredList[]): readonly StoredList[] {
  return [...lists].sort((a, b) => b.sessions.current.stamp - a.sessions.current.stamp)
}

/** A key exchange says of whose identity it is, so it concerns that list, or makes it. */
async function openExchange(
  account: Account,
  reader: Reader,
  { candidate, device, contact, bySession, namesakes, arrival, isCatchingUp }: Attempt,
  lists: readonly StoredList[],
  exchange: KeyExchange,
): Promise<Result | UnreadableCode> {
  const { namespace, key } = candidate
  const protocol = protocols[namespace]
  const identity = protocol.readIdentity(exchange.identityKey, 'key exchange/identity key')
  const list: SessionListRef = { namespace, device, fingerprint: fingerprint(identity) }
  const before = lists.find(({ ref }) => ref.fingerprint === list.fingerprint)
  const hasShown = ({ devices }: Contact): boolean =>
    devices.some(
      ({ id, identities }) =>
        id === device.id && identities.some((shown) => shown.fingerprint === list.fingerprint),
    )
  // Anybody can publish the bundle of another one as their own: then it says nothing about who it is.
  if (bySession && (!hasShown(contact) || (namespace === AXOLOTL && namesakes.some(hasShown))))
    return 'sender-unknown'

  const names = [records.preKeys(namespace), records.spent(namespace)]
  const [storedPreKeys, storedSpent] = await reader.read(isCatchingUp ? names : names.slice(0, 1))
  const preKeys = storedPreKeys ? decodePreKeys(storedPreKeys) : NO_PRE_KEYS
  const spent = isCatchingUp ? decodeSpent(storedSpent) : nothingSpent
  const use = findUse(spent, exchange.ephemeralKey)
  if (use !== undefined && !sameBytes(use.user, userOf(list))) return 'forged'

  const usable = usablePreKeys(preKeys, spent)
  const isKept = before && hasSession(before, exchange.ephemeralKey)
  if (use !== undefined && !isKept)
    throw new OmemoError('message-duplicate', 'key exchange: of a session that is no longer kept')
  const state = { self: account.self, preKeys: usable, sessions: before?.sessions }
  const opened = await compute(account, decryptMessage(protocol, state, key.data, arrival))
  const used = usable.oneTime.find(({ id }) => id === opened.usedPreKeyId)
  const surplus = before === undefined ? await surplusOf(account, reader, lists) : []
  const result = { list, before, opened, delete: surplus.flatMap(({ ref }) => recordsOfList(ref)) }
  if (used === undefined) return { ...result, put: [], effects: [] }

  const put: Put[] = []
  const wasOurs = preKeys.oneTime.some(({ id }) => id === used.id)
  if (wasOurs) put.push([records.preKeys(namespace), encodePreKeys(consumePreKey(preKeys, used.id))])
  if (isCatchingUp) {
    const { ephemeralKey } = exchange
    const next: Spent = withUse(spent, used, { ephemeralKey, user: userOf(list) })
    put.push([records.spent(namespace), encodeSpent(next)])
  }
  return { ...result, put, effects: wasOurs ? [publishBundle(namespace)] : [] }
}

function hasSession({ sessions }: StoredList, ephemeralKey: Uint8Array): boolean {
  return [sessions.current, ...sessions.archived].some((one) => sameBytes(one.ephemeralKey, ephemeralKey))
}

/** Lists that must go before another identity gets one: those last whose key is sent to, and that somebody has answered. */
async function surplusOf(
  account: Account,
  reader: Reader,
  lists: readonly StoredList[],
): Promise<readonly StoredList[]> {
  const surplus = lists.length + 1 - MAX_LISTS_PER_DEVICE
  const [first] = lists
  if (surplus <= 0 || first === undefined) return []
  const [keys] = await reader.read([records.keysOf(first.ref.device.jid)])
  const sentTo = new Set(
    decodeKeys(keys).flatMap(({ fingerprint, level }) => (account.policy.maySend(level) ? fingerprint : [])),
  )
  const worth = ({ ref, sessions }: StoredList): number =>
    (sentTo.has(ref.fingerprint) ? 2 : 0) + (sessions.current.exchange.state === 'confirmed' ? 1 : 0)
  const age = ({ sessions }: StoredList) => sessions.current.stamp
  return [...lists].sort((a, b) => worth(a) - worth(b) || age(a) - age(b)).slice(0, surplus)
}
