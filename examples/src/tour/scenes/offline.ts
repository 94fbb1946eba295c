import { act, good, seen, waits } from '../block.ts'
import { fact } from '../fact.ts'
import type { Scene } from '../scene.ts'

export const offline: Scene = {
  title: 'Bob’s phone comes on',
  before:
    'All this time Bob’s phone was off. The server has kept its messages: Alice’s, and copies of what Bob wrote on his laptop.',
  after:
    'It read everything, although nobody who wrote had ever talked to it: the published keys were enough.',
  async play(world) {
    const { alice, laptop, phone } = world.cast
    const yes = await world.says(alice, 'A picnic! Yes!', [act('kept for 2002')])
    await world.reads(yes, laptop)
    const kept = [...world.kept, yes]
    fact(kept.length === 5, 'five messages wait')
    for (const letter of kept) await world.read(letter, phone)
    await world.show({
      people: [
        waits('Bob switches his phone on'),
        ...kept.map(({ body }) => good(`${phone.name} reads “${body}”`)),
      ],
      server: [
        act(`${kept.length} kept messages delivered to 2002`),
        seen('  who, when, how long: yes'),
        seen('  what they say: no'),
      ],
    })
    await world.agree(alice, laptop, phone)
    const train = await world.says(phone, 'Reading all this on the train.')
    await world.reads(train, alice, laptop)
  },
}
