/**
 * The other hash functions that XEP-0414 §5 requires or recommends: hand them to `disco` as `hashes`. SHA-256, which
 * everybody has to support, suffices to understand and be understood; these help where a peer sends nothing else.
 */

import { blake2b } from '@noble/hashes/blake2.js'
import { sha512 as nobleSha512 } from '@noble/hashes/sha2.js'
import { sha3_256 as nobleSha3_256, sha3_512 as nobleSha3_512 } from '@noble/hashes/sha3.js'
import type { Hash } from './hash.ts'

export const sha512: Hash = { name: 'sha-512', digest: (bytes) => nobleSha512(bytes) }
export const sha3_256: Hash = { name: 'sha3-256', digest: (bytes) => nobleSha3_256(bytes) }
export const sha3_512: Hash = { name: 'sha3-512', digest: (bytes) => nobleSha3_512(bytes) }
export const blake2b_256: Hash = { name: 'blake2b-256', digest: (bytes) => blake2b(bytes, { dkLen: 32 }) }
export const blake2b_512: Hash = { name: 'blake2b-512', digest: (bytes) => blake2b(bytes, { dkLen: 64 }) }

/** All of them, strongest first. */
export const hashes: readonly Hash[] = [blake2b_512, sha3_512, sha512, sha3_256, blake2b_256]
