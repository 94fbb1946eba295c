/**
 * XEP-0163: the part of XEP-0060 that every account offers at its bare JID. What subscribers and publishers ask:
 *
 *     <iq type='set'>  <pubsub>  <publish node='…'>  <item id='…'>payload</item>  </publish>  <publish-options/>
 *     <iq type='get' to='owner'>  <pubsub>  <items node='…' max_items='…'>  <item id='…'/>
 *
 * A request is checked to its end before anything is changed, so that one that is refused has changed nothing.
 */

import { child, children, type Element, element, elements, type Jid } from '@xmpp-e2e/xml'
import { FORM, PUBSUB, PUBSUB_ERRORS, RSM } from './namespaces.ts'
import { checkAccess, mayPublish } from './pep-access.ts'
import { notifyItem, notifyRetraction, sendLastItem } from './pep-event.ts'
import {
  configForm,
  defaultConfig,
  FIELDS,
  isOn,
  keep,
  NODE_CONFIG_FORM,
  newNode,
  type PubsubNode,
  readConfig,
  same,
} from './pubsub-node.ts'
import type { Request } from './request.ts'
import { page } from './result-set.ts'
import { seesPresence } from './roster.ts'
import { isFull, readJid, refusal } from './stanza.ts'

const PUBLISH_OPTIONS = 'http://jabber.org/protocol/pubsub#publish-options'

/** Answers `<pubsub xmlns='http://jabber.org/protocol/pubsub'/>`. */
export function answerPubsub(request: Request): readonly Element[] {
  const { payload, iq } = request
  const [action] = elements(payload)
  if (payload.name !== 'pubsub' || action?.ns !== PUBSUB) throw refusal(iq, 'bad-request')
  const answer = iq.attrs.type === 'get' ? GET[action.name] : SET[action.name]
  if (!answer) throw refusal(iq, 'feature-not-implemented', [unsupported(action.name)])
  const content = answer(request, action)
  return content ? [element(PUBSUB, 'pubsub', {}, content)] : []
}

/** Gives what the answer contains, if anything. */
type Action = (request: Request, action: Element) => readonly Element[] | undefined

const GET: Readonly<Record<string, Action>> = Object.assign(Object.create(null), {
  items: fetch,
  subscriptions: listSubscriptions,
  affiliations: listAffiliations,
  default: ({ server }: Request) => [
    element(PUBSUB, 'default', {}, configForm(defaultConfig(server.quirks))),
  ],
})

const SET: Readonly<Record<string, Action>> = Object.assign(Object.create(null), {
  publish,
  retract,
  create,
  subscribe,
  unsubscribe,
})

function unsupported(feature: string): Element {
  return element(PUBSUB_ERRORS, 'unsupported', { feature })
}

/**
 * The node that is named.
 *
 * @throws {StanzaError} `bad-request` with `nodeid-required`; `item-not-found`, which some servers tell contacts only
 */
export function nodeOf({ server, account, from, iq }: Request, action: Element): PubsubNode {
  const name = action.attrs.node
  if (!name) throw refusal(iq, 'bad-request', [element(PUBSUB_ERRORS, 'nodeid-required')])
  const node = account.nodes.get(name)
  if (node) return node
  throw refusal(iq, seesPresence(account, from.bare) ? 'item-not-found' : server.quirks.absentNode)
}

// §6.5: all items, those that are named, or the latest so many, oldest first.
function fetch(request: Request, action: Element): readonly Element[] {
  const node = nodeOf(request, action)
  checkAccess(request, node)
  const wanted = children(action, 'item').map((item) => item.attrs.id ?? '')
  const all = [...node.items.values()]
  const found = wanted.length > 0 ? all.filter(({ id }) => wanted.includes(id)) : all
  const max = action.attrs.max_items
  if (max !== undefined && !/^[1-9][0-9]{0,8}$/.test(max)) throw refusal(request.iq, 'bad-request')
  const newest = max === undefined ? found : found.slice(-Number(max))
  // §6.5.4: by page; `<set/>` stands beside `<items/>`.
  const wantsPage = child(request.payload, 'set', RSM)
  const paged = wantsPage ? page(newest, request) : undefined
  const items = (paged?.members ?? newest).map(({ id, payload }) => element(PUBSUB, 'item', { id }, payload))
  return [element(PUBSUB, 'items', { node: node.name }, items), ...(paged ? [paged.set] : [])]
}

