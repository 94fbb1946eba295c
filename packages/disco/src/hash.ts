/** Hash functions are values that the host hands in, so that only those in use are in its bundle. */

import { sha1 as nobleSha1 } from '@noble/hashes/legacy.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'

export interface Hash {
  /** As XEP-0300 §4 has it, such as `sha3-256`. */
  readonly name: string
  digest(bytes: Uint8Array): Uint8Array
}

/** What XEP-0115 is made of in practice. */
export const sha1: Hash = { name: 'sha-1', digest: (bytes) => nobleSha1(bytes) }

/** What every entity with XEP-0390 must have. */
export const sha256: Hash = { name: 'sha-256', digest: (bytes) => nobleSha256(bytes) }
