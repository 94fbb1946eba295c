/** Messages as a program wants them: opened, in order, each until it was dealt with. */
import { type BareJid, type Element, type Received, type ReceiveOptions, receive } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
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

/** `received` says how it came; it is absent for what was opened before the program was started. */
export type Handle = (arrived: Arrived, received: Received | undefined) => unknown

/** @internal */
export interface Inbox {
  listen(handle: Handle, options: ListenOptions): () => void
  catchUp(options: Abortable): Promise<void>
  /** What is being opened or settled now. Handlers are not waited for: one of them may be what closes the façade. */
  idle(): Promise<void>
}

/** @internal What comes in is opened and handled one after another, whoever listens. */
export function inbox(account: Account): Inbox {
  const queries = new Map<string, BareJid>()
  let listeners = 0
  /** Of the last result of an archive that was not opened: the next time it has to be read again. */
  let missed: { readonly error: unknown } | undefined
  let turn: Promise<void> = Promise.resolve()
  const inTurn = (work: () => Promise<void>): void => {
    turn = turn.then(async () => {
      try {
        await work()
      } catch (error) {
        // The program's handler, or its store: the host hears of it as of any error that nobody handles.
        void Promise.reject(error)
      }
    })
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
  return {
    idle: async () => void (await own),

    listen(handle, options) {
      let isStopped = false
      const give = async (arrived: Arrived, received: Received | undefined): Promise<void> => {
        if (isStopped) return
        await handle(arrived, received)
        if (arrived.kind === 'message') await settled(arrived.ref)
      }
      const open = async (received: Received): Promise<void> => {
        if (isStopped) {
          missed = { error: noListener() }
          return
        }
        const decrypted = await owned(decrypt(account, received)).catch((error: unknown) => {
          missed = { error }
          throw error
        })
        if (decrypted.kind !== 'silent') await give(decrypted, received)
      }
      const stanza = (el: Element): void => {
        // At once, and not in turn: who is in a room changes, and queries end.
        const known = new Map([...(options.queries ?? []), ...queries])
        const received = receive(el, { ...options, account: account.jid, queries: known })
        if (received.kind === 'message' && encryptedElements(received.stanza).length > 0)
          inTurn(() => open(received))
      }
      inTurn(async () => {
        if (isStopped) return
        for (const message of await owned(unsettled(account))) await give(message, undefined)
      })
      const unsubscribe = account.connection.subscribe({ stanza })
      listeners++
      const stop = (): void => {
        if (!isStopped) listeners--
        isStopped = true
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
        if (listeners === 0) throw account.closing.reason ?? noListener()
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
