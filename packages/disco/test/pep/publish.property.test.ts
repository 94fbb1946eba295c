import { ns } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_PUBLISH_REQUESTS, type NodeConfig, PepError, publish } from '../../src/pep.ts'
import { connected } from './connection.ts'
import { type Limits, type Node, STANDARD, service } from './service.ts'

const payload = ns('urn:example')('key')

const limits: fc.Arbitrary<Limits> = fc.record({
  options: fc.boolean(),
  optionFields: fc
    .subarray<keyof NodeConfig>(['persist', 'maxItems', 'sendLast'])
    .map((some): readonly (keyof NodeConfig)[] => ['access', ...some]),
  autoCreate: fc.boolean(),
  create: fc.constantFrom('obeyed', 'ignored', 'refused'),
  access: fc.constantFrom('obeyed', 'obeyed', 'ignored', 'refused'),
  room: fc.constantFrom(1, 10, 256, 1000),
  max: fc.boolean(),
})

const access = fc.constantFrom('open', 'presence', 'whitelist')
const maxItems = fc.constantFrom<(number | 'max')[]>('max', 1, 5, 100, 5000)
const wanted: fc.Arbitrary<NodeConfig> = fc.record(
  { access, persist: fc.boolean(), maxItems, sendLast: fc.constantFrom('never', 'on_sub') },
  { requiredKeys: [] },
)
const held: fc.Arbitrary<NodeConfig | undefined> = fc.option(
  fc.record({
    access,
    persist: fc.boolean(),
    maxItems: fc.constantFrom(1, 10),
    sendLast: fc.constant('never'),
  }),
  { nil: undefined },
)

const nodes = (config: NodeConfig | undefined): Map<string, Node> =>
  new Map(config ? [['node', { config, items: new Map() }]] : [])

/** What of `wanted` is not so at the node, told without the code under test. */
function missingAt(node: Node | undefined, wanted: NodeConfig): string[] {
  const config = node?.config ?? {}
  return Object.entries(wanted)
    .filter(([key, value]) => {
      if (key !== 'maxItems') return config[key as keyof NodeConfig] !== value
      const rank = (n: unknown) => (n === 'max' ? Number.POSITIVE_INFINITY : Number(n))
      return rank(config.maxItems) < rank(value)
    })
    .map(([key]) => key)
}

test('whatever a service can do: published as wanted or not at all, and the result says what is missing', async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(limits, held, wanted, async (limits, held, wanted) => {
      const world = nodes(held)
      const { connection, requests } = connected(service(limits, world))
      const result = await publish(connection, 'node', { id: 'a', payload }, wanted).catch((error) => error)
      const node = world.get('node')
      expect(requests.length).toBeLessThanOrEqual(MAX_PUBLISH_REQUESTS)
      if (result instanceof PepError) {
        seen.add(result.code)
        expect(['precondition-not-met', 'refused']).toContain(result.code)
        expect(node?.items.has('a') ?? false).toBe(false)
        // It could not be otherwise.
        if (limits.access === 'obeyed') expect(result.code).toBe('refused')
        return
      }
      seen.add(result.steps.join())
      expect(result.steps.length).toBe(requests.length)
      expect(node?.items.has('a')).toBe(true)
      if (wanted.access) expect(node?.items.get('a')).toBe(wanted.access)
      expect([...result.unmet].sort()).toEqual(missingAt(node, wanted).sort())
    }),
    { numRuns: 400 },
  )
  // The property has seen the ladder, not only its first rung.
  expect(seen.size).toBeGreaterThan(12)
})

test('two clients of an account that want the same: neither is refused, and neither pushes the other out', async () => {
  const obedient = limits.map((limits): Limits => ({ ...limits, access: 'obeyed', room: 256, max: true }))
  await fc.assert(
    fc.asyncProperty(obedient, held, fc.scheduler(), async (limits, held, scheduler) => {
      const world = nodes(held)
      const answer = service(limits, world)
      const both = ['a', 'b'].map((id) => {
        const { connection } = connected(answer, () => scheduler.schedule(Promise.resolve()))
        return publish(
          connection,
          'node',
          { id, payload },
          { access: 'open', persist: true, maxItems: 'max' },
        )
      })
      for (const { unmet } of await scheduler.waitFor(Promise.all(both))) expect(unmet).toEqual([])
      const node = world.get('node')
      expect(node?.config).toMatchObject({ access: 'open', persist: true, maxItems: 'max' })
      expect([...(node?.items.values() ?? [])]).toEqual(['open', 'open'])
    }),
    { numRuns: 100 },
  )
})

test('two clients that want different things stop, and nothing is published under the wrong access model', async () => {
  const announcing = limits.map(
    (limits): Limits => ({ ...limits, options: true, access: 'obeyed', room: 256, max: true }),
  )
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(announcing, fc.scheduler(), async (limits, scheduler) => {
      const world = nodes(STANDARD)
      const answer = service(limits, world)
      const both = (['open', 'whitelist'] as const).map(async (access) => {
        const { connection, requests } = connected(answer, () => scheduler.schedule(Promise.resolve()))
        const result = await publish(
          connection,
          'node',
          { id: access, payload },
          { access, maxItems: 'max' },
        ).catch((error) => error)
        expect(requests.length).toBeLessThanOrEqual(MAX_PUBLISH_REQUESTS)
        return result instanceof PepError ? result.code : 'published'
      })
      const outcomes = await scheduler.waitFor(Promise.all(both))
      seen.add(outcomes.join())
      for (const outcome of outcomes) expect(['published', 'precondition-not-met']).toContain(outcome)
      const items = [...(world.get('node')?.items ?? [])]
      expect(items.length).toBe(outcomes.filter((outcome) => outcome === 'published').length)
      for (const [id, access] of items) expect(access).toBe(id)
    }),
    { numRuns: 100 },
  )
  expect(seen.size).toBeGreaterThan(1)
})
