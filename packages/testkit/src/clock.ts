/** Time that moves only when a test says so. */

/** Fits the clocks that `guard` of xml and the queue of store take. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `f` once after so many milliseconds, unless the function returned is called before. */
  after(ms: number, f: () => void): () => void
}

export interface VirtualClock extends Clock {
  /** Moves to the next timer that is due by then, and gives what it calls; `undefined` when there is none. */
  next(until: number): (() => void) | undefined
  /** Moves on; never back. */
  set(now: number): void
}

/** @param start Milliseconds since 1970. */
export function virtualClock(start: number): VirtualClock {
  let now = start
  // Sorted by when they are due; of two that are due at once, the older is first.
  const timers: { readonly due: number; readonly f: () => void }[] = []
  return {
    now: () => now,
    after(ms, f) {
      const timer = { due: now + Math.max(0, ms), f }
      let at = timers.length
      while (at > 0 && timers[at - 1]!.due > timer.due) at--
      timers.splice(at, 0, timer)
      return () => {
        const found = timers.indexOf(timer)
        if (found >= 0) timers.splice(found, 1)
      }
    },
    next(until) {
      const [first] = timers
      if (first === undefined || first.due > until) return undefined
      timers.shift()
      now = Math.max(now, first.due)
      return first.f
    },
    set(later) {
      now = Math.max(now, later)
    },
  }
}
