/** What the user does in a conversation. What cannot be done is `refused`, and changes nothing. */

import { utf8ToBytes } from '@noble/ciphers/utils.js'
import {
  after,
  type Conversation,
  findInstance,
  type Instance,
  isPrivate,
  type OtrMeans,
  type OtrStep,
  putInstance,
  quiet,
  sessionMeans,
  stateEvents,
  textsOf,
  versionOf,
} from './conversation.ts'
import type { RefusedReason } from './event.ts'
import { expireAssemblies, FRAGMENT_EXPIRY_MS } from './fragment.ts'
import { BROADCAST_EXPIRY_MS, queryOnce, retryHandshakes } from './handshake.ts'
import { heartbeat } from './incoming.ts'
import type { Policy } from './policy.ts'
import { buildWhitespaceTag } from './query.ts'
import {
  beginSmp,
  type EncryptedSession,
  endSession,
  replySmp,
  type SessionStep,
  sendData,
  stopSmp,
  useSymmetricKey,
} from './session.ts'
import type { Slices } from './slices.ts'
import type { Tlv } from './tlv.ts'

/**
 * A text to the active instance, encrypted to the expected key or not at all. Without a session it is refused and, if
 * the policy requires encryption, the peer asked for one.
 *
 * @throws RangeError for a text that would be longer than `MAX_MESSAGE_BYTES`
 */
export function send(
  conversation: Conversation,
  text: string,
  means: OtrMeans,
  tlvs: readonly Tlv[] = [],
): OtrStep {
  const target = targetOf(conversation)
  if (typeof target === 'string') return refuse(conversation, target, means)
  const { instance, session } = target
  const sent = sendData(session, { text, tlvs }, sessionMeans(conversation, instance.tag, means))
  return {
    conversation: putInstance(conversation, { ...instance, session: sent.session }),
    send: textsOf(conversation, instance.tag, session.version, sent.message, means),
    events: [],
  }
}

interface Target {
  readonly instance: Instance
  readonly session: EncryptedSession
}

function targetOf(conversation: Conversation, tag = conversation.active): Target | RefusedReason {
  const instance = findInstance(conversation, tag)
  if (instance === undefined) return 'not-encrypted'
  const { session } = instance
  if (session.state === 'plaintext') return 'not-encrypted'
  if (session.fingerprint !== conversation.expected) return 'key-changed'
  return session.state === 'finished' ? 'finished' : { instance, session }
}

function refuse(conversation: Conversation, reason: RefusedReason, means: OtrMeans): OtrStep {
  const refused = quiet(conversation, { type: 'refused', reason })
  if (reason !== 'not-encrypted' || !means.policy.requireEncryption) return refused
  return after(refused, (next) => queryOnce(next, means))
}

/** A text in the clear, which the user wants so, with a whitespace tag if the policy has one and it may help. */
export function sendPlain(conversation: Conversation, text: string, { policy }: OtrMeans): OtrStep {
  if (isPrivate(conversation) || policy.requireEncryption)
    return quiet(conversation, { type: 'refused', reason: 'encryption-required' })
  const isTagged = policy.sendWhitespaceTag && !conversation.tagDeclined
  return {
    conversation: isTagged ? { ...conversation, tagSent: true } : conversation,
    send: [isTagged ? text + buildWhitespaceTag(policy.versions) : text],
    events: [],
  }
}

/**
 * The user's word that messages go to this instance from now on, and to the key whose fingerprint they have seen. It is
 * `key-changed` when the session was replaced since by one with another key.
 */
export function selectInstance(conversation: Conversation, tag: number, fingerprint: string): OtrStep {
  const session = findInstance(conversation, tag)?.session
  if (session === undefined || session.state === 'plaintext')
    return quiet(conversation, { type: 'refused', reason: 'not-encrypted' })
  if (fingerprint !== session.fingerprint)
    return quiet(conversation, { type: 'refused', reason: 'key-changed' })
  return quiet({ ...conversation, active: tag, expected: fingerprint })
}

/** Ends all sessions, tells those who have them, and gives up key exchanges: the only way to plaintext (TLV 1). */
export function end(conversation: Conversation, means: OtrMeans): OtrStep {
  const ended = conversation.instances.map(({ tag, session }) => {
    const step = endSession(session, sessionMeans(conversation, tag, means))
    const told = step.events.map((event) => ({ ...event, instance: tag }))
    return {
      send: step.send.flatMap((bytes) => textsOf(conversation, tag, versionOf(tag), bytes, means)),
      events: [...told, ...stateEvents(tag, session, step.session)],
    }
  })
  return {
    conversation: {
      ...conversation,
      instances: [],
      active: undefined,
      expected: undefined,
      broadcast: undefined,
      assemblies: [],
    },
    send: ended.flatMap((one) => one.send),
    events: ended.flatMap((one) => one.events),
  }
}

