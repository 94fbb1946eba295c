import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { flaky } from '../src/conformance.ts'
import {
  BACKOFF_MAX_MS,
  BACKOFF_MIN_MS,
  EFFECT_ATTEMPTS,
  effectQueue,
  LANES_AT_ONCE,
  LEASE_MS,
  memoryStore,
  type QueuedEffect,
  type Store,
  UNKNOWN_ATTEMPTS,
  update,
} from '../src/index.ts'
import { add, drain, effect, name, recorder, settled, type World, world } from './effect-world.ts'

const effects = [effect('a', '1'), effect('a', '2'), effect('b', '1'), effect('a', '3')]

/** First the order of first times, then how often each was done. */
function judge(log: readonly string[], times: number): void {
  const first = [...new Set(log)]
  expect(first.filter((one) => one.startsWith('a'))).toEqual(['a:1', 'a:2', 'a:3'])
  expect(first.filter((one) => one.startsWith('b'))).toEqual(['b:1'])
  for (const one of first) expect(log.filter((other) => other === one).length).toBeLessThanOrEqual(times)
}

/** The life of a process: a state is committed with its effects, and the effects are run. */
async function live(w: World, store: Store, handle: (one: QueuedEffect) => Promise<void>): Promise<void> {
  const queue = w.tab(handle, store)
  await update(store, ['state'], async ([state], reader) => {
    if (state) return { result: undefined }
    const put = await queue.add(reader, effects)
    return { put: [['state', Uint8Array.of(1)] as const, ...put], result: undefined }
  })
  await queue.run()
}

/** A process that dies at its nth step: nothing it waits for comes back, and nothing more is done. */
function mortal(store: Store, dies: number) {
  let steps = 0
  let die: () => void = () => {}
  const death = new Promise<'died'>((resolve) => {
    die = () => resolve('died')
  })
  const step = async (): Promise<void> => {
    if (steps++ < dies) return
    die()
    await new Promise(() => {})
  }
  // Death before the work, and death after the work but before its answer.
  const around = async <T>(work: () => Promise<T>): Promise<T> => {
    await step()
    const answer = await work()
    await step()
    return answer
  }
  const view: Store = {
    read: (keys) => around(() => store.read(keys)),
    list: (prefix) => around(() => store.list(prefix)),
    commit: (tokens, batch) => around(() => store.commit(tokens, batch)),
  }
  return { view, death, around }
}

describe('a process dies', () => {
  test('at every await of every store call and handler: all is done, in order, at most twice', async () => {
    let dies = 0
    for (let finished = false; !finished; dies++) {
      const w = world()
      const log: string[] = []
      const handle = async (one: QueuedEffect): Promise<void> => void log.push(name(one))
      const { view, death, around } = mortal(w.store, dies)
      const life = live(w, view, (one) => around(() => handle(one)))
      finished = (await Promise.race([life, death])) !== 'died'
      const [state] = await w.store.read(['state'])
      const { entries } = await w.store.list('effects/')
      if (!state!.value) expect(entries).toEqual([])
      // The next process: it does not know of the last one.
      w.advance(LEASE_MS)
      await live(w, w.store, handle)
      await drain(w, w.tab(handle))
      judge(log, 2)
      expect((await w.store.list('effects/')).entries).toEqual([])
    }
    expect(dies).toBeGreaterThan(50)
  })

  test('twice, at any two awaits: all is done, in order, at most three times', async () => {
    const points = fc.tuple(fc.nat(80), fc.nat(80))
    await fc.assert(
      fc.asyncProperty(points, async (lives) => {
        const w = world()
        const log: string[] = []
        const handle = async (one: QueuedEffect): Promise<void> => void log.push(name(one))
        for (const dies of lives) {
          const { view, death, around } = mortal(w.store, dies)
          const life = live(w, view, (one) => around(() => handle(one)))
          await Promise.race([life, death])
          w.advance(LEASE_MS)
        }
        await live(w, w.store, handle)
        await drain(w, w.tab(handle))
        judge(log, 3)
      }),
      { numRuns: 60 },
    )
  })

  test('by the effect itself, each time: it is backed off, parked at last, and the next one is done', async () => {
    const w = world()
    const { log, handle } = recorder()
    let time = w.clock.now()
    const clock = { now: () => time, after: () => () => {} }
    const process = () =>
      effectQueue({
        store: w.store,
        clock,
        random: w.random,
        handle: (...given) => (given[0].key === 'deadly' ? new Promise(() => {}) : handle(...given)),
      })
    await add(w.store, process(), effect('a', 'deadly'), effect('a', 'next'))
    for (let n = 1; n <= EFFECT_ATTEMPTS; n++) {
      void process().run()
      await settled()
      expect((await process().list())[0]).toMatchObject({ attempts: n, parked: n === EFFECT_ATTEMPTS })
      time += LEASE_MS + Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** n)
    }
    expect(log).toEqual([])
    await process().run()
    expect(log).toEqual(['a:next'])
  })
})

