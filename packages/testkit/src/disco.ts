/**
 * XEP-0030: what the server, its accounts and its services are.
 *
 *     <query xmlns='…#info' node='…'>   <identity category='…' type='…'/>  <feature var='…'/>  <x/>
 *     <query xmlns='…#items' node='…'>  <item jid='…' node='…' name='…'/>
 *
 * A reply names the node that it was asked for, and an unknown node is not found rather than empty (§7).
 */

import { child, type Element, element } from '@xmpp-e2e/xml'
import { capsHash } from './caps.ts'
import { CAPS, CARBONS, INFO, ITEMS, MAM, PING, PUBSUB, RSM, SID, STREAMS } from './namespaces.ts'
import { maySee } from './pep-access.ts'
import type { AnyRequest, Request } from './request.ts'
import { page } from './result-set.ts'
import { seesPresence } from './roster.ts'
import { mucDomain, type Server } from './server.ts'
import { refusal } from './stanza.ts'

/** What the service calls itself in caps; not an address. */
const CAPS_NODE = 'https://xmpp-e2e.example/testkit'

/** What the service does of XEP-0060, by the names of the registry (§17.3): no more than is there. */
const PUBSUB_FEATURES = [
  'access-authorize',
  'access-open',
  'access-presence',
  'access-whitelist',
  'auto-create',
  'auto-subscribe',
  'config-node',
  'create-and-configure',
  'create-nodes',
  'delete-items',
  'delete-nodes',
  'filtered-notifications',
  'item-ids',
  'last-published',
  'modify-affiliations',
  'multi-items',
  'persistent-items',
  'presence-subscribe',
  'publish',
  'publish-options',
  'purge-nodes',
  'retract-items',
  'retrieve-affiliations',
  'retrieve-default',
  'retrieve-items',
  'retrieve-subscriptions',
  'rsm',
  'subscribe',
]

/** A disco#info result with one identity. */
export function infoElement(
  node: string | undefined,
  identity: readonly [category: string, type: string, name?: string | undefined],
  features: readonly string[],
  forms: readonly Element[] = [],
): Element {
  const [category, type, name] = identity
  return element(
    INFO,
    'query',
    { node },
    element(INFO, 'identity', { category, type, name }),
    features.map((feature) => element(INFO, 'feature', { var: feature })),
    forms,
  )
}

function serverInfo(node: string | undefined): Element {
  return infoElement(
    node,
    ['server', 'im', 'testkit'],
    [INFO, ITEMS, PING, CARBONS, 'urn:xmpp:carbons:rules:0', 'msgoffline'],
  )
}

/** What a stream announces once it is authenticated, with the caps of the server (XEP-0115 §6.3). */
export function streamFeatures(): Element {
  const ver = capsHash(serverInfo(undefined), 'sha-1')
  return element(
    STREAMS,
    'features',
    {},
    element('urn:ietf:params:xml:ns:xmpp-bind', 'bind'),
    element('urn:xmpp:sm:3', 'sm'),
    element(CAPS, 'c', { hash: 'sha-1', node: CAPS_NODE, ver }),
  )
}

/** What the server answers in its own name. */
export function answerServerDisco({ server, iq, payload }: AnyRequest): readonly Element[] {
  const { ns, name, attrs } = payload
  const { node } = attrs
  if (name !== 'query' || iq.attrs.type !== 'get') throw refusal(iq, 'bad-request')
  if (ns === INFO) {
    if (node !== undefined && node !== `${CAPS_NODE}#${capsHash(serverInfo(undefined), 'sha-1')}`)
      throw refusal(iq, 'item-not-found')
    return [serverInfo(node)]
  }
  if (node !== undefined) throw refusal(iq, 'item-not-found')
  return [element(ITEMS, 'query', {}, element(ITEMS, 'item', { jid: mucDomain(server) }))]
}

/** What the server answers in the name of an account. */
export function answerAccountDisco(request: Request): readonly Element[] {
  const { server, account, from, iq, payload } = request
  const { node } = payload.attrs
  if (payload.name !== 'query' || iq.attrs.type !== 'get') throw refusal(iq, 'bad-request')
  // RFC 6121 §8.5.2.2.3: nobody else learns that there is such an account.
  if (!seesPresence(account, from.bare)) throw refusal(iq, 'service-unavailable')
  const nodes = [...account.nodes.values()].filter((found) => maySee(account, found, from.bare))
  const named = nodes.find((found) => found.name === node)
  if (node !== undefined && !named) throw refusal(iq, 'item-not-found')
  if (payload.ns === INFO)
    return [named ? infoElement(node, ['pubsub', 'leaf'], [PUBSUB]) : accountInfo(server)]
  const items = named
    ? [...named.items.keys()].map((name) => element(ITEMS, 'item', { jid: account.jid, name }))
    : nodes.map(({ name }) => element(ITEMS, 'item', { jid: account.jid, node: name }))
  return [itemsElement(request, node, items)]
}

// XEP-0163 §6.1 has both identities at the bare JID.
function accountInfo({ quirks }: Server): Element {
  const pubsub = [...PUBSUB_FEATURES, ...(quirks.announcesMax ? ['config-node-max'] : [])]
  const info = infoElement(
    undefined,
    ['account', 'registered'],
    [INFO, ITEMS, RSM, MAM, `${MAM}#extended`, SID, PUBSUB, ...pubsub.map((name) => `${PUBSUB}#${name}`)],
  )
  const pep = element(INFO, 'identity', { category: 'pubsub', type: 'pep' })
  return element(INFO, 'query', {}, pep, info.children)
}

/** By page where a page is asked for (XEP-0059); the whole list otherwise. */
export function itemsElement(
  request: AnyRequest,
  node: string | undefined,
  items: readonly Element[],
): Element {
  if (!child(request.payload, 'set', RSM)) return element(ITEMS, 'query', { node }, items)
  const named = items.map((item) => ({
    id: `${item.attrs.jid} ${item.attrs.node ?? item.attrs.name ?? ''}`,
    item,
  }))
  const { members, set } = page(named, request)
  return element(
    ITEMS,
    'query',
    { node },
    members.map(({ item }) => item),
    set,
  )
}
