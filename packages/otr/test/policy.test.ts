import { expect, it } from 'vitest'
import { createPolicy, DEFAULT_POLICY, MIN_FRAGMENT, type Policy } from '../src/protocol/policy.ts'

it('Policies have defaults: version 3, nothing started but by a query', () => {
  expect(createPolicy()).toStrictEqual(DEFAULT_POLICY)
  expect(createPolicy({ versions: [2, 3] }).versions).toStrictEqual([2, 3])
  expect(DEFAULT_POLICY.versions).toStrictEqual([3])
})

it.each<[Partial<Policy>, boolean]>([
  [{ versions: [] }, false],
  [{ versions: [2] }, true],
  [{ pad: 4096 }, true],
  [{ pad: 4097 }, false],
  [{ pad: -1 }, false],
  [{ pad: 1.5 }, false],
  [{ heartbeatMs: 0 }, true],
  [{ heartbeatMs: Number.POSITIVE_INFINITY }, true],
  [{ heartbeatMs: -1 }, false],
  [{ heartbeatMs: Number.NaN }, false],
  [{ maxFragment: MIN_FRAGMENT }, true],
  [{ maxFragment: MIN_FRAGMENT - 1 }, false],
  [{ maxFragment: Number.NaN }, false],
])('A policy with %o: %s', (options, isGood) => {
  if (isGood) expect(createPolicy(options)).toMatchObject(options)
  else expect(() => createPolicy(options)).toThrow(RangeError)
})
