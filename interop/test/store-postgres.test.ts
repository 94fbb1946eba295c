import { type Store, update } from '@xmpp-e2e/store'
import { conformance } from '@xmpp-e2e/store/conformance'
import { HISTORY_CHANGES, type PostgresClient, postgresStore } from '@xmpp-e2e/store/postgres'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../src/postgres-server.ts'

let server: PostgresServer
const pools: Pool[] = []
/** For the end, which does not wait until its connections are closed: the server may still say in one that it stops. */
function keep(made: Pool): Pool {
  made.on('error', () => undefined)
  pools.push(made)
  return made
}
/** As many processes have: connections of its own, with the settings that the database may have. */
const pool = (options = '') => {
  const { host, user, database } = server
  return keep(new Pool({ host, user, database, max: 4, options }))
}
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  for (const each of pools) await each.end()
  await server?.stop()
})

let names = 0
const fresh = () => `store ${++names}`

// The whole kit as the database is by default; where transactions see one moment, what happens at once.
describe.each([
  ['read committed', '', /./],
  ['repeatable read', '-c default_transaction_isolation=repeatable\\ read', /^commit: .* at once|late/],
  ['serializable', '-c default_transaction_isolation=serializable', /^commit: .* at once|late/],
])('the port, where the database is %s', (_, options, which) => {
  const named = new Map<Store, string>()
  const clients: PostgresClient[] = []
  const open = async (client = clients[0]!, name = fresh()): Promise<Store> => {
    const store = await postgresStore(client, { name })
    named.set(store, name)
    return store
  }
  beforeAll(() => {
    clients.push(pool(options), pool(options))
  })
  const checks = conformance({
    open: () => open(),
    peer: (store) => open(clients[1], named.get(store)),
    reopen: (store) => open(clients[1], named.get(store)),
  })
  const chosen = checks.filter(({ name }) => which.test(name)).map((check) => [check.name, check] as const)
  test.each(chosen)('%s', (_name, check) => check.run())

  test('phantoms: each of many numbers by what it lists, and no two have the same', async () => {
    const name = fresh()
    const stores = [await open(clients[0], name), await open(clients[1], name)]
    const take = (store: Store) =>
      update(store, [], async (_values, reader) => {
        const taken = await reader.list('seat/')
        return {
          put: [[`seat/${taken.length}/${crypto.randomUUID()}`, new Uint8Array()]],
          result: taken.length,
        }
      })
    const seats = await Promise.all(Array.from({ length: 24 }, (_value, i) => take(stores[i % 2]!)))
    expect(seats.sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_value, i) => i))
  })
})

/** A client that keeps what it was asked. */
const listening = (client: PostgresClient) => {
  const asked: string[] = []
  return {
    asked,
    query(text: string, values: Parameters<PostgresClient['query']>[1]) {
      asked.push(text)
      return client.query(text, values)
    },
  }
}

