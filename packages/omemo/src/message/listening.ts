/** Messages as a program wants them: opened, in order, each until it was dealt with. */
import { type BareJid, type Element, type Received, type ReceiveOptions, receive } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { OmemoEvent } from '../event.ts'
import type { Abortable } from '../options.ts'
import type { Decrypted, DecryptedMessage } from '../outcome.ts'
import { encryptedElements } from '../stanza/message.ts'
import { newQueryId, readArchive } from './archive.ts'
import { beginCatchUp, endCatchUp } from './catch-up.ts'
import { settle, unsettled } from './kept.ts'
import { decrypt } from './receiving.ts'

/** What `receive` of `@xmpp-e2e/xml` needs to know: of archive queries of the program's own, and of rooms. */
export type ListenOptions = Omit<ReceiveOptions, 'account'>

/** What a listener is given. */
export type Arrived = DecryptedMessage | Extract<Decrypted, { readonly kind: 'unreadable' }>

/** `received` says how it came; it is absent for what was opened before, and is given again. */
export type Handle = (arrived: Arrived, received: Received | undefined) => unknown

/** @internal */
export interface Inbox {
  listen(handle: Handle, options: ListenOptions): () => void
  /** Gives again, in turn, what listeners have failed to deal with so far. What fails from now on waits for the next call. */
  retry(): void
  /** Gives, in turn, the messages of a key that were held back until somebody decided about it. */
  heed(event: OmemoEvent): void
  catchUp(options: Abortable): Promise<void>
  /** What is being opened or settled now. Handlers are not waited for: one of them may be what closes the façade. */
  idle(): Promise<void>
}

interface Listener {
  readonly handle: Handle
  isStopped: boolean
}

/**
 * @internal What comes in is opened and handled one after another, whoever listens; of several listeners the first that
 * does not fail is enough. Whatever fails is told as an event: it must not end the program.
 */
export function inbox(account: Account): Inbox {
  const queries = new Map<string, BareJid>()
  const listeners = new Set<Listener>()
  /** Refs of messages that a listener has failed for. They are in the store: a crash loses none. */
  const failed = new Set<string>()
  /** Those that are to be given again in the round that is queued. */
  let due: Set<string> | undefined
  /** Of the last result of an archive that was not opened: the next time it has to be read again. */
  let missed: { readonly error: unknown } | undefined
  let turn: Promise<void> = Promise.resolve()
  const inTurn = (work: () => Promise<void>): void => {
    turn = turn.then(work).catch((error: unknown) => account.emit({ kind: 'listener-failed', error }))
  }
  let own: Promise<unknown> = Promise.resolve()
  const owned = <T>(work: Promise<T>): Promise<T> => {
    own = work.catch(() => {})
    return work
  }
  /** Whose handler ends after the façade was closed is given the message again, if the store was closed as well. */
  const settled = (ref: string): Promise<void> =>
    owned(settle(account, [ref])).catch((error) => {
      if (!account.closing.aborted) throw error
    })
  /** @returns whether it was dealt with */
  const give = async (
    listener: Listener,
    arrived: Arrived,
    received: Received | undefined,
  ): Promise<boolean> => {
    if (listener.isStopped) return false
    const ref = arrived.kind === 'message' ? arrived.ref : undefined
    try {
      await listener.handle(arrived, received)
      if (ref !== undefined) await settled(ref)
      return true
    } catch (error) {
      if (ref !== undefined) failed.add(ref)
      account.emit({ kind: 'listener-failed', ...(ref !== undefined && { ref }), error })
      return false
    }
  }
  const giveAgain = async (
    to: ReadonlySet<Listener>,
    isDue: (message: DecryptedMessage) => boolean,
  ): Promise<void> => {
    if (to.size === 0) return
    for (const message of (await owned(unsettled(account))).filter(isDue)) {
      failed.delete(message.ref)
      let isDone = false
      for (const listener of [...to]) isDone ||= await give(listener, message, undefined)
      if (!isDone) failed.add(message.ref)
    }
  }
  const retry = (): void => {
    if (failed.size === 0) return
    const isQueued = due !== undefined
    due = new Set([...(due ?? []), ...failed])
    failed.clear()
    if (isQueued) return
    inTurn(async () => {
      const refs = due ?? new Set<string>()
      due = undefined
      try {
        await giveAgain(listeners, ({ ref }) => refs.has(ref))
      } catch (error) {
        for (const ref of refs) failed.add(ref)
        throw error
      }
    })
  }
  return {
    retry,
    idle: async () => void (await own),

    heed(event) {
      if (event.kind !== 'key-changed') return
      const { policy } = account
      const { owner, fingerprint, level } = event.key
      if (policy.mayShow(event.previous) || !policy.mayShow(level)) return
      inTurn(() => giveAgain(listeners, ({ key }) => key.owner === owner && key.fingerprint === fingerprint))
    },

    listen(handle, options) {
      const listener: Listener = { handle, isStopped: false }
      const open = async (received: Received): Promise<void> => {
        if (listener.isStopped) {
          missed = { error: noListener() }
          return
        }
        const decrypted = await owned(decrypt(account, received)).catch((error: unknown) => {
          missed = { error }
          throw error
        })
        if (decrypted.kind !== 'silent') await give(listener, decrypted, received)
      }
      const stanza = (el: Element): void => {
        // At once, and not in turn: who is in a room changes, and queries end.
        const known = new Map([...(options.queries ?? []), ...queries])
        const received = receive(el, { ...options, account: account.jid, queries: known })
        if (received.kind === 'message' && encryptedElements(received.stanza).length > 0)
          inTurn(() => open(received))
      }
      inTurn(() => giveAgain(new Set([listener]), () => true))
      const unsubscribe = account.connection.subscribe({
        stanza,
        session: (state) => {
          if (state !== 'lost') retry()
        },
      })
      listeners.add(listener)
      const stop = (): void => {
        listener.isStopped = true
        listeners.delete(listener)
        unsubscribe()
        account.closing.removeEventListener('abort', stop)
      }
      account.closing.addEventListener('abort', stop)
      return stop
    },

    async catchUp(options) {
      const queryId = newQueryId(account)
      queries.set(queryId, account.jid)
      missed = undefined
      const handled = async (): Promise<void> => {
        await turn
        if (listeners.size === 0) throw account.closing.reason ?? noListener()
        if (missed !== undefined) throw missed.error
      }
      try {
        await beginCatchUp(account)
        await readArchive(account, queryId, handled, options)
        await endCatchUp(account)
      } finally {
        queries.delete(queryId)
      }
    },
  }
}

function noListener(): TypeError {
  return new TypeError('catchUp: nobody listens')
}
