/**
 * A store in a directory, for one process: LevelDB, by way of classic-level or anything of its shape. The default on
 * Node, Bun and Deno.
 *
 *     <key>      value, as it is
 *     \0store    1 SP id SP number of the last commit             in ASCII
 *
 * Each commit is one batch, synced to disk before it is seen or reported, and carries the number of the commit with
 * it. LevelDB keeps other processes out, so what else tokens are checked against may live in memory: after
 * opening, tokens are current unless something was written after them.
 */

import { type ChangeLog, changeLog } from './change-log.ts'
import { StoreError } from './error.ts'
import { afterPrefix } from './key-range.ts'
import { drawId } from './random.ts'
import { type Batch, type Bytes, checkBatch, checkKey, checkPrefix, type Store } from './store.ts'
import { takingTurns } from './turns.ts'

export { LOG_CHANGES } from './change-log.ts'

/** A store that keeps a directory to itself until it is closed. */
export interface LevelStore extends Store {
  /** Lets what has begun end, and frees the directory. Afterwards everything rejects with `store-closed`. */
  close(): Promise<void>
}

export interface LevelOptions {
  /** So many bytes that nobody can foresee; asked once, when the directory is new. */
  random(length: number): Uint8Array
}

/** Of abstract-level's options, those that are always given. */
export interface LevelEncodings {
  readonly keyEncoding: 'utf8'
  readonly valueEncoding: 'view'
}

/** Of an abstract-level database, what is used. */
export interface LevelDatabase {
  open(): Promise<void>
  close(): Promise<void>
  getMany(keys: string[], options: LevelEncodings): Promise<(Uint8Array | undefined)[]>
  iterator(options: LevelEncodings & LevelRange): { all(): Promise<[string, Uint8Array][]> }
  batch(operations: LevelOperation[], options: LevelEncodings & { readonly sync: true }): Promise<void>
}

/** Keys from one up to another, or all of them, of which only so many are read. */
export type LevelRange = { readonly gte: string; readonly lt: string } | { readonly limit: number }

/** A change within a batch. */
export type LevelOperation =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string }

/** The class `ClassicLevel` of classic-level, or one like it. */
export type LevelClass = new (location: string) => LevelDatabase

/** No key of a store: those have no control characters. */
const HEAD = '\0store'

interface Head {
  readonly id: string
  readonly revision: number
}

/** The lowest character that a key may begin with. */
const FIRST = ' '

const ENCODINGS: LevelEncodings = { keyEncoding: 'utf8', valueEncoding: 'view' }

/**
 * Opens the store in the directory `location`, and makes it if it is not there.
 *
 *     levelStore(ClassicLevel, './state', { random })
 *
 * Open it in one thread of one process: LevelDB's own lock, which keeps others out, is lost when its process opens and
 * closes any file of the directory, to copy it for one. What is open under another spelling of `location` is closed.
 *
 * A commit that fails leaves LevelDB in doubt about its own file: from then on everything rejects with `store-closed` until
 * the store has been closed and opened again, which settles whether it was written.
 *
 * @throws {StoreError} `store-in-use` when the directory, or a copy of it, is open already, in this process or another;
 *   `record-malformed` when another program's database is in it
 * @throws {TypeError} when `random` gives another number of bytes than it was asked for
 * @throws what LevelDB says when it cannot open it for another reason
 */
export async function levelStore(
  Level: LevelClass,
  location: string,
  options: LevelOptions,
): Promise<LevelStore> {
  if (locations.has(location)) throw inUse()
  locations.add(location)
  try {
    return await openStore(new Level(location), location, options)
  } catch (error) {
    locations.delete(location)
    throw error
  }
}

/**
 * What this thread has open: where, and which stores, with what makes each of them fail. Not to be left to LevelDB: a lock
 * of POSIX belongs to the process, which loses it by closing the file again that it was refused.
 */
const locations = new Set<string>()
const stores = new Map<string, () => void>()

async function openStore(db: LevelDatabase, location: string, options: LevelOptions): Promise<LevelStore> {
  try {
    await db.open()
  } catch (error) {
    throw isLocked(error) ? inUse(error) : error
  }
  try {
    const { id, revision } = await readHead(db, options)
    const fail = stores.get(id)
    // Closing this one takes the lock from the other, whose files may have been changed by now.
    fail?.()
    if (fail) throw inUse()
    return opened(db, location, id, changeLog(id, revision))
  } catch (error) {
    await db.close()
    throw error
  }
}

