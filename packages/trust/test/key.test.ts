import { bare } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Evidence, judge, type Key, type Level } from '../src/index.ts'

const LEVELS: readonly Level[] = ['undecided', 'blind', 'verified', 'distrusted']
const EVIDENCE: readonly Evidence[] = ['choice', 'compare', 'scan', 'smp', 'trust-message', 'import']
const PERSON: readonly Evidence[] = ['choice', 'compare']
const rank = (by: Evidence): number => (PERSON.includes(by) ? 3 : by === 'scan' || by === 'smp' ? 2 : 1)

const at = (seconds: number): Date => new Date(Date.UTC(2026, 0, 1) + 1000 * seconds)
const key = (level: Level, by?: Evidence, seconds = 0): Key => ({
  owner: bare('bob@example.com'),
  fingerprint: 'ab',
  protocol: 'urn:xmpp:omemo:2',
  own: false,
  level,
  ...(by && { by, decidedAt: at(seconds) }),
})

describe('who may change a level', () => {
  // The table above `judge`, written out: who may go from the first to the second.
  const TABLE: Readonly<Record<string, 'anybody' | 'person' | 'not weaker'>> = {
    'undecided blind': 'anybody',
    'undecided verified': 'anybody',
    'undecided distrusted': 'anybody',
    'blind undecided': 'person',
    'blind verified': 'anybody',
    'blind distrusted': 'anybody',
    'verified undecided': 'person',
    'verified blind': 'person',
    'verified distrusted': 'anybody',
    'distrusted undecided': 'person',
    'distrusted blind': 'person',
    'distrusted verified': 'not weaker',
  }

  const rows = Object.entries(TABLE).flatMap(([change, who]) =>
    EVIDENCE.flatMap((before) =>
      EVIDENCE.map((by) => {
        const [from, to] = change.split(' ') as [Level, Level]
        const isAllowed =
          who === 'anybody' || PERSON.includes(by) || (who === 'not weaker' && rank(by) >= rank(before))
        return { from, before, to, by, expected: isAllowed ? 'changed' : 'contested' } as const
      }),
    ),
  )

  test.each(rows)('$from by $before, $to by $by: $expected', ({ from, before, to, by, expected }) => {
    const old = key(from, before, 1)
    const judged = judge(old, { level: to, by, at: at(2) })
    expect(judged.kind).toBe(expected)
    expect(judged.key).toEqual(expected === 'changed' ? key(to, by, 2) : old)
  })

  test.each(EVIDENCE)('what the policy distrusted, %s may verify', (by) => {
    expect(judge(key('distrusted'), { level: 'verified', by, at: at(0) }).kind).toBe('changed')
  })

  test.each(LEVELS)('%s again keeps the better evidence, and the newer time', (level) => {
    expect(judge(key(level, 'scan', 1), { level, by: 'import', at: at(2) })).toEqual({
      kind: 'same',
      key: key(level, 'scan', 2),
    })
    expect(judge(key(level, 'scan', 1), { level, by: 'compare', at: at(2) }).key).toEqual(
      key(level, 'compare', 2),
    )
    expect(judge(key(level), { level, by: 'import', at: at(2) }).key).toEqual(key(level, 'import', 2))
  })
})

describe('XEP-0434 §5.2.1: the order of times, not of arrival', () => {
  const verified = { level: 'verified', by: 'trust-message' } as const
  const distrusted = { level: 'distrusted', by: 'trust-message' } as const

  test('what is older than what was decided is stale', () => {
    const old = key('verified', 'compare', 2)
    expect(judge(old, { ...distrusted, at: at(1) })).toEqual({ kind: 'stale', key: old })
    expect(judge(old, { ...distrusted, at: at(3) }).kind).toBe('changed')
  })

  test('of two at one time distrust stands, in either order', () => {
    const first = judge(key('verified', 'trust-message', 1), { ...distrusted, at: at(1) })
    expect(first.kind).toBe('changed')
    expect(judge(first.key, { ...verified, at: at(1) }).kind).toBe('stale')
  })

  test.each(['choice', 'compare', 'scan', 'smp'] as const)('%s is done now, and never late', (by) => {
    const future = key('blind', 'import', 9)
    expect(judge(future, { level: 'verified', by, at: at(1) })).toEqual({
      kind: 'changed',
      key: key('verified', by, 9),
    })
    expect(judge(key('verified', 'import', 9), { level: 'verified', by, at: at(1) })).toEqual({
      kind: 'same',
      key: key('verified', by, 9),
    })
  })

  test.each(['trust-message', 'import'] as const)('%s is a report, and may be', (by) => {
    const future = key('blind', 'import', 9)
    expect(judge(future, { level: 'verified', by, at: at(1) })).toEqual({ kind: 'stale', key: future })
  })

  test('what was stale before a person decided stays so', () => {
    const { key: now } = judge(key('distrusted', 'trust-message', 9), {
      level: 'verified',
      by: 'scan',
      at: at(1),
    })
    expect(judge(now, { ...distrusted, at: at(5) }).kind).toBe('stale')
  })

  test('trust messages end in one level, in whatever order they come', () => {
    const said = fc.record({ trust: fc.boolean(), time: fc.nat(5) })
    const before = fc.constantFrom(
      key('undecided'),
      key('blind'),
      key('distrusted', 'choice', 2),
      key('verified', 'scan', 2),
    )
    fc.assert(
      fc.property(fc.array(said, { maxLength: 6 }), fc.nat(), before, (all, seed, start) => {
        const end = (order: typeof all) =>
          order.reduce(
            (now, { trust, time }) => judge(now, { ...(trust ? verified : distrusted), at: at(time) }).key,
            start,
          ).level
        const shuffled = all
          .map((one, i) => ({ one, at: (i * 7919 + seed) % 101 }))
          .sort((a, b) => a.at - b.at)
        expect(end(shuffled.map(({ one }) => one))).toBe(end(all))
      }),
    )
  })
})

describe('a mistake of the caller', () => {
  test.each(['trusted', '', undefined])('no level: %s', (level) => {
    expect(() => judge(key('blind'), { level: level as Level, by: 'choice', at: at(0) })).toThrow(TypeError)
  })
  test.each(['policy', 'toString', undefined])('no evidence: %s', (by) => {
    expect(() => judge(key('blind'), { level: 'verified', by: by as Evidence, at: at(0) })).toThrow(TypeError)
  })
  test('no date', () => {
    expect(() => judge(key('blind'), { level: 'verified', by: 'scan', at: new Date(Number.NaN) })).toThrow(
      RangeError,
    )
  })
})
