/**
 * XEP-0060 §7.1: what is published at a node.
 *
 *     <items node='…'> <item id='…' publisher='…'> <payload xmlns='…'/> </item> … </items>
 */

import { type BareJid, children, type Element, elements, type FullJid, jid } from '@xmpp-e2e/xml'
import { malformed } from './error.ts'

export interface Item {
  /** Unique at its node; `undefined` only in notifications of nodes that keep no items. */
  readonly id: string | undefined
  /** `undefined` where the service tells only that there is an item (§4.3). */
  readonly payload: Element | undefined
  /** Who published it, if the service says so; the service must not take that from the publisher (§7.1.2.3). */
  readonly publisher: BareJid | FullJid | undefined
}

/** Items that are read of an answer or notification. Debian's ejabberd keeps 1000 at a node and Prosody 256. */
export const MAX_NODE_ITEMS = 1024

/** UTF-16 code units of the name of a node or item. The longest of the family is `urn:xmpp:openpgp:0:public-keys:` and 64 digits: 95. */
export const MAX_NODE_NAME = 1024

/** @throws {RangeError} when it is no name that a service would take */
export function checkName(what: string, name: string): void {
  if (name.length === 0 || name.length > MAX_NODE_NAME)
    throw new RangeError(`${what}: expected 1 to ${MAX_NODE_NAME} characters`)
}

/**
 * Reads `<items/>` in document order. Of items of one ID the last counts: a node has one of each, and publishing
 * replaces the older one and puts the newer one at the end (§12.1).
 *
 * @throws {PepError} `malformed` when there are too many, or an item has several payloads (§7.1.3.6)
 */
export function readItems(items: Element): readonly Item[] {
  const found = children(items, 'item')
  if (found.length > MAX_NODE_ITEMS) throw malformed(`more than ${MAX_NODE_ITEMS} items`)
  const read = found.map(readItem)
  const last = new Map(read.map((item) => [item.id, item]))
  return read.filter((item) => item.id === undefined || last.get(item.id) === item)
}

function readItem(item: Element): Item {
  const { id, publisher } = item.attrs
  const [payload, ...more] = elements(item)
  if (more.length > 0) throw malformed('an item with several payloads')
  if (id !== undefined && id.length > MAX_NODE_NAME) throw malformed('an item with a name that is too long')
  return { id, payload, publisher: publisher === undefined ? undefined : jid.decode(publisher) }
}
