export type { Endpoint } from './endpoint.ts'
export { TrustError, type TrustErrorCode } from './error.ts'
export {
  type FingerprintKind,
  fingerprintGroups,
  formatFingerprint,
  isSameFingerprint,
  MAX_FINGERPRINT_TEXT,
  parseFingerprint,
} from './fingerprint.ts'
export { type Decision, type Evidence, type Judged, judge, type Key, type KeyRef, type Level } from './key.ts'
export { decodeKey, encodeKey, MAX_KEY_RECORD } from './key-record.ts'
export {
  formatKeyUri,
  formatOpenpgpUri,
  type KeyClaim,
  type KeyUri,
  MAX_CLAIMS,
  parseKeyUri,
  parseOpenpgpUri,
} from './key-uri.ts'
export {
  type Contest,
  decideKey,
  type Keyring,
  type KeyringStep,
  meetKey,
  type ReceivedTrustMessage,
  receiveTrustMessage,
} from './keyring.ts'
export {
  automaticTrustManagement,
  blindTrustBeforeVerification,
  firstUse,
  manual,
  type Policy,
} from './policy.ts'
export {
  decodeWaiting,
  encodeWaiting,
  MAX_WAITING_CONTACT,
  MAX_WAITING_CONTACTS,
  MAX_WAITING_OWN,
  type Statement,
  type Waiting,
} from './statement.ts'
export {
  ATM_NAMESPACE,
  type KeyOwner,
  MAX_KEY_ID_BYTES,
  MAX_TRUST_MESSAGE_KEYS,
  TRUST_MESSAGE_NAMESPACE,
  type TrustMessage,
  trustMessage,
} from './trust-message.ts'
export { MAX_NOTICE_KEYS, noticeElement, type TrustNotice } from './trust-notice.ts'
export { formatXmppUri, MAX_URI_LENGTH, parseXmppUri, type XmppUri } from './xmpp-uri.ts'
