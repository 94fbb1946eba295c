import { OxError } from '@xmpp-e2e/ox'
import type { Element } from '@xmpp-e2e/xml'
import { act, bad, good, misdeed, remark, seen } from '../../block.ts'
import { fact } from '../../fact.ts'
import type { Scene } from '../../scene.ts'
import { insideOf } from '../packets.ts'
import { bytesOf, glimpse, type Post } from '../post.ts'

const BODY = 'The letter of last year.'

export const clients: Scene<Post> = {
  title: 'Another client',
  before:
    'Bob sets up a laptop. His phone puts the secret key on the server, under a code of 24 characters that it makes and shows once; the laptop asks for it.',
  after:
    'That is what this scheme is for. It is also its price: there is no forward secrecy. A key that is stolen today opens every letter that it was ever given.',
  async play(post) {
    const letter = await post.says(post.alice, post.bob, BODY)
    await restored(post, letter, BODY)
    const { bob } = post
    const stolen = await insideOf(bytesOf(letter), await bob.secretKey())
    fact(stolen.length > 0, 'who has the key opens everything')
    await post.show({
      people: [bad('Whoever gets Bob’s key reads all of it, too')],
      server: [misdeed('would only need the key, or the code')],
    })
  },
}

/** The laptop gets the key, and reads what was there before it. */
export async function restored(post: Post, letter: Element, body: string): Promise<void> {
  const { bob, laptop, show } = post
  const { code } = await bob.ox.createBackup()
  await show({
    people: [remark(`${bob.name} shows a code:`), { kind: 'bubble', who: 'bob', device: 'Bob', text: code }],
    server: [act('keeps a <secretkey>'), seen('  under a code that it has not')],
  })
  const wrong = await laptop.ox.restoreBackup(code.replace(/./g, 'A')).catch((error: unknown) => error)
  fact(wrong instanceof OxError && wrong.code === 'backup-code-wrong', 'another code opens nothing')
  const [key] = await laptop.ox.restoreBackup(code)
  fact(key?.fingerprint === bob.ox.fingerprint, 'the laptop has the key of the phone')
  await laptop.ox.start()
  await post.reads(laptop, letter, body)
  await show({
    people: [
      bad(`${laptop.name}, with another code: nothing`),
      good(`${laptop.name}, with this one: Bob’s key`),
      good(`${laptop.name} reads “${body}”, which was there before it`),
    ],
    server: [act('hands out the <secretkey>'), act('delivers from its archive'), ...glimpse(letter)],
  })
}
