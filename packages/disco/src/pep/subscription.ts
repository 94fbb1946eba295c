/**
 * XEP-0060 §6.1 and §6.2: being notified by an account whose presence is not seen. A contact needs no subscription:
 * `notify` among the announced features is enough (XEP-0163 §4).
 */

import { type BareJid, bareJid, type Connection, child, type Element, ns } from '@xmpp-e2e/xml'
import { malformed, PepError } from './error.ts'
import { checkName, MAX_NODE_NAME } from './item.ts'
import { ask, done, nodeOf, ownAccount, type PepOptions, PUBSUB } from './request.ts'

const STATES = ['subscribed', 'pending', 'unconfigured'] as const

/** §4.2: it holds; the owner must agree first; it must be configured first. */
export type SubscriptionState = (typeof STATES)[number]

export interface Subscription {
  readonly state: SubscriptionState
  /** Where a service has several of one account: which. */
  readonly id: string | undefined
}

export interface UnsubscribeOptions extends PepOptions {
  readonly id?: string | undefined
}

const pubsub = ns(PUBSUB)

/**
 * Subscribes the own account by its bare JID, so that the subscription outlives the session. Once more does no harm.
 *
 * @throws {PepError} `forbidden` where the access model demands more
 */
export async function subscribe(
  connection: Connection,
  owner: BareJid,
  node: string,
  options: PepOptions = {},
): Promise<Subscription> {
  checkName('node', node)
  const own = subscriber(connection, owner, node)
  const children = [pubsub('subscribe', { node, jid: own })]
  return ask(connection, { type: 'set', ns: PUBSUB, node, children, owner }, options, (answer) => {
    const subscription = answer && child(answer, 'subscription')
    if (!subscription) throw malformed('an answer without a subscription')
    const { jid, node: about = node } = subscription.attrs
    if (about !== node || bareJid.decode(jid ?? '') !== own) throw malformed('about another subscription')
    return readSubscription(subscription)
  })
}

/**
 * Ends the subscription of the own account.
 *
 * @throws {PepError} `not-found` when there is no such node or subscription
 */
export async function unsubscribe(
  connection: Connection,
  owner: BareJid,
  node: string,
  options: UnsubscribeOptions = {},
): Promise<void> {
  checkName('node', node)
  const own = subscriber(connection, owner, node)
  const children = [pubsub('unsubscribe', { node, jid: own, subid: options.id })]
  return ask(connection, { type: 'set', ns: PUBSUB, node, children, owner }, options, done)
}

function subscriber(connection: Connection, owner: BareJid, node: string): BareJid {
  const account = ownAccount(connection)
  if (account === undefined)
    throw new PepError('lost', `pep: ${nodeOf(connection, node, owner)}: there is no session`)
  return account
}

function readSubscription({ attrs: { subscription, subid: id } }: Element): Subscription {
  const state = STATES.find((known) => known === subscription)
  if (!state) throw malformed('a subscription of no known state')
  if (id !== undefined && id.length > MAX_NODE_NAME)
    throw malformed('a subscription with a name that is too long')
  return { state, id }
}
