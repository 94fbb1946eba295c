import { expect, test } from 'vitest'
import { HOST_LIMITS } from '../src/host-tree.ts'
import { LIMITS } from '../src/parse-tree.ts'

test('adapters and the parser have the same limits', () => {
  expect(LIMITS).toMatchObject(HOST_LIMITS)
})
