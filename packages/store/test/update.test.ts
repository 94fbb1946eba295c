import { describe, expect, test } from 'vitest'
import { flaky } from '../src/conformance.ts'
import { encrypted } from '../src/encrypted.ts'
import {
  type Bytes,
  MAX_KEY_BYTES,
  MAX_VALUE_BYTES,
  memoryStore,
  type Store,
  scoped,
  UNKNOWN_ATTEMPTS,
  UPDATE_ATTEMPTS,
  update,
} from '../src/index.ts'

const increment = ([counter]: readonly (Bytes | undefined)[]) => {
  const next = (counter?.[0] ?? 0) + 1
  return { put: [['counter', Uint8Array.of(next)] as const], result: next }
}

const value = async (store: Store, key = 'counter'): Promise<number | undefined> =>
  (await store.read([key]))[0]!.value?.[0]

/** What `flaky` rejects with. */
const lost = new Error('flaky: the connection to the store was lost')

/** A store that somebody else changes so many times, each time just before a commit. */
const contended = (store: Store, times: number): Store => ({
  ...store,
  async commit(tokens, batch) {
    if (times-- > 0) await update(store, ['counter'], increment)
    return store.commit(tokens, batch)
  },
})

describe('update', () => {
  test('reads, decides, writes, and returns the result', async () => {
    const store = memoryStore()
    expect(await update(store, ['counter'], increment)).toBe(1)
    expect(await update(store, ['counter'], async (values) => increment(values))).toBe(2)
    expect(await value(store)).toBe(2)
  })

  test('wins after UPDATE_ATTEMPTS - 1 lost races', async () => {
    const store = memoryStore()
    const result = await update(contended(store, UPDATE_ATTEMPTS - 1), ['counter'], increment)
    expect(result).toBe(UPDATE_ATTEMPTS)
    expect(await value(store)).toBe(UPDATE_ATTEMPTS)
  })

  test('gives up after UPDATE_ATTEMPTS, having written nothing', async () => {
    const store = memoryStore()
    const promise = update(contended(store, UPDATE_ATTEMPTS), ['counter'], increment)
    await expect(promise).rejects.toMatchObject({ name: 'StoreError', code: 'conflict' })
    expect(await value(store)).toBe(UPDATE_ATTEMPTS)
  })

  test('as many as UPDATE_ATTEMPTS at once all get through', async () => {
    const store = memoryStore()
    const results = await Promise.all(
      Array.from({ length: UPDATE_ATTEMPTS }, () => update(store, ['counter'], increment)),
    )
    expect(results.sort((a, b) => a - b)).toEqual(Array.from({ length: UPDATE_ATTEMPTS }, (_, i) => i + 1))
  })

  test('what is read or listed within counts as read', async () => {
    for (const method of ['read', 'list'] as const) {
      const store = memoryStore()
      let runs = 0
      await update(store, [], async (_, reader) => {
        const found = method === 'read' ? await reader.read(['a/x']) : await reader.list('a/')
        if (runs++ === 0) await store.commit([], { put: [['a/x', Uint8Array.of(7)]] })
        const seen = found[0]?.length === undefined ? 0 : 1
        return { put: [['seen', Uint8Array.of(seen)]], result: undefined }
      })
      expect([method, runs, await value(store, 'seen')]).toEqual([method, 2, 1])
    }
  })

  test('without changes nothing is committed after one reading, and checked after several', async () => {
    const store = memoryStore()
    let commits = 0
    const counting: Store = {
      ...store,
      commit: (tokens, batch) => {
        commits++
        return store.commit(tokens, batch)
      },
    }
    expect(await update(counting, ['a'], () => ({ result: 1 }))).toBe(1)
    expect(commits).toBe(0)
    let runs = 0
    await update(counting, ['a'], async (_, reader) => {
      if (runs++ === 0) await store.commit([], { put: [['a', Uint8Array.of(1)]] })
      await reader.read(['b'])
      return { put: [], delete: [], result: 1 }
    })
    expect([commits, runs]).toEqual([2, 2])
  })

  test('an error of f passes, and nothing is written', async () => {
    const store = memoryStore()
    await update(store, ['counter'], increment)
    const { token } = await store.list('')
    const error = new Error('no')
    const promise = update(store, ['counter'], () => {
      throw error
    })
    await expect(promise).rejects.toBe(error)
    expect(await value(store)).toBe(1)
    expect(await store.commit([token], {})).toBe(true)
  })

  test('an error of f upon readings that contradict each other does not count', async () => {
    const store = memoryStore()
    await store.commit([], {
      put: [
        ['a', Uint8Array.of(1)],
        ['b', Uint8Array.of(1)],
      ],
    })
    let runs = 0
    const result = await update(store, ['a'], async ([a], reader) => {
      const both = [Uint8Array.of(2), Uint8Array.of(2)] as const
      if (runs++ === 0)
        await store.commit([], {
          put: [
            ['a', both[0]],
            ['b', both[1]],
          ],
        })
      const [b] = await reader.read(['b'])
      if (a?.[0] !== b?.[0]) throw new Error('impossible')
      return { result: a?.[0] }
    })
    expect([result, runs]).toEqual([2, 2])
  })

  test('a batch that no store may take is an error of the caller, not an unknown outcome', async () => {
    const store = memoryStore()
    await expect(update(store, [], () => ({ delete: [''], result: 0 }))).rejects.toThrow(RangeError)
    await expect(update(store, [], () => ({ delete: ['a', 'a'], result: 0 }))).rejects.toThrow(TypeError)
  })
})

