/**
 * What a room does with a stanza that a client has sent to it or to one of its occupants.
 *
 *     presence             enters, changes or leaves: the resource is the nickname       room-presence
 *     message              is for everybody, for one occupant, or an invitation          room-message
 *     iq to the room       is answered, by the namespace of its payload                  room-disco, -admin, -owner, archive
 *     iq to an occupant    is passed on, in the name of the occupant who asks            below
 *
 * Presence may be for a room that is not there yet, and makes it.
 */

import { child, type Element, type Jid } from '@xmpp-e2e/xml'
import { answerArchive } from './archive-query.ts'
import { INFO, ITEMS, MAM, MUC_ADMIN, MUC_OWNER, PING } from './namespaces.ts'
import type { RoomRequest } from './request.ts'
import { affiliationOf, occupantJid, occupantOf, RANK, type Room } from './room.ts'
import { answerRoomAdmin } from './room-admin.ts'
import { answerRoomDisco } from './room-disco.ts'
import { roomMessage } from './room-message.ts'
import { answerRoomOwner } from './room-owner.ts'
import { roomPresence } from './room-presence.ts'
import type { Server, Session } from './server.ts'
import { payloadOf, refusal, resultOf, withAttrs } from './stanza.ts'

/** @throws {StanzaError} to be sent back */
export function dispatchToRoom(server: Server, session: Session, stanza: Element, to: Jid): void {
  const room = server.rooms.get(to.bare)
  if (stanza.name === 'presence')
    roomPresence(server, room, session, stanza, { bare: to.bare, nick: to.resource })
  else if (stanza.name === 'message') roomMessage(server, room, session, stanza, to.resource)
  else if (!room) throw refusal(stanza, 'item-not-found')
  else if (to.full) forward(server, room, session, stanza, to.resource)
  else server.transmit(session, resultOf(stanza, answer(requestOf(server, room, session, stanza))))
}

function requestOf(server: Server, room: Room, session: Session, iq: Element): RoomRequest {
  const { type } = iq.attrs
  if (type !== 'get' && type !== 'set') throw refusal(iq, 'bad-request')
  return { server, room, session, iq, payload: payloadOf(iq) }
}

// What is asked of the room itself, by whoever is allowed to.
function answer(request: RoomRequest): readonly Element[] {
  const { room, session, iq } = request
  switch (request.payload.ns) {
    case INFO:
    case ITEMS:
      return answerRoomDisco(request)
    case MUC_ADMIN:
      return answerRoomAdmin(request)
    case MUC_OWNER:
      return answerRoomOwner(request)
    case PING:
      return []
    case MAM: {
      // XEP-0313 §6.1.2: who may enter may read.
      const mine = affiliationOf(room, session.account.jid)
      if (RANK[mine] < (room.config.membersOnly ? RANK.member : RANK.none)) throw refusal(iq, 'forbidden')
      return answerArchive(request, room.jid, room.archive)
    }
    default:
      throw refusal(iq, 'service-unavailable')
  }
}

/** §17.4: a request between occupants, and its answer the same way back; the room answers a ping of oneself (XEP-0410). */
function forward(server: Server, room: Room, session: Session, iq: Element, nick: string): void {
  const occupant = occupantOf(room, session)
  if (!occupant) throw refusal(iq, 'not-acceptable')
  const target = room.occupants.get(nick)
  if (!target) throw refusal(iq, 'item-not-found')
  if (target === occupant && child(iq, 'ping', PING)) {
    server.transmit(session, resultOf(iq, []))
    return
  }
  // Of several clients with one nickname, the one that has been there longest; an answer can only come from one.
  const [first] = target.sessions
  if (first) server.transmit(first, withAttrs(iq, { from: occupantJid(room, occupant.nick), to: first.jid }))
}
