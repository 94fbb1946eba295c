/** Rooms: whose keys their messages are encrypted to. Gajim does the same: members-only rooms that show real addresses. */
import { type RoomRefusal, roomMembers } from '@xmpp-e2e/disco/rooms'
import { attr, type BareJid, bareJid, codec, many, serialize } from '@xmpp-e2e/xml'
import { type Account, change } from './account.ts'
import type { OxEvent } from './event.ts'
import { decodeRecord } from './key/self.ts'
import { MAX_RECIPIENT_KEYS } from './message/recipients.ts'
import type { Abortable } from './options.ts'
import { RECORDS, records } from './record.ts'
import { utf8 } from './utf8.ts'

/** Who is to get a room's messages. */
export type Audience =
  | {
      readonly kind: 'members'
      readonly room: BareJid
      /** Each once, without the own account. */
      readonly jids: readonly BareJid[]
      /** Lists that the room does not show to the account: who is on no other is not among `jids`. */
      readonly hidden: readonly ('owner' | 'admin' | 'member')[]
    }
  | { readonly kind: 'refused'; readonly code: RoomRefusal | 'recipients-too-many' }

/** @internal Asks the room. @throws the signal's reason */
export async function audienceOf(account: Account, room: BareJid, { signal }: Abortable): Promise<Audience> {
  const members = await roomMembers(account.connection, room, { signal })
  if (members.kind === 'refused') return members
  const jids = members.jids.filter((jid) => jid !== account.jid)
  if (jids.length > MAX_RECIPIENT_KEYS) return { kind: 'refused', code: 'recipients-too-many' }
  if (members.hidden.length === 3 && jids.length === 0) return { kind: 'refused', code: 'room-forbidden' }
  return { kind: 'members', room, jids, hidden: members.hidden }
}

const roomRecord = codec(RECORDS, 'room', {
  members: many(codec(RECORDS, 'member', { jid: attr('jid', bareJid) })),
})

/** @internal Those that are given, or the room's members; a change is told before anything is encrypted to them. */
export async function membersOf(
  account: Account,
  room: BareJid,
  to: readonly BareJid[],
  options: Abortable,
): Promise<readonly BareJid[] | Extract<Audience, { readonly kind: 'refused' }>['code']> {
  if (to.includes(room)) throw new RangeError('to: expected real addresses of members, not the room')
  const audience = await audienceOf(account, room, options)
  // Of an open room the application must say who reads it.
  const mayDiffer = audience.kind === 'refused' && audience.code === 'room-open' && to.length > 0
  if (audience.kind === 'refused' && !mayDiffer) return audience.code
  const given = to.length > 0 || audience.kind === 'refused' ? to : audience.jids
  const jids = [...new Set(given)].filter((jid) => jid !== account.jid)
  if (jids.length > MAX_RECIPIENT_KEYS) return 'recipients-too-many'
  await change(account, [records.room(room)], ([bytes]) => {
    const before = bytes && decodeRecord(bytes, roomRecord.decode).members.map(({ jid }) => jid)
    const added = jids.filter((jid) => !before?.includes(jid))
    const removed = before?.filter((jid) => !jids.includes(jid)) ?? []
    if (before !== undefined && added.length + removed.length === 0) return { result: undefined }
    const record = utf8(serialize(roomRecord.encode({ members: jids.map((jid) => ({ jid })) })))
    // The first message to a room changes nothing.
    const events: readonly OxEvent[] =
      before === undefined ? [] : [{ kind: 'audience-changed', room, added, removed }]
    return { put: [[records.room(room), record]], events, result: undefined }
  })
  return jids
}
