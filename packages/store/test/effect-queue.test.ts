import { describe, expect, expectTypeOf, test } from 'vitest'
import { decodeEffect, encodeEffect } from '../src/effect-codec.ts'
import {
  type EffectQueueOptions,
  effectQueue,
  type HandleOptions,
  LANES_AT_ONCE,
  MAX_EFFECT_BYTES,
  MAX_LANE_BYTES,
  MAX_LANE_EFFECTS,
  memoryStore,
  type QueuedEffect,
  REQUEST_MS,
  type Signal,
  type Store,
  scoped,
  update,
} from '../src/index.ts'
import { add, drain, effect, name, recorder, START, settled, world } from './effect-world.ts'

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

  test('twice in one update is refused, since both would get one place; each try of an update may', async () => {
    const w = world()
    const queue = w.tab(never)
    const twice = update(w.store, [], async (_, reader) => {
      const put = [
        ...(await queue.add(reader, [effect('a', '1')])),
        ...(await queue.add(reader, [effect('a', '2')])),
      ]
      return { put, result: undefined }
    })
    await expect(twice).rejects.toThrow(TypeError)
    expect(await queue.list()).toEqual([])
    await add(w.store, queue, effect('a', '3'))
    expect((await queue.list()).map(({ key }) => key)).toEqual(['3'])
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
      { lane: '&s', kind: '&', key: '//' },
      { lane: '/', kind: '&a', key: '👩' },
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

  test('MAX_LANE_BYTES wait in a lane, and not one more; what is withdrawn makes room', async () => {
    const w = world()
    const queue = w.tab(never)
    const sized = (lane: string, key: string, bytes: number) => ({
      ...effect(lane, key),
      payload: new Uint8Array(bytes),
    })
    // 38 bytes of each record are its header.
    const whole = MAX_EFFECT_BYTES + 38
    const count = Math.floor(MAX_LANE_BYTES / whole)
    const rest = MAX_LANE_BYTES - count * whole - 38
    for (let n = 0; n < count; n++) await add(w.store, queue, sized('a', `${n}`, MAX_EFFECT_BYTES))
    const full = { name: 'StoreError', code: 'lane-full' }
    await expect(add(w.store, queue, sized('a', 'rest', rest + 1))).rejects.toMatchObject(full)
    await add(w.store, queue, sized('a', 'rest', rest))
    await expect(add(w.store, queue, sized('a', 'more', 0))).rejects.toMatchObject(full)
    await expect(add(w.store, queue, sized('a', 'rest', rest + 1))).rejects.toMatchObject(full)
    await add(
      w.store,
      queue,
      sized('a', '0', MAX_EFFECT_BYTES - 38),
      sized('a', 'more', 0),
      sized('b', '0', 1),
    )
    expect((await queue.list()).length).toBe(count + 3)
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
    expect(w.timers()).toBe(0)
    expect(seen).toEqual([
      [
        expect.objectContaining({
          ...effect('a', 'x', 5),
          queuedAt: new Date(START),
          attempts: 1,
          parked: false,
        }),
        { signal, timeoutMs: REQUEST_MS },
      ],
    ])
  })

  test('a request takes what a handler gets, as it is', async () => {
    // As `RequestOptions` of a `Connection` are; this package imports no sibling.
    interface RequestOptions {
      readonly signal?: Signal
      readonly timeoutMs?: number
    }
    expectTypeOf<HandleOptions>().toExtend<RequestOptions>()
    expectTypeOf<AbortSignal>().toExtend<Signal>()
    const w = world()
    const seen: RequestOptions[] = []
    const request = (options: RequestOptions) => void seen.push(options)
    const queue = w.tab(async (_, { signal, timeoutMs }) => request({ signal, timeoutMs }))
    await add(w.store, queue, effect('a', 'x'))
    await queue.run()
    // The run has no signal: the handler has one all the same, which can be listened to and does not abort.
    const [{ signal, timeoutMs } = {}] = seen
    const listener = (): never => expect.unreachable()
    signal!.addEventListener('abort', listener)
    signal!.removeEventListener('abort', listener)
    expect([signal!.aborted, timeoutMs]).toEqual([false, REQUEST_MS])
  })

  test('what is injected may be an object of a class', async () => {
    const w = world()
    class Host implements EffectQueueOptions {
      readonly store = w.store
      readonly clock = w.clock
      readonly #log: string[] = []
      random(length: number): Uint8Array {
        return w.random(this.#log.length + length)
      }
      async handle(one: QueuedEffect): Promise<void> {
        this.#log.push(name(one))
        expect(this.#log).toEqual(['a:x'])
      }
    }
    const queue = effectQueue(new Host())
    await add(w.store, queue, effect('a', 'x'))
    expect((await queue.run()).done.map(name)).toEqual(['a:x'])
  })

  test('reads a lane as a whole but once, and then each effect alone', async () => {
    const w = world()
    const lane = 200
    let records = 0
    const counting: Store = {
      ...w.store,
      async read(keys) {
        records += keys.length
        return w.store.read(keys)
      },
      async list(prefix) {
        const listing = await w.store.list(prefix)
        records += listing.entries.length
        return listing
      },
    }
    const { log, handle } = recorder()
    const queue = w.tab(handle, counting)
    await add(w.store, queue, ...Array.from({ length: lane }, (_, n) => effect('a', `${n}`)))
    await queue.run()
    expect(log.length).toBe(lane)
    // Planning and the first effect list the lane; beginning and settling read the lease and the effect.
    expect(records).toBeLessThanOrEqual(2 * lane + 4 * lane + 4)
  })

  test.each(['discarded', 'withdrawn', 'parked'] as const)(
    'does not do in its turn what was %s while the one before it was at work',
    async (fate) => {
      const w = world()
      const seen: string[] = []
      const key = 'effects/lane/a/publish/2'
      const queue = w.tab(async (one) => {
        seen.push(`${one.key}${one.payload[0]}`)
        if (one.key !== '1') return
        if (fate === 'discarded') await queue.discard([effect('a', '2')])
        if (fate === 'withdrawn') await add(w.store, queue, effect('a', '2', 1))
        // As another tab leaves it that had its turn in between.
        if (fate === 'parked')
          await update(w.store, [key], ([bytes]) => {
            const parked = encodeEffect({ ...decodeEffect('a/publish/2', bytes!), parked: true })
            return { put: [[key, parked]], result: undefined }
          })
        await add(w.store, queue, effect('a', '4'))
      })
      await add(w.store, queue, ...['1', '2', '3'].map((name) => effect('a', name)))
      await queue.run()
      expect(seen).toEqual(fate === 'withdrawn' ? ['10', '30', '21', '40'] : ['10', '30', '40'])
    },
  )

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
