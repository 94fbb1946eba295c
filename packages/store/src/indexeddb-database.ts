/** The database that the store of `indexeddb.ts` is kept in: opening it, and what its errors mean. */

import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
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
  let isEvicted = false
  try {
    // Version 1 cannot be blocked by an older one: a later one will have to say that other pages are in its way.
    const database = await openDB<Schema>(name, VERSION, {
      upgrade(database, _from, _to, transaction) {
        isEvicted = receipt !== undefined
        transaction.done.catch(unreported)
        if (isEvicted) transaction.abort()
        else for (const store of STORES) database.createObjectStore(store)
      },
      // A connection that stays would hold up whoever deletes the database, or a page with a later version.
      blocking: () => database.close(),
    })
    return database
  } catch (error) {
    throw isEvicted ? new StoreError('evicted', 'there is no such database', error) : failure(error)
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
