export type { AccountEvent as OtrEvent } from './account-event.ts'
export { OtrError, type OtrErrorCode } from './error.ts'
export { MAX_FILE_CHARACTERS } from './libotr/files.ts'
export { MAX_ASSEMBLED_BYTES, MAX_PEERS, MAX_STRANGERS } from './limits.ts'
export type { Arrived, Handle, ListenOptions } from './listening.ts'
export type { AtInstance } from './live-session.ts'
export type { Abortable, OpenOptions, OtrOptions } from './options.ts'
export { type Imported, Otr } from './otr.ts'
export type {
  Begun,
  Decrypted,
  DecryptedMessage,
  Encrypted,
  Offered,
  RefusalCode,
  Refused,
  SessionInfo,
  SharedKey,
  UnreadableCode,
  WarningCode,
} from './outcome.ts'
export type { LibotrFiles } from './own-device.ts'
export { MAX_REMEMBERED_KEYS } from './protocol/conversation.ts'
export { MAX_MESSAGE_BYTES } from './protocol/encoded-message.ts'
export type { DroppedReason, RefusedReason } from './protocol/event.ts'
export { FRAGMENT_EXPIRY_MS, MAX_FRAGMENTS, MAX_INSTANCES } from './protocol/fragment.ts'
export {
  AKE_RETRY_JITTER_MS,
  AKE_RETRY_MS,
  BROADCAST_EXPIRY_MS,
  MAX_AKE_RETRIES,
  QUERY_QUIET_MS,
  QUERY_REPEAT_MS,
} from './protocol/handshake.ts'
export { MIN_INSTANCE_TAG, type Version } from './protocol/header.ts'
export { MAX_ERROR_REPLIES } from './protocol/incoming.ts'
export { DEFAULT_POLICY, MIN_FRAGMENT, type Policy as OtrPolicy } from './protocol/policy.ts'
export { MAX_SMP_RECORDS, MAX_WAITING_MAC_KEYS, type SessionView } from './protocol/session.ts'
export type { SmpResult } from './protocol/smp.ts'
export { MAX_QUESTION_BYTES } from './protocol/smp-messages.ts'
export { MAX_PAD } from './protocol/tlv.ts'
export { MAX_KEYS } from './record.ts'
export type { Bytes, Random } from './wire/bytes.ts'
export { featuresOf, isOtr, mayHoldOtr, OTR_NAMESPACE } from './xmpp.ts'
