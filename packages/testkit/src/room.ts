/** XEP-0045 rooms: who may be there, who is, and what has been said. */

import type { BareJid, Element, FullJid } from '@xmpp-e2e/xml'
import type { Archive } from './archive.ts'
import type { Server, Session } from './server.ts'

export type RoomAffiliation = 'owner' | 'admin' | 'member' | 'none' | 'outcast'
export type Role = 'moderator' | 'participant' | 'visitor' | 'none'

export interface RoomConfig {
  readonly name: string
  readonly membersOnly: boolean
  /** Who may see real JIDs: everybody, or moderators only (§4.2). */
  readonly anonymous: 'non' | 'semi'
  readonly moderated: boolean
  /** Whether the room is there when nobody is in it. */
  readonly persistent: boolean
  /** Whether the service lists it. */
  readonly listed: boolean
  /** Whether everybody with a voice may change the subject. */
  readonly openSubject: boolean
}

/** One nickname: one account with one client or, sharing the nickname, several. */
export interface Occupant {
  nick: string
  readonly account: BareJid
  role: Role
  readonly sessions: Set<Session>
  /** The latest, as the client wrote it. */
  presence: Element
}

export interface Room {
  readonly jid: BareJid
  /** What makes occupant ids of this room differ from those of others (XEP-0421 §4.1). */
  readonly secret: string
  config: RoomConfig
  /** Whether its first owner has yet to configure it (§10.1). */
  locked: boolean
  readonly affiliations: Map<BareJid, Exclude<RoomAffiliation, 'none'>>
  /** By nickname. */
  readonly occupants: Map<string, Occupant>
  subject: Element | undefined
  readonly archive: Archive
}

/** Arbitrary: the specification leaves them to the service (§10.1.2). */
const ROOM_DEFAULTS: RoomConfig = {
  name: '',
  membersOnly: false,
  anonymous: 'semi',
  moderated: false,
  persistent: false,
  listed: true,
  openSubject: false,
}

/** A room without owner, which is not locked. */
export function newRoom(server: Server, jid: BareJid): Room {
  const room: Room = {
    jid,
    secret: server.newId(),
    config: ROOM_DEFAULTS,
    locked: false,
    affiliations: new Map(),
    occupants: new Map(),
    subject: undefined,
    archive: [],
  }
  server.rooms.set(jid, room)
  return room
}

/** More is higher (§5.2). */
export const RANK: Readonly<Record<RoomAffiliation, number>> = {
  outcast: -1,
  none: 0,
  member: 1,
  admin: 2,
  owner: 3,
}

export function affiliationOf(room: Room, who: BareJid): RoomAffiliation {
  return room.affiliations.get(who) ?? 'none'
}

/** §5.1.2: the role that goes with an affiliation on entering. */
export function initialRole({ config }: Room, affiliation: RoomAffiliation): Role {
  if (RANK[affiliation] >= RANK.admin) return 'moderator'
  return config.moderated && affiliation === 'none' ? 'visitor' : 'participant'
}

export function occupantOf(room: Room, session: Session): Occupant | undefined {
  for (const occupant of room.occupants.values()) if (occupant.sessions.has(session)) return occupant
  return undefined
}

export function occupantJid(room: Room, nick: string): FullJid {
  return `${room.jid}/${nick}` as FullJid
}

/** Whether the real JIDs of occupants are for that one. */
export function seesReal({ config }: Room, viewer: Occupant): boolean {
  return config.anonymous === 'non' || viewer.role === 'moderator'
}
