/** What happens in a conversation, as plain data without keys but the one that a user asks for. */

import type { Bytes } from '../wire/bytes.ts'
import type { Version } from './header.ts'
import type { SessionView } from './session.ts'
import type { SmpResult } from './smp.ts'

/** Of one session, and from the owner of the fingerprint's key; see {@link ConversationEvent}. */
export type SessionEvent = { readonly fingerprint: string } /** Read with the keys of the session. */ & (
  | { readonly type: 'message'; readonly encrypted: true; readonly text: string }
  /** The peer's user wants to compare secrets, and may have a question. */
  | { readonly type: 'smp-asked'; readonly question?: string }
  | ({ readonly type: 'smp-ended' } & SmpResult)
  /** A key of 32 bytes that both sides have, for `use` elsewhere; `data` is what the initiator says about it. */
  | {
      readonly type: 'symmetric-key'
      readonly use: number
      readonly data: Bytes
      readonly key: Bytes
      readonly weInitiated: boolean
    }
)

/**
 * Why something that came is not shown.
 *
 * - `other-instance`: for another client of ours.
 * - `unreadable`: under keys that are not there, or changed on the way; the sender may be told.
 * - `replayed`: read before, or overtaken by a later one.
 * - `reflected`: our own.
 * - `unauthentic`, `unexpected`: of a key exchange, with a wrong proof or out of turn.
 * - `version`: one that the policy does not have.
 * - `fragment`: without those before it, or too long with them.
 */
export type DroppedReason =
  | 'other-instance'
  | 'unreadable'
  | 'malformed'
  | 'replayed'
  | 'reflected'
  | 'unauthentic'
  | 'unexpected'
  | 'version'
  | 'fragment'

/** Why nothing was done that a user wanted. */
export type RefusedReason =
  /** No session. With `requireEncryption` a query has been sent, unless there was one shortly before. */
  | 'not-encrypted'
  /** The peer has ended the session: `end` it, or start another. */
  | 'finished'
  /** The session's key is not the one that messages were meant for so far: `selectInstance` says that it may be. */
  | 'key-changed'
  /** Plaintext, where the policy or a session forbids it. */
  | 'encryption-required'
  /** SMP runs, or nobody has asked; or version 2 has no such thing. */
  | 'not-now'

/** `instance` is the tag of the peer's client; 0 in version 2, which has none. */
export type ConversationEvent =
  | (SessionEvent & { readonly instance: number })
  | {
      readonly type: 'message'
      readonly encrypted: false
      readonly text: string
      /** Not what was agreed on: anybody on the way may have written it. */
      readonly warning?: 'unencrypted-in-private' | 'encryption-required'
    }
  | {
      readonly type: 'state'
      readonly instance: number
      readonly from: SessionView
      readonly to: SessionView
      /** By another key than the one that messages were meant for so far. Nothing is sent to it until selected. */
      readonly keyChanged: boolean
      /** The peer's key has been used with a higher version: somebody on the way may have taken it away. */
      readonly downgrade: boolean
    }
  | {
      readonly type: 'offer'
      readonly via: 'query' | 'whitespace'
      /** Those that the policy has too, ascending; empty when there are none. */
      readonly versions: readonly Version[]
      /** Whether the policy takes it up; else `start` does. */
      readonly accepted: boolean
    }
  /** Nobody has answered, after all retries. */
  | { readonly type: 'handshake-failed' }
  /** Not authenticated. */
  | { readonly type: 'peer-error'; readonly text: string }
  /** Nothing was sent for what the user wanted. */
  | { readonly type: 'refused'; readonly reason: RefusedReason }
  /** Something came that is not shown. */
  | { readonly type: 'dropped'; readonly why: DroppedReason }
