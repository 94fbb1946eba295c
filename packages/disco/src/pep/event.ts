/**
 * XEP-0060 §7.1.2, §7.2.2, §8.2.5, §8.4.2, §8.5.2 and XEP-0163 §4.3: what a PEP service tells unasked.
 *
 *     <message from='juliet@capulet.lit' …> <event xmlns='http://jabber.org/protocol/pubsub#event'>
 *                                             <items node='…'> <item/> … or <retract/> … </items>
 *                                             <purge node='…'/> <delete node='…'/> <configuration node='…'/>
 *
 * Keys are announced this way, so a notification that anybody could have written is worth an attack.
 */

import { type BareJid, bareJid, type Connection, children, type Element, elements } from '@xmpp-e2e/xml'
import { DATA_FORM_NAMESPACE } from '../data-form.ts'
import { malformed } from './error.ts'
import { type Item, MAX_NODE_ITEMS, MAX_NODE_NAME, readItems } from './item.ts'
import { type NodeConfig, readConfigForm } from './node-config.ts'
import { ownAccount } from './request.ts'

const EVENT = 'http://jabber.org/protocol/pubsub#event'

interface Of<K extends string> {
  readonly kind: K
  /** Whose node it is: the account that sent the notification. */
  readonly owner: BareJid
  readonly node: string
}

/**
 * - `items`: these have been published, or are the last ones; without payload where the node is configured so. None
 *   where the node has no items at all, only events.
 * - `retracted`: the items of these IDs have been deleted.
 * - `purged`: all items have been deleted.
 * - `deleted`: the node has been deleted.
 * - `configured`: `config` is what it says of its new configuration, which may be nothing.
 */
export type PepEvent =
  | (Of<'items'> & { readonly items: readonly Item[] })
  | (Of<'retracted'> & { readonly ids: readonly string[] })
  | Of<'purged'>
  | Of<'deleted'>
  | (Of<'configured'> & { readonly config: NodeConfig })

/**
 * The notification in a stanza as it came in, if it is one. It must be from the bare JID of an account, which only that
 * account's server can send from (XEP-0163 §4.3.1), or from nobody, which is the own account, `account`. It must be a child
 * of the message itself, so nothing counts that was forwarded, in a carbon or out of an archive; nor does what
 * is of type `error` or `groupchat`, or malformed. What is stored for an account that is offline comes late: fetch
 * before you believe an old one.
 */
export function eventsOf(stanza: Element, account?: BareJid): readonly PepEvent[] {
  const { type, from } = stanza.attrs
  if (stanza.name !== 'message' || stanza.ns !== 'jabber:client') return []
  if (type === 'error' || type === 'groupchat') return []
  const owner = from === undefined ? account : bareJid.decode(from)
  if (owner === undefined || !owner.includes('@')) return []
  const [event, ...more] = children(stanza, 'event', EVENT)
  if (!event || more.length > 0) return []
  const [action, ...others] = elements(event)
  const node = action?.attrs.node
  if (action?.ns !== EVENT || others.length > 0) return []
  if (node === undefined || node === '' || node.length > MAX_NODE_NAME) return []
  try {
    return readAction(action, owner, node)
  } catch {
    return []
  }
}

function readAction(action: Element, owner: BareJid, node: string): readonly PepEvent[] {
  switch (action.name) {
    case 'items': {
      const items = readItems(action)
      const ids = readRetracted(action)
      const events: PepEvent[] = []
      if (items.length > 0 || ids.length === 0) events.push({ kind: 'items', owner, node, items })
      if (ids.length > 0) events.push({ kind: 'retracted', owner, node, ids })
      return events
    }
    case 'purge':
      return [{ kind: 'purged', owner, node }]
    case 'delete':
      return [{ kind: 'deleted', owner, node }]
    case 'configuration': {
      const [form] = children(action, 'x', DATA_FORM_NAMESPACE)
      return [{ kind: 'configured', owner, node, config: form ? readConfigForm(form) : {} }]
    }
    default:
      return []
  }
}

function readRetracted(items: Element): readonly string[] {
  const found = children(items, 'retract')
  if (found.length > MAX_NODE_ITEMS) throw malformed(`more than ${MAX_NODE_ITEMS} items`)
  const ids = found.map(({ attrs }) => attrs.id)
  return [...new Set(ids)].map((id) => {
    if (!id || id.length > MAX_NODE_NAME) throw malformed('a deleted item without a name')
    return id
  })
}

/**
 * Calls `f` with each notification about one of `nodes` that comes in; returns how to stop. To get any, announce
 * `notify(node)` of each.
 */
export function onEvents(
  connection: Connection,
  nodes: readonly string[],
  f: (event: PepEvent) => void,
): () => void {
  const wanted = new Set(nodes)
  return connection.subscribe({
    stanza(stanza) {
      for (const event of eventsOf(stanza, ownAccount(connection))) if (wanted.has(event.node)) f(event)
    },
  })
}

/** The feature to announce for being notified of what is published at a node (XEP-0060 §9.2, XEP-0163 §4.2). */
export function notify(node: string): string {
  return `${node}+notify`
}
