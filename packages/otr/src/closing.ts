/** A signal of our own: `AbortController` has no type where there is no DOM. */
import type { Signal } from '@xmpp-e2e/store'

/** @internal */
export interface Closing {
  readonly signal: Signal
  close(): void
}

/** @internal */
export function closing(): Closing {
  const listeners = new Set<() => void>()
  let isClosed = false
  return {
    signal: {
      get aborted() {
        return isClosed
      },
      get reason() {
        return isClosed ? new TypeError('otr: it was closed') : undefined
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
