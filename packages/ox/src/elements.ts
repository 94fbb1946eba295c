/** The stanzas of XEP-0373 without OpenPGP: for programs that encrypt elsewhere. It does not load openpgp. */

export type { Bytes, Random } from './bytes.ts'
export { backupCodesOf, generateBackupCode } from './elements/backup-code.ts'
export {
  type Content,
  decodeContent,
  encodeContent,
  MAX_ADDRESSEES,
  MAX_CONTENT_BYTES,
  OX_NAMESPACE,
} from './elements/content.ts'
export {
  decodePublicKey,
  decodeSecretKey,
  encodePublicKey,
  encodeSecretKey,
  publicKeyNode,
  SECRET_KEY_NODE,
} from './elements/key-element.ts'
export {
  decodeKeyList,
  KEY_LIST_NODE,
  type KeyEntry,
  type KeyList,
  MAX_KEYS_PER_ACCOUNT,
  withKey,
  withoutKey,
} from './elements/key-list.ts'
export {
  decodeOpenpgp,
  hasOpenpgp,
  MAX_MESSAGE_BYTES,
  openpgpElement,
  openpgpOf,
} from './elements/openpgp-element.ts'
export { PADDING_STEP } from './elements/padding.ts'
export { namesAccount, userIdsOf } from './elements/user-id.ts'
export { OxError, type OxErrorCode } from './error.ts'
export type { ContentKind } from './outcome.ts'
