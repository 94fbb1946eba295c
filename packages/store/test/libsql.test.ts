import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { conformance } from '../src/conformance.ts'
import {
  BUSY_ATTEMPTS,
  BUSY_MS,
  type CreateLibsqlClient,
  HISTORY_CHANGES,
  type LibsqlClient,
  type LibsqlStore,
  libsqlStore,
} from '../src/libsql.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'xmpp-e2e-libsql-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const one = Uint8Array.of(1)

let count = 0
const fresh = (): string => `file:${join(directory, `${++count}.db`)}`
const locations = new Map<LibsqlStore, string>()
async function open(url = fresh(), create: CreateLibsqlClient = createClient): Promise<LibsqlStore> {
  const store = await libsqlStore(create, url)
  locations.set(store, url)
  return store
}

describe('the port', () => {
  const checks = conformance({
    open: () => open(),
    peer: (store) => open(locations.get(store)),
    close: (store) => store.close(),
    async reopen(store) {
      await store.close()
      return open(locations.get(store))
    },
  })
  test.each(checks.map((check) => [check.name, check] as const))('%s', (_, check) => check.run())
})

/** A client whose batches fail as often as told, with the code of an error of SQLite, before or after they are made. */
const failing =
  (
    fates: ('fine' | 'SQLITE_BUSY' | 'SQLITE_IOERR' | 'unsaid')[],
    made: LibsqlClient[] = [],
  ): CreateLibsqlClient =>
  (config) => {
    const client = createClient(config)
    made.push(client)
    return {
      execute: (statement) => client.execute(statement),
      async batch(statements, mode) {
        const fate = fates.shift() ?? 'fine'
        if (fate.startsWith('SQLITE')) throw Object.assign(new Error(fate), { code: fate })
        const results = await client.batch(statements, mode)
        if (fate === 'unsaid') throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' })
        return results
      },
      close: () => client.close(),
    }
  }

describe('commits', () => {
  test('are synced, in WAL mode, on every connection', async () => {
    const url = fresh()
    const asked: string[] = []
    const listening: CreateLibsqlClient = (config) => {
      const client = createClient(config)
      return {
        execute: (statement) => {
          asked.push(statement.sql)
          return client.execute(statement)
        },
        async batch(statements, mode) {
          const pragmas =
            'SELECT (SELECT synchronous FROM pragma_synchronous), (SELECT timeout FROM pragma_busy_timeout)'
          const [{ rows } = { rows: [] }] = await client.batch([{ sql: pragmas, args: [] }], mode)
          expect([rows[0]?.[0], rows[0]?.[1]]).toEqual([2, BUSY_MS])
          return client.batch(statements, mode)
        },
        close: () => client.close(),
      }
    }
    const store = await open(url, listening)
    const commits = Array.from({ length: 8 }, (_, i) => store.commit([], { put: [[`k${i}`, one]] }))
    expect(await Promise.all(commits)).toEqual(commits.map(() => true))
    await store.close()
    const client = createClient({ url })
    expect((await client.execute('PRAGMA journal_mode')).rows[0]?.[0]).toBe('wal')
    client.close()
    expect(asked).toContain('PRAGMA synchronous = FULL')
  })

  test('are tried again on a new connection while others have the file locked', async () => {
    const made: LibsqlClient[] = []
    const fates = ['fine', ...Array<'SQLITE_BUSY'>(BUSY_ATTEMPTS - 1).fill('SQLITE_BUSY')] as const
    const store = await open(fresh(), failing([...fates], made))
    expect(await store.commit([], { put: [['a', one]] })).toBe(true)
    expect(made.length).toBe(BUSY_ATTEMPTS)
    await store.close()
  })

  test('are given up after BUSY_ATTEMPTS, and nothing is written', async () => {
    const fates = ['fine', ...Array<'SQLITE_BUSY'>(BUSY_ATTEMPTS).fill('SQLITE_BUSY')] as const
    const store = await open(fresh(), failing([...fates]))
    const commit = store.commit([], { put: [['a', one]] })
    await expect(commit).rejects.toMatchObject({ name: 'StoreError', code: 'store-busy' })
    expect((await store.list('')).entries).toEqual([])
    expect(await store.commit([], { put: [['a', one]] })).toBe(true)
    await store.close()
  })

  test.each(['SQLITE_IOERR', 'unsaid'] as const)('reject with what SQLite says: %s', async (fate) => {
    const store = await open(fresh(), failing(['fine', fate]))
    const [before] = await store.read(['a'])
    const commit = store.commit([before!.token], { put: [['a', one]] })
    await expect(commit).rejects.toMatchObject({ code: 'SQLITE_IOERR' })
    const written = fate === 'unsaid'
    expect((await store.list('')).entries).toEqual(written ? [['a', one]] : [])
    expect(await store.commit([before!.token], { put: [['a', one]] })).toBe(!written)
    await store.close()
  })
})

