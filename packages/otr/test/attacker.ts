/** What somebody on the way, or a peer that does not keep to the protocol, can see and do. */
import { expect } from 'vitest'
import { readDataMessage } from '../src/protocol/data-message.ts'
import { decodeMessage, encodeMessage } from '../src/protocol/encoded-message.ts'
import type { ConversationEvent } from '../src/protocol/event.ts'
import { query, start } from '../src/protocol/handshake.ts'
import { readHeader, type Version } from '../src/protocol/header.ts'
import { openData } from '../src/protocol/key-window.ts'
import { send } from '../src/protocol/outgoing.ts'
import type { EncryptedSession } from '../src/protocol/session.ts'
import { decodePlaintext, type Tlv } from '../src/protocol/tlv.ts'
import { reader } from '../src/wire/reader.ts'
import { group, type Side, sessionOf } from './sides.ts'
import { seeded } from './support.ts'

export const headerLength = (version: Version) => (version === 3 ? 11 : 3)
export const ask = (one: Side) => one.apply(query(one.conversation, one.means()))
export const commit = (one: Side) => one.apply(start(one.conversation, one.policy.versions, one.means()))
/** Records without a text. */
export const sendTlvs = (one: Side, ...tlvs: readonly Tlv[]) =>
  one.apply(send(one.conversation, '', one.means(), tlvs))

export const why = (events: readonly ConversationEvent[]) =>
  events.map((event) => (event.type === 'dropped' ? event.why : event.type))
export const states = ({ events }: Side) => events.filter((event) => event.type === 'state')

export function liveSession(one: Side): EncryptedSession {
  const session = sessionOf(one)
  if (session?.state !== 'encrypted') throw new Error('no session')
  return session
}

/** A data message as anybody sees it, and the MAC keys that it publishes. */
export function dataOf(text: string) {
  const bytes = decodeMessage(text)
  const input = reader(bytes, 'test')
  const header = readHeader(input)
  const data = readDataMessage(bytes, input)
  const end = data.authenticated.length + 20
  const old = reader(bytes.subarray(end), 'test').data()
  const revealed = Array.from({ length: old.length / 20 }, (_, i) => old.slice(20 * i, 20 * i + 20))
  return { bytes, header, data, revealed, end }
}

/** What a peer reads of a message, whatever its own session would do with it. */
export function peek(one: Side, text: string) {
  const opened = openData(liveSession(one).window, dataOf(text).data, group, seeded(0))
  if (!opened.opened) throw new Error(opened.why)
  return decodePlaintext(opened.plaintext)
}

/** The same message with other bytes in one place. */
export function patched(text: string, at: number, ...bytes: readonly number[]): string {
  const message = decodeMessage(text)
  message.set(bytes, at)
  return encodeMessage(message)
}

/** Where a message has lengths of DATA and MPI fields. */
export function lengthFields(text: string): number[] {
  const bytes = decodeMessage(text)
  const start = headerLength(bytes[1] as Version)
  const view = new DataView(bytes.buffer)
  // A number is so many bytes, -1 a field with a length.
  const layout = { 2: [-1, -1], 10: [-1], 17: [-1, -1, 20], 18: [-1, 20], 3: [1, 4, 4, -1, 8, -1, 20, -1] }
  const found: number[] = []
  let at = start
  for (const part of layout[bytes[2] as keyof typeof layout]) {
    if (part < 0) found.push(at)
    at += part < 0 ? 4 + view.getUint32(at) : part
  }
  expect(at).toBe(bytes.length)
  return found
}

/** Delivers until nobody has anything to say, and gives every text with who was to read it. */
export function overhear(a: Side, b: Side): { readonly to: Side; readonly text: string }[] {
  const said: { to: Side; text: string }[] = []
  while (a.out.length + b.out.length > 0)
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      for (const text of from.out.splice(0)) {
        said.push({ to, text })
        to.receive(text)
      }
  return said
}

/** Each reads what the other writes. */
export function expectTalk(a: Side, b: Side): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
    [a, b],
  ] as const) {
    from.out = []
    from.send('as ever')
    to.receive(from.out.shift()!)
    expect(to.events).toContainEqual(
      expect.objectContaining({ type: 'message', encrypted: true, text: 'as ever' }),
    )
    to.events = []
  }
}
