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
export { signedLabel, verifiedLabel } from './device-label.ts'
export {
  HEARTBEAT_COUNTER,
  type KeyPair,
  MAX_COUNTER,
  MAX_MESSAGE_GAP,
  type Ratchet,
  type ReceivingChain,
  type SendingChain,
} from './double-ratchet.ts'
export { decodeEnvelope, type Envelope, encodeEnvelope, MAX_ENVELOPE_DEPTH } from './envelope.ts'
export { type AffixContext, type AffixWarning, checkAffixes, TIME_TOLERANCE } from './envelope-affixes.ts'
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
  decodeKeyTransport,
  encodeKeyTransport,
  MAX_PAYLOAD_LENGTH,
  type OpenablePayload,
  type PayloadCipher,
  type PayloadKey,
  type PayloadPurpose,
  payloadCiphers,
  type SealedPayload,
} from './payload.ts'
export { decodeBody, encodeBody } from './payload-body.ts'
export {
  consumePreKey,
  decodePreKeys,
  encodePreKeys,
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
export {
  axolotl,
  type Namespace,
  omemo2,
  type Parties,
  type Protocol,
  protocols,
} from './protocol.ts'
export {
  type Exchange,
  initiateSession,
  type Self,
  type Session,
  type SessionMessage,
} from './session.ts'
export { decodeSessions, encodeSessions, type StoredSessions } from './session-codec.ts'
export {
  type Arrival,
  type DecryptState,
  decryptMessage,
  type EncryptOptions,
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
export { type Bundle, type BundleFormat, bundles, MAX_BUNDLE_PRE_KEYS } from './stanza/bundle.ts'
export { MAX_DEVICE_ID, MAX_FOREIGN_ID } from './stanza/device-id.ts'
export {
  type Device,
  type DeviceList,
  type DeviceListFormat,
  deviceLists,
  MAX_DEVICES,
  MAX_LABEL_LENGTH,
} from './stanza/device-list.ts'
export {
  type Encrypted,
  type EncryptedFormat,
  type EncryptedKey,
  encryptedFormats,
  keysFor,
  MAX_KEYS,
  MAX_KEYS_TRIED,
} from './stanza/encrypted.ts'
export { currentItem, type Item } from './stanza/item.ts'
export { encryptedElements, messageChildren } from './stanza/message.ts'
export type { AuthenticatedMessage, KeyExchange, RatchetMessage, Wire } from './wire/wire.ts'
