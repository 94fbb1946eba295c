/** Messages that somebody has changed on the way, and the table of what they may do. */
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js'
import type { Conversation, OtrStep } from '../src/protocol/conversation.ts'
import { readDataMessage } from '../src/protocol/data-message.ts'
import { decodeMessage, encodeMessage, MAX_MESSAGE_BYTES } from '../src/protocol/encoded-message.ts'
import { parseFragment } from '../src/protocol/fragment.ts'
import { type Header, type MessageType, readHeader, type Version } from '../src/protocol/header.ts'
import { receive } from '../src/protocol/incoming.ts'
import { answerComparison, startComparison } from '../src/protocol/outgoing.ts'
import type { Policy } from '../src/protocol/policy.ts'
import { runSlices } from '../src/protocol/slices.ts'
import type { Random } from '../src/wire/bytes.ts'
import { reader } from '../src/wire/reader.ts'
import { commit } from './attacker.ts'
import { hangUp, type Side, side } from './sides.ts'

/** A text with who is to read it and what that one is at the time. */
export interface Line {
  readonly text: string
  readonly to: Side
  readonly conversation: Conversation
}

/** Everything that two sides say to each other: crossed commits, messages both ways, a comparison, the end. */
export function transcript(version: Version, policy: Partial<Policy> = {}, seed = 1): Line[] {
  const [a, b] = [side(seed, [version], policy), side(seed + 1, [version], policy)]
  const said: Line[] = []
  const exchange = () => {
    while (a.out.length + b.out.length > 0)
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const)
        for (const text of from.out.splice(0)) {
          said.push({ text, to, conversation: to.conversation })
          to.receive(text)
        }
  }
  commit(a)
  commit(b)
  exchange()
  for (const one of [a, b, a]) {
    one.send('hello')
    exchange()
  }
  a.apply(startComparison(a.conversation, 'x', a.means(), { question: 'q' }))
  exchange()
  b.apply(answerComparison(b.conversation, 'x', b.means()))
  exchange()
  // A second exchange beside the session, and the end of it.
  commit(b)
  exchange()
  hangUp(a)
  exchange()
  return said
}

/** One change to some bytes: a bit, a cut, an insertion, a length that lies, noise, or the end of something else. */
export function mutateBytes(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const [kind = 0, high = 0, low = 0, bit = 0] = random(4)
  const at = (high * 256 + low) % Math.max(1, bytes.length)
  const changed = Uint8Array.from(bytes)
  switch (kind % 7) {
    case 0:
    case 1:
      changed[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7))
      return changed
    case 2:
      return changed.subarray(0, at)
    case 3:
      return changed.fill(0xff, at, at + 4)
    case 4:
      return concatBytes(bytes.subarray(0, at), Uint8Array.of(bit), bytes.subarray(at))
    case 5:
      return concatBytes(bytes.subarray(0, at), other.subarray(at))
    default:
      changed.set(random(Math.min(bit + 1, bytes.length - at)), at)
      return changed
  }
}

/** One change to a text, of its bytes if it is a message, else of its characters. */
export function mutate(text: string, random: Random, other: string): string {
  const [kind = 0] = random(1)
  if (text.startsWith('?OTR:') && kind % 8 > 0)
    return encodeMessage(mutateBytes(decodeMessage(text), random, bytesOf(other)))
  return String.fromCharCode(...mutateBytes(codes(text), random, codes(other)))
}

const codes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))
const bytesOf = (text: string) => (text.startsWith('?OTR:') ? decodeMessage(text) : codes(text))

function headerOf(text: string | undefined): Header | undefined {
  try {
    return text === undefined ? undefined : readHeader(reader(decodeMessage(text), 'test'))
  } catch {
    return undefined
  }
}

/** What says that two messages are one: all of it, but old MAC keys, which nothing authenticates and nobody reads. */
function identityOf(text: string | undefined): string | undefined {
  try {
    if (text === undefined) return undefined
    const bytes = decodeMessage(text)
    const input = reader(bytes, 'test')
    if (readHeader(input).type !== 'data') return bytesToHex(bytes)
    const { authenticated, mac } = readDataMessage(bytes, input)
    return bytesToHex(concatBytes(authenticated, mac))
  } catch {
    return undefined
  }
}

