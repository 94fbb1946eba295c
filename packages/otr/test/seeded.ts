import { sha256 } from '@noble/hashes/sha2.js'
import type { Random } from '../src/bytes.ts'

/** Reproducible bytes: SHA-256 of the seed and a counter, joined. */
export function seeded(seed: string): Random {
  let counter = 0
  return (length) => {
    const out = new Uint8Array(length)
    for (let at = 0; at < length; at += 32)
      out.set(sha256(new TextEncoder().encode(`${seed}/${counter++}`)).subarray(0, length - at), at)
    return out
  }
}
