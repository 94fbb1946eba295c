import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  attr,
  base64,
  codec,
  content,
  type Element,
  element,
  equal,
  inside,
  many,
  optional,
  parse,
  ShapeError,
  StanzaReader,
  type StreamEvent,
  serialize,
  uint,
  XmlError,
} from '../src/index.ts'
import { Utf8Decoder } from '../src/parse-utf8.ts'

const names = fc.oneof(
  fc.constantFrom('a', 'b', 'message', '__proto__', 'constructor', 'toString', 'xml', 'xmlns-', 'n0'),
  fc.stringMatching(/^[A-Za-z_\u00c0-\u00d6\u0370-\u037d\u3001-\u3100][\u0300-\u036f\u00b7.\w-]{0,6}$/),
)
const uris = fc.constantFrom(
  '',
  'jabber:client',
  'u',
  'urn:x',
  ' u ',
  'a}b',
  '"<&\'>\t\r\n',
  '\u00e9\u{1f600}',
)
const characters = fc.oneof(
  fc.constantFrom(
    '<',
    '>',
    '&',
    '"',
    "'",
    '\r',
    '\n',
    '\t',
    ' ',
    ']]>',
    '<!--',
    '\u0085',
    '\u2028',
    '\ufeff',
    '&lt;',
  ),
  fc
    .string({ unit: 'binary', maxLength: 4 })
    .filter((text) => !/[^\t\n\r -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u.test(text)),
)
const texts = fc.array(characters, { maxLength: 6 }).map((parts) => parts.join(''))
const keys = fc
  .oneof(
    names,
    fc.constant('xml:lang'),
    fc.tuple(uris, names).map(([uri, name]) => `{${uri || 'u'}}${name}`),
  )
  .filter((key) => key !== 'xmlns')
const attributes = fc.dictionary(keys, texts, { maxKeys: 4 })
const { tree } = fc.letrec<{ tree: Element }>((tie) => ({
  tree: fc
    .tuple(uris, names, attributes, fc.array(fc.oneof({ maxDepth: 4 }, texts, tie('tree')), { maxLength: 4 }))
    .map(([uri, name, attrs, children]) => element(uri, name, attrs, children)),
}))

const SIZES = [1, 3, 7, 1460, Number.POSITIVE_INFINITY]

/** All events, and the condition of the error that follows them. */
function readAll(
  input: string | Uint8Array,
  size: number,
): { events: StreamEvent[]; error: string | undefined } {
  const reader = new StanzaReader()
  const events: StreamEvent[] = []
  onlyXmlError(() => {
    for (let i = 0; i < input.length && !reader.error; i += size)
      events.push(...reader.read(input.slice(i, i + size)))
  })
  return { events, error: reader.error?.condition }
}

function onlyXmlError(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
  }
}

describe('any tree', () => {
  test('parse(serialize(x)) equals x, and is as frozen', () => {
    fc.assert(
      fc.property(tree, uris, (x, ns) => {
        const parsed = parse(serialize(x))
        expect(equal(parsed, x)).toBe(true)
        expect(parsed).toEqual(x)
        expect(equal(parse(new TextEncoder().encode(serialize(x))), x)).toBe(true)
        const pending = [parsed]
        for (let el = pending.pop(); el; el = pending.pop()) {
          expect([el, el.attrs, el.children].every(Object.isFrozen)).toBe(true)
          expect(Object.getPrototypeOf(el.attrs)).toBeNull()
          pending.push(...el.children.filter((node) => typeof node === 'object'))
        }
        // Inside of a parent that has declared the namespace already.
        const wrapped = element(ns, 'wrapper', {}, x)
        const inner = serialize(x, { ns })
        expect(serialize(wrapped)).toContain(inner)
        expect(equal(parse(serialize(wrapped)), wrapped)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('the same events however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(tree, { maxLength: 4 }), fc.boolean(), (stanzas, bytes) => {
        const text = `<?xml version="1.0"?>\r\n<s:stream xmlns:s="s" xmlns="c">\r\n${stanzas
          .map((x) => serialize(x, { ns: 'c' }))
          .join(' \r\n')}</s:stream> \n`
        const input = bytes ? new TextEncoder().encode(text) : text
        for (const size of SIZES) {
          const { events, error } = readAll(input, size)
          expect(error).toBeUndefined()
          expect(events.map(({ type }) => type)).toEqual(['open', ...stanzas.map(() => 'stanza'), 'close'])
          stanzas.forEach((x, i) => {
            const event = events[i + 1]
            expect(event?.type === 'stanza' && equal(event.stanza, x)).toBe(true)
          })
        }
      }),
      { numRuns: 100 },
    )
  })
})

const snippets = fc.constantFrom(
  ...[
    '<',
    '>',
    '&',
    '"',
    "'",
    '/',
    '=',
    ' ',
    ':',
    ';',
    '!',
    '?',
    ']',
    '[',
    '-',
    '\r',
    '\u0000',
    '\ud800',
    '\udc00',
  ],
  ...[
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?',
    '?>',
    '<!D',
    '<a>',
    '</a>',
    '<a/>',
    '</s:stream>',
    '&amp;',
    '&#x',
    '&#0;',
  ],
  ...[' xmlns=""', ' xmlns:p="u"', 'p:', 'xml:', ' a="1"', ' a="1" a="2"', '\u{1f600}', '\ufffe', '\ufeff'],
)
const seeds = fc.oneof(
  tree.map((x) => serialize(x)),
  fc.constant('<a xmlns="u" xmlns:p="v" p:b="&#10;&lt;" c=\'d\'>x<![CDATA[<&]]>]]<p:e/>\r\n&amp;</a>'),
)
const edits = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 6 }), snippets), { minLength: 1, maxLength: 4 })
const mutated = fc.tuple(seeds, edits).map(([xml, list]) =>
  list.reduce((now, [at, cut, snippet]) => {
    const i = at % (now.length + 1)
    return now.slice(0, i) + snippet + now.slice(i + cut)
  }, xml),
)

