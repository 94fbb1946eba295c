import { expect, it } from 'vitest'
import { fragmentMessage } from '../src/protocol/fragment.ts'
import { receive } from '../src/protocol/incoming.ts'
import { runSlices } from '../src/protocol/slices.ts'
import { dataOf } from './attacker.ts'
import { mutateTranscript, transcript, violation } from './mutation.ts'
import { encrypted } from './sides.ts'
import { seeded } from './support.ts'

// The same with 100 000 is in the tests that try every case.
it.each([2, 3] as const)('1200 changed messages do what the tables have, version %i', (version) => {
  const random = seeded(version)
  const whole = mutateTranscript(transcript(version), 400, random)
  const cut = mutateTranscript(transcript(version, { maxFragment: 200 }), 800, random)
  expect([whole.mutated, cut.mutated]).toStrictEqual([400, 800])
  expect(Math.min(whole.encrypted, cut.encrypted)).toBeGreaterThan(150)
  expect(Math.min(whole.moved, cut.moved)).toBeGreaterThan(20)
})

it('What is genuine breaks the tables', () => {
  const found = transcript(3).map(({ text, to, conversation }) =>
    violation(conversation, text, runSlices(receive(conversation, text, to.means()))),
  )
  // Both signatures, twice; all messages; the end.
  expect(found.filter((one) => one !== undefined).length).toBeGreaterThanOrEqual(8)
  const [a, b] = encrypted(3, 700)
  b.send('x')
  const text = b.out.shift()!
  expect(violation(a.conversation, text, runSlices(receive(a.conversation, text, a.means())))).toBe(
    'a text that nobody wrote',
  )
  expect(dataOf(text).revealed).toStrictEqual([])
  const [first = ''] = fragmentMessage(text, {
    version: 3,
    sender: b.conversation.ourTag,
    receiver: 0,
    limit: 100,
  })
  const step = runSlices(receive(a.conversation, first, a.means()))
  expect(violation(a.conversation, first, step)).toBe(undefined)
  expect(violation(a.conversation, first, { ...step, conversation: a.conversation })).toBe('reassembly')
})
