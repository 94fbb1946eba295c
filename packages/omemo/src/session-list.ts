/**
 * All sessions with one device, which has one identity, in one namespace: the current one, which messages are sent
 * on, and a few archived ones that only decrypt (XEP-0384 §4.3, §5.6).
 *
 * A new key exchange becomes the current session, and the one before it becomes its rival. Where that one was
 * our own exchange without an answer, the two have *crossed*: each side may now prefer the other's. Any other
 * archived session becomes the rival when a message arrives on it. Both sides come to the same session by what
 * arrives on the rival:
 *
 * 1. Crossed, and nothing but key exchanges arrived on the current session: switch.
 * 2. Crossed, and both sessions are confirmed: the lower ephemeral key wins, on both sides.
 * 3. Any rival: two messages in a row on the one with the lower ephemeral key, or three on the one with the
 *    higher, and none on the current one in between: the peer no longer uses the current one, switch. Five, where
 *    the current one is our own key exchange without an answer.
 *
 * Messages that were overtaken say nothing about what the peer uses now and do not count for rule 3. Messages
 * from an archive never switch, and a key exchange from there yields to a newer session.
 */
import { randomBytes } from '@noble/hashes/utils.js'
import { type Bytes, compareBytes, type Random, sameBytes } from './bytes.ts'
import type { CurveStep } from './curve.ts'
import { needsHeartbeat } from './double-ratchet.ts'
import { OmemoError, type OmemoErrorCode } from './error.ts'
import type { PreKeys } from './pre-keys.ts'
import type { Protocol } from './protocol.ts'
import {
  acceptSession,
  decryptRepeatedExchange,
  decryptSession,
  encryptSession,
  type Self,
  type Session,
  type SessionMessage,
} from './session.ts'
import type { KeyExchange } from './wire/wire.ts'

/**
 * Each costs a Diffie-Hellman and up to `MAX_MESSAGE_GAP` HMACs to try, so 9 × 6 ms for a message that nobody
 * authenticated, and 280 bytes to keep. libsignal keeps 40, python-omemo none.
 */
export const MAX_ARCHIVED_SESSIONS = 8

/**
 * Messages in a row that show a rival to be in use, by whether its ephemeral key is the lower one. Of a current
 * session that is our own key exchange without an answer they may not have heard yet: then it takes more.
 */
const STREAK = { lower: 2, higher: 3, unanswered: 5 } as const

export interface SessionList {
  readonly current: Session
  /** Newest first. */
  readonly archived: readonly Session[]
  readonly rival: Rival | undefined
}

/** The archived session that may be the one in use: the one before, or the one that last got a message. */
export interface Rival {
  readonly ephemeralKey: Bytes
  /** It was our own key exchange, unanswered. */
  readonly crossed: boolean
  /** Messages on it since the last one on the current session. */
  readonly streak: number
}

/** How a message came. */
export interface Arrival {
  /** `archive`: read from a message archive, perhaps long after and in any order. */
  readonly channel: 'live' | 'archive'
  /**
   * Milliseconds since 1970: the delay stamp where there is one, but not later than now; else the present. Of two
   * sessions from an archive the later one is used.
   */
  readonly sentAt: number
}

export interface Opened {
  readonly sessions: SessionList
  readonly plaintext: Bytes
  /** The session that opened it, by its ephemeral key. */
  readonly ephemeralKey: Bytes
  /**
   * Who wrote it: the identity key as the namespace authenticates it, 32 bytes. `readIdentity` of the protocol
   * gives its fingerprint. A key exchange says nothing else about its sender: compare it with whom you expect.
   */
  readonly theirIdentity: Bytes
  /** The one-time prekey that a new session has used: delete it in the same commit. */
  readonly usedPreKeyId: number | undefined
  /** Send one empty message on `ephemeralKey`: the peer does not know yet that its key exchange arrived. */
  readonly completion: boolean
  /**
   * XEP-0384 §6: they have come far without an answer. Send one empty message on `ephemeralKey`, unless something
   * else leaves on it first; true again until then.
   */
  readonly heartbeat: boolean
}

