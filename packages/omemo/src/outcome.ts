/**
 * What sending and receiving come to. Everything that a peer, a server or a person can cause is one of these values,
 * plain data that can be cloned; what is thrown is misuse, or the application's own store failing.
 */
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid, Element } from '@xmpp-e2e/xml'
import type { AffixWarning } from './envelope-affixes.ts'
import type { OmemoErrorCode } from './error.ts'
import type { Namespace } from './protocol.ts'

/** A device by its address. Servers and other clients choose ids: it says where, never who. */
export interface DeviceRef {
  readonly jid: BareJid
  readonly id: number
}

/**
 * Why nothing was encrypted.
 *
 * - `recipients-unreachable`: no device of any recipient can be encrypted to; `skipped` says why for each.
 * - `keys-undecided`: the same, and deciding about the keys in `ask` would change it.
 * - `opted-out`: a recipient asks for plain text (XEP-0384 §5.7). Ask the person; `optIn` goes on regardless.
 * - `room-anonymous`, `room-open`: members of the room cannot be known, or anybody may join.
 * - `room-forbidden`: the room shows the account no list, or answers it nothing at all, as one that is not there: join it.
 * - `room-unreachable`: it did not answer, or is no room.
 * - `room-private-message`: it would go through a room. Send it to the real address.
 * - `content-missing`: nothing in it is to be encrypted.
 * - `content-too-long`: the payload exceeds `MAX_PAYLOAD_LENGTH`.
 * - `recipients-too-many`: more devices than `MAX_KEYS`, or more members of a room than `MAX_AUDIENCE`.
 */
export type RefusalCode =
  | 'recipients-unreachable'
  | 'keys-undecided'
  | 'opted-out'
  | 'room-anonymous'
  | 'room-open'
  | 'room-forbidden'
  | 'room-unreachable'
  | 'room-private-message'
  | 'content-missing'
  | 'content-too-long'
  | 'recipients-too-many'

/**
 * Why one device, or a whole recipient, does not get a message.
 *
 * - `devices-missing`: the account has no device that speaks OMEMO.
 * - `devices-unavailable`: its lists could not be read, and are not known from before. Later it may work.
 * - `bundle-missing`: listed, but there is no bundle. `bundle-unavailable`: it could not be read just now.
 * - `key-undecided`, `key-distrusted`: the policy does not send to this key.
 * - `device-read-only`: it has not answered `MAX_UNANSWERED` messages.
 * - `devices-too-many`: more than `MAX_DEVICES_PER_ACCOUNT`; this one came last.
 * - `content-needs-omemo2`: it speaks 0.3 only, which carries a body and nothing else.
 * - those of `OmemoError`: what the account or the device publishes cannot be used.
 */
export type SkipCode =
  | 'devices-missing'
  | 'devices-unavailable'
  | 'devices-too-many'
  | 'bundle-missing'
  | 'bundle-unavailable'
  | 'key-undecided'
  | 'key-distrusted'
  | 'device-read-only'
  | 'content-needs-omemo2'
  | Extract<
      OmemoErrorCode,
      | 'device-list-malformed'
      | 'bundle-malformed'
      | 'bundle-signature-invalid'
      | 'bundle-without-pre-keys'
      | 'key-invalid'
      | 'identity-mismatch'
    >

export interface Skipped {
  readonly owner: BareJid
  /** Absent when it is about the whole account. */
  readonly device?: number | undefined
  readonly key?: Key | undefined
  readonly code: SkipCode
}

/** Somebody for whom a message was encrypted. */
export interface Reached {
  readonly device: DeviceRef
  readonly key: Key
  readonly protocol: Namespace
}

/** Nothing was encrypted, and nothing is to be sent. */
export interface Refused {
  readonly kind: 'refused'
  readonly code: RefusalCode
  /** Keys to decide about; then try again. */
  readonly ask: readonly Key[]
  readonly skipped: readonly Skipped[]
}

