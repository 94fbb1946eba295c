/** Numbers that a seed decides: sfc32 by Chris Doty-Humphrey (public domain), seeded with SHA-256. Not secret. */

import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Bytes } from '@xmpp-e2e/xml'

/** One stream of numbers; each use has its own, so that none disturbs another. */
export interface Random {
  /** An integer from 0 to 2^32 - 1. */
  next(): number
  /** An integer from 0 to `count` - 1; `count` is small, so that the bias of the remainder is, too. */
  below(count: number): number
  bytes(length: number): Bytes
}

/** The same text gives the same numbers; another one gives others. */
export function seeded(seed: string): Random {
  const view = new DataView(sha256(utf8ToBytes(seed)).buffer)
  let [a, b, c, counter] = [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)]
  const next = (): number => {
    const sum = (a + b + counter++) >>> 0
    counter >>>= 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) >>> 0
    c = (((c << 21) | (c >>> 11)) + sum) >>> 0
    return sum
  }
  return {
    next,
    below: (count) => next() % count,
    bytes(length) {
      const bytes = new Uint8Array(length)
      for (let i = 0; i < length; i++) bytes[i] = next() >>> 24
      return bytes
    },
  }
}
