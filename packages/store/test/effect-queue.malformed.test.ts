import { describe, expect, test } from 'vitest'
import { add, effect, recorder, world } from './effect-world.ts'

describe('a record that is malformed', () => {
  const damaged = Uint8Array.of(2, 1, 2, 3)
  const rows = [
    ['an effect', 'effects/lane/a/publish/1', { lane: 'a', kind: 'publish', key: '1' }],
    [
      'a key with a name too many',
      'effects/lane/a/publish/2/x',
      { lane: 'a', kind: '', key: 'a/publish/2/x' },
    ],
    ['a key with a name too few', 'effects/lane/a', { lane: 'a', kind: '', key: 'a' }],
  ] as const

  test.each(rows)('%s is parked, kept and told; all else goes on', async (_, key, told) => {
    const w = world()
    const { log, handle } = recorder()
    const queue = w.tab(handle)
    const keys = ['1', '2', '3']
    await add(w.store, queue, ...keys.flatMap((k) => [effect('a', k), effect('b', k)]))
    await w.store.commit([], { put: [[key, damaged]] })
    const run = await queue.run()
    expect(run.failed).toEqual([
      {
        effect: expect.objectContaining({ ...told, parked: true, malformed: true }),
        error: expect.objectContaining({ name: 'StoreError', code: 'record-malformed' }),
      },
    ])
    expect(run.nextDue).toBe(undefined)
    const done = ['a:1', 'a:2', 'a:3', 'b:1', 'b:2', 'b:3']
    expect([...log].sort()).toEqual(done.slice(told.key === '1' ? 1 : 0))
    expect(await queue.list()).toEqual([run.failed[0]!.effect])
    // It may be of a later version: retrying does not write over it.
    await queue.retry()
    expect((await w.store.list('')).entries).toEqual([[key, damaged]])
    await queue.discard(await queue.list())
    expect((await w.store.list('')).entries).toEqual([])
  })

  test('is replaced by an effect of the same name', async () => {
    const w = world()
    const { log, handle } = recorder()
    const queue = w.tab(handle)
    await w.store.commit([], { put: [['effects/lane/a/publish/1', damaged]] })
    await add(w.store, queue, effect('a', '1'), effect('a', '2'))
    expect((await queue.run()).failed).toEqual([])
    expect(log).toEqual(['a:1', 'a:2'])
  })

  test('as a lease is none', async () => {
    const w = world()
    const { log, handle } = recorder()
    const queue = w.tab(handle)
    await add(w.store, queue, effect('a', '1'), effect('b', '1'))
    await w.store.commit([], { put: [['effects/lease/a', damaged]] })
    await queue.run()
    expect([...log].sort()).toEqual(['a:1', 'b:1'])
    expect((await w.store.list('')).entries).toEqual([])
  })
})
