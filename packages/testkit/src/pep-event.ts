/**
 * XEP-0163 §4.3: who hears of a node. Explicit subscribers, and every client that says so in its capabilities
 * (`node+notify`) and whose presence the account gets: its own, and those of contacts.
 *
 *     <message from='account' type='headline'>  <event>  <items node='…'>  <item id='…'>payload</item>   published
 *                                                        <items node='…'>  <retract id='…'/>             retracted
 *                                                        <purge/>, <delete/>, <configuration/>           of the node
 *
 * Whether somebody may see the node is asked each time: access can have been taken away since.
 */

import { type Child, type Element, element } from '@xmpp-e2e/xml'
import { CLIENT, PUBSUB_EVENT } from './namespaces.ts'
import { maySee } from './pep-access.ts'
import { isOn, latestItem, type PubsubItem, type PubsubNode } from './pubsub-node.ts'
import { rosterItem, seesPresence } from './roster.ts'
import { routeMessage } from './routing.ts'
import { type Account, available, type Server, type Session } from './server.ts'
import { readJid } from './stanza.ts'

/** Tells of an item that was published. */
export function notifyItem(server: Server, account: Account, node: PubsubNode, item: PubsubItem): void {
  const event = itemsEvent(node, item)
  tellContacts(server, account, node, event, tellSubscribers(server, account, node, event))
}

/** Tells of items that were retracted (§7.2.2.1). */
export function notifyRetraction(
  server: Server,
  account: Account,
  node: PubsubNode,
  ids: readonly string[],
): void {
  const retracted = ids.map((id) => element(PUBSUB_EVENT, 'retract', { id }))
  notifyAll(server, account, node, element(PUBSUB_EVENT, 'items', { node: node.name }, retracted))
}

/** Sends `<purge/>`, `<delete/>` or `<configuration/>`. */
export function notifyOf(
  server: Server,
  account: Account,
  node: PubsubNode,
  name: 'purge' | 'delete' | 'configuration',
  content?: Child,
): void {
  notifyAll(server, account, node, element(PUBSUB_EVENT, name, { node: node.name }, content))
}

/** §6.1.7 of XEP-0060: the last item on subscribing, also by presence. */
export function sendLastItem(server: Server, account: Account, node: PubsubNode, to: string): void {
  const item = latestItem(node)
  if (!item || node.config.get('pubsub#send_last_published_item') === 'never') return
  send(server, account, to, itemsEvent(node, item))
}

/**
 * Sends the last items of an account to a client that has just become interested in them (XEP-0163 §4.3.4): those that
 * it was not interested in before, `known`. They go to `to`, the client itself unless given.
 */
export function sendLastItems(
  server: Server,
  account: Account,
  session: Session,
  known: ReadonlySet<string>,
  to: string = session.jid,
): void {
  if (!hears(account, session)) return
  for (const node of account.nodes.values()) {
    const feature = `${node.name}+notify`
    if (!session.features.has(feature) || known.has(feature)) continue
    if (node.config.get('pubsub#send_last_published_item') !== 'on_sub_and_presence') continue
    if (maySee(account, node, session.account.jid)) sendLastItem(server, account, node, to)
  }
}

function itemsEvent(node: PubsubNode, { id, payload }: PubsubItem): Element {
  const content = isOn(node, 'pubsub#deliver_payloads') ? payload : undefined
  const item = element(PUBSUB_EVENT, 'item', { id }, content)
  return element(PUBSUB_EVENT, 'items', { node: node.name }, item)
}

function notifyAll(server: Server, account: Account, node: PubsubNode, content: Element): void {
  const told = tellSubscribers(server, account, node, content)
  if (server.quirks.tellsContacts === 'all') tellContacts(server, account, node, content, told)
}

/** Gives who was told: bare or full JIDs. */
function tellSubscribers(
  server: Server,
  account: Account,
  node: PubsubNode,
  content: Element,
): ReadonlySet<string> {
  const told = new Set<string>()
  if (!isOn(node, 'pubsub#deliver_notifications')) return told
  for (const [jid, { state }] of node.subscriptions) {
    const who = readJid(jid)
    if (!who || state !== 'subscribed' || !maySee(account, node, who.bare)) continue
    told.add(jid)
    send(server, account, jid, content)
  }
  return told
}

// Who is a subscriber and interested, too, hears once.
function tellContacts(
  server: Server,
  account: Account,
  node: PubsubNode,
  content: Element,
  told: ReadonlySet<string>,
): void {
  if (!isOn(node, 'pubsub#deliver_notifications')) return
  for (const contact of contactsOf(server, account)) {
    if (told.has(contact.jid) || !maySee(account, node, contact.jid)) continue
    for (const jid of interested(account, contact, `${node.name}+notify`))
      if (!told.has(jid)) send(server, account, jid, content)
  }
}

function contactsOf(server: Server, account: Account): readonly Account[] {
  return [account.jid, ...account.roster.keys()].flatMap((jid) => server.accounts.get(jid) ?? [])
}

// Clients, and the account itself where that is taken to have interests.
function interested(account: Account, contact: Account, feature: string): readonly string[] {
  const sessions = available(contact).filter(
    (session) => session.features.has(feature) && hears(account, session),
  )
  const itself = contact !== account && contact.features.has(feature) && isMutual(account, contact)
  return [...sessions.map(({ jid }) => jid), ...(itself ? [contact.jid] : [])]
}

/** Whether the account gets that client's presence, and the client is allowed the account's. */
function hears(account: Account, session: Session): boolean {
  if (session.account === account || isMutual(account, session.account)) return true
  return seesPresence(account, session.account.jid) && session.directed.has(account.jid)
}

function isMutual(account: Account, contact: Account): boolean {
  return rosterItem(account, contact.jid).subscription === 'both'
}

function send(server: Server, account: Account, to: string, content: Element): void {
  const event = element(PUBSUB_EVENT, 'event', {}, content)
  const id = server.newId()
  routeMessage(server, element(CLIENT, 'message', { from: account.jid, to, type: 'headline', id }, event))
}
