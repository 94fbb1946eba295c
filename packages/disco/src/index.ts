export { KEPT_DESCRIPTIONS } from './announcement.ts'
export { MAX_CACHED, MAX_INFO_LENGTH } from './cache.ts'
export { CAPS_NAMESPACE, caps, isShareable } from './caps.ts'
export { CAPS2_NAMESPACE, HASHES_NAMESPACE, hashSet } from './caps2.ts'
export {
  type Claim,
  claimsOf,
  MAX_ALGORITHM_LENGTH,
  MAX_CLAIM_LENGTH,
  MAX_HASH_LENGTH,
  MAX_HASHES,
  type Verdict,
  verify,
} from './claim.ts'
export {
  DATA_FORM_NAMESPACE,
  type DataForm,
  dataForm,
  type FormField,
  type FormKind,
  formType,
} from './data-form.ts'
export type { Abilities } from './description.ts'
export {
  type Disco,
  type DiscoOptions,
  disco,
  type InfoOptions,
} from './disco.ts'
export { DiscoError, type DiscoErrorCode } from './error.ts'
export { type Hash, sha1, sha256 } from './hash.ts'
export { type Identity, INFO_NAMESPACE, type Info, infoQuery, readInfo } from './info.ts'
export { CLAIM_TIMEOUT_MS, MAX_CLAIMANTS, MAX_PRIVATE } from './inquiry.ts'
export { MAX_RESOURCES, type Resource } from './resource.ts'
