import { bad, good, remark, seen } from '../../block.ts'
import { fact } from '../../fact.ts'
import type { Scene } from '../../scene.ts'
import type { Person } from '../person.ts'
import { arrow, glimpseOf, type Talk } from '../talk.ts'

export const QUESTION = 'What did we eat in Verona?'

export const compare: Scene<Talk> = {
  title: 'The same secret?',
  before:
    'Bob asks something that only Alice can answer. The clients compare the two answers in four steps (SMP), without showing either of them; only equal or different comes out.',
  after:
    'The fingerprints and the session are part of what is compared: equal answers also mean that nobody sits in between. Who guesses wrong has learnt one thing, that it was wrong.',
  async play(talk) {
    await compared(talk, 'figs', 'match')
    await compared(talk, 'pears', 'mismatch')
  },
}

async function compared(talk: Talk, answer: string, expected: 'match' | 'mismatch'): Promise<void> {
  const { alice, bob } = talk
  const results = new Map<Person, string>()
  let step = 0
  const each: Parameters<Talk['carry']>[3] = async (one) => {
    step++
    const { result } = one.to
    if (result !== undefined) results.set(one.to, result)
    await talk.show({ people: [arrow(one, `SMP ${step}`)], server: glimpseOf(one) })
  }
  await talk.show({
    people: [{ kind: 'bubble', who: 'bob', device: 'Bob asks', text: QUESTION }],
    server: [],
  })
  await talk.carry(bob, alice, bob.compares('figs', QUESTION), each)
  await talk.show({
    people: [{ kind: 'bubble', who: 'alice', device: 'Alice types', text: answer }],
    server: [],
  })
  await talk.carry(alice, bob, alice.answers(answer), each)
  fact(step === 4, 'it takes four steps')
  fact(results.get(alice) === expected && results.get(bob) === expected, `both see: ${expected}`)
  await talk.show({
    people: [
      expected === 'match'
        ? good('equal: Bob’s client calls Alice’s key verified')
        : bad('different: somebody else, or she has forgotten'),
      remark('  neither client has seen the other’s answer'),
    ],
    server: [seen('(neither answer, nor the result)')],
  })
}
