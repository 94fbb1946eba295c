/**
 * A session with one device: X3DH, the ratchet that grew from it, and what is left to say of the key exchange
 * (XEP-0384 §4.3).
 *
 * | exchange    | who            | our messages are      | ends with                                   |
 * | ----------- | -------------- | --------------------- | ------------------------------------------- |
 * | `pending`   | the initiator  | key exchanges, always | any message of theirs → `confirmed`         |
 * | `accepted`  | the responder  | plain                 | a message that is no key exchange → `confirmed` |
 * | `confirmed` | both           | plain                 |                                             |
 *
 * All functions are pure. One that throws has changed nothing.
 */
import { randomBytes } from '@noble/hashes/utils.js'
import { pickPreKey, type VerifiedBundle } from './bundle.ts'
import { type Bytes, type Random, sameBytes } from './bytes.ts'
import { type CurveStep, publicKey, SECRET_KEY_LENGTH } from './curve.ts'
import {
  answerRatchet,
  decryptRatchet,
  encryptRatchet,
  type Ratchet,
  startRatchet,
} from './double-ratchet.ts'
import { OmemoError } from './error.ts'
import { assertPrimeOrder, type Identity, type IdentityKey } from './identity-key.ts'
import { findPreKey, findSignedPreKey, type PreKeys } from './pre-keys.ts'
import { type Namespace, type Protocol, protocols } from './protocol.ts'
import type { KeyExchange } from './wire/wire.ts'
import { agreeAsInitiator, agreeAsResponder } from './x3dh.ts'

export type Exchange =
  | { readonly state: 'pending'; readonly preKeyId: number; readonly signedPreKeyId: number }
  | { readonly state: 'accepted' }
  | { readonly state: 'confirmed' }

export interface Session {
  readonly namespace: Namespace
  readonly role: 'initiator' | 'responder'
  /** EK_A, X25519: what tells the sessions with one device apart. */
  readonly ephemeralKey: Bytes
  /** Their identity key as the namespace authenticates it, 32 bytes. */
  readonly theirIdentity: Bytes
  /** When the key exchange was made, as far as known; milliseconds since 1970. */
  readonly stamp: number
  readonly exchange: Exchange
  readonly ratchet: Ratchet
}

/** Our side of every session: what does not change from message to message. */
export interface Self {
  readonly identity: Pick<Identity, 'secret' | keyof IdentityKey>
  readonly deviceId: number
}

/** A message for one device: what goes into its `<key/>`. */
export interface SessionMessage {
  readonly keyExchange: boolean
  readonly data: Bytes
}

/**
 * Opens a session to the device of a bundle. Nothing is sent by this; the first `encryptSession` carries the
 * key exchange.
 * @param now milliseconds since 1970
 * @throws OmemoError `key-invalid`; `identity-mismatch` for a bundle with our own identity key
 */
export function* initiateSession(
  protocol: Protocol,
  self: Self,
  bundle: VerifiedBundle,
  now: number,
  random: Random = randomBytes,
): CurveStep<Session> {
  assertForeign(self, bundle.identityKey)
  const preKey = pickPreKey(bundle, random)
  const ephemeralSecret = Uint8Array.from(random(SECRET_KEY_LENGTH))
  const ephemeralKey = yield* publicKey(ephemeralSecret)
  const sharedKey = yield* agreeAsInitiator(
    {
      identitySecret: self.identity.secret,
      ephemeralSecret,
      theirIdentity: bundle.identityKey.montgomery,
      theirSignedPreKey: bundle.signedPreKey.publicKey,
      theirPreKey: preKey.publicKey,
    },
    protocol.info.keyExchange,
  )
  return {
    namespace: protocol.namespace,
    role: 'initiator',
    ephemeralKey,
    theirIdentity: protocol.identityBytes(bundle.identityKey),
    stamp: stampOf(now),
    exchange: { state: 'pending', preKeyId: preKey.id, signedPreKeyId: bundle.signedPreKey.id },
    ratchet: yield* startRatchet(protocol, sharedKey, bundle.signedPreKey.publicKey, random),
  }
}

/**
 * Accepts a key exchange and opens the message in it. The one-time prekey `preKeyId` is used by this: delete it
 * in the commit that stores the session.
 * @param stamp when it was sent, as far as known; milliseconds since 1970
 * @throws OmemoError `pre-key-missing`, `pre-key-unknown`, `signed-pre-key-unknown`, `key-invalid`,
 *   `identity-mismatch` for our own identity key, and all of `decryptRatchet`
 */
