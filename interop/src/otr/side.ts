/** Our side of a conversation with a peer that has no network either. */
import { randomBytes } from 'node:crypto'
import {
  abortComparison,
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
  nextTick,
  type OtrMeans,
  type OtrStep,
  type Policy,
  query,
  receive,
  runSlices,
  type SessionView,
  type Slices,
  send,
  shareSymmetricKey,
  startComparison,
  tick,
  viewSession,
} from '@xmpp-e2e/otr/core'
import type { OtrPeer } from './peer.ts'

const random = (length: number) => Uint8Array.from(randomBytes(length))
/** One for all: it only keeps what makes it quick. */
const group = createGroup(random)
/** More texts than any exchange takes: the longest message is fifty pieces of 60 characters, there and back. */
const MAX_TEXTS = 4000

/** Which message of a comparison leads from where to where, and how many values each has. */
const MESSAGES: Readonly<Record<string, number>> = {
  'expect-1 expect-2': 1,
  'asked expect-3': 2,
  'expect-2 expect-4': 3,
  'expect-3 expect-1': 4,
}
const VALUES = [6, 11, 8, 3]

/** Of tests that do not care which it is. */
export function newKey(): Promise<DsaPrivateKey> {
  return generateDsaKey({ random, pause: () => Promise.resolve() })
}

export interface Tlv {
  readonly type: number
  readonly value: Uint8Array
}

export class OtrSide {
  readonly fingerprint: string
  conversation: Conversation
  /** To be sent. */
  out: string[] = []
  events: ConversationEvent[] = []
  /** Milliseconds. */
  now = 1_000_000
  #lies = false
  readonly #key: DsaPrivateKey
  #policy: Policy

  constructor(key: DsaPrivateKey, policy: Partial<Policy>) {
    this.#key = key
    this.#policy = createPolicy(policy)
    this.fingerprint = fingerprint(key)
    this.conversation = createConversation(generateInstanceTag(random))
  }

  /** From now on. */
  setPolicy(policy: Partial<Policy>): void {
    this.#policy = createPolicy({ ...this.#policy, ...policy })
  }

  receive(text: string): void {
    this.#keep(receive(this.conversation, text, this.#means()))
  }
  send(text: string, tlvs: readonly Tlv[] = []): void {
    this.#keep(send(this.conversation, text, this.#means(), tlvs))
  }
  query(): void {
    this.#keep(query(this.conversation, this.#means()))
  }
  end(): void {
    this.#keep(end(this.conversation, this.#means()))
  }
  startComparison(secret: string, question?: string): void {
    const options = question === undefined ? {} : { question }
    this.#keep(startComparison(this.conversation, secret, this.#means(), options))
  }
  answerComparison(secret: string): void {
    this.#keep(answerComparison(this.conversation, secret, this.#means()))
  }
  abortComparison(): void {
    this.#keep(abortComparison(this.conversation, this.#means()))
  }
  /** What goes out next in a comparison is made up. */
  cheat(): void {
    this.#lies = true
  }
  shareSymmetricKey(use: number, about: Uint8Array): void {
    this.#keep(shareSymmetricKey(this.conversation, use, about, this.#means()))
  }
  /** So much time passes, in milliseconds. */
  pass(time: number): void {
    this.now += time
    this.#keep(tick(this.conversation, this.#means()))
  }
  /** Time passes until it has something to do; false when it waits for nothing. */
  wait(): boolean {
    const due = nextTick(this.conversation, this.#policy)
    if (due === undefined) return false
    this.pass(Math.max(0, due - this.now))
    return true
  }

  /** The session that messages go to. */
  get session(): SessionView {
    const { instances, active } = this.conversation
    const instance = instances.find(({ tag }) => tag === active)
    return instance === undefined ? { state: 'plaintext' } : viewSession(instance.session)
  }
  /** Texts that have been read with the keys of a session. */
  get read(): readonly string[] {
    return this.events.flatMap((event) => (event.type === 'message' && event.encrypted ? [event.text] : []))
  }
  /** Events of one type. */
  having<T extends ConversationEvent['type']>(type: T): Extract<ConversationEvent, { type: T }>[] {
    return this.events.filter(
      (event): event is Extract<ConversationEvent, { type: T }> => event.type === type,
    )
  }

  #means(): OtrMeans {
    return { policy: this.#policy, key: this.#key, group, random, now: this.now }
  }

  #keep(work: OtrStep | Slices<OtrStep>): void {
    const step = 'conversation' in work ? work : runSlices(work)
    const said = this.#lies ? MESSAGES[`${smpOf(this.conversation)} ${smpOf(step.conversation)}`] : undefined
    this.conversation = step.conversation
    this.events.push(...step.events)
    if (said === undefined) {
      this.out.push(...step.send)
      return
    }
    this.#lies = false
    this.send('', [madeUp(said)])
  }
}

/** Where a comparison stands. */
function smpOf({ instances, active }: Conversation): string {
  const session = instances.find(({ tag }) => tag === active)?.session
  return session?.state === 'encrypted' ? session.smp.state : 'none'
}

/** Numbers that are of the group, being powers of 2, and prove nothing. */
function madeUp(number: number): Tlv {
  const count = VALUES[number - 1] ?? 0
  const values = Array.from({ length: count }, (_, i) => [0, 0, 0, 2, 2 << (i % 7), 0])
  return { type: number + 1, value: Uint8Array.of(0, 0, 0, count, ...values.flat()) }
}

/**
 * Delivers in order, one at a time in turns, until nobody has anything to say. What crosses, crosses. The line gives
 * what it does with a text: how often it comes.
 */
export async function converse(
  ours: OtrSide,
  theirs: OtrPeer,
  line: (text: string, to: 'us' | 'them') => number = () => 1,
): Promise<void> {
  for (let left = MAX_TEXTS; ours.out.length > 0 || theirs.out.length > 0; left--) {
    if (left === 0) throw new Error('they do not stop')
    const [toThem, toUs] = [ours.out.shift(), theirs.out.shift()]
    if (toThem !== undefined)
      for (let times = line(toThem, 'them'); times > 0; times--) await theirs.receive(toThem)
    if (toUs !== undefined) for (let times = line(toUs, 'us'); times > 0; times--) ours.receive(toUs)
  }
}

/** What is not as it should be in a session of the two, or `undefined`: one message each way proves the keys. */
export async function fault(ours: OtrSide, theirs: OtrPeer, version: number): Promise<string | undefined> {
  const { session } = ours
  if (session.state !== 'encrypted') return `our session is ${session.state}`
  if (session.version !== version) return `our session is of version ${session.version}`
  if (session.fingerprint !== theirs.fingerprint) return `they are ${session.fingerprint}`
  const begun = theirs.events.filter((event) => /^(gone|still)_secure /.test(event)).at(-1)
  if (begun === undefined) return 'they have no session'
  if (!begun.includes(` v${version} `) || !begun.includes(`ssid=${session.ssid}`)) return `they have ${begun}`
  const [hello, answer] = [`hello in ${session.ssid}`, `good day in ${session.ssid}`]
  ours.send(hello)
  await converse(ours, theirs)
  if (theirs.read.at(-1) !== hello) return `they have read ${theirs.read.at(-1)}`
  await theirs.send(answer)
  await converse(ours, theirs)
  return ours.read.at(-1) === answer ? undefined : `we have read ${ours.read.at(-1)}`
}
