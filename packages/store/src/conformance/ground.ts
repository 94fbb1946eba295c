/** What every check stands on. */

import type { Batch, Put, Store } from '../store.ts'

export interface Ground {
  readonly store: Store
  /** The same data, through another handle if there is one. */
  readonly other: Store
  /** Opens a store that has nothing to do with `store`. */
  another(): Promise<Store>
  /** Closes `store` and opens it again. */
  again(): Promise<Store>
  readonly keyBytes: number
  readonly valueBytes: number
}

export type Checks = Readonly<Record<string, (ground: Ground) => Promise<void>>>

/** @throws {Error} with that message unless it holds */
export function must(holds: boolean, message: string): void {
  if (!holds) throw new Error(message)
}

/** One number as a value. */
export function value(n: number): Uint8Array {
  return Uint8Array.of(n)
}

/** Puts and deletes, whatever is there. */
export async function write(store: Store, batch: Batch): Promise<void> {
  must(await store.commit([], batch), 'a commit without tokens was refused')
}

export async function put(store: Store, ...puts: readonly Put[]): Promise<void> {
  await write(store, { put: puts })
}

export async function remove(store: Store, ...keys: readonly string[]): Promise<void> {
  await write(store, { delete: keys })
}

export async function token(store: Store, key: string): Promise<string> {
  const [reading] = await store.read([key])
  must(typeof reading?.token === 'string', 'read: an answer without a token')
  return reading!.token
}

/** @throws {Error} unless the keys hold exactly these; `undefined` is absent */
export async function holds(
  store: Store,
  expected: Readonly<Record<string, Uint8Array | undefined>>,
  when: string,
): Promise<void> {
  const keys = Object.keys(expected)
  const readings = await store.read(keys)
  must(readings.length === keys.length, `${when}: ${keys.length} keys read, ${readings.length} answers`)
  keys.forEach((key, i) => {
    must(same(readings[i]!.value, expected[key]), `${when}: ${JSON.stringify(key)} has another value`)
  })
}

/** @throws {Error} unless exactly these keys have the prefix */
export async function lists(store: Store, prefix: string, expected: readonly string[]): Promise<void> {
  const keys = (await store.list(prefix)).entries.map(([key]) => key).sort()
  const missing = expected.filter((key) => !keys.includes(key))
  const extra = keys.filter((key) => !expected.includes(key))
  const shown = (list: readonly string[]): string => JSON.stringify(list.slice(0, 3))
  must(missing.length === 0, `list ${JSON.stringify(prefix)}: without ${shown(missing)}`)
  must(extra.length === 0, `list ${JSON.stringify(prefix)}: with ${shown(extra)}`)
  must(keys.length === expected.length, `list ${JSON.stringify(prefix)}: a key twice`)
}

/** @throws {Error} unless the commit is refused */
export async function refused(store: Store, tokens: readonly string[], when: string): Promise<void> {
  const written = await store.commit(tokens, { put: [['refused', value(1)]] })
  must(!written, `${when}: a commit on what was read before was not refused`)
  await holds(store, { refused: undefined }, `${when}: a refused commit`)
}

/** @throws {Error} unless it rejects with that kind of error */
export async function rejects(promise: Promise<unknown>, name: string, what: string): Promise<void> {
  const outcome = await promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof Error ? error.name : 'something that is no error'),
  )
  must(outcome === name, `${what}: expected a ${name}, got ${outcome}`)
}

export function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return a.length === b.length
}
