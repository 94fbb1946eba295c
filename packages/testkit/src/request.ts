/** Requests that the service answers, checked as far as RFC 6120 §8.2.3 goes: `get` or `set`, with one payload. */

import type { Element, Jid } from '@xmpp-e2e/xml'
import type { Room } from './room.ts'
import type { Account, Server, Session } from './server.ts'

/** What is asked, and by which session. */
export interface AnyRequest {
  readonly server: Server
  readonly session: Session
  readonly iq: Element
  readonly payload: Element
}

/** Of an account. */
export interface Request extends AnyRequest {
  /** Of whom something is asked. */
  readonly account: Account
  /** Who asks. */
  readonly from: Jid
}

/** Of a room. */
export interface RoomRequest extends AnyRequest {
  readonly room: Room
}
