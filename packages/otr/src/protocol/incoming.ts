/**
 * What the peer's texts do in a conversation. Nothing that a peer or anybody on the way sends makes this throw; what
 * cannot be read leaves the conversation as it was, but for how many replies it has cost.
 */

import { OtrError } from '../error.ts'
import { type Reader, reader } from '../wire/reader.ts'
import {
  after,
  type Conversation,
  findInstance,
  instanceOf,
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
import { decodeMessage } from './encoded-message.ts'
import type { ConversationEvent, DroppedReason } from './event.ts'
import { parseFragment, reassemble } from './fragment.ts'
import {
  commonVersions,
  isHandshaking,
  QUERY_QUIET_MS,
  queryOnce,
  receiveHandshake,
  start,
} from './handshake.ts'
import { type Header, readHeader } from './header.ts'
import { findWhitespaceTag, parseQuery } from './query.ts'
import { isHeartbeatDue, receiveData, type SessionStep, sendData } from './session.ts'
import type { Slices } from './slices.ts'
import { buildError, parseError, textKind } from './text-kind.ts'

/** Error replies in a minute: two sides that cannot read each other's must not go on about it. */
export const MAX_ERROR_REPLIES = 3
const ERROR_WINDOW_MS = 60_000

/**
 * What a text of the peer's does (Receiving messages). In XMPP: the body of every message of type chat that is no carbon
 * or old one. Never throws for what a peer sends; work that takes long stops in between, see `Slices`.
 */
export function* receive(conversation: Conversation, text: string, means: OtrMeans): Slices<OtrStep> {
  const kind = textKind(text)
  switch (kind) {
    case 'plain':
    case 'tagged':
      return receivePlain(conversation, text, means)
    case 'query':
      return receiveOffer(conversation, 'query', parseQuery(text) ?? [], means)
    case 'error':
      return receiveError(conversation, parseError(text) ?? '', means)
    case 'fragment':
      return yield* receiveFragment(conversation, text, means)
    case 'encoded':
      return yield* receiveEncoded(conversation, text, means)
    case 'unknown':
      return quiet(conversation, dropped('malformed'))
  }
}

function receivePlain(conversation: Conversation, body: string, means: OtrMeans): OtrStep {
  const tag = findWhitespaceTag(body)
  const text = tag?.text ?? body
  const warning = isPrivate(conversation)
    ? ({ warning: 'unencrypted-in-private' } as const)
    : means.policy.requireEncryption
      ? ({ warning: 'encryption-required' } as const)
      : {}
  // A tag alone, as some clients send, has nothing to show.
  const shown: ConversationEvent[] =
    text === '' ? [] : [{ type: 'message', encrypted: false, text, ...warning }]
  if (tag !== undefined)
    return after(quiet(conversation, ...shown), (next) =>
      receiveOffer(next, 'whitespace', tag.versions, means),
    )
  return quiet({ ...conversation, tagDeclined: conversation.tagSent }, ...shown)
}

function receiveOffer(
  conversation: Conversation,
  via: 'query' | 'whitespace',
  offered: readonly number[],
  means: OtrMeans,
): OtrStep {
  const { policy, now } = means
  const versions = commonVersions(offered, means)
  const wanted = via === 'query' ? policy.queryStartsAke : policy.whitespaceStartsAke
  const { steppedAt } = conversation
  // Both sides ask, or one asks twice: what is under way is the answer.
  const isUnderWay =
    isHandshaking(conversation) && steppedAt !== undefined && now - steppedAt < QUERY_QUIET_MS
  const accepted = wanted && versions.length > 0
  const offer = quiet(conversation, { type: 'offer', via, versions, accepted })
  return accepted && !isUnderWay ? after(offer, (next) => start(next, versions, means)) : offer
}

/** Anybody can write one: it is shown, and nothing that was sent is ever sent again for it. */
function receiveError(conversation: Conversation, text: string, means: OtrMeans): OtrStep {
  const shown = quiet(conversation, { type: 'peer-error', text })
  return means.policy.errorStartsAke ? after(shown, (next) => queryOnce(next, means)) : shown
}

function* receiveFragment(conversation: Conversation, text: string, means: OtrMeans): Slices<OtrStep> {
  const fragment = parseFragment(text)
  if (fragment === undefined) return quiet(conversation, dropped('malformed'))
  const { sender, receiver } = fragment
  if (sender === conversation.ourTag) return quiet(conversation, dropped('reflected'))
  if (receiver !== 0 && receiver !== conversation.ourTag)
    return quiet(conversation, dropped('other-instance'))
  const { assemblies, outcome, message } = reassemble(conversation.assemblies, fragment, means.now)
  const next = { ...conversation, assemblies }
  if (outcome === 'dropped') return quiet(next, dropped('fragment'))
  if (message === undefined) return quiet(next)
  // No fragment: pieces have no commas. But anything else, a query say.
  return yield* receive(next, message, means)
}

function* receiveEncoded(conversation: Conversation, text: string, means: OtrMeans): Slices<OtrStep> {
  try {
    const message = decodeMessage(text)
    const input = reader(message, 'message')
    const header = readHeader(input)
    const why = misdirected(conversation, header, means)
    if (why !== undefined) return quiet(conversation, dropped(why))
    const { type, sender } = header
    if (type !== 'data') return receiveHandshake(conversation, sender, type, input, means)
    return yield* receiveDataMessage(conversation, sender, message, input, means)
  } catch (error) {
    if (!(error instanceof OtrError)) throw error
    return quiet(conversation, dropped(error.code === 'version-unsupported' ? 'version' : 'malformed'))
  }
}

function misdirected(
  { ourTag }: Conversation,
  { version, sender, receiver }: Header,
  { policy }: OtrMeans,
): DroppedReason | undefined {
  if (!policy.versions.includes(version)) return 'version'
  if (version === 2) return undefined
  if (sender === ourTag) return 'reflected'
  return receiver !== 0 && receiver !== ourTag ? 'other-instance' : undefined
}

function* receiveDataMessage(
  conversation: Conversation,
  tag: number,
  message: Uint8Array,
  input: Reader,
  means: OtrMeans,
): Slices<OtrStep> {
  const instance = instanceOf(conversation, tag)
  const before = instance.session
  const step = yield* receiveData(before, message, input, sessionMeans(conversation, tag, means))
  if (step.unread !== undefined)
    return unreadable(conversation, step.unread, before.state === 'encrypted', step, means)
  const told = step.events.map((event) => ({ ...event, instance: tag }))
  const events = [...told, ...stateEvents(tag, before, step.session)]
  const send = step.send.flatMap((bytes) => textsOf(conversation, tag, versionOf(tag), bytes, means))
  const next = putInstance(conversation, { ...instance, session: step.session })
  return after({ conversation: next, send, events }, (latest) => heartbeat(latest, tag, means))
}

/** An empty message, if the peer has waited long enough for a sign of ours. */
export function heartbeat(conversation: Conversation, tag: number, means: OtrMeans): OtrStep {
  const instance = findInstance(conversation, tag)
  if (instance?.session.state !== 'encrypted') return quiet(conversation)
  const { session } = instance
  if (!isHeartbeatDue(session, means.now, means.policy.heartbeatMs)) return quiet(conversation)
  const nothing = { text: '', tlvs: [] }
  const options = { ignoreUnreadable: true }
  const beat = sendData(session, nothing, sessionMeans(conversation, tag, means), options)
  return {
    conversation: putInstance(conversation, { ...instance, session: beat.session }),
    send: textsOf(conversation, tag, session.version, beat.message, means),
    events: [],
  }
}

function unreadable(
  conversation: Conversation,
  why: NonNullable<SessionStep['unread']>,
  hasSession: boolean,
  { ignoreUnreadable = false }: SessionStep,
  means: OtrMeans,
): OtrStep {
  if (why === 'replayed' || why === 'reflected') return quiet(conversation, dropped(why))
  const told = quiet(conversation, dropped('unreadable'))
  const recent = conversation.errorsAt.filter((at) => means.now - at < ERROR_WINDOW_MS)
  const isSilent = ignoreUnreadable || recent.length >= MAX_ERROR_REPLIES
  if (isSilent || (!hasSession && conversation.saidUnready)) return told
  const saidUnready = conversation.saidUnready || !hasSession
  return {
    ...told,
    conversation: { ...conversation, errorsAt: [...recent, means.now], saidUnready },
    send: [buildError(means.policy.errorText)],
  }
}

function dropped(why: DroppedReason): ConversationEvent {
  return { type: 'dropped', why }
}