describe('any damage', () => {
  test('is an XmlError or gives a tree that can be written', () => {
    fc.assert(
      fc.property(mutated, (xml) => {
        onlyXmlError(() => {
          const x = parse(xml)
          expect(equal(parse(serialize(x)), x)).toBe(true)
        })
      }),
      { numRuns: 3000 },
    )
  })

  test('gives the same events and condition however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(mutated, { minLength: 1, maxLength: 3 }), (parts) => {
        const text = `<s:stream xmlns:s="s">${parts.join('')}`
        const whole = readAll(text, Number.POSITIVE_INFINITY)
        for (const size of SIZES) expect(readAll(text, size)).toEqual(whole)
      }),
      { numRuns: 1000, examples: [[['<a b="&<?\udc00&#10;"/>']]] },
    )
  })

  test('to bytes is an XmlError, or none, however they are cut', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 3,
    })
    fc.assert(
      fc.property(seeds, damage, (xml, list) => {
        const bytes = new TextEncoder().encode(`<s:stream xmlns:s="s">\u00e9\u{1f600}${xml}`)
        for (const [at, byte] of list) bytes[22 + (at % (bytes.length - 22))] = byte
        const whole = readAll(bytes, Number.POSITIVE_INFINITY)
        for (const size of SIZES) expect(readAll(bytes, size)).toEqual(whole)
        onlyXmlError(() => parse(bytes.subarray(28)))
      }),
      { numRuns: 1000 },
    )
  })

  test('random bytes are read as TextDecoder reads them, or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        const around = new Uint8Array(
          [...'<a>'].map((c) => c.charCodeAt(0)).concat([...bytes], [60, 47, 97, 62]),
        )
        let expected: Element | undefined
        try {
          expected = parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(around))
        } catch {}
        let actual: Element | undefined
        onlyXmlError(() => {
          actual = parse(around)
        })
        expect(actual).toEqual(expected)
      }),
      { numRuns: 3000 },
    )
  })

  test('bytes are UTF-8 if TextDecoder says so, however they are cut', () => {
    const lead = fc.constantFrom(
      0x41,
      0x80,
      0x8f,
      0x90,
      0x9f,
      0xa0,
      0xbf,
      0xc1,
      0xc2,
      0xe0,
      0xed,
      0xf0,
      0xf4,
      0xf5,
    )
    fc.assert(
      fc.property(fc.array(lead, { maxLength: 6 }), fc.nat({ max: 6 }), (list, cut) => {
        const bytes = Uint8Array.from(list)
        let expected: string | undefined
        try {
          expected = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
        } catch {}
        const decoder = new Utf8Decoder()
        const [first, second] = [bytes.subarray(0, cut), bytes.subarray(cut)].map((b) => decoder.decode(b))
        const ok = first?.ok && second?.ok && decoder.complete
        expect(ok ? `${first?.text}${second?.text}` : undefined).toBe(expected)
      }),
      { numRuns: 3000 },
    )
  })

  test('to a payload is a ShapeError at most', () => {
    const shape = codec('u', 'a', {
      b: optional(attr('b', uint(9))),
      c: optional(content()),
      e: optional(attr('xml:lang', base64())),
      d: optional(inside('b', many(codec('u', 'a', { a: attr('a') }), { max: 2 }))),
    })
    fc.assert(
      fc.property(tree, (x) => {
        try {
          const value = shape.decode(element('u', 'a', x.attrs, x.children))
          expect(shape.decode(shape.encode(value))).toEqual(value)
        } catch (error) {
          if (!(error instanceof ShapeError)) throw error
        }
      }),
      { numRuns: 1000 },
    )
  })
})
