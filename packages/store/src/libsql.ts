/**
 * A store in one SQLite file, for several processes of one machine: by way of @libsql/client. In WAL mode, synced at
 * every commit.
 *
 *     xmpp_e2e_store    one row: store_uid, revision, last_commit (its mark)
 *     xmpp_e2e_records  key → revision that put it, value
 *     xmpp_e2e_deleted  key → revision that deleted it, for the last HISTORY_CHANGES
 *
 * The revision grows with every changed key. A commit is one batch that holds the write lock from its start: its first
 * statement moves the revision if every token is current, and the others do nothing unless it has.
 */

import { StoreError } from './error.ts'
import { HISTORY_CHANGES } from './history.ts'
import { afterPrefix } from './key-range.ts'
import { type Batch, type Bytes, checkBatch, checkKey, checkPrefix, type Store } from './store.ts'
import { decodeToken, encodeToken } from './token.ts'
import { takingTurns } from './turns.ts'

export { HISTORY_CHANGES }

/** A store that has the file open until it is closed; others may have it open as well. */
export interface LibsqlStore extends Store {
  /**
   * Lets what has begun end, and moves all of it from the write-ahead log to the file, unless others have that open.
   * Afterwards everything rejects with `store-closed`.
   */
  close(): Promise<void>
}

/** A value of a column. */
export type LibsqlValue = null | string | number | bigint | ArrayBuffer

/** `args` take the places of `?1`, `?2` and so on. */
export interface LibsqlStatement {
  sql: string
  args: (string | Uint8Array)[]
}

/** Of a client of @libsql/client, what is used. A batch is one transaction, which rolls back if a statement fails. */
export interface LibsqlClient {
  execute(statement: LibsqlStatement): Promise<{ rows: { [column: number]: LibsqlValue }[] }>
  batch(
    statements: LibsqlStatement[],
    mode: 'write',
  ): Promise<{ rows: { [column: number]: LibsqlValue }[] }[]>
  close(): void
}

/** The function `createClient` of @libsql/client. */
export type CreateLibsqlClient = (config: { url: string; timeout: number }) => LibsqlClient

/**
 * How long SQLite waits for others to let go of the file, in milliseconds, and how often that is tried: a commit takes
 * a few, so that ten seconds are a process that has been stopped halfway. SQLite waits without giving the process
 * back: nothing else happens meanwhile.
 */
