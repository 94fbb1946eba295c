/** What several tests need. */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'
import { expect } from 'vitest'
import type { OtrErrorCode } from '../src/error.ts'
import type { Random } from '../src/wire/bytes.ts'
import { int } from '../src/wire/writer.ts'

/** The same bytes for the same seed, so that a failure can be repeated. */
export function seeded(seed: number): Random {
  let drawn = 0
  return (length) => {
    const blocks: Uint8Array[] = []
    for (let have = 0; have < length; have += 32) blocks.push(sha256(concatBytes(int(seed), int(drawn++))))
    return concatBytes(...blocks).slice(0, length)
  }
}

/** base^exponent right to left, one bit at a time: what quicker ways are compared with. */
export function plainPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let [result, square] = [1n % modulus, base % modulus]
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

/** What `toThrow` compares an OtrError with. */
export function otrError(code: OtrErrorCode): unknown {
  return expect.objectContaining({ name: 'OtrError', code })
}
