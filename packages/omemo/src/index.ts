export { CHANGE_ATTEMPTS } from './account.ts'
export { RECLAIM_MS } from './device/announcement.ts'
export { ASK_TIMEOUT_MS, ASKED_AT_ONCE } from './device/asking.ts'
export { BUNDLES_PER_REQUEST } from './device/bundle-fetch.ts'
export {
  MAX_DEVICES_PER_ACCOUNT,
  MAX_IDENTITIES,
  MAX_KEPT_LABEL,
  MAX_KNOWN_DEVICES,
} from './device/contact.ts'
export type { DeviceInfo } from './device/device-info.ts'
export { LIST_FRESH_MS, LIST_RETRY_MS } from './device/device-lists.ts'
export { SIGNED_PRE_KEY_MS } from './device/maintenance.ts'
export { MAX_IDS_AHEAD, ROLLBACK_MS } from './device/own-bundle.ts'
export {
  MAX_REANNOUNCEMENTS,
  REANNOUNCE_JITTER_MS,
  REANNOUNCE_WINDOW_MS,
} from './device/own-events.ts'
export { PRE_KEYS_AT_ONCE } from './device/pre-key-supply.ts'
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
export { MAX_SENDERS } from './message/candidate.ts'
export { CATCH_UP_MS, MAX_SPENT_PRE_KEYS, MAX_SPENT_USES } from './message/catch-up.ts'
export { MAX_KEYS_COMPARED } from './message/clone.ts'
export { FALLBACK_BODY, isExposable } from './message/content.ts'
export type { Replaced } from './message/follow-up.ts'
export { HEAL_MS, UNLISTED_REFRESH_MS } from './message/healing.ts'
export { MAX_HIDDEN, MAX_HIDDEN_BYTES } from './message/hidden.ts'
export { MAX_KEPT_OUTSIDE } from './message/kept.ts'
export type { Arrived, Handle, ListenOptions } from './message/listening.ts'
export { MAX_LISTS_PER_DEVICE } from './message/opening.ts'
export { BUNDLE_RETRY_MS, MAX_UNANSWERED } from './message/recipients.ts'
export { MAX_SEEN } from './message/seen.ts'
export { features, type Imported, Omemo } from './omemo.ts'
export type { Abortable, OmemoOptions } from './options.ts'
export type {
  Decrypted,
  DecryptedMessage,
  DeviceRef,
  Encrypted,
  Reached,
  RefusalCode,
  Refused,
  SkipCode,
  Skipped,
  UnreadableCode,
  UnreadableDetail,
  WarningCode,
} from './outcome.ts'
export type { Namespace } from './protocol.ts'
export { AUDIENCE_MS, type Audience, type AudienceOptions, MAX_AUDIENCE } from './room.ts'
export type { Affiliation, RoomRefusal } from './room-record.ts'
