/** Somebody who talks: a key, and what their client knows of the other. State is data, and every step gives the next. */
import { setImmediate } from 'node:timers/promises'
import {
  answerComparison,
  type Conversation,
  type ConversationEvent,
  createConversation,
  createGroup,
  createPolicy,
  type DsaPrivateKey,
  end,
  fingerprint,
  generateDsaKey,
  generateInstanceTag,
  type OtrMeans,
  type OtrStep,
  query,
  receive,
  runSlices,
  type SessionView,
  type Slices,
  send,
  startComparison,
  viewSession,
} from '@xmpp-e2e/otr/core'
import { formatFingerprint } from '@xmpp-e2e/trust'
import { clock, random } from '@xmpp-e2e/xml/system'

/** It only keeps what makes it quick. */
const group = createGroup(random)
const policy = createPolicy()

export class Person {
  readonly name: string
  readonly #key: DsaPrivateKey
  #conversation: Conversation
  /** What happened at the last step. */
  #events: readonly ConversationEvent[] = []

  private constructor(name: string, key: DsaPrivateKey) {
    this.name = name
    this.#key = key
    this.#conversation = createConversation(generateInstanceTag(random))
  }

  /** With a key of their own, as a client makes it once. */
  static async create(name: string): Promise<Person> {
    return new Person(name, await generateDsaKey({ random, pause: setImmediate }))
  }

  /** The same person, who talks with somebody else. */
  another(): Person {
    return new Person(this.name, this.#key)
  }

  get conversation(): Conversation {
    return this.#conversation
  }

  get events(): readonly ConversationEvent[] {
    return this.#events
  }

  get fingerprint(): string {
    return formatFingerprint('otr', fingerprint(this.#key))
  }

  get session(): SessionView {
    const { instances, active } = this.#conversation
    const found = instances.find(({ tag }) => tag === active)
    return found === undefined ? { state: 'plaintext' } : viewSession(found.session)
  }

  /** The peer’s key, as this client has found it out. */
  get peer(): string {
    return 'fingerprint' in this.session ? formatFingerprint('otr', this.session.fingerprint) : 'nobody'
  }

  query = () => this.#apply(query(this.#conversation, this.#means()))
  says = (text: string) => this.#apply(send(this.#conversation, text, this.#means()))
  compares = (secret: string, question: string) =>
    this.#apply(startComparison(this.#conversation, secret, this.#means(), { question }))
  answers = (secret: string) => this.#apply(answerComparison(this.#conversation, secret, this.#means()))
  ends = () => this.#apply(end(this.#conversation, this.#means()))

  /** @returns what the client answers by itself */
  gets(text: string): readonly string[] {
    return this.#apply(receive(this.#conversation, text, this.#means()))
  }

  /** What has just been read, if anything. */
  get read(): string | undefined {
    return textIn(this.#events)
  }

  /** What a client in that state would read: trying it changes nothing. */
  wouldRead(text: string, then: Conversation): string | undefined {
    return textIn(runSlices(receive(then, text, this.#means())).events)
  }

  /** How a comparison has just ended, if one has. */
  get result(): string | undefined {
    return this.#events.flatMap((event) => (event.type === 'smp-ended' ? [event.result] : []))[0]
  }

  #apply(work: OtrStep | Slices<OtrStep>): readonly string[] {
    const step = 'conversation' in work ? work : runSlices(work)
    this.#conversation = step.conversation
    this.#events = step.events
    return step.send
  }

  #means(): OtrMeans {
    return { policy, key: this.#key, group, random, now: clock.now() }
  }
}

function textIn(events: readonly ConversationEvent[]): string | undefined {
  return events.flatMap((event) => (event.type === 'message' && event.encrypted ? [event.text] : []))[0]
}
