import fc from 'fast-check'
import { expect, test } from 'vitest'
import { memoryStore, type Store } from '../src/index.ts'

/** What the contract says, as slowly and plainly as it can be said: a token is the whole history until then. */
class Model {
  readonly values = new Map<string, number>()
  readonly history: string[][] = []

  hasChanged(since: number, hit: (key: string) => boolean): boolean {
    return this.history.slice(since).flat().some(hit)
  }
}

interface Real {
  readonly store: Store
  /** Tokens that both sides hold, in the order they were given out. */
  readonly tokens: { readonly token: string; readonly since: number; hit(key: string): boolean }[]
}

const keys = ['a', 'a/', 'a/b', 'a/c', 'ab', 'b', 'é', '👩']
const prefixes = ['', 'a', 'a/', 'b', 'c']

const read = (asked: readonly string[]) => ({
  check: () => true,
  async run(model: Model, real: Real) {
    const readings = await real.store.read(asked)
    expect(readings.map(({ value }) => value?.[0])).toEqual(asked.map((key) => model.values.get(key)))
    readings.forEach(({ value, token }, i) => {
      value?.fill(0)
      real.tokens.push({ token, since: model.history.length, hit: (key) => key === asked[i] })
    })
  },
  toString: () => `read ${asked}`,
})

const list = (prefix: string) => ({
  check: () => true,
  async run(model: Model, real: Real) {
    const { entries, token } = await real.store.list(prefix)
    const expected = [...model.values].filter(([key]) => key.startsWith(prefix))
    expect(new Map(entries.map(([key, value]) => [key, value[0]]))).toEqual(new Map(expected))
    expect(entries.length).toBe(expected.length)
    for (const [, value] of entries) value.fill(0)
    real.tokens.push({ token, since: model.history.length, hit: (key) => key.startsWith(prefix) })
  },
  toString: () => `list ${prefix}`,
})

const commit = (back: readonly number[], changes: ReadonlyMap<string, number>) => ({
  check: () => true,
  async run(model: Model, real: Real) {
    const used = back.flatMap((n) => real.tokens.at(-1 - n) ?? [])
    const current = used.every(({ since, hit }) => !model.hasChanged(since, hit))
    const puts = [...changes].filter(([, n]) => n > 0).map(([key, n]) => [key, Uint8Array.of(n)] as const)
    const deletes = [...changes].filter(([, n]) => n === 0).map(([key]) => key)
    const tokens = used.map(({ token }) => token)
    expect(await real.store.commit(tokens, { put: puts, delete: deletes })).toBe(current)
    for (const [, value] of puts) value.fill(0)
    if (!current) return
    model.history.push([...changes.keys()])
    for (const [key, n] of changes) n > 0 ? model.values.set(key, n) : model.values.delete(key)
  },
  toString: () => `commit on ${back} ${JSON.stringify([...changes])}`,
})

test('memoryStore is what the contract says, for any sequence of reads, lists and commits', async () => {
  const key = fc.constantFrom(...keys)
  const changes = fc.array(fc.tuple(key, fc.integer({ min: 0, max: 3 })), { maxLength: 4 })
  const commands = [
    fc.array(key, { maxLength: 4 }).map(read),
    fc.constantFrom(...prefixes).map(list),
    fc
      .tuple(fc.array(fc.nat(5), { maxLength: 3 }), changes)
      .map(([back, pairs]) => commit(back, new Map(pairs))),
  ]
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { size: '+1' }), (sequence) =>
      fc.asyncModelRun(() => ({ model: new Model(), real: { store: memoryStore(), tokens: [] } }), sequence),
    ),
    { numRuns: 150 },
  )
})
