/**
 * Sessions under everything a network can do (XEP-0384 §4.3): 10⁴ steps in all, each from stored bytes to stored
 * bytes, so that every step is also a restart.
 *
 * The network itself checks at each step that no message is opened twice or as another, that no message key is
 * used twice, and that a message which cannot be opened leaves the device byte-identical.
 */
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { axolotl, omemo2, type Protocol } from '../src/protocol.ts'
import type { Kind } from './model/device.ts'
import { Network } from './model/network.ts'

const STEPS = 100
const RUNS_PER_MODEL = 25

/** Rounds in which a pair must have come together; a peer with one session shows by its messages which it has. */
const ROUNDS: Readonly<Record<Kind, number>> = { list: 1, single: 6 }

type Action =
  | 'send'
  | 'deliver'
  | 'deliver-next'
  | 'drop'
  | 'duplicate'
  | 'archive'
  | 'read-archive'
  | 'replace'

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 45, arbitrary: fc.constant<Action>('send') },
  { weight: 20, arbitrary: fc.constant<Action>('deliver') },
  { weight: 15, arbitrary: fc.constant<Action>('deliver-next') },
  { weight: 5, arbitrary: fc.constant<Action>('drop') },
  { weight: 5, arbitrary: fc.constant<Action>('duplicate') },
  { weight: 5, arbitrary: fc.constant<Action>('archive') },
  { weight: 4, arbitrary: fc.constant<Action>('read-archive') },
  { weight: 1, arbitrary: fc.constant<Action>('replace') },
)

const step = fc.record({ action, from: fc.nat(), to: fc.nat(), which: fc.nat() })

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** @returns whether there was something to do */
function take(network: Network, { action, from, to, which }: Step): boolean {
  const count = network.devices.length
  const sender = from % count
  const receiver = (sender + 1 + (to % (count - 1))) % count
  switch (action) {
    case 'send':
      network.send(sender, receiver)
      return true
    case 'replace':
      network.replace(sender, receiver)
      return true
    case 'drop':
      return network.take(which, 'waiting') !== undefined
    default: {
      const envelope = network.take(
        action === 'deliver-next' ? 0 : which,
        action === 'read-archive' ? 'archived' : 'waiting',
      )
      if (envelope === undefined) return false
      if (action === 'archive' || action === 'duplicate') network.archived.push(envelope)
      if (action !== 'archive') network.deliver(envelope, action === 'read-archive' ? 'archive' : 'live')
      return true
    }
  }
}

/** Every message that may be opened is: what a pair of lists cannot open for the first time is a defect. */
function expectNothingLost(network: Network): void {
  for (const { envelope, result } of network.log) {
    const kinds = [envelope.from, envelope.to].map((id) => network.devices[id]?.kind)
    if (!kinds.includes('single'))
      expect(result, `message ${envelope.number}`).toMatch(/^(opened|duplicate)$/)
  }
}

function expectConverged(network: Network): void {
  const { devices } = network
  for (const a of devices)
    for (const b of devices) {
      if (a.id >= b.id) continue
      const rounds = Math.max(ROUNDS[a.kind], ROUNDS[b.kind])
      const results = Array.from({ length: rounds }, () =>
        [network.exchange(b.id, a.id), network.exchange(a.id, b.id)].join(),
      )
      expect(results.at(-1), `${a.id} and ${b.id}: ${results.join(' ')}`).toBe('opened,opened')
    }
}

const models: readonly (readonly [name: string, kinds: readonly Kind[], protocol: Protocol])[] = [
  ['two devices', ['list', 'list'], omemo2],
  ['three devices', ['list', 'list', 'list'], axolotl],
  ['four devices', ['list', 'list', 'list', 'list'], omemo2],
  ['a peer with one session', ['list', 'single'], omemo2],
  ['two devices and a peer with one session', ['list', 'list', 'single'], axolotl],
]

describe('any order of sending, delivering, losing, repeating and archiving', () => {
  let steps = 0

  test.each(models)('%s', { timeout: 120_000 }, (_name, kinds, protocol) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: STEPS, maxLength: STEPS }), (script) => {
        const network = new Network(protocol, kinds)
        for (const each of script) if (take(network, each)) steps++
        network.drain()
        expectNothingLost(network)
        expectConverged(network)
      }),
      { numRuns: RUNS_PER_MODEL, endOnFailure: true },
    )
  })

  afterAll(() => {
    expect(steps).toBeGreaterThanOrEqual(10_000)
  })
})

describe('both sides start at once', () => {
  const orders = [
    [0, 0, 1, 1],
    [0, 1, 0, 1],
    [1, 1, 0, 0],
    [1, 0, 0, 1],
  ]

  test.each(orders)('two devices, delivered in the order %d %d %d %d', (...order) => {
    for (const protocol of [axolotl, omemo2]) {
      const network = crossed(protocol, ['list', 'list'], order)
      expect(network.log.map(({ result }) => result)).not.toContain('message-authentication-failed')
      expect(network.exchange(0, 1)).toBe('opened')
      expect(network.exchange(1, 0)).toBe('opened')
    }
  })

  test.each(orders)('a peer with one session, delivered in the order %d %d %d %d', (...order) => {
    for (const protocol of [axolotl, omemo2]) {
      const network = crossed(protocol, ['list', 'single'], order)
      expect(network.exchange(1, 0)).toBe('opened')
      expect(network.exchange(0, 1)).toBe('opened')
    }
  })

  test('two peers with one session never find each other again', () => {
    const network = crossed(omemo2, ['single', 'single'], [0, 1, 0, 1])
    for (let round = 0; round < 10; round++) {
      expect(network.exchange(0, 1)).toBe('message-authentication-failed')
      expect(network.exchange(1, 0)).toBe('message-authentication-failed')
    }
  })
})

describe.each([axolotl, omemo2])(
  'a peer with the one session that we would not take, $namespace',
  (protocol) => {
    test('it starts twice before it hears that we have started, and takes ours', () => {
      const network = new Network(protocol, ['list', 'single'])
      network.send(1, 0)
      network.replace(1, 0)
      network.send(1, 0)
      network.send(0, 1)
      network.drain()
      expectConverged(network)
    })

    test('we start twice, and it hears of that in the other order', () => {
      const network = new Network(protocol, ['list', 'single'])
      network.send(0, 1)
      network.replace(0, 1)
      const second = network.send(0, 1)
      network.take(network.waiting.indexOf(second), 'waiting')
      network.deliver(second, 'live')
      network.drain()
      expectConverged(network)
    })
  },
)

/** Both send two messages before either has received one. */
function crossed(protocol: Protocol, kinds: readonly Kind[], order: readonly number[]): Network {
  const network = new Network(protocol, kinds)
  for (const from of [0, 1, 0, 1]) network.send(from, 1 - from)
  for (const from of order) {
    const index = network.waiting.findIndex((envelope) => envelope.from === from)
    const envelope = network.take(index, 'waiting')
    if (envelope !== undefined) network.deliver(envelope, 'live')
  }
  network.drain()
  return network
}
