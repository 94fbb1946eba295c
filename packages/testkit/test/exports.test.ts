import { expect, test } from 'vitest'
import * as testkit from '../src/index.ts'

test('the package exports', () => {
  expect(Object.keys(testkit).sort()).toMatchInlineSnapshot(`
    [
      "HISTORY",
      "MAX_DELIVERIES",
      "MAX_ITEMS",
      "MAX_PAGE",
      "PAGE",
      "QUIET_TURNS",
      "RESUMPTION_MS",
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
