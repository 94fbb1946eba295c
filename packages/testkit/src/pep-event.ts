/**
 * XEP-0163 §4.3: who hears of a node. Explicit subscribers, and every client that says so in its capabilities
 * (`node+notify`) and whose presence the account gets: its own, and those of contacts.
 */

import { type Child, type Element, element } from '@xmpp-e2e/xml'
import { CLIENT, PUBSUB_EVENT } from './namespaces.ts'
import { maySee } from './pep-access.ts'
import { isOn, type PubsubItem, type PubsubNode } from './pubsub-node.ts'
import { routeMessage } from './routing.ts'
import { type Account, available, type Server, type Session } from './server.ts'
import { readJid } from './stanza.ts'

/** Tells of an item that was published. */
export function notifyItem(server: Server, account: Account, node: PubsubNode, item: PubsubItem): void {
  notify(server, account, node, itemsEvent(node, item))
}

/** Tells of items that were retracted (§7.2.2.1). */
export function notifyRetraction(
  server: Server,
  account: Account,
  node: PubsubNode,
  ids: readonly string[],
): void {
  const retracted = ids.map((id) => element(PUBSUB_EVENT, 'retract', { id }))
  notify(server, account, node, element(PUBSUB_EVENT, 'items', { node: node.name }, retracted))
}

/** Sends `<purge/>`, `<delete/>` or `<configuration/>`. */
export function notifyOf(
  server: Server,
  account: Account,
  node: PubsubNode,
  name: 'purge' | 'delete' | 'configuration',
  content?: Child,
): void {
  notify(server, account, node, element(PUBSUB_EVENT, name, { node: node.name }, content))
}

/** §6.1.7 of XEP-0060: the last item on subscribing, also by presence. */
export function sendLastItem(server: Server, account: Account, node: PubsubNode, to: string): void {
  const item = [...node.items.values()].at(-1)
  if (!item || node.config.get('pubsub#send_last_published_item') === 'never') return
  send(server, account, to, itemsEvent(node, item))
}

/** Sends the last items of an account to a client that has just become interested in them (XEP-0163 §4.3.4). */
export function sendLastItems(
  server: Server,
  account: Account,
  session: Session,
  known: ReadonlySet<string>,
): void {
  if (!hears(account, session)) return
  for (const node of account.nodes.values()) {
    const feature = `${node.name}+notify`
    if (!session.features.has(feature) || known.has(feature)) continue
    if (node.config.get('pubsub#send_last_published_item') !== 'on_sub_and_presence') continue
    if (maySee(account, node, session.account.jid, server.quirks))
      sendLastItem(server, account, node, session.jid)
  }
}

function itemsEvent(node: PubsubNode, { id, payload }: PubsubItem): Element {
  const content = isOn(node, 'pubsub#deliver_payloads') ? payload : undefined
  const item = element(PUBSUB_EVENT, 'item', { id }, content)
  return element(PUBSUB_EVENT, 'items', { node: node.name }, item)
}

// Subscribers first; who is one and interested, too, hears once.
function notify(server: Server, account: Account, node: PubsubNode, content: Element): void {
  if (!isOn(node, 'pubsub#deliver_notifications')) return
  const told = new Set<string>()
  for (const [jid, { state }] of node.subscriptions) {
    const who = readJid(jid)
    if (!who || state !== 'subscribed' || !maySee(account, node, who.bare, server.quirks)) continue
    told.add(jid)
    send(server, account, jid, content)
  }
  for (const session of interested(server, account, `${node.name}+notify`)) {
    const { jid } = session.account
    if (told.has(jid) || told.has(session.jid) || !maySee(account, node, jid, server.quirks)) continue
    send(server, account, session.jid, content)
  }
}

// Whoever may hear of it; whether the node lets them see it is asked per node.
function interested(server: Server, account: Account, feature: string): readonly Session[] {
  const contacts = [account.jid, ...account.roster.keys()].flatMap((jid) => {
    const contact = server.accounts.get(jid)
    return contact ? available(contact) : []
  })
  return contacts.filter((session) => session.features.has(feature) && hears(account, session))
}

/** Whether the account gets that client's presence, and the client is allowed the account's. */
function hears(account: Account, session: Session): boolean {
  if (session.account === account) return true
  const subscription = account.roster.get(session.account.jid)?.subscription
  return subscription === 'both' || (subscription === 'from' && session.directed.has(account.jid))
}

function send(server: Server, account: Account, to: string, content: Element): void {
  const event = element(PUBSUB_EVENT, 'event', {}, content)
  const id = server.newId()
  routeMessage(server, element(CLIENT, 'message', { from: account.jid, to, type: 'headline', id }, event))
}
