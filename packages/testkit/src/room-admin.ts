/**
 * XEP-0045 §8 and §9: affiliations and roles.
 *
 *     <query xmlns='…/muc#admin'>  <item jid='…' affiliation='member'/>  or  <item nick='…' role='none'/>
 *
 * Affiliations are of accounts and stay, roles are of occupants and end with the visit (§5).
 *
 *                                  who may                          who is told, and how
 *     affiliation none … member    admins                           all, by presence of the occupant
 *     affiliation admin, owner     owners                           the same; by a message where he is not there (§9.3)
 *     affiliation outcast          admins, of who is below them     all: 301, and he is out (§9.1)
 *     none, in a members' room     admins                           all: 321, and he is out (§9.4)
 *     role                         moderators                       all; `none`: 307, and he is out (§8.2)
 */

import { type BareJid, bareJid, child, children, type Element, element, text } from '@xmpp-e2e/xml'
import { MUC_ADMIN, MUC_USER } from './namespaces.ts'
import type { RoomRequest } from './request.ts'
import {
  affiliationOf,
  initialRole,
  type Occupant,
  occupantOf,
  RANK,
  type Role,
  type Room,
  type RoomAffiliation,
} from './room.ts'
import { broadcastOccupant, removeOccupant } from './room-presence.ts'
import { announce } from './room-stanza.ts'
import type { Server } from './server.ts'
import { refusal } from './stanza.ts'

const ROLES: readonly Role[] = ['moderator', 'participant', 'visitor', 'none']

/** @throws {StanzaError} to be sent back; nothing has changed then */
export function answerRoomAdmin(request: RoomRequest): readonly Element[] {
  const { iq, payload } = request
  const items = children(payload, 'item')
  const [first] = items
  if (payload.name !== 'query' || !first) throw refusal(iq, 'bad-request')
  if (iq.attrs.type === 'get') return [element(MUC_ADMIN, 'query', {}, list(request, first))]
  // All are checked before one is done.
  const changes = items.map((item) => planned(request, item))
  for (const change of changes) change()
  return []
}

// §9.5 to §9.8 and §10.5: who is what.
function list({ room, session, iq }: RoomRequest, { attrs }: Element): readonly Element[] {
  const mine = affiliationOf(room, session.account.jid)
  if (attrs.role !== undefined) {
    if (occupantOf(room, session)?.role !== 'moderator') throw refusal(iq, 'forbidden')
    const found = [...room.occupants.values()].filter(({ role }) => role === attrs.role)
    return found.map(({ nick, role, account, sessions }) =>
      element(MUC_ADMIN, 'item', {
        nick,
        role,
        affiliation: affiliationOf(room, account),
        jid: [...sessions][0]?.jid,
      }),
    )
  }
  const wanted = attrs.affiliation
  if (!isAffiliation(wanted)) throw refusal(iq, 'bad-request')
  // §9.5 and its note on semi-anonymous rooms: the list has real JIDs.
  const isOpen = room.config.anonymous === 'non' && wanted !== 'outcast' && RANK[mine] >= RANK.member
  const inOpenRoom = room.config.anonymous === 'non' && wanted !== 'outcast' && occupantOf(room, session)
  if (RANK[mine] < RANK.admin && !isOpen && !inOpenRoom) throw refusal(iq, 'forbidden')
  return [...room.affiliations].flatMap(([jid, affiliation]) =>
    affiliation === wanted ? [element(MUC_ADMIN, 'item', { affiliation, jid })] : [],
  )
}

function isAffiliation(text: string | undefined): text is RoomAffiliation {
  return text !== undefined && Object.hasOwn(RANK, text)
}

// What one item wants, checked; it is done when the others have been checked, too.
function planned(request: RoomRequest, item: Element): () => void {
  const { server, room, iq } = request
  const { jid, nick, affiliation, role } = item.attrs
  const written = child(item, 'reason')
  const reason = written && text(written)
  const target = nick === undefined ? undefined : room.occupants.get(nick)
  if (affiliation !== undefined) {
    const who = target?.account ?? bareJid.decode(jid ?? '')
    if (!isAffiliation(affiliation) || !who) throw refusal(iq, 'bad-request')
    checkAffiliation(request, who, affiliation)
    return () => setAffiliation(server, room, who, affiliation, reason)
  }
  const known = ROLES.find((one) => one === role)
  if (!known) throw refusal(iq, 'bad-request')
  if (!target) throw refusal(iq, 'item-not-found')
  checkRole(request, target)
  return () => setRole(request, target, known, reason)
}

// §5.2.1: admins care for members and outcasts, owners for all; and there is always an owner.
function checkAffiliation({ room, session, iq }: RoomRequest, who: BareJid, wanted: RoomAffiliation): void {
  const mine = RANK[affiliationOf(room, session.account.jid)]
  const theirs = RANK[affiliationOf(room, who)]
  if (mine < RANK.admin) throw refusal(iq, 'forbidden')
  if (mine < RANK.owner && (theirs >= RANK.admin || RANK[wanted] >= RANK.admin))
    throw refusal(iq, 'not-allowed')
  if (who === session.account.jid && wanted === 'outcast') throw refusal(iq, 'conflict')
  const owners = [...room.affiliations].filter(([, affiliation]) => affiliation === 'owner')
  if (wanted !== 'owner' && owners.length === 1 && owners[0]?.[0] === who) throw refusal(iq, 'conflict')
}

// §8.2: nobody is kicked by somebody of a lower affiliation.
function checkRole({ room, session, iq }: RoomRequest, target: Occupant): void {
  if (occupantOf(room, session)?.role !== 'moderator') throw refusal(iq, 'forbidden')
  const mine = RANK[affiliationOf(room, session.account.jid)]
  const theirs = RANK[affiliationOf(room, target.account)]
  if (theirs >= RANK.admin && theirs >= mine && target.account !== session.account.jid)
    throw refusal(iq, 'not-allowed')
}

/** Sets an affiliation and tells of it, if it is another one; also what a test may do itself. */
export function setAffiliation(
  server: Server,
  room: Room,
  who: BareJid,
  affiliation: RoomAffiliation,
  reason?: string,
): void {
  const before = affiliationOf(room, who)
  if (affiliation === 'none') room.affiliations.delete(who)
  else room.affiliations.set(who, affiliation)
  if (before === affiliation) return
  const there = [...room.occupants.values()].filter(({ account }) => account === who)
  const words = reason === undefined ? {} : { reason }
  for (const occupant of there) {
    if (affiliation === 'outcast') removeOccupant(server, room, occupant, { ...words, codes: [301] })
    else if (room.config.membersOnly && affiliation === 'none')
      removeOccupant(server, room, occupant, { ...words, codes: [321] })
    else {
      occupant.role = initialRole(room, affiliation)
      broadcastOccupant(server, room, occupant, words)
    }
  }
  // §9.3: of who is not in the room, a message tells; only where everybody may know the JID.
  if (there.length > 0 || room.config.anonymous !== 'non') return
  const item = element(MUC_USER, 'item', { affiliation, jid: who, role: 'none' })
  announce(server, room, element(MUC_USER, 'x', {}, item))
}

// §5.1.3: without a role nobody is in the room.
function setRole({ server, room }: RoomRequest, target: Occupant, role: Role, reason?: string): void {
  const words = reason === undefined ? {} : { reason }
  if (role === 'none') {
    removeOccupant(server, room, target, { ...words, codes: [307] })
    return
  }
  target.role = role
  broadcastOccupant(server, room, target, words)
}
