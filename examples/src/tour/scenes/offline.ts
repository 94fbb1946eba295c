import { act, good, seen, waits } from '../block.ts'
import type { Scene } from '../scene.ts'

export const offline: Scene = {
  title: 'Bob is away',
  before:
    'Alice has never talked to Bob’s devices, and both are off. She writes all the same: each text is encrypted once, and its key once for each device. The server keeps both.',
  after:
    'It could read everything, although it had never talked to Alice before: the published keys were enough to write to it.',
  async play(world) {
    const { alice, phone } = world.cast
    const kept = [
      await world.says(alice, 'Hi Bob, are you there?', [act('both are off: kept for them')]),
      await world.says(alice, 'I have an idea for Sunday!', [act('kept as well')]),
    ]
    await world.read(kept[0]!, phone)
    await world.read(kept[1]!, phone)
    await world.show({
      people: [
        waits('Bob switches his phone on'),
        ...kept.map(({ body }) => good(`${phone.name} reads “${body}”`)),
      ],
      server: [
        act('2 kept messages delivered to 2002'),
        seen('  who, when, how much: I know'),
        seen('  what: I do not'),
      ],
    })
    await world.agree(phone, alice)
    world.kept.push(...kept)
  },
}
