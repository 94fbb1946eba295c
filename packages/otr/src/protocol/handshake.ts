/**
 * Key exchanges of a conversation: who begins, with whom, and what happens when nobody answers. In version 3 a commit
 * goes to receiver 0, so that whichever instance of the peer's has the user's attention can answer; what it hides is
 * copied to each one that does.
 *
 * The state machine of the specification can stand still: commits cross, stanzas get lost, libotr leaves its state
 * too early. So after a while without an answer a fresh commit goes out, at a time that two sides do not share.
 */

import type { Reader } from '../wire/reader.ts'
import { type AkeMessage, type AkeResult, type AkeStep, NO_AKE, receiveAke, startAke } from './ake.ts'
import {
  after,
  akeTexts,
  type Conversation,
  type Instance,
  instanceOf,
  type OtrMeans,
  type OtrStep,
  putInstance,
  quiet,
  type Retry,
  versionOf,
  withKeyVersion,
} from './conversation.ts'
import type { ConversationEvent } from './event.ts'
import { MAX_INSTANCES } from './fragment.ts'
import type { Version } from './header.ts'
import { buildQuery } from './query.ts'
import { abandoned, openSession, viewSession } from './session.ts'

/** Milliseconds without an answer until a fresh commit: longer than any exchange takes, on most networks. */
export const AKE_RETRY_MS = 3000
/** Up to so many more, by chance, so that retries of two sides do not cross as well. */
export const AKE_RETRY_JITTER_MS = 2000
/** Fresh commits without an answer: after that, at most 20 seconds have passed, the peer is not there. */
export const MAX_AKE_RETRIES = 3
/** Milliseconds that a commit to everybody can be answered, as in libotr. */
export const BROADCAST_EXPIRY_MS = 60_000
/** Milliseconds after a step of a key exchange that goes on in which a query is an echo of what led to it. */
export const QUERY_QUIET_MS = 1000
/** Milliseconds after a query in which `send` asks no second time. */
export const QUERY_REPEAT_MS = 60_000

/**
 * Asks the peer to begin, in words that it can show if it has no OTR (OTR Query Messages). Nothing goes out while a key
 * exchange runs.
 */
export function query(conversation: Conversation, means: OtrMeans): OtrStep {
  if (isHandshaking(conversation)) return quiet(conversation)
  const { versions, queryText } = means.policy
  return {
    conversation: { ...conversation, queriedAt: means.now },
    send: [buildQuery(versions, queryText)],
    events: [],
  }
}

/** As `query`, but not again before the first one had time for an answer. */
export function queryOnce(conversation: Conversation, means: OtrMeans): OtrStep {
  const { queriedAt } = conversation
  if (queriedAt !== undefined && means.now - queriedAt < QUERY_REPEAT_MS) return quiet(conversation)
  return query(conversation, means)
}

/** Whether a message of ours waits for an answer. */
export function isHandshaking({ instances, broadcast }: Conversation): boolean {
  return instances.some(({ retry }) => retry !== undefined) || broadcast?.retry !== undefined
}

/**
 * Begins a key exchange (Overview of AKE), as an `offer` that was not accepted invites to: commits to the higher version
 * of those that both speak; does nothing when there is none. `offered` are version numbers.
 */
export function start(conversation: Conversation, offered: readonly number[], means: OtrMeans): OtrStep {
  const version = commonVersions(offered, means).at(-1)
  if (version === undefined) return quiet(conversation)
  const retry = { due: retryAt(means), left: MAX_AKE_RETRIES }
  return version === 2 ? commitTo(conversation, 0, retry, means) : commitToAll(conversation, retry, means)
}

/** Those of the policy's that are offered, ascending. */
export function commonVersions(offered: readonly number[], { policy }: OtrMeans): readonly Version[] {
  return policy.versions.filter((version) => offered.includes(version)).sort()
}

function commitToAll(conversation: Conversation, retry: Retry, means: OtrMeans): OtrStep {
  const { ake, reply } = startAke(means)
  const broadcast = { ake, retry, sentAt: means.now, answered: [] }
  return sent({ ...conversation, broadcast }, 0, 3, reply, means)
}

function commitTo(conversation: Conversation, tag: number, retry: Retry, means: OtrMeans): OtrStep {
  const { ake, reply } = startAke(means)
  const instance = { ...instanceOf(conversation, tag), ake, retry }
  return sent(putInstance(conversation, instance), tag, versionOf(tag), reply, means)
}

/**
 * A message of a key exchange, its header read. Throws what `receiveAke` does.
 */
export function receiveHandshake(
  conversation: Conversation,
  tag: number,
  type: AkeMessage['type'],
  input: Reader,
  means: OtrMeans,
): OtrStep {
  const instance = instanceOf(conversation, tag)
  const joined = joinBroadcast(conversation, instance, type, means)
  const step = receiveAke(joined.ake, type, input, means)
  if (step.ignored !== undefined) return quiet(conversation, { type: 'dropped', why: step.ignored })
  const noted = answeredBy(conversation, tag, joined !== instance || step.result !== undefined, means)
  const retry = { due: retryAt(means), left: instance.retry?.left ?? MAX_AKE_RETRIES }
  const moved = { ...instance, ake: step.ake, retry: step.ake.state === 'none' ? undefined : retry }
  const replied = sent(putInstance(noted, moved), tag, versionOf(tag), step.reply, means)
  return step.result === undefined ? replied : after(replied, finish(moved, step.result, means))
}

