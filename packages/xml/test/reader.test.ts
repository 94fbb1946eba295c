import { describe, expect, test } from 'vitest'
import {
  element,
  LIMITS,
  type Limits,
  parse,
  StanzaReader,
  type StreamEvent,
  serialize,
  XmlError,
} from '../src/index.ts'

const HEADER =
  "<?xml version='1.0'?><stream:stream from='example.org' xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
const END = '</stream:stream>'
const header = element('http://etherx.jabber.org/streams', 'stream', {
  from: 'example.org',
  'xml:lang': 'en',
})

function show(events: readonly StreamEvent[]): string[] {
  return events.map((event) =>
    event.type === 'stanza' ? serialize(event.stanza, { ns: 'jabber:client' }) : event.type,
  )
}

function condition(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error instanceof XmlError ? error.condition : error
  }
}

describe('rfc 6120 §4: a stream over TCP', () => {
  test('header, stanzas and end', () => {
    const reader = new StanzaReader()
    expect(reader.read(HEADER)).toEqual([{ type: 'open', header }])
    expect(show(reader.read('<message><body>a</body></message> <presence/>\n<iq'))).toEqual([
      '<message><body>a</body></message>',
      '<presence/>',
    ])
    expect(show(reader.read('/><stream:features/>'))).toEqual([
      '<iq/>',
      '<features xmlns="http://etherx.jabber.org/streams"/>',
    ])
    expect(show(reader.read(END))).toEqual(['close'])
    expect(reader.error).toBeUndefined()
    expect(reader.read('\n')).toEqual([])
  })

  test('prefixes of the header are good for every stanza, and only those', () => {
    const reader = new StanzaReader()
    reader.read("<s:stream xmlns:s='s' xmlns='c' xmlns:p='u'><a xmlns:q='v'/>")
    expect(show(reader.read('<p:b/>'))).toEqual(['<b xmlns="u"/>'])
    expect(condition(() => reader.read('<q:b/>'))).toBe('bad-namespace-prefix')
  })

  test('a character may be cut anywhere', () => {
    const bytes = new TextEncoder().encode(`${HEADER}<a>\u00e9\u20ac\u{1f600}</a>`)
    const reader = new StanzaReader()
    const events = [...bytes].flatMap((byte) => reader.read(Uint8Array.of(byte)))
    expect(show(events)).toEqual(['open', '<a>\u00e9\u20ac\u{1f600}</a>'])
  })

  test('halves of a surrogate pair may come apart', () => {
    const reader = new StanzaReader()
    reader.read(`${HEADER}<a>\ud83d`)
    expect(show(reader.read('\ude00</a>'))).toEqual(['<a>\u{1f600}</a>'])
  })

  test('what precedes an error is returned before it is thrown', () => {
    const reader = new StanzaReader()
    expect(show(reader.read(`${HEADER}<a/><b></c>`))).toEqual(['open', '<a/>'])
    expect(reader.error).toMatchObject({
      condition: 'not-well-formed',
      offset: `${HEADER}<a/><b></c>`.length,
    })
    expect(() => reader.read('')).toThrow(reader.error)
  })

  test('after an error it stays failed', () => {
    const reader = new StanzaReader()
    reader.read(HEADER)
    expect(condition(() => reader.read('<!--'))).toBe('restricted-xml')
    for (const chunk of ['-->', '<a/>', '', HEADER, Uint8Array.of(0x20)])
      expect(condition(() => reader.read(chunk))).toBe('restricted-xml')
  })

  test.each([
    ['text between stanzas', 'x<a/>'],
    ['CDATA between stanzas', '<![CDATA[x]]>'],
    ['reference to text between stanzas', '&#65;<a/>'],
    ['second header', HEADER.slice(21)],
    ['text after the end', `${END}x `],
    ['stanza after the end', `${END}<a/>`],
    ['end tag of another stream', '</stream>'],
    ['broken UTF-8', Uint8Array.of(0x3c, 0x61, 0x3e, 0xc0)],
  ])('refused: %s', (name, chunk) => {
    const reader = new StanzaReader()
    reader.read(HEADER)
    const outcome = condition(() => {
      const events = reader.read(chunk)
      // A header inside a stream is an element like any other until it is complete.
      if (name === 'second header') return reader.read('') && 'pending'
      return reader.read('<z/>') && events
    })
    expect(outcome).toBe(name === 'second header' ? 'pending' : 'not-well-formed')
  })

  test('white space to keep the connection alive never adds up', () => {
    const reader = new StanzaReader({ limits: { bytes: 150 } })
    reader.read(HEADER)
    for (let i = 0; i < 1000; i++) expect(reader.read('\r\n')).toEqual([])
    expect(show(reader.read(` <a>${'x'.repeat(20)}</a>`))).toHaveLength(1)
    for (let i = 0; i < 1000; i++) expect(reader.read(Uint8Array.of(0x20))).toEqual([])
    expect(() => reader.read('<a></b>')).toThrow(
      expect.objectContaining({ offset: HEADER.length + 2000 + 28 + 1000 + 7 }),
    )
  })
})