describe('update, when the store fails', () => {
  test('a read that fails passes; nothing was written', async () => {
    const error = new Error('disk')
    const store: Store = { ...memoryStore(), read: () => Promise.reject(error) }
    await expect(update(store, ['counter'], increment)).rejects.toBe(error)
  })

  test.each(['lost', 'unsaid', 'late'] as const)('UNKNOWN_ATTEMPTS - 1 commits that are %s', async (fate) => {
    const store = memoryStore()
    const promise = update(
      flaky(store, (n) => (n < UNKNOWN_ATTEMPTS - 1 ? fate : 'fine')),
      ['counter'],
      // Recognises its own work, as the contract asks.
      (values) => (values[0] ? { result: values[0][0] } : increment(values)),
    )
    expect(await promise).toBe(1)
    expect(await value(store)).toBe(1)
  })

  test('UNKNOWN_ATTEMPTS commits: the outcome is unknown, and the store said why', async () => {
    let commits = 0
    const store = flaky(memoryStore(), () => {
      commits++
      return 'lost'
    })
    await expect(update(store, ['counter'], increment)).rejects.toMatchObject({
      code: 'outcome-unknown',
      cause: { errors: Array(UNKNOWN_ATTEMPTS).fill(lost) },
    })
    expect(commits).toBe(UNKNOWN_ATTEMPTS)
  })

  test('a commit and then a read: the outcome is unknown', async () => {
    const store = flaky(memoryStore(), () => 'unsaid')
    let reads = 0
    const failing: Store = {
      ...store,
      read: (keys) => (reads++ === 0 ? store.read(keys) : Promise.reject(new Error('disk'))),
    }
    await expect(update(failing, ['counter'], increment)).rejects.toMatchObject({
      code: 'outcome-unknown',
      cause: { errors: [lost, new Error('disk')] },
    })
  })

  test.each(['lost', 'unsaid', 'late'] as const)(
    'a commit that is %s, and then an error of f: the outcome is unknown, and both are its causes',
    async (fate) => {
      const store = memoryStore()
      const error = new Error('there is no second time')
      let runs = 0
      const promise = update(
        flaky(store, () => fate),
        ['counter'],
        (values) => {
          if (runs++ > 0) throw error
          return increment(values)
        },
      )
      await expect(promise).rejects.toMatchObject({
        name: 'StoreError',
        code: 'outcome-unknown',
        cause: { errors: [lost, error] },
      })
      expect(await value(store)).toBe(fate === 'unsaid' ? 1 : undefined)
    },
  )

  test('a commit, and then a batch that no store may take: the outcome is unknown', async () => {
    const store = memoryStore()
    const promise = update(
      flaky(store, () => 'unsaid'),
      ['counter'],
      (values) => (values[0] ? { delete: [''], result: 0 } : increment(values)),
    )
    await expect(promise).rejects.toMatchObject({
      code: 'outcome-unknown',
      cause: { errors: [lost, expect.any(RangeError)] },
    })
    expect(await value(store)).toBe(1)
  })

  test('a lost commit and then only lost races: the outcome is unknown', async () => {
    const store = memoryStore()
    const promise = update(
      flaky(contended(store, UPDATE_ATTEMPTS), (n) => (n === 0 ? 'lost' : 'fine')),
      ['counter'],
      increment,
    )
    await expect(promise).rejects.toMatchObject({ code: 'outcome-unknown' })
  })
})

describe('update, aborted', () => {
  test('before anything: rejects with the reason and does not read', async () => {
    const store: Store = { ...memoryStore(), read: () => Promise.reject(new Error('read')) }
    const signal = AbortSignal.abort('enough')
    await expect(update(store, ['counter'], increment, { signal })).rejects.toBe('enough')
  })

  test('while deciding: nothing is written', async () => {
    const store = memoryStore()
    const controller = new AbortController()
    const promise = update(
      store,
      ['counter'],
      (values) => {
        controller.abort('enough')
        return increment(values)
      },
      { signal: controller.signal },
    )
    await expect(promise).rejects.toBe('enough')
    expect(await value(store)).toBe(undefined)
  })

  test('while committing: what is written is reported', async () => {
    const store = memoryStore()
    const controller = new AbortController()
    const aborting: Store = {
      ...store,
      commit: (tokens, batch) => {
        controller.abort()
        return store.commit(tokens, batch)
      },
    }
    expect(await update(aborting, ['counter'], increment, { signal: controller.signal })).toBe(1)
  })
})

describe('what is too long for a scope or a seal, and not for the store, is refused with nothing written', () => {
  const long = { put: [['x'.repeat(MAX_KEY_BYTES), Uint8Array.of(1)]], result: 1 } as const
  test('and says so', async () => {
    const store = memoryStore()
    await expect(update(scoped(store, 'a'), [], () => long)).rejects.toThrow(RangeError)
    const sealed = await encrypted(store, new Uint8Array(32), { random: (length) => new Uint8Array(length) })
    const large = { put: [['a', new Uint8Array(MAX_VALUE_BYTES)]], result: 1 } as const
    await expect(update(sealed, [], () => large)).rejects.toThrow(RangeError)
  })

  test('unless a commit before it has failed', async () => {
    const handle = flaky(scoped(memoryStore(), 'a'), (commit) => (commit === 0 ? 'unsaid' : 'fine'))
    let runs = 0
    const change = () => (runs++ === 0 ? { put: [['b', Uint8Array.of(1)]] as const, result: 1 } : long)
    await expect(update(handle, [], change)).rejects.toMatchObject({ code: 'outcome-unknown' })
  })
})