interface Pieces {
  readonly sender: number
  readonly index: number
  readonly count: number
  readonly text: string
}
const piecesOf = ({ assemblies }: Conversation): readonly Pieces[] =>
  assemblies.map(({ sender, index, count, parts }) => ({
    sender,
    index,
    count,
    text: new TextDecoder().decode(concatBytes(...parts)),
  }))

/** What pieces may lead to: `when` of the instance's own so far and the next piece, then what is kept, and what is whole. */
const REASSEMBLY = {
  first: { keeps: true, joins: false },
  next: { keeps: true, joins: true },
  other: { keeps: false, joins: false },
} as const

/** A second way to reassemble, by the table. `whole` is the text that is read now. */
function reassembled(
  before: readonly Pieces[],
  text: string,
  ourTag?: number,
): { readonly pieces: readonly Pieces[]; readonly whole: string | undefined } {
  const fragment = /^\s*\?OTR[|,]/.test(text) ? parseFragment(text) : undefined
  if (fragment === undefined) return { pieces: before, whole: text }
  const { sender, receiver, index, count, piece } = fragment
  const isForUs = receiver === 0 || receiver === ourTag
  if (ourTag !== undefined && (sender === ourTag || !isForUs)) return { pieces: before, whole: undefined }
  const own = before.find((one) => one.sender === sender)
  const others = before.filter((one) => one !== own)
  const isNext = own?.count === count && own.index + 1 === index
  const { keeps, joins } = REASSEMBLY[index === 1 ? 'first' : isNext ? 'next' : 'other']
  const joined = (joins ? (own?.text ?? '') : '') + piece
  if (!keeps || joined.length > MAX_MESSAGE_BYTES) return { pieces: others, whole: undefined }
  if (index === count) return { pieces: others, whole: joined }
  return { pieces: [...others, { sender, index, count, text: joined }], whole: undefined }
}

type AkeState = Conversation['instances'][number]['ake']['state']

/**
 * Where a message that verifies nothing may take a key exchange: by the state, or `broadcast` for who has none and may
 * still answer a commit to all. Reveal Signature and Signature take it nowhere, and nothing takes a session anywhere.
 */
const MOVES: Readonly<Record<AkeState | 'broadcast', Partial<Record<MessageType, readonly AkeState[]>>>> = {
  none: { commit: ['awaiting-reveal-signature'] },
  broadcast: { commit: ['awaiting-dh-key', 'awaiting-reveal-signature'], key: ['awaiting-signature'] },
  'awaiting-dh-key': {
    commit: ['awaiting-dh-key', 'awaiting-reveal-signature'],
    key: ['awaiting-signature'],
  },
  'awaiting-reveal-signature': { commit: ['awaiting-reveal-signature'] },
  'awaiting-signature': { commit: ['awaiting-reveal-signature'], key: ['awaiting-signature'] },
}
/** What is said on the way into a state. */
const REPLIES = {
  none: undefined,
  'awaiting-dh-key': 'commit',
  'awaiting-reveal-signature': 'key',
  'awaiting-signature': 'reveal',
} as const

const KEPT = ['ourTag', 'active', 'expected', 'queriedAt', 'tagDeclined', 'tagSent', 'highest'] as const
const HARMLESS: readonly string[] = ['dropped', 'offer', 'peer-error', 'message']

