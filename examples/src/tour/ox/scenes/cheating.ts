import { misdeed } from '../../block.ts'
import type { Scene } from '../../scene.ts'
import { passedOn } from '../packets.ts'
import { bytesOf, changed, type Post } from '../post.ts'

const MONEY = 'Send me money.'

export const cheating: Scene<Post> = {
  title: 'By whom, and to whom',
  before:
    'Bob’s key is public, so anybody can encrypt to it. Mallory has a key, too, and a friend who runs the server.',
  after:
    'A signature alone says who wrote a text. Only together with the address in it, and with what was read before, does it say that this is a letter from Alice to Bob, now. That also means that Bob can show it around, and that Alice cannot deny it.',
  async play(post) {
    await forgery(post)
    const { alice, bob, carol } = post
    await carol.makesKey()
    const letter = await post.says(alice, bob, 'You are fired. No, I am joking!')

    const damaged = bytesOf(letter).slice()
    damaged[damaged.length - 40]! ^= 1
    await post.refuses(bob, changed(letter, {}, damaged), 'message-damaged', 'it was changed', [
      misdeed('flips one bit'),
    ])

    const { bytes } = await bob.certificateOf(carol)
    const forwarded = await passedOn(bytesOf(letter), await bob.secretKey(), bytes)
    await post.refuses(
      carol,
      changed(letter, { to: carol.account }, forwarded),
      'addressee-wrong',
      'Alice has signed it, but the letter is to Bob',
      [misdeed('Bob encrypts Alice’s letter to Carol')],
    )
    await post.refuses(bob, changed(letter, { id: 'another' }), 'duplicate', 'read before', [
      misdeed('delivers it again, under another id'),
    ])
  },
}

/** Somebody else’s signature under Alice’s name. */
export async function forgery(post: Post): Promise<void> {
  const { alice, bob, mallory } = post
  await mallory.makesKey()
  const forged = changed(await mallory.writes(bob, MONEY), { from: alice.account })
  await post.refuses(bob, forged, 'signer-unknown', 'no key of Alice’s has signed it', [
    misdeed(`says that Mallory’s “${MONEY}” is from Alice`),
  ])
}
