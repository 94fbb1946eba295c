/**
 * XEP-0045 §10: configuring and destroying a room.
 *
 *     <query xmlns='…#owner'>  <x type='submit'>muc#roomconfig</x>  or  <destroy jid='…'><reason/></destroy>
 */

import { bool, child, type Element, element, text } from '@xmpp-e2e/xml'
import { type Field, formOf, readForm, single } from './data-form.ts'
import { FORM, MUC_OWNER, MUC_USER } from './namespaces.ts'
import type { RoomRequest } from './request.ts'
import { affiliationOf, occupantJid, RANK, type Room, type RoomConfig } from './room.ts'
import { removeOccupant } from './room-presence.ts'
import { announce, occupantPresence, statusCodes } from './room-stanza.ts'
import type { Server } from './server.ts'
import { refusal } from './stanza.ts'

const ROOM_CONFIG = 'http://jabber.org/protocol/muc#roomconfig'

/** For owners alone. */
export function answerRoomOwner(request: RoomRequest): readonly Element[] {
  const { server, room, session, iq, payload: query } = request
  if (query.name !== 'query') throw refusal(iq, 'bad-request')
  if (affiliationOf(room, session.account.jid) !== 'owner') throw refusal(iq, 'forbidden')
  if (iq.attrs.type === 'get') return [element(MUC_OWNER, 'query', {}, configForm(room.config))]
  const destroyed = child(query, 'destroy')
  if (destroyed) {
    // The answer comes after everybody has been told, as in the examples.
    destroy(request, destroyed)
    return []
  }
  const form = child(query, 'x', FORM)
  if (!form) throw refusal(iq, 'bad-request')
  if (form.attrs.type === 'cancel') {
    // §10.1.3: a room that is not wanted after all.
    if (room.locked) destroy(request, element(MUC_OWNER, 'destroy'))
    return []
  }
  // §10.1.2: an empty form asks for an instant room.
  const empty = form.attrs.type === 'submit' && form.children.length === 0
  const values = empty ? new Map<string, readonly string[]>() : readForm(form, ROOM_CONFIG)
  if (!values) throw refusal(iq, 'bad-request')
  configureRoom(server, room, readConfig(room.config, values, iq))
  return []
}

/**
 * Sets a configuration and tells of it; also what a test may do itself. The first one unlocks the room, and nobody else
 * has been there to be told.
 */
export function configureRoom(server: Server, room: Room, config: RoomConfig): void {
  const before = room.config
  const wasLocked = room.locked
  room.config = config
  room.locked = false
  if (wasLocked) return
  // §10.2.1: whose real JIDs are seen has codes of its own, for privacy; 104 is for whatever else changed.
  const anonymity = before.anonymous === config.anonymous ? [] : [config.anonymous === 'non' ? 172 : 173]
  if (room.occupants.size > 0) announce(server, room, statusCodes([104, ...anonymity]))
  // §10.2: whoever may no longer be there.
  if (config.membersOnly && !before.membersOnly)
    for (const occupant of [...room.occupants.values()])
      if (RANK[affiliationOf(room, occupant.account)] < RANK.member)
        removeOccupant(server, room, occupant, { codes: [322] })
}

// Fields that are not named keep their values (§10.2), and ones that are not known are passed over.
function readConfig(
  config: RoomConfig,
  values: ReadonlyMap<string, readonly string[]>,
  iq: Element,
): RoomConfig {
  const flag = (name: string, before: boolean): boolean => {
    const value = single(values, `muc#roomconfig_${name}`)
    const read = value === undefined ? before : bool.decode(value)
    if (read === undefined) throw refusal(iq, 'not-acceptable')
    return read
  }
  const whois = single(values, 'muc#roomconfig_whois')
  if (whois !== undefined && whois !== 'anyone' && whois !== 'moderators') throw refusal(iq, 'not-acceptable')
  return {
    name: single(values, 'muc#roomconfig_roomname') ?? config.name,
    membersOnly: flag('membersonly', config.membersOnly),
    anonymous: whois === undefined ? config.anonymous : whois === 'anyone' ? 'non' : 'semi',
    moderated: flag('moderatedroom', config.moderated),
    persistent: flag('persistentroom', config.persistent),
    listed: flag('publicroom', config.listed),
    openSubject: flag('changesubject', config.openSubject),
  }
}

function configForm(config: RoomConfig): Element {
  const flag = (name: string, on: boolean): Field => ({
    var: `muc#roomconfig_${name}`,
    type: 'boolean',
    values: [on ? '1' : '0'],
  })
  return formOf('form', ROOM_CONFIG, [
    { var: 'muc#roomconfig_roomname', type: 'text-single', values: [config.name] },
    flag('membersonly', config.membersOnly),
    {
      var: 'muc#roomconfig_whois',
      type: 'list-single',
      values: [config.anonymous === 'non' ? 'anyone' : 'moderators'],
      options: ['anyone', 'moderators'],
    },
    flag('moderatedroom', config.moderated),
    flag('persistentroom', config.persistent),
    flag('publicroom', config.listed),
    flag('changesubject', config.openSubject),
  ])
}

// §10.9: each is told once, of nobody but itself. Nobody has an affiliation any more.
function destroy({ server, room }: RoomRequest, request: Element): void {
  const told = (name: 'reason' | 'password'): Element | undefined => {
    const found = child(request, name)
    return found && element(MUC_USER, name, {}, text(found))
  }
  const content = element(MUC_USER, 'destroy', { jid: request.attrs.jid }, told('reason'), told('password'))
  room.affiliations.clear()
  for (const occupant of room.occupants.values())
    for (const session of occupant.sessions) {
      const viewer = { occupant, session }
      server.transmit(session, occupantPresence(server, room, occupant, viewer, { gone: true, content }))
      session.directed.delete(occupantJid(room, occupant.nick))
    }
  room.occupants.clear()
  server.rooms.delete(room.jid)
}
