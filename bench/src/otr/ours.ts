/** The contender of this project: `@xmpp-e2e/otr/core`. */
import { randomFillSync } from 'node:crypto'
import {
  answerComparison,
  type ConversationEvent,
  createConversation,
  createGroup,
  createPolicy,
  type DsaPrivateKey,
  generateDsaKey,
  type OtrMeans,
  type OtrStep,
  parsePrivateKeys,
  receive,
  runSlices,
  type Slices,
  send,
  startComparison,
} from '@xmpp-e2e/otr/core'
import { serve } from '../contender.ts'
import { readKeyFile, rowsOf, SECRET } from './work.ts'

const random = (length: number) => randomFillSync(new Uint8Array(length))
const policy = createPolicy({ versions: [3] })
const group = createGroup(random)

class End {
  readonly #means: OtrMeans
  readonly #tag: number
  #conversation
  #events: ConversationEvent[] = []
  /** Not yet delivered. */
  #out: string[] = []

  constructor(key: DsaPrivateKey, tag: number) {
    this.#means = { policy, key, group, random, now: 0 }
    this.#tag = tag
    this.#conversation = createConversation(tag)
  }

  forget(): void {
    this.#conversation = createConversation(this.#tag)
  }

  takeOut(): string[] {
    return this.#out.splice(0)
  }

  /** What has happened since it was asked for the last time. */
  takeEvents(): ConversationEvent[] {
    return this.#events.splice(0)
  }

  receive(text: string): void {
    this.#apply(receive(this.#conversation, text, this.#means))
  }

  send(text: string): void {
    this.#apply(send(this.#conversation, text, this.#means))
  }

  startComparison(): void {
    this.#apply(startComparison(this.#conversation, SECRET, this.#means))
  }

  answerComparison(): void {
    this.#apply(answerComparison(this.#conversation, SECRET, this.#means))
  }

  #apply(work: OtrStep | Slices<OtrStep>): void {
    const step = 'conversation' in work ? work : runSlices(work)
    this.#conversation = step.conversation
    this.#out.push(...step.send)
    this.#events.push(...step.events)
  }
}

const [alice, bob] = parsePrivateKeys(readKeyFile()).map(({ key }, i) => new End(key, 0x100 + i)) as [
  End,
  End,
]

function converse(): void {
  for (let quiet = false; !quiet; ) {
    const [toBob, toAlice] = [alice.takeOut(), bob.takeOut()]
    for (const text of toBob) bob.receive(text)
    for (const text of toAlice) alice.receive(text)
    quiet = toBob.length + toAlice.length === 0
  }
}

function expect(end: End, what: string, isIt: (event: ConversationEvent) => boolean): void {
  if (!end.takeEvents().some(isIt)) throw new Error(`${what}: it did not happen`)
}

const isEncrypted = (event: ConversationEvent) => event.type === 'state' && event.to.state === 'encrypted'
const isMatch = (event: ConversationEvent) => event.type === 'smp-ended' && event.result === 'match'

await serve(
  rowsOf({
    exchangeKeys() {
      alice.forget()
      bob.forget()
      bob.receive('?OTRv3?')
      converse()
      expect(alice, 'session', isEncrypted)
      expect(bob, 'session', isEncrypted)
    },
    say(name, text) {
      const [from, to] = name === 'alice' ? [alice, bob] : [bob, alice]
      from.send(text)
      for (const encrypted of from.takeOut()) to.receive(encrypted)
      expect(to, 'message', (event) => event.type === 'message' && event.text === text)
    },
    encrypt(text) {
      alice.send(text)
      return alice.takeOut().join('')
    },
    join(pieces, text) {
      for (const piece of pieces) bob.receive(piece)
      expect(bob, 'message', (event) => event.type === 'message' && event.text === text)
    },
    compare() {
      alice.startComparison()
      converse()
      expect(bob, 'question', (event) => event.type === 'smp-asked')
      bob.answerComparison()
      converse()
      expect(alice, 'comparison', isMatch)
      expect(bob, 'comparison', isMatch)
    },
    async generateKey() {
      await generateDsaKey({ random, pause: async () => {} })
    },
  }),
)
