/**
 * RFC 6121 §4: who is available, and who hears of it; XEP-0115: what that client can do.
 *
 *     <presence>  <priority/>  <c xmlns='…/caps' hash='sha-1' node='…' ver='…'/>
 *       ──► contacts, and the other clients of the account
 *       ──► <iq type='get'><query xmlns='…#info' node='node#ver'/>  to the client, unless the hash is known
 *     <iq type='result'>  ──► verified: last items of nodes that it wants to hear of
 */

import { child, type Element, element, type Jid, parseJid, text } from '@xmpp-e2e/xml'
import { capsHash, featuresOf, infoOf, isHash } from './caps.ts'
import { CAPS, CLIENT, INFO } from './namespaces.ts'
import { deliverOffline } from './offline.ts'
import { sendLastItems } from './pep-event.ts'
import { has } from './roster.ts'
import { type Account, available, type Server, type Session } from './server.ts'
import { withAttrs } from './stanza.ts'

const NOTHING: ReadonlySet<string> = new Set()

/** Presence without `to`: §4.2 initial, §4.4 subsequent, §4.5 unavailable. */
export function broadcast(server: Server, session: Session, stanza: Element): void {
  if (stanza.attrs.type === 'unavailable') {
    becomeUnavailable(server, session, stanza)
    return
  }
  const { account } = session
  const initial = session.presence === undefined
  const presence = withAttrs(stanza, { from: session.jid })
  session.presence = presence
  session.priority = priorityOf(stanza)
  for (const other of audience(server, account)) tell(server, other, presence)
  if (initial) welcome(server, session)
  if (session.priority >= 0) deliverOffline(server, session)
  learnCaps(server, session, presence)
}

// What others have said before is told now: §4.2.2 presence, as if probed for, and §3.1.3 requests that wait.
function welcome(server: Server, session: Session): void {
  const { account } = session
  for (const other of watched(server, account).flatMap(available))
    if (other !== session && other.presence) tell(server, session, other.presence)
  for (const request of account.requests.values()) server.transmit(session, request)
}

/** At the end of a session, too: whoever has heard that it is available hears that it no longer is. */
export function becomeUnavailable(server: Server, session: Session, stanza: Element): void {
  const presence = withAttrs(stanza, { from: session.jid, type: 'unavailable' })
  const others = session.presence ? audience(server, session.account) : []
  for (const other of others) if (other !== session) tell(server, other, presence)
  session.presence = undefined
  session.features = NOTHING
  const directed = [...session.directed.values()]
  session.directed.clear()
  for (const to of directed) server.route(withAttrs(presence, { to: to.full ?? to.bare }), session)
}

/** Presence to somebody (§4.6), which is no subscription. */
export function remember(session: Session, to: Jid, type: string | undefined): void {
  const key = to.full ?? to.bare
  if (type === 'unavailable') session.directed.delete(key)
  else if (type === undefined) session.directed.set(key, to)
}

// §4.7.2.3: from -128 to 127; anything else counts as 0.
function priorityOf(stanza: Element): number {
  const written = child(stanza, 'priority')
  const value = Number(written ? text(written) : 0)
  return Number.isInteger(value) && value >= -128 && value <= 127 ? value : 0
}

/** Clients that get that account's presence: those of who may see it, and its own. */
function audience(server: Server, account: Account): readonly Session[] {
  return [...related(server, account, 'from'), account].flatMap(available)
}

/** Accounts whose presence that account gets. */
function watched(server: Server, account: Account): readonly Account[] {
  return [account, ...related(server, account, 'to')]
}

function related(server: Server, account: Account, half: 'to' | 'from'): readonly Account[] {
  return [...account.roster.values()].flatMap(({ jid, subscription }) => {
    const contact = has(subscription, half) ? server.accounts.get(jid) : undefined
    return contact ? [contact] : []
  })
}

function tell(server: Server, session: Session, presence: Element): void {
  server.transmit(session, withAttrs(presence, { to: session.account.jid }))
}

/**
 * Asks what the hash stands for unless that is known, and believes only what has that hash (XEP-0115 §5.4). Until then
 * the client is interested in nothing, whatever it announced before.
 */
function learnCaps(server: Server, session: Session, presence: Element): void {
  const { hash, node, ver } = child(presence, 'c', CAPS)?.attrs ?? {}
  // §8.4: servers may leave it out of presence that changes nothing.
  if (!hash || !node || !ver) return
  const before = session.features
  const key = `${hash} ${ver}`
  const known = server.caps.get(key)
  session.features = known ?? NOTHING
  if (known) sendNew(server, session, before)
  if (known || !isHash(hash)) return
  const query = element(INFO, 'query', { node: `${node}#${ver}` })
  const id = server.newId()
  const from = parseJid(session.jid).domain
  server.asked.set(id, (reply) => {
    if (reply.attrs.from !== session.jid) return
    server.asked.delete(id)
    const info = infoOf(reply)
    if (reply.attrs.type !== 'result' || !info || capsHash(info, hash) !== ver) return
    const features = featuresOf(info)
    server.caps.set(key, features)
    // Meanwhile it may have announced something else.
    if (session.presence !== presence) return
    session.features = features
    sendNew(server, session, before)
    if (!server.quirks.filtersByResource) learnForAccount(server, session)
  })
  server.transmit(session, element(CLIENT, 'iq', { type: 'get', id, from, to: session.jid }, query))
}

/** As if the account as a whole had announced it: contacts send to its bare JID as well. */
function learnForAccount(server: Server, session: Session): void {
  const { account, features } = session
  const before = account.features
  account.features = features
  for (const contact of related(server, account, 'to'))
    sendLastItems(server, contact, session, before, account.jid)
}

/** The last items of the nodes that the client has become interested in. */
function sendNew(server: Server, session: Session, before: ReadonlySet<string>): void {
  for (const account of watched(server, session.account)) sendLastItems(server, account, session, before)
}
