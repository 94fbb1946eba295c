/**
 * A store in PostgreSQL 13 or later, for any number of processes on any number of machines: by way of pg or anything
 * with its `query`. Each method is one round trip.
 *
 *     xmpp_e2e_stores   id, name, store_uid, revision
 *     xmpp_e2e_records  store, key → revision that put it, value
 *     xmpp_e2e_deleted  store, key → revision that deleted it, for the last HISTORY_CHANGES
 *
 * The revision grows with every changed key. A commit is a call of one function, which locks the row of the store, then
 * checks, then writes. Commits of one store so come one after the other. That the lock comes first, and in a statement
 * of its own, is what makes it right: under READ COMMITTED a statement sees what was committed when it began, so
 * one that checks and waits at once would check what was there before it waited, phantoms included. Under REPEATABLE
 * READ and SERIALIZABLE it is the lock that fails, and the commit is refused.
 */

import { StoreError } from './error.ts'
import { HISTORY_CHANGES } from './history.ts'
import { afterPrefix } from './key-range.ts'
import { type Batch, type Bytes, checkBatch, checkKey, checkPrefix, type Store } from './store.ts'
import { decodeToken, encodeToken } from './token.ts'

export { HISTORY_CHANGES }

/**
 * Of a `Pool` of pg, what is used. Every query is a transaction of its own: a client that is in one already keeps
 * what was committed from being durable, and everybody else waiting.
 */
export interface PostgresClient {
  query(text: string, values: (string | number | Uint8Array)[]): Promise<{ rows: unknown[] }>
}

export interface PostgresOptions {
  /** Tells stores in one database apart; commits of different stores do not wait for each other. `main` unless given. */
  readonly name?: string
}

/** Keys are compared by their bytes: the order of code points, whatever the language of the database. */
const TEXT = 'text COLLATE "C"'

/** Creating what may be there is not safe from others who do the same; the number is that of an advisory lock, "xe2e". */
const SCHEMA = `DO $do$ BEGIN
  PERFORM pg_advisory_xact_lock(2019897957);
  CREATE TABLE IF NOT EXISTS xmpp_e2e_stores (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name ${TEXT} NOT NULL UNIQUE,
    store_uid text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),
    revision bigint NOT NULL DEFAULT 0);
  CREATE TABLE IF NOT EXISTS xmpp_e2e_records (
    store integer NOT NULL, key ${TEXT} NOT NULL, revision bigint NOT NULL, value bytea NOT NULL,
    PRIMARY KEY (store, key));
  CREATE TABLE IF NOT EXISTS xmpp_e2e_deleted (
    store integer NOT NULL, key ${TEXT} NOT NULL, revision bigint NOT NULL,
    PRIMARY KEY (store, key));
  CREATE INDEX IF NOT EXISTS xmpp_e2e_deleted_revision ON xmpp_e2e_deleted (store, revision);

  CREATE OR REPLACE FUNCTION xmpp_e2e_commit_1(
    which integer, which_uid text, conditions jsonb, puts jsonb, data bytea, deletes jsonb
  ) RETURNS boolean LANGUAGE plpgsql AS $body$
  DECLARE
    at bigint;
    changes integer := jsonb_array_length(puts) + jsonb_array_length(deletes);
  BEGIN
    IF changes > 0 THEN
      SELECT revision + changes INTO at FROM xmpp_e2e_stores WHERE id = which FOR NO KEY UPDATE;
    END IF;
    IF NOT EXISTS (SELECT FROM xmpp_e2e_stores WHERE id = which AND store_uid = which_uid) THEN
      RETURN NULL;
    END IF;
    IF EXISTS (
      SELECT FROM xmpp_e2e_stores s,
        jsonb_to_recordset(conditions) AS c(revision bigint, key text, prefix text, until text)
      WHERE s.id = which AND (c.revision > s.revision OR c.revision < s.revision - ${HISTORY_CHANGES}
        OR EXISTS (SELECT FROM xmpp_e2e_records r
          WHERE r.store = which AND r.key = c.key AND r.revision > c.revision)
        OR EXISTS (SELECT FROM xmpp_e2e_deleted d
          WHERE d.store = which AND d.key = c.key AND d.revision > c.revision)
        OR EXISTS (SELECT FROM xmpp_e2e_records r
          WHERE r.store = which AND r.key >= c.prefix AND r.key < c.until AND r.revision > c.revision)
        OR EXISTS (SELECT FROM xmpp_e2e_deleted d
          WHERE d.store = which AND d.key >= c.prefix AND d.key < c.until AND d.revision > c.revision)))
    THEN
      RETURN false;
    END IF;
    IF changes = 0 THEN
      RETURN true;
    END IF;
    -- What is reported as written is on disk, whatever else the database is used for.
    IF current_setting('synchronous_commit') = 'off' THEN
      PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    UPDATE xmpp_e2e_stores SET revision = at WHERE id = which;
    INSERT INTO xmpp_e2e_records
      SELECT which, p.key, at, substring(data FROM p.start + 1 FOR p.length)
      FROM jsonb_to_recordset(puts) AS p(key text, start integer, length integer)
      ON CONFLICT (store, key) DO UPDATE SET revision = excluded.revision, value = excluded.value;
    DELETE FROM xmpp_e2e_records
      WHERE store = which AND key = ANY (ARRAY(SELECT jsonb_array_elements_text(deletes)));
    INSERT INTO xmpp_e2e_deleted
      SELECT which, d.key, at FROM jsonb_array_elements_text(deletes) AS d(key)
      ON CONFLICT (store, key) DO UPDATE SET revision = excluded.revision;
    DELETE FROM xmpp_e2e_deleted WHERE store = which AND revision <= at - ${HISTORY_CHANGES};
    RETURN true;
  END $body$;
END $do$`