describe('the store fails without saying whether it wrote', () => {
  test.each(['lost', 'unsaid', 'late'] as const)(
    'any one commit is %s: all is done, in order',
    async (fate) => {
      for (let bad = 0; bad < 12; bad++) {
        const w = world()
        const log: string[] = []
        const store = flaky(w.store, (n) => (n === bad ? fate : 'fine'))
        const handle = async (one: QueuedEffect): Promise<void> => void log.push(name(one))
        await live(w, store, handle)
        // In the same run: nothing waits for a lease to end.
        expect(log.length).toBe(effects.length)
        judge(log, 1)
        expect((await w.store.list('effects/')).entries).toEqual([])
      }
    },
  )

  test('at the last attempt: it is made all the same, and no other effect is taken for it', async () => {
    const w = world()
    const { log, handle } = recorder()
    const failing = w.tab(() => Promise.reject(new Error('network')))
    await add(w.store, failing, effect('a', 'last'), effect('a', 'next'))
    for (let n = 1; n < EFFECT_ATTEMPTS; n++) {
      const { nextDue } = await failing.run()
      w.advance(nextDue!.getTime() - w.clock.now())
    }
    await w
      .tab(
        handle,
        flaky(w.store, (n) => (n === 0 ? 'unsaid' : 'fine')),
      )
      .run()
    expect(log).toEqual(['a:last', 'a:next'])
    expect((await w.store.list('')).entries).toEqual([])
  })

  test('in one lane only: the others are done before the run rejects', async () => {
    const w = world()
    const { log, handle } = recorder()
    const store: Store = {
      ...w.store,
      async commit(tokens, batch) {
        if (batch.put?.some(([key]) => key === 'effects/lease/0')) throw new Error('disk')
        return w.store.commit(tokens, batch)
      },
    }
    const slow = w.tab(async (...given) => {
      await settled()
      await handle(...given)
    }, store)
    const lanes = Array.from({ length: 2 * LANES_AT_ONCE }, (_, lane) => effect(`${lane}`, 'x'))
    await add(w.store, slow, ...lanes)
    await expect(slow.run()).rejects.toMatchObject({
      code: 'outcome-unknown',
      cause: { errors: Array(UNKNOWN_ATTEMPTS).fill(new Error('disk')) },
    })
    expect(log.length).toBe(lanes.length - 1)
  })

  test('for ever: the run rejects, and the next one goes on', async () => {
    const w = world()
    const log: string[] = []
    let broken = false
    const store = flaky(w.store, () => (broken ? 'lost' : 'fine'))
    const queue = w.tab(async (one) => {
      log.push(name(one))
      broken = log.length === 2
    }, store)
    await add(w.store, queue, ...effects)
    await expect(queue.run()).rejects.toMatchObject({ code: 'outcome-unknown' })
    broken = false
    w.advance(LEASE_MS)
    await drain(w, queue)
    judge(log, 2)
  })
})

describe('two tabs, in any order of their steps', () => {
  test('do each effect once, never two of a lane at once, and in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const w = world(memoryStore())
        const log: string[] = []
        const busy = new Set<string>()
        const step = (what: string): Promise<void> => scheduler.schedule(Promise.resolve(), what)
        const view = (tab: string): Store => ({
          async read(keys) {
            await step(`${tab} read`)
            return w.store.read(keys)
          },
          async list(prefix) {
            await step(`${tab} list`)
            return w.store.list(prefix)
          },
          async commit(tokens, batch) {
            await step(`${tab} commit`)
            return w.store.commit(tokens, batch)
          },
        })
        const handle = async (one: QueuedEffect): Promise<void> => {
          expect(busy.has(one.lane)).toBe(false)
          busy.add(one.lane)
          await step(`handle ${name(one)}`)
          busy.delete(one.lane)
          log.push(name(one))
        }
        const [a, b] = ['a', 'b'].map((tab) => w.tab(handle, view(tab)))
        await add(w.store, a!, ...effects)
        const runs = Promise.all([a!.run(), b!.run()])
        await scheduler.waitFor(runs)
        await drain(w, w.tab(handle, w.store)).catch(() => {})
        await scheduler.waitFor(Promise.resolve())
        judge(log, 1)
        expect(log.length).toBe(effects.length)
      }),
      { numRuns: 100 },
    )
  })
})
