/**
 * Who is in the rooms that the account has joined, by the rooms' presence (XEP-0045 §7.2.2, §7.2.3): what `receive` asks
 * for, since messages of a room say a nickname only.
 *
 *     <presence from='coven@chat.shakespeare.lit/firstwitch'>
 *       <x xmlns='http://jabber.org/protocol/muc#user'>
 *         <item affiliation='member' role='participant' jid='crone1@shakespeare.lit/desktop'/>
 */

import type { Connection } from './connection.ts'
import { child, children, type Element } from './element.ts'
import { CLIENT_NAMESPACE } from './forwarded.ts'
import { type BareJid, readJid } from './jid.ts'
import type { ReceiveOptions } from './received.ts'
import { MUC_USER_NAMESPACE } from './server-processed.ts'

/** Occupants that are remembered of one room; of one that is larger the others count as unknown. */
export const MAX_OCCUPANTS = 5000
export interface Occupants extends Required<Pick<ReceiveOptions, 'occupant' | 'joined'>> {
  /**
   * Believes what this room says from now on; call it before the room is joined. Nobody else is believed: any contact
   * can send presence that looks like a room's, and says that it is somebody else.
   */
  enter(room: BareJid): void
  /** Forgets a room. */
  leave(room: BareJid): void
  /** The real addresses of who is in a room now, each once, as far as the room discloses them. */
  present(room: BareJid): readonly BareJid[]
  /** Stops listening and forgets everything. */
  close(): void
}

interface Room {
  /** Nicknames as full occupant JIDs, with the real address behind each. */
  readonly occupants: Map<string, BareJid>
  /** The room has sent its subject: what comes now is live. */
  joined: boolean
}

/**
 * Listens from now on; give it to the options of `receive`. What is known of a room is forgotten when the account leaves
 * it, or the session ends. Only rooms that are not anonymous disclose real addresses.
 */
export function occupants(connection: Connection): Occupants {
  const rooms = new Map<string, Room>()
  const stop = connection.subscribe({
    stanza(stanza) {
      if (stanza.ns !== CLIENT_NAMESPACE || stanza.attrs.type === 'error') return
      const from = readJid(stanza.attrs.from ?? '')
      if (!from?.full) return
      if (stanza.name === 'presence') seen(rooms, from.bare, from.full, stanza)
      else if (isSubject(stanza)) {
        const room = rooms.get(from.bare)
        if (room) room.joined = true
      }
    },
    session: (state) => {
      if (state === 'resumed') return
      for (const room of rooms.keys()) rooms.set(room, empty())
    },
  })
  return {
    enter: (room) => {
      if (!rooms.has(room)) rooms.set(room, empty())
    },
    leave: (room) => void rooms.delete(room),
    occupant: (roomJid) => {
      const jid = readJid(roomJid)
      return jid?.full === undefined ? undefined : rooms.get(jid.bare)?.occupants.get(jid.full)
    },
    joined: (room) => rooms.get(room)?.joined ?? false,
    present: (room) => [...new Set(rooms.get(room)?.occupants.values())],
    close() {
      stop()
      rooms.clear()
    },
  }
}

const empty = (): Room => ({ occupants: new Map(), joined: false })

function seen(rooms: Map<string, Room>, bare: BareJid, full: string, presence: Element): void {
  const x = child(presence, 'x', MUC_USER_NAMESPACE)
  const room = rooms.get(bare)
  if (!x || !room) return
  // §7.2.2, §7.14: 110 is about the account's own occupant.
  const isSelf = children(x, 'status').some(({ attrs }) => attrs.code === '110')
  const item = child(x, 'item')
  if (presence.attrs.type === 'unavailable') {
    // §7.6: with 303 it goes on under another nickname.
    const isRenamed = children(x, 'status').some(({ attrs }) => attrs.code === '303')
    if (isSelf && !isRenamed) rooms.set(bare, empty())
    else room.occupants.delete(full)
    return
  }
  if (presence.attrs.type !== undefined) return
  const real = readJid(item?.attrs.jid ?? '')?.bare
  if (real === undefined) room.occupants.delete(full)
  else if (room.occupants.has(full) || room.occupants.size < MAX_OCCUPANTS) room.occupants.set(full, real)
}

// §7.2.15: a message with a subject, which may be empty, and without a body.
function isSubject(message: Element): boolean {
  if (message.name !== 'message' || message.attrs.type !== 'groupchat') return false
  return child(message, 'subject') !== undefined && child(message, 'body') === undefined
}