/** What a commit to all hides is this instance's too, if it has nothing of its own and answers for the first time. */
function joinBroadcast(
  { broadcast }: Conversation,
  instance: Instance,
  type: AkeMessage['type'],
  { now }: OtrMeans,
): Instance {
  const answers = instance.tag !== 0 && (type === 'key' || type === 'commit') && instance.ake.state === 'none'
  if (!answers || broadcast === undefined || broadcast.answered.includes(instance.tag)) return instance
  if (now - broadcast.sentAt >= BROADCAST_EXPIRY_MS) return instance
  return { ...instance, ake: broadcast.ake }
}

function answeredBy(
  conversation: Conversation,
  tag: number,
  joined: boolean,
  { now }: OtrMeans,
): Conversation {
  const { broadcast } = conversation
  const isOver = broadcast !== undefined && now - broadcast.sentAt >= BROADCAST_EXPIRY_MS
  if (broadcast === undefined || isOver) return { ...conversation, broadcast: undefined }
  if (!joined || broadcast.answered.includes(tag)) return conversation
  const answered = [...broadcast.answered, tag]
  // So many do not answer an honest commit; and a tag that was forgotten could answer twice.
  if (answered.length > MAX_INSTANCES) return { ...conversation, broadcast: undefined }
  return { ...conversation, broadcast: { ...broadcast, retry: undefined, answered } }
}

/** The session begins. Whether messages go to it depends on whose key it is. */
function finish(
  { tag, session: before }: Instance,
  result: AkeResult,
  means: OtrMeans,
): (conversation: Conversation) => OtrStep {
  return (conversation) => {
    const version = versionOf(tag)
    const session = openSession(before, version, result, means)
    const { fingerprint } = session
    const keyChanged = conversation.expected !== undefined && conversation.expected !== fingerprint
    const known = conversation.highest.find((one) => one.fingerprint === fingerprint)
    const highest = withKeyVersion(conversation.highest, { fingerprint, version })
    const chosen = keyChanged ? {} : { active: tag, expected: fingerprint }
    const event: ConversationEvent = {
      type: 'state',
      instance: tag,
      from: viewSession(before),
      to: viewSession(session),
      keyChanged,
      downgrade: known !== undefined && known.version > version,
    }
    const open = { tag, ake: NO_AKE, retry: undefined, session }
    const next = { ...conversation, ...chosen, highest, saidUnready: false, queriedAt: undefined }
    const ended = abandoned(before).map((one) => ({ ...one, instance: tag }))
    return quiet(putInstance(next, open), ...ended, event)
  }
}

/** Fresh commits where an answer is overdue. */
export function retryHandshakes(conversation: Conversation, means: OtrMeans): OtrStep {
  const due = conversation.instances.filter(({ retry }) => retry !== undefined && retry.due <= means.now)
  const first = retryBroadcast(conversation, means)
  return due.reduce(
    (step, instance) => after(step, (latest) => retryInstance(latest, instance, means)),
    first,
  )
}

function retryBroadcast(conversation: Conversation, means: OtrMeans): OtrStep {
  const { broadcast } = conversation
  if (broadcast === undefined) return quiet(conversation)
  if (means.now - broadcast.sentAt >= BROADCAST_EXPIRY_MS)
    return quiet({ ...conversation, broadcast: undefined })
  if (broadcast.retry === undefined || broadcast.retry.due > means.now) return quiet(conversation)
  const { left } = broadcast.retry
  if (left === 0) return quiet({ ...conversation, broadcast: undefined }, { type: 'handshake-failed' })
  return commitToAll(conversation, { due: retryAt(means), left: left - 1 }, means)
}

function retryInstance(conversation: Conversation, instance: Instance, means: OtrMeans): OtrStep {
  const left = instance.retry?.left ?? 0
  const given = putInstance(conversation, { ...instance, ake: NO_AKE, retry: undefined })
  // Who has a session and was asked for another need not insist: anybody could have asked.
  const insists = instance.session.state !== 'encrypted' || instance.ake.state !== 'awaiting-reveal-signature'
  if (!insists) return quiet(given)
  if (left === 0) return quiet(given, { type: 'handshake-failed' })
  return commitTo(conversation, instance.tag, { due: retryAt(means), left: left - 1 }, means)
}

function sent(
  conversation: Conversation,
  tag: number,
  version: Version,
  message: AkeStep['reply'],
  means: OtrMeans,
): OtrStep {
  if (message === undefined) return quiet(conversation)
  const send = akeTexts(conversation, tag, version, message, means)
  return { conversation: { ...conversation, steppedAt: means.now }, send, events: [] }
}

function retryAt({ now, random }: OtrMeans): number {
  const [high = 0, low = 0] = random(2)
  return now + AKE_RETRY_MS + Math.floor(((high * 256 + low) / 65_536) * AKE_RETRY_JITTER_MS)
}
