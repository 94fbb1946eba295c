/**
 * XEP-0060 §4.5: who may see a node; §4.1: who may publish.
 *
 *                               sees it                              publishes
 *     the account itself        always                               always
 *     owner, publisher          always                               always
 *     publish-only              never                                always
 *     member                    as `access_model` says               as `publish_model` says
 *     none                      so, and never with a whitelist       as `publish_model` says
 *     outcast                   never                                never
 *
 * `access_model` is about those who see the owner's presence, subscribers (`authorize`) or members (`whitelist`).
 */

import { type BareJid, type Element, element } from '@xmpp-e2e/xml'
import { PUBSUB_ERRORS } from './namespaces.ts'
import type { PubsubNode } from './pubsub-node.ts'
import type { Request } from './request.ts'
import { seesPresence } from './roster.ts'
import type { Account } from './server.ts'
import { readJid, refusal } from './stanza.ts'

/** Why somebody may not see a node; `undefined` when he may. */
type Denial = { readonly condition: string; readonly detail?: string }

// The affiliation decides first (§4.1), and then the model.
function denial(account: Account, node: PubsubNode, who: BareJid): Denial | undefined {
  const affiliation = node.affiliations.get(who) ?? 'none'
  if (who === account.jid || affiliation === 'owner' || affiliation === 'publisher') return undefined
  if (affiliation === 'outcast' || affiliation === 'publish-only') return { condition: 'forbidden' }
  const contact = seesPresence(account, who)
  switch (node.config.get('pubsub#access_model')) {
    case 'open':
      return undefined
    case 'presence':
      return contact ? undefined : { condition: 'not-authorized', detail: 'presence-subscription-required' }
    case 'roster':
      return contact ? undefined : { condition: 'not-authorized', detail: 'not-in-roster-group' }
    case 'authorize':
      return isSubscriber(node, who) ? undefined : { condition: 'not-authorized', detail: 'not-subscribed' }
    default:
      return affiliation === 'member' ? undefined : { condition: 'not-allowed', detail: 'closed-node' }
  }
}

function isSubscriber(node: PubsubNode, who: BareJid): boolean {
  return [...node.subscriptions].some(
    ([jid, { state }]) => state === 'subscribed' && readJid(jid)?.bare === who,
  )
}

/** Whether somebody may fetch from a node and hear of it. */
export function maySee(account: Account, node: PubsubNode, who: BareJid): boolean {
  return denial(account, node, who) === undefined
}

/** @throws {StanzaError} as §6.5.9 says */
export function checkAccess({ server, account, from, iq }: Request, node: PubsubNode): void {
  const denied = denial(account, node, from.bare)
  if (!denied) return
  if (server.quirks.deniedAccess === 'forbidden') throw refusal(iq, 'forbidden')
  const details: readonly Element[] = denied.detail ? [element(PUBSUB_ERRORS, denied.detail)] : []
  throw refusal(iq, denied.condition, details)
}

/** Whether the one who asks may publish to a node that is there; to one that is not, only the account may. */
export function mayPublish({ account, from }: Request, node: PubsubNode): boolean {
  const affiliation = from.bare === account.jid ? 'owner' : node.affiliations.get(from.bare)
  if (affiliation === 'outcast') return false
  if (affiliation === 'owner' || affiliation === 'publisher' || affiliation === 'publish-only') return true
  const model = node.config.get('pubsub#publish_model')
  if (model === 'open') return maySee(account, node, from.bare)
  return model === 'subscribers' && isSubscriber(node, from.bare)
}
