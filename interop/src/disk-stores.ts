/** The durable stores that run outside browsers, opened the same way, whatever they run on. */
import { join } from 'node:path'
import type { Store } from '@xmpp-e2e/store'
import { levelStore } from '@xmpp-e2e/store/level'
import { libsqlStore } from '@xmpp-e2e/store/libsql'
import { postgresStore } from '@xmpp-e2e/store/postgres'

export const STORES = ['level', 'libsql', 'postgres'] as const
export type DiskStore = (typeof STORES)[number]

export interface OpenStore {
  readonly store: Store
  close(): Promise<void>
}

/**
 * @param directory - where its files are; for PostgreSQL, where its socket is
 * @param name - which of the stores there
 */
export async function openStore(kind: DiskStore, directory: string, name: string): Promise<OpenStore> {
  switch (kind) {
    case 'level': {
      // Each is imported where it is used: not every runtime can load all of them.
      const { ClassicLevel } = await import('classic-level')
      const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes))
      const store = await levelStore(ClassicLevel, join(directory, name), { random })
      return { store, close: () => store.close() }
    }
    case 'libsql': {
      const { createClient } = await import('@libsql/client')
      const store = await libsqlStore(createClient, `file:${join(directory, name)}`)
      return { store, close: () => store.close() }
    }
    case 'postgres': {
      const { Pool } = await import('pg')
      const pool = new Pool({ host: directory, user: 'postgres', database: 'postgres', max: 2 })
      // A connection that breaks while nobody uses it.
      pool.on('error', () => undefined)
      return { store: await postgresStore(pool, { name }), close: () => pool.end() }
    }
  }
}
