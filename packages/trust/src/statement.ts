/**
 * What a trust message says about one key, and those that must wait: XEP-0450 §5.1 keeps the statements of a sender until
 * its key is authenticated, §5.2 those about a key until that has been fetched.
 */

import type { BareJid, Bytes } from '@xmpp-e2e/xml'
import { TrustError } from './error.ts'
import { isFingerprint, isSameKey, type KeyRef } from './key.ts'
import { fromAscii, fromBytes, isAddress, toAscii, toBytes } from './record.ts'

export interface Statement {
  /** The key that authenticated the message. */
  readonly sender: KeyRef
  readonly about: KeyRef
  readonly trust: boolean
  /** The time in the envelope; never later than the message came. */
  readonly at: Date
}

/** In the order in which they came. */
export type Waiting = readonly Statement[]

/**
 * Bytes of waiting statements, as `encodeWaiting` writes them, so that all fit into one value of a store (1 MiB). One
 * takes about 210: 32, two fingerprints of 64, two addresses of 25.
 *
 * From the account's own devices, 512 KiB are 2500 statements: a new device is told of all contacts' keys at once.
 */
export const MAX_WAITING_OWN = 512 * 1024
/** From one contact, 64 KiB are 312: 17 devices, each of which speaks about the others. */
export const MAX_WAITING_CONTACT = 64 * 1024
/** From all contacts, 448 KiB: strangers may fill it, but not the part of the account's own devices. */
export const MAX_WAITING_CONTACTS = 448 * 1024

/**
 * What of these statements, in the order in which they came, is kept waiting. Of those by one sender about one key only the
 * newest is, `distrust` of two at one time. Where there is no more room an automatic decision has to be made by hand:
 *
 * - `distrust` has half of the room first, so that no number of `trust` pushes it out.
 * - Senders that are known and not distrusted come before others.
 * - Among these each device has the same share, or among contacts each contact; of who takes more the oldest arrival goes.
 *
 * So one device that a server made up cannot push out what others said. Many can push out a part, once they are known:
 * beside n of them a device keeps its newest `distrust` in 256 KiB / (n + 1), a contact's in 32 KiB / (n + 1), and as much
 * of the rest.
 */
export function keepWaiting(
  statements: readonly Statement[],
  account: BareJid,
  isKnown: (sender: KeyRef) => boolean,
): { readonly waiting: Waiting; readonly dropped: readonly Statement[] } {
  const newest = new Map<string, Statement>()
  for (const statement of statements) {
    const id = idOf(statement)
    const other = newest.get(id)
    if (other !== undefined && !isNewer(statement, other)) continue
    newest.delete(id)
    newest.set(id, statement)
  }
  const all = [...newest.values()]
  const rows = all
    .map((statement): Row => {
      const { sender } = statement
      return { statement, bytes: encodeRow(statement).length + 1, isKnown: isKnown(sender) }
    })
    .reverse()
  const byOwner = new Map<BareJid, Row[]>()
  for (const row of rows) {
    const { owner } = row.statement.sender
    const theirs = byOwner.get(owner)
    if (theirs) theirs.push(row)
    else byOwner.set(owner, [row])
  }
  const own = fit(byOwner.get(account) ?? [], deviceOf, MAX_WAITING_OWN)
  byOwner.delete(account)
  const contacts = [...byOwner.values()].flatMap((theirs) => fit(theirs, deviceOf, MAX_WAITING_CONTACT))
  const kept = new Set([...own, ...fit(contacts, ownerOf, MAX_WAITING_CONTACTS)].map((row) => row.statement))
  return {
    waiting: all.filter((statement) => kept.has(statement)),
    dropped: all.filter((statement) => !kept.has(statement)),
  }
}

interface Row {
  readonly statement: Statement
  readonly bytes: number
  readonly isKnown: boolean
}

const deviceOf = ({ statement }: Row): string => statement.sender.fingerprint
const ownerOf = ({ statement }: Row): string => statement.sender.owner

