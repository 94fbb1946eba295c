import { describe, expect, test } from 'vitest'
import {
  BACKOFF_MAX_MS,
  BACKOFF_MIN_MS,
  EFFECT_AGE_MS,
  EFFECT_ATTEMPTS,
  EFFECT_MS,
  effectQueue,
  LANES_AT_ONCE,
  LEASE_MS,
  MAX_EFFECT_BYTES,
  MAX_LANE_EFFECTS,
  memoryStore,
  type Store,
  scoped,
  update,
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

describe('adding', () => {
  test('an effect is there if, and only if, the state that caused it is', async () => {
    const w = world()
    const queue = w.tab(never)
    const change = async (fails: boolean) =>
      update(w.store, ['state'], async (_, reader) => {
        const queued = await queue.add(reader, [effect('a', '1')])
        if (fails) throw new Error('no')
        return { put: [['state', Uint8Array.of(1)] as const, ...queued], result: undefined }
      })
    await expect(change(true)).rejects.toThrow('no')
    expect((await w.store.list('')).entries).toEqual([])
    await change(false)
    expect((await queue.list()).map(name)).toEqual(['a:1'])
  })

  test('two at once in one lane get different places', async () => {
    const w = world()
    const { log, handle } = recorder()
    const queue = w.tab(handle)
    await Promise.all([1, 2, 3, 4, 5].map((n) => add(w.store, queue, effect('a', `${n}`))))
    await queue.run()
    expect(log.sort()).toEqual(['a:1', 'a:2', 'a:3', 'a:4', 'a:5'])
  })

  test('one of the same name withdraws the one that waits and goes to the end', async () => {
    const w = world()
    const seen: string[] = []
    const queue = w.tab(async (one) => void seen.push(`${one.key}${one.payload[0]}`))
    await add(w.store, queue, effect('a', 'x', 1), effect('a', 'y', 1), effect('b', 'x', 1))
    await add(w.store, queue, effect('a', 'x', 2))
    await add(
      w.store,
      queue,
      { ...effect('a', 'x', 3), kind: 'other' },
      effect('a', 'z', 1),
      effect('a', 'z', 2),
    )
    expect((await queue.list()).map(({ lane, key, payload }) => `${lane}${key}${payload[0]}`)).toEqual([
      ...['ay1', 'ax2', 'ax3', 'az2', 'bx1'],
    ])
    await queue.run()
    expect(seen.filter((one) => one !== 'x1')).toEqual(['y1', 'x2', 'x3', 'z2'])
  })

  test('names may have any character of a key, and stay what they are', async () => {
    const w = world()
    const names = [
      { lane: 'юлия@capulet.lit/балкон', kind: 'a/b', key: '' },
      { lane: '%2F', kind: '%', key: '//' },
      { lane: '/', kind: '%25', key: '👩' },
    ]
    const seen: unknown[] = []
    const queue = w.tab(async ({ lane, kind, key }) => void seen.push({ lane, kind, key }))
    await add(w.store, queue, ...names.map((one) => ({ ...one, payload: new Uint8Array(0) })))
    await queue.run()
    expect(seen).toEqual(expect.arrayContaining(names))
    expect(seen.length).toBe(3)
    expect((await w.store.list('')).entries).toEqual([])
  })

  test.each([
    ['an empty lane', effect('', 'x'), RangeError],
    ['an empty kind', { ...effect('a', 'x'), kind: '' }, RangeError],
    ['a control character', effect('a\n', 'x'), TypeError],
    ['names that are too long', effect('a'.repeat(3000), 'x'), RangeError],
    ['no bytes', { ...effect('a', 'x'), payload: 'text' as never }, TypeError],
    ['too many bytes', { ...effect('a', 'x'), payload: new Uint8Array(MAX_EFFECT_BYTES + 1) }, RangeError],
  ])('%s is refused', async (_, wrong, error) => {
    const w = world()
    await expect(add(w.store, w.tab(never), wrong)).rejects.toThrow(error)
  })

  test('MAX_EFFECT_BYTES fit', async () => {
    const w = world()
    const payload = new Uint8Array(MAX_EFFECT_BYTES).fill(7)
    let seen = new Uint8Array(0)
    const queue = w.tab(async (one) => {
      seen = one.payload
    })
    await add(w.store, queue, { ...effect('a', 'x'), payload })
    await queue.run()
    expect([seen.length, seen.every((byte) => byte === 7)]).toEqual([MAX_EFFECT_BYTES, true])
  })

  test('MAX_LANE_EFFECTS wait in a lane, and not one more; another lane has room', async () => {
    const w = world()
    const queue = w.tab(never)
    const many = Array.from({ length: MAX_LANE_EFFECTS }, (_, i) => effect('a', `${i}`))
    await add(w.store, queue, ...many)
    await expect(add(w.store, queue, effect('a', 'more'))).rejects.toMatchObject({ code: 'lane-full' })
    await add(w.store, queue, effect('a', '7'), effect('b', 'more'))
    expect((await queue.list()).length).toBe(MAX_LANE_EFFECTS + 1)
  })
})

describe('running', () => {
  test('keeps the order of each lane, and tells what it did', async () => {
    const w = world()
    const { log, handle } = recorder(({ key }) => key === 'fails')
    const queue = w.tab(handle)
    await add(w.store, queue, ...['3', '1', '2'].flatMap((key) => [effect('a', key), effect('b', key)]))
    await add(w.store, queue, effect('b', 'fails'), effect('b', '4'))
    const run = await queue.run()
    expect(log.filter((one) => one.startsWith('a'))).toEqual(['a:3', 'a:1', 'a:2'])
    expect(log.filter((one) => one.startsWith('b'))).toEqual(['b:3', 'b:1', 'b:2'])
    expect(run.done.map(name).sort()).toEqual([...log].sort())
    expect(run.failed.map((f) => [name(f.effect), f.error])).toEqual([['b:fails', new Error('network')]])
    expect((await queue.list()).map(name)).toEqual(['b:fails', 'b:4'])
  })

  test('nothing waits: no nextDue', async () => {
    const w = world()
    expect(await w.tab(never).run()).toEqual({ done: [], failed: [] })
  })

  test('an effect gets its options and its data', async () => {
    const w = world()
    const seen: unknown[] = []
    const { signal } = new AbortController()
    const queue = w.tab(async (...given) => void seen.push(given))
    await add(w.store, queue, effect('a', 'x', 5))
    await queue.run({ signal })
    expect(seen).toEqual([
      [
        expect.objectContaining({
          ...effect('a', 'x', 5),
          queuedAt: new Date(START),
          attempts: 1,
          parked: false,
        }),
        { signal, timeoutMs: EFFECT_MS },
      ],
    ])
  })

  test('a handler that throws at once is one that rejects', async () => {
    const w = world()
    const queue = w.tab(() => {
      throw new Error('at once')
    })
    await add(w.store, queue, effect('a', 'x'))
    expect((await queue.run()).failed.length).toBe(1)
  })

  test('what a handler adds under the same name while at work is done afterwards', async () => {
    const w = world()
    const seen: number[] = []
    const queue = w.tab(async ({ payload }) => {
      seen.push(payload[0]!)
      if (payload[0] === 1) await add(w.store, queue, effect('a', 'x', 2))
    })
    await add(w.store, queue, effect('a', 'x', 1))
    await drain(w, queue)
    expect(seen).toEqual([1, 2])
  })

  test('LANES_AT_ONCE lanes are worked on at once, and all in the end', async () => {
    const w = world()
    let [now, most, done] = [0, 0, 0]
    const queue = w.tab(async () => {
      most = Math.max(most, ++now)
      await settled()
      now--
      done++
    })
    const lanes = 3 * LANES_AT_ONCE
    for (let lane = 0; lane < lanes; lane++) await add(w.store, queue, effect(`${lane}`, 'x'))
    await queue.run()
    expect([most, done]).toEqual([LANES_AT_ONCE, lanes])
  })

  test('queues of different names and scopes do not meet', async () => {
    const store = memoryStore()
    const w = world(store)
    const logs = [recorder(), recorder(), recorder()]
    const options = { clock: w.clock, random: w.random }
    const queues = [
      effectQueue({ ...options, store, name: 'a', handle: logs[0]!.handle }),
      effectQueue({ ...options, store, name: 'a/lane', handle: logs[1]!.handle }),
      effectQueue({ ...options, store: scoped(store, 'b'), name: 'a', handle: logs[2]!.handle }),
    ]
    await add(store, queues[0]!, effect('x', '0'))
    await add(store, queues[1]!, effect('x', '1'))
    await add(scoped(store, 'b'), queues[2]!, effect('x', '2'))
    for (const queue of queues) await queue.run()
    expect(logs.map(({ log }) => log)).toEqual([['x:0'], ['x:1'], ['x:2']])
  })
})

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
