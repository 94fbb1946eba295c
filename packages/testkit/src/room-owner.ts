/**
 * XEP-0045 §10: configuring and destroying a room; §6.4: what the room says of itself.
 *
 *     <query xmlns='…#owner'>  <x type='submit'>muc#roomconfig</x>  or  <destroy jid='…'><reason/></destroy>
 */

import { bool, child, type Element, element } from '@xmpp-e2e/xml'
import { type Field, formOf, readForm, single } from './data-form.ts'
import { infoElement } from './disco.ts'
import { FORM, INFO, ITEMS, MAM, MUC, MUC_OWNER, MUC_USER, OCCUPANT_ID, SID } from './namespaces.ts'
import { affiliationOf, RANK, type Room, type RoomConfig } from './room.ts'
import { remove } from './room-presence.ts'
import { announce, statusCodes } from './room-stanza.ts'
import type { Server, Session } from './server.ts'
import { refusal } from './stanza.ts'

const ROOM_CONFIG = 'http://jabber.org/protocol/muc#roomconfig'

/** For owners alone. */
export function answerRoomOwner(
  server: Server,
  room: Room,
  session: Session,
  iq: Element,
  query: Element,
): readonly Element[] {
  if (query.name !== 'query') throw refusal(iq, 'bad-request')
  if (affiliationOf(room, session.account.jid) !== 'owner') throw refusal(iq, 'forbidden')
  if (iq.attrs.type === 'get') return [element(MUC_OWNER, 'query', {}, configForm(room.config))]
  const destroyed = child(query, 'destroy')
  if (destroyed) {
    destroy(server, room, destroyed)
    return []
  }
  const form = child(query, 'x', FORM)
  if (!form) throw refusal(iq, 'bad-request')
  if (form.attrs.type === 'cancel') {
    // §10.1.3: a room that is not wanted after all.
    if (room.locked) destroy(server, room, element(MUC_OWNER, 'destroy'))
    return []
  }
  // §10.1.2: an empty form asks for an instant room.
  const empty = form.attrs.type === 'submit' && form.children.length === 0
  const values = empty ? new Map<string, readonly string[]>() : readForm(form, ROOM_CONFIG)
  if (!values) throw refusal(iq, 'bad-request')
  configureRoom(server, room, readConfig(room.config, values, iq))
  return []
}

/** Also what a test may do itself. */
export function configureRoom(server: Server, room: Room, config: RoomConfig): void {
  const before = room.config
  const wasLocked = room.locked
  room.config = config
  room.locked = false
  if (wasLocked) return
  const anonymity = before.anonymous === config.anonymous ? [] : [config.anonymous === 'non' ? 172 : 173]
  if (room.occupants.size > 0) announce(server, room, statusCodes([104, ...anonymity]))
  // §9.4: whoever may no longer be there.
  if (config.membersOnly && !before.membersOnly)
    for (const occupant of [...room.occupants.values()])
      if (RANK[affiliationOf(room, occupant.account)] < RANK.member)
        remove(server, room, occupant, { codes: [322] })
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

// §10.9
function destroy(server: Server, room: Room, { attrs, children }: Element): void {
  const content = element(
    MUC_USER,
    'destroy',
    { jid: attrs.jid },
    children.filter((node) => typeof node === 'string'),
  )
  for (const occupant of [...room.occupants.values()]) remove(server, room, occupant, { content })
  server.rooms.delete(room.jid)
}

/** Membership and anonymity are features, because clients decide by them what to encrypt to whom. */
export function answerRoomDisco(server: Server, room: Room, iq: Element, query: Element): readonly Element[] {
  if (query.name !== 'query' || iq.attrs.type !== 'get') throw refusal(iq, 'bad-request')
  if (query.attrs.node !== undefined) throw refusal(iq, 'item-not-found')
  // §6.5: occupants are nobody's business who is not there.
  if (query.ns === ITEMS) return [element(ITEMS, 'query')]
  const { config } = room
  const features = [
    INFO,
    MUC,
    MAM,
    `${MAM}#extended`,
    SID,
    ...(server.quirks.occupantIds ? [OCCUPANT_ID] : []),
    config.membersOnly ? 'muc_membersonly' : 'muc_open',
    config.anonymous === 'non' ? 'muc_nonanonymous' : 'muc_semianonymous',
    config.moderated ? 'muc_moderated' : 'muc_unmoderated',
    config.persistent ? 'muc_persistent' : 'muc_temporary',
    config.listed ? 'muc_public' : 'muc_hidden',
    'muc_unsecured',
  ]
  const form = formOf('result', 'http://jabber.org/protocol/muc#roominfo', [
    { var: 'muc#roominfo_occupants', type: 'text-single', values: [String(room.occupants.size)] },
  ])
  return [infoElement(undefined, ['conference', 'text', config.name || undefined], features, [form])]
}
