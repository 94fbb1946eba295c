/**
 * XEP-0045 §6: what the room service says of itself, and what a room does.
 *
 *     <query xmlns='…#info'>  <identity category='conference' type='text' name='…'/>
 *                             <feature var='muc_membersonly'/> …  <x type='result'>muc#roominfo</x>
 */

import { type Element, element } from '@xmpp-e2e/xml'
import { formOf } from './data-form.ts'
import { infoElement, itemsElement } from './disco.ts'
import { INFO, ITEMS, MAM, MUC, OCCUPANT_ID, RSM, SID } from './namespaces.ts'
import type { AnyRequest, RoomRequest } from './request.ts'
import { refusal } from './stanza.ts'

/** §6.2, §6.3: what the room service answers in its own name. */
export function answerMucDisco(request: AnyRequest): readonly Element[] {
  const { server, iq, payload } = request
  const { ns, name } = payload
  if (name !== 'query' || iq.attrs.type !== 'get') throw refusal(iq, 'bad-request')
  const occupantIds = server.quirks.occupantIds ? [OCCUPANT_ID] : []
  if (ns === INFO)
    return [infoElement(undefined, ['conference', 'text'], [INFO, ITEMS, RSM, MUC, ...occupantIds])]
  // A locked room is not there for others (§10.1.1).
  const listed = [...server.rooms.values()].filter(({ config, locked }) => config.listed && !locked)
  const items = listed.map(({ jid, config }) =>
    element(ITEMS, 'item', { jid, name: config.name || undefined }),
  )
  return [itemsElement(request, undefined, items)]
}

/** §6.4. Membership and anonymity are features, because clients decide by them what to encrypt to whom. */
export function answerRoomDisco({ server, room, iq, payload: query }: RoomRequest): readonly Element[] {
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
