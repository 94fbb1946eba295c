/** A few people, and a server that carries what their clients write. Every operation checks that it happened as told. */

import { decodeOpenpgp, openpgpElement, openpgpOf } from '@xmpp-e2e/ox/elements'
import { testService } from '@xmpp-e2e/testkit'
import { type Element, element, serialize } from '@xmpp-e2e/xml'
import { type Block, bad, good, type Moment, seen } from '../block.ts'
import { fact } from '../fact.ts'
import { count, hint, local } from '../glimpse.ts'
import { bodyOf, Correspondent } from './correspondent.ts'
import { ENCRYPTED, packetsOf, SESSION_KEY } from './packets.ts'

export class Post {
  readonly alice: Correspondent
  /** His phone. */
  readonly bob: Correspondent
  readonly laptop: Correspondent
  readonly carol: Correspondent
  readonly mallory: Correspondent
  readonly show: (moment: Moment) => Promise<void>

  private constructor(people: readonly Correspondent[], show: Post['show']) {
    const [alice, bob, laptop, carol, mallory] = people
    fact(alice !== undefined && bob !== undefined && laptop !== undefined, 'there are two people')
    fact(carol !== undefined && mallory !== undefined, 'and two more')
    this.alice = alice
    this.bob = bob
    this.laptop = laptop
    this.carol = carol
    this.mallory = mallory
    this.show = show
  }

  static async begin(show: Post['show']): Promise<Post> {
    const service = testService({ now: Date.now() })
    const people = [
      ['Alice', 'alice', 'phone'],
      ['Bob’s phone', 'bob', 'phone'],
      ['Bob’s laptop', 'bob', 'laptop'],
      ['Carol', 'carol', 'phone'],
      ['Mallory', 'mallory', 'phone'],
    ] as const
    return new Post(
      await Promise.all(
        people.map(([name, local, resource]) => Correspondent.create(service, name, local, resource)),
      ),
      show,
    )
  }

  async close(): Promise<void> {
    const { alice, bob, laptop, carol, mallory } = this
    await Promise.all([alice, bob, laptop, carol, mallory].map((one) => one.close()))
  }

  /** Somebody writes, and it is read as it was written. @returns what went over the wire, and is saved by its reader */
  async says(from: Correspondent, to: Correspondent, body: string): Promise<Element> {
    const stanza = await from.writes(to, body)
    fact(!serialize(stanza).includes(body), `the server cannot read “${body}”`)
    await this.reads(to, stanza, body)
    const who = from === this.alice ? 'alice' : 'bob'
    await this.show({
      people: [{ kind: 'bubble', who, device: from.name, text: body }, good(`${to.name} reads it`)],
      server: glimpse(stanza),
    })
    return stanza
  }

  /** Reads what was written, and saves it. */
  async reads(to: Correspondent, stanza: Element, body: string): Promise<void> {
    const read = await to.reads(stanza)
    fact(read.kind === 'message' && bodyOf(read) === body, `${to.name} reads “${body}”, not ${told(read)}`)
    fact(read.authenticated && read.warnings.length === 0, `${to.name} knows who wrote it`)
    await to.settles(read.ref)
  }

  /** What must not be read is not. */
  async refuses(
    to: Correspondent,
    stanza: Element,
    code: string,
    why: string,
    server: readonly Block[],
  ): Promise<void> {
    const read = await to.reads(stanza)
    fact(told(read) === code, `${to.name} says ${code}, not ${told(read)}`)
    const people = [bad(`${to.name} refuses it: ${why}`), seen(`  (${code})`)]
    await this.show({ people, server: [...server, ...glimpse(stanza)] })
  }
}

function told(read: Awaited<ReturnType<Correspondent['reads']>>): string {
  return read.kind === 'unreadable' ? read.code : read.kind === 'silent' ? read.why : (bodyOf(read) ?? '')
}

export function bytesOf(stanza: Element): Uint8Array {
  const openpgp = openpgpOf(stanza)
  fact(openpgp !== undefined, 'it is a message of OpenPGP')
  return decodeOpenpgp(openpgp)
}

/** A stanza with other bytes in it, or other addresses on it. */
export function changed(stanza: Element, attrs: Element['attrs'], bytes = bytesOf(stanza)): Element {
  const openpgp = openpgpOf(stanza)
  const children = stanza.children.map((node) => (node === openpgp ? openpgpElement(bytes) : node))
  return element(stanza.ns, stanza.name, { ...stanza.attrs, ...attrs }, children)
}

/** What the server sees of a message: for how many keys, and how long. */
export function glimpse(stanza: Element): readonly Block[] {
  const { from, to } = stanza.attrs
  const packets = packetsOf(bytesOf(stanza))
  const keys = packets.filter(({ tag }) => tag === SESSION_KEY).length
  const data = packets.find(({ tag }) => tag === ENCRYPTED)
  fact(data !== undefined, 'it is encrypted')
  return [
    seen(`${local(from)} → ${local(to)}: ${count(serialize(stanza).length)} bytes`),
    seen(`<openpgp>, for ${keys === 1 ? '1 key' : `${keys} keys`}`),
    seen(`  ciphertext ${hint(data.body.subarray(1))}, ${count(data.size)} bytes`),
  ]
}
