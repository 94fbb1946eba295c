/**
 * From a message that `receive` has vouched for to what it says.
 *
 *     kept already ──────────────────────────────────────────────► the same answer again
 *     `<encrypted/>` of our own ─────────────────────────────────► silent
 *     a key for us ─► session ─► payload ─► affixes ─► commit ───► message, or silent
 *                       any failure: nothing is written ─────────► unreadable
 *
 * One commit has the plaintext, the sessions, the prekey that was used, the sender's key and identity, and what must be
 * sent because of it. Opening other things than messages: `opening.ts`.
 */
import { type Effect, type Put, type Reader, StoreError } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid, Received } from '@xmpp-e2e/xml'
import { type Account, change, type Decision } from '../account.ts'
import { PUBLISH_BUNDLE } from '../device/announcement.ts'
import { type Contact, decodeContact, hasSpokenOmemo2 } from '../device/contact.ts'
import { assertDevice, decodeDevice, type OwnDevice } from '../device/own-device.ts'
import type { OmemoEvent } from '../event.ts'
import { meet } from '../keyring.ts'
import type { Decrypted, UnreadableDetail } from '../outcome.ts'
import { AXOLOTL, protocols } from '../protocol.ts'
import { records } from '../record.ts'
import type { Arrival } from '../session-list.ts'
import { encryptedElements } from '../stanza/message.ts'
import { receiveTrust } from '../trust-messages.ts'
import { isOwnEcho, MAX_SENDERS, type Reading, readElements, refOf, statedSenders } from './candidate.ts'
import { isOver, openedAt, tickCatchUp } from './catch-up.ts'
import { headerOf, lookForClone } from './clone.ts'
import { isOptOut, isTrustMessage, reasonOf } from './control.ts'
import { answerOwed } from './follow-up.ts'
import { healed, isStale, refreshList } from './healing.ts'
import { hidden } from './hidden.ts'
import { encodeKept, type KeptMessage, keyRefOf, messageOf, outsideOf, readKept } from './kept.ts'
import { beside, type Meaning, meaningOf } from './meaning.ts'
import { noteOpened } from './opened.ts'
import { type FailedElement, type OpenedElement, openFirst, recipientOf } from './opening.ts'
import { hasSeen, withSeen } from './seen.ts'

/** @internal */
export async function decrypt(account: Account, received: Received): Promise<Decrypted> {
  if (received.account !== account.jid) throw new TypeError('received: for another account')
  if (encryptedElements(received.stanza).length === 0) return { kind: 'silent', why: 'ignored' }
  const result = await attempt(account, received)
  if (result.kind !== 'reset') return result
  account.adopt(result.device)
  const again = await attempt(account, received)
  if (again.kind === 'reset') throw new TypeError('omemo: the device changes at each reading')
  return again
}

/** Another tab has started over: this one still spoke for the device that was. */
interface Reset {
  readonly kind: 'reset'
  readonly device: OwnDevice
}

async function attempt(account: Account, received: Received): Promise<Decrypted | Reset> {
  const reading = readElements(received.stanza, recipientOf(account))
  const own = ownEcho(account, reading, statedSenders(received))
  if (own === 'forged') return unreadable(received, { kind: 'failed', code: 'forged' }, 'never')
  if (own === 'own') {
    await lookForClone(account, reading, received.chat)
    return { kind: 'silent', why: 'own' }
  }
  const senders = await sendersOf(account, received, reading)
  const message: Message = { received, reading, senders, bySession: received.sender.known === 'no' }
  const run = (only?: string) =>
    change(account, [records.device, records.catchUp], async ([device, catchUp], reader) => {
      if (device === undefined && account.isStored) await assertDevice(reader)
      const stored = device && decodeDevice(device)
      if (stored !== undefined && !isSameDevice(stored, account.self))
        return { result: { answer: { kind: 'reset', device: stored } as const, isOverdue: false } }
      const isQueueFull = only !== undefined
      const decision = await decide(account, reader, { ...message, isQueueFull }, openedAt(catchUp))
      return only === undefined
        ? decision
        : { ...decision, effects: decision.effects?.filter(({ kind }) => kind === only) }
    })
  // Where a peer has filled the queue, what it is to be sent must not cost what it has said.
  const { answer, isOverdue } = await run().catch((error: unknown) => {
    if (error instanceof StoreError && error.code === 'lane-full') return run(PUBLISH_BUNDLE)
    throw error
  })
  if (isOverdue) await tickCatchUp(account)
  return answer
}

function isSameDevice(a: OwnDevice, b: OwnDevice): boolean {
  return a.deviceId === b.deviceId && a.fingerprint === b.fingerprint
}

/** @internal Accounts to try. */
export async function sendersOf(
  account: Account,
  received: Received,
  reading: Reading,
): Promise<readonly BareJid[]> {
  const stated = statedSenders(received)
  return stated.length > 0 ? stated : accountsWithDevice(account, reading)
}

