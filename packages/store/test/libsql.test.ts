import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { conformance } from '../src/conformance.ts'
import { type LibsqlStore, libsqlStore } from '../src/libsql.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'xmpp-e2e-libsql-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const locations = new Map<LibsqlStore, string>()
let count = 0
async function open(location = join(directory, `${++count}`)): Promise<LibsqlStore> {
  const store = await libsqlStore(createClient, `file:${location}`)
  locations.set(store, location)
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
