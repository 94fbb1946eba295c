import { bare } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import {
  automaticTrustManagement,
  blindTrustBeforeVerification,
  type Evidence,
  firstUse,
  type Key,
  type Level,
  manual,
  type Policy,
} from '../src/index.ts'

const bob = bare('bob@example.com')
const key = (fingerprint: string, level: Level = 'undecided', owner = bob, by?: Evidence): Key => ({
  owner,
  fingerprint,
  level,
  by,
  protocol: 'urn:xmpp:omemo:2',
  own: false,
})

const others: Readonly<Record<string, readonly Key[]>> = {
  none: [],
  itself: [key('b1', 'verified')],
  'of another owner': [key('b2', 'verified', bare('carol@example.net'))],
  undecided: [key('b2', 'undecided')],
  blind: [key('b2', 'blind')],
  distrusted: [key('b2', 'distrusted')],
  verified: [key('b2', 'blind'), key('b3', 'verified')],
  'taken back': [key('b2', 'undecided', bob, 'choice')],
  imported: [key('b2', 'blind', bob, 'import')],
}
const first = (policy: Policy) =>
  Object.fromEntries(Object.entries(others).map(([known, keys]) => [known, policy.first(key('b1'), keys)]))
const blind: Level = 'blind'
const undecided: Level = 'undecided'

describe('XEP-0384 §8, XEP-0450 §6.2: the first level, by what else is known', () => {
  const untilVerified: Readonly<Record<string, Level>> = {
    none: blind,
    itself: blind,
    'of another owner': blind,
    undecided: blind,
    blind,
    distrusted: undecided,
    verified: undecided,
    'taken back': undecided,
    imported: blind,
  }

  test.each<[string, Policy, Readonly<Record<string, Level>>]>([
    ['blindTrustBeforeVerification', blindTrustBeforeVerification, untilVerified],
    ['automaticTrustManagement', automaticTrustManagement, untilVerified],
    ['firstUse', firstUse, { ...untilVerified, undecided, blind: undecided, imported: undecided }],
    ['manual', manual, Object.fromEntries(Object.keys(others).map((known) => [known, undecided]))],
  ])('%s', (_name, policy, expected) => {
    expect(first(policy)).toEqual(expected)
  })
})

test.each([
  [undecided, false, true],
  [blind, true, true],
  ['verified', true, true],
  ['distrusted', false, false],
] as const)('%s: may be sent to %s, may be shown %s', (level, send, show) => {
  for (const policy of [blindTrustBeforeVerification, firstUse, manual, automaticTrustManagement]) {
    expect(policy.maySend(level)).toBe(send)
    expect(policy.mayShow(level)).toBe(show)
  }
})

test('only automatic trust management sends trust messages and ends blind trust', () => {
  const wants = (policy: Policy) => [policy.trustMessages ?? false, policy.blindEnds ?? false]
  expect([blindTrustBeforeVerification, firstUse, manual].map(wants)).toEqual(Array(3).fill([false, false]))
  expect(wants(automaticTrustManagement)).toEqual([true, true])
})
