/** A signal of one's own: `AbortController` has no type where there is no DOM. */
import type { Signal } from './connection.ts'

export interface Closing {
  readonly signal: Signal
  /** Aborts the signal, once. */
  close(): void
}

/** What is open until it is closed; the signal's reason is a `TypeError` that says so of `name`. */
export function closing(name: string): Closing {
  const listeners = new Set<() => void>()
  let isClosed = false
  return {
    signal: {
      get aborted() {
        return isClosed
      },
      get reason() {
        return isClosed ? new TypeError(`${name}: it was closed`) : undefined
      },
      addEventListener: (_type, f) => void listeners.add(f),
      removeEventListener: (_type, f) => void listeners.delete(f),
    },
    close() {
      isClosed = true
      for (const listener of [...listeners]) listener()
      listeners.clear()
    },
  }
}
