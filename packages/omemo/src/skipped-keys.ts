/**
 * Message keys of messages that have not arrived yet, as a value (Double Ratchet §2.6).
 *
 * Keys are grouped by the ratchet key of their receiving chain. Chains that ended are remembered for a while
 * without keys too, so that a message delivered twice is told from one that cannot be opened.
 */
import { type Bytes, sameBytes } from './bytes.ts'

/** XEP-0384 §4.3: keys kept per session; the oldest go first. 1000 × up to 37 bytes = 37 kB. */
export const MAX_SKIPPED_KEYS = 1000

/**
 * Chains remembered after they ended, counted from the newest. Each costs 38 bytes, and up to 37 more for the
 * extra key of `endChain` until the chain is older than this.
 */
export const MAX_ENDED_CHAINS = 5

export interface SkippedKey {
  readonly counter: number
  readonly messageKey: Bytes
}

export interface SkippedChain {
  readonly ratchetKey: Bytes
  /** How many messages the chain is known to have: all below were received, or are skipped, or were forgotten. */
  readonly length: number
  readonly keys: readonly SkippedKey[]
}

/** Oldest chain first; within a chain, lowest counter first. */
export type SkippedKeys = readonly SkippedChain[]

export const noSkippedKeys: SkippedKeys = []

function find(skipped: SkippedKeys, ratchetKey: Uint8Array): SkippedChain | undefined {
  return skipped.find((chain) => sameBytes(chain.ratchetKey, ratchetKey))
}

/** The key of one message, if it was skipped. */
export function findSkipped(
  skipped: SkippedKeys,
  ratchetKey: Uint8Array,
  counter: number,
): Bytes | undefined {
  return find(skipped, ratchetKey)?.keys.find((key) => key.counter === counter)?.messageKey
}

/**
 * Whether the message belongs to a remembered chain and is not new: with no key for it, it was opened before, or its
 * key was among the oldest and is gone.
 */
export function wasPassed(skipped: SkippedKeys, ratchetKey: Uint8Array, counter: number): boolean {
  return counter < (find(skipped, ratchetKey)?.length ?? 0)
}

/** Without the key of that message, which has been used: where it was the extra one, the chain had this message too. */
export function dropSkipped(skipped: SkippedKeys, ratchetKey: Uint8Array, counter: number): SkippedKeys {
  return prune(
    skipped.map((chain) =>
      sameBytes(chain.ratchetKey, ratchetKey)
        ? {
            ...chain,
            length: Math.max(chain.length, counter + 1),
            keys: chain.keys.filter((key) => key.counter !== counter),
          }
        : chain,
    ),
  )
}

/** With more keys of a chain, which is the newest. `length` counts its messages up to now. */
export function addSkipped(
  skipped: SkippedKeys,
  ratchetKey: Bytes,
  keys: readonly SkippedKey[],
  length: number,
): SkippedKeys {
  const before = find(skipped, ratchetKey)
  const others = before === undefined ? skipped : skipped.filter((chain) => chain !== before)
  return prune([...others, { ratchetKey, length, keys: [...(before?.keys ?? []), ...keys] }])
}

/** Drops the oldest keys above the limit, then chains and extra keys that are no longer remembered. */
function prune(skipped: SkippedKeys): SkippedKeys {
  let excess = skipped.reduce((sum, chain) => sum + chain.keys.length, 0) - MAX_SKIPPED_KEYS
  const remembered = skipped.length - MAX_ENDED_CHAINS
  return skipped.flatMap((chain, index) => {
    const kept = chain.keys.slice(Math.max(0, Math.min(excess, chain.keys.length)))
    excess -= chain.keys.length - kept.length
    if (index >= remembered) return [{ ...chain, keys: kept }]
    const keys = kept.filter((key) => key.counter < chain.length)
    return keys.length === 0 ? [] : [{ ...chain, keys }]
  })
}
