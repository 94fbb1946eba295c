/**
 * RFC 6121 §3: who may see whose presence. Each account keeps its half of it:
 *
 *     subscribe     →  our `ask`; a request at theirs      subscribed    →  our `from`; their `to`, and our presence
 *     unsubscribe   →  our `to` ends, their `from` ends    unsubscribed  →  our `from` ends, their `to` ends
 */

import { type BareJid, type Element, element } from '@xmpp-e2e/xml'
import { CLIENT } from './namespaces.ts'
import { has, rosterItem, setItem } from './roster.ts'
import { type Account, available, type Server } from './server.ts'
import { withAttrs } from './stanza.ts'

const KINDS = ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'] as const
type Kind = (typeof KINDS)[number]

export function isSubscription(type: string | undefined): type is Kind {
  return KINDS.some((kind) => kind === type)
}

/** A client's presence of such a type: both halves are changed, because both accounts are here. */
export function subscribe(server: Server, account: Account, kind: Kind, to: BareJid, stanza: Element): void {
  const contact = server.accounts.get(to)
  const sent = withAttrs(stanza, { from: account.jid, to })
  if (kind === 'subscribe') {
    const item = rosterItem(account, to)
    if (!has(item.subscription, 'to')) setItem(server, account, { ...item, ask: true })
    if (!contact) answer(server, account, to, 'unsubscribed')
    // §3.1.3: what was granted already is granted again.
    else if (has(rosterItem(contact, account.jid).subscription, 'from'))
      answer(server, account, to, 'subscribed')
    else {
      contact.requests.set(account.jid, sent)
      deliver(server, contact, sent)
    }
    return
  }
  if (!contact) return
  if (kind === 'unsubscribe') {
    change(server, account, to, 'to', false)
    contact.requests.delete(account.jid)
    if (change(server, contact, account.jid, 'from', false)) {
      deliver(server, contact, sent)
      for (const session of available(contact)) gone(server, account, session.jid)
    }
    return
  }
  const asked = account.requests.delete(to) || has(rosterItem(account, to).subscription, 'from')
  // §3.1.6: an approval nobody has asked for does nothing.
  if (!asked) return
  const granted = kind === 'subscribed'
  change(server, account, to, 'from', granted)
  change(server, contact, account.jid, 'to', granted)
  deliver(server, contact, sent)
  for (const session of available(account)) {
    if (!granted) gone(server, contact, session.jid)
    else if (session.presence) deliver(server, contact, withAttrs(session.presence, { to: contact.jid }))
  }
}

/** §2.5.2: removing a roster item ends both directions. */
export function endSubscriptions(server: Server, account: Account, jid: BareJid): void {
  const { subscription, ask } = rosterItem(account, jid)
  const stanza = (type: Kind) => element(CLIENT, 'presence', { type })
  if (has(subscription, 'to') || ask) subscribe(server, account, 'unsubscribe', jid, stanza('unsubscribe'))
  if (has(subscription, 'from')) subscribe(server, account, 'unsubscribed', jid, stanza('unsubscribed'))
}

/** Sets one half, and tells the account's clients; says whether that changed anything. */
export function change(
  server: Server,
  account: Account,
  jid: BareJid,
  half: 'to' | 'from',
  on: boolean,
): boolean {
  const item = rosterItem(account, jid)
  const to = half === 'to' ? on : has(item.subscription, 'to')
  const from = half === 'from' ? on : has(item.subscription, 'from')
  const subscription = to && from ? 'both' : to ? 'to' : from ? 'from' : 'none'
  // What we have asked for is answered either way.
  const ask = half === 'to' ? false : item.ask
  if (subscription === item.subscription && ask === item.ask) return false
  setItem(server, account, { ...item, subscription, ask })
  return true
}

// In the name of the contact, whose clients need not be asked.
function answer(server: Server, account: Account, from: BareJid, type: 'subscribed' | 'unsubscribed'): void {
  if (type === 'unsubscribed') change(server, account, from, 'to', false)
  deliver(server, account, element(CLIENT, 'presence', { from, to: account.jid, type }))
}

function gone(server: Server, account: Account, from: string): void {
  deliver(server, account, element(CLIENT, 'presence', { from, to: account.jid, type: 'unavailable' }))
}

function deliver(server: Server, account: Account, stanza: Element): void {
  for (const session of available(account)) server.transmit(session, stanza)
}
