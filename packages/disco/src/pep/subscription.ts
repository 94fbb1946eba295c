/**
 * XEP-0060 §6.1 and §6.2: being notified by an account whose presence is not seen. A contact needs no subscription:
 * `notify` among the announced features is enough (XEP-0163 §4).
 */

import { type BareJid, type Connection, child, type Element, ns } from '@xmpp-e2e/xml'
import { PepError } from './error.ts'
import { checkName } from './item.ts'
import { ask, done, malformed, ownAccount, type PepOptions, PUBSUB } from './request.ts'

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
  const children = [pubsub('subscribe', { node, jid: subscriber(connection) })]
  return ask(connection, { type: 'set', ns: PUBSUB, children, owner }, options, readSubscription)
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
  const children = [pubsub('unsubscribe', { node, jid: subscriber(connection), subid: options.id })]
  return ask(connection, { type: 'set', ns: PUBSUB, children, owner }, options, done)
}

function subscriber(connection: Connection): BareJid {
  const account = ownAccount(connection)
  if (account === undefined) throw new PepError('lost', 'pep: there is no session')
  return account
}

function readSubscription(answer: Element | undefined): Subscription {
  const subscription = answer && child(answer, 'subscription')
  const state = STATES.find((known) => known === subscription?.attrs.subscription)
  if (!state) throw malformed('an answer without a subscription')
  return { state, id: subscription?.attrs.subid }
}
