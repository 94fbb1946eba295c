/** Two ends of a conversation, and the line between them. */
import { readFileSync } from 'node:fs'
import { createGroup } from '../src/arithmetic/group.ts'
import { type DsaPrivateKey, fingerprint, powerOfG } from '../src/dsa/dsa.ts'
import {
  type Conversation,
  createConversation,
  type OtrMeans,
  type OtrStep,
} from '../src/protocol/conversation.ts'
import type { ConversationEvent } from '../src/protocol/event.ts'
import type { Version } from '../src/protocol/header.ts'
import { receive } from '../src/protocol/incoming.ts'
import { end, nextTick, send, tick } from '../src/protocol/outgoing.ts'
import { DEFAULT_POLICY, type Policy } from '../src/protocol/policy.ts'
import { runSlices, type Slices } from '../src/protocol/slices.ts'
import { seeded } from './support.ts'

const { key } = JSON.parse(readFileSync(new URL('vectors/rfc-6979.json', import.meta.url), 'utf8'))
const numbers = Object.fromEntries(
  Object.entries<string>(key).map(([name, digits]) => [name, BigInt(`0x${digits}`)]),
) as Record<'p' | 'q' | 'g' | 'x', bigint>

/** A key of RFC 6979's group; other numbers, other keys. */
export function keyOf(number: number): DsaPrivateKey {
  const { p, q, g } = numbers
  const x = numbers.x - BigInt(number)
  return { p, q, g, x, y: powerOfG({ p, q, g }, x) }
}

/** One group for all tests: it only keeps what makes it quick. */
export const group = createGroup(seeded(0))
export const clock = { now: 1_000_000 }

export interface Side {
  readonly key: DsaPrivateKey
  readonly fingerprint: string
  readonly policy: Policy
  conversation: Conversation
  /** Not yet delivered. */
  out: string[]
  events: ConversationEvent[]
  means(): OtrMeans
  /** Does something and keeps what it led to. */
  apply(step: OtrStep | Slices<OtrStep>): OtrStep
  receive(text: string): OtrStep
  send(text: string): OtrStep
  tick(): OtrStep
  /** Texts that have been read with the session's keys. */
  read(): string[]
}

export function side(seed: number, versions: readonly Version[], policy: Partial<Policy> = {}): Side {
  const random = seeded(seed)
  const key = keyOf(seed % 7)
  const self: Side = {
    key,
    fingerprint: fingerprint(key),
    policy: { ...DEFAULT_POLICY, versions, ...policy },
    conversation: createConversation(0x100 + seed),
    out: [],
    events: [],
    means: () => ({ policy: self.policy, key, group, random, now: clock.now }),
    apply(work) {
      const step = 'conversation' in work ? work : runSlices(work)
      self.conversation = step.conversation
      self.out.push(...step.send)
      self.events.push(...step.events)
      return step
    },
    receive: (text) => self.apply(receive(self.conversation, text, self.means())),
    send: (text) => self.apply(send(self.conversation, text, self.means())),
    tick: () => self.apply(tick(self.conversation, self.means())),
    read: () =>
      self.events.flatMap((event) => (event.type === 'message' && event.encrypted ? [event.text] : [])),
  }
  return self
}

/** Delivers in order, one at a time in turns, until nobody has anything to say. */
export function converse(a: Side, b: Side, limit = 200): void {
  for (let left = limit; a.out.length > 0 || b.out.length > 0; left--) {
    if (left === 0) throw new Error('they do not stop')
    const [toB, toA] = [a.out.shift(), b.out.shift()]
    if (toB !== undefined) b.receive(toB)
    if (toA !== undefined) a.receive(toA)
  }
}

/** Lets time pass up to what either waits for next, and tells both. */
export function waitFor(a: Side, b: Side): void {
  const due = [a, b].map((one) => nextTick(one.conversation, one.policy)).filter((at) => at !== undefined)
  if (due.length === 0) throw new Error('nothing to wait for')
  clock.now = Math.max(clock.now, Math.min(...(due as number[])))
  a.tick()
  b.tick()
}

export function sessionOf({ conversation }: Side) {
  return conversation.instances.find(({ tag }) => tag === conversation.active)?.session
}

export function isEncrypted(one: Side): boolean {
  return sessionOf(one)?.state === 'encrypted'
}

/** Two sides with a session. `a` asked, `b` committed. */
export function encrypted(version: Version, seed = 1, policy: Partial<Policy> = {}): readonly [Side, Side] {
  const a = side(2 * seed, [version], policy)
  const b = side(2 * seed + 1, [version], policy)
  b.receive(`?OTRv${version}?`)
  converse(a, b)
  if (!isEncrypted(a) || !isEncrypted(b)) throw new Error('no session')
  a.events = []
  b.events = []
  return [a, b]
}

export function hangUp(one: Side): OtrStep {
  return one.apply(end(one.conversation, one.means()))
}
