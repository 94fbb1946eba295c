/**
 * XEP-0045 §7.4, §7.5, §7.8, §8.1: what is said in a room, and to one occupant of it.
 *
 *     <message from='room/nick' type='groupchat' id='as sent'>  …  <occupant-id/>  <stanza-id by='room'/>     to all
 *     <message from='room/nick' type='chat' id='as sent'>       …  <occupant-id/>  <x xmlns='…/muc#user'/>    to one
 *     <message from='room'>  <x xmlns='…/muc#user'>  <invite from='…'><reason/></invite>                to who is invited
 */

import { bareJid, child, type Element, element, elements } from '@xmpp-e2e/xml'
import { isArchived, withStanzaId } from './archive.ts'
import { CLIENT, MUC_USER } from './namespaces.ts'
import { affiliationOf, type Occupant, occupantJid, occupantOf, RANK, type Room } from './room.ts'
import { setAffiliation } from './room-admin.ts'
import { occupantId, withoutRoomWords } from './room-stanza.ts'
import { type Server, type Session, serves } from './server.ts'
import { refusal, withAttrs, withChildren } from './stanza.ts'

/** @throws {StanzaError} to be sent back */
export function roomMessage(
  server: Server,
  room: Room | undefined,
  session: Session,
  stanza: Element,
  nick: string,
): void {
  const { type } = stanza.attrs
  if (type === 'error') return
  if (!room) throw refusal(stanza, 'item-not-found')
  const occupant = occupantOf(room, session)
  if (nick === '' && type !== 'groupchat') {
    mediate(server, room, session, stanza)
    return
  }
  if (!occupant) throw refusal(stanza, 'not-acceptable')
  if (nick !== '') whisper(server, room, occupant, stanza, nick)
  else if (child(stanza, 'subject') && !child(stanza, 'body')) changeSubject(server, room, occupant, stanza)
  else say(server, room, occupant, stanza)
}

// §7.4
function say(server: Server, room: Room, occupant: Occupant, stanza: Element): void {
  if (occupant.role === 'visitor') throw refusal(stanza, 'forbidden')
  const message = spoken(server, room, occupant, stanza)
  const kept = isArchived(message, server.quirks) ? keep(server, room, occupant, message) : undefined
  reflect(server, room, withStanzaId(message, room.jid, kept))
}

/** XEP-0313 §6.1.2: once, and with the real JID where everybody may know it. */
function keep(server: Server, room: Room, occupant: Occupant, message: Element): string {
  const id = server.newId()
  const item = element(MUC_USER, 'item', {
    affiliation: affiliationOf(room, occupant.account),
    jid: [...occupant.sessions][0]?.jid,
    role: occupant.role,
  })
  const known = room.config.anonymous === 'non' && element(MUC_USER, 'x', {}, item)
  const marked = withStanzaId(message, room.jid, undefined)
  room.archive.push({
    id,
    at: server.clock.now(),
    with: room.jid,
    message: element(marked.ns, marked.name, marked.attrs, marked.children, known),
  })
  return id
}

/** A message in the name of an occupant, without what only the room may say. */
function spoken(server: Server, room: Room, occupant: Occupant, { attrs, children }: Element): Element {
  const own = element(CLIENT, 'message', {}, children)
  return element(
    CLIENT,
    'message',
    { type: attrs.type, id: attrs.id, 'xml:lang': attrs['xml:lang'], from: occupantJid(room, occupant.nick) },
    withoutRoomWords(own),
    server.quirks.occupantIds && occupantId(room, occupant.account),
  )
}

// To the one who said it as well: that is how a client knows that it was said, and when.
function reflect(server: Server, room: Room, message: Element): void {
  for (const { sessions } of room.occupants.values())
    for (const session of sessions) server.transmit(session, withAttrs(message, { to: session.jid }))
}

// §8.1: a subject alone; with a body it is a message that has a subject.
function changeSubject(server: Server, room: Room, occupant: Occupant, stanza: Element): void {
  const allowed =
    occupant.role === 'moderator' || (room.config.openSubject && occupant.role === 'participant')
  if (!allowed) throw refusal(stanza, 'forbidden')
  room.subject = spoken(server, room, occupant, stanza)
  reflect(server, room, room.subject)
}

// §7.5; `<x/>` says that it is from an occupant, so that nobody takes the JID for an account's.
function whisper(server: Server, room: Room, occupant: Occupant, stanza: Element, nick: string): void {
  if (stanza.attrs.type === 'groupchat') throw refusal(stanza, 'bad-request')
  const target = room.occupants.get(nick)
  if (!target) throw refusal(stanza, 'item-not-found')
  const message = withChildren(spoken(server, room, occupant, stanza), element(MUC_USER, 'x'))
  for (const session of target.sessions) server.transmit(session, withAttrs(message, { to: session.jid }))
}

// §7.8.2: into a room for members, only those may invite who may make members; the invitation makes one.
function mediate(server: Server, room: Room, session: Session, stanza: Element): void {
  const user = child(stanza, 'x', MUC_USER)
  const invite = user && child(user, 'invite')
  const to = invite && bareJid.decode(invite.attrs.to ?? '')
  if (!invite || !to) throw refusal(stanza, 'bad-request')
  const inviter = session.account.jid
  if (!occupantOf(room, session)) throw refusal(stanza, 'not-acceptable')
  if (room.config.membersOnly && RANK[affiliationOf(room, inviter)] < RANK.admin)
    throw refusal(stanza, 'forbidden')
  if (!serves(server, to.slice(to.indexOf('@') + 1))) throw refusal(stanza, 'item-not-found')
  if (room.config.membersOnly && affiliationOf(room, to) === 'none')
    setAffiliation(server, room, to, 'member')
  const content = element(MUC_USER, 'invite', { from: inviter }, elements(invite))
  server.route(
    element(
      CLIENT,
      'message',
      { from: room.jid, to, id: stanza.attrs.id },
      element(MUC_USER, 'x', {}, content),
    ),
    session,
  )
}