export const BUSY_MS = 2000
export const BUSY_ATTEMPTS = 5

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS xmpp_e2e_store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    store_uid TEXT NOT NULL, revision INTEGER NOT NULL, last_commit TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS xmpp_e2e_records (
    key TEXT PRIMARY KEY NOT NULL, revision INTEGER NOT NULL, value BLOB NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS xmpp_e2e_deleted (
    key TEXT PRIMARY KEY NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS xmpp_e2e_deleted_revision ON xmpp_e2e_deleted (revision)',
  `INSERT INTO xmpp_e2e_store SELECT 1, lower(hex(randomblob(16))), 0, ''
    WHERE NOT EXISTS (SELECT 1 FROM xmpp_e2e_store)`,
]

/** The conditions that do not hold. ?1 is all of them: [revision, key, null] or [revision, prefix, end]. */
const STALE = `SELECT 1 FROM json_each(?1) c
    WHERE c.value->>0 > revision OR c.value->>0 < revision - ${HISTORY_CHANGES}
      OR CASE WHEN c.value->>2 IS NULL THEN
        EXISTS (SELECT 1 FROM xmpp_e2e_records r WHERE r.key = c.value->>1 AND r.revision > c.value->>0)
        OR EXISTS (SELECT 1 FROM xmpp_e2e_deleted d WHERE d.key = c.value->>1 AND d.revision > c.value->>0)
      ELSE
        EXISTS (SELECT 1 FROM xmpp_e2e_records r
          WHERE r.key >= c.value->>1 AND r.key < c.value->>2 AND r.revision > c.value->>0)
        OR EXISTS (SELECT 1 FROM xmpp_e2e_deleted d
          WHERE d.key >= c.value->>1 AND d.key < c.value->>2 AND d.revision > c.value->>0)
      END`

/** ?2 the store, as in `READ` and `LIST`: without it there is no row. */
const CHECK = `SELECT NOT EXISTS (${STALE}) FROM xmpp_e2e_store WHERE store_uid = ?2`

/** ?2 the store, ?3 how many keys change, ?4 the mark. */
const ADVANCE = `UPDATE xmpp_e2e_store SET revision = revision + ?3, last_commit = ?4
  WHERE store_uid = ?2 AND NOT EXISTS (${STALE})`

/** ?1 the mark, as in all that follow a successful `ADVANCE`. */
const PUT = `INSERT INTO xmpp_e2e_records SELECT ?2, revision, ?3 FROM xmpp_e2e_store WHERE last_commit = ?1
  ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, value = excluded.value`

const REMEMBER = `INSERT INTO xmpp_e2e_deleted
  SELECT k.value, s.revision FROM xmpp_e2e_store s, json_each(?2) k WHERE s.last_commit = ?1
  ON CONFLICT (key) DO UPDATE SET revision = excluded.revision`

const DELETE = `DELETE FROM xmpp_e2e_records WHERE key IN (SELECT value FROM json_each(?2))
  AND EXISTS (SELECT 1 FROM xmpp_e2e_store WHERE last_commit = ?1)`

const FORGET = `DELETE FROM xmpp_e2e_deleted
  WHERE revision <= (SELECT revision - ${HISTORY_CHANGES} FROM xmpp_e2e_store WHERE last_commit = ?1)`

const WRITTEN = 'SELECT last_commit = ?1 FROM xmpp_e2e_store WHERE store_uid = ?2'

const HEAD = 'SELECT store_uid, lower(hex(randomblob(16))) FROM xmpp_e2e_store'

/** One statement sees one moment. Without records there is still a row, with the revision. */
const READ = `SELECT s.revision, r.key, r.value FROM xmpp_e2e_store s
  LEFT JOIN xmpp_e2e_records r ON r.key IN (SELECT value FROM json_each(?1)) WHERE s.store_uid = ?2`

const LIST = `SELECT s.revision, r.key, r.value FROM xmpp_e2e_store s
  LEFT JOIN xmpp_e2e_records r ON r.key >= ?1 AND r.key < ?3 WHERE s.store_uid = ?2`

/**
 * Opens the store in the file that `url` names, and makes it if it is not there.
 *
 *     libsqlStore(createClient, 'file:bot.db')
 *
 * Other tables may be in the file; those of the store are called `xmpp_e2e_…`.
 *
 * Everything may reject with `store-busy`, when nothing was written, and with `evicted`, when what the store held was
 * removed from the file or replaced while it is open.
 *
 * @throws {TypeError} when the URL does not name a file: what a server promises is not known, and memory promises
 *   nothing; or when text in that file is not UTF-8
 * @throws {StoreError} `store-busy`
 * @throws what SQLite says when it cannot open the file
 */
export async function libsqlStore(createClient: CreateLibsqlClient, url: string): Promise<LibsqlStore> {
  if (!isFile(url)) throw new TypeError('url: expected file: and the path of a file')
  const { using, close } = connected(createClient, url)
  const [head] = await using(async (client) => {
    await client.batch(
      SCHEMA.map((sql) => ({ sql, args: [] })),
      'write',
    )
    return (await client.execute({ sql: HEAD, args: [] })).rows
  })
  // The mark of a commit is in no other commit, of this process or another.
  const [storeId, handle] = [`${present(head)[0]}`, `${present(head)[1]}`]
  let commits = 0

  return {
    async read(keys) {
      keys.forEach(checkKey)
      const asked = [...keys]
      const args = [JSON.stringify(asked), storeId]
      const { revision, entries } = await using((client) => found(client, READ, args))
      const values = new Map(entries)
      return asked.map((key) => {
        const value = values.get(key)
        const token = encodeToken({ storeId, revision, kind: 'key', subject: key })
        return { value: value && new Uint8Array(value), token }
      })
    },

    async list(prefix) {
      checkPrefix(prefix)
      const args = [prefix, storeId, afterPrefix(prefix)]
      const { revision, entries } = await using((client) => found(client, LIST, args))
      return { entries, token: encodeToken({ storeId, revision, kind: 'prefix', subject: prefix }) }
    },

    async commit(tokens, { put = [], delete: deletes = [] }: Batch) {
      checkBatch({ put, delete: deletes })
      const conditions = conditionsOf(tokens, storeId)
      // Not at once: the store may be closed.
      if (conditions === undefined) return using(async () => false)
      const changes = put.length + deletes.length
      if (changes === 0) {
        const { rows } = await using((client) => client.execute({ sql: CHECK, args: [conditions, storeId] }))
        return present(rows[0])[0] === 1
      }
      const mark = `${handle}:${++commits}`
      const statements: LibsqlStatement[] = [
        { sql: ADVANCE, args: [conditions, storeId, `${changes}`, mark] },
        ...put.map(([key, value]) => ({ sql: PUT, args: [mark, key, new Uint8Array(value)] })),
      ]
      if (deletes.length > 0) {
        const args = [mark, JSON.stringify(deletes)]
        statements.push({ sql: DELETE, args }, { sql: REMEMBER, args })
      }
      statements.push({ sql: FORGET, args: [mark] }, { sql: WRITTEN, args: [mark, storeId] })
      const results = await using((client) => client.batch(statements, 'write'))
      return present(results.at(-1)?.rows[0])[0] === 1
    },

    close,
  }
}

function isFile(url: string): boolean {
  try {
    return /^file:(?!.*(?::memory:|mode=memory))\/*[^/?#]/su.test(decodeURIComponent(url))
  } catch {
    return false
  }
}

/** One task at a time, hence one connection, which is made when it is needed and again after each error. */
function connected(createClient: CreateLibsqlClient, url: string) {
  const turn = takingTurns()
  let client: LibsqlClient | undefined
  let closed = false
  const release = (): void => {
    client?.close()
    client = undefined
  }
  return {
    using: <T>(task: (client: LibsqlClient) => Promise<T>): Promise<T> =>
      turn(async () => {
        for (let attempt = 1; ; attempt++) {
          if (closed) throw new StoreError('store-closed', 'the store was closed')
          try {
            client ??= await open(createClient, url)
            return await task(client)
          } catch (error) {
            // The driver does not reset a statement that failed, and no transaction can end beside it.
            release()
            if (isMissing(error)) throw evicted(error)
            if (!isBusy(error)) throw error
            if (attempt === BUSY_ATTEMPTS)
              throw new StoreError('store-busy', 'the file was locked all the time', error)
          }
        }
      }),
    close: (): Promise<void> =>
      turn(async () => {
        closed = true
        // The driver leaves statements open, so that SQLite would not do this by itself. It need not succeed.
        await client?.execute({ sql: 'PRAGMA wal_checkpoint(TRUNCATE)', args: [] }).catch(() => undefined)
        release()
      }),
  }
}

async function open(createClient: CreateLibsqlClient, url: string): Promise<LibsqlClient> {
  const client = createClient({ url, timeout: BUSY_MS })
  try {
    // In UTF-16 the order of keys, and so what a prefix is, is another one.
    const { rows } = await client.execute({ sql: 'PRAGMA encoding', args: [] })
    if (rows[0]?.[0] !== 'UTF-8') throw new TypeError(`file: expected UTF-8, got ${rows[0]?.[0]}`)
    for (const sql of ['PRAGMA journal_mode = WAL', 'PRAGMA synchronous = FULL'])
      await client.execute({ sql, args: [] })
    return client
  } catch (error) {
    client.close()
    throw error
  }
}

/** As `STALE` takes them; `undefined` if a token is not of this store. */
function conditionsOf(tokens: readonly string[], storeId: string): string | undefined {
  const conditions = tokens.map((text) => {
    const token = decodeToken(text)
    if (token?.storeId !== storeId) return undefined
    const { revision, kind, subject } = token
    return [revision, subject, kind === 'key' ? null : afterPrefix(subject)]
  })
  return conditions.includes(undefined) ? undefined : JSON.stringify(conditions)
}

/** The revision, and the records, as of one moment. */
async function found(
  client: LibsqlClient,
  sql: string,
  args: string[],
): Promise<{ revision: number; entries: [key: string, value: Bytes][] }> {
  const { rows } = await client.execute({ sql, args })
  const entries: [string, Bytes][] = []
  for (const { 1: key, 2: value } of rows)
    if (typeof key === 'string') entries.push([key, new Uint8Array(value as ArrayBuffer)])
  return { revision: Number(present(rows[0])[0]), entries }
}

/** The row that is there as long as the store is. @throws {StoreError} `evicted` */
function present<Row>(row: Row | undefined): Row {
  if (row === undefined) throw evicted()
  return row
}

const evicted = (cause?: unknown): StoreError =>
  new StoreError('evicted', 'the store was removed from the file, or replaced', cause)

function isMissing(error: unknown): boolean {
  return error instanceof Error && error.message.includes('no such table: xmpp_e2e_')
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY'
}
