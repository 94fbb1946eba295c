/**
 * What sending and receiving come to. Everything that a peer, a server or a person can cause is one of these values,
 * plain data that can be cloned; what is thrown is misuse, or the application's own store failing.
 */
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid, Element } from '@xmpp-e2e/xml'

/** XEP-0373 §3.1: signed and encrypted, signed, or encrypted. */
export type ContentKind = 'signcrypt' | 'sign' | 'crypt'

/**
 * Why nothing was encrypted or signed.
 *
 * - `key-missing`: the account has no key yet: `generate`, import or restore one.
 * - `key-locked`: the key is under a passphrase: `unlock` it, and try again.
 * - `recipients-unreachable`: no key of any recipient can be encrypted to; `skipped` says why for each.
 * - `keys-undecided`: the same, and deciding about the keys in `ask` would change it.
 * - `room-anonymous`, `room-open`: members of the room cannot be known, or anybody may join.
 * - `room-forbidden`: the room shows the account no list, or answers it nothing at all: join it.
 * - `room-unreachable`: it did not answer, or is no room.
 * - `room-private-message`: it would go through a room. Send it to the real address.
 * - `content-missing`: nothing in it is to be encrypted.
 * - `content-too-long`: the content exceeds `MAX_CONTENT_BYTES`.
 * - `recipients-too-many`: more keys than `MAX_RECIPIENT_KEYS`.
 */
export type RefusalCode =
  | 'key-missing'
  | 'key-locked'
  | 'recipients-unreachable'
  | 'keys-undecided'
  | 'room-anonymous'
  | 'room-open'
  | 'room-forbidden'
  | 'room-unreachable'
  | 'room-private-message'
  | 'content-missing'
  | 'content-too-long'
  | 'recipients-too-many'

/**
 * Why one key, or a whole recipient, does not get a message.
 *
 * - `keys-missing`: the account announces no key. `keys-unavailable`: its list could not be read just now.
 * - `keys-forbidden`: the server does not let us read it: the contact's client publishes for subscribers only.
 * - `key-list-malformed`: nothing of the list can be used.
 * - `certificate-missing`: listed, but not there. `certificate-unavailable`: it could not be read just now.
 * - `certificate-malformed`, `fingerprint-mismatch`, `user-id-missing`, `algorithm-refused`: what was served cannot be used.
 * - `certificate-expired`, `certificate-revoked`: by its owner's word. `encryption-key-missing`: it can only sign.
 * - `key-undecided`, `key-distrusted`: the policy does not send to this key.
 * - `keys-too-many`: more than `MAX_KEYS_PER_ACCOUNT`; this one came last.
 */
export type SkipCode =
  | 'keys-missing'
  | 'keys-unavailable'
  | 'keys-forbidden'
  | 'key-list-malformed'
  | 'certificate-missing'
  | 'certificate-unavailable'
  | CertificateProblem
  | 'key-undecided'
  | 'key-distrusted'
  | 'keys-too-many'

/** Why a certificate cannot be encrypted to. */
export type CertificateProblem =
  | 'certificate-malformed'
  | 'fingerprint-mismatch'
  | 'user-id-missing'
  | 'algorithm-refused'
  | 'certificate-expired'
  | 'certificate-revoked'
  | 'encryption-key-missing'

/** A key, or a whole recipient, that does not get a message. */
export interface Skipped {
  readonly owner: BareJid
  /** Lower-case hex; absent when it is about the whole account. */
  readonly fingerprint?: string | undefined
  readonly key?: Key | undefined
  readonly code: SkipCode
}

/** Nothing was encrypted, and nothing is to be sent. */
export interface Refused {
  readonly kind: 'refused'
  readonly code: RefusalCode
  /** Keys to decide about; then try again. */
  readonly ask: readonly Key[]
  readonly skipped: readonly Skipped[]
}

/** What came of a message: stanzas to send, or why there are none. */
export type Encrypted =
  | {
      readonly kind: 'encrypted'
      /** To be sent as they are. */
      readonly stanzas: readonly [Element, ...Element[]]
      /** Those that it was encrypted to, own ones included. */
      readonly keys: readonly Key[]
      readonly skipped: readonly Skipped[]
      /** `{namespace}name` of what servers can read in the stanza besides its routing. */
      readonly exposed: readonly string[]
      /** `{namespace}name` of what was left out: only servers may say it, and recipients ignore it. */
      readonly withheld: readonly string[]
    }
  | Refused

/** Signed, and readable by everybody. */
export type Signed =
  | {
      readonly kind: 'signed'
      readonly stanzas: readonly [Element, ...Element[]]
      readonly key: Key
      /** Of what was signed as well. */
      readonly exposed: readonly string[]
      readonly withheld: readonly string[]
    }
  | Refused

