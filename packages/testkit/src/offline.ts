/** XEP-0160: messages that wait for a client. */

import { delay, type Element, elements, hintsOf } from '@xmpp-e2e/xml'
import { CLIENT } from './namespaces.ts'
import type { Account, Server, Session } from './server.ts'
import { withChildren } from './stanza.ts'

const CHAT_STATES = 'http://jabber.org/protocol/chatstates'

/** Keeps a message; says whether it is of a kind that is kept (§3). */
export function keepOffline(server: Server, account: Account, message: Element): boolean {
  const { type = 'normal' } = message.attrs
  if (type !== 'chat' && type !== 'normal') return false
  if (hintsOf(message).has('no-store')) return false
  const content = elements(message).filter(({ ns }) => ns !== CHAT_STATES)
  // §3: a chat state alone is of no use later.
  if (content.length === 0 || content.every(({ name, ns }) => name === 'thread' && ns === CLIENT))
    return false
  const stamp = new Date(server.clock.now())
  account.offline.push(withChildren(message, delay.encode({ stamp, from: account.jid })))
  return true
}

/** To the first client that becomes available with a priority that is not negative. */
export function deliverOffline(server: Server, session: Session): void {
  for (const message of session.account.offline.splice(0)) server.transmit(session, message)
}
