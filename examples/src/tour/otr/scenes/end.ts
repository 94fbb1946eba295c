import { act, bad, good, misdeed, remark, seen } from '../../block.ts'
import { fact } from '../../fact.ts'
import type { Scene } from '../../scene.ts'
import { arrow, glimpseOf, type Talk } from '../talk.ts'

export const end: Scene<Talk> = {
  title: 'It ends',
  before: 'Alice hangs up while Bob is typing. The server has kept her last message, and sends it once more.',
  after:
    'Keys of OTR live as long as the talk. Who seizes a device tomorrow cannot open what a server has kept of today.',
  play: goodbye,
}

export async function goodbye(talk: Talk): Promise<void> {
  const { alice, bob } = talk
  const last = await talk.says(alice, 'Good night!', [act('keeps a copy')])
  await talk.carry(alice, bob, alice.ends(), async (one) => {
    await talk.show({ people: [arrow(one, 'end')], server: glimpseOf(one) })
  })
  fact(alice.conversation.instances.length === 0, 'Alice’s client has no keys any more')
  fact(bob.session.state === 'finished', 'for Bob it is finished')
  const leaked = bob.says('A thousand times')
  fact(leaked.length === 0, 'what Bob was typing goes nowhere')
  bob.gets(last)
  fact(bob.read === undefined, 'the last message cannot be read any more')
  await talk.show({
    people: [
      good('both clients forget their keys'),
      bad('Bob’s client does not send what he was typing'),
      bad('nor can it read the copy'),
      remark('He may hang up too, and go on in plain text.'),
    ],
    server: [seen('(nothing of what he typed)'), misdeed('delivers its copy to Bob')],
  })
}