/**
 * The list after we opened a session ourselves. What was current is kept for decrypting.
 * @throws OmemoError `identity-mismatch`: a list is of one identity, another one is another list
 */
export function withInitiated(sessions: SessionList | undefined, session: Session): SessionList {
  assertSameIdentity(sessions, session)
  return { current: session, archived: archive(sessions), rival: undefined }
}

export interface EncryptOptions {
  /** The ephemeral key of another session than the current one: completions and heartbeats say which. */
  readonly on?: Uint8Array
  readonly random?: Random
}

/**
 * Encrypts on the current session, or on the one given. Commit the new list before the message leaves.
 * @throws OmemoError `session-missing` for a session that is no longer kept
 */
export function* encryptMessage(
  self: Self,
  sessions: SessionList,
  plaintext: Uint8Array,
  { on = sessions.current.ephemeralKey, random = randomBytes }: EncryptOptions = {},
): CurveStep<{ readonly sessions: SessionList; readonly message: SessionMessage }> {
  const chosen = find(sessions, on)
  if (chosen === undefined) throw new OmemoError('session-missing', 'session: no longer kept')
  const { session, message } = yield* encryptSession(self, chosen, plaintext, random)
  return { sessions: replace(sessions, session), message }
}

/** What opening a message needs of our state. */
export interface DecryptState {
  readonly self: Self
  readonly preKeys: PreKeys
  /** The sessions with that device and identity; undefined when there is none yet. */
  readonly sessions: SessionList | undefined
}

/**
 * Opens what a `<key/>` of that device holds, with whichever session fits, or with a new one.
 * @throws OmemoError `session-missing`, `identity-mismatch` for a key exchange by another identity than the list's,
 *   and all of `acceptSession` and `decryptSession`; nothing has changed then
 * @throws TypeError for sessions of the other namespace
 */
export function* decryptMessage(
  protocol: Protocol,
  state: DecryptState,
  data: Uint8Array,
  arrival: Arrival,
): CurveStep<Opened> {
  const { self, sessions } = state
  if (sessions !== undefined && sessions.current.namespace !== protocol.namespace)
    throw new TypeError(`sessions: expected those of ${protocol.namespace}`)
  if (!protocol.wire.isKeyExchange(data)) return yield* decryptWithAny(self, sessions, data, arrival)
  const keyExchange = protocol.wire.decodeKeyExchange(data)
  const known = sessions && find(sessions, keyExchange.ephemeralKey)
  if (sessions === undefined || known === undefined)
    return yield* accept(protocol, state, keyExchange, arrival)
  const { session, plaintext, late } = yield* decryptRepeatedExchange(self, known, keyExchange)
  return opened(select(sessions, session, late, arrival), session, plaintext)
}

function* accept(
  protocol: Protocol,
  { self, preKeys, sessions }: DecryptState,
  keyExchange: KeyExchange,
  arrival: Arrival,
): CurveStep<Opened> {
  const accepted = yield* acceptSession(protocol, self, preKeys, keyExchange, arrival.sentAt)
  const { session, plaintext, preKeyId } = accepted
  assertSameIdentity(sessions, session)
  const outdated =
    sessions !== undefined && arrival.channel === 'archive' && sessions.current.stamp > session.stamp
  const next: SessionList = outdated
    ? { ...sessions, archived: [session, ...sessions.archived].slice(0, MAX_ARCHIVED_SESSIONS) }
    : { current: session, archived: archive(sessions), rival: sessions && rivalOf(sessions.current) }
  return { ...opened(next, session, plaintext), usedPreKeyId: preKeyId, completion: !outdated }
}

/** Anybody can make a key exchange. One by a stranger must not take the place of the sessions with a contact. */
function assertSameIdentity(sessions: SessionList | undefined, session: Session): void {
  if (sessions !== undefined && !sameBytes(sessions.current.theirIdentity, session.theirIdentity))
    throw new OmemoError('identity-mismatch', 'session: of another identity than those with this device')
}

