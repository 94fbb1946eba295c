/**
 * XEP-0045 §7.1, §7.2, §7.6, §7.14: entering a room, another nickname, leaving.
 *
 *     <presence to='room/nick'><x xmlns='…/muc'><history maxstanzas='…'/></x></presence>
 *     the others' presence; one's own with 110; the past; the subject                                       (§7.1)
 */

import { child, dateTime, delay, type Element, element } from '@xmpp-e2e/xml'
import { CLIENT, MUC, MUC_USER } from './namespaces.ts'
import {
  affiliationOf,
  initialRole,
  newRoom,
  type Occupant,
  occupantJid,
  occupantOf,
  RANK,
  type Room,
} from './room.ts'
import { occupantPresence, type PresenceWords, statuses } from './room-stanza.ts'
import type { Server, Session } from './server.ts'
import { refusal, withAttrs, withChildren } from './stanza.ts'

/** Messages of the past on entering, unless the client asks for another number. Arbitrary: §7.2.13 leaves it to the room. */
export const ROOM_HISTORY = 20

/** Presence that a client has sent to a room or an occupant JID. */
export function roomPresence(
  server: Server,
  room: Room | undefined,
  session: Session,
  stanza: Element,
  to: { readonly bare: Room['jid']; readonly nick: string },
): void {
  const { type } = stanza.attrs
  const occupant = room && occupantOf(room, session)
  if (type === 'unavailable') {
    if (room && occupant) leave(server, room, occupant, session)
    return
  }
  if (type !== undefined) return
  if (room && occupant) {
    occupant.presence = stanza
    if (to.nick !== '' && to.nick !== occupant.nick) rename(server, room, occupant, to.nick, stanza)
    else broadcastOccupant(server, room, occupant)
    return
  }
  if (to.nick === '') throw refusal(stanza, 'jid-malformed')
  if (!child(stanza, 'x', MUC)) server.transmit(session, notThere(to, session))
  else if (room) enter(server, room, session, stanza, { nick: to.nick, codes: [] })
  else enter(server, create(server, to.bare, session), session, stanza, { nick: to.nick, codes: [201] })
}

// §7.2.18: without <x/> it was the protocol before rooms. A client that sends it has lost track of where it is, and is
// told so by a kick.
function notThere(
  { bare, nick }: { readonly bare: string; readonly nick: string },
  { jid }: Session,
): Element {
  const item = element(MUC_USER, 'item', { affiliation: 'none', role: 'none' })
  const x = element(MUC_USER, 'x', {}, item, statuses([110, 307, 333]))
  return element(CLIENT, 'presence', { from: `${bare}/${nick}`, to: jid, type: 'unavailable' }, x)
}

// §10.1: whoever enters first owns it, and has to configure it before others can come.
function create(server: Server, jid: Room['jid'], session: Session): Room {
  const room = newRoom(server, jid)
  room.locked = true
  room.affiliations.set(session.account.jid, 'owner')
  return room
}

// The refusals of §7.2.17; of several, the first.
function enter(
  server: Server,
  room: Room,
  session: Session,
  presence: Element,
  { nick, codes }: { readonly nick: string; readonly codes: readonly number[] },
): void {
  const account = session.account.jid
  const affiliation = affiliationOf(room, account)
  if (room.locked && affiliation !== 'owner') throw refusal(presence, 'item-not-found')
  if (affiliation === 'outcast') throw refusal(presence, 'forbidden')
  if (room.config.membersOnly && RANK[affiliation] < RANK.member)
    throw refusal(presence, 'registration-required')
  const there = room.occupants.get(nick)
  if (there && there.account !== account) throw refusal(presence, 'conflict')
  const role = initialRole(room, affiliation)
  const occupant: Occupant = there ?? { nick, account, role, sessions: new Set(), presence }
  occupant.sessions.add(session)
  occupant.presence = presence
  room.occupants.set(nick, occupant)
  // §7.2.2: first the others, then oneself.
  for (const other of room.occupants.values())
    if (other !== occupant)
      server.transmit(session, occupantPresence(server, room, other, { occupant, session }))
  const own = [...(room.config.anonymous === 'non' ? [100] : []), 170, ...codes]
  broadcastOccupant(server, room, occupant, {}, (viewer) => (viewer === session ? { codes: own } : {}))
  history(server, room, session, presence)
  const subject =
    room.subject ??
    element(CLIENT, 'message', { from: room.jid, type: 'groupchat' }, element(CLIENT, 'subject'))
  server.transmit(session, withAttrs(subject, { to: session.jid }))
}

