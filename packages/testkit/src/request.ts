/** A request that the service answers. */

import type { Element, Jid } from '@xmpp-e2e/xml'
import type { Account, Server, Session } from './server.ts'

export interface Request {
  readonly server: Server
  /** Of whom something is asked. */
  readonly account: Account
  /** Who asks, and the session by which. */
  readonly from: Jid
  readonly session: Session
  readonly iq: Element
  readonly payload: Element
}