interface Message {
  readonly received: Received
  readonly reading: Reading
  readonly senders: readonly BareJid[]
  readonly bySession: boolean
  /** There is no room for what it would have done but published: that must not be noted as done. */
  readonly isQueueFull?: boolean | undefined
}

interface Answer {
  readonly answer: Decrypted | Reset
  /** Catch-up is open for longer than it may be. */
  readonly isOverdue: boolean
}

async function decide(
  account: Account,
  reader: Reader,
  message: Message,
  began: number | undefined,
): Promise<Decision<Answer>> {
  const now = account.clock.now()
  const isOverdue = began !== undefined && isOver(began, now)
  const decided =
    (await again(account, reader, message)) ??
    (await first(account, reader, message, began !== undefined && !isOverdue))
  return { ...decided, result: { answer: decided.result, isOverdue } }
}

/** The answer to a message that was opened before, and not settled. */
async function again(
  account: Account,
  reader: Reader,
  { received, reading, senders }: Message,
): Promise<Decision<Decrypted> | undefined> {
  const refs = reading.candidates.flatMap((candidate) =>
    senders.map((sender) => refOf(candidate, sender, received.chat)),
  )
  const kept = await readKept(reader, refs)
  const at = kept.findIndex((found) => found !== undefined)
  const [found, ref] = [kept[at], refs[at]]
  if (found === undefined || ref === undefined) return undefined
  const { keys, ...met } = await meet(account, reader, [{ ...keyRefOf(found), device: found.sender }])
  return { ...met, result: shown(account, received, ref, found, keys[0] as Key) }
}

async function first(
  account: Account,
  reader: Reader,
  message: Message,
  isCatchingUp: boolean,
): Promise<Decision<Decrypted>> {
  const { received, reading, senders, bySession } = message
  const arrival = arrivalOf(received, account.clock.now())
  const opening = { reading, senders, bySession, arrival }
  const result = await openFirst(account, reader, opening, (inside) => meaningOf(account, received, inside))
  if (result.kind === 'opened') return stored(account, reader, received, bySession, result)
  if (await wasOpened(reader, message)) return { result: { kind: 'silent', why: 'duplicate' } }
  return failed(account, reader, message, isCatchingUp, result)
}

async function wasOpened(reader: Reader, message: Message): Promise<boolean> {
  const { received, reading, senders } = message
  const seen = senders.length > 0 ? await reader.read(senders.map(records.seen)) : []
  return senders.some((sender, i) =>
    hasSeen(
      seen[i],
      reading.candidates.map((candidate) => refOf(candidate, sender, received.chat)),
    ),
  )
}

/** @internal */
export function arrivalOf({ channel, sentAt }: Received, now: number): Arrival {
  return {
    channel: channel === 'archive' ? 'archive' : 'live',
    sentAt: Math.min(sentAt?.getTime() ?? now, now),
  }
}

async function stored(
  account: Account,
  reader: Reader,
  received: Received,
  bySession: boolean,
  element: OpenedElement<Meaning>,
): Promise<Decision<Decrypted>> {
  const { value: meaning, list, opened, contact, candidate } = element
  const { namespace, device, fingerprint } = list
  const now = account.clock.now()
  const isGroup = received.stanza.attrs.type === 'groupchat'
  const trust = isGroup ? undefined : meaning.control.find(isTrustMessage)
  const optOut = isGroup || received.own ? undefined : meaning.control.find(isOptOut)
  const sender = { owner: device.jid, fingerprint, device }
  // Of a key that nobody would encrypt to: a server can add one, and have it ask for plain text.
  const isOptedOut = (key: Key) => optOut !== undefined && account.policy.maySend(key.level)
  const { key, ...noted } = await noteOpened(account, reader, element, {
    introduce: trust && ((by) => receiveTrust(account, by, sender, { element: trust, at: meaning.time })),
    note: (contact, key) =>
      isOptedOut(key) && optOut ? { ...contact, optedOut: { at: now, reason: reasonOf(optOut) } } : contact,
    tellsDowngrade: true,
  })
  const isDowngraded = namespace === AXOLOTL && hasSpokenOmemo2(contact, device.id, fingerprint)
  const isUnlisted = isMissing(contact, device.id)
  const events: OmemoEvent[] = [...noted.events]
  const effects: Effect[] = [...noted.effects]
  if (optOut && isOptedOut(key)) events.push({ kind: 'opted-out', jid: device.jid, reason: reasonOf(optOut) })
  if (account.policy.mayShow(key.level))
    effects.push(...answerOwed(list, { ...opened, heartbeat: opened.heartbeat && !meaning.isEmpty }))
  if (received.channel !== 'archive' && isUnlisted !== false && isStale(contact, now))
    effects.push(refreshList(contact))
  const ref = refOf(candidate, device.jid, received.chat)
  const [seen] = await reader.read([records.seen(device.jid)])
  const opening: readonly Put[] = [...noted.put, [records.seen(device.jid), withSeen(seen, ref)]]
  const decision = { delete: noted.delete, events, effects }
  if (meaning.plaintext === undefined)
    return { ...decision, put: opening, result: { kind: 'silent', why: 'control' } }

  const unauthenticated = namespace === AXOLOTL ? beside(received.stanza) : []
  const kept: KeptMessage = {
    protocol: namespace,
    sender: device,
    fingerprint,
    chat: received.chat,
    own: received.own || device.jid === account.jid,
    sentAt: received.sentAt?.getTime(),
    openedAt: now,
    counter: headerOf(protocols[namespace], candidate.key.data)?.counter ?? 0,
    warnings: [
      ...meaning.warnings,
      ...(isDowngraded ? (['namespace-downgraded'] as const) : []),
      ...(isUnlisted === true ? (['device-unlisted'] as const) : []),
      ...(bySession ? (['sender-by-session'] as const) : []),
    ],
    plaintext: meaning.plaintext,
    ...outsideOf(received.stanza, unauthenticated),
  }
  const encoded = encodeKept(kept)
  const put: Put[] = [...opening, [records.kept(ref), encoded]]
  const gone = [...noted.delete]
  if (!account.policy.mayShow(key.level)) {
    const others = await hidden(account, reader, device.jid, ref, encoded.length)
    put.push(others.put)
    gone.push(...others.delete)
  }
  return { ...decision, put, delete: gone, result: shown(account, received, ref, kept, key) }
}

