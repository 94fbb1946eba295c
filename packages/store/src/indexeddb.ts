/**
 * A store in IndexedDB, for pages and workers. One database is one store; tabs and workers of an origin share it.
 *
 *     values   key       → value
 *     log      revision  → the keys that the commit up to this revision has changed
 *     meta     'store'   → { id, count, revision }
 *
 * The revision counts changes of keys, so that a piece of the log is as long as it is wide. A token says "as of this
 * revision of this store"; a commit looks up what was changed since, which is mostly nothing, and not each key.
 */

import { type CheckpointOptions, parseReceipt, receiptOf } from './checkpoint.ts'
import { connect, count, META_KEY, type Meta, unreported } from './database.ts'
import { StoreError } from './error.ts'
import { checkBatch, checkKey, checkPrefix, type Store } from './store.ts'
import { decodeToken, encodeToken, type Token } from './token.ts'

/** Of `navigator.storage`, what is used. In workers it lacks `persist`, which only pages may call. */
export interface Persistence {
  persisted(): Promise<boolean>
  persist?(): Promise<boolean>
}

/** The receipt is that of the last opening: this store makes its checkpoints itself, by the rules of `checkpoint`. */
export interface IndexeddbOptions extends CheckpointOptions {
  /** Of the database. */
  readonly name: string
  /**
   * `navigator.storage`, which is asked not to evict this origin. `undefined` where there is none, as on pages
   * without TLS: then the browser may delete everything whenever the disk gets full.
   */
  readonly storage: Persistence | undefined
}

export interface IndexeddbStore extends Store {
  /** To be kept where it outlasts the database, before anything is done with the store. */
  readonly receipt: string
  /**
   * Whether the browser has promised not to evict the origin's data. It may ask the user first, so this may take
   * as long as the user does; it never rejects. Tell the user if it is false: keys may get lost.
   */
  readonly persisted: Promise<boolean>
  /** What runs comes to its end, everything after it rejects with `store-closed`. */
  close(): void
}

/**
 * How many changes of keys are remembered; a token older than all of them is refused. Four commits of a thousand
 * sessions fit between a read and its commit; with keys of a hundred bytes this log takes 400 kB.
 */
export const LOG_CHANGES = 4096

/** What only the host can make, and idb takes. */
declare const IDBKeyRange: {
  bound(lower: string, upper: string, lowerOpen: boolean, upperOpen: boolean): object
  lowerBound(lower: string | number, open: boolean): object
  upperBound(upper: number): object
}

/**
 * Opens the database; makes it only if there is no receipt of it. Each commit is one transaction, as durable when it
 * resolves as the browser lets it be (`durability: 'strict'`).
 *
 * Reads and commits may reject with a `StoreError` of these codes: `quota-exceeded`, when nothing was written;
 * `store-closed`; `evicted`, when the database has been emptied while it is open.
 *
 * @throws {StoreError} `evicted`, `rolled-back`: the receipt says more than the database; nothing was made or written
 * @throws {StoreError} `store-newer`, `quota-exceeded`, `store-closed`
 * @throws {TypeError} on a receipt that is none
 */
