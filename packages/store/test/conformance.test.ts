import { describe, expect, test } from 'vitest'
import { type Check, conformance, type Subject } from '../src/conformance.ts'
import { MAX_KEY_BYTES, memoryStore, type Store, scoped } from '../src/index.ts'
import { byKey, faultyStores } from './faulty-stores.ts'
import { honestStore } from './plain-store.ts'

const failures = async (checks: readonly Check[]): Promise<string[]> => {
  const failed: string[] = []
  for (const check of checks)
    await check.run().catch((error: unknown) => {
      expect(error).toBeInstanceOf(Error)
      failed.push(check.name)
    })
  return failed
}

// A memory store survives in this: opening again is another handle on the same object.
const handle = (store: Store): Store => ({ read: store.read, list: store.list, commit: store.commit })

const subjects: Record<string, Subject> = {
  memoryStore: { open: memoryStore },
  'memoryStore, two handles': { open: memoryStore, peer: handle, reopen: handle },
  scoped: {
    open: () => scoped(memoryStore(), 'juliet@capulet.lit/omemo'),
    keyBytes: MAX_KEY_BYTES - 'juliet@capulet.lit&somemo/'.length,
  },
  'scoped, beside a noisy neighbour': {
    async open() {
      const store = memoryStore()
      await scoped(store, 'a').commit([], { put: [['b', Uint8Array.of(1)]] })
      await store.commit([], { put: [['ab', Uint8Array.of(1)]] })
      return scoped(scoped(store, 'a'), 'c')
    },
    keyBytes: MAX_KEY_BYTES - 4,
  },
  // The simplest store that the contract allows: any change makes all tokens stale.
  'a tombstone for each key': { open: () => honestStore(byKey).store, peer: handle },
  'one counter': { open: () => honestStore().store, reopen: (store) => store },
}

describe.each(Object.entries(subjects))('%s', (_, subject) => {
  test.each(conformance(subject).map((check) => [check.name, check] as const))('%s', (_name, check) =>
    check.run(),
  )
})

describe('a faulty store is caught', () => {
  test.each(faultyStores)('$fault', async ({ caughtBy, ...subject }) => {
    const checks = conformance(subject).filter(({ name }) => caughtBy.includes(name))
    expect(checks.length).toBe(caughtBy.length)
    expect(await failures(checks)).toEqual(checks.map(({ name }) => name))
  })

  test('and every check catches one', () => {
    const catching = new Set(faultyStores.flatMap(({ caughtBy }) => caughtBy))
    const names = conformance({ open: memoryStore, reopen: (store) => store }).map(({ name }) => name)
    expect(names.filter((name) => !catching.has(name))).toEqual([])
  })
})

describe('the kit', () => {
  test('has unique names, and checks of reopening only where that can be done', () => {
    const names = conformance({ open: memoryStore }).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names.some((name) => name.startsWith('reopen'))).toBe(false)
    expect(conformance({ open: memoryStore, reopen: handle }).length).toBe(names.length + 2)
  })

  test('closes every store once, also after a failure, but not one that was given to reopen', async () => {
    const open = new Set<Store>()
    const opened = (store: Store): Store => {
      open.add(store)
      return store
    }
    const closed = (store: Store): void => expect(open.delete(store)).toBe(true) as undefined
    const checks = conformance<Store>({
      open: () => opened(honestStore({ ignoresTokens: true }).store),
      peer: (store) => opened(handle(store)),
      reopen: (store) => {
        closed(store)
        return opened(handle(store))
      },
      close: closed,
    })
    expect(await failures(checks)).not.toEqual([])
    expect(open.size).toBe(0)
  })
})
