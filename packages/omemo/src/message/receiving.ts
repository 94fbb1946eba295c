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
import type { Effect, HandleOptions, Put, QueuedEffect, Reader } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import { type BareJid, type Element, elements, type Received, withContent } from '@xmpp-e2e/xml'
import { type Account, change, type Decision } from '../account.ts'
import { type Contact, decodeContact, encodeContact, withDevice } from '../device/contact.ts'
import { refreshLists } from '../device/device-lists.ts'
import { decodeEnvelope } from '../envelope.ts'
import { checkAffixes } from '../envelope-affixes.ts'
import type { OmemoEvent } from '../event.ts'
import { meet } from '../keyring.ts'
import type { Decrypted, WarningCode } from '../outcome.ts'
import { payloadCiphers } from '../payload.ts'
import { AXOLOTL, OMEMO_2, protocols } from '../protocol.ts'
import { records } from '../record.ts'
import type { Arrival } from '../session-list.ts'
import { encryptedElements } from '../stanza/message.ts'
import { receiveTrust } from '../trust-messages.ts'
import { isOwnEcho, MAX_SENDERS, type Reading, readElements, refOf, statedSenders } from './candidate.ts'
import { isOver, openedAt, tickCatchUp } from './catch-up.ts'
import { headerOf, lookForClone } from './clone.ts'
import { isControl, isOptOut, isTrustMessage, reasonOf } from './control.ts'
import { sendEmpty } from './follow-up.ts'
import { contentOf, encodeKept, type KeptMessage, keyRefOf, messageOf, outsideOf, readKept } from './kept.ts'
import {
  type FailedElement,
  type Inside,
  type OpenedElement,
  openFirst,
  recipientOf,
  settleOpened,
} from './opening.ts'

/** XEP-0384 §6 lets us open a session when there is none: once a day for each device, or failures could be made to loop. */
export const HEAL_MS = 86_400_000

/** How old a list may be before a message of a device that is not in it has it read again: ten minutes. */
export const UNLISTED_REFRESH_MS = 600_000

/** @internal */
export async function decrypt(account: Account, received: Received): Promise<Decrypted> {
  if (received.account !== account.jid) throw new TypeError('received: for another account')
  const { stanza, chat } = received
  if (encryptedElements(stanza).length === 0) return { kind: 'silent', why: 'ignored' }
  const reading = readElements(stanza, recipientOf(account))
  const stated = statedSenders(received)
  const own = ownEcho(account, reading, stated)
  if (own === 'forged') return unreadable(received, { kind: 'failed', code: 'forged' }, 'never')
  if (own === 'own') {
    await lookForClone(account, reading, chat)
    return { kind: 'silent', why: 'own' }
  }
  const bySession = received.sender.known === 'no'
  const senders = stated.length > 0 ? stated : await accountsWithDevice(account, reading)
  const message: Message = { received, reading, senders, bySession }
  const { answer, isOverdue } = await change(account, [records.catchUp], ([catchUp], reader) =>
    decide(account, reader, message, openedAt(catchUp)),
  )
  if (isOverdue) await tickCatchUp(account)
  return answer
}

interface Message {
  readonly received: Received
  readonly reading: Reading
  readonly senders: readonly BareJid[]
  readonly bySession: boolean
}

interface Answer {
  readonly answer: Decrypted
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
  { received, reading, senders, bySession }: Message,
  isCatchingUp: boolean,
): Promise<Decision<Decrypted>> {
  const arrival = arrivalOf(received, account.clock.now())
  const opening = { reading, senders, bySession, arrival }
  const result = await openFirst(account, reader, opening, (inside) => meaningOf(account, received, inside))
  return result.kind === 'opened'
    ? stored(account, reader, received, bySession, result)
    : failed(account, reader, received, bySession, isCatchingUp, result)
}

function arrivalOf({ channel, sentAt }: Received, now: number): Arrival {
  return {
    channel: channel === 'archive' ? 'archive' : 'live',
    sentAt: Math.min(sentAt?.getTime() ?? now, now),
  }
}

/** What is inside: nothing, or something for people, for trust, for this package. */
interface Meaning {
  /** Of a message with content that is to be shown. */
  readonly plaintext?: Inside['keyMaterial'] | undefined
  readonly warnings: readonly WarningCode[]
  /** Neither empty nor a key: answering one that is with one that is could go on for ever. */
  readonly isEmpty: boolean
  readonly control: readonly Element[]
  readonly time: Date | undefined
}

const NOTHING: Meaning = { warnings: [], isEmpty: true, control: [], time: undefined }