/**
 * Compares a secret with the peer of an instance, by default the active one, whether or not its key is expected: that
 * is a way to find out. A question is seen by the peer's user, and makes the proof one for us only.
 *
 * @throws RangeError for a question longer than `MAX_QUESTION_BYTES`
 */
export function* startComparison(
  conversation: Conversation,
  secret: string | Uint8Array,
  means: OtrMeans,
  {
    question,
    tag = conversation.active,
  }: { readonly question?: string | undefined; readonly tag?: number | undefined } = {},
): Slices<OtrStep> {
  const at = encryptedAt(conversation, tag)
  if (at === undefined) return quiet(conversation, { type: 'refused', reason: 'not-encrypted' })
  const own = sessionMeans(conversation, at.instance.tag, means)
  return applied(
    conversation,
    at.instance,
    yield* beginSmp(at.session, bytesOf(secret), question, own),
    means,
  )
}

/** The secret that the peer has asked for (SMP message 2); `refused` with `not-now` when nobody has. */
export function* answerComparison(
  conversation: Conversation,
  secret: string | Uint8Array,
  means: OtrMeans,
  { tag = conversation.active }: { readonly tag?: number | undefined } = {},
): Slices<OtrStep> {
  const at = encryptedAt(conversation, tag)
  if (at === undefined) return quiet(conversation, { type: 'refused', reason: 'not-encrypted' })
  const own = sessionMeans(conversation, at.instance.tag, means)
  return applied(conversation, at.instance, yield* replySmp(at.session, bytesOf(secret), own), means)
}

/** Ends a comparison and tells the peer (SMP abort); nothing happens when none is under way. */
export function abortComparison(
  conversation: Conversation,
  means: OtrMeans,
  { tag = conversation.active }: { readonly tag?: number | undefined } = {},
): OtrStep {
  const at = encryptedAt(conversation, tag)
  if (at === undefined) return quiet(conversation, { type: 'refused', reason: 'not-encrypted' })
  const stopped = stopSmp(at.session, sessionMeans(conversation, at.instance.tag, means))
  return applied(conversation, at.instance, stopped, means)
}

/**
 * A key of 32 bytes for something else, a file say, which the peer gets to know as well: it is in the event. `use` is
 * an INT that both sides understand. Only in version 3, and to an instance with the expected key, by default the active.
 */
export function shareSymmetricKey(
  conversation: Conversation,
  use: number,
  data: Uint8Array,
  means: OtrMeans,
  { tag }: { readonly tag?: number | undefined } = {},
): OtrStep {
  const target = targetOf(conversation, tag)
  if (typeof target === 'string') return refuse(conversation, target, means)
  const { instance, session } = target
  if (session.version === 2) return quiet(conversation, { type: 'refused', reason: 'not-now' })
  const own = sessionMeans(conversation, instance.tag, means)
  return applied(conversation, instance, useSymmetricKey(session, use, data, own), means)
}

/** What time has brought, by `means.now`: fresh commits, heartbeats, and the end of what waited for too long. */
export function tick(conversation: Conversation, means: OtrMeans): OtrStep {
  const assemblies = expireAssemblies(conversation.assemblies, means.now)
  const retried = retryHandshakes({ ...conversation, assemblies }, means)
  return retried.conversation.instances.reduce(
    (step, { tag }) => after(step, (next) => heartbeat(next, tag, means)),
    retried,
  )
}

/** When `tick` has something to do next, in milliseconds; `undefined` when nothing waits. */
export function nextTick(conversation: Conversation, { heartbeatMs }: Policy): number | undefined {
  const { instances, broadcast, assemblies } = conversation
  const times = [
    ...instances.flatMap(({ retry, session }) => [
      retry?.due,
      session.state === 'encrypted' && session.owed ? session.sentAt + heartbeatMs : undefined,
    ]),
    broadcast?.retry?.due,
    broadcast && broadcast.sentAt + BROADCAST_EXPIRY_MS,
    ...assemblies.map(({ at }) => at + FRAGMENT_EXPIRY_MS),
  ].filter((time) => time !== undefined && Number.isFinite(time))
  return times.length === 0 ? undefined : Math.min(...(times as number[]))
}

function encryptedAt(conversation: Conversation, tag: number | undefined): Target | undefined {
  const instance = findInstance(conversation, tag)
  return instance?.session.state === 'encrypted' ? { instance, session: instance.session } : undefined
}

function applied(
  conversation: Conversation,
  instance: Instance,
  step: SessionStep | undefined,
  means: OtrMeans,
): OtrStep {
  if (step === undefined) return quiet(conversation, { type: 'refused', reason: 'not-now' })
  const { tag } = instance
  return {
    conversation: putInstance(conversation, { ...instance, session: step.session }),
    send: step.send.flatMap((bytes) => textsOf(conversation, tag, versionOf(tag), bytes, means)),
    events: step.events.map((event) => ({ ...event, instance: tag })),
  }
}

function bytesOf(secret: string | Uint8Array): Uint8Array {
  return typeof secret === 'string' ? utf8ToBytes(secret) : secret
}
