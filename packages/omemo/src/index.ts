export {
  type PublicPreKey,
  pickPreKey,
  publishedBundle,
  type VerifiedBundle,
  verifyBundle,
} from './bundle.ts'
export type { Bytes, Random } from './bytes.ts'
export {
  type Curve,
  type CurveAnswer,
  type CurveRequest,
  type CurveStep,
  nobleCurve,
  run,
  runAsync,
  type SyncCurve,
} from './curve.ts'
export {
  type KeyPair,
  MAX_COUNTER,
  MAX_MESSAGE_GAP,
  type Ratchet,
  type ReceivingChain,
  type SendingChain,
} from './double-ratchet.ts'
export { OmemoError, type OmemoErrorCode } from './error.ts'
export {
  decodeIdentity,
  encodeIdentity,
  fingerprint,
  generateIdentity,
  type Identity,
  type IdentityKey,
  importCurve25519,
  importEd25519,
  sign,
} from './identity-key.ts'
export {
  consumePreKey,
  decodePreKeys,
  encodePreKeys,
  findPreKey,
  findSignedPreKey,
  forgetPreviousSignedPreKey,
  generatePreKeys,
  MAX_PRE_KEY_ID,
  MAX_STORED_PRE_KEYS,
  MIN_PRE_KEYS,
  type PreKey,
  type PreKeys,
  refillPreKeys,
  rotateSignedPreKey,
  TARGET_PRE_KEYS,
} from './pre-keys.ts'
export { axolotl, type Namespace, omemo2, type Parties, type Protocol, protocols } from './protocol.ts'
export {
  acceptSession,
  decryptRepeatedExchange,
  decryptSession,
  type Exchange,
  encryptSession,
  initiateSession,
  type Self,
  type Session,
  type SessionMessage,
} from './session.ts'
export { decodeSessions, encodeSessions, SESSION_VERSION, type StoredSessions } from './session-codec.ts'
export {
  type Arrival,
  decryptMessage,
  encryptMessage,
  MAX_ARCHIVED_SESSIONS,
  type Opened,
  type Rival,
  type SessionList,
  withInitiated,
} from './session-list.ts'
export {
  MAX_ENDED_CHAINS,
  MAX_SKIPPED_KEYS,
  type SkippedChain,
  type SkippedKey,
  type SkippedKeys,
} from './skipped-keys.ts'
export type { AuthenticatedMessage, KeyExchange, RatchetMessage, Wire } from './wire/wire.ts'
