/** Messages as a program wants them: opened, in order, each until it was dealt with. */
import { type Element, type Received, type ReceiveOptions, receive } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { Decrypted, DecryptedMessage } from '../outcome.ts'
import { encryptedElements } from '../stanza/message.ts'
import { settle, unsettled } from './kept.ts'
import { decrypt } from './receiving.ts'

/** What `receive` of `@xmpp-e2e/xml` needs to know for archives and rooms. */
export type ListenOptions = Omit<ReceiveOptions, 'account'>

/** What a listener is given. */
export type Arrived = DecryptedMessage | Extract<Decrypted, { readonly kind: 'unreadable' }>

/**
 * @internal Gives every encrypted message that comes in, one after another. A message is settled when `handle` has
 * resolved; one that it has rejected is given again when somebody listens anew. Returns how to stop.
 */
export function listen(
  account: Account,
  handle: (arrived: Arrived, received: Received | undefined) => unknown,
  options: ListenOptions,
): () => void {
  let isStopped = false
  const give = async (arrived: Arrived, received: Received | undefined): Promise<void> => {
    if (isStopped) return
    await handle(arrived, received)
    if (arrived.kind === 'message') await settle(account, [arrived.ref])
  }
  const open = async (stanza: Element): Promise<void> => {
    const received = receive(stanza, { ...options, account: account.jid })
    if (received.kind !== 'message' || encryptedElements(received.stanza).length === 0) return
    const decrypted = await decrypt(account, received)
    if (decrypted.kind !== 'silent') await give(decrypted, received)
  }
  // What fails is the program's handler or its store: the host hears of it as of any error that nobody handles.
  let turn: Promise<void> = Promise.resolve()
  const inTurn = (work: () => Promise<void>): void => {
    turn = turn.then(async () => {
      try {
        if (!isStopped) await work()
      } catch (error) {
        void Promise.reject(error)
      }
    })
  }
  inTurn(async () => {
    for (const message of await unsettled(account)) await give(message, undefined)
  })
  const stop = account.connection.subscribe({ stanza: (stanza) => inTurn(() => open(stanza)) })
  return () => {
    isStopped = true
    stop()
  }
}
