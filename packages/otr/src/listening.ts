/** Messages as a program wants them: opened, in order, one after another. */
import { type Element, type Received, type ReceiveOptions, receive } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { Conversations } from './conversations.ts'
import type { Decrypted } from './outcome.ts'
import { decrypt } from './receiving.ts'
import { mayHoldOtr } from './xmpp.ts'

/** What `receive` of `@xmpp-e2e/xml` needs to know: of archive queries of the program's own, and of rooms. */
export type ListenOptions = Omit<ReceiveOptions, 'account'>

/** What a listener is given: plain text too, since queries and tags are in it. */
export type Arrived = Exclude<Decrypted, { readonly kind: 'silent' }>

/** `received` says how it came. */
export type Handle = (arrived: Arrived, received: Received) => unknown

/** @internal Gives what comes in to who listens. */
export type Inbox = (handle: Handle, options: ListenOptions) => () => void

/** @internal */
export function inbox(account: Account, conversations: Conversations): Inbox {
  let isListening = false
  return (handle, options) => {
    if (isListening) throw new TypeError('listen: somebody listens already, and a message opens once')
    isListening = true
    let turn: Promise<unknown> = Promise.resolve()
    const stanza = (el: Element): void => {
      const received = receive(el, { ...options, account: account.jid })
      if (received.kind !== 'message' || !mayHoldOtr(received.stanza)) return
      // Not in turn: a handler that waits for what comes next, a comparison say, must not hold it up.
      const opened = decrypt(account, conversations, received)
      const before = turn
      turn = (async () => {
        try {
          const [arrived] = await Promise.all([opened, before])
          if (arrived.kind !== 'silent') await handle(arrived, received)
        } catch (error) {
          account.emit({ kind: 'listener-failed', error })
        }
      })()
    }
    const unsubscribe = account.connection.subscribe({ stanza })
    let isStopped = false
    const stop = (): void => {
      if (isStopped) return
      isStopped = true
      isListening = false
      unsubscribe()
      account.closing.removeEventListener('abort', stop)
    }
    account.closing.addEventListener('abort', stop)
    return stop
  }
}
