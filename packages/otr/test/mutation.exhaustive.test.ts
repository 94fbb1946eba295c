import { expect, it } from 'vitest'
import { answerComparison, startComparison } from '../src/protocol/outgoing.ts'
import { TLV } from '../src/protocol/tlv.ts'
import { equalBytes } from '../src/wire/bytes.ts'
import { liveSession, peek, sendTlvs } from './attacker.ts'
import { mutateBytes, mutateTranscript, transcript } from './mutation.ts'
import { encrypted, type Side } from './sides.ts'
import { seeded } from './support.ts'

it.each([
  [2, 'whole', 20_000, {}],
  [3, 'whole', 20_000, {}],
  [2, 'in fragments', 30_000, { maxFragment: 200 }],
  [3, 'in fragments', 30_000, { maxFragment: 200 }],
] as const)(
  'version %i, %s: %i changed messages do what the tables have',
  (version, _form, count, policy) => {
    const tally = { mutated: 0, encrypted: 0, moved: 0 }
    // Other keys and other orders of the commits that cross.
    for (let seed = 0; seed < 4; seed++) {
      const one = mutateTranscript(transcript(version, policy, 10 * seed), count / 4, seeded(seed))
      tally.mutated += one.mutated
      tally.encrypted += one.encrypted
      tally.moved += one.moved
    }
    expect(tally.mutated).toBe(count)
    expect(tally.encrypted).toBeGreaterThan(count / 4)
    expect(tally.moved).toBeGreaterThan(count / 50)
  },
)

// By a peer, who can say anything within the session.
it.each([2, 3] as const)('version %i: 300 changed records of SMP end the run and nothing else', (version) => {
  const [victim, peer] = encrypted(version, 720)
  const points: {
    to: Side
    from: Side
    victim: Side['conversation']
    peer: Side['conversation']
    text: string
  }[] = []
  const carry = (from: Side, to: Side) => {
    const text = from.out.shift()!
    points.push({ to, from, victim: victim.conversation, peer: peer.conversation, text })
    to.receive(text)
  }
  peer.apply(startComparison(peer.conversation, 'x', peer.means()))
  carry(peer, victim)
  victim.apply(answerComparison(victim.conversation, 'x', victim.means()))
  carry(victim, peer)
  carry(peer, victim)
  carry(victim, peer)
  const random = seeded(720)
  for (let i = 0; i < 300; i++) {
    const point = points[i % points.length]!
    victim.conversation = point.victim
    peer.conversation = point.peer
    const { to, from } = point
    const [tlv] = peek(to, point.text).tlvs
    const value = mutateBytes(tlv!.value, random, random(700))
    if (equalBytes(value, tlv!.value)) continue
    to.events = []
    to.out = []
    from.out = []
    sendTlvs(from, { type: tlv!.type, value })
    to.receive(from.out.shift()!)
    expect(to.events, `${i}`).toMatchObject([{ type: 'smp-ended', result: 'cheated' }])
    expect(liveSession(to).smp.state).toBe('expect-1')
    expect(peek(from, to.out[0]!).tlvs[0]?.type).toBe(TLV.SMP_ABORT)
  }
})

it('Noise of any kind throws nothing', () => {
  const random = seeded(9)
  const [a] = encrypted(3, 201)
  const session = liveSession(a)
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
