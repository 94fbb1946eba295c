/**
 * XEP-0450 promises "as soon as": what a sender says counts when its key is authenticated and the key is known, however
 * the server orders, repeats or delays messages. It says nothing of what a sender said before being distrusted, so that
 * endpoints that vouch for others are not distrusted here.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KeyRef, Level } from '../src/index.ts'
import { A1, A2, A3, alice, B1, B2, bob, type Device, deliver, device, saying } from './people.ts'

const B3: KeyRef = { owner: bob, fingerprint: 'b3' }
const B4: KeyRef = { owner: bob, fingerprint: 'b4' }
const C1: KeyRef = { owner: 'carol@example.net' as typeof bob, fingerprint: 'c1' }
const KEYS = [A2, A3, B1, B2, B3, B4, C1]

type Event = (it: Device) => void

const meet =
  (key: KeyRef): Event =>
  (it) =>
    it.meet(key)
const say = (sender: KeyRef, about: KeyRef, trust: boolean, seconds: number): Event => {
  const element = saying(trust ? { trust: [about] } : { distrust: [about] })
  return (it) => it.receive(sender, element, seconds)
}

const levels = (events: readonly Event[]): readonly (Level | undefined)[] => {
  const it = device(A1)
  for (const event of events) event(it)
  return KEYS.map(it.level)
}

/** Those that vouch, and those that are spoken about both ways. */
const statement = fc.oneof(
  fc.record({
    sender: fc.constantFrom(A2, A3),
    about: fc.constantFrom(A3, B1, B2),
    trust: fc.constant(true),
  }),
  fc.record({ sender: fc.constantFrom(B1, B2), about: fc.constantFrom(B1, B2), trust: fc.constant(true) }),
  fc.record({ sender: fc.constantFrom(A2, A3), about: fc.constantFrom(B3, B4, C1), trust: fc.boolean() }),
  fc.record({ sender: fc.constantFrom(B1, B2, C1), about: fc.constantFrom(B3, B4), trust: fc.boolean() }),
)
const said = fc.array(fc.tuple(statement, fc.integer({ min: 1, max: 9 })), { maxLength: 12 })

const events = said.map((all) => [
  ...KEYS.map(meet),
  ...all.map(([{ sender, about, trust }, seconds]) => say(sender, about, trust, seconds)),
])
/** Verifies the root of it all, at any point. */
const root: Event = (it) => it.decide(A2, 'verified', 0)

const shuffled = events.chain((all) =>
  fc.tuple(
    fc.shuffledSubarray([...all, root], { minLength: all.length + 1 }),
    fc.shuffledSubarray([...all, root], { minLength: all.length + 1 }),
  ),
)

/** A policy that was asked early trusts blindly, one that was asked late does not: neither is a decision. */
const decided = (all: readonly (Level | undefined)[]) =>
  all.map((level) => (level === 'verified' || level === 'distrusted' ? level : 'open'))

test('two orders of the same events end in the same decisions', () => {
  fc.assert(
    fc.property(shuffled, ([one, other]) => {
      expect(decided(levels(one))).toEqual(decided(levels(other)))
    }),
  )
})

test('what is said again changes nothing', () => {
  fc.assert(
    fc.property(shuffled, ([one, other]) => {
      expect(decided(levels([...one, ...other]))).toEqual(decided(levels(one)))
    }),
  )
})

test('nothing changes for who is not connected to what a person verified', () => {
  fc.assert(
    fc.property(shuffled, ([one]) => {
      expect(decided(levels(one.filter((event) => event !== root)))).toEqual(KEYS.map(() => 'open'))
    }),
  )
})

describe('a model of three devices', () => {
  // Who verified whom by hand is all that counts: a device has verified all that it can reach through those it has
  // verified, since each tells the others what it verified by hand and those that come later all that it knows.
  const SELVES = [A1, A2, A3]
  const step = fc
    .record({ from: fc.nat(2), to: fc.nat(2), hold: fc.boolean() })
    .filter(({ from, to }) => from !== to)

  test('every device ends with no more than it can reach, and with all of that if verifying was mutual', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), fc.boolean(), (steps, isMutual) => {
        const all = SELVES.map((self) => device(self))
        for (const it of all) it.meet(...SELVES)
        const held: (() => void)[] = []
        const edges = SELVES.map(() => new Set<number>())
        steps.forEach(({ from, to, hold }, now) => {
          for (const [a, b] of isMutual
            ? ([
                [from, to],
                [to, from],
              ] as const)
            : ([[from, to]] as const)) {
            const [x, y] = [all[a] as Device, all[b] as Device]
            const { notices } = x.decide(y.self, 'verified', now)
            edges[a]?.add(b)
            const send = () => deliver(x, notices, all, now)
            if (hold) held.push(send)
            else send()
          }
        })
        for (const send of held.reverse()) send()

        all.forEach((it, i) => {
          const reached = reach(edges, i)
          const verified = new Set(
            [0, 1, 2].filter((j) => j !== i && it.level(SELVES[j] as KeyRef) === 'verified'),
          )
          for (const j of verified) expect(reached).toContain(j)
          for (const j of edges[i] ?? []) expect(verified).toContain(j)
          if (isMutual) expect(verified).toEqual(reached)
          expect(it.keyring().keys.every(({ owner }) => owner === alice)).toBe(true)
        })
      }),
    )
  })

  function reach(edges: readonly ReadonlySet<number>[], from: number): ReadonlySet<number> {
    const found = new Set<number>([from])
    for (const node of found) for (const next of edges[node] ?? []) found.add(next)
    found.delete(from)
    return found
  }
})
