/** The database that the store of `indexeddb.ts` is kept in: opening it, and what its errors mean. */

import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from 'idb'
import { advance, type Checkpoint, type CheckpointOptions } from './checkpoint.ts'
import { StoreError } from './error.ts'
import type { Bytes } from './store.ts'

/** @internal */
export interface Schema extends DBSchema {
  values: { key: string; value: Bytes }
  log: { key: number; value: readonly string[] }
  meta: { key: string; value: Meta }
}

/** @internal */
export interface Meta extends Checkpoint {
  readonly revision: number
}

/** @internal All that a commit is about. */
export const STORES = ['values', 'log', 'meta'] as const

/** @internal The only key in `meta`. */
export const META_KEY = 'store'
const VERSION = 1

/** @internal Opens it, or makes it if there is no receipt. @throws as `indexeddbStore` */
export async function connect(name: string, receipt: string | undefined): Promise<IDBPDatabase<Schema>> {
  let loss: string | undefined
  try {
    // Version 1 cannot be blocked by an older one: a later one will have to say that other pages are in its way.
    const database = await openDB<Schema>(name, VERSION, {
      upgrade(database, _from, _to, transaction, event) {
        transaction.done.catch(unreported)
        if (receipt !== undefined) {
          // Chromium tells the first that asks if it has found the files damaged, and removed them.
          loss = ('dataLossMessage' in event && String(event.dataLossMessage)) || 'no such database'
          transaction.abort()
        } else for (const store of STORES) database.createObjectStore(store)
      },
      // A connection that stays would hold up whoever deletes the database, or a page with a later version.
      blocking: () => database.close(),
    })
    return database
  } catch (error) {
    throw loss ? new StoreError('evicted', loss, error) : failure(error)
  }
}

/** Not named after the store: the log is that of the origin. */
const SCRATCH = 'xmpp-e2e-scratch'

/**
 * @internal Has Chromium begin a new log. It goes on with the one it finds, even if a crash has torn the last record of that;
 * when it reads it again it takes what it wrote after the tear for damage, and removes all databases of the origin
 * (google/leveldb#1287). Deleting a database, an empty one too, ends the log: what it holds is written elsewhere.
 *
 * Nobody need wait for it: what is written meanwhile is in the log that ends, and a page that is frozen just then could
 * hold it up. It never rejects: unless there was a crash, a store is as good without.
 */
export async function renewLog(): Promise<void> {
  try {
    const scratch = await openDB(SCRATCH)
    scratch.close()
    // Somebody else's is not empty.
    if (!scratch.objectStoreNames[0]) await deleteDB(SCRATCH)
  } catch {
    // No room, or the page is going.
  }
}

/** @internal Makes a checkpoint. @throws as `checkpoint` */
export async function count(database: IDBPDatabase<Schema>, options: CheckpointOptions): Promise<Meta> {
  const transaction = database.transaction('meta', 'readwrite', { durability: 'strict' })
  transaction.done.catch(unreported)
  // What does not fit leaves the transaction without writes, and it ends by itself.
  const last = await transaction.store.get(META_KEY)
  if (last && !isMeta(last)) throw new StoreError('record-malformed', 'the database is of another kind')
  const meta = { ...advance(last, options), revision: last?.revision ?? 0 }
  await Promise.all([transaction.store.put(meta, META_KEY), transaction.done])
  return meta
}

function isMeta({ id, count, revision }: Meta): boolean {
  return /^[0-9a-f]{32}$/.test(id) && Number.isSafeInteger(count) && Number.isSafeInteger(revision)
}

/** @internal What an error of the database means, which may be itself. */
export function failure(error: unknown): unknown {
  switch (error instanceof Error ? error.name : '') {
    case 'QuotaExceededError':
      return new StoreError('quota-exceeded', 'no room is left', error)
    case 'VersionError':
      return new StoreError('store-newer', 'made by a later version', error)
    case 'NotFoundError':
      return new StoreError('record-malformed', 'the database is of another kind', error)
    case 'InvalidStateError':
      return new StoreError('store-closed', 'the database has been closed', error)
    default:
      return error
  }
}

/** @internal For the end of a transaction whose requests fail as well: the host would report it as an error that nobody handles. */
export const unreported = (): void => {}
