/** Two people, and a server that carries what their clients say. Every operation checks that it happened as told. */
import { type Block, good, type Moment, remark } from '../block.ts'
import { fact } from '../fact.ts'
import { Person } from './person.ts'
import { glimpse, nameOf } from './wire.ts'

/** A text of OTR on its way, and all that came of it. */
export interface Carried {
  readonly from: Person
  readonly to: Person
  readonly text: string
}

export class Talk {
  readonly alice: Person
  readonly bob: Person
  readonly show: (moment: Moment) => Promise<void>

  private constructor(alice: Person, bob: Person, show: Talk['show']) {
    this.alice = alice
    this.bob = bob
    this.show = show
  }

  static async begin(show: Talk['show']): Promise<Talk> {
    return Talk.of(await Person.create('Alice'), await Person.create('Bob'), show)
  }

  static of(alice: Person, bob: Person, show: Talk['show']): Talk {
    return new Talk(alice, bob, show)
  }

  /** Delivers, and what is answered by itself, until nobody has anything to say. */
  async carry(from: Person, to: Person, texts: readonly string[], each: (one: Carried) => Promise<void>) {
    for (const text of texts) {
      const answers = to.gets(text)
      await each({ from, to, text })
      await this.carry(to, from, answers, each)
    }
  }

  /** The key exchange, which a query leads to. */
  async agree(each: (one: Carried, name: string) => Promise<void>): Promise<void> {
    const { alice, bob } = this
    const steps: string[] = []
    await this.carry(alice, bob, alice.query(), async (one) => {
      const name = nameOf(one.text)
      steps.push(name)
      await each(one, name)
    })
    const expected = 'query, D-H Commit, D-H Key, Reveal Signature, Signature'
    fact(steps.join(', ') === expected, `a key exchange is ${expected}; not ${steps.join(', ')}`)
    const [a, b] = [alice.session, bob.session]
    fact(a.state === 'encrypted' && b.state === 'encrypted' && a.ssid === b.ssid, 'both have one session')
    fact(alice.peer === bob.fingerprint && bob.peer === alice.fingerprint, 'each has the other’s key')
  }

  /** Somebody writes, and it is read as it was written. @returns what went over the wire */
  async says(from: Person, body: string, server: readonly Block[] = []): Promise<string> {
    const to = from === this.alice ? this.bob : this.alice
    const [text = '', ...more] = from.says(body)
    fact(more.length === 0 && !text.includes(body), `the server cannot read “${body}”`)
    to.gets(text)
    fact(to.read === body, `${to.name} reads “${body}”, not ${to.read}`)
    const who = from === this.alice ? 'alice' : 'bob'
    await this.show({
      people: [{ kind: 'bubble', who, device: from.name, text: body }, good(`${to.name} reads it`)],
      server: [...glimpse(from.name, to.name, text), ...server],
    })
    return text
  }
}

export function glimpseOf({ from, to, text }: Carried): readonly Block[] {
  return glimpse(from.name, to.name, text)
}

/** Alice on the left, as everywhere. */
export function arrow({ from, to }: Pick<Carried, 'from' | 'to'>, what: string): Block {
  return remark(
    from.name === 'Bob' || to.name === 'Alice'
      ? `${to.name} ◀── ${from.name} ${what}`
      : `${from.name} ──▶ ${to.name} ${what}`,
  )
}
