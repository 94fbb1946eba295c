export type { Bytes, Random } from './bytes.ts'
export { MAX_CONTENT_BYTES, OX_NAMESPACE } from './elements/content.ts'
export { MAX_KEYS_PER_ACCOUNT } from './elements/key-list.ts'
export { MAX_MESSAGE_BYTES } from './elements/openpgp-element.ts'
export { OxError, type OxErrorCode } from './error.ts'
export type { OxEvent } from './event.ts'
export { MAX_ANNOUNCEMENTS_PER_HOUR } from './key/announcement.ts'
export type { CertificateInfo, Certificates } from './key/contact.ts'
export { MAX_UNLISTED_KEYS } from './key/contact-change.ts'
export { LIST_MS, RETRY_MS } from './key/contact-refresh.ts'
export type { OwnKey } from './key/own-keys.ts'
export { ANNOUNCE_JITTER_MS } from './key/own-list.ts'
export { MAX_RECIPIENT_KEYS } from './message/recipients.ts'
export { SEEN_MS } from './message/seen.ts'
export { MAX_CERTIFICATE_BYTES } from './openpgp/certificate.ts'
export type { RevocationReason } from './openpgp/secret-key.ts'
export type { Abortable, OxOptions } from './options.ts'
export type {
  CertificateProblem,
  ContentKind,
  Decrypted,
  DecryptedMessage,
  Encrypted,
  RefusalCode,
  Refused,
  Retry,
  Signed,
  SkipCode,
  Skipped,
  UnreadableCode,
  WarningCode,
} from './outcome.ts'
export { features, Ox } from './ox.ts'
export type { Audience } from './room.ts'