const inUse = (cause?: unknown): StoreError =>
  new StoreError('store-in-use', 'the directory is open in another store', cause)

function opened(db: LevelDatabase, location: string, id: string, log: ChangeLog): LevelStore {
  const turn = takingTurns()
  let closing: Promise<void> | undefined
  let failed: StoreError | undefined
  stores.set(id, () => {
    failed ??= new StoreError(
      'store-closed',
      'the directory was opened twice: close the store, open it again',
    )
  })
  const check = (): void => {
    if (failed) throw failed
    if (closing) throw new StoreError('store-closed', 'the store was closed')
  }
  return {
    async read(keys) {
      keys.forEach(checkKey)
      check()
      // Before the values: a commit in between makes these tokens too old, which is safe.
      const tokens = keys.map((key) => log.token('key', key))
      // All as of one moment: LevelDB takes a snapshot for it.
      const values = await db.getMany([...keys], ENCODINGS)
      return tokens.map((token, i) => ({ value: copied(values[i]), token }))
    },

    async list(prefix) {
      checkPrefix(prefix)
      check()
      const token = log.token('prefix', prefix)
      const range = { gte: prefix || FIRST, lt: afterPrefix(prefix) }
      const entries = await db.iterator({ ...ENCODINGS, ...range }).all()
      return { entries: entries.map(([key, value]) => [key, new Uint8Array(value)]), token }
    },

    async commit(tokens, { put = [], delete: deletes = [] }: Batch) {
      checkBatch({ put, delete: deletes })
      check()
      // Taken now: the caller may change its arrays while others have their turn.
      const read = [...tokens]
      const operations: LevelOperation[] = [
        ...put.map(([key, value]) => ({ type: 'put', key, value: new Uint8Array(value) }) as const),
        ...deletes.map((key) => ({ type: 'del', key }) as const),
      ]
      return turn(async () => {
        // Closing lets it through, if it was there before.
        if (failed) throw failed
        if (!read.every(log.isCurrent)) return false
        if (operations.length === 0) return true
        const head = putHead({ id, revision: log.revision() + 1 })
        try {
          await db.batch([...operations, head], { ...ENCODINGS, sync: true })
        } catch (error) {
          failed = new StoreError('store-closed', 'a commit failed: close the store and open it again', error)
          throw error
        }
        log.record(operations.map(({ key }) => key))
        return true
      })
    },

    close() {
      closing ??= turn(async () => {
        await db.close()
        stores.delete(id)
        locations.delete(location)
      })
      return closing
    },
  }
}

/** Which store it is and where its count stands; both are written if there is nothing yet. */
async function readHead(db: LevelDatabase, options: LevelOptions): Promise<Head> {
  const [stored] = await db.getMany([HEAD], ENCODINGS)
  if (stored) {
    // Not spread into one call: what another program has there may be long.
    const text = Array.from(stored, (byte) => String.fromCharCode(byte)).join('')
    const [, id, revision] = /^1 ([0-9a-f]{32}) ([0-9]{1,15})$/.exec(text) ?? []
    if (id === undefined) throw new StoreError('record-malformed', 'the directory holds another database')
    return { id, revision: Number(revision) }
  }
  // Without bounds: keys of another program need not be text, and a range of text leaves some out.
  const others = await db.iterator({ ...ENCODINGS, limit: 1 }).all()
  if (others.length > 0) throw new StoreError('record-malformed', 'the directory holds another database')
  const head = { id: drawId(options), revision: 0 }
  await db.batch([putHead(head)], { ...ENCODINGS, sync: true })
  return head
}

function putHead({ id, revision }: Head): LevelOperation {
  const text = `1 ${id} ${revision}`
  return { type: 'put', key: HEAD, value: Uint8Array.from(text, (character) => character.charCodeAt(0)) }
}

function copied(value: Uint8Array | undefined): Bytes | undefined {
  return value && new Uint8Array(value)
}

/** abstract-level says that it is not open, and why in the cause. */
function isLocked(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause)
    if ('code' in at && at.code === 'LEVEL_LOCKED') return true
  return false
}
