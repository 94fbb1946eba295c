import { good, remark, seen } from '../../block.ts'
import { fact } from '../../fact.ts'
import type { Scene } from '../../scene.ts'
import { arrow, glimpseOf, type Talk } from '../talk.ts'

export const agree: Scene<Talk> = {
  title: 'They agree on keys',
  before:
    'Alice’s client asks whether Bob’s has OTR. Both must be online: nothing was published before, and nothing is kept. Each side draws a number, and shows who it is only when the other can no longer choose a number to fit.',
  after:
    'From the two numbers come all keys. Nobody who has only listened can compute them; but who sat in between from the beginning could have agreed with each of the two. So far, Alice and Bob have looked at nothing.',
  play: exchange,
}

export async function exchange(talk: Talk): Promise<void> {
  const { alice, bob } = talk
  await talk.agree(async (one, name) => {
    await talk.show({ people: [arrow(one, name)], server: glimpseOf(one) })
  })
  const { session } = alice
  fact(session.state === 'encrypted', 'there is a session')
  await talk.show({
    people: [
      good('both have the same keys'),
      remark(`  session id ${session.ssid.slice(0, 8)} ${session.ssid.slice(8)}`),
      remark(`  Alice’s key ${shortened(bob.peer)}`),
      remark(`  Bob’s key   ${shortened(alice.peer)}`),
    ],
    server: [seen('(not the session id, nor the keys)')],
  })
}

/** Forty digits are for comparing, which there are better ways for. */
function shortened(fingerprint: string): string {
  return `${fingerprint.slice(0, 8)} … ${fingerprint.slice(-8)}`
}