// §7.1: makes the node if it has to (§7.1.4), which only the owner can.
function publish(request: Request, action: Element): readonly Element[] {
  const { server, account, from, iq, payload } = request
  const name = action.attrs.node
  if (!name) throw refusal(iq, 'bad-request', [element(PUBSUB_ERRORS, 'nodeid-required')])
  const items = children(action, 'item')
  const [item] = items
  if (items.length > 1) throw refusal(iq, 'bad-request', [element(PUBSUB_ERRORS, 'max-items-exceeded')])
  const contents = item ? elements(item) : []
  if (contents.length > 1) throw refusal(iq, 'bad-request', [element(PUBSUB_ERRORS, 'invalid-payload')])
  const options = readOptions(request, payload)
  let node = account.nodes.get(name)
  if (node && !mayPublish(request, node)) throw refusal(iq, 'forbidden')
  if (node) checkPreconditions(request, node, options)
  else if (from.bare !== account.jid) throw refusal(iq, 'forbidden')
  // §7.1.3: what is kept has to be something.
  const persists = node
    ? isOn(node, 'pubsub#persist_items')
    : !same(options.get('pubsub#persist_items') ?? '1', '0')
  if (!item && persists) throw refusal(iq, 'bad-request', [element(PUBSUB_ERRORS, 'item-required')])
  if (!node) {
    node = newNode(name, options, server.quirks)
    account.nodes.set(name, node)
  }
  const kept = { id: item?.attrs.id || server.newId(), payload: contents[0] }
  keep(node, kept, server.quirks)
  notifyItem(server, account, node, kept)
  return [element(PUBSUB, 'publish', { node: name }, element(PUBSUB, 'item', { id: kept.id }))]
}

/** §7.1.5: fields that are preconditions for a node that exists, and the configuration of one that does not. */
function readOptions({ server, iq }: Request, payload: Element): ReadonlyMap<string, string> {
  const wrapper = child(payload, 'publish-options')
  const form = wrapper && child(wrapper, 'x', FORM)
  if (!form) return new Map()
  const { publishOptions = [...FIELDS.keys()], unknownOption } = server.quirks
  const options = readConfig(iq, form, PUBLISH_OPTIONS)
  const names = children(form, 'field').map(({ attrs }) => attrs.var ?? '')
  if (!names.every((name) => name === 'FORM_TYPE' || publishOptions.includes(name)))
    throw refusal(iq, unknownOption)
  return options
}

// A field that is not named may be anything: §7.1.5 compares only what the publisher wants to be sure of.
function checkPreconditions({ iq }: Request, node: PubsubNode, options: ReadonlyMap<string, string>): void {
  for (const [name, value] of options)
    if (!same(node.config.get(name) ?? '', value))
      throw refusal(iq, 'conflict', [element(PUBSUB_ERRORS, 'precondition-not-met')])
}

// §7.2: all items that are named, or none.
function retract(request: Request, action: Element): undefined {
  const { server, account, iq } = request
  const node = nodeOf(request, action)
  if (!mayPublish(request, node)) throw refusal(iq, 'forbidden')
  const ids = children(action, 'item').map((item) => item.attrs.id ?? '')
  if (ids.length === 0 || ids.includes(''))
    throw refusal(iq, 'bad-request', [element(PUBSUB_ERRORS, 'item-required')])
  if (!ids.every((id) => node.items.has(id))) throw refusal(iq, 'item-not-found')
  for (const id of ids) node.items.delete(id)
  if (isOn(node, 'pubsub#notify_retract') || same(action.attrs.notify ?? '', '1'))
    notifyRetraction(server, account, node, ids)
}

