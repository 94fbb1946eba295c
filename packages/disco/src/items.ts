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
  children,
  codec,
  type Element,
  element,
  type FullJid,
  jid,
  optional,
  type Signal,
} from '@xmpp-e2e/xml'
import { address } from './address.ts'
import { ask } from './ask.ts'
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

export interface ItemsOptions {
  readonly signal?: Signal | undefined
  readonly node?: string | undefined
}

/**
 * What belongs to an entity, page by page as it is read; a caller that stops reading asks no further. Items whose
 * address is no JID are left out.
 *
 * @throws {StanzaError | ConnectionError} when it refuses, or does not answer
 * @throws {DiscoError} `malformed`, `wrong-node`, `paging-loop`, `too-many-items`
 * @throws {JidError} when `jid` is none
 */
export function items(connection: Connection, jid: string, options: ItemsOptions = {}): AsyncIterable<Item> {
  return pages(connection, address(jid), options)
}

async function* pages(
  connection: Connection,
  to: string,
  { node, signal }: ItemsOptions,
): AsyncGenerator<Item, void, undefined> {
  const seen = new Set<string>()
  let count = 0
  let after: string | undefined
  for (;;) {
    const asked = element(ITEMS_NAMESPACE, 'query', { node }, pageRequest(PAGE_ITEMS, after))
    const { query } = await ask(connection, to, asked, { signal })
    const page = children(query, 'item')
    count += page.length
    // Without this, a service could feed a loop for ever.
    if (count > MAX_ITEMS) throw new DiscoError('too-many-items', `more than ${MAX_ITEMS} items`)
    yield* page.flatMap(readItem)
    after = nextPage(query)
    if (after === undefined || page.length === 0) return
    if (seen.has(after)) throw new DiscoError('paging-loop', 'the same page again')
    seen.add(after)
  }
}

// Services list what older rules took for an address. One such room must not hide all others.
function readItem(el: Element): readonly Item[] {
  try {
    return [item.decode(el)]
  } catch {
    return []
  }
}
