/** One question of XEP-0030: a `<query/>` with a `<query/>` as answer. */

import { type Connection, child, type Element, element, type RequestOptions } from '@xmpp-e2e/xml'
import { DiscoError } from './error.ts'

export interface Answer {
  readonly query: Element
  /** The language around it. */
  readonly lang: string | undefined
}

/**
 * Entities that leave out the node are many, and it is known what they were asked; another node than that is an answer
 * to something else (XEP-0030 §3.2).
 *
 * @throws {DiscoError} `malformed`, `wrong-node`
 */
export async function ask(
  connection: Connection,
  to: string,
  asked: Element,
  options: RequestOptions,
): Promise<Answer> {
  const reply = await connection.request(element('jabber:client', 'iq', { type: 'get', to }, asked), options)
  const query = child(reply, 'query', asked.ns)
  if (!query) throw new DiscoError('malformed', 'no <query/>')
  const { node = asked.attrs.node } = query.attrs
  if (node !== asked.attrs.node && node !== '') throw new DiscoError('wrong-node', 'about another node')
  return { query, lang: reply.attrs['xml:lang'] }
}