export function* acceptSession(
  protocol: Protocol,
  self: Self,
  preKeys: PreKeys,
  keyExchange: KeyExchange,
  stamp: number,
): CurveStep<{ readonly session: Session; readonly plaintext: Bytes; readonly preKeyId: number }> {
  const preKey = findPreKey(preKeys, keyExchange.preKeyId)
  const signedPreKey = findSignedPreKey(preKeys, keyExchange.signedPreKeyId)
  const theirKey = protocol.readIdentity(keyExchange.identityKey, 'key exchange/identity key')
  assertForeign(self, theirKey)
  // No MAC covers it: with a point of small order added it would agree on the same key under another name.
  assertPrimeOrder(keyExchange.ephemeralKey, 'key exchange/ephemeral key')
  const sharedKey = yield* agreeAsResponder(
    {
      identitySecret: self.identity.secret,
      signedPreKeySecret: signedPreKey.secret,
      preKeySecret: preKey.secret,
      theirIdentity: theirKey.montgomery,
      theirEphemeral: keyExchange.ephemeralKey,
    },
    protocol.info.keyExchange,
  )
  const { message } = protocol.wire.decodeAuthenticated(keyExchange.message)
  const { ratchetKey } = protocol.wire.decodeRatchetMessage(message)
  const unproven: Session = {
    namespace: protocol.namespace,
    role: 'responder',
    ephemeralKey: keyExchange.ephemeralKey,
    theirIdentity: protocol.identityBytes(theirKey),
    stamp: stampOf(stamp),
    exchange: { state: 'accepted' },
    ratchet: yield* answerRatchet(protocol, sharedKey, signedPreKey.secret, ratchetKey),
  }
  const opened = yield* open(self, unproven, keyExchange.message)
  return {
    session: { ...unproven, ratchet: opened.ratchet },
    plaintext: opened.plaintext,
    preKeyId: preKey.id,
  }
}

/** A server that gives us our own bundle, or our own message back, could have us talk to ourselves as to a contact. */
function assertForeign(self: Self, theirs: IdentityKey): void {
  if (sameBytes(self.identity.montgomery, theirs.montgomery))
    throw new OmemoError('identity-mismatch', 'session: their identity key is our own')
}

/** Whole milliseconds from 1970 on: the time of a message may be what a stranger wrote. */
function stampOf(time: number): number {
  if (Number.isNaN(time)) throw new RangeError('time: expected milliseconds since 1970, got NaN')
  return Math.min(Math.max(0, Math.trunc(time)), MAX_STAMP)
}

/** The last moment that a `Date` can hold, in milliseconds since 1970. */
const MAX_STAMP = 8.64e15

/** Encrypts for the session's device; while the exchange is pending the message is a key exchange. */
export function* encryptSession(
  self: Self,
  session: Session,
  plaintext: Uint8Array,
  random: Random = randomBytes,
): CurveStep<{ readonly session: Session; readonly message: SessionMessage }> {
  const protocol = protocols[session.namespace]
  const { exchange } = session
  const associatedData = associatedDataOf(self, session, 'sent')
  const { ratchet, message } = yield* encryptRatchet(
    protocol,
    session.ratchet,
    plaintext,
    associatedData,
    random,
  )
  const keyExchange = exchange.state === 'pending'
  const data = keyExchange
    ? protocol.wire.encodeKeyExchange(
        {
          preKeyId: exchange.preKeyId,
          signedPreKeyId: exchange.signedPreKeyId,
          identityKey: protocol.identityBytes(self.identity),
          ephemeralKey: session.ephemeralKey,
          message,
        },
        self.deviceId,
      )
    : message
  return { session: { ...session, ratchet }, message: { keyExchange, data } }
}

/**
 * Opens a message that is no key exchange.
 * @returns `late` when the message was overtaken by others
 * @throws OmemoError all of `decryptRatchet`
 */
export function* decryptSession(
  self: Self,
  session: Session,
  data: Uint8Array,
): CurveStep<{ readonly session: Session; readonly plaintext: Bytes; readonly late: boolean }> {
  const { ratchet, plaintext, late } = yield* open(self, session, data)
  return { session: { ...session, ratchet, exchange: { state: 'confirmed' } }, plaintext, late }
}

/**
 * Opens the message in a key exchange that the session was made by: they have not heard from us yet.
 * @throws OmemoError `identity-mismatch` and all of `decryptRatchet`
 */
export function* decryptRepeatedExchange(
  self: Self,
  session: Session,
  keyExchange: KeyExchange,
): CurveStep<{ readonly session: Session; readonly plaintext: Bytes; readonly late: boolean }> {
  if (session.role === 'initiator' || !sameBytes(session.theirIdentity, keyExchange.identityKey))
    throw new OmemoError('identity-mismatch', 'key exchange: the ephemeral key belongs to another identity')
  const { ratchet, plaintext, late } = yield* open(self, session, keyExchange.message)
  return { session: { ...session, ratchet }, plaintext, late }
}

function* open(
  self: Self,
  session: Session,
  data: Uint8Array,
): CurveStep<{ readonly ratchet: Ratchet; readonly plaintext: Bytes; readonly late: boolean }> {
  const associatedData = associatedDataOf(self, session, 'received')
  return yield* decryptRatchet(protocols[session.namespace], session.ratchet, data, associatedData)
}

function associatedDataOf(self: Self, session: Session, direction: 'sent' | 'received'): Bytes {
  const protocol = protocols[session.namespace]
  const ours = protocol.identityBytes(self.identity)
  const theirs = session.theirIdentity
  const [sender, receiver] = direction === 'sent' ? [ours, theirs] : [theirs, ours]
  const [initiator, responder] = session.role === 'initiator' ? [ours, theirs] : [theirs, ours]
  return protocol.associatedData({ sender, receiver, initiator, responder })
}
