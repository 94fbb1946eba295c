/** What is checked before anything is encrypted or signed, and what will be. */
import { type BareJid, bareJid, child, type Element, type Jid, parseJid } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import { encodeContent, MAX_ADDRESSEES } from '../elements/content.ts'
import { hasOpenpgp } from '../elements/openpgp-element.ts'
import type { Abortable } from '../options.ts'
import type { ContentKind, RefusalCode, Refused } from '../outcome.ts'
import { records } from '../record.ts'
import { membersOf } from '../room.ts'
import { type MessageParts, partsOf } from './content-of.ts'

/** @internal */
export interface Prepared {
  readonly kind: 'prepared'
  readonly content: Uint8Array
  readonly parts: MessageParts
  /** Whose keys it is encrypted to. */
  readonly readers: readonly BareJid[]
}

/** @internal @throws {TypeError | RangeError} on what is no message to them; the signal's reason */
export async function prepare(
  account: Account,
  kind: ContentKind,
  message: Element,
  to: readonly BareJid[],
  options: Abortable,
): Promise<Prepared | Refused> {
  const address = addressOf(message)
  assertAddresses(to)
  const isRoom = message.attrs.type === 'groupchat'
  // Recipients compare them with where the message comes in.
  if (!isRoom && !to.includes(address.bare))
    throw new RangeError('to: expected bare JIDs, the one that the message is addressed to among them')
  if (await isPrivate(account, message, address)) return refused('room-private-message')
  const parts = partsOf(message)
  if (parts.content.length === 0) return refused('content-missing')
  const addressed = isRoom ? [address.bare] : [...new Set(to)]
  if (addressed.length > MAX_ADDRESSEES) return refused('recipients-too-many')
  const content = encoded(account, kind, addressed, parts)
  if (content === undefined) return refused('content-too-long')
  const readers = isRoom ? await membersOf(account, address.bare, to, options) : addressed
  return typeof readers === 'string' ? refused(readers) : { kind: 'prepared', content, parts, readers }
}

/** @internal */
export function refused(
  code: RefusalCode,
  { ask = [], skipped = [] }: Partial<Pick<Refused, 'ask' | 'skipped'>> = {},
): Refused {
  return { kind: 'refused', code, ask, skipped }
}

function addressOf(message: Element): Jid {
  const { name, ns, attrs } = message
  if (name !== 'message' || ns !== 'jabber:client' || attrs.type === 'error')
    throw new TypeError('message: expected a <message/> of jabber:client, not of type error')
  if (hasOpenpgp(message)) throw new TypeError('message: it is encrypted already')
  if (attrs.to === undefined) throw new TypeError('message: expected `to`')
  let address: Jid
  try {
    address = parseJid(attrs.to)
  } catch (cause) {
    throw new RangeError('message: `to` is no JID', { cause })
  }
  if (attrs.type === 'groupchat' && address.full !== undefined)
    throw new RangeError('message: expected `to` of a room, without a nickname')
  return address
}

function assertAddresses(to: readonly BareJid[]): void {
  if (!Array.isArray(to)) throw new TypeError('to: expected an array of bare JIDs')
  for (const [i, jid] of to.entries())
    if (bareJid.decode(jid) !== jid) throw new RangeError(`to[${i}]: expected a canonical bare JID`)
}

/** XEP-0045 §7.5: the mark of one, or the occupant of a room that is known here. */
async function isPrivate(account: Account, message: Element, address: Jid): Promise<boolean> {
  if (child(message, 'x', 'http://jabber.org/protocol/muc#user')) return true
  if (address.full === undefined) return false
  const [room] = await account.store.read([records.room(address.bare)])
  return room?.value !== undefined
}

/** `undefined` for too long. */
function encoded(
  { clock, random }: Account,
  kind: ContentKind,
  to: readonly BareJid[],
  { content }: MessageParts,
): Uint8Array | undefined {
  try {
    return encodeContent({ kind, to, time: new Date(clock.now()), payload: content }, random)
  } catch (error) {
    // Addressees and time are as they should be: nothing else is out of range.
    if (error instanceof RangeError) return undefined
    throw error
  }
}