// §7.2.13 and §7.2.14, as far as numbers and times go.
function history(server: Server, room: Room, session: Session, presence: Element): void {
  const join = child(presence, 'x', MUC)
  const wanted = (join && child(join, 'history')?.attrs) ?? {}
  const max = /^[0-9]{1,9}$/.test(wanted.maxstanzas ?? '') ? Number(wanted.maxstanzas) : ROOM_HISTORY
  const since = dateTime.decode(wanted.since ?? '')?.getTime()
  const seconds = /^[0-9]{1,9}$/.test(wanted.seconds ?? '') ? Number(wanted.seconds) * 1000 : undefined
  const from = Math.max(since ?? 0, seconds === undefined ? 0 : server.clock.now() - seconds)
  const past =
    wanted.maxchars === '0' || max === 0 ? [] : room.archive.filter(({ at }) => at >= from).slice(-max)
  for (const { at, message } of past) {
    const content = message.children.filter((node) => typeof node === 'string' || node.ns !== MUC_USER)
    const said = element(CLIENT, 'message', { ...message.attrs, to: session.jid }, content)
    server.transmit(session, withChildren(said, delay.encode({ stamp: new Date(at), from: room.jid })))
  }
}

// §7.6: the old nickname goes with 303 and the new one in it, and then the new one comes.
function rename(server: Server, room: Room, occupant: Occupant, nick: string, stanza: Element): void {
  if (room.occupants.has(nick)) throw refusal(stanza, 'conflict')
  broadcastOccupant(server, room, occupant, { gone: true, nick, codes: [303] })
  room.occupants.delete(occupant.nick)
  occupant.nick = nick
  room.occupants.set(nick, occupant)
  broadcastOccupant(server, room, occupant)
}

/** §7.14: one client leaves; with the last of an occupant, the others hear of it. */
function leave(server: Server, room: Room, occupant: Occupant, session: Session): void {
  if (occupant.sessions.size > 1) {
    const words = { gone: true }
    if (session.account.sessions.has(session.jid))
      server.transmit(session, occupantPresence(server, room, occupant, { occupant, session }, words))
    occupant.sessions.delete(session)
    session.directed.delete(occupantJid(room, occupant.nick))
    return
  }
  removeOccupant(server, room, occupant, { gone: true })
}

/** An occupant is no longer there; `words` say why. */
export function removeOccupant(server: Server, room: Room, occupant: Occupant, words: PresenceWords): void {
  broadcastOccupant(server, room, occupant, { ...words, gone: true })
  room.occupants.delete(occupant.nick)
  for (const session of occupant.sessions) session.directed.delete(occupantJid(room, occupant.nick))
  if (room.occupants.size === 0 && !room.config.persistent) server.rooms.delete(room.jid)
}

/** Tells everybody in the room of an occupant, that one last (§7.2.2). */
export function broadcastOccupant(
  server: Server,
  room: Room,
  occupant: Occupant,
  words: PresenceWords = {},
  also: (viewer: Session) => PresenceWords = () => ({}),
): void {
  const others = [...room.occupants.values()].filter((other) => other !== occupant)
  for (const viewer of [...others, occupant])
    for (const session of viewer.sessions)
      server.transmit(
        session,
        occupantPresence(
          server,
          room,
          occupant,
          { occupant: viewer, session },
          { ...words, ...also(session) },
        ),
      )
}