// §8.1, with the configuration of §8.1.3
function create(request: Request, action: Element): readonly Element[] {
  const { account, from, iq, payload, server } = request
  if (from.bare !== account.jid) throw refusal(iq, 'forbidden')
  const name = action.attrs.node || server.newId()
  if (account.nodes.has(name)) throw refusal(iq, 'conflict')
  const configure = child(payload, 'configure')
  const form = configure && child(configure, 'x', FORM)
  const config = form ? readConfig(iq, form, NODE_CONFIG_FORM) : new Map()
  account.nodes.set(name, newNode(name, config, server.quirks))
  return [element(PUBSUB, 'create', { node: name })]
}

// §6.1. With `authorize` it is only a request (§6.1.4), which the owner approves by `#owner` subscriptions (§8.8.2).
function subscribe(request: Request, action: Element): readonly Element[] {
  const { server, account } = request
  const jid = subscriber(request, action)
  const node = nodeOf(request, action)
  const authorize = node.config.get('pubsub#access_model') === 'authorize'
  const owner = jid.bare === account.jid
  if (!authorize || owner) checkAccess(request, node)
  const target = jid.full ?? jid.bare
  const old = node.subscriptions.get(target)
  const state = authorize && !owner && old?.state !== 'subscribed' ? 'pending' : 'subscribed'
  const subscription = { id: old?.id ?? server.newId(), state } as const
  node.subscriptions.set(target, subscription)
  if (state === 'subscribed') sendLastItem(server, account, node, target)
  return [subscriptionElement(node, target, subscription)]
}

// §6.2
function unsubscribe(request: Request, action: Element): undefined {
  const jid = subscriber(request, action)
  const node = nodeOf(request, action)
  if (node.subscriptions.delete(jid.full ?? jid.bare)) return
  throw refusal(request.iq, 'unexpected-request', [element(PUBSUB_ERRORS, 'not-subscribed')])
}

/** §6.1.3.1: one subscribes oneself, as account or as client. */
function subscriber({ from, iq }: Request, action: Element): Jid {
  const jid = readJid(action.attrs.jid)
  if (jid?.bare !== from.bare || (isFull(jid) && jid.full !== from.full))
    throw refusal(iq, 'bad-request', [element(PUBSUB_ERRORS, 'invalid-jid')])
  return jid
}

/** `<subscription node='…' jid='…' subid='…' subscription='subscribed'/>` */
function subscriptionElement(
  { name }: PubsubNode,
  jid: string,
  { id, state }: { readonly id: string; readonly state: string },
): Element {
  return element(PUBSUB, 'subscription', { node: name, jid, subid: id, subscription: state })
}

// §5.6: one's own, of one node or of all.
function listSubscriptions({ account, from }: Request, action: Element): readonly Element[] {
  const found = nodesOf(account.nodes, action.attrs.node).flatMap((node) =>
    [...node.subscriptions].flatMap(([jid, subscription]) =>
      readJid(jid)?.bare === from.bare ? [subscriptionElement(node, jid, subscription)] : [],
    ),
  )
  return [element(PUBSUB, 'subscriptions', { node: action.attrs.node }, found)]
}

// §5.7: one's own.
function listAffiliations({ account, from }: Request, action: Element): readonly Element[] {
  const found = nodesOf(account.nodes, action.attrs.node).flatMap((node) => {
    const affiliation = from.bare === account.jid ? 'owner' : node.affiliations.get(from.bare)
    return affiliation ? [element(PUBSUB, 'affiliation', { node: node.name, affiliation })] : []
  })
  return [element(PUBSUB, 'affiliations', { node: action.attrs.node }, found)]
}

// Without a node, all that there are.
function nodesOf(nodes: ReadonlyMap<string, PubsubNode>, name: string | undefined): readonly PubsubNode[] {
  return [...nodes.values()].filter((node) => name === undefined || node.name === name)
}
