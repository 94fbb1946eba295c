import { encryptedElements, encryptedFormats } from '@xmpp-e2e/omemo'
import type { Element } from '@xmpp-e2e/xml'
import { act, remark } from '../block.ts'
import { fact } from '../fact.ts'
import type { Scene } from '../scene.ts'

export const crossed: Scene = {
  title: 'Both say hello at once',
  before:
    'The first message to a device also agrees on secrets with it. Here both sides begin before they have heard of each other, so there are two agreements where one is needed. The text is encrypted once, and its key once for each device. Bob’s phone is off.',
  after: 'Both sides settled on one of the two by themselves. Nobody noticed, and nothing was lost.',
  async play(world) {
    const { alice, laptop } = world.cast
    const hello = await world.says(alice, 'Hi Bob, are you there?', [act('2002 is off: kept for it')])
    const hi = await world.says(laptop, 'Alice! I was about to ask you something.', [
      act('2002 is off: a copy is kept'),
    ])
    for (const { from, stanza } of [hello, hi])
      fact(beginsAll(stanza), `${from.name} begins with every device`)
    await world.show({ people: [remark('The two messages cross on their way.')], server: [] })
    await world.reads(hello, laptop)
    await world.reads(hi, alice)
    // The laptop first: python-omemo keeps one session, and does not read an answer on one that it has given up.
    await world.agree(laptop, alice)
    const go = await world.says(alice, 'Go ahead.', [act('kept for 2002')])
    await world.reads(go, laptop)
    const ask = await world.says(laptop, 'Shall we have a picnic on Sunday?', [act('kept for 2002')])
    await world.reads(ask, alice)
    world.kept.push(hello, hi, go, ask)
  },
}

/** Whether each key of a message comes with a key exchange. */
function beginsAll(stanza: Element): boolean {
  return encryptedElements(stanza)
    .flatMap(({ namespace, element }) => encryptedFormats[namespace].decode(element).keys)
    .every(({ keyExchange }) => keyExchange)
}
