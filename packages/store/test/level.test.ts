import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { conformance } from '../src/conformance.ts'
import { type LevelStore, levelStore } from '../src/level.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'xmpp-e2e-level-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const random = (bytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(bytes))
const locations = new Map<LevelStore, string>()
let count = 0
async function open(location = join(directory, `${++count}`)): Promise<LevelStore> {
  const store = await levelStore(ClassicLevel, location, { random })
  locations.set(store, location)
  return store
}

describe('the port', () => {
  const checks = conformance({
    open: () => open(),
    close: (store) => store.close(),
    async reopen(store) {
      await store.close()
      return open(locations.get(store))
    },
  })
  test.each(checks.map((check) => [check.name, check] as const))('%s', (_, check) => check.run())
})