/** What a changed message has done that the tables do not have, or `undefined`. */
export function violation(before: Conversation, given: string, step: OtrStep): string | undefined {
  const { conversation: now, send, events } = step
  const { pieces, whole } = reassembled(piecesOf(before), given, before.ourTag)
  if (JSON.stringify(pieces) !== JSON.stringify(piecesOf(now))) return 'reassembly'
  for (const name of KEPT) if (before[name] !== now[name]) return name
  for (const event of events) {
    if (!HARMLESS.includes(event.type)) return `event ${event.type}`
    if (event.type === 'message' && event.encrypted) return 'a text that nobody wrote'
  }
  const header = headerOf(whole)
  const replies = send.reduce<ReturnType<typeof reassembled>>(
    ({ pieces }, text) => reassembled(pieces, text),
    { pieces: [], whole: undefined },
  )
  let expected: MessageType | undefined
  for (const tag of new Set([...before.instances, ...now.instances].map((one) => one.tag))) {
    const [old, next] = [before, now].map(({ instances }) => instances.find((one) => one.tag === tag))
    if (old === next) continue
    if ((old?.session.state ?? 'plaintext') !== (next?.session.state ?? 'plaintext')) return 'session'
    if (old !== undefined && old.session !== next?.session) return 'session'
    if (next === undefined || header?.sender !== tag) return 'another instance'
    const { broadcast } = before
    const canJoin = tag !== 0 && broadcast !== undefined && !broadcast.answered.includes(tag)
    const state = old?.ake.state ?? 'none'
    const from = state === 'none' && canJoin ? 'broadcast' : state
    if (!MOVES[from][header.type]?.includes(next.ake.state))
      return `${from}, ${header.type}: ${next.ake.state}`
    expected = REPLIES[next.ake.state]
  }
  if (before.broadcast !== now.broadcast) {
    const answered = [...(before.broadcast?.answered ?? []), header?.sender]
    if (before.broadcast?.ake !== now.broadcast?.ake) return 'broadcast'
    if (JSON.stringify(now.broadcast?.answered) !== JSON.stringify(answered)) return 'broadcast'
    if (header?.type !== 'commit' && header?.type !== 'key') return 'broadcast'
  }
  const isError = replies.whole?.startsWith('?OTR Error:') ?? false
  if (isError) {
    if (header?.type !== 'data' || send.length !== 1 || now.errorsAt.length > 3) return 'error'
    return undefined
  }
  if (before.errorsAt !== now.errorsAt || before.saidUnready !== now.saidUnready) return 'error'
  return headerOf(replies.whole)?.type === expected ? undefined : 'reply'
}

export interface Tally {
  readonly mutated: number
  /** Those that somebody with a session got, and those that moved a key exchange or pieces of a message. */
  readonly encrypted: number
  readonly moved: number
}

/**
 * So many changed messages, each to whom it was meant for, as that one was then, or at another time. Those that are what
 * was written after all are not counted.
 *
 * @throws Error that names the seed's `i`-th message, for what the tables do not have
 */
export function mutateTranscript(said: readonly Line[], count: number, random: Random): Tally {
  const wholeOf = (at: Conversation, text: string) => reassembled(piecesOf(at), text, at.ourTag).whole
  const genuine = new Set(
    said.map(({ text, conversation }) => identityOf(wholeOf(conversation, text))).filter(Boolean),
  )
  const tally = { mutated: 0, encrypted: 0, moved: 0 }
  for (let i = 0; tally.mutated < count; i++) {
    const [first = 0, second = 0, third = 0, isElsewhere = 0] = random(4)
    const line = said[i % said.length] as Line
    const other = said[(first * 256 + second) % said.length] as Line
    const { text, to, conversation } = line
    const at = isElsewhere % 4 === 0 && other.to === to ? other.conversation : conversation
    const given = mutate(text, random, (said[third % said.length] as Line).text)
    if (given === text || genuine.has(identityOf(wholeOf(at, given)))) continue
    // After a piece, those that were to follow it.
    const isPiece = /^\?OTR[|,]/.test(text)
    const rest = isPiece ? said.slice(said.indexOf(line) + 1).filter((one) => one.to === to) : []
    let latest = at
    for (const next of [given, ...rest.slice(0, 3).map((one) => one.text)]) {
      if (genuine.has(identityOf(wholeOf(latest, next)))) break
      const step = runSlices(receive(latest, next, to.means()))
      const wrong = violation(latest, next, step)
      if (wrong !== undefined) throw new Error(`${i}: ${wrong}\n${text}\n${given}\n${next}`)
      latest = step.conversation
    }
    tally.mutated++
    if (at.instances.some(({ session }) => session.state === 'encrypted')) tally.encrypted++
    if (latest.instances !== at.instances || latest.assemblies !== at.assemblies) tally.moved++
  }
  return tally
}