test('a connection that has met a lock is given up: the driver can end no transaction on it', async () => {
  const url = fresh()
  const other = createClient({ url })
  let locked: Awaited<ReturnType<typeof other.transaction>> | undefined
  const met: string[] = []
  const impatient: CreateLibsqlClient = (config) => {
    const client = createClient({ ...config, timeout: 0 })
    return {
      execute: (statement) => client.execute(statement),
      async batch(statements, mode) {
        try {
          return await client.batch(statements, mode)
        } catch (error) {
          met.push(String(error))
          await locked?.rollback()
          throw error
        }
      },
      close: () => client.close(),
    }
  }
  const store = await open(url, impatient)
  locked = await other.transaction('write')
  expect(await store.commit([], { put: [['a', one]] })).toBe(true)
  expect(await store.commit([], { put: [['b', one]] })).toBe(true)
  expect(met).toEqual([expect.stringContaining('database is locked')])
  other.close()
  await store.close()
})

test('a file remembers deleted keys for HISTORY_CHANGES, and refuses what it cannot know', async () => {
  const url = fresh()
  const store = await open(url)
  const [before] = await store.read(['never written'])
  const keys = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, i) => `k${from + i}`)
  expect(await store.commit([], { delete: keys(0, HISTORY_CHANGES) })).toBe(true)
  expect(await store.commit([before!.token], {})).toBe(true)
  expect(await store.commit([], { delete: keys(HISTORY_CHANGES, HISTORY_CHANGES + 1) })).toBe(true)
  expect(await store.commit([before!.token], {})).toBe(false)
  expect(await store.commit([], { delete: keys(20_000, 20_000 + HISTORY_CHANGES) })).toBe(true)
  await store.close()
  const client = createClient({ url })
  expect((await client.execute('SELECT count(*) FROM xmpp_e2e_deleted')).rows[0]?.[0]).toBe(HISTORY_CHANGES)
  client.close()
})