export async function indexeddbStore(options: IndexeddbOptions): Promise<IndexeddbStore> {
  if (options.receipt !== undefined) parseReceipt(options.receipt)
  const connection = await connect(options.name, options.receipt)
  const { database, failure } = connection
  const opened = await count(connection, options).catch((error: unknown) => {
    database.close()
    throw failure(error)
  })
  const present = (meta: Meta | undefined): Meta => {
    if (meta?.id !== opened.id) throw new StoreError('evicted', 'the database has been emptied')
    return meta
  }
  const token = ({ id, revision }: Meta, kind: Token['kind'], subject: string): string =>
    encodeToken({ name: id, revision, kind, subject })

  return {
    receipt: receiptOf(opened),
    persisted: persist(options.storage),
    close: () => database.close(),

    async read(keys) {
      keys.forEach(checkKey)
      try {
        const transaction = database.transaction(['values', 'meta'])
        const values = transaction.objectStore('values')
        const [stored, found] = await Promise.all([
          transaction.objectStore('meta').get(META_KEY),
          Promise.all(keys.map((key) => values.get(key))),
          transaction.done,
        ])
        const meta = present(stored)
        return keys.map((key, i) => ({ value: found[i], token: token(meta, 'key', key) }))
      } catch (error) {
        throw failure(error)
      }
    },

    async list(prefix) {
      checkPrefix(prefix)
      try {
        const transaction = database.transaction(['values', 'meta'])
        const values = transaction.objectStore('values')
        const range = startingWith(prefix)
        const [stored, keys, found] = await Promise.all([
          transaction.objectStore('meta').get(META_KEY),
          values.getAllKeys(range),
          values.getAll(range),
          transaction.done,
        ])
        const entries = keys.map((key, i) => [key, found[i]!] as const)
        return { entries, token: token(present(stored), 'prefix', prefix) }
      } catch (error) {
        throw failure(error)
      }
    },

    async commit(tokens, batch) {
      checkBatch(batch)
      // Copied before anything is awaited; a view would also take the rest of its buffer along.
      const puts = (batch.put ?? []).map(([key, value]) => [key, new Uint8Array(value)] as const)
      const deletes = [...(batch.delete ?? [])]
      const claims = tokens.flatMap((token) => decodeToken(token) ?? [])
      if (claims.length < tokens.length || claims.some(({ name }) => name !== opened.id)) return false
      const changed = [...puts.map(([key]) => key), ...deletes]
      const mode = changed.length > 0 ? 'readwrite' : 'readonly'
      try {
        const transaction = database.transaction(['values', 'log', 'meta'], mode, { durability: 'strict' })
        transaction.done.catch(unreported)
        const [values, log] = [transaction.objectStore('values'), transaction.objectStore('log')]
        const metas = transaction.objectStore('meta')
        const later = IDBKeyRange.lowerBound(oldest(claims), true)
        const [stored, revisions, changes] = await Promise.all([
          metas.get(META_KEY),
          log.getAllKeys(later),
          log.getAll(later),
        ])
        const meta = present(stored)
        const lastChange = new Map(changes.flatMap((keys, i) => keys.map((key) => [key, revisions[i]!])))
        const isFresh = claims.every((claim) => isCurrent(claim, meta.revision, lastChange))
        const writes: Promise<unknown>[] = []
        if (isFresh && changed.length > 0) {
          const revision = meta.revision + changed.length
          for (const [key, value] of puts) writes.push(values.put!(value, key))
          for (const key of deletes) writes.push(values.delete!(key))
          writes.push(log.put!(changed, revision))
          writes.push(log.delete!(IDBKeyRange.upperBound(revision - LOG_CHANGES)))
          writes.push(metas.put!({ ...meta, revision }, META_KEY))
        }
        await Promise.all([...writes, transaction.done])
        return isFresh
      } catch (error) {
        throw failure(error)
      }
    },
  }
}

function oldest(claims: readonly Token[]): number {
  return claims.reduce((least, { revision }) => Math.min(least, revision), Number.MAX_SAFE_INTEGER)
}

/** Whether it still holds at revision `now`, given the last change of each key changed since it was made. */
function isCurrent(claim: Token, now: number, lastChange: ReadonlyMap<string, number>): boolean {
  const { revision: since, kind, subject } = claim
  if (since > now || since < now - LOG_CHANGES) return false
  if (kind === 'key') return (lastChange.get(subject) ?? 0) <= since
  for (const [key, changed] of lastChange) if (changed > since && key.startsWith(subject)) return false
  return true
}

/** All keys with that prefix: IndexedDB orders them by units of UTF-16, and the last unit that can grow ends the range. */
function startingWith(prefix: string): object {
  for (let end = prefix.length; end > 0; end--) {
    const unit = prefix.charCodeAt(end - 1)
    if (unit < 0xffff) {
      const upper = prefix.slice(0, end - 1) + String.fromCharCode(unit + 1)
      return IDBKeyRange.bound(prefix, upper, false, true)
    }
  }
  return IDBKeyRange.lowerBound(prefix, false)
}

async function persist(storage: Persistence | undefined): Promise<boolean> {
  try {
    return (await storage?.persisted()) || (await storage?.persist?.()) || false
  } catch {
    return false
  }
}
