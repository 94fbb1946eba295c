import { expect, test } from 'vitest'
import * as conformance from '../src/conformance.ts'
import * as encrypted from '../src/encrypted.ts'
import * as store from '../src/index.ts'
import * as indexeddb from '../src/indexeddb.ts'
import * as level from '../src/level.ts'
import * as libsql from '../src/libsql.ts'
import * as postgres from '../src/postgres.ts'

test('the package exports', () => {
  expect(Object.keys(store).sort()).toMatchInlineSnapshot(`
    [
      "BACKOFF_MAX_MS",
      "BACKOFF_MIN_MS",
      "EFFECT_AGE_MS",
      "EFFECT_ATTEMPTS",
      "EFFECT_MS",
      "LANES_AT_ONCE",
      "LEASE_MS",
      "MAX_EFFECT_BYTES",
      "MAX_KEY_BYTES",
      "MAX_LANE_BYTES",
      "MAX_LANE_EFFECTS",
      "MAX_VALUE_BYTES",
      "REQUEST_MS",
      "StoreError",
      "UNKNOWN_ATTEMPTS",
      "UPDATE_ATTEMPTS",
      "checkBatch",
      "checkKey",
      "checkPrefix",
      "checkpoint",
      "effectQueue",
      "memoryStore",
      "scoped",
      "update",
    ]
  `)
})

test('the kit exports', () => {
  expect(Object.keys(conformance).sort()).toMatchInlineSnapshot(`
    [
      "conformance",
      "flaky",
    ]
  `)
})

test('the store in IndexedDB exports', () => {
  expect(Object.keys(indexeddb).sort()).toMatchInlineSnapshot(`
    [
      "LOG_CHANGES",
      "indexeddbStore",
    ]
  `)
})

test('the encrypted store exports', () => {
  expect(Object.keys(encrypted).sort()).toMatchInlineSnapshot(`
    [
      "MAX_SEALED_KEY_BYTES",
      "MAX_SEALED_VALUE_BYTES",
      "MAX_SEALED_VERSIONS",
      "STORE_KEY_BYTES",
      "encrypted",
    ]
  `)
})

test('the stores on disk and on servers export', () => {
  expect([level, libsql, postgres].map((exported) => Object.keys(exported).sort())).toEqual([
    ['LOG_CHANGES', 'levelStore'],
    ['BUSY_ATTEMPTS', 'BUSY_MS', 'HISTORY_CHANGES', 'libsqlStore'],
    ['HISTORY_CHANGES', 'postgresStore'],
  ])
})
