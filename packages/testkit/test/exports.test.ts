import { expect, test } from 'vitest'
import * as testkit from '../src/index.ts'

test('the package exports', () => {
  expect(Object.keys(testkit).sort()).toMatchInlineSnapshot(`
    [
      "FINISH_MS",
      "MAX_DELIVERIES",
      "MAX_ITEMS",
      "MAX_PAGE_SIZE",
      "PAGE_SIZE",
      "QUIET_TURNS",
      "RESUMPTION_MS",
      "ROOM_HISTORY",
      "SETTLED_TURNS",
      "TestkitError",
      "atEveryCrash",
      "crash",
      "ejabberd",
      "mermaid",
      "modern",
      "prosody",
      "sequence",
      "testService",
      "written",
    ]
  `)
})
