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

import type { IDBPTransaction } from 'idb'
import { isUntouched, LOG_CHANGES } from './change-log.ts'
import { type CheckpointOptions, parseReceipt, receiptOf } from './checkpoint.ts'
import { StoreError } from './error.ts'
import {
  connect,
  count,
  failure,
  META_KEY,
  type Meta,
  renewLog,
  type Schema,
  STORES,
  unreported,
} from './indexeddb-database.ts'
import { checkBatch, checkKey, checkPrefix, type Store } from './store.ts'
import { decodeToken, encodeToken, type Token } from './token.ts'

export { LOG_CHANGES }

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
 * @throws {StoreError} `record-malformed`: it is a database of something else
 * @throws {StoreError} `store-newer`, `quota-exceeded`, `store-closed`
 * @throws {TypeError} on a receipt that is none
 */
export async function indexeddbStore(options: IndexeddbOptions): Promise<IndexeddbStore> {
  if (options.receipt !== undefined) parseReceipt(options.receipt)
  const database = await connect(options.name, options.receipt)
  const opened = await count(database, options).catch((error: unknown) => {
    database.close()
    throw failure(error)
  })
  void renewLog()
  const present = (meta: Meta | undefined): Meta => {
    if (meta?.id !== opened.id) throw new StoreError('evicted', 'the database has been emptied')
    return meta
  }
  const token = ({ id, revision }: Meta, kind: Token['kind'], subject: string): string =>
    encodeToken({ storeId: id, revision, kind, subject })

  return {
    receipt: receiptOf(opened),
    persisted: persist(options.storage),
    close: () => database.close(),

    async read(keys) {
      keys.forEach(checkKey)
      const asked = [...keys]
      try {
        const transaction = database.transaction(['values', 'meta'])
        const values = transaction.objectStore('values')
        const [stored, found] = await Promise.all([
          transaction.objectStore('meta').get(META_KEY),
          Promise.all(asked.map((key) => values.get(key))),
          transaction.done,
        ])
        const meta = present(stored)
        return asked.map((key, i) => ({ value: found[i], token: token(meta, 'key', key) }))
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
      const read = tokens.map(decodeToken)
      const changed = [...puts.map(([key]) => key), ...deletes]
      try {
        if (changed.length === 0) {
          const transaction = database.transaction<typeof STORES, 'readonly'>(STORES, 'readonly')
          const [{ isFresh }] = await Promise.all([compare(transaction, read, present), transaction.done])
          return isFresh
        }
        const transaction = database.transaction<typeof STORES, 'readwrite'>(STORES, 'readwrite', {
          durability: 'strict',
        })
        transaction.done.catch(unreported)
        const writes: Promise<unknown>[] = []
        try {
          const { isFresh, meta } = await compare(transaction, read, present)
          if (isFresh) {
            const [values, log] = [transaction.objectStore('values'), transaction.objectStore('log')]
            const revision = meta.revision + changed.length
            for (const [key, value] of puts) writes.push(values.put(value, key))
            for (const key of deletes) writes.push(values.delete(key))
            writes.push(log.put(changed, revision))
            writes.push(log.delete(IDBKeyRange.upperBound(revision - LOG_CHANGES)))
            writes.push(transaction.objectStore('meta').put({ ...meta, revision }, META_KEY))
          }
          await Promise.all([...writes, transaction.done])
          return isFresh
        } catch (error) {
          // A request that cannot even be made throws, and does not abort: what was asked before it would be written.
          for (const write of writes) write.catch(unreported)
          unlessEnded(() => transaction.abort())
          throw error
        }
      } catch (error) {
        throw failure(error)
      }
    },
  }
}

/** Whether all that was read still holds, and what was there when that was found out. */
async function compare<Mode extends 'readonly' | 'readwrite'>(
  transaction: IDBPTransaction<Schema, typeof STORES, Mode>,
  read: readonly (Token | undefined)[],
  present: (meta: Meta | undefined) => Meta,
): Promise<{ isFresh: boolean; meta: Meta }> {
  const log = transaction.objectStore('log')
  const oldest = read.reduce(
    (least, token) => Math.min(least, token?.revision ?? least),
    Number.MAX_SAFE_INTEGER,
  )
  const later = IDBKeyRange.lowerBound(oldest, true)
  const [stored, revisions, changes] = await Promise.all([
    transaction.objectStore('meta').get(META_KEY),
    log.getAllKeys(later),
    log.getAll(later),
  ])
  const meta = present(stored)
  const lastChange = new Map(changes.flatMap((keys, i) => keys.map((key) => [key, revisions[i]!])))
  const isFresh = read.every(
    (token) =>
      token?.storeId === meta.id &&
      token.revision <= meta.revision &&
      token.revision >= meta.revision - LOG_CHANGES &&
      isUntouched(token, lastChange),
  )
  return { isFresh, meta }
}

function unlessEnded(abort: () => void): void {
  try {
    abort()
  } catch {
    // There is nothing left to abort.
  }
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
