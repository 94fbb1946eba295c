import { act, bad, good, misdeed, remark, seen } from '../../block.ts'
import { fact } from '../../fact.ts'
import type { Scene } from '../../scene.ts'
import type { Talk } from '../talk.ts'
import { authenticates, dataOf, forged, glimpse } from '../wire.ts'

const SAID = 'I did not write it.'
const FORGED = 'Yes, I did write it'

export const deny: Scene<Talk> = {
  title: 'Nobody can prove it',
  before:
    'Each message carries a MAC: whoever has its key knows that it was not changed. When a MAC key is no longer needed, the client publishes it. The server has kept a message and waits for that.',
  after:
    'While they talk, each knows that the other wrote it, since only two have the key. Afterwards everybody has it, and a transcript shows nothing: anybody could have written it, as the server just did.',
  play: forgery,
}

export async function forgery(talk: Talk): Promise<void> {
  const { alice, bob } = talk
  const then = bob.conversation
  const text = await talk.says(alice, SAID, [act('keeps a copy')])
  const kept = dataOf(text)
  const key = await published(talk, kept)
  await talk.show({
    people: [
      remark('Bob’s client needs the MAC key of what Alice said no longer, and has just sent it along.'),
    ],
    server: [good(`the MAC of ${hex(kept.mac)} is by key ${hex(key)}`)],
  })

  const forgery = forged(kept, SAID, FORGED, key)
  fact(authenticates(key, dataOf(forgery)), 'the forged message has a valid MAC')
  await talk.show({
    people: [],
    server: [
      misdeed('writes a message of Alice’s'),
      ...glimpse('Alice', 'Bob', forgery),
      good(`its MAC is valid, by key ${hex(key)}`),
    ],
  })
  fact(bob.wouldRead(forgery, then) === FORGED, 'with the keys of then, the forged message can be read')
  bob.gets(forgery)
  fact(bob.read === undefined && bob.session.state === 'encrypted', 'now it cannot, and the session goes on')
  await talk.show({
    people: [
      bad('Bob’s client refuses it: it has no such keys any more'),
      remark('Had somebody kept Bob’s keys of then, they would read'),
      { kind: 'bubble', who: 'alice', device: 'Alice?', text: FORGED },
      remark('which is as good as what she said.'),
    ],
    server: [seen('(so much for evidence)')],
  })
}

/** They talk on until the key of that message is public. */
async function published(talk: Talk, kept: ReturnType<typeof dataOf>): Promise<Uint8Array> {
  const { alice, bob } = talk
  for (const [from, words] of [
    [bob, 'Good.'],
    [alice, 'And you?'],
    [bob, 'Neither do I.'],
  ] as const) {
    const key = dataOf(await talk.says(from, words)).revealed.find((one) => authenticates(one, kept))
    if (key !== undefined) return key
  }
  fact(false, 'the MAC key is published')
}

function hex(bytes: Uint8Array): string {
  return `${Buffer.from(bytes.subarray(0, 2)).toString('hex')}…`
}
