/**
 * RFC 6120 §8 and §10: what the server does with a stanza that a client has sent.
 *
 *     to             iq                              message                     presence
 *     nothing        the account answers             to the account              to all who may see it
 *     domain         the server answers              refused                     dropped
 *     bare JID       that account answers            RFC 6121 §8.5.2             all its clients, or a subscription
 *     full JID       that client, or an error        RFC 6121 §8.5.3             that client
 *     room           the room                        the room                    the room
 *     elsewhere      remote-server-not-found
 *
 * A handler answers, or throws the `StanzaError` that is sent back.
 */

import { type Element, type Jid, parseJid, StanzaError } from '@xmpp-e2e/xml'
import { answerArchive } from './archive-query.ts'
import { answerCarbons, sendCarbons, withoutPrivate } from './carbons.ts'
import { answerAccountDisco, answerServerDisco } from './disco.ts'
import { CARBONS, CLIENT, INFO, ITEMS, MAM, PING, PUBSUB, PUBSUB_OWNER, ROSTER } from './namespaces.ts'
import { answerPubsub } from './pep.ts'
import { answerPubsubOwner } from './pep-owner.ts'
import { broadcast, remember } from './presence.ts'
import type { Request } from './request.ts'
import { answerMucDisco } from './room-disco.ts'
import { dispatchToRoom } from './room-dispatch.ts'
import { answerRoster } from './roster-request.ts'
import { archive, routeMessage } from './routing.ts'
import { available, findSession, mucDomain, type Server, type Session, serves } from './server.ts'
import { bounce, payloadOf, readJid, refusal, resultOf, withAttrs } from './stanza.ts'
import { isSubscription, subscribe } from './subscription.ts'

// XEP-0313 §8.1: an archive is for its owner.
function answerOwnArchive(request: Request): readonly Element[] {
  const { account, from, iq } = request
  if (from.bare !== account.jid) throw refusal(iq, 'forbidden')
  return answerArchive(request, account.jid, account.archive)
}

type Answer = (request: Request) => readonly Element[]

/** What is answered in the name of an account, to itself or to others. */
const ACCOUNT: ReadonlyMap<string, Answer> = new Map([
  [ROSTER, answerRoster],
  [CARBONS, answerCarbons],
  [PUBSUB, answerPubsub],
  [PUBSUB_OWNER, answerPubsubOwner],
  [MAM, answerOwnArchive],
  [INFO, answerAccountDisco],
  [ITEMS, answerAccountDisco],
  [PING, () => []],
])

/** Handles a stanza; its `from` is what the session is bound to, whatever it says (§8.1.2.1). */
export function dispatch(server: Server, session: Session, written: Element): void {
  const { to } = written.attrs
  const target = to === undefined ? undefined : readJid(to)
  const stanza = withAttrs(written, { from: session.jid, to: target?.full ?? target?.bare ?? to })
  try {
    if (to !== undefined && !target) throw refusal(stanza, 'jid-malformed')
    if (target && !serves(server, target.domain)) throw refusal(stanza, 'remote-server-not-found')
    if (stanza.name === 'iq') iq(server, session, stanza, target)
    else if (stanza.name === 'message') message(server, session, stanza, target)
    else presence(server, session, stanza, target)
  } catch (error) {
    if (!(error instanceof StanzaError)) throw error
    refuse(server, session, stanza, error)
  }
}

function refuse(server: Server, session: Session, stanza: Element, error: StanzaError): void {
  const reply = bounce(stanza, error, server.quirks)
  // What was not sent in the session's own name is not answered there.
  if (reply?.attrs.to === session.jid) server.transmit(session, reply)
}

function iq(server: Server, session: Session, stanza: Element, to: Jid | undefined): void {
  const { type, id } = stanza.attrs
  if (type === 'result' || type === 'error') {
    // An answer is for who asked: another client, or the server itself.
    if (to && !server.domains.has(to.bare)) server.route(stanza, session)
    else server.asked.get(id ?? '')?.(stanza)
    return
  }
  if ((type !== 'get' && type !== 'set') || !id) throw refusal(stanza, 'bad-request')
  const payload = payloadOf(stanza)
  if (to?.full || (to && isRoom(server, to))) {
    server.route(stanza, session)
    return
  }
  server.transmit(session, resultOf(stanza, answer(server, session, stanza, payload, to)))
}