/** Whoever may not create tables can use those that somebody else has created. */
const FOUND = `SELECT current_setting('server_encoding') AS encoding,
  to_regprocedure('xmpp_e2e_commit_1(integer, text, jsonb, jsonb, bytea, jsonb)') IS NOT NULL AS found`

const ADD = 'INSERT INTO xmpp_e2e_stores (name) VALUES ($1) ON CONFLICT (name) DO NOTHING'
const HEAD = 'SELECT id, store_uid FROM xmpp_e2e_stores WHERE name = $1'

/** One statement sees one moment. Without records there is still a row, with the revision. */
const READ = `SELECT s.revision::text AS revision, r.key, r.value FROM xmpp_e2e_stores s
  LEFT JOIN xmpp_e2e_records r ON r.store = s.id
    AND r.key = ANY (ARRAY(SELECT jsonb_array_elements_text($3::jsonb)))
  WHERE s.id = $1 AND s.store_uid = $2`

const LIST = `SELECT s.revision::text AS revision, r.key, r.value FROM xmpp_e2e_stores s
  LEFT JOIN xmpp_e2e_records r ON r.store = s.id AND r.key >= $3 AND r.key < $4
  WHERE s.id = $1 AND s.store_uid = $2`

const COMMIT = 'SELECT xmpp_e2e_commit_1($1, $2, $3::jsonb, $4::jsonb, $5::bytea, $6::jsonb) AS written'

interface Row {
  readonly revision: string
  /** `null` in the one row of no records. */
  readonly key: string | null
  readonly value: Uint8Array
}

/**
 * Opens the store of this name, and makes it, and what it needs in the database, if it is not there.
 *
 *     postgresStore(new Pool({ connectionString }))
 *
 * The tables are called `xmpp_e2e_…` and stand in the first schema of the search path. The client stays the caller's.
 *
 * Everything rejects with a `StoreError` `evicted` when the store was removed from the database or replaced while it is
 * open.
 *
 * @throws {TypeError} when the encoding of the database is not UTF8: it could not keep every key
 * @throws what the client says when it cannot reach the database, or may not create the tables
 */
