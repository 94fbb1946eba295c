/**
 * Rooms (XEP-0384 §5.8): who is to get a room's messages, as `@xmpp-e2e/disco/rooms` has it from the room. Its server could
 * lie, so that people are told of every change before anything is encrypted to somebody new.
 */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { roomMembers } from '@xmpp-e2e/disco/rooms'
import type { Put, Reader, Signal } from '@xmpp-e2e/store'
import { type BareJid, bareJid, child, children, type Element, parseJid } from '@xmpp-e2e/xml'
import { type Account, change } from './account.ts'
import type { OmemoEvent } from './event.ts'
import { records } from './record.ts'
import {
  type Affiliation,
  decodeRoom,
  encodeRoom,
  type RoomAnswer,
  type RoomRecord,
  type RoomRefusal,
} from './room-record.ts'

/** What a room is, and who is to get its messages (XEP-0384 §5.8.1). */
export type Audience =
  | {
      readonly kind: 'members'
      readonly room: BareJid
      /** Each once, without the own account. */
      readonly jids: readonly BareJid[]
      /** Lists that the room does not show to the account: who is on no other is not among `jids`. */
      readonly hidden: readonly Affiliation[]
    }
  | { readonly kind: 'refused'; readonly code: RoomRefusal }

export interface AudienceOptions {
  readonly signal?: Signal | undefined
  /** Asks the room in any case, and not only when the last answer is older than `AUDIENCE_MS`. */
  readonly fresh?: boolean | undefined
  /** Real addresses of who is there, as `occupants` of `@xmpp-e2e/xml` knows them: they are recipients, too. */
  readonly present?: readonly BareJid[] | undefined
}

/**
 * Milliseconds for which an answer of a room is believed: four requests a minute, and not with each message. What the room
 * says of its own accord ends it earlier.
 */
export const AUDIENCE_MS = 60_000
/** Accounts that messages of a room go to: as many as keys in a stanza (`MAX_KEYS`), since each has a device or more. */
export const MAX_AUDIENCE = 1000
/**
 * Bytes of all their addresses, 192 KiB, 196 of each: they are kept twice, and may double in JSON, so that 768 KiB of a
 * record are the most. A room can list a thousand addresses of 2047.
 */
const MAX_AUDIENCE_BYTES = 196_608

const LISTS = ['owner', 'admin', 'member'] as const satisfies readonly Affiliation[]
const MUC_USER = 'http://jabber.org/protocol/muc#user'

/** @internal Asks the room, or takes what it has just said. @throws the signal's reason */
export async function audienceOf(
  account: Account,
  room: BareJid,
  { signal, fresh = false, present = [] }: AudienceOptions = {},
): Promise<Audience> {
  const answer = (fresh ? undefined : await rememberedAnswer(account, room)) ?? (await ask())
  async function ask(): Promise<RoomAnswer | undefined> {
    const asked = await askRoom(account, room, signal)
    // Of a room that does not answer, or not to us, nothing is known, and the next message asks again.
    if (asked !== undefined && !isForbidden(asked)) await remember(account, room, asked)
    return asked
  }
  if (answer === undefined) return { kind: 'refused', code: 'room-unreachable' }
  if (answer.kind === 'refused') return { kind: 'refused', code: answer.code }
  const jids = others(account, [...answer.jids, ...present])
  if (jids.length > MAX_AUDIENCE || areTooLong(jids)) return { kind: 'refused', code: 'recipients-too-many' }
  if (answer.hidden.length === LISTS.length && jids.length === 0)
    return { kind: 'refused', code: 'room-forbidden' }
  return { kind: 'members', room, jids, hidden: answer.hidden }
}

/** @internal Within a change: to whom the messages of a room went last, and what is different now. */
export async function compareAudience(
  account: Account,
  reader: Reader,
  room: BareJid,
  jids: readonly BareJid[],
): Promise<{ readonly put: readonly Put[]; readonly events: readonly OmemoEvent[] }> {
  const name = records.room(room)
  const [bytes] = await reader.read([name])
  const record = decodeRoom(bytes)
  const [now, before] = [others(account, jids), record.last]
  const [isNow, wasBefore] = [new Set(now), new Set(before)]
  const added = now.filter((jid) => !wasBefore.has(jid))
  const removed = (before ?? []).filter((jid) => !isNow.has(jid))
  if (before !== undefined && added.length === 0 && removed.length === 0) return { put: [], events: [] }
  return {
    put: [[name, encodeRoom({ ...record, last: now })]],
    // The first message to a room changes nothing.
    events: before === undefined ? [] : [{ kind: 'audience-changed', room, added, removed }],
  }
}