describe('a store', () => {
  test('needs one round trip for each thing it does', async () => {
    const client = listening(pool())
    const store = await postgresStore(client, { name: fresh() })
    client.asked.length = 0
    const readings = await store.read(['a', 'b', 'c'])
    expect(client.asked.length).toBe(1)
    const { token } = await store.list('')
    expect(client.asked.length).toBe(2)
    const tokens = [...readings.map((reading) => reading.token), token]
    const put = Array.from({ length: 100 }, (_, i) => [`k${i}`, new Uint8Array(100)] as const)
    expect(await store.commit(tokens, { put, delete: ['a', 'b'] })).toBe(true)
    expect(client.asked.length).toBe(3)
    expect(await store.commit(['of nobody'], { put })).toBe(false)
    expect(client.asked.length).toBe(3)
  })

  test('is made once, by whoever comes first', async () => {
    const client = pool('-c search_path=once')
    await client.query('CREATE SCHEMA once')
    const stores = await Promise.all(Array.from({ length: 8 }, () => postgresStore(client)))
    expect(await stores[0]!.commit([], { put: [['a', Uint8Array.of(1)]] })).toBe(true)
    for (const store of stores) expect((await store.list('')).entries).toEqual([['a', Uint8Array.of(1)]])
    const later = listening(client)
    await postgresStore(later)
    expect(later.asked.filter((text) => text.includes('CREATE'))).toEqual([])
  })

  test('can be used by a role that may not create tables', async () => {
    const owner = pool('-c search_path=lent')
    await owner.query('CREATE SCHEMA lent')
    await postgresStore(owner)
    await owner.query('CREATE ROLE guest LOGIN')
    await owner.query('GRANT USAGE ON SCHEMA lent TO guest')
    await owner.query('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA lent TO guest')
    const guest = pool('-c search_path=lent -c role=guest')
    const store = await postgresStore(guest)
    expect(await store.commit([], { put: [['a', Uint8Array.of(1)]], delete: ['b'] })).toBe(true)
    expect((await store.list('')).entries.length).toBe(1)
  })

  test('is synced to disk at every commit, whatever the database does otherwise', async () => {
    const client = pool('-c synchronous_commit=off')
    const store = await postgresStore(client, { name: fresh() })
    // What a transaction is committed with is the setting at its end.
    const asked = `SELECT xmpp_e2e_commit_1(id, store_uid, '[]', '[{"key":"a","start":0,"length":0}]', '', '[]') AS written,
      current_setting('synchronous_commit') AS before FROM xmpp_e2e_stores LIMIT 1`
    const { rows } = await client.query(`WITH done AS MATERIALIZED (${asked})
      SELECT written, before, current_setting('synchronous_commit') AS after FROM done`)
    expect(rows).toEqual([expect.objectContaining({ written: true, after: 'on' })])
    expect(await store.commit([], { put: [['a', new Uint8Array()]] })).toBe(true)
    const { rows: now } = await client.query("SELECT current_setting('synchronous_commit') AS setting")
    expect(now).toEqual([{ setting: 'off' }])
  })

  test('remembers deleted keys for HISTORY_CHANGES, and refuses what it cannot know', async () => {
    const client = pool()
    const name = fresh()
    const store = await postgresStore(client, { name })
    const [before] = await store.read(['never written'])
    const keys = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `k${from + i}`)
    expect(await store.commit([], { delete: keys(0, HISTORY_CHANGES) })).toBe(true)
    expect(await store.commit([before!.token], {})).toBe(true)
    expect(await store.commit([], { delete: keys(HISTORY_CHANGES, HISTORY_CHANGES + 1) })).toBe(true)
    expect(await store.commit([before!.token], {})).toBe(false)
    expect(await store.commit([], { delete: keys(20_000, 20_000 + HISTORY_CHANGES) })).toBe(true)
    const remembered = `SELECT count(*)::int AS count FROM xmpp_e2e_deleted d
      JOIN xmpp_e2e_stores s ON s.id = d.store WHERE s.name = $1`
    expect((await client.query(remembered, [name])).rows).toEqual([{ count: HISTORY_CHANGES }])
  })

  test('cannot be kept where text is not UTF-8', async () => {
    const client = pool()
    await client.query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    const latin = keep(new Pool({ host: server.host, user: server.user, database: 'latin' }))
    await expect(postgresStore(latin)).rejects.toThrow(TypeError)
  })

  test.each([
    ['its row is deleted', ['DELETE FROM xmpp_e2e_stores']],
    ['another is in its place', ["UPDATE xmpp_e2e_stores SET store_uid = 'other'"]],
    ['its tables are dropped', ['stores', 'records', 'deleted'].map((name) => `DROP TABLE xmpp_e2e_${name}`)],
    ['its schema is dropped', ['DROP SCHEMA vanishing CASCADE']],
  ])('is evicted, whatever is asked, when %s', async (_, statements) => {
    const client = pool('-c search_path=vanishing')
    await client.query('DROP SCHEMA IF EXISTS vanishing CASCADE')
    await client.query('CREATE SCHEMA vanishing')
    const store = await postgresStore(client)
    await store.commit([], { put: [['a', new Uint8Array()]] })
    const [seen] = await store.read(['a'])
    for (const statement of statements) await client.query(statement)
    const asked = [
      store.read(['a']),
      store.list(''),
      store.commit([seen!.token], {}),
      store.commit([], { put: [['a', new Uint8Array()]] }),
      store.commit([seen!.token], { delete: ['a'] }),
    ]
    for (const each of await Promise.allSettled(asked))
      expect(each).toMatchObject({ status: 'rejected', reason: { name: 'StoreError', code: 'evicted' } })
  })
})
