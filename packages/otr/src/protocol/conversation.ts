/**
 * What is known of one address of the peer's, a full JID in XMPP: a session for each instance of the peer's client, which
 * names itself by a tag in version 3 and cannot in version 2. All of it is readonly data; every function of
 * `incoming.ts`, `outgoing.ts` and `handshake.ts` gives a new conversation.
 */

import type { Group } from '../arithmetic/group.ts'
import type { DsaPrivateKey } from '../dsa/dsa.ts'
import type { Bytes, Random } from '../wire/bytes.ts'
import type { Ake, AkeMessage } from './ake.ts'
import { encodeMessage, MAX_MESSAGE_BYTES } from './encoded-message.ts'
import type { ConversationEvent } from './event.ts'
import { type Assemblies, fragmentMessage, MAX_INSTANCES } from './fragment.ts'
import { encodeHeader, MIN_INSTANCE_TAG, type Version } from './header.ts'
import type { Policy } from './policy.ts'
import { type Session, type SessionMeans, viewSession } from './session.ts'

/** All that is known of one address. Keep it in memory only: it holds keys. */
export interface Conversation {
  /** Of this client, kept for the account on this device. */
  readonly ourTag: number
  /** Those with a key exchange or a session; who was silent for longest comes first. */
  readonly instances: readonly Instance[]
  /** Whom messages go to: only ever changed by a key exchange with the expected key, or by the user. */
  readonly active: number | undefined
  /** The fingerprint of the key that messages are meant for. */
  readonly expected: string | undefined
  /** A commit to whoever answers: in version 3 several instances may. */
  readonly broadcast: Broadcast | undefined
  /** Messages of which pieces have come. */
  readonly assemblies: Assemblies
  /** When we last asked, and when a message of a key exchange last went out. */
  readonly queriedAt: number | undefined
  readonly steppedAt: number | undefined
  /** When error replies went out. */
  readonly errorsAt: readonly number[]
  /** An error reply went out that there is no session; there is one at most until there is. */
  readonly saidUnready: boolean
  /** The peer has answered a whitespace tag by plaintext without one. */
  readonly tagDeclined: boolean
  readonly tagSent: boolean
  /** The highest version that was spoken with each key. */
  readonly highest: readonly KeyVersion[]
}

/** The highest version that was spoken with the key of a fingerprint, 40 digits of hex. */
export interface KeyVersion {
  readonly fingerprint: string
  readonly version: Version
}

/** One client of the peer's: a key exchange under way, a session, or both. */
export interface Instance {
  /** 0 in version 2. */
  readonly tag: number
  readonly ake: Ake
  readonly retry: Retry | undefined
  readonly session: Session
}

/** When a fresh commit goes out in case nobody has answered, in milliseconds, and how many still may. */
export interface Retry {
  readonly due: number
  readonly left: number
}

export interface Broadcast {
  readonly ake: Extract<Ake, { state: 'awaiting-dh-key' }>
  readonly retry: Retry | undefined
  readonly sentAt: number
  /** Tags of those who have answered: no one may twice, or two sessions would share x. */
  readonly answered: readonly number[]
}

/** What every step needs besides the conversation. */
export interface OtrMeans {
  readonly policy: Policy
  readonly key: DsaPrivateKey
  readonly group: Group
  readonly random: Random
  /** Milliseconds. */
  readonly now: number
}

/** What was done: the conversation afterwards, texts to send in this order, and what happened. */
export interface OtrStep {
  readonly conversation: Conversation
  readonly send: readonly string[]
  readonly events: readonly ConversationEvent[]
}

/** Versions of so many keys of one contact are remembered, to notice a downgrade; less than 1 KiB in a store. */
export const MAX_REMEMBERED_KEYS = 16

/**
 * Before anything was said. `highest` is what is known from before, to notice a downgrade.
 *
 * @throws RangeError for an instance tag below 100 hexadecimal
 */
export function createConversation(ourTag: number, highest: readonly KeyVersion[] = []): Conversation {
  if (!Number.isInteger(ourTag) || ourTag < MIN_INSTANCE_TAG || ourTag > 0xffff_ffff)
    throw new RangeError('ourTag: expected 0x100 … 0xffffffff')
  return {
    ourTag,
    instances: [],
    active: undefined,
    expected: undefined,
    broadcast: undefined,
    assemblies: [],
    queriedAt: undefined,
    steppedAt: undefined,
    errorsAt: [],
    saidUnready: false,
    tagDeclined: false,
    tagSent: false,
    highest,
  }
}

/** One more version that was spoken. A lower one than before takes nothing away: that is how it is noticed. */
export function withKeyVersion(
  known: readonly KeyVersion[],
  { fingerprint, version }: KeyVersion,
): readonly KeyVersion[] {
  const before = known.find((one) => one.fingerprint === fingerprint)
  const others = known.filter((one) => one !== before)
  const highest = before?.version === 3 ? 3 : version
  return [...others, { fingerprint, version: highest }].slice(-MAX_REMEMBERED_KEYS)
}

/** Nothing to say. */
export function quiet(conversation: Conversation, ...events: readonly ConversationEvent[]): OtrStep {
  return { conversation, send: [], events }
}

