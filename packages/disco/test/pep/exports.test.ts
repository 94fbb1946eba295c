import { expect, test } from 'vitest'
import * as pep from '../../src/pep.ts'

test('the subpath exports', () => {
  expect(Object.keys(pep).sort()).toMatchInlineSnapshot(`
    [
      "MAX_NODE_ITEMS",
      "MAX_NODE_NAME",
      "MAX_PUBLISH_REQUESTS",
      "PepError",
      "configuration",
      "configure",
      "createNode",
      "deleteNode",
      "eventsOf",
      "fetchItems",
      "notify",
      "onEvents",
      "publish",
      "retract",
      "subscribe",
      "unsubscribe",
    ]
  `)
})
