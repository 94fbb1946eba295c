export { CHANGE_ATTEMPTS } from './account.ts'
export type { DeviceInfo } from './device/device-info.ts'
export type { Diagnosis } from './diagnose.ts'
export type { DecryptedIq, EncryptedIq } from './encrypted-iq.ts'
export { OmemoError, type OmemoErrorCode } from './error.ts'
export type { OmemoEvent } from './event.ts'
export type { Finding, FindingCode } from './finding.ts'
export type { Dropped, ForeignDevice, ForeignPreKey, ForeignSignedPreKey } from './foreign-device.ts'
export type { ForeignKey } from './foreign-trust.ts'
export { MAX_KEYS_BYTES } from './key-records.ts'
export { JET_CIPHER, type ReceivedKey, type TransportedKey } from './key-transport.ts'
export { ARCHIVE_PAGE } from './message/archive.ts'
export { CATCH_UP_MS } from './message/catch-up.ts'
export { FALLBACK_BODY, isExposable } from './message/content.ts'
export type { Replaced } from './message/follow-up.ts'
export type { Abortable, Arrived, Handle, ListenOptions } from './message/listening.ts'
export { MAX_UNANSWERED } from './message/recipients.ts'
export { features, type Imported, Omemo } from './omemo.ts'
export type { OmemoOptions } from './options.ts'
export type {
  Decrypted,
  DecryptedMessage,
  DeviceRef,
  Encrypted,
  Reached,
  RefusalCode,
  SkipCode,
  Skipped,
  UnreadableCode,
  WarningCode,
} from './outcome.ts'
export type { Namespace } from './protocol.ts'
export {
  type Affiliation,
  AUDIENCE_MS,
  type Audience,
  type AudienceOptions,
  MAX_AUDIENCE,
  type RoomRefusal,
} from './room.ts'
