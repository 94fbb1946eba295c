/**
 * RFC 6121 §2: what a client asks of its roster.
 *
 *     get  <query/>                                        all of it (§2.1.3); from then on pushes are wanted
 *     set  <query>  <item jid='…' name='…'><group/>        adds or changes a contact (§2.3, §2.4)
 *     set  <query>  <item jid='…' subscription='remove'/>  removes one, and ends subscriptions both ways (§2.5)
 */

import { bareJid, children, type Element, element, text } from '@xmpp-e2e/xml'
import { ROSTER } from './namespaces.ts'
import type { Request } from './request.ts'
import { itemElement, push, rosterItem, setItem } from './roster.ts'
import { refusal } from './stanza.ts'
import { endSubscriptions } from './subscription.ts'

/** Answers `<query xmlns='jabber:iq:roster'/>` of the account itself. */
export function answerRoster(request: Request): readonly Element[] {
  const { account, session, from, iq, payload, server } = request
  if (from.bare !== account.jid) throw refusal(iq, 'forbidden')
  if (payload.name !== 'query') throw refusal(iq, 'bad-request')
  if (iq.attrs.type === 'get') {
    session.interested = true
    return [element(ROSTER, 'query', {}, [...account.roster.values()].map(itemElement))]
  }
  const items = children(payload, 'item')
  const jid = bareJid.decode(items[0]?.attrs.jid ?? '')
  if (items.length !== 1 || !items[0] || !jid) throw refusal(iq, 'bad-request')
  if (items[0].attrs.subscription === 'remove') {
    if (!account.roster.has(jid)) throw refusal(iq, 'item-not-found')
    endSubscriptions(server, account, jid)
    account.roster.delete(jid)
    push(server, account, element(ROSTER, 'item', { jid, subscription: 'remove' }))
    return []
  }
  const groups = children(items[0], 'group').map(text)
  if (jid === account.jid || new Set(groups).size < groups.length) throw refusal(iq, 'bad-request')
  // §2.1.2.5: of subscriptions, a client can only say that they end.
  setItem(server, account, { ...rosterItem(account, jid), name: items[0].attrs.name, groups })
  return []
}
