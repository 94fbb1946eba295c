/** Randomness and time of the platform, as connections and schemes take them. For tests there are better ones. */

declare const crypto: { getRandomValues(bytes: Uint8Array): Uint8Array }
declare function setTimeout(f: () => void, ms: number): Timer
declare function clearTimeout(timer: Timer): void
type Timer = number | { unref?(): unknown }

/** Bytes that `getRandomValues` gives at once (W3C WebCrypto §10.1.1). */
const QUOTA = 65_536
/** The longest time that a timer keeps, 24.8 days: a longer one would end at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1
/** Milliseconds: timers of at least a second do not keep a Node process alive, which may have nothing else to do. */
export const UNREF_MS = 1000

/**
 * So many random bytes, from `crypto.getRandomValues`.
 *
 * @throws {RangeError} for a length that is none
 */
export function random(length: number): ReturnType<typeof Uint8Array.of> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += QUOTA) crypto.getRandomValues(bytes.subarray(at, at + QUOTA))
  return bytes
}

/** Wall-clock time and timers. */
export const clock = {
  /** Milliseconds since 1970. */
  now: (): number => Date.now(),
  /** Calls `f` once after so many milliseconds, at most `MAX_TIMER_MS`; returns how to prevent it. */
  after(ms: number, f: () => void): () => void {
    const timer = setTimeout(f, Math.min(ms, MAX_TIMER_MS))
    if (ms >= UNREF_MS && typeof timer === 'object') timer.unref?.()
    return () => clearTimeout(timer)
  },
} as const
