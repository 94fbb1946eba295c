import { equalBytes } from '@noble/ciphers/utils.js'
import { expect, it } from 'vitest'
import { decodeMessage, encodeMessage } from '../src/protocol/encoded-message.ts'
import { start } from '../src/protocol/handshake.ts'
import type { Version } from '../src/protocol/header.ts'
import { receive } from '../src/protocol/incoming.ts'
import { answerComparison, startComparison } from '../src/protocol/outgoing.ts'
import { runSlices } from '../src/protocol/slices.ts'
import { encrypted, hangUp, type Side, sessionOf, side } from './sides.ts'
import { seeded } from './support.ts'

interface Line {
  readonly text: string
  readonly to: Side
  readonly conversation: Side['conversation']
}

/** Everything that two sides say to each other, with who is to read it and what that one is at the time. */
function transcript(version: Version): Line[] {
  const [a, b] = [side(1, [version]), side(2, [version])]
  const said: Line[] = []
  const listen = () => {
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
  a.apply(start(a.conversation, [version], a.means()))
  listen()
  a.send('hello')
  b.send('hello')
  listen()
  a.apply(startComparison(a.conversation, 'x', a.means(), { question: 'q' }))
  listen()
  b.apply(answerComparison(b.conversation, 'x', b.means()))
  listen()
  hangUp(a)
  listen()
  return said
}

/** One change to the bytes: a bit, a cut, an insertion, a length that lies, or noise. */
function mutate(bytes: Uint8Array, random: (length: number) => Uint8Array): Uint8Array {
  const [kind = 0, high = 0, low = 0, bit = 0] = random(4)
  const at = (high * 256 + low) % bytes.length
  const changed = Uint8Array.from(bytes)
  switch (kind % 6) {
    case 0:
    case 1:
      changed[at]! ^= 1 << (bit & 7)
      return changed
    case 2:
      return changed.subarray(0, at)
    case 3:
      return changed.fill(0xff, at, at + 4)
    case 4:
      return Uint8Array.of(...bytes.subarray(0, at), bit, ...bytes.subarray(at))
    default:
      changed.set(random(Math.min(bit + 1, bytes.length - at)), at)
      return changed
  }
}

/** The old MAC keys at the end are not authenticated, and not read. */
function authenticatedLength(text: string, version: Version): number {
  const bytes = decodeMessage(text)
  if (bytes[2] !== 3) return bytes.length
  const view = new DataView(bytes.buffer)
  const next = (version === 3 ? 11 : 3) + 9
  const encrypted = next + 4 + view.getUint32(next) + 8
  return encrypted + 4 + view.getUint32(encrypted) + 20
}

it.each([2, 3] as const)(
  '5000 changed messages change no session and throw nothing, version %i',
  (version) => {
    const said = transcript(version)
    const random = seeded(version)
    const [a] = encrypted(version, 200)
    const session = sessionOf(a)
    let sessions = 0
    for (let i = 0; i < 5000; i++) {
      const { text, to, conversation } = said[i % said.length]!
      const bytes = decodeMessage(text)
      const mutated = mutate(bytes, random)
      const length = authenticatedLength(text, version)
      if (mutated.length === 0 || equalBytes(mutated.subarray(0, length), bytes.subarray(0, length))) continue
      // To whom it was meant for: only handshakes may move, up to what has a signature.
      const step = runSlices(receive(conversation, encodeMessage(mutated), to.means()))
      const before = conversation.instances.map((one) => one.session)
      if (before.some(({ state }) => state === 'encrypted')) {
        sessions++
        expect(step.conversation.instances.map((one) => one.session)).toEqual(expect.arrayContaining(before))
        expect(step.conversation.instances[0]?.session).toBe(before[0])
      }
      expect(step.events.every(({ type }) => type === 'dropped')).toBe(true)
      // To somebody in the middle of another session.
      a.receive(encodeMessage(mutated))
      expect(a.conversation.instances.some((one) => one.session === session)).toBe(true)
      a.out = []
    }
    expect(sessions).toBeGreaterThan(1500)
  },
  120_000,
)

it('Noise of any kind throws nothing', () => {
  const random = seeded(9)
  const [a] = encrypted(3, 201)
  const session = sessionOf(a)
  const starts = [
    '',
    '?OTR',
    '?OTR:',
    '?OTR:AAMD',
    '?OTR:AAMC',
    '?OTR|',
    '?OTR,1,2,',
    '?OTRv',
    '?OTR Error:',
    ' \t  \t\t\t\t',
  ]
  for (let i = 0; i < 3000; i++) {
    const text = String.fromCharCode(...random(i % 60))
    const word = btoa(text)
    for (const body of [text, word, `${word}.`]) a.receive(`${starts[i % starts.length]}${body}`)
  }
  for (const text of [
    '?OTR:===.',
    '?OTR:.',
    '?OTR:AAMD',
    '?OTR:zz',
    '?OTR:AAEK.',
    '?OTR:AAED',
    '?OTR?',
    '?OTRv4?',
  ])
    a.receive(text)
  expect(a.conversation.instances.some((one) => one.session === session)).toBe(true)
})
