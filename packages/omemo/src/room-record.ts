/** What is kept of a room: to whom its messages went last, and what it has answered when it was asked. JSON, version 1. */
import type { BareJid } from '@xmpp-e2e/xml'
import type { Bytes } from './bytes.ts'
import {
  decodeRecord,
  encodeRecord,
  isJid,
  isList,
  isMaybe,
  isObject,
  isOneOf,
  isTime,
  type Shape,
} from './json-record.ts'

/**
 * - `room-anonymous`: real addresses are not disclosed to everybody. `room-open`: anybody may join.
 * - `room-forbidden`: it shows the account no list, or answers it nothing at all, as one that is not there.
 * - `room-unreachable`: it did not answer, or is no room.
 * - `recipients-too-many`: more than `MAX_AUDIENCE`, or addresses that are very long.
 */
export type RoomRefusal = (typeof REFUSALS)[number]

export type Affiliation = (typeof AFFILIATIONS)[number]

const REFUSALS = [
  'room-anonymous',
  'room-open',
  'room-forbidden',
  'room-unreachable',
  'recipients-too-many',
] as const
const AFFILIATIONS = ['member', 'admin', 'owner'] as const

/** @internal */
export interface RoomRecord {
  /** Absent while nothing was sent. */
  readonly last?: readonly BareJid[] | undefined
  readonly answer?: RoomAnswer | undefined
}

/** @internal `at` is when it was asked, milliseconds since 1970. */
export type RoomAnswer =
  | {
      readonly kind: 'members'
      readonly jids: readonly BareJid[]
      readonly hidden: readonly Affiliation[]
      readonly at: number
    }
  | { readonly kind: 'refused'; readonly code: RoomRefusal; readonly at: number }

const members = isObject({ jids: isList(isJid), hidden: isList(isOneOf(AFFILIATIONS)), at: isTime })
const refused = isObject({ code: isOneOf(REFUSALS), at: isTime })
const kinds = isObject({ kind: isOneOf(['members', 'refused'] as const) })

const isAnswer: Shape<RoomAnswer> = (value, at) => {
  const { kind } = kinds(value, at)
  return kind === 'members' ? { kind, ...members(value, at) } : { kind, ...refused(value, at) }
}

const shape = isObject({ last: isMaybe(isList(isJid)), answer: isMaybe(isAnswer) })

/** @internal */
export function encodeRoom({ last, answer }: RoomRecord): Bytes {
  return encodeRecord({ last, answer })
}

/** @internal Of a record that may be absent. @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeRoom(bytes: Uint8Array | undefined): RoomRecord {
  return bytes === undefined ? {} : decodeRecord(bytes, 'room', shape)
}