export async function postgresStore(client: PostgresClient, options: PostgresOptions = {}): Promise<Store> {
  const { name = 'main' } = options
  checkKey(name)
  const [state] = await ask<{ encoding: string; found: boolean }>(client, FOUND, [])
  if (state?.encoding !== 'UTF8') throw new TypeError(`database: expected UTF8, got ${state?.encoding}`)
  if (!state.found) await client.query(SCHEMA, [])
  await client.query(ADD, [name])
  const [head] = await ask<{ id: number; store_uid: string }>(client, HEAD, [name])
  if (!head) throw evicted()
  const { id, store_uid: storeId } = head

  const found = async (sql: string, values: string[]) => {
    const rows = await ask<Row>(client, sql, [id, storeId, ...values])
    const [first] = rows
    if (!first) throw evicted()
    const entries: [string, Bytes][] = []
    for (const { key, value } of rows) if (key !== null) entries.push([key, new Uint8Array(value)])
    return { revision: Number(first.revision), entries }
  }

  const conditionOf = (text: string): Condition | undefined => {
    const token = decodeToken(text)
    if (token?.storeId !== storeId) return undefined
    const { revision, kind, subject } = token
    return kind === 'key'
      ? { revision, key: subject }
      : { revision, prefix: subject, until: afterPrefix(subject) }
  }

  return {
    async read(keys) {
      keys.forEach(checkKey)
      const asked = [...keys]
      const { revision, entries } = await found(READ, [JSON.stringify(asked)])
      const values = new Map(entries)
      return asked.map((key) => {
        const value = values.get(key)
        const token = encodeToken({ storeId, revision, kind: 'key', subject: key })
        return { value: value && new Uint8Array(value), token }
      })
    },

    async list(prefix) {
      checkPrefix(prefix)
      const { revision, entries } = await found(LIST, [prefix, afterPrefix(prefix)])
      return { entries, token: encodeToken({ storeId, revision, kind: 'prefix', subject: prefix }) }
    },

    async commit(tokens, { put = [], delete: deletes = [] }: Batch) {
      checkBatch({ put, delete: deletes })
      const conditions = tokens.map(conditionOf)
      if (conditions.includes(undefined)) return false
      const { puts, data } = packed(put)
      const values = [
        id,
        storeId,
        JSON.stringify(conditions),
        JSON.stringify(puts),
        data,
        JSON.stringify(deletes),
      ]
      try {
        const [row] = await ask<{ written: boolean | null }>(client, COMMIT, values)
        if (typeof row?.written !== 'boolean') throw evicted()
        return row.written
      } catch (error) {
        if (isLostRace(error)) return false
        throw error
      }
    },
  }
}

/** As of a revision, a key, or all from `prefix` up to `until`. */
type Condition =
  | { readonly revision: number; readonly key: string }
  | { readonly revision: number; readonly prefix: string; readonly until: string }

/** Where the value of a key is in the array of all of them. */
interface PackedPut {
  readonly key: string
  readonly start: number
  readonly length: number
}

/** All values in one array, which travels as it is. */
function packed(put: Batch['put'] & {}): { puts: readonly PackedPut[]; data: Uint8Array } {
  const data = new Uint8Array(put.reduce((sum, [, { length }]) => sum + length, 0))
  let end = 0
  const puts = put.map(([key, value]) => {
    const start = end
    data.set(value, start)
    end += value.length
    return { key, start, length: value.length }
  })
  return { puts, data }
}

/** The rows are taken to be what the statement selects. */
async function ask<R>(
  client: PostgresClient,
  text: string,
  values: (string | number | Uint8Array)[],
): Promise<R[]> {
  try {
    return (await client.query(text, values)).rows as R[]
  } catch (error) {
    throw isMissing(error) ? evicted(error) : error
  }
}

const evicted = (cause?: unknown): StoreError =>
  new StoreError('evicted', 'the store was removed from the database, or replaced', cause)

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

/** `undefined_table` and `undefined_function` (PostgreSQL, appendix A). */
function isMissing(error: unknown): boolean {
  return codeOf(error) === '42P01' || codeOf(error) === '42883'
}

/**
 * `serialization_failure` and `deadlock_detected`: the transaction was rolled back because of another one, which
 * was not (PostgreSQL, appendix A).
 */
function isLostRace(error: unknown): boolean {
  return codeOf(error) === '40001' || codeOf(error) === '40P01'
}
