import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encrypted } from '../src/encrypted.ts'
import { memoryStore, type Store } from '../src/index.ts'
import { counting } from './sealed-store.ts'

const key = new Uint8Array(32)

/** Takes its time before each call and after it, so that answers come in any order. */
function slow(store: Store, delays: readonly number[]): Store {
  let calls = 0
  const pause = async (): Promise<void> => {
    for (let left = delays[calls++ % delays.length]!; left > 0; left--) await Promise.resolve()
  }
  const slowly = async <T>(call: () => Promise<T>): Promise<T> => {
    await pause()
    const answer = await call()
    await pause()
    return answer
  }
  return {
    read: (keys) => slowly(() => store.read(keys)),
    list: (prefix) => slowly(() => store.list(prefix)),
    commit: (tokens, batch) => slowly(() => store.commit(tokens, batch)),
  }
}

const delays = fc.array(fc.nat(12), { minLength: 1, maxLength: 16 })
const step = fc.record({
  handle: fc.nat(1),
  name: fc.constantFrom('a', 'b'),
  action: fc.constantFrom('put', 'delete', 'read', 'list'),
  wait: fc.boolean(),
})

test('no version is taken for an old one as long as nobody puts one back, in whatever order answers come', async () => {
  await fc.assert(
    fc.asyncProperty(delays, fc.array(step, { maxLength: 40 }), async (delays, steps) => {
      const store = memoryStore()
      const options = { random: counting() }
      const handles = [
        await encrypted(slow(store, delays), key, options),
        await encrypted(slow(store, delays), key, options),
      ]
      const running: Promise<unknown>[] = []
      for (const { handle, name, action, wait } of steps) {
        const sealed = handles[handle]!
        const calls = {
          put: () => sealed.commit([], { put: [[name, new Uint8Array(1)]] }),
          delete: () => sealed.commit([], { delete: [name] }),
          read: () => sealed.read([name]),
          list: () => sealed.list(''),
        }
        const call = calls[action]()
        running.push(call)
        if (wait) await call
      }
      await Promise.all(running)
    }),
    { numRuns: 500 },
  )
})

test('whatever is put in comes out, under its name', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.constantFrom('a', 'a/b', 'é', '👩', '__proto__'), fc.uint8Array()),
      async (values) => {
        const below = memoryStore()
        const options = { random: counting() }
        const put = Object.entries(values).map(([name, value]) => [name, new Uint8Array(value)] as const)
        await (await encrypted(below, key, options)).commit([], { put })
        const { entries } = await (await encrypted(below, key, options)).list('')
        expect(new Map(entries)).toEqual(new Map(put))
      },
    ),
  )
})