function* decryptWithAny(
  self: Self,
  sessions: SessionList | undefined,
  data: Uint8Array,
  arrival: Arrival,
): CurveStep<Opened> {
  if (sessions === undefined) throw new OmemoError('session-missing', 'message: no session with this device')
  let failure: OmemoError | undefined
  for (const candidate of [sessions.current, ...sessions.archived]) {
    try {
      const { session, plaintext, late } = yield* decryptSession(self, candidate, data)
      return opened(select(sessions, session, late, arrival), session, plaintext)
    } catch (error) {
      if (!(error instanceof OmemoError)) throw error
      failure = moreTelling(failure, error)
    }
  }
  throw failure
}

/** Only the session that a message belongs to can know that it is a duplicate, or too far ahead. */
const TELLING: readonly OmemoErrorCode[] = ['message-duplicate', 'message-gap-too-big']

function moreTelling(before: OmemoError | undefined, error: OmemoError): OmemoError {
  if (before === undefined) return error
  return TELLING.includes(error.code) && !TELLING.includes(before.code) ? error : before
}

function opened(sessions: SessionList, session: Session, plaintext: Bytes): Opened {
  return {
    sessions,
    plaintext,
    ephemeralKey: session.ephemeralKey,
    theirIdentity: session.theirIdentity,
    usedPreKeyId: undefined,
    completion: false,
    heartbeat: needsHeartbeat(session.ratchet),
  }
}

/** The list after a message was opened with one of its sessions: the rules at the top of this file. */
function select(sessions: SessionList, session: Session, late: boolean, arrival: Arrival): SessionList {
  const { current, rival } = sessions
  const updated = replace(sessions, session)
  if (arrival.channel === 'archive') return updated
  if (sameBytes(session.ephemeralKey, current.ephemeralKey))
    return late || rival === undefined ? updated : { ...updated, rival: { ...rival, streak: 0 } }
  const isRival = rival !== undefined && sameBytes(session.ephemeralKey, rival.ephemeralKey)
  // A message that was overtaken makes no rival.
  if (late && !isRival) return updated

  const crossed = isRival && rival.crossed
  const streak = (isRival ? rival.streak : 0) + (late ? 0 : 1)
  const lower = compareBytes(session.ephemeralKey, current.ephemeralKey) < 0
  const { state } = current.exchange
  const confirmed = state === 'confirmed'
  const onlyExchanges = crossed && !confirmed
  const lowerWins = crossed && confirmed && session.exchange.state === 'confirmed' && lower
  const order = lower ? 'lower' : 'higher'
  const inUse = streak >= STREAK[state === 'pending' ? 'unanswered' : order]
  if (onlyExchanges || lowerWins || inUse) return promote(updated, session, crossed)
  return { ...updated, rival: { ephemeralKey: session.ephemeralKey, crossed, streak } }
}

/** Makes an archived session current; the one it takes the place of is its rival now. */
function promote(sessions: SessionList, session: Session, crossed: boolean): SessionList {
  const others = sessions.archived.filter((other) => !sameBytes(other.ephemeralKey, session.ephemeralKey))
  return {
    current: session,
    archived: archive({ ...sessions, archived: others }),
    rival: { ephemeralKey: sessions.current.ephemeralKey, crossed, streak: 0 },
  }
}

function rivalOf(current: Session): Rival {
  return {
    ephemeralKey: current.ephemeralKey,
    crossed: current.exchange.state === 'pending',
    streak: 0,
  }
}

/** The archived sessions once the current one has joined them. */
function archive(sessions: SessionList | undefined): readonly Session[] {
  return sessions === undefined
    ? []
    : [sessions.current, ...sessions.archived].slice(0, MAX_ARCHIVED_SESSIONS)
}

function find(sessions: SessionList, ephemeralKey: Uint8Array): Session | undefined {
  return [sessions.current, ...sessions.archived].find((session) =>
    sameBytes(session.ephemeralKey, ephemeralKey),
  )
}

/** The list with a session in the place of the one with its ephemeral key. */
function replace(sessions: SessionList, session: Session): SessionList {
  const newer = (other: Session): Session =>
    sameBytes(other.ephemeralKey, session.ephemeralKey) ? session : other
  return { ...sessions, current: newer(sessions.current), archived: sessions.archived.map(newer) }
}
