import { encryptedElements, encryptedFormats, protocols } from '@xmpp-e2e/omemo/primitives'
import type { Element } from '@xmpp-e2e/xml'
import { act, bad, good, seen, waits } from '../block.ts'
import { fact } from '../fact.ts'
import { count } from '../glimpse.ts'
import type { Scene } from '../scene.ts'

export const restart: Scene = {
  title: 'The battery dies',
  before:
    'A key must never be used for two messages. So Alice’s phone stores that a key is spent before it sends anything. Here it dies just between the two.',
  after:
    'The spent key was skipped, not used again, and the conversation went on. Both phones work like this all the time: between two steps, they exist as stored bytes only.',
  async play(world) {
    const { alice, laptop, phone } = world.cast
    const before = await alice.digest()
    const { letter: unsent } = await world.write(alice, 'I am almost there.')
    const after = await alice.digest()
    fact(before !== after, 'the key is spent')
    await world.show({
      people: [waits('Alice writes “I am almost there.”'), bad('Her battery is empty: it is never sent')],
      server: [seen('(nothing)')],
    })
    const restarted = alice.restarted()
    world.recast({ alice: restarted })
    const stored = await restarted.stored()
    fact((await restarted.digest()) === after, 'the phone is as it was stored')
    await world.show({
      people: [good(`${restarted.name} starts again, from ${count(stored.bytes)} stored bytes`)],
      server: [act('1001 is back')],
    })
    const again = await world.says(restarted, 'My battery was empty. I am here!')
    await world.reads(again, laptop, phone)
    const spent = messageNumbers(unsent.stanza)
    const used = messageNumbers(again.stanza)
    fact(spent.length > 0 && spent.every((number, i) => used[i] === number + 1), `${used} follow ${spent}`)
    const answer = await world.says(laptop, 'I can see you!')
    await world.reads(answer, restarted, phone)
  },
}

/** The number of a message in its chain, for each device: what is public of a key, and never comes twice. */
function messageNumbers(stanza: Element): readonly number[] {
  return encryptedElements(stanza).flatMap(({ namespace, element }) => {
    const { wire } = protocols[namespace]
    return encryptedFormats[namespace].decode(element).keys.map(({ data }) => {
      const authenticated = wire.isKeyExchange(data) ? wire.decodeKeyExchange(data).message : data
      return wire.decodeRatchetMessage(wire.decodeAuthenticated(authenticated).message).counter
    })
  })
}