describe('a file', () => {
  test('may have other tables', async () => {
    const url = fresh()
    const client = createClient({ url })
    await client.execute('CREATE TABLE mine (a)')
    const store = await open(url)
    await store.commit([], { put: [['a', one]] })
    await store.close()
    expect((await client.execute('SELECT count(*) FROM mine')).rows[0]?.[0]).toBe(0)
    client.close()
  })

  test('that cannot be made is an error of SQLite', async () => {
    await expect(open('file:/dev/null/nowhere')).rejects.toThrow(/[Uu]nable to open/)
  })

  test('that is no database is an error of SQLite', async () => {
    const path = join(directory, 'text')
    writeFileSync(path, 'no database, '.repeat(100))
    await expect(open(`file:${path}`)).rejects.toMatchObject({ code: 'SQLITE_NOTADB' })
  })

  test.each(['UTF-16le', 'UTF-16be'])('whose text is %s is refused, and left alone', async (encoding) => {
    const url = fresh()
    const client = createClient({ url })
    await client.execute(`PRAGMA encoding = '${encoding}'`)
    await client.execute('CREATE TABLE mine (a)')
    await expect(open(url)).rejects.toThrow(new TypeError(`file: expected UTF-8, got ${encoding}`))
    expect((await client.execute('SELECT name FROM sqlite_master')).rows.map((row) => row[0])).toEqual([
      'mine',
    ])
    client.close()
  })

  test('holds all by itself when it is closed: a copy of it has everything', async () => {
    const url = fresh()
    const store = await open(url)
    for (let i = 0; i < 50; i++) await store.commit([], { put: [['a', Uint8Array.of(i)]] })
    await store.close()
    const copy = fresh()
    copyFileSync(url.slice('file:'.length), copy.slice('file:'.length))
    const copied = await open(copy)
    expect((await copied.list('')).entries).toEqual([['a', Uint8Array.of(49)]])
    await copied.close()
  })

  describe('from which the store is gone is evicted, whatever is asked,', () => {
    const uid = 'lower(hex(randomblob(16)))'
    test.each([
      ['its row deleted', ['DELETE FROM xmpp_e2e_store']],
      ['another in its place', [`UPDATE xmpp_e2e_store SET store_uid = ${uid}`]],
      ['its tables dropped', ['store', 'records', 'deleted'].map((name) => `DROP TABLE xmpp_e2e_${name}`)],
    ])('with %s', async (_, statements) => {
      const url = fresh()
      const store = await open(url)
      await store.commit([], { put: [['a', one]] })
      const [seen] = await store.read(['a'])
      const client = createClient({ url })
      for (const sql of statements) await client.execute(sql)
      client.close()
      const asked = [
        store.read(['a']),
        store.list(''),
        store.commit([seen!.token], {}),
        store.commit([], { put: [['a', one]] }),
        store.commit([seen!.token], { delete: ['a'] }),
      ]
      for (const each of await Promise.allSettled(asked))
        expect(each).toMatchObject({ status: 'rejected', reason: { name: 'StoreError', code: 'evicted' } })
      await store.close()
    })

    test('with another file in its place, met when it is opened anew after a lock', async () => {
      const url = fresh()
      const fates: 'SQLITE_BUSY'[] = []
      const store = await open(url, failing(fates))
      await store.commit([], { put: [['a', one]] })
      const [seen] = await store.read(['a'])
      for (const end of ['', '-wal', '-shm']) rmSync(url.slice('file:'.length) + end, { force: true })
      await (await open(url)).close()
      fates.push('SQLITE_BUSY')
      const commit = store.commit([seen!.token], { put: [['a', one]] })
      await expect(commit).rejects.toMatchObject({ code: 'evicted' })
      await store.close()
    })
  })

  test.each([
    ...['libsql://example.org', 'http://localhost', ':memory:', 'file::memory:', 'file:x?mode=memory'],
    ...['file:', 'file:///', 'file:?a=b', 'file:%3Amemory%3A', 'file:x?mode=%6demory', 'file:%'],
  ])('is what the URL must name: not %s', async (url) => {
    await expect(open(url)).rejects.toThrow(TypeError)
  })
})

test('closing lets commits end that have begun, and refuses what comes later', async () => {
  const url = fresh()
  const store = await open(url)
  const begun = [store.commit([], { put: [['a', one]] }), store.commit([], { put: [['b', one]] })]
  const closing = store.close()
  const late = [
    store.commit([], { put: [['c', one]] }),
    store.commit(['of nobody'], {}),
    store.read(['a']),
    store.list(''),
  ]
  await Promise.all(late.map((each) => expect(each).rejects.toMatchObject({ code: 'store-closed' })))
  await closing
  await store.close()
  expect(await Promise.all(begun)).toEqual([true, true])
  const again = await open(url)
  expect((await again.list('')).entries.map(([key]) => key)).toEqual(['a', 'b'])
  await again.close()
})
