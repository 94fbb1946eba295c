import type { Scene } from '../../scene.ts'
import type { Post } from '../post.ts'
import { forgery } from './cheating.ts'
import { restored } from './clients.ts'
import { exchange } from './keys.ts'

const BODY = 'Keep this one.'

export const lasting: Scene<Post> = {
  title: 'Letters that last, with OpenPGP',
  before:
    'Another way, for letters that are to be read again: each person has one key, the same in all of their clients, and each letter is signed by it.',
  after:
    'So archives stay readable, for who has the key: whoever steals it reads the past. `npm start -- --scheme ox` shows OpenPGP for XMPP in depth.',
  async play(post) {
    await exchange(post)
    const letter = await post.says(post.alice, post.bob, BODY)
    await forgery(post)
    await restored(post, letter, BODY)
  },
}
