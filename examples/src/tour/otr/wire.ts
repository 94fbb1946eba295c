/** What a server can read in a text of OTR: which step it is, how long, and the outside of a data message. */
import { createHmac } from 'node:crypto'
import { textKind } from '@xmpp-e2e/otr/core'
import { type Block, seen } from '../block.ts'
import { fact } from '../fact.ts'
import { count, hint } from '../glimpse.ts'

/** Version, type and two instance tags: 2 + 1 + 4 + 4 bytes. */
const HEADER = 11
const TYPES: ReadonlyMap<number, readonly [string, string]> = new Map([
  [0x02, ['D-H Commit', 'a number, sealed, and its hash']],
  [0x0a, ['D-H Key', 'a number']],
  [0x11, ['Reveal Signature', 'the seal’s key; who writes, encrypted']],
  [0x12, ['Signature', 'who writes, encrypted']],
  [0x03, ['Data', '']],
])
const MAC = 20

export function nameOf(text: string): string {
  const kind = textKind(text)
  return kind === 'encoded' ? (TYPES.get(bytesOf(text)[2]!)?.[0] ?? kind) : kind
}

/** A data message, as everybody on the way can take it apart (Data Message). */
export interface Data {
  /** Which two numbers its keys are from: ids of the sender’s and the recipient’s. */
  readonly pair: string
  /** Everything that the MAC is over. */
  readonly authenticated: Uint8Array
  /** Where in it the ciphertext begins. */
  readonly start: number
  readonly encrypted: Uint8Array
  readonly mac: Uint8Array
  /** Old MAC keys, 20 bytes each: from here on, anybody has them. */
  readonly revealed: readonly Uint8Array[]
}

export function dataOf(text: string): Data {
  const bytes = bytesOf(text)
  const length = (at: number) => new DataView(bytes.buffer).getUint32(at)
  // Flags and two key ids; then the next key, an MPI, and the counter.
  const key = HEADER + 1 + 4 + 4
  const start = key + 4 + length(key) + 8 + 4
  const end = start + length(start - 4)
  const old = end + MAC + 4
  return {
    pair: `${length(HEADER + 1)} ${length(HEADER + 5)}`,
    authenticated: bytes.slice(0, end),
    start,
    encrypted: bytes.slice(start, end),
    mac: bytes.slice(end, end + MAC),
    revealed: Array.from({ length: length(old - 4) / MAC }, (_, i) =>
      bytes.slice(old + i * MAC, old + (i + 1) * MAC),
    ),
  }
}

export function macOf(key: Uint8Array, authenticated: Uint8Array): Uint8Array {
  return Uint8Array.from(createHmac('sha1', key).update(authenticated).digest())
}

/** Whether that key made the MAC of the message. */
export function authenticates(key: Uint8Array, { authenticated, mac }: Data): boolean {
  return Buffer.from(macOf(key, authenticated)).equals(mac)
}

/**
 * Another text in the place of one that is known, of the same length: AES in counter mode adds a stream to it, so the
 * difference of two texts can be added to the ciphertext by who does not know the key. The MAC was made against
 * that, and its key is public.
 */
export function forged(
  { authenticated, start }: Data,
  known: string,
  wanted: string,
  key: Uint8Array,
): string {
  fact(known.length === wanted.length, 'a forgery is as long as what it replaces')
  const changed = Uint8Array.from(authenticated)
  for (let i = 0; i < known.length; i++) changed[start + i]! ^= known.charCodeAt(i) ^ wanted.charCodeAt(i)
  const nothing = new Uint8Array(4)
  return `?OTR:${Buffer.concat([changed, macOf(key, changed), nothing]).toString('base64')}.`
}

/** What the server sees of a text. */
export function glimpse(from: string, to: string, text: string): readonly Block[] {
  const head = `${from} → ${to}: ${count(text.length)} bytes`
  if (textKind(text) !== 'encoded') return [seen(head), seen(`  “${text}”`)]
  const name = nameOf(text)
  if (name !== 'Data') return [seen(head), seen(`  ${name}: ${TYPES.get(bytesOf(text)[2]!)?.[1]}`)]
  const { encrypted, revealed } = dataOf(text)
  const keys = revealed.length === 1 ? '1 old MAC key' : `${revealed.length} old MAC keys`
  return [
    seen(head),
    seen(`  ciphertext ${hint(encrypted)}, ${count(encrypted.length)} bytes`),
    ...(revealed.length > 0 ? [seen(`  ${keys}, for everybody`)] : []),
  ]
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const [, encoded] = /^\?OTR:(.*)\.$/.exec(text) ?? []
  fact(encoded !== undefined, 'it is a message of OTR')
  return Uint8Array.from(Buffer.from(encoded, 'base64'))
}
