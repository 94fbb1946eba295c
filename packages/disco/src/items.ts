/**
 * XEP-0030 §4, what belongs to an entity: rooms of a service, nodes of an account, services of a server.
 *
 *     <query xmlns='http://jabber.org/protocol/disco#items' node='…'> <item jid='…' node='…' name='…'/> … </query>
 */

import {
  attr,
  type BareJid,
  type Codec,
  type Connection,
  child,
  children,
  codec,
  type Element,
  element,
  type FullJid,
  jid,
  optional,
  type RequestOptions,
} from '@xmpp-e2e/xml'
import { DiscoError } from './error.ts'
import { nextPage, pageRequest } from './result-set.ts'

export const ITEMS_NAMESPACE = 'http://jabber.org/protocol/disco#items'

export interface Item {
  readonly jid: BareJid | FullJid
  readonly node?: string | undefined
  readonly name?: string | undefined
}

/** Items that are asked for at once: with 10 kB an answer is far below what servers forward. */
export const PAGE_ITEMS = 100

/** Items of one list, 100 pages. The largest public room services have some thousands. */
export const MAX_ITEMS = 10_000

const item: Codec<Item> = codec(ITEMS_NAMESPACE, 'item', {
  jid: attr('jid', jid),
  node: optional(attr('node')),
  name: optional(attr('name')),
})

/** An answer without items. */
export function noItems(node: string | undefined): Element {
  return element(ITEMS_NAMESPACE, 'query', { node })
}

/** See `Disco.items`. */
export async function* items(
  connection: Connection,
  to: string,
  node: string | undefined,
  options: RequestOptions,
): AsyncGenerator<Item, void, undefined> {
  const seen = new Set<string>()
  let count = 0
  let after: string | undefined
  do {
    const asked = element(ITEMS_NAMESPACE, 'query', { node }, pageRequest(PAGE_ITEMS, after))
    const iq = element('jabber:client', 'iq', { type: 'get', to }, asked)
    const query = answerOf(await connection.request(iq, options), ITEMS_NAMESPACE, node)
    const page = children(query, 'item')
    count += page.length
    // Without this, a service could feed a loop for ever.
    if (count > MAX_ITEMS) throw new DiscoError('too-many-items', `more than ${MAX_ITEMS} items`)
    yield* page.flatMap(readItem)
    after = page.length > 0 ? nextPage(query) : undefined
    if (after === undefined) return
    if (seen.has(after)) throw new DiscoError('paging-loop', 'the same page again')
    seen.add(after)
  } while (true)
}

// Services list what older rules took for an address. One such room must not hide all others.
function readItem(el: Element): readonly Item[] {
  try {
    return [item.decode(el)]
  } catch {
    return []
  }
}

/**
 * The `<query/>` of an answer. Entities that leave out the node are many, and it is known what they were asked; another
 * node than that is an answer to something else (XEP-0030 §3.2).
 *
 * @throws {DiscoError} `malformed`, `wrong-node`
 */
export function answerOf(iq: Element, namespace: string, node: string | undefined): Element {
  const query = child(iq, 'query', namespace)
  if (!query) throw new DiscoError('malformed', 'an answer without <query/>')
  const answered = query.attrs.node
  if (answered !== undefined && answered !== (node ?? ''))
    throw new DiscoError('wrong-node', 'the answer is about another node')
  return query
}
