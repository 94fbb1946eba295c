/**
 * What the adapters to host libraries have in common: who listens, and how far the session is. Libraries tell of
 * streams; a session outlives its stream when it can be resumed (XEP-0198 §5):
 *
 *     none ──opened──► live ──dropped, resumable──► suspended ──opened, resumed──► live      resumed
 *      │                │                               │─────opened───────────► live      new
 *      └────new         └──dropped or ended──► none     └─────dropped or ended─► none      lost
 */

import { ConnectionError, checkOptions, type GuardOptions, type Listener, type Wire } from './connection.ts'
import type { Element } from './element.ts'
import { XmlError } from './error.ts'
import { readJid } from './jid.ts'

type Take = (iq: Element) => Promise<Element> | undefined

export interface HostSession {
  /** What `guard` makes a connection of, with how the host writes. */
  wire(send: Wire['send']): Wire
  /** @throws {ConnectionError} `lost`, unless something can be written to the stream of the session */
  assertLive(open: boolean): void
  /** The reply of the first that takes a request. */
  take(iq: Element): Promise<Element> | undefined
  /** Tells of a stanza. */
  heard(stanza: Element): void
  /**
   * A session was bound, or resumed; one that was not known before is new here. Under what is no JID there is none:
   * nobody could say whose replies are whose.
   */
  opened(jid: string, resumed: boolean): void
  /** The stream is gone. */
  dropped(resumable: boolean): void
}

/** @throws {TypeError} without what `guard` needs: before anything of the host is changed */
export function hostSession(options: GuardOptions): HostSession {
  checkOptions(options)
  let state: 'none' | 'live' | 'suspended' = 'none'
  let jid: string | undefined
  const listeners = new Set<{ readonly listener: Listener }>()
  const takers = new Set<{ readonly take: Take }>()

  // One that throws must not keep the stanza from the others, nor from the host.
  const tell = (f: (listener: Listener) => void) => {
    for (const { listener } of [...listeners]) {
      try {
        f(listener)
      } catch (error) {
        void Promise.reject(error)
      }
    }
  }
  const add = <T>(set: Set<T>, entry: T) => {
    set.add(entry)
    return () => {
      set.delete(entry)
    }
  }

  const dropped = (resumable: boolean) => {
    if (state === 'none') return
    state = resumable ? 'suspended' : 'none'
    if (resumable) return
    jid = undefined
    tell((listener) => listener.session?.('lost'))
  }

  return {
    wire: (send) => ({
      get jid() {
        return jid
      },
      send,
      subscribe: (listener) => add(listeners, { listener }),
      intercept: (take) => add(takers, { take }),
    }),
    assertLive(open) {
      if (state !== 'live' || !open) throw new ConnectionError('lost', 'there is no live stream')
    },
    take(iq) {
      for (const { take } of [...takers]) {
        const reply = take(iq)
        if (reply) return reply
      }
      return undefined
    },
    heard: (stanza) => tell((listener) => listener.stanza?.(stanza)),
    opened(bound, resumed) {
      if (!readJid(bound)) return dropped(false)
      const known = state === 'suspended' && resumed
      state = 'live'
      jid = bound
      tell((listener) => listener.session?.(known ? 'resumed' : 'new'))
    },
    dropped,
  }
}

/** What `send` rejects with when the host did not write. */
export function unwritten(cause?: unknown): ConnectionError {
  return new ConnectionError('lost', 'the stanza was not written', { cause })
}

/** What was not read does not count; where it came from, others may have read it otherwise. */
export function readable<E>(read: () => E): E | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof XmlError) return undefined
    throw error
  }
}

/** Whether something is a WebSocket that is known not to be open: some of them drop silently what is sent then. */
export function isClosed(socket: unknown): boolean {
  const state = typeof socket === 'object' && socket !== null && 'readyState' in socket && socket.readyState
  return typeof state === 'number' && state !== OPEN
}

// WebSocket §9.3.1.
const OPEN = 1
