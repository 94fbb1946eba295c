/** A sample of `testkit-loss.exhaustive.test.ts`. */
import { expect, test } from 'vitest'
import { lossyConversation } from './testkit-loss.ts'

/** One of each seed. */
const CONVERSATIONS = 24

test.each([0, 1, 2, 3])(`${CONVERSATIONS / 4} conversations, part %s of 4: all converge`, async (part) => {
  let lost = 0
  for (let seed = part; seed < CONVERSATIONS; seed += 4) lost += await lossyConversation(seed)
  // A network that loses nothing would show nothing.
  expect(lost).toBeGreaterThan(CONVERSATIONS / 4)
})
