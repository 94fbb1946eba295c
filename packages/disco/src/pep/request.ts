/** What all requests to a PEP service have in common: XEP-0163 §1.2, XEP-0060 §4.6. */

import {
  type BareJid,
  type Child,
  type Connection,
  child,
  type Element,
  ns,
  type Signal,
} from '@xmpp-e2e/xml'
import { readJid } from '../address.ts'
import { pepError } from './error.ts'

export const PUBSUB = 'http://jabber.org/protocol/pubsub'
export const PUBSUB_OWNER = 'http://jabber.org/protocol/pubsub#owner'

export interface PepOptions {
  readonly signal?: Signal | undefined
  /** Milliseconds for each request; `REQUEST_TIMEOUT_MS` of the connection unless given. */
  readonly timeoutMs?: number | undefined
}

/** What `<pubsub/>` is sent in, and to whom. */
export interface Request {
  readonly type: 'get' | 'set'
  readonly ns: typeof PUBSUB | typeof PUBSUB_OWNER
  readonly node: string
  readonly children: readonly Child[]
  /** Whose service; the own account's unless given. */
  readonly owner?: BareJid | undefined
}

const client = ns('jabber:client')

/**
 * Sends the request and gives what `read` makes of the `<pubsub/>` of the answer, which may lack one.
 *
 * @throws {PepError}
 */
export async function ask<T>(
  connection: Connection,
  request: Request,
  options: PepOptions,
  read: (pubsub: Element | undefined) => T,
): Promise<T> {
  const { type, ns: namespace, node, children, owner } = request
  const iq = client('iq', { type, to: owner }, ns(namespace)('pubsub', {}, children))
  const own = owner === undefined || owner === ownAccount(connection)
  try {
    return read(child(await connection.request(iq, options), 'pubsub', namespace))
  } catch (error) {
    throw pepError(error, nodeOf(connection, node, owner), own)
  }
}

/** For answers that say nothing but that it is done. */
export const done = (): void => {}

/** The account of the connection; `undefined` before there is a session, or where its server has given it no JID. */
export function ownAccount({ jid }: Connection): BareJid | undefined {
  return jid === undefined ? undefined : readJid(jid)?.bare
}

/** A node as messages of errors name it. */
export function nodeOf(connection: Connection, node: string, owner?: BareJid): string {
  return `${node} of ${owner ?? ownAccount(connection) ?? 'the own account'}`
}
