import { misdeed, seen, waits } from '../block.ts'
import { fact } from '../fact.ts'
import type { Scene } from '../scene.ts'
import { refusal } from '../world.ts'

export const twice: Scene = {
  title: 'The same message twice',
  before:
    'Somebody who cannot read a message can still record it, and deliver it again: “yes, do it” once more.',
  after: 'A key that has been used is gone. A second time, there is nothing to open the message with.',
  async play(world) {
    const { alice, laptop, phone } = world.cast
    const bring = await world.says(alice, 'Yes, order a second bottle.')
    await world.reads(bring, laptop, phone)
    const why = await world.refuses(bring.stanza, phone)
    fact(why === 'message-duplicate', `${phone.name} knows that it was read before: ${why}`)
    // python-omemo does not say why it cannot decrypt.
    const same = (await world.refuses(bring.stanza, laptop)) === why
    await world.show({
      people: [
        refusal(phone, 'read before'),
        refusal(laptop, same ? 'read before' : 'no key opens it'),
        waits('One bottle it is.'),
      ],
      server: [misdeed('delivers it a second time'), seen('  to 2001 and 2002')],
    })
  },
}
