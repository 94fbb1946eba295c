import { act, bad, good, misdeed, seen } from '../block.ts'
import { fact } from '../fact.ts'
import type { Scene } from '../scene.ts'

export const lost: Scene = {
  title: 'Lost, late, overtaken',
  before:
    'Every message has a key of its own, used once and thrown away. Networks do not keep order, so a device must cope with gaps: here all goes wrong on the way to Bob’s phone.',
  after:
    'All but the lost one were read. The phone kept the keys of the missing messages, and threw each away after its use. One it still has, in case.',
  async play(world) {
    const { alice, laptop, phone } = world.cast
    const bread = await world.says(alice, 'I bring bread,', [act('held up on the way to 2002')])
    const cheese = await world.says(alice, 'and cheese,')
    await world.read(bread, laptop)
    await world.read(cheese, laptop, phone)
    await world.read(bread, phone)
    await world.show({
      people: [
        good(`${phone.name} reads “${cheese.body}”`),
        good(`${phone.name} reads “${bread.body}”, overtaken`),
      ],
      server: [act('delivered to 2002: the second'), act('delivered to 2002: the first')],
    })
    const apples = await world.says(alice, 'and apples.', [misdeed('lost on the way to 2002, for ever')])
    const late = await world.says(alice, 'Can you bring a blanket?', [act('held up on the way to 2002')])
    await world.read(apples, laptop)
    await world.read(late, laptop)
    world.loses(apples, phone)

    const wine = await world.says(phone, 'Shall I bring wine?')
    await world.reads(wine, alice, laptop)
    const red = await world.says(alice, 'Red, please.')
    await world.reads(red, laptop, phone)
    await world.reads(late, phone)
    const stored = await phone.stored()
    fact(stored.missing === 1, `${phone.name} keeps the key of the one that is lost, not ${stored.missing}`)
    await world.show({
      people: [bad(`${phone.name} never gets “${apples.body}”`), good(`${laptop.name} has got all five`)],
      server: [seen('(has no idea what it has lost)')],
    })
  },
}
