/**
 * XEP-0060 §8: what the owner of nodes asks, which only the account can, whoever else is called an owner.
 *
 *     <iq type='get'>  <pubsub xmlns='…#owner'>  <configure node='…'/>        its form            (§8.2)
 *                                                <default/>                   that of a new node  (§8.3)
 *                                                <affiliations node='…'/>     who is what         (§8.9.1)
 *                                                <subscriptions node='…'/>    who hears of it     (§8.8.1)
 *     <iq type='set'>  <pubsub xmlns='…#owner'>  <configure node='…'><x type='submit'/></configure>
 *                                                <delete node='…'/>, <purge node='…'/>            (§8.4, §8.5)
 *                                                <affiliations node='…'><affiliation jid='…' affiliation='…'/>
 *                                                <subscriptions node='…'><subscription jid='…' subscription='…'/>
 */

import { bareJid, child, children, type Element, element, elements } from '@xmpp-e2e/xml'
import { FORM, PUBSUB_OWNER } from './namespaces.ts'
import { nodeOf } from './pep.ts'
import { notifyOf } from './pep-event.ts'
import {
  type Affiliation,
  configForm,
  defaultConfig,
  isOn,
  NODE_CONFIG_FORM,
  type PubsubNode,
  readConfig,
  trim,
} from './pubsub-node.ts'
import type { Request } from './request.ts'
import { readJid, refusal } from './stanza.ts'

const AFFILIATIONS: readonly Affiliation[] = [
  'owner',
  'publisher',
  'publish-only',
  'member',
  'none',
  'outcast',
]

/** Answers `<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'/>`. */
export function answerPubsubOwner(request: Request): readonly Element[] {
  const { payload, iq, from, account } = request
  const [action] = elements(payload)
  if (payload.name !== 'pubsub' || action?.ns !== PUBSUB_OWNER) throw refusal(iq, 'bad-request')
  if (from.bare !== account.jid) throw refusal(iq, 'forbidden')
  const content = iq.attrs.type === 'get' ? get(request, action) : set(request, action)
  return content ? [element(PUBSUB_OWNER, 'pubsub', {}, content)] : []
}

// The node is looked for first: of one that is absent nothing can be asked, except what a new one would be like.
function get(request: Request, action: Element): Element {
  if (action.name === 'default')
    return element(PUBSUB_OWNER, 'default', {}, configForm(defaultConfig(request.server.quirks)))
  const node = nodeOf(request, action)
  const answer = (content: Element | readonly Element[]) =>
    element(PUBSUB_OWNER, action.name, { node: node.name }, content)
  switch (action.name) {
    case 'configure':
      return answer(configForm(node.config))
    case 'affiliations': {
      const all: [string, Affiliation][] = [[request.account.jid, 'owner'], ...node.affiliations]
      return answer(
        all.map(([jid, affiliation]) => element(PUBSUB_OWNER, 'affiliation', { jid, affiliation })),
      )
    }
    case 'subscriptions':
      return answer(
        [...node.subscriptions].map(([jid, { id, state }]) =>
          element(PUBSUB_OWNER, 'subscription', { jid, subid: id, subscription: state }),
        ),
      )
    default:
      throw refusal(request.iq, 'feature-not-implemented')
  }
}

function set(request: Request, action: Element): undefined {
  const { server, account, iq } = request
  const node = nodeOf(request, action)
  switch (action.name) {
    case 'configure':
      return configure(request, action, node)
    case 'delete':
      account.nodes.delete(node.name)
      if (isOn(node, 'pubsub#notify_delete')) notifyOf(server, account, node, 'delete')
      return
    case 'purge':
      node.items.clear()
      // §8.5.2: where removed items are told of, one event tells of all.
      if (isOn(node, 'pubsub#notify_retract')) notifyOf(server, account, node, 'purge')
      return
    case 'affiliations':
      return setAffiliations(request, action, node)
    case 'subscriptions':
      return setSubscriptions(request, action, node)
    default:
      throw refusal(iq, 'feature-not-implemented')
  }
}

// §8.2: a form may leave fields out; those stay as they are.
function configure({ server, account, iq }: Request, action: Element, node: PubsubNode): undefined {
  const form = child(action, 'x', FORM)
  if (!form) throw refusal(iq, 'bad-request')
  if (form.attrs.type === 'cancel') return
  node.config = new Map([...node.config, ...readConfig(iq, form, NODE_CONFIG_FORM)])
  trim(node)
  if (isOn(node, 'pubsub#notify_config')) notifyOf(server, account, node, 'configuration')
}

// §8.9.2. All or none, as everything here; §8.9.2.4 would have the error name those that cannot be, and the others done.
function setAffiliations({ account, iq }: Request, action: Element, node: PubsubNode): undefined {
  const changes = children(action, 'affiliation').map(({ attrs }) => {
    const jid = bareJid.decode(attrs.jid ?? '')
    const affiliation = AFFILIATIONS.find((known) => known === attrs.affiliation)
    if (!jid || !affiliation) throw refusal(iq, 'bad-request')
    // §8.9.2.4: the only owner stays one, and here that is the account.
    if (jid === account.jid) throw refusal(iq, 'not-acceptable')
    return [jid, affiliation] as const
  })
  for (const [jid, affiliation] of changes) {
    if (affiliation === 'none') node.affiliations.delete(jid)
    else node.affiliations.set(jid, affiliation)
  }
}

// §8.8.2, which is also how a pending subscription is approved.
function setSubscriptions({ server, iq }: Request, action: Element, node: PubsubNode): undefined {
  const changes = children(action, 'subscription').map(({ attrs }) => {
    const jid = readJid(attrs.jid)
    if (!jid || !/^(?:subscribed|none)$/.test(attrs.subscription ?? '')) throw refusal(iq, 'bad-request')
    return [jid.full ?? jid.bare, attrs.subscription === 'subscribed'] as const
  })
  for (const [jid, on] of changes) {
    if (!on) node.subscriptions.delete(jid)
    else
      node.subscriptions.set(jid, {
        id: node.subscriptions.get(jid)?.id ?? server.newId(),
        state: 'subscribed',
      })
  }
}
