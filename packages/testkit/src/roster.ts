/** RFC 6121 §2: the roster, and how clients hear of it (§2.1.6). */

import { type BareJid, type Element, element } from '@xmpp-e2e/xml'
import { CLIENT, ROSTER } from './namespaces.ts'
import type { Account, Server } from './server.ts'

export type Subscription = 'none' | 'to' | 'from' | 'both'

/** One contact; items are replaced, never changed. */
export interface RosterItem {
  readonly jid: BareJid
  readonly subscription: Subscription
  /** Whether a request of ours waits for an answer. */
  readonly ask: boolean
  readonly name: string | undefined
  readonly groups: readonly string[]
}

/** Whether a subscription is `both` or that half of it: `to`, we see their presence; `from`, they see ours. */
export function has(subscription: Subscription, half: 'to' | 'from'): boolean {
  return subscription === half || subscription === 'both'
}

/** Whether somebody sees the presence of an account; its own clients do. */
export function seesPresence(account: Account, who: BareJid): boolean {
  return who === account.jid || has(rosterItem(account, who).subscription, 'from')
}

/** The item of a contact, also of one who is not in the roster. */
export function rosterItem(account: Account, jid: BareJid): RosterItem {
  return account.roster.get(jid) ?? { jid, subscription: 'none', ask: false, name: undefined, groups: [] }
}

/** Stores an item and tells the clients that have asked for the roster (§2.1.6). */
export function setItem(server: Server, account: Account, item: RosterItem): void {
  account.roster.set(item.jid, item)
  push(server, account, itemElement(item))
}

export function push(server: Server, account: Account, item: Element): void {
  for (const session of account.sessions.values()) {
    if (!session.interested) continue
    const id = server.newId()
    const query = element(ROSTER, 'query', {}, item)
    server.transmit(session, element(CLIENT, 'iq', { type: 'set', id, to: session.jid }, query))
  }
}

/** `<item jid='…' subscription='both' ask='subscribe' name='…'><group/></item>` */
export function itemElement({ jid, subscription, ask, name, groups }: RosterItem): Element {
  return element(
    ROSTER,
    'item',
    { jid, subscription, ask: ask ? 'subscribe' : undefined, name },
    groups.map((group) => element(ROSTER, 'group', {}, group)),
  )
}
