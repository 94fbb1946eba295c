/** Read, compute, commit; again when another was faster. */

import { StoreError } from './error.ts'
import { type Batch, type Bytes, checkBatch, isRefusal, type Store } from './store.ts'

/**
 * How often a lost race is run again. Whenever one is lost another is won, so this many tabs or workers can
 * each make one change to the same record at once and all get through. One that never pauses between its changes can
 * still win every race against a slower one, a tab in the background: that one gets `conflict`, and tries again.
 */
export const UPDATE_ATTEMPTS = 32

/** How often a commit may fail without saying how it ended, within one update. A dead disk fails every time. */
export const UNKNOWN_ATTEMPTS = 3

/** Of an `AbortSignal`, which has no type where there is no DOM, what the family uses; every real one fits. */
export interface Signal {
  readonly aborted: boolean
  readonly reason?: unknown
  addEventListener(type: 'abort', f: () => void): void
  removeEventListener(type: 'abort', f: () => void): void
}

/** Reads within an update; all that was read counts as a dependency of its commit. */
export interface Reader {
  /** The values in the order asked for; `undefined` where there is none. */
  read(keys: readonly string[]): Promise<readonly (Bytes | undefined)[]>
  /** Everything whose key starts with the prefix, in no particular order. */
  list(prefix: string): Promise<readonly (readonly [key: string, value: Bytes])[]>
}

/** What an update decided: what to write, and what to tell its caller once that is written. */
export interface Change<T> extends Batch {
  readonly result: T
}

/**
 * Reads `keys`, has `f` decide on their values, commits what it decided and returns its `result`. If anything
 * read has changed meanwhile, `f` runs again on what is there then. So `f` must only compute: it may wait (for
 * a Diffie-Hellman result, for more reads), but what it decides must take effect through its result alone.
 *
 * When the store fails to say how a commit ended, `f` runs again too, possibly on what it has written itself.
 * Where doing something twice matters, `f` has to find its own work: a message that is already decrypted, an
 * effect with the same key. A reading that `f` writes nothing upon is consistent as well.
 *
 * An abort is noticed between steps, never during a commit; it rejects with the signal's reason. After a
 * commit that failed, its outcome stays unknown.
 *
 * Once a commit has failed, nothing that goes wrong afterwards says that nothing was written: whatever `f` then
 * throws is reported as `outcome-unknown`, whose `cause` is an `AggregateError` of all that failed, in order.
 *
 * @throws {StoreError} `conflict`, when nothing was written; `outcome-unknown`, when something may have been
 * @throws {TypeError | RangeError} when `f` decides on a batch that no store may take; nothing was written
 * @throws what `f` throws, and what the store rejects a read with, if no commit has failed; nothing was written
 */
export async function update<T>(
  store: Store,
  keys: readonly string[],
  f: (values: readonly (Bytes | undefined)[], reader: Reader) => Change<T> | Promise<Change<T>>,
  options: { readonly signal?: Signal | undefined } = {},
): Promise<T> {
  const failures: unknown[] = []
  for (let attempt = 0; attempt < UPDATE_ATTEMPTS; attempt++) {
    if (options.signal?.aborted) throw options.signal.reason
    const { reader, tokens, moments } = recorded(store)
    let change: Change<T>
    try {
      change = await f(keys.length > 0 ? await reader.read(keys) : [], reader)
      checkBatch(change)
    } catch (error) {
      // Readings of different moments may contradict each other, and that would not be an error of f.
      if (moments.count > 1 && !moments.failed && (await isStale(store, tokens))) continue
      throw failures.length > 0 ? unknown([...failures, error]) : error
    }
    const writes = (change.put?.length ?? 0) + (change.delete?.length ?? 0) > 0
    // One reading is of one moment: there is nothing to check if nothing depends on it.
    if (!writes && moments.count <= 1) return change.result
    if (options.signal?.aborted) throw options.signal.reason
    try {
      if (await store.commit(tokens, change)) return change.result
    } catch (error) {
      failures.push(error)
      // Too long for what is between this and the store, a scope for one.
      if (isRefusal(error)) throw failures.length > 1 ? unknown(failures) : error
      if (failures.length === UNKNOWN_ATTEMPTS) throw unknown(failures)
    }
  }
  if (failures.length > 0) throw unknown(failures)
  throw new StoreError('conflict', `lost ${UPDATE_ATTEMPTS} races`)
}

/** A reader that keeps the tokens of all that is read through it. */
function recorded(store: Store) {
  const tokens: string[] = []
  const moments = { count: 0, failed: false }
  const moment = async <A>(answer: Promise<A>): Promise<A> => {
    moments.count++
    try {
      return await answer
    } catch (error) {
      moments.failed = true
      throw error
    }
  }
  const reader: Reader = {
    async read(keys) {
      const readings = await moment(store.read(keys))
      for (const { token } of readings) tokens.push(token)
      return readings.map(({ value }) => value)
    },
    async list(prefix) {
      const { entries, token } = await moment(store.list(prefix))
      tokens.push(token)
      return entries
    },
  }
  return { reader, tokens, moments }
}

async function isStale(store: Store, tokens: readonly string[]): Promise<boolean> {
  try {
    return !(await store.commit(tokens, {}))
  } catch {
    return false
  }
}

function unknown(failures: readonly unknown[]): StoreError {
  const message = 'the store did not say whether it wrote'
  return new StoreError('outcome-unknown', message, new AggregateError(failures))
}