/** One thing after the other. */
export function after(first: OtrStep, next: (conversation: Conversation) => OtrStep): OtrStep {
  const second = next(first.conversation)
  return {
    conversation: second.conversation,
    send: [...first.send, ...second.send],
    events: [...first.events, ...second.events],
  }
}

export function findInstance({ instances }: Conversation, tag: number | undefined): Instance | undefined {
  return instances.find((instance) => instance.tag === tag)
}

/** An instance that may not be known yet. */
export function instanceOf(conversation: Conversation, tag: number): Instance {
  const fresh = { tag, ake: { state: 'none' }, retry: undefined, session: { state: 'plaintext' } } as const
  return findInstance(conversation, tag) ?? fresh
}

/** One with neither a key exchange nor a session is no instance. Tags are free: those without a session are few. */
export function putInstance(conversation: Conversation, instance: Instance): Conversation {
  const others = conversation.instances.filter(({ tag }) => tag !== instance.tag)
  if (isIdle(instance)) return { ...conversation, instances: others }
  const all = [...others, instance]
  const strangers = all.filter(({ session }) => session.state === 'plaintext')
  const friends = all.filter(
    ({ session, tag }) => session.state !== 'plaintext' && tag !== conversation.active,
  )
  const excess = new Set([...strangers.slice(0, -MAX_INSTANCES), ...friends.slice(0, -MAX_INSTANCES)])
  return { ...conversation, instances: all.filter((one) => !excess.has(one)) }
}

function isIdle({ ake, session }: Instance): boolean {
  return ake.state === 'none' && session.state === 'plaintext'
}

/** Whether there is a session, live or finished: nothing goes out in the clear then, and nothing should come so. */
export function isPrivate({ instances }: Pick<Conversation, 'instances'>): boolean {
  return instances.some(({ session }) => session.state !== 'plaintext')
}

/** Whether messages can be read and written. */
export function isEncrypted({ instances }: Pick<Conversation, 'instances'>): boolean {
  return instances.some(({ session }) => session.state === 'encrypted')
}

/** Whether it is as good as one that was just made. */
export function isUnused(conversation: Conversation): boolean {
  const { instances, broadcast, assemblies, queriedAt, errorsAt, saidUnready, tagSent } = conversation
  const isEmpty = instances.length === 0 && assemblies.length === 0 && errorsAt.length === 0
  return isEmpty && broadcast === undefined && queriedAt === undefined && !saidUnready && !tagSent
}

/** Of the instance with that tag. In version 2 there are no tags. */
export function versionOf(tag: number): Version {
  return tag === 0 ? 2 : 3
}

/** What a session with the instance needs. */
export function sessionMeans({ ourTag }: Conversation, tag: number, means: OtrMeans): SessionMeans {
  const { group, random, now, key, policy } = means
  return { group, random, now, key, ourTag: tag === 0 ? 0 : ourTag, theirTag: tag, pad: policy.pad }
}

/** That a session has begun or ended other than by a key exchange; none when it is as it was. */
export function stateEvents(tag: number, before: Session, after: Session): readonly ConversationEvent[] {
  const [from, to] = [viewSession(before), viewSession(after)]
  if (from.state === to.state) return []
  return [{ type: 'state', instance: tag, from, to, keyChanged: false, downgrade: false }]
}

/**
 * The texts of a message, in fragments where the policy limits their length.
 *
 * @throws RangeError for a message over `MAX_MESSAGE_BYTES`, which nobody would read
 */
export function textsOf(
  { ourTag }: Conversation,
  tag: number,
  version: Version,
  message: Bytes,
  { policy }: OtrMeans,
): readonly string[] {
  const text = encodeMessage(message)
  if (text.length > MAX_MESSAGE_BYTES)
    throw new RangeError(`text: longer than ${MAX_MESSAGE_BYTES} characters when encrypted`)
  const limit = policy.maxFragment
  if (limit === undefined) return [text]
  return fragmentMessage(text, { version, sender: version === 2 ? 0 : ourTag, receiver: tag, limit })
}

/** A message of a key exchange, to an instance, or to all with tag 0 in version 3. */
export function akeTexts(
  conversation: Conversation,
  tag: number,
  version: Version,
  { type, body }: AkeMessage,
  means: OtrMeans,
): readonly string[] {
  const sender = version === 2 ? 0 : conversation.ourTag
  const header = encodeHeader({ version, type, sender, receiver: tag })
  return textsOf(conversation, tag, version, Uint8Array.of(...header, ...body), means)
}

/**
 * Secrets that were in `before` and are not in `after`, to be overwritten once `after` is what counts. Keys are bytes
 * wherever they can be; numbers cannot be overwritten.
 */
export function discarded(before: Conversation, after: Conversation): readonly Uint8Array[] {
  const kept = bytesIn([after.instances, after.broadcast], new Set())
  return [...bytesIn([before.instances, before.broadcast], new Set())].filter((bytes) => !kept.has(bytes))
}

function bytesIn(value: unknown, found: Set<Uint8Array>): Set<Uint8Array> {
  if (value instanceof Uint8Array) found.add(value)
  else if (typeof value === 'object' && value !== null)
    for (const part of Object.values(value)) bytesIn(part, found)
  return found
}
