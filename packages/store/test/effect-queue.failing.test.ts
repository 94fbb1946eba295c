import { describe, expect, test } from 'vitest'
import {
  BACKOFF_MAX_MS,
  BACKOFF_MIN_MS,
  EFFECT_AGE_MS,
  EFFECT_ATTEMPTS,
  EFFECT_MS,
  effectQueue,
  LEASE_MS,
  REQUEST_MS,
  type Store,
} from '../src/index.ts'
import {
  add,
  deferred,
  drain,
  effect,
  type Handle,
  name,
  recorder,
  START,
  settled,
  world,
} from './effect-world.ts'

const DAY = 86_400_000
const never = (): Promise<void> => Promise.reject(new Error('network'))

describe('failing', () => {
  test('is followed by a wait that doubles up to an hour, with jitter, and holds up its lane only', async () => {
    const w = world()
    const { log, handle } = recorder(({ key }) => key === 'bad')
    const queue = w.tab(handle)
    await add(w.store, queue, effect('a', 'bad'), effect('a', 'next'), effect('b', 'x'))
    const waits: number[] = []
    for (let n = 0; n < 20; n++) {
      const { nextDue } = await queue.run()
      const wait = nextDue!.getTime() - w.clock.now()
      waits.push(wait)
      const whole = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** n)
      expect(wait).toBeGreaterThanOrEqual(whole / 2)
      expect(wait).toBeLessThanOrEqual(whole)
      w.advance(wait - 1)
      expect((await queue.run()).failed).toEqual([])
      w.advance(1)
    }
    expect(log).toEqual(['b:x'])
    expect(new Set(waits.map((wait, n) => wait / 2 ** Math.min(n, 12))).size).toBe(20)
  })

  test('EFFECT_ATTEMPTS times parks an effect, keeps it, and lets the next one through', async () => {
    const w = world()
    const { log, handle } = recorder(({ key }) => key === 'bad')
    const queue = w.tab(handle)
    await add(w.store, queue, effect('a', 'bad'), effect('a', 'next'))
    for (let n = 0; n < EFFECT_ATTEMPTS - 1; n++) {
      const { nextDue } = await queue.run()
      w.advance(nextDue!.getTime() - w.clock.now())
    }
    expect(log).toEqual([])
    expect((await queue.list()).map(({ parked, attempts }) => [parked, attempts])).toEqual([
      [false, EFFECT_ATTEMPTS - 1],
      [false, 0],
    ])
    const run = await queue.run()
    expect([run.failed.map((f) => f.effect.parked), run.done.map(name), run.nextDue]).toEqual([
      [true],
      ['a:next'],
      undefined,
    ])
    expect((await queue.list()).map((one) => [name(one), one.parked])).toEqual([['a:bad', true]])
    w.advance(365 * DAY)
    expect((await queue.run()).failed).toEqual([])
    expect((await queue.list()).length).toBe(1)
  })

  test('EFFECT_ATTEMPTS times takes 4095 s and 187 hours without jitter', async () => {
    const w = world()
    const random = (length: number): Uint8Array => new Uint8Array(length).fill(0xff)
    const queue = effectQueue({ store: w.store, clock: w.clock, random, handle: never })
    await add(w.store, queue, effect('a', 'x'))
    await drain(w, queue)
    expect((await queue.list())[0]).toMatchObject({ parked: true, attempts: EFFECT_ATTEMPTS })
    expect(w.clock.now() - START).toBe(4_095_000 + 187 * BACKOFF_MAX_MS)
  })

  test('at more than EFFECT_AGE_MS parks an effect, but not before it has been tried', async () => {
    const w = world()
    const queue = w.tab(never)
    await add(w.store, queue, effect('a', 'x'))
    w.advance(EFFECT_AGE_MS)
    await queue.run()
    expect((await queue.list())[0]).toMatchObject({ parked: false, attempts: 1 })
    w.advance(BACKOFF_MIN_MS)
    await queue.run()
    expect((await queue.list())[0]).toMatchObject({ parked: true, attempts: 2 })
  })

  test('for a month loses nothing; when the network is back all is done in order', async () => {
    const w = world()
    let online = false
    const { log, handle } = recorder(() => !online)
    const queue = w.tab(handle)
    const names: string[] = []
    for (let day = 0; day < 30; day++) {
      const added = [effect('a', `${day}`), effect(`b${day % 3}`, `${day}`)]
      names.push(...added.map(name))
      await add(w.store, queue, ...added)
      for (let n = 0; n < 4; n++) {
        await queue.run()
        w.advance(6 * 3_600_000)
      }
    }
    expect((await queue.list()).map(name).sort()).toEqual([...names].sort())
    online = true
    await queue.retry()
    await drain(w, queue)
    for (const lane of ['a', 'b0', 'b1', 'b2']) {
      const inLane = (one: string): boolean => one.startsWith(`${lane}:`)
      expect(log.filter(inLane)).toEqual(names.filter(inLane))
    }
    expect((await w.store.list('')).entries).toEqual([])
  })

  test('retry makes due what waits for its next attempt', async () => {
    const w = world()
    let online = false
    const { log, handle } = recorder(() => !online)
    const queue = w.tab(handle)
    await add(w.store, queue, effect('a', '1'), effect('a', '2'))
    await queue.run()
    online = true
    expect((await queue.run()).done).toEqual([])
    await queue.retry()
    expect((await queue.list()).map(({ attempts }) => attempts)).toEqual([0, 0])
    await queue.run()
    expect(log).toEqual(['a:1', 'a:2'])
  })

  test('discard removes what it is told, and what is not there is no error', async () => {
    const w = world()
    const queue = w.tab(never)
    await add(w.store, queue, effect('a', '1'), effect('a', '2'))
    await queue.discard([effect('a', '1'), effect('a', '1'), effect('b', '1')])
    await queue.discard([])
    expect((await queue.list()).map(name)).toEqual(['a:2'])
  })
})