function answer(
  server: Server,
  session: Session,
  stanza: Element,
  payload: Element,
  to: Jid | undefined,
): readonly Element[] {
  const domain = to?.bare
  if (domain !== undefined && serves(server, domain)) {
    if (payload.ns === PING) return []
    if (payload.ns !== INFO && payload.ns !== ITEMS) throw refusal(stanza, 'service-unavailable')
    const disco = domain === mucDomain(server) ? answerMucDisco : answerServerDisco
    return disco({ server, session, iq: stanza, payload })
  }
  const account = to ? server.accounts.get(to.bare) : session.account
  if (!account && payload.ns === PUBSUB) throw refusal(stanza, server.quirks.absentAccount)
  const respond = ACCOUNT.get(payload.ns)
  if (!account || !respond) throw refusal(stanza, 'service-unavailable')
  return respond({ server, account, from: parseJid(session.jid), session, iq: stanza, payload })
}

// Of the domain of rooms: the service itself has no local part, and rooms have one.
function isRoom(server: Server, { domain, local }: Jid): boolean {
  return domain === mucDomain(server) && local !== ''
}

// §10.3.1: without `to` it is for the account itself.
function message(server: Server, session: Session, written: Element, to: Jid | undefined): void {
  const target = to?.full ?? to?.bare ?? session.account.jid
  const stanza = withAttrs(written, { to: target })
  if (to && isRoom(server, to)) {
    if (to.full) sendCarbons(server, session.account, stanza, 'sent', [session])
    server.route(withoutPrivate(stanza), session)
    return
  }
  // To oneself, it is archived when it arrives.
  const own = to === undefined || to.bare === session.account.jid
  const id = own ? undefined : archive(server, session.account, stanza, target)
  sendCarbons(server, session.account, stanza, 'sent', [session], id)
  server.route(stanza, session)
}

function presence(server: Server, session: Session, stanza: Element, to: Jid | undefined): void {
  const { type } = stanza.attrs
  if (!to) {
    if (type === undefined || type === 'unavailable') broadcast(server, session, stanza)
    return
  }
  if (isSubscription(type)) {
    if (to.bare !== session.account.jid) subscribe(server, session.account, type, to.bare, stanza)
    return
  }
  // Probes (RFC 6121 §4.3) are for servers, and other types do not exist.
  if (type !== undefined && type !== 'unavailable' && type !== 'error') return
  remember(session, to, type)
  server.route(stanza, session)
}

/** Sends a stanza with `from` and `to` on its way; an error goes back to who sent it. */
export function route(server: Server, stanza: Element, sender: Session): void {
  const to = parseJid(stanza.attrs.to ?? '')
  if (isRoom(server, to)) {
    try {
      dispatchToRoom(server, sender, stanza, to)
    } catch (problem) {
      if (!(problem instanceof StanzaError)) throw problem
      refuse(server, sender, stanza, problem)
    }
    return
  }
  const error = (condition: string) => refuse(server, sender, stanza, refusal(stanza, condition))
  const account = server.accounts.get(to.bare)
  if (stanza.name === 'message') {
    if (!routeMessage(server, stanza)) error('service-unavailable')
  } else if (stanza.name === 'iq') {
    const session = findSession(server, to)
    if (session) server.transmit(session, stanza)
    else error('service-unavailable')
  } else if (account) {
    const session = findSession(server, to)
    const sessions = session ? [session] : to.full ? [] : available(account)
    for (const other of sessions) server.transmit(other, stanza)
  }
}

/** Whether a stream may carry it (§4.9.3.24): anything else ends the stream. */
export function isStanza(element: Element): boolean {
  return element.ns === CLIENT && /^(?:iq|message|presence)$/.test(element.name)
}
