/**
 * What sending and receiving come to. Everything that a peer, a server or a person can cause is one of these values,
 * plain data that can be cloned; what is thrown is misuse, or the application's own store or connection failing.
 */
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid, Element } from '@xmpp-e2e/xml'
import type { RefusedReason } from './protocol/event.ts'
import type { SessionView } from './protocol/session.ts'

/**
 * Why nothing was encrypted.
 *
 * - `not-encrypted`: there is no session: `query` asks for one, and `requireEncryption` has done so.
 * - `finished`: the peer has ended the session, went offline, or the stream did. `end` it, or `query` for another.
 * - `key-changed`: the session's key is not the one that messages were meant for: look at it, then `select`.
 * - `key-undecided`, `key-distrusted`: the policy does not send to the key in `ask`; after `decide` try again.
 * - `encryption-required`: `offer` is plain text, which a session or the policy forbids.
 * - `not-now`: a comparison is under way already, or nobody has asked; or version 2 has no such thing.
 * - `content-missing`: it has no body. `content-too-long`: it would be longer than `MAX_MESSAGE_BYTES`.
 */
export type RefusalCode =
  | RefusedReason
  | 'key-undecided'
  | 'key-distrusted'
  | 'content-missing'
  | 'content-too-long'

/** Nothing was encrypted, and there is nothing to send. */
export interface Refused {
  readonly kind: 'refused'
  readonly code: RefusalCode
  /** Keys to decide about. */
  readonly ask: readonly Key[]
}

/** What came of a message: stanzas to send, or why there are none. */
export type Encrypted =
  | {
      readonly kind: 'encrypted'
      /** To be sent as they are, in this order, and before anything that is encrypted later: `send` does it. */
      readonly stanzas: readonly [Element, ...Element[]]
      readonly keys: readonly [Key]
      /** OTR has one reader. */
      readonly skipped: readonly never[]
      /** `{namespace}name` of what servers can read beside the ciphertext. */
      readonly exposed: readonly string[]
      /** `{namespace}name` of what was left out, since OTR carries a text and nothing else. */
      readonly withheld: readonly string[]
    }
  | Refused

/** What came of an offer: the message with its invisible tag, to be sent in the clear. */
export type Offered = { readonly kind: 'offered'; readonly stanza: Element } | Refused

/** What came of the beginning of something; how it goes on is told by events. */
export type Begun = { readonly kind: 'begun' } | Refused

/** What came of `shareKey` (Extra symmetric key). */
export type SharedKey =
  | {
      readonly kind: 'shared'
      /** 32 bytes. */
      readonly key: ReturnType<typeof Uint8Array.of>
    }
  | Refused

/**
 * What to show beside a message.
 *
 * - `key-undecided`: nobody has decided to trust the sender's key; the policy still shows it.
 * - `key-changed`: it is not the key that messages to the contact are meant for.
 */
export type WarningCode = 'key-undecided' | 'key-changed'

/**
 * Why a message cannot be read. None can be read later.
 *
 * - `session-missing`: of a session that is not there any more. The peer's client was told once; `query` starts another.
 * - `message-unreadable`: under other keys of the session, or changed on the way.
 * - `message-malformed`: it begins like OTR and is none. `version-unsupported`: version 1, or one not in the policy.
 * - `key-distrusted`: the policy does not show what this key writes.
 */
export type UnreadableCode =
  | 'session-missing'
  | 'message-unreadable'
  | 'message-malformed'
  | 'version-unsupported'
  | 'key-distrusted'

/** A text that the peer has encrypted in a session: authentic, and not seen before. */
export interface DecryptedMessage {
  readonly kind: 'message'
  /** For `settle`, which has nothing to do: a message of OTR's opens once, and is kept nowhere. Save it. */
  readonly ref: string
  /** One `<body/>`. It is plain text, also where it looks like HTML (XEP-0364 §4.1). */
  readonly content: readonly Element[]
  /** The stanza as the recipient should show it. */
  readonly stanza: Element
  /** What stood beside the ciphertext: anybody on the way can have written it. */
  readonly unauthenticated: readonly Element[]
  readonly protocol: 'urn:xmpp:otr:0'
  /** The client that wrote it, by its address. */
  readonly sender: { readonly jid: string }
  /** The key that its session was opened with, and what is thought of it now. */
  readonly key: Key
  readonly authenticated: true
  /** The contact. */
  readonly chat: BareJid
  /** Whether another client of this account has sent it. */
  readonly own: boolean
  readonly warnings: readonly WarningCode[]
}

/** What a message is to the application. */
export type Decrypted =
  | DecryptedMessage
  /**
   * - `duplicate`: read before, or overtaken by a later one.
   * - `control`: a step of a key exchange, a query, an error, a piece of a message; nothing to show.
   * - `own`: what this client has sent, coming back.
   * - `ignored`: OTR that is not for this client, or came too late; or no message.
   */
  | { readonly kind: 'silent'; readonly why: 'duplicate' | 'control' | 'own' | 'ignored' }
  /** Not encrypted. The tag is removed; `unexpected`: where a session, or the policy, says that it should be. */
  | { readonly kind: 'plain'; readonly stanza: Element; readonly unexpected: boolean }
  | {
      readonly kind: 'unreadable'
      readonly code: UnreadableCode
      readonly retry: 'never'
      readonly detail: Readonly<Record<string, string>>
    }

/** A session, for who shows it. */
export interface SessionInfo {
  /** The address of the peer's client. */
  readonly jid: string
  /** The instance tag of the peer's client; 0 in version 2. */
  readonly instance: number
  readonly session: SessionView
  /** Whether messages to the contact go here. */
  readonly selected: boolean
}