export type Encrypted =
  | {
      readonly kind: 'encrypted'
      /** To be sent as they are. The sessions they were encrypted with are stored. */
      readonly stanzas: readonly [Element, ...Element[]]
      /** Each once, in the order of `reached`. */
      readonly keys: readonly Key[]
      readonly reached: readonly Reached[]
      readonly skipped: readonly Skipped[]
      /** `{namespace}name` of what servers can read in the stanza besides its routing. */
      readonly exposed: readonly string[]
      /** `{namespace}name` of what devices of 0.3 do not get, because that version can only encrypt a body. */
      readonly withheld: readonly string[]
    }
  | Refused

/**
 * What to show beside a message.
 *
 * - `key-undecided`: nobody has decided to trust the sender's key; the policy still shows it.
 * - `namespace-downgraded`: a device that has spoken omemo:2 wrote in 0.3. A server can cause it.
 * - `device-unlisted`: the device is not in its account's list (any more).
 * - `sender-by-session`: the room does not say who wrote it; the session does.
 * - those of `checkAffixes`.
 */
export type WarningCode =
  | AffixWarning
  | 'key-undecided'
  | 'namespace-downgraded'
  | 'device-unlisted'
  | 'sender-by-session'

/**
 * Why a message is not to be read.
 *
 * - `not-for-this-device`: it holds no key for it.
 * - `sender-unknown`: a message of a room from nobody that is known.
 * - `key-distrusted`: opened, and kept; the policy does not show it. After another decision, `decrypt` gives it.
 * - `archived-session-missing`: an archived message, older than the sessions that there are.
 * - `forged`: it says of itself what cannot be, such as our own device id with somebody else's key.
 * - those of `OmemoError`.
 */
export type UnreadableCode =
  | OmemoErrorCode
  | 'not-for-this-device'
  | 'sender-unknown'
  | 'key-distrusted'
  | 'archived-session-missing'
  | 'forged'

/** What is known of a message that is not to be read. Nothing of it is authenticated, but with `key-distrusted`. */
export interface UnreadableDetail {
  /** The contact or the room. */
  readonly chat: BareJid
  /** The device that it would be of, where one could be tried. */
  readonly sender?: DeviceRef | undefined
  readonly protocol?: Namespace | undefined
  /** The place in the element, or in what was encrypted, that is wrong: as `path` of `OmemoError`. */
  readonly path?: string | undefined
  /** With `key-distrusted`: what the message is called when it is given after a decision. */
  readonly ref?: string | undefined
}

export interface DecryptedMessage {
  readonly kind: 'message'
  /** For `settle`. */
  readonly ref: string
  /** What was encrypted. Nothing from outside is among it. */
  readonly content: readonly Element[]
  /** The stanza as the recipient should show it: `content`, and what harmless there was outside. */
  readonly stanza: Element
  /**
   * What a message of 0.3 says outside of its payload, such as a correction or a reaction: any server on the way can
   * have written it. Empty in omemo:2, where nothing outside counts.
   */
  readonly unauthenticated: readonly Element[]
  readonly protocol: Namespace
  readonly sender: DeviceRef
  readonly key: Key
  readonly authenticated: true
  /** The contact or the room. */
  readonly chat: BareJid
  /** Whether another device of this account sent it. */
  readonly own: boolean
  readonly sentAt?: Date
  readonly warnings: readonly WarningCode[]
}

export type Decrypted =
  | DecryptedMessage
  /**
   * - `duplicate`: shown before, and settled.
   * - `control`: it manages a session or trust; nothing to show.
   * - `own`: what this device has sent, coming back.
   * - `ignored`: a message without OMEMO.
   */
  | {
      readonly kind: 'silent'
      readonly why: 'duplicate' | 'control' | 'own' | 'ignored'
      readonly ref?: string
    }
  | {
      readonly kind: 'unreadable'
      readonly code: UnreadableCode
      /** When decrypting the same stanza again may help. */
      readonly retry: 'never' | 'after-catch-up' | 'after-decision'
      readonly detail: UnreadableDetail
    }
