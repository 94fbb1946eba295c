import { encryptedElements, encryptedFormats } from '@xmpp-e2e/omemo/primitives'
import type { Element } from '@xmpp-e2e/xml'
import { act, remark } from '../block.ts'
import { fact } from '../fact.ts'
import type { Scene } from '../scene.ts'

export const crossed: Scene = {
  title: 'Both begin at once',
  before:
    'The first message to a device also agrees on secrets with it. Now Bob writes on his laptop, before it has got what Alice wrote. So each side has begun by itself, and there are two agreements where one is needed.',
  after: 'Both sides settled on one of the two by themselves. Nobody noticed, and nothing was lost.',
  async play(world) {
    const { alice, laptop, phone } = world.cast
    const hi = await world.says(laptop, 'Alice! I was about to ask you something.')
    for (const { from, stanza } of [...world.kept, hi])
      fact(beginsAll(stanza), `${from.name} begins with every device`)
    await world.show({
      people: [remark('It crosses with what Alice wrote.')],
      server: [act('2 kept messages on the way to 2001')],
    })
    await world.reads(hi, alice, phone)
    for (const letter of world.kept) await world.reads(letter, laptop)
    // The laptop first: python-omemo keeps one session, and does not read an answer on one that it has given up.
    await world.agree(laptop, alice, phone)
    await world.reads(await world.says(alice, 'Go ahead.'), laptop, phone)
    await world.reads(await world.says(laptop, 'Shall we have a picnic on Sunday?'), alice, phone)
    await world.reads(await world.says(alice, 'That was my idea!'), laptop, phone)
  },
}

/** Whether each key of a message comes with a key exchange. */
function beginsAll(stanza: Element): boolean {
  return encryptedElements(stanza)
    .flatMap(({ namespace, element }) => encryptedFormats[namespace].decode(element).keys)
    .every(({ keyExchange }) => keyExchange)
}