/** Whether the device is in none of the lists; `undefined` where no list is known. */
function isMissing({ lists }: Contact, id: number): boolean | undefined {
  const known = Object.values(lists)
  if (known.length === 0) return undefined
  return !known.some(({ devices }) => devices.some((device) => device.id === id))
}

function shown(account: Account, received: Received, ref: string, kept: KeptMessage, key: Key): Decrypted {
  if (account.policy.mayShow(key.level)) return messageOf(ref, kept, key)
  const { protocol: namespace, sender: device } = kept
  const failed: FailedElement = { kind: 'failed', code: 'key-distrusted', device, namespace }
  return unreadable(received, failed, 'after-decision', ref)
}

type Retry = Extract<Decrypted, { readonly kind: 'unreadable' }>['retry']

function unreadable(
  { chat }: Received,
  { code, path, device, namespace }: FailedElement,
  retry: Retry,
  ref?: string,
): Decrypted {
  const detail: UnreadableDetail = {
    chat,
    ...(device && { sender: device }),
    ...(namespace && { protocol: namespace }),
    ...(ref !== undefined && { ref }),
    ...(path !== undefined && { path }),
  }
  return { kind: 'unreadable', code, retry, detail }
}

async function failed(
  account: Account,
  reader: Reader,
  { received, reading, bySession, isQueueFull }: Message,
  isCatchingUp: boolean,
  failure: FailedElement,
): Promise<Decision<Decrypted>> {
  const { code } = failure
  if (code === 'message-duplicate') return { result: { kind: 'silent', why: 'duplicate' } }
  // What manages the session of another device of this account: servers give it to all of them.
  if (code === 'not-for-this-device' && reading.elements.every(({ encrypted }) => !encrypted.payload))
    return { result: { kind: 'silent', why: 'control' } }
  // The key exchange of its session may be on a page that is not read yet.
  const isTooEarly = code === 'session-missing' || code === 'message-authentication-failed'
  const retry = isCatchingUp && isTooEarly ? 'after-catch-up' : 'never'
  if (received.channel === 'archive') {
    const told = code === 'session-missing' ? 'archived-session-missing' : code
    return { result: unreadable(received, { ...failure, code: told }, retry) }
  }
  const result = unreadable(received, failure, retry)
  if (code !== 'session-missing' || bySession || isQueueFull) return { result }
  return { ...(await healed(account, reader, failure)), result }
}

function ownEcho(account: Account, { elements, candidates }: Reading, senders: readonly BareJid[]) {
  const recipient = recipientOf(account)
  const [sender] = senders
  // A room that does not say whose message it is gives back our own, too.
  if (sender === undefined)
    return candidates.length === 0 && elements.some(({ encrypted }) => encrypted.sid === recipient.deviceId)
      ? 'own'
      : undefined
  const found = elements.map((element) => isOwnEcho(element, sender, recipient))
  return senders.length > 1 ? undefined : (found.find((kind) => kind === 'forged') ?? found.find(Boolean))
}

/** Accounts that have a device of such an id, for messages of which nothing else says who sent them. */
async function accountsWithDevice(account: Account, { elements }: Reading): Promise<readonly BareJid[]> {
  const ids = new Set(elements.map(({ encrypted }) => encrypted.sid))
  const { entries } = await account.store.list(records.allContacts)
  return entries
    .map(([, value]) => decodeContact(value))
    .filter(({ devices }) => devices.some(({ id, identities }) => ids.has(id) && identities.length > 0))
    .map(({ jid }) => jid)
    .slice(0, MAX_SENDERS)
}
