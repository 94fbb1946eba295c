/** OTR Query Messages, whitespace tags, errors: what a text is. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeMessage } from '../src/protocol/encoded-message.ts'
import { fragmentMessage } from '../src/protocol/fragment.ts'
import { buildQuery, buildWhitespaceTag, findWhitespaceTag, parseQuery } from '../src/protocol/query.ts'
import { buildError, parseError, type TextKind, textKind } from '../src/protocol/text-kind.ts'

describe('OTR Query Messages', () => {
  test.each([
    ['?OTR?', [1]],
    ['?OTRv2?', [2]],
    ['?OTRv23?', [2, 3]],
    ['?OTRv32?', [2, 3]],
    ['?OTRv33?', [3]],
    ['?OTR?v2?', [1, 2]],
    ['?OTR?v?', [1]],
    ['?OTRv24x?', [2, 4]],
    ['?OTRv?', []],
    ['?OTRvx?', []],
    ['?OTRv0?', []],
    [' \n?OTRv3? I would like to talk in private.', [3]],
    ['?OTR? v3?', [1]],
    ['?OTR?vague? No.', [1]],
  ])('%j offers %j', (text, versions) => {
    expect(parseQuery(text)).toEqual(versions)
  })

  test.each([
    '',
    '?OTR',
    '?OTRv23',
    '?OTRv2 3?',
    '?OTR:AAMC.',
    '?OTR Error: no',
    '?OTR|1|2,1,1,a,',
    'send ?OTRv3? to start',
    '?otrv3?',
    `?OTRv${'3'.repeat(33)}?`,
  ])('%j is none', (text) => {
    expect(parseQuery(text)).toBeUndefined()
  })

  test('are built without the ? that offers version 1, in which XEP-0364’s example errs', () => {
    expect(buildQuery([3])).toBe('?OTRv3?')
    expect(buildQuery([3, 2, 3])).toBe('?OTRv23?')
    expect(buildQuery([2], 'Please install OTR.')).toBe('?OTRv2? Please install OTR.')
    expect(() => buildQuery([])).toThrow(RangeError)
    expect(parseQuery(buildQuery([2, 3], 'v1?'))).toEqual([2, 3])
  })
})

describe('whitespace tags', () => {
  const base = '\x20\x09\x20\x20\x09\x09\x09\x09\x20\x09\x20\x09\x20\x09\x20\x20'
  const v1 = '\x20\x09\x20\x09\x20\x20\x09\x20'
  const v2 = '\x20\x20\x09\x09\x20\x20\x09\x20'
  const v3 = '\x20\x20\x09\x09\x20\x20\x09\x09'
  const unknown = '\x09\x09\x09\x09\x09\x09\x09\x09'

  test('are built in order', () => {
    expect(buildWhitespaceTag([3])).toBe(base + v3)
    expect(buildWhitespaceTag([3, 2])).toBe(base + v2 + v3)
    expect(() => buildWhitespaceTag([])).toThrow(RangeError)
  })

  test.each([
    ['at the end', `hi${base}${v3}`, [3], 'hi'],
    ['in front', `${base}${v2}${v3}hi`, [2, 3], 'hi'],
    ['within', `a${base}${v3}${v2}b`, [2, 3], 'ab'],
    ['alone', `${base}${v2}`, [2], ''],
    ['with version 1', `hi${base}${v1}${v2}`, [1, 2], 'hi'],
    ['with a version that nobody knows', `hi${base}${unknown}${v3}!`, [3], 'hi!'],
    ['with nothing', `hi${base}`, [], 'hi'],
    ['with white space of the text after it', `hi${base}${v3} \t you`, [3], 'hi \t you'],
    ['before a line break', `hi${base}${v3}\n${v2}`, [3], `hi\n${v2}`],
    ['trimmed by a client', `hi${base}${v2}${v3.trimEnd()}`, [2], `hi${v3.trimEnd()}`],
    ['twice: the first', `a${base}${v3}b${base}${v2}`, [3], `ab${base}${v2}`],
  ])('%s', (_name, tagged, versions, text) => {
    expect(findWhitespaceTag(tagged)).toEqual({ versions, text })
  })

  test.each(['', 'hi', 'hi \t ', base.slice(1), base.trimEnd(), base.replaceAll('\t', '    ')])(
    '%j has none',
    (text) => {
      expect(findWhitespaceTag(text)).toBeUndefined()
    },
  )

  test('a text without tag is left by one that gets one', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        fc.pre(!/[ \t]$/.test(before) && !/^[ \t]/.test(after))
        const tag = buildWhitespaceTag([2, 3])
        expect(findWhitespaceTag(before + tag + after)).toEqual({ versions: [2, 3], text: before + after })
      }),
    )
  })
})

describe('OTR Error Messages', () => {
  test('there and back', () => {
    expect(buildError('You are not in a session.')).toBe('?OTR Error: You are not in a session.')
    expect(parseError(' ?OTR Error: no ')).toBe('no')
    expect(parseError('?OTR Error:no')).toBe('no')
    expect(parseError('?OTR Error:')).toBe('')
    expect(parseError('A ?OTR Error: no')).toBeUndefined()
    expect(parseError('?OTR error: no')).toBeUndefined()
  })
})

describe('what a text is', () => {
  const [fragment = ''] = fragmentMessage('x'.repeat(90), { version: 3, sender: 256, receiver: 0, limit: 60 })
  test.each<[TextKind, string]>([
    ['query', buildQuery([3])],
    ['query', '?OTR?'],
    ['query', '?OTRv? Hello'],
    ['encoded', encodeMessage(Uint8Array.of(0, 3))],
    ['encoded', '?OTR:zz'],
    ['encoded', '\n?OTR:AAMC'],
    ['fragment', fragment],
    ['fragment', '?OTR,1,2,abc,'],
    ['unknown', '?OTR,1,2,abc'],
    ['unknown', '?OTR|1|2,1,2,abc,'],
    ['error', buildError('no')],
    ['tagged', `hi${buildWhitespaceTag([3])}`],
    ['plain', ''],
    ['plain', 'hi'],
    ['plain', '?OTR'],
    ['plain', '?OTRnot'],
    ['plain', 'What does ?OTRv3? mean?'],
    ['plain', 'I received ?OTR:AAMC.'],
  ])('%s: %j', (kind, text) => {
    expect(textKind(text)).toBe(kind)
  })

  test('of every text something', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const start of ['', '?OTR', '?OTR:', '?OTR|', '?OTR,', '?OTRv', '?OTR Error:'])
          expect(textKind(start + text)).toBeTypeOf('string')
      }),
    )
  })
})
