import { act, bad, good, misdeed, remark, seen } from '../../block.ts'
import { fact } from '../../fact.ts'
import type { Scene } from '../../scene.ts'
import { Person } from '../person.ts'
import { Talk } from '../talk.ts'
import { QUESTION } from './compare.ts'

export const between: Scene<Talk> = {
  title: 'Somebody in between',
  before:
    'Another evening, another server. It does not carry the key exchange, it answers it: with a key of its own, to Alice as Bob and to Bob as Alice. Neither has verified the other here.',
  after:
    'This is what comparing is for. Without it, whoever owns the server could read along from the first day; once a key is verified, another one is never used without a question.',
  async play(talk) {
    const mallory = await Person.create('Mallory')
    const toAlice = Talk.of(talk.alice.another(), mallory.another(), talk.show)
    const toBob = Talk.of(mallory.another(), talk.bob.another(), talk.show)
    for (const one of [toAlice, toBob]) await one.agree(async () => undefined)
    fact(toAlice.alice.peer === toBob.bob.peer, 'both have the key of who is in between')
    fact(toAlice.alice.peer !== talk.bob.fingerprint, 'and not that of each other')
    await talk.show({
      people: [good('Alice has a session with “Bob”'), good('Bob has a session with “Alice”')],
      server: [misdeed('is “Bob” for Alice'), misdeed('is “Alice” for Bob')],
    })
    await passesOn(talk, toAlice, toBob)
    await isAsked(talk, toAlice, toBob)
  },
}

async function passesOn(talk: Talk, toAlice: Talk, toBob: Talk): Promise<void> {
  const secret = 'The gate is open.'
  const read = carried(toAlice.alice, toAlice.bob, secret)
  const passed = carried(toBob.alice, toBob.bob, read)
  fact(passed === secret, 'what is said arrives')
  await talk.show({
    people: [{ kind: 'bubble', who: 'alice', device: 'Alice', text: secret }, good('Bob reads it')],
    server: [misdeed(`reads “${read}”`), act('encrypts it again, for Bob')],
  })
}

/** Mallory may ask Bob the same question, and learns nothing from what he proves. */
async function isAsked(talk: Talk, toAlice: Talk, toBob: Talk): Promise<void> {
  const { alice } = toAlice
  const results: (string | undefined)[] = []
  const each = async ({ to }: { readonly to: Person }) => void results.push(to.result)
  await toAlice.carry(alice, toAlice.bob, alice.compares('figs', QUESTION), each)
  await toBob.carry(toBob.alice, toBob.bob, toBob.alice.compares('bread', QUESTION), each)
  await toBob.carry(toBob.bob, toBob.alice, toBob.bob.answers('figs'), each)
  await toAlice.carry(toAlice.bob, alice, toAlice.bob.answers('bread'), each)
  const ended = results.filter((one) => one !== undefined)
  fact(
    ended.length === 4 && ended.every((one) => one === 'mismatch'),
    `nobody is taken for another: ${ended}`,
  )
  await talk.show({
    people: [
      { kind: 'bubble', who: 'alice', device: 'Alice asks', text: QUESTION },
      { kind: 'bubble', who: 'bob', device: 'Bob types', text: 'figs' },
      bad('Alice’s client: different. This is not Bob.'),
      bad('Bob’s client: different. This is not Alice.'),
      remark('  though both have typed the same'),
    ],
    server: [
      misdeed('asks Bob the same question'),
      seen('  and learns nothing from his proof'),
      misdeed('guesses: “bread”'),
    ],
  })
}

function carried(from: Person, to: Person, body: string): string {
  for (const text of from.says(body)) to.gets(text)
  const { read } = to
  fact(read !== undefined, 'it is read')
  return read
}
