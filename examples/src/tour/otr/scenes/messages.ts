import { good, remark, seen } from '../../block.ts'
import { fact } from '../../fact.ts'
import type { Scene } from '../../scene.ts'
import type { Talk } from '../talk.ts'
import { dataOf } from '../wire.ts'

export const messages: Scene<Talk> = {
  title: 'They talk',
  before:
    'Each message announces a new number of its writer’s. As soon as the other has used it, there are new keys, and the old ones are forgotten.',
  after:
    'A key that is gone cannot be handed out. That works while both talk: who only listens keeps old keys, until their client sends an empty message by itself.',
  async play(talk) {
    const { alice, bob } = talk
    const texts = [
      await talk.says(alice, 'Are you alone?'),
      await talk.says(bob, 'Yes. Go on!'),
      await talk.says(alice, 'I have found the letter.'),
      await talk.says(bob, 'Burn it.'),
    ]
    const pairs = new Set(texts.map((text, i) => `${i % 2} ${dataOf(text).pair}`)).size
    fact(pairs === 4, `each message has keys of its own, not ${pairs} of four`)
    const [first = ''] = texts
    bob.gets(first)
    fact(bob.read === undefined, 'an old message is not read again')
    await talk.show({
      people: [
        good('four messages, four sets of keys'),
        remark('Bob’s client cannot open the first one any more: its keys are gone.'),
      ],
      server: [seen('(four ciphertexts)')],
    })
  },
}
