import { act, box, good, remark, seen } from '../../block.ts'
import { fact } from '../../fact.ts'
import { count } from '../../glimpse.ts'
import type { Scene } from '../../scene.ts'
import { PUBLIC_KEY, packetsOf, SIGNATURE, SUBKEY, USER_ID } from '../packets.ts'
import type { Post } from '../post.ts'

export const keys: Scene<Post> = {
  title: 'Key and certificate',
  before:
    'Alice’s client makes a key that is hers, not the client’s: it stays, and all of her clients will have it. What others need of it goes to the server: a list of her keys, and a certificate for each.',
  after:
    'The key has signed that it belongs to this address. A server can still hand out a key of its own making, with a signature of its own; so Alice and Bob compare fingerprints, or scan them.',
  async play(post) {
    await exchange(post)
    const { alice, bob } = post
    const { bytes, userIds } = await bob.certificateOf(alice)
    const packets = packetsOf(bytes)
    const tags = packets.map(({ tag }) => tag)
    const expected = [PUBLIC_KEY, USER_ID, SIGNATURE, SUBKEY, SIGNATURE]
    fact(tags.join() === expected.join(), `a certificate is ${expected}, not ${tags}`)
    fact(userIds.join() === `xmpp:${alice.account}`, 'the key has signed whose it is')
    const size = (i: number) => `${packets[i]?.size} bytes`
    await post.show({
      people: [
        box(
          `Alice’s certificate, ${count(bytes.length)} bytes`,
          `key that signs, Ed25519, ${size(0)}`,
          box(`is of, ${size(1)}`, `xmpp:${alice.account}`),
          `  signed by it, ${size(2)}`,
          `key that opens, X25519, ${size(3)}`,
          `  signed by it, ${size(4)}`,
        ),
      ],
      server: [seen('(all of it: it is public)')],
    })
    await verify(post)
  },
}

/** Alice and Bob have keys, and find each other’s. */
export async function exchange(post: Post): Promise<void> {
  const { alice, bob } = post
  await Promise.all([alice.makesKey(), bob.makesKey()])
  for (const [one, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const { fingerprint, problem } = await other.certificateOf(one)
    fact(fingerprint === one.ox.fingerprint && problem === undefined, 'the key is the one that was made')
    await post.show({
      people: [good(`${one.name} has a key`), remark(`  ${shortened(one.fingerprint)}`)],
      server: [act('keeps a list of 1 key'), act('keeps its certificate')],
    })
  }
}

async function verify({ alice, bob, show }: Post): Promise<void> {
  for (const [one, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const [key] = await one.ox.scan(other.ox.uri ?? '', other.account)
    fact(key?.level === 'verified', 'a key that was scanned is verified')
  }
  await show({
    people: [good('Alice and Bob meet, and scan each other’s codes: verified')],
    server: [seen('(nothing)')],
  })
}

/** Forty digits are for comparing, which there are better ways for. */
function shortened(fingerprint: string): string {
  return `${fingerprint.slice(0, 9)} … ${fingerprint.slice(-9)}`
}
