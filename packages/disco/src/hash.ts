/**
 * Hash functions are values that the host hands in, so that only those in use are in its bundle. The two that everybody
 * needs are made of the classes of @noble/hashes, without the factory around them, which is a tenth of their size.
 */

import { _SHA1 } from '@noble/hashes/legacy.js'
import { _SHA256 } from '@noble/hashes/sha2.js'
import { base64 } from '@xmpp-e2e/xml'

export interface Hash {
  /** As XEP-0300 §3 has it, such as `sha3-256`. */
  readonly name: string
  digest(bytes: Uint8Array): Uint8Array
}

/** The hash of bytes, in base64. */
export function hashed(bytes: Uint8Array, hash: Hash): string {
  return base64().encode(Uint8Array.from(hash.digest(bytes)))
}

/** What XEP-0115 is made of in practice. */
export const sha1: Hash = { name: 'sha-1', digest: (bytes) => new _SHA1().update(bytes).digest() }

/** What every entity with XEP-0390 must have. */
export const sha256: Hash = { name: 'sha-256', digest: (bytes) => new _SHA256().update(bytes).digest() }
