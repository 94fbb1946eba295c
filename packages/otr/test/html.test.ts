/** What other programs write into OTR, as text. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromText, toText } from '../src/html.ts'
import { pieces } from '../src/markup.ts'

interface Case {
  readonly program: string
  readonly html: string
  readonly text: string
}
const { cases } = JSON.parse(readFileSync(new URL('vectors/html.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly Case[]
}

describe('toText', () => {
  test.each(cases)('$program: $html', ({ html, text }) => {
    expect(toText(html)).toBe(text)
  })

  const markup = fc.array(
    fc.oneof(
      fc.constantFrom(
        '<',
        '>',
        '</',
        '"',
        "'",
        '&',
        '&#',
        ';',
        '<a href=',
        '<br>',
        '<div>',
        '</a>',
        '<!--',
        ' ',
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
    ),
  )
  test('takes anything, and looks at each character in one piece', () => {
    fc.assert(
      fc.property(markup, (parts) => {
        const html = parts.join('')
        expect(typeof toText(html)).toBe('string')
        const all = pieces(html)
        const characters = all.reduce((sum, { tag, text }) => sum + tag.length + text.length, 0)
        const brackets = all.filter(({ tag }) => tag !== '').length * 2
        expect(characters + brackets).toBe(html.length)
      }),
    )
  })

  test.each([
    '<',
    '<a ',
    '<a href="',
    "<a href='x",
    '&',
    '&#',
    '<a href=x>',
    '<div>',
    '</a>',
    '<a href',
    '<a href=',
  ])('%s, twenty thousand times, is as many pieces', (part) => {
    const html = part.repeat(20_000)
    expect(pieces(html).length).toBeLessThanOrEqual(20_001)
    expect(toText(html).length).toBeLessThanOrEqual(html.length * 2)
  })
})

describe('fromText', () => {
  test('escapes what would be markup, and keeps lines', () => {
    expect(fromText('1 < 2 & "x"\r\n> y\rz')).toBe('1 &lt; 2 &amp; &quot;x&quot;<br>&gt; y<br>z')
  })

  test('is undone by toText', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(toText(fromText(text))).toBe(text.replace(/\r\n|\r/g, '\n'))
      }),
    )
    expect(toText(fromText('\n\n<a href="x">&amp;lt;</a>\n'))).toBe('\n\n<a href="x">&amp;lt;</a>\n')
  })
})