/** What fits into the room, of rows with the newest first. */
function fit(rows: readonly Row[], groupOf: (row: Row) => string, room: number): readonly Row[] {
  const distrusts = rows.filter(({ statement }) => !statement.trust)
  const first = fill(distrusts, groupOf, room / 2)
  const isFirst = new Set(first)
  const others = rows.filter((row) => !isFirst.has(row))
  return [...first, ...fill(others, groupOf, room - first.reduce((sum, { bytes }) => sum + bytes, 0))]
}

/** A row comes after all those of other groups that have had less by then: who takes little keeps all of it. */
function fill(rows: readonly Row[], groupOf: (row: Row) => string, room: number): readonly Row[] {
  const taken = new Map<string, number>()
  const ranked = rows.map((row) => {
    const total = (taken.get(groupOf(row)) ?? 0) + row.bytes
    taken.set(groupOf(row), total)
    return { row, total }
  })
  ranked.sort((a, b) => Number(b.row.isKnown) - Number(a.row.isKnown) || a.total - b.total)
  const kept: Row[] = []
  let left = room
  for (const { row } of ranked) {
    left -= row.bytes
    if (left < 0) break
    kept.push(row)
  }
  return kept
}

// Neither an address nor a fingerprint has a line break.
const idOf = ({ sender, about }: Statement): string =>
  [sender.owner, sender.fingerprint, about.owner, about.fingerprint].join('\n')

function isNewer(one: Statement, other: Statement): boolean {
  const age = one.at.getTime() - other.at.getTime()
  return age > 0 || (age === 0 && !one.trust)
}

/** By time, and at one time `distrust` last, since it stands. */
export function inOrder(statements: readonly Statement[]): readonly Statement[] {
  return [...statements].sort((a, b) => a.at.getTime() - b.at.getTime() || Number(b.trust) - Number(a.trust))
}

/** Whether it is about its own sender, which proves nothing. */
export const isAboutItself = ({ sender, about }: Statement): boolean => isSameKey(sender, about)

// Version 1, then a statement a line, so that the size of one does not depend on others.
const HEAD = '1\n'
/** More than both parts together: nothing longer was written here. */
const MAX_RECORD = HEAD.length + MAX_WAITING_OWN + MAX_WAITING_CONTACTS

/** What waits, as bytes for a store: at most 960 KiB. */
export function encodeWaiting(waiting: Waiting): Bytes {
  return toBytes(HEAD + waiting.map((statement) => `${encodeRow(statement)}\n`).join(''))
}

/** @throws {TrustError} `record-malformed` */
export function decodeWaiting(bytes: Uint8Array): Waiting {
  const text = bytes.length > MAX_RECORD ? '' : fromBytes(bytes)
  if (!text.startsWith(HEAD) || !text.endsWith('\n')) throw new TrustError('record-malformed', UNREADABLE)
  const rows = text.slice(HEAD.length).split('\n')
  return rows.slice(0, -1).map(decodeRow)
}

const UNREADABLE = 'waiting: not written by this version'

const encodeRow = ({ sender, about, trust, at }: Statement): string =>
  toAscii([sender.owner, sender.fingerprint, about.owner, about.fingerprint, trust ? 1 : 0, at.getTime()])

function decodeRow(row: string): Statement {
  const values = fromAscii(row)
  const [senderOwner, sender, owner, fingerprint, trust, time] = Array.isArray(values) ? values : []
  const at = new Date(typeof time === 'number' ? time : Number.NaN)
  if (
    !(isAddress(senderOwner) && isFingerprint(sender) && isAddress(owner) && isFingerprint(fingerprint)) ||
    !(trust === 0 || trust === 1) ||
    Number.isNaN(at.getTime())
  )
    throw new TrustError('record-malformed', UNREADABLE)
  return {
    sender: { owner: senderOwner, fingerprint: sender },
    about: { owner, fingerprint },
    trust: trust === 1,
    at,
  }
}