/** @internal Whether it may be for `onRoomStanza`. */
export function isAboutRoom(stanza: Element): boolean {
  return stanza.ns === 'jabber:client' && child(stanza, 'x', MUC_USER) !== undefined
}

/**
 * @internal Whether a stanza says of a room that is remembered what its last answer does not: somebody comes or goes who
 * has an affiliation (XEP-0045 §9.3), or the room is configured anew (§10.2.1). The next message asks it again then.
 */
export async function onRoomStanza(account: Account, stanza: Element): Promise<void> {
  const x = child(stanza, 'x', MUC_USER)
  const room = x && roomOf(stanza)
  if (x === undefined || room === undefined) return
  const [reading] = await account.store.read([records.room(room)])
  const { answer } = decodeRoom(reading?.value)
  if (answer === undefined || !contradicts(answer, x)) return
  await change(account, [records.room(room)], ([bytes]) => {
    const record = decodeRoom(bytes)
    return { put: [[records.room(room), encodeRoom({ ...record, answer: undefined })]], result: undefined }
  })
}

function roomOf({ attrs }: Element): BareJid | undefined {
  try {
    return attrs.from === undefined ? undefined : parseJid(attrs.from).bare
  } catch {
    return undefined
  }
}

/** §15.6.2 of the registrar: 104 is a configuration that changed, 170 to 174 what privacy depends on. */
const RECONFIGURED = /^(?:104|17[0-4])$/

function contradicts(answer: RoomAnswer, x: Element): boolean {
  if (children(x, 'status').some(({ attrs }) => RECONFIGURED.test(attrs.code ?? ''))) return true
  if (answer.kind === 'refused') return false
  const isListed = new Set(answer.jids)
  return children(x, 'item').some(({ attrs }) => {
    const who = bareOf(attrs.jid)
    if (who === undefined) return false
    const belongs = LISTS.some((affiliation) => affiliation === attrs.affiliation)
    return belongs !== isListed.has(who)
  })
}

async function rememberedAnswer(account: Account, room: BareJid): Promise<RoomAnswer | undefined> {
  const [reading] = await account.store.read([records.room(room)])
  const { answer } = decodeRoom(reading?.value)
  const age = answer === undefined ? Number.NaN : account.clock.now() - answer.at
  return age >= 0 && age < AUDIENCE_MS ? answer : undefined
}

async function remember(account: Account, room: BareJid, answer: RoomAnswer): Promise<void> {
  await change(account, [records.room(room)], ([bytes]) => {
    const record: RoomRecord = { ...decodeRoom(bytes), answer }
    return { put: [[records.room(room), encodeRoom(record)]], result: undefined }
  })
}

/** `undefined` for one that does not answer, of which nothing is remembered. */
async function askRoom(
  account: Account,
  room: BareJid,
  signal: Signal | undefined,
): Promise<RoomAnswer | undefined> {
  const at = account.clock.now()
  const asked = await roomMembers(account.connection, room, { signal })
  if (asked.kind === 'refused') return asked.code === 'room-unreachable' ? undefined : { ...asked, at }
  // An owner who lists no own account is one who lists nobody: `jids` are checked by who asks.
  if (asked.jids.length > MAX_AUDIENCE + 1 || areTooLong(asked.jids))
    return { kind: 'refused', code: 'recipients-too-many', at }
  return { ...asked, at }
}

function isForbidden(answer: RoomAnswer): boolean {
  return answer.kind === 'refused' && answer.code === 'room-forbidden'
}

function areTooLong(jids: readonly BareJid[]): boolean {
  return utf8ToBytes(jids.join('')).length > MAX_AUDIENCE_BYTES
}

function bareOf(text: string | undefined): BareJid | undefined {
  try {
    return text === undefined ? undefined : parseJid(text).bare
  } catch {
    return undefined
  }
}

function others({ jid }: Account, jids: readonly BareJid[]): readonly BareJid[] {
  return [...new Set(jids)].filter((one) => one !== jid && bareJid.decode(one) === one)
}
