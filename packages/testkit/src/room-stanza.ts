/**
 * What rooms say in their own name: XEP-0045 `<x/>` with item and status codes, XEP-0421 occupant ids.
 *
 *     <x xmlns='…/muc#user'>  <item affiliation='…' role='…' jid='…' nick='…'><reason/></item>  <status code='110'/>
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { type BareJid, type Child, type Element, element, hex } from '@xmpp-e2e/xml'
import { CLIENT, MUC, MUC_USER, OCCUPANT_ID } from './namespaces.ts'
import { affiliationOf, type Occupant, occupantJid, type Room, seesReal } from './room.ts'
import type { Server, Session } from './server.ts'

/** Stable for an account in a room, and of no use in another (XEP-0421 §4.1). */
export function occupantId(room: Room, account: BareJid): Element {
  const id = hex.encode(Uint8Array.from(sha256(utf8ToBytes(`${room.secret} ${account}`)).subarray(0, 16)))
  return element(OCCUPANT_ID, 'occupant-id', { id })
}

/** What clients write of it is not theirs to say. */
export function withoutRoomWords(stanza: Element): readonly Child[] {
  return stanza.children.filter(
    (node) => typeof node === 'string' || ![MUC, MUC_USER, OCCUPANT_ID].includes(node.ns),
  )
}

/** What is said with a presence: `gone` makes it unavailable, which has no role unless there is a new nickname. */
export interface PresenceWords {
  readonly codes?: readonly number[]
  /** More about the item: a new nickname, a reason. */
  readonly nick?: string
  readonly reason?: string
  readonly gone?: boolean
  readonly content?: Child
}

/** What one client in the room is told of an occupant: the real JID only where it may see it, 110 only of itself (§7.2.2). */
export function occupantPresence(
  server: Server,
  room: Room,
  occupant: Occupant,
  viewer: { readonly occupant: Occupant; readonly session: Session },
  words: PresenceWords = {},
): Element {
  const { session } = viewer
  const self = viewer.occupant === occupant
  const [one] = occupant.sessions
  const real = self ? session.jid : (one?.jid ?? occupant.account)
  const item = element(
    MUC_USER,
    'item',
    {
      affiliation: affiliationOf(room, occupant.account),
      role: words.gone && words.nick === undefined ? 'none' : occupant.role,
      jid: self || seesReal(room, viewer.occupant) ? real : undefined,
      nick: words.nick,
    },
    words.reason !== undefined && element(MUC_USER, 'reason', {}, words.reason),
  )
  const codes = [...(self ? [110] : []), ...(words.codes ?? [])]
  const x = element(MUC_USER, 'x', {}, item, statuses(codes), words.content)
  return element(
    CLIENT,
    'presence',
    {
      from: occupantJid(room, occupant.nick),
      to: session.jid,
      id: self ? occupant.presence.attrs.id : undefined,
      type: words.gone ? 'unavailable' : undefined,
    },
    words.gone ? [] : withoutRoomWords(occupant.presence),
    server.quirks.occupantIds && occupantId(room, occupant.account),
    x,
  )
}

/** A message of the room itself to everybody in it. */
export function announce(server: Server, room: Room, content: Child): void {
  for (const { sessions } of room.occupants.values())
    for (const session of sessions)
      server.transmit(
        session,
        element(
          CLIENT,
          'message',
          { from: room.jid, to: session.jid, type: 'groupchat', id: server.newId() },
          content,
        ),
      )
}

/** `<x/>` with nothing but status codes (§16.6). */
export function statusCodes(codes: readonly number[]): Element {
  return element(MUC_USER, 'x', {}, statuses(codes))
}

/** `<status code='…'/>` each. */
export function statuses(codes: readonly number[]): readonly Element[] {
  return codes.map((code) => element(MUC_USER, 'status', { code }))
}