describe('several tabs', () => {
  test('one works on a lane, the other waits for the lease to end', async () => {
    const w = world()
    const gate = deferred()
    const [first, second] = [recorder(), recorder()]
    const a = w.tab(async (...given) => {
      await first.handle(...given)
      await gate.promise
    })
    const b = w.tab(second.handle)
    await add(w.store, a, effect('x', '1'), effect('x', '2'), effect('y', '1'))
    await a.discard([effect('y', '1')])
    const running = a.run()
    await settled()
    const { nextDue } = await b.run()
    expect([first.log, second.log]).toEqual([['x:1'], []])
    expect(nextDue!.getTime()).toBe(w.clock.now() + LEASE_MS)
    gate.resolve()
    await running
    await b.run()
    expect([first.log, second.log]).toEqual([['x:1', 'x:2'], []])
  })

  test('a lane that is leased between planning and beginning is left alone, whatever has become due in it', async () => {
    const w = world()
    const gate = deferred()
    const a = w.tab(() => gate.promise)
    let running: Promise<unknown> | undefined
    const overtaken: Store = {
      ...w.store,
      async list(prefix) {
        const planned = await w.store.list(prefix)
        if (running) return planned
        running = a.run()
        await settled()
        await add(w.store, a, effect('x', '1', 2))
        return planned
      },
    }
    const { log, handle } = recorder()
    await add(w.store, a, effect('x', '1', 1))
    await w.tab(handle, overtaken).run()
    expect(log).toEqual([])
    gate.resolve()
    await running
    expect(await a.list()).toEqual([])
  })

  test('a tab that died is succeeded when its lease has ended, and not before', async () => {
    const w = world()
    const { log, handle } = recorder()
    const dead = w.tab(() => new Promise(() => {}))
    const living = w.tab(handle)
    await add(w.store, dead, effect('x', '1'))
    void dead.run()
    await settled()
    // Only the store knows: the dead tab's timer is not called.
    const later = { ...w.clock, now: () => START + LEASE_MS - 1 }
    const at = (clock: typeof later) => effectQueue({ store: w.store, clock, random: w.random, handle })
    await at(later).run()
    expect(log).toEqual([])
    await at({ ...later, now: () => START + LEASE_MS }).run()
    expect(log).toEqual(['x:1'])
    expect(await living.list()).toEqual([])
  })

  test('one that comes back after its lease was taken changes nothing', async () => {
    const w = world()
    const gate = deferred()
    const slow = w.tab(() => gate.promise)
    await add(w.store, slow, effect('x', '1', 1))
    const running = slow.run()
    await settled()
    const later = { now: () => START + LEASE_MS, after: () => () => {} }
    const other = deferred()
    const quick = effectQueue({ store: w.store, clock: later, random: w.random, handle: () => other.promise })
    const taken = quick.run()
    await settled()
    gate.resolve()
    await running
    expect((await slow.list()).map(name)).toEqual(['x:1'])
    other.reject(new Error('network'))
    expect((await taken).failed.length).toBe(1)
    expect((await slow.list()).map(name)).toEqual(['x:1'])
  })
})

