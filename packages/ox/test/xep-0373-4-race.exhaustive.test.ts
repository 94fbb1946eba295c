import { expect, test } from 'vitest'
import { announceAtOnce } from './race.ts'

const RUNS = 500

test(`XEP-0373 §4.2: two clients announce at once, ${RUNS} times: no key stays lost from the list`, async () => {
  // Otherwise nothing is shown.
  expect(await announceAtOnce(RUNS)).toBeGreaterThan(RUNS / 20)
}, 600_000)