/**
 * What to show beside a message.
 *
 * - `key-undecided`: nobody has decided to trust the sender's key; the policy still shows it.
 * - `key-unlisted`: the sender's account does not announce the key (any more).
 * - `certificate-expired`, `certificate-revoked`: since it was signed, and not because the key was stolen.
 * - `binding-reformatted`: the signature is older than what binds the key today: a re-signed certificate.
 * - `time-skew`: it says it was written at another time than the stanza was: delayed, or sent again by somebody.
 * - `not-addressed`: `<crypt/>` need not say for whom it is, and does not.
 */
export type WarningCode =
  | 'key-undecided'
  | 'key-unlisted'
  | 'certificate-expired'
  | 'certificate-revoked'
  | 'binding-reformatted'
  | 'time-skew'
  | 'not-addressed'

/**
 * Why a message cannot be read. None of them delivers any text.
 *
 * - `message-malformed`: no base64, or no OpenPGP message, or one with something before or after it.
 * - `message-too-big`: longer than `MAX_MESSAGE_BYTES`, or than `MAX_CONTENT_BYTES` when it is unpacked.
 * - `message-damaged`: changed on the way, or without protection against that.
 * - `not-for-us`: encrypted to none of our keys. `key-missing`: we have none.
 * - `key-locked`: `unlock`, then again (`after-unlock`).
 * - `algorithm-refused`: of the message, or of its signature.
 * - `signature-missing`: `<signcrypt/>` or `<sign/>` that nobody has signed; `signature-unexpected`: `<crypt/>` that somebody has.
 * - `signature-invalid`, `signature-from-future`: by a key of the sender, but not of this, or not yet.
 * - `signer-unknown`: by no key of the sender that can be had.
 * - `keys-unavailable`: the sender's keys could not be read just now (`after-refresh`).
 * - `sender-unknown`: nobody says who sent it: a room that hides its members.
 * - `addressee-wrong`: signed for somebody else: passed on by who is not its author.
 * - `content-malformed`: what was decrypted is no element of XEP-0373 §3.1.
 * - `content-mismatch`: `<sign/>` that is encrypted, and the like.
 * - `key-distrusted`: the policy does not show what this key writes (`after-decision`).
 */
export type UnreadableCode =
  | 'message-malformed'
  | 'message-too-big'
  | 'message-damaged'
  | 'not-for-us'
  | 'key-missing'
  | 'key-locked'
  | 'algorithm-refused'
  | 'signature-missing'
  | 'signature-unexpected'
  | 'signature-invalid'
  | 'signature-from-future'
  | 'signer-unknown'
  | 'keys-unavailable'
  | 'sender-unknown'
  | 'addressee-wrong'
  | 'content-malformed'
  | 'content-mismatch'
  | 'key-distrusted'
  | 'crypto-unavailable'

/** A message that holds: opened, signed by its sender unless it says that it is not, and addressed to where it came in. */
export interface DecryptedMessage {
  readonly kind: 'message'
  /** For `settle`: until then decrypting it again gives the same answer, afterwards it is a duplicate. */
  readonly ref: string
  readonly as: ContentKind
  /** The children of `<payload/>`, all that was encrypted or signed, without what only servers may say. */
  readonly content: readonly Element[]
  /** The stanza as the recipient should show it: the content, and of the outer stanza only what may be there. */
  readonly stanza: Element
  /** What stood beside the ciphertext: anybody on the way can have written it. */
  readonly unauthenticated: readonly Element[]
  readonly protocol: 'urn:xmpp:openpgp:0'
  /** Whether only its readers could read it: not so for `<sign/>`. */
  readonly encrypted: boolean
  /** Whether `key` has signed it: not so for `<crypt/>`, which anybody can have written. */
  readonly authenticated: boolean
  /** The account that wrote it, in a room too; nobody knows of `<crypt/>` in a room that hides its members. */
  readonly sender: { readonly jid: BareJid } | undefined
  readonly key: Key | undefined
  readonly chat: BareJid
  readonly own: boolean
  /** To whom the author has addressed it. */
  readonly to: readonly BareJid[]
  /** When it was written, by the author's clock. */
  readonly time: Date
  readonly warnings: readonly WarningCode[]
}

/**
 * When decrypting it again may come to something else.
 *
 * - `after-unlock`: when a key is unlocked, made, imported or restored. `after-decision`: when somebody has decided about the key.
 * - `after-refresh`: when the sender's keys can be read, or are others. `later`: when a clock has caught up.
 */
export type Retry = 'never' | 'after-unlock' | 'after-refresh' | 'after-decision' | 'later'

/** What a stanza comes to. */
export type Decrypted =
  | DecryptedMessage
  /**
   * - `duplicate`: it was settled before: a second copy, or a replay under another id.
   * - `own`: what this client has sent, coming back. `control`: nothing to show. `ignored`: nothing for us.
   */
  | { readonly kind: 'silent'; readonly why: 'duplicate' | 'control' | 'own' | 'ignored' }
  | {
      readonly kind: 'unreadable'
      readonly code: UnreadableCode
      readonly retry: Retry
      readonly detail: Readonly<Record<string, string>>
    }