describe('a handler that does not come back', () => {
  test('fails after EFFECT_MS; its lane stays leased, so that it is not begun a second time beside it', async () => {
    const w = world()
    let begun = 0
    const queue = w.tab(() => {
      begun++
      return new Promise(() => {})
    })
    await add(w.store, queue, effect('x', '1'))
    const running = queue.run()
    await settled()
    w.advance(EFFECT_MS - 1)
    await settled()
    w.advance(1)
    const run = await running
    expect(run.failed.map(({ error }) => error)).toEqual([
      expect.objectContaining({ code: 'effect-timed-out' }),
    ])
    expect(run.nextDue!.getTime()).toBe(START + LEASE_MS)
    await queue.run()
    expect(begun).toBe(1)
    w.advance(LEASE_MS - EFFECT_MS)
    void queue.run()
    await settled()
    expect(begun).toBe(2)
  })

  test('a slow failure is followed by a wait from its end', async () => {
    const w = world()
    const queue = w.tab(async () => {
      w.advance(EFFECT_MS / 2)
      throw new Error('network')
    })
    await add(w.store, queue, effect('x', '1'))
    const { failed, nextDue } = await queue.run()
    expect(failed.length).toBe(1)
    expect(nextDue!.getTime()).toBeGreaterThan(w.clock.now())
  })
})

describe('a handler whose requests get no reply', () => {
  test('has the time to say so itself, also when the second one is lost', async () => {
    const w = world()
    const queue = w.tab(async (_, { timeoutMs }) => {
      for (const fails of [false, true])
        await new Promise<void>((resolve, reject) => {
          w.clock.after(timeoutMs, () => (fails ? reject(new Error('no reply')) : resolve()))
        })
    })
    await add(w.store, queue, effect('x', '1'))
    const running = queue.run()
    for (let request = 0; request < 2; request++) {
      await settled()
      w.advance(REQUEST_MS)
    }
    const { failed, nextDue } = await running
    expect(failed.map(({ error }) => error)).toEqual([new Error('no reply')])
    // The lane is not held by a lease.
    expect(nextDue!.getTime()).toBeLessThanOrEqual(w.clock.now() + BACKOFF_MIN_MS)
  })
})

describe('an abort', () => {
  test('before a run rejects and begins nothing', async () => {
    const w = world()
    const { log, handle } = recorder()
    const queue = w.tab(handle)
    await add(w.store, queue, effect('x', '1'))
    await expect(queue.run({ signal: AbortSignal.abort('enough') })).rejects.toBe('enough')
    expect(log).toEqual([])
  })

  test('during a handler counts as no failure, releases the lane and begins nothing more', async () => {
    const w = world()
    const controller = new AbortController()
    const handle: Handle = (_, { signal }) =>
      new Promise((_resolve, reject) => {
        controller.signal.addEventListener('abort', () => reject(signal!.reason))
        controller.abort('enough')
      })
    const queue = w.tab(handle)
    await add(w.store, queue, effect('x', '1'), effect('x', '2'))
    await expect(queue.run({ signal: controller.signal })).rejects.toBe('enough')
    expect((await queue.list()).map(({ attempts, dueAt }) => [attempts, dueAt.getTime()])).toEqual([
      [0, START],
      [0, START],
    ])
    const { log, handle: other } = recorder()
    await w.tab(other).run()
    expect(log).toEqual(['x:1', 'x:2'])
  })

  test('does not undo what a handler has done all the same', async () => {
    const w = world()
    const controller = new AbortController()
    const queue = w.tab(async () => controller.abort('enough'))
    await add(w.store, queue, effect('x', '1'), effect('x', '2'))
    await expect(queue.run({ signal: controller.signal })).rejects.toBe('enough')
    expect((await queue.list()).map(name)).toEqual(['x:2'])
  })
})

describe('what is injected', () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY])('a clock that says %d is refused', async (now) => {
    const w = world()
    const queue = effectQueue({
      store: w.store,
      clock: { ...w.clock, now: () => now },
      random: w.random,
      handle: never,
    })
    await expect(add(w.store, queue, effect('x', '1'))).rejects.toThrow(TypeError)
    await expect(queue.run()).rejects.toThrow(TypeError)
  })

  test('random bytes that are too few are refused', async () => {
    const w = world()
    const queue = effectQueue({
      store: w.store,
      clock: w.clock,
      random: () => new Uint8Array(3),
      handle: never,
    })
    await expect(queue.run()).rejects.toThrow(TypeError)
  })

  test('a clock that was years ahead for a while does not keep effects and lanes for years', async () => {
    const w = world()
    const ahead = { ...w.clock, now: () => START + 1000 * DAY }
    const wrong = effectQueue({
      store: w.store,
      clock: ahead,
      random: w.random,
      handle: () => new Promise(() => {}),
    })
    await add(w.store, wrong, effect('x', '1'))
    void wrong.run()
    await settled()
    const { log, handle } = recorder()
    await w.tab(handle).run()
    expect(log).toEqual(['x:1'])
  })
})
