/** What several tests need. */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'
import type { Random } from '../src/bytes.ts'
import { int } from '../src/writer.ts'

/** The same bytes for the same seed, so that a failure can be repeated. */
export function seeded(seed: number): Random {
  let drawn = 0
  return (length) => {
    const blocks: Uint8Array[] = []
    for (let have = 0; have < length; have += 32) blocks.push(sha256(concatBytes(int(seed), int(drawn++))))
    return concatBytes(...blocks).slice(0, length)
  }
}