describe('rfc 7395 §3.3: framing over WebSocket', () => {
  const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'
  const websocket = (): StanzaReader => new StanzaReader({ framing: 'websocket' })

  test('each message is one element', () => {
    const reader = websocket()
    const open = element(FRAMING, 'open', { version: '1.0' })
    expect(reader.read(serialize(open))).toEqual([{ type: 'open', header: open }])
    expect(show(reader.read('<message xmlns="jabber:client"/>'))).toEqual(['<message/>'])
    expect(show(reader.read(`<close xmlns='${FRAMING}'/>`))).toEqual(['close'])
  })

  test('prefixes are not carried over', () => {
    const reader = websocket()
    reader.read('<a xmlns:p="u"/>')
    expect(condition(() => reader.read('<p:a/>'))).toBe('bad-namespace-prefix')
    expect(condition(() => reader.read('<a/>'))).toBe('bad-namespace-prefix')
  })

  test.each(['<a/><b/>', '<a>', '', 'x', "<s:stream xmlns:s='s'>"])('refused: %j', (message) => {
    expect(condition(() => websocket().read(message))).toBe('not-well-formed')
  })
})

describe('limits', () => {
  const nested = (n: number): string => `${'<a>'.repeat(n - 1)}<a/>${'</a>'.repeat(n - 1)}`
  const wide = (n: number): string => `<a>${'<b/>'.repeat(n - 1)}</a>`
  const attributes = (n: number): string =>
    `<a xmlns='u' ${Array.from({ length: n - 1 }, (_, i) => `b${i}=''`).join(' ')}/>`
  const long = (n: number): string => `<a>${'x'.repeat(n - 7)}</a>`
  // Two, three and four bytes a character.
  const heavy = (n: number): string => `<a>\u00e9\u20ac\u{1f600}${'x'.repeat(n - 16)}</a>`

  const rows: [keyof Limits, number, (n: number) => string][] = [
    ['depth', LIMITS.depth, nested],
    ['depth', 3, nested],
    ['elements', LIMITS.elements, wide],
    ['elements', 3, wide],
    ['attributes', LIMITS.attributes, attributes],
    ['attributes', 3, attributes],
    ['bytes', LIMITS.bytes, long],
    ['bytes', LIMITS.bytes, heavy],
    ['bytes', 100, heavy],
  ]
  test.each(rows)('%s: %d and no more', (name, limit, build) => {
    const limits = { [name]: limit }
    const [fits, exceeds] = [build(limit), build(limit + 1)]
    const encode = (xml: string): Uint8Array => new TextEncoder().encode(xml)
    for (const xml of limit > 100 ? [fits] : [fits, encode(fits)]) expect(parse(xml, limits)).toBeDefined()
    for (const xml of limit > 100 ? [exceeds] : [exceeds, encode(exceeds)])
      expect(condition(() => parse(xml, limits))).toBe('policy-violation')
    // The defaults are the same everywhere; what reads them is shown with the smaller limits.
    if (limit > 100) return
    for (const framing of ['tcp', 'websocket'] as const) {
      const read = (xml: string): number => {
        const reader = new StanzaReader({ framing, limits })
        if (framing === 'tcp') reader.read("<s:s xmlns:s='s'>")
        // One after the other: the limits are for each.
        return reader.read(fits).length + reader.read(xml).length
      }
      expect(read(fits)).toBe(2)
      expect(condition(() => read(exceeds))).toBe('policy-violation')
    }
  })

  test.each([
    ['attribute', '<a b="'],
    ['text', '<a>'],
    ['CDATA', '<a><![CDATA['],
    ['name', '<'],
    ['tag full of spaces', '<a '],
    ['XML declaration', '<?xml '],
    ['white space before the header', ''],
  ])('what has no end is not kept beyond the limit: %s', (name, start) => {
    const reader = new StanzaReader({ limits: { bytes: 1000 } })
    if (!/header|declaration/.test(name)) reader.read("<s:s xmlns:s='s'>")
    reader.read(start)
    const filler = /space/.test(name) ? ' ' : 'x'
    let read = start.length
    const outcome = condition(() => {
      for (; read < 5000; read++) reader.read(filler)
    })
    expect(outcome).toBe('policy-violation')
    expect(read).toBeLessThanOrEqual(1001)
  })

  test.each(['<!--', '<!DOCTYPE a [', '<?p '])('%s is refused before its end', (start) => {
    const reader = new StanzaReader()
    const read = (): void => {
      for (const unit of `<s:s xmlns:s='s'>${start}`) reader.read(unit)
    }
    expect(condition(read)).toBe('restricted-xml')
  })

  test('a limit is a number above 0, or Infinity', () => {
    for (const bad of [0, -1, Number.NaN]) {
      expect(() => parse('<a/>', { depth: bad })).toThrow(RangeError)
      expect(() => new StanzaReader({ limits: { bytes: bad } })).toThrow(RangeError)
    }
    expect(parse(nested(2000), { depth: Number.POSITIVE_INFINITY })).toBeDefined()
  })
})
