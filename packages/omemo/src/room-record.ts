/** What is kept of a room: to whom its messages went last, and what it has answered when it was asked. */
import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import type { Bytes } from './bytes.ts'
import { asArray, asObject, decodeJson, encodeJson, malformedRecord } from './json-record.ts'
import type { Affiliation, RoomRefusal } from './room.ts'

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

/** @internal */
export function encodeRoom({ last, answer }: RoomRecord): Bytes {
  return encodeJson({ last, answer })
}

/** @internal Of a record that may be absent. @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeRoom(bytes: Uint8Array | undefined): RoomRecord {
  if (bytes === undefined) return {}
  const { last, answer } = decodeJson(bytes, ROOM)
  return {
    ...(last !== undefined && { last: listOf(last, isAddress) }),
    ...(answer !== undefined && { answer: readAnswer(answer) }),
  }
}

const ROOM = 'room'

function readAnswer(value: unknown): RoomAnswer {
  const { kind, code, jids, hidden, at } = asObject(value) ?? {}
  if (typeof at !== 'number') throw malformedRecord(ROOM)
  if (kind === 'refused' && isCode(code)) return { kind, code, at }
  if (kind !== 'members') throw malformedRecord(ROOM)
  return { kind, jids: listOf(jids, isAddress), hidden: listOf(hidden, isAffiliation), at }
}

function listOf<T>(value: unknown, is: (value: unknown) => value is T): readonly T[] {
  const list = asArray(value)
  if (!list?.every(is)) throw malformedRecord(ROOM)
  return list
}

const CODES: readonly unknown[] = [
  'room-anonymous',
  'room-open',
  'room-unreachable',
  'recipients-too-many',
] satisfies RoomRefusal[]
const AFFILIATIONS: readonly unknown[] = ['member', 'admin', 'owner'] satisfies Affiliation[]

const isCode = (value: unknown): value is RoomRefusal => CODES.includes(value)
const isAffiliation = (value: unknown): value is Affiliation => AFFILIATIONS.includes(value)
const isAddress = (value: unknown): value is BareJid =>
  typeof value === 'string' && bareJid.decode(value) === value
