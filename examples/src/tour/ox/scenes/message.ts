import { decodeContent } from '@xmpp-e2e/ox/elements'
import { children, parse, text } from '@xmpp-e2e/xml'
import { box, good, remark, seen } from '../../block.ts'
import { fact } from '../../fact.ts'
import { count, local } from '../../glimpse.ts'
import type { Scene } from '../../scene.ts'
import { contentOf, ENCRYPTED, insideOf, LITERAL, packetsOf, SESSION_KEY, SIGNATURE } from '../packets.ts'
import { bytesOf, type Post } from '../post.ts'

const LETTERS = ['Yes.', 'No, not before Monday, and not alone.']

export const message: Scene<Post> = {
  title: 'A letter in a letter',
  before:
    'The whole message goes into an element that says for whom and when it was written. It is filled up to a multiple of 256 bytes, signed by Alice’s key, and encrypted to Bob’s. And to her own: she will want to read it again.',
  after:
    'What it says of itself is under the signature: nobody can take the letter out of the envelope and put it into another one.',
  async play(post) {
    const { alice, bob } = post
    const secretKey = await bob.secretKey()
    const sizes: number[] = []
    for (const body of LETTERS) {
      const bytes = bytesOf(await post.says(alice, bob, body))
      const outside = packetsOf(bytes)
      const inside = await insideOf(bytes, secretKey)
      const literal = inside.find(({ tag }) => tag === LITERAL)
      const data = outside.find(({ tag }) => tag === ENCRYPTED)
      const signature = inside.find(({ tag }) => tag === SIGNATURE)
      fact(
        literal !== undefined && data !== undefined && signature !== undefined,
        'it is signed and encrypted',
      )
      const content = contentOf(literal)
      sizes.push(content.length)
      const { kind, to } = decodeContent(content)
      const [padding = ''] = children(parse(content), 'rpad').map(text)
      if (body !== LETTERS[0]) continue
      const keys = outside.filter(({ tag }) => tag === SESSION_KEY)
      fact(kind === 'signcrypt' && keys.length === 2, 'two keys open it')
      await post.show({
        people: [
          box(
            `message, ${count(bytes.length)} bytes`,
            ...keys.map(({ size }) => `for a key, ${size} bytes`),
            box(
              `encrypted, ${data.size}`,
              `signature, ${signature.size}`,
              box(
                `<signcrypt>, ${content.length}`,
                `to ${local(to[0])}`,
                'time: now',
                `rpad, ${padding.length}`,
                box('payload', `“${body}”`),
              ),
            ),
          ),
        ],
        server: [seen('(the outermost box)')],
      })
    }
    fact(sizes.join() === '256,256', `letters look alike: ${sizes}`)
    await post.show({
      people: [good('both letters fill 256 bytes'), remark('“Yes” and “no” have the same length.')],
      server: [seen('(two messages that look alike)')],
    })
  },
}
