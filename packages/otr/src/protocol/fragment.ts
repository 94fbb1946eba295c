/**
 * Messages longer than a transport takes, cut into pieces (Fragmentation).
 *
 *     version 3:  ?OTR|sender|receiver,k,n,piece,     instance tags in 8 hexadecimal digits
 *     version 2:  ?OTR,k,n,piece,                     k-th of n, in 5 decimal digits
 *
 * Nothing of it is authenticated: what is kept for later is bounded in size, in number and in time.
 */
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { type Bytes, bytesToText } from '../wire/bytes.ts'
import { MAX_MESSAGE_BYTES } from './encoded-message.ts'
import { MIN_INSTANCE_TAG, type Version } from './header.ts'

/** Pieces of one message: their numbers k and n are SHORTs (Fragmentation). */
export const MAX_FRAGMENTS = 65_535
/**
 * How many instances of a peer may have an unfinished message: one more, and the one that was silent for longest loses
 * its. With `MAX_MESSAGE_BYTES` that is 2 MiB a peer; nobody has so many devices that send at once.
 */
export const MAX_INSTANCES = 8
/** Milliseconds after its last piece until an unfinished message is dropped. */
export const FRAGMENT_EXPIRY_MS = 60_000

export interface FragmentOptions {
  readonly version: Version
  /** Instance tags; both are 0, and not written, in version 2. */
  readonly sender: number
  readonly receiver: number
  /** Characters that one fragment may have, its header included. */
  readonly limit: number
}

/** @throws RangeError when the limit leaves no room for a piece, or more fragments than there can be would be needed */
export function fragmentMessage(message: string, options: FragmentOptions): readonly string[] {
  const { version, sender, receiver, limit } = options
  if (message.length <= limit) return [message]
  const tag = (value: number) => value.toString(16).padStart(8, '0')
  const start = version === 3 ? `?OTR|${tag(sender)}|${tag(receiver)}` : '?OTR'
  const overhead = `${start},00000,00000,,`.length
  const room = limit - overhead
  if (!(room >= 1)) throw new RangeError(`limit: expected at least ${overhead + 1} characters`)
  const count = Math.ceil(message.length / room)
  if (count > MAX_FRAGMENTS) throw new RangeError(`limit: more than ${MAX_FRAGMENTS} fragments`)
  const decimal = (value: number) => `${value}`.padStart(5, '0')
  return Array.from({ length: count }, (_, i) => {
    const piece = message.slice(i * room, (i + 1) * room)
    return `${start},${decimal(i + 1)},${decimal(count)},${piece},`
  })
}

export interface Fragment {
  /** Of the form, not of the message: version 3 messages come in fragments of version 2 too. */
  readonly version: Version
  /** 0 in the form of version 2. */
  readonly sender: number
  /** 0 in the form of version 2, and when it is for whoever answers. */
  readonly receiver: number
  /** From 1 to `count`. */
  readonly index: number
  readonly count: number
  /** May be empty: otr3 sends an empty last one, which loses the message at libotr. */
  readonly piece: string
}

/** A number can be read in one way only, so that rows of zeros are gone through once, not once for each way. */
export const FRAGMENT_FORM =
  /^\s*\?OTR(?:\|0*([1-9a-fA-F][0-9a-fA-F]{0,7}|0)\|0*([1-9a-fA-F][0-9a-fA-F]{0,7}|0))?,0*([1-9][0-9]{0,4}|0),0*([1-9][0-9]{0,4}|0),([^,]*),/

/**
 * `undefined` for what is none: also when a number is out of range, or an instance tag is. Leading zeros may be too few
 * or too many, and digits of either case.
 */
export function parseFragment(text: string): Fragment | undefined {
  // A piece is never longer than a message; and no pattern is tried on what is.
  const found = text.length > MAX_MESSAGE_BYTES ? null : FRAGMENT_FORM.exec(text)
  if (found === null) return undefined
  const [, from, to, k = '', n = '', piece = ''] = found
  const [index, count] = [Number(k), Number(n)]
  const [sender, receiver] = [from, to].map((digits) =>
    digits === undefined ? 0 : Number.parseInt(digits, 16),
  )
  if (index < 1 || index > count || count > MAX_FRAGMENTS) return undefined
  if (sender === undefined || receiver === undefined) return undefined
  if (from !== undefined && (sender < MIN_INSTANCE_TAG || (receiver !== 0 && receiver < MIN_INSTANCE_TAG)))
    return undefined
  return { version: from === undefined ? 2 : 3, sender, receiver, index, count, piece }
}

/** A message of which the first `index` of `count` pieces have come. */
export interface Assembly {
  /** Whose it is: an instance tag, or 0 for fragments that name none. */
  readonly sender: number
  readonly index: number
  readonly count: number
  /**
   * The pieces in UTF-8, each longer than all after it together. Not strings: engines keep the whole texts alive which
   * those were cut from, and so much as a peer cares to send.
   */
  readonly parts: readonly Bytes[]
  /** When its last piece came. */
  readonly at: number
}

/** Of one peer, at most one an instance; who was silent for longest comes first. */
export type Assemblies = readonly Assembly[]

export interface Reassembled {
  readonly assemblies: Assemblies
  /** - `dropped`: not the next piece of anything, or one too much; the instance's unfinished message is lost as well. */
  readonly outcome: 'waiting' | 'complete' | 'dropped'
  /** The whole text, when complete. */
  readonly message?: string
}

/**
 * A first piece starts again, the next one is added, any other ends what was unfinished: pieces come in order or not at
 * all. Whether the receiver is us is the caller's to check, before. `now` is in milliseconds.
 */
export function reassemble(assemblies: Assemblies, fragment: Fragment, now: number): Reassembled {
  const { sender, index, count, piece } = fragment
  const kept = expireAssemblies(assemblies, now)
  const others = kept.filter((assembly) => assembly.sender !== sender)
  const own = kept.find((assembly) => assembly.sender === sender)
  const continues = own !== undefined && own.count === count && own.index + 1 === index
  if (index !== 1 && !continues) return { assemblies: others, outcome: 'dropped' }
  const before = index === 1 ? [] : (own?.parts ?? [])
  const added = utf8ToBytes(piece)
  if (lengthOf(before) + added.length > MAX_MESSAGE_BYTES) return { assemblies: others, outcome: 'dropped' }
  if (index === count) {
    const message = bytesToText(concatBytes(...before, added))
    return { assemblies: others, outcome: 'complete', message }
  }
  const grown = { sender, index, count, parts: append(before, added), at: now }
  return { assemblies: [...others, grown].slice(-MAX_INSTANCES), outcome: 'waiting' }
}

/**
 * Joins the new part with those that are no longer than all after them, so that what a byte is in doubles whenever it is
 * copied: that is 18 times at most for 256 KiB, in never more than 19 parts. Joined one by one, 65 535 pieces would be
 * copied 32 768 times on average; kept apart, they would take many times the memory of what is in them.
 */
function append(parts: readonly Bytes[], added: Bytes): readonly Bytes[] {
  if (added.length === 0) return parts
  let kept = parts.length
  let length = added.length
  for (; kept > 0 && (parts[kept - 1] as Bytes).length <= length; kept--)
    length += (parts[kept - 1] as Bytes).length
  return [...parts.slice(0, kept), concatBytes(...parts.slice(kept), added)]
}

function lengthOf(parts: readonly Bytes[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0)
}

/** Without what has waited for too long. A clock that was set back makes nothing older than it is. */
export function expireAssemblies(assemblies: Assemblies, now: number): Assemblies {
  return assemblies.filter(({ at }) => now - at < FRAGMENT_EXPIRY_MS)
}
