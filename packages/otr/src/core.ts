/**
 * OTR without a network, a store or a clock: every function takes what is known, and gives what is known then, what to
 * send and what happened. For programs that carry OTR elsewhere than in XMPP, or that keep its state themselves.
 */
export { createGroup, type Group } from './arithmetic/group.ts'
export { type DsaPrivateKey, type DsaPublicKey, fingerprint } from './dsa/dsa.ts'
export { type AbortFlag, type GenerateOptions, generateDsaKey } from './dsa/generate.ts'
export { OtrError, type OtrErrorCode } from './error.ts'
export {
  type AccountKey,
  type FingerprintEntry,
  formatFingerprints,
  formatInstanceTags,
  formatPrivateKeys,
  type InstanceTagEntry,
  MAX_FILE_CHARACTERS,
  parseFingerprints,
  parseInstanceTags,
  parsePrivateKeys,
} from './libotr/files.ts'
export {
  type Conversation,
  createConversation,
  discarded,
  type Instance,
  type KeyVersion,
  MAX_REMEMBERED_KEYS,
  type OtrMeans,
  type OtrStep,
} from './protocol/conversation.ts'
export { MAX_MESSAGE_BYTES } from './protocol/encoded-message.ts'
export type { ConversationEvent, DroppedReason, RefusedReason, SessionEvent } from './protocol/event.ts'
export { FRAGMENT_EXPIRY_MS, MAX_FRAGMENTS, MAX_INSTANCES } from './protocol/fragment.ts'
export {
  AKE_RETRY_JITTER_MS,
  AKE_RETRY_MS,
  BROADCAST_EXPIRY_MS,
  MAX_AKE_RETRIES,
  QUERY_QUIET_MS,
  QUERY_REPEAT_MS,
  query,
  start,
} from './protocol/handshake.ts'
export { generateInstanceTag, MIN_INSTANCE_TAG, type Version } from './protocol/header.ts'
export { MAX_ERROR_REPLIES, receive } from './protocol/incoming.ts'
export { lose } from './protocol/losing.ts'
export {
  abortComparison,
  answerComparison,
  end,
  nextTick,
  selectInstance,
  send,
  sendPlain,
  shareSymmetricKey,
  startComparison,
  tick,
} from './protocol/outgoing.ts'
export { createPolicy, DEFAULT_POLICY, MIN_FRAGMENT, type Policy } from './protocol/policy.ts'
export { MAX_SMP_RECORDS, MAX_WAITING_MAC_KEYS, type SessionView, viewSession } from './protocol/session.ts'
export { runSlices, type Slices } from './protocol/slices.ts'
export type { SmpResult } from './protocol/smp.ts'
export { MAX_QUESTION_BYTES } from './protocol/smp-messages.ts'
export { type TextKind, textKind } from './protocol/text-kind.ts'
export { MAX_PAD, type Tlv } from './protocol/tlv.ts'
export type { Bytes, Random } from './wire/bytes.ts'