/** @throws OmemoError when the payload is not what the key is for, or not for this stanza */
function meaningOf(account: Account, received: Received, inside: Inside): Meaning {
  const { namespace, keyMaterial, payload, iv, sender } = inside
  const cipher = payloadCiphers[namespace]
  const purpose = cipher.classify({ hasPayload: payload !== undefined, keyMaterial })
  if (purpose !== 'message' || payload === undefined) return NOTHING
  const plaintext = cipher.open({ payload, keyMaterial, iv })
  if (namespace === AXOLOTL) {
    contentOf(namespace, plaintext)
    return { ...NOTHING, isEmpty: false, plaintext }
  }
  const envelope = decodeEnvelope(plaintext)
  const { stanza, chat, channel, sentAt } = received
  const { content, warnings } = checkAffixes(envelope, {
    kind: stanza.attrs.type === 'groupchat' ? 'groupchat' : 'chat',
    account: account.jid,
    chat,
    sender: sender.jid,
    sentAt: sentAt ?? (channel === 'live' ? new Date(account.clock.now()) : undefined),
  })
  const hasContent = content.some((el) => !isControl(el))
  return {
    isEmpty: false,
    warnings,
    control: content.filter(isControl),
    time: envelope.time,
    plaintext: hasContent ? plaintext : undefined,
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
  const isOptedOut = (key: Key) => optOut !== undefined && account.policy.mayShow(key.level)
  const { key, ...settled } = await settleOpened(account, reader, element, {
    introduce:
      trust &&
      ((by) => receiveTrust(account, by, unmet(account, element), { element: trust, at: meaning.time })),
    note: (noted, key) =>
      isOptedOut(key) && optOut ? { ...noted, optedOut: { at: now, reason: reasonOf(optOut) } } : noted,
  })
  const isDowngraded = namespace === AXOLOTL && hasSpokenOmemo2(contact, device.id, fingerprint)
  const isUnlisted = isMissing(contact, device.id)
  const events: OmemoEvent[] = [...settled.events]
  const effects: Effect[] = [...settled.effects]
  if (optOut && isOptedOut(key)) events.push({ kind: 'opted-out', jid: device.jid, reason: reasonOf(optOut) })
  if (isDowngraded && opened.usedPreKeyId !== undefined) events.push({ kind: 'downgraded', device, key })
  if (account.policy.mayShow(key.level)) {
    const on = opened.ephemeralKey
    if (opened.completion) effects.push(sendEmpty(namespace, device, fingerprint, { why: 'completion', on }))
    else if (opened.heartbeat && !meaning.isEmpty)
      effects.push(sendEmpty(namespace, device, fingerprint, { why: 'heartbeat', on }))
  }
  if (received.channel !== 'archive' && isUnlisted !== false && isStale(contact, now))
    effects.push(refreshList(device.jid))
  const decision = { delete: settled.delete, events, effects }
  if (meaning.plaintext === undefined)
    return { ...decision, put: settled.put, result: { kind: 'silent', why: 'control' } }

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
  const ref = refOf(candidate, device.jid, received.chat)
  const put: readonly Put[] = [...settled.put, [records.kept(ref), encodeKept(kept)]]
  return { ...decision, put, result: shown(account, received, ref, kept, key) }
}

/** Who a trust message comes from, before its key was met. */
function unmet({ jid }: Account, { list }: OpenedElement<unknown>): Key {
  const owner = list.device.jid
  return { owner, fingerprint: list.fingerprint, protocol: OMEMO_2, level: 'undecided', own: owner === jid }
}

function hasSpokenOmemo2(contact: Contact, id: number, fingerprint: string): boolean {
  const device = contact.devices.find((known) => known.id === id)
  return device?.identities.some((one) => one.fingerprint === fingerprint && one.edwards) ?? false
}

/** Whether the device is in none of the lists; `undefined` where no list is known. */
function isMissing({ lists }: Contact, id: number): boolean | undefined {
  const known = Object.values(lists)
  if (known.length === 0) return undefined
  return !known.some(({ devices }) => devices.some((device) => device.id === id))
}

function isStale({ lists, retryAt = {} }: Contact, now: number): boolean {
  const isRecent = (at: number) => at <= now && now - at < UNLISTED_REFRESH_MS
  if (Object.values(lists).some(({ at }) => isRecent(at))) return false
  return !Object.values(retryAt).some((at) => at > now)
}

/** @internal Kind of the effect that reads the lists of an account again. */
export const REFRESH_LIST = 'refresh-list'

function refreshList(jid: BareJid): Effect {
  return { lane: `lists of ${jid}`, kind: REFRESH_LIST, key: jid, payload: new Uint8Array() }
}

/** @internal Handles `REFRESH_LIST`, as far as it goes now: the next message of such a device asks again. */
export async function handleRefreshList(
  account: Account,
  { key }: QueuedEffect,
  { signal }: HandleOptions,
): Promise<void> {
  await refreshLists(account, [key as BareJid], { fresh: true, signal })
}

/** What a message of 0.3 says outside of its payload. What only tells how it travelled, and its fallback, says nothing. */
function beside(stanza: Element): readonly Element[] {
  const harmless = new Set(elements(withContent(stanza, [])))
  const isOfOmemo = new Set(encryptedElements(stanza).map(({ element }) => element))
  return elements(stanza).filter((el) => {
    if (harmless.has(el) || isOfOmemo.has(el)) return false
    if (el.ns === 'jabber:client' && el.name === 'body') return false
    return !OUTSIDE.has(el.ns)
  })
}

const OUTSIDE: ReadonlySet<string> = new Set([
  // Occupants and their roles; fallback for a body that nobody shows.
  'http://jabber.org/protocol/muc#user',
  'urn:xmpp:fallback:0',
  'urn:xmpp:hints',
  'urn:xmpp:omemo:2',
  'eu.siacs.conversations.axolotl',
])

function shown(account: Account, received: Received, ref: string, kept: KeptMessage, key: Key): Decrypted {
  if (account.policy.mayShow(key.level)) return messageOf(ref, kept, key)
  const { protocol: namespace, sender: device } = kept
  const failed: FailedElement = { kind: 'failed', code: 'key-distrusted', device, namespace }
  return unreadable(received, failed, 'after-decision', { ref })
}

type Retry = Extract<Decrypted, { readonly kind: 'unreadable' }>['retry']

function unreadable(
  { chat }: Received,
  { code, path, device, namespace }: FailedElement,
  retry: Retry,
  more: Readonly<Record<string, string>> = {},
): Decrypted {
  const detail = {
    chat,
    ...more,
    ...(device && { sender: device.jid, device: String(device.id) }),
    ...(namespace && { namespace }),
    ...(path !== undefined && { path }),
  }
  return { kind: 'unreadable', code, retry, detail }
}

async function failed(
  account: Account,
  reader: Reader,
  received: Received,
  bySession: boolean,
  isCatchingUp: boolean,
  failure: FailedElement,
): Promise<Decision<Decrypted>> {
  const { code } = failure
  if (code === 'message-duplicate') return { result: { kind: 'silent', why: 'duplicate' } }
  // The key exchange of its session may be on a page that is not read yet.
  const isTooEarly = code === 'session-missing' || code === 'message-authentication-failed'
  const retry = isCatchingUp && isTooEarly ? 'after-catch-up' : 'never'
  if (received.channel === 'archive') {
    const told = code === 'session-missing' ? 'archived-session-missing' : code
    return { result: unreadable(received, { ...failure, code: told }, retry) }
  }
  const result = unreadable(received, failure, retry)
  if (code !== 'session-missing' || bySession) return { result }
  return { ...(await healed(account, reader, failure)), result }
}

/** XEP-0384 §6: of no session, and of nothing else, a device is told by a new one. */
async function healed(
  account: Account,
  reader: Reader,
  { device, namespace, contact }: FailedElement,
): Promise<Omit<Decision<unknown>, 'result'>> {
  if (device === undefined || namespace === undefined || contact === undefined) return {}
  const now = account.clock.now()
  const isListed = contact.lists[namespace]?.devices.some(({ id }) => id === device.id) ?? false
  const known = contact.devices.find(({ id }) => id === device.id)
  if (!isListed) return isStale(contact, now) ? { effects: [refreshList(device.jid)] } : {}
  const last = known?.healedAt
  if (last !== undefined && last <= now && now - last < HEAL_MS) return {}
  // The bundle says whose key it is now, and is asked again; but of one that is not sent to, nothing is asked.
  const newest = known?.identities[0]
  if (newest !== undefined) {
    const [met] = (await meet(account, reader, [{ owner: device.jid, fingerprint: newest.fingerprint }])).keys
    if (met && !account.policy.maySend(met.level)) return {}
  }
  const noted = withDevice(contact, { identities: [], ...known, id: device.id, healedAt: now })
  return {
    put: [[records.contact(device.jid), encodeContact(noted)]],
    effects: [sendEmpty(namespace, device, newest?.fingerprint ?? '', { why: 'heal' })],
  }
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
