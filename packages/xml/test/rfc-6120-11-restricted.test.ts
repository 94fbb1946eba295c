import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse, StanzaReader, serialize, XmlError } from '../src/index.ts'

interface Case {
  readonly name: string
  readonly xml?: string
  readonly hex?: string
  readonly condition?: string
  readonly gives?: string
}

const { cases } = JSON.parse(readFileSync(new URL('vectors/hostile.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

// A longer input could still make these right, or wrong in another way.
const UNDECIDED = new Set(['text only', 'quote that does not match'])

const STREAM = "<s:stream xmlns:s='http://etherx.jabber.org/streams'>"

function input({ xml, hex }: Case): string | Uint8Array {
  return xml ?? new Uint8Array(Buffer.from(hex ?? '', 'hex'))
}

function outcome(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    return error.condition
  }
}

/** The same document cut into pieces of one code unit or byte, as the only stanza of a stream. */
function streamed(document: string | Uint8Array, size: number): unknown {
  return outcome(() => {
    const reader = new StanzaReader()
    reader.read(STREAM)
    const events = []
    for (let i = 0; i < document.length; i += size) events.push(...reader.read(document.slice(i, i + size)))
    if (reader.error) throw reader.error
    const [first] = events
    return first?.type === 'stanza' ? serialize(first.stanza) : 'incomplete'
  })
}

describe('rfc 6120 §11: XML that no server has checked', () => {
  test.each(cases)('$name', (row) => {
    expect(outcome(() => serialize(parse(input(row))))).toBe(row.condition ?? row.gives)
  })

  test.each(cases.filter((row) => row.xml !== undefined))('$name, as UTF-8', (row) => {
    // Lone surrogates have no UTF-8 form: TextEncoder puts U+FFFD, which is a character like any other.
    if (/\p{Surrogate}/u.test(row.xml ?? '')) return
    const bytes = new TextEncoder().encode(row.xml)
    expect(outcome(() => serialize(parse(bytes)))).toBe(row.condition ?? row.gives)
  })

  // In a stream there is more to come, a second root is a second stanza, and only the header is a declaration.
  const within = cases.filter(
    ({ name, xml = 'x' }) =>
      !/cut off|nothing|end tag only|white space only|two roots|root|missing end|XML 1.1|UTF-16|at the end/.test(
        name,
      ) &&
      !/^\s*<\?xml/.test(xml) &&
      !/^\uFEFF/.test(xml),
  )
  test.each(within)('$name, in a stream', (row) => {
    const whole = streamed(input(row), 1e6)
    if (row.gives !== undefined) expect(whole).toBe(row.gives)
    else expect(whole).toBe(UNDECIDED.has(row.name) ? 'incomplete' : row.condition)
    for (const size of [1, 2, 3, 7]) expect(streamed(input(row), size)).toBe(whole)
  })

  test('an error says where', () => {
    expect(() => parse('<a>\n<b></c></a>')).toThrow(expect.objectContaining({ offset: 11 }))
    expect(() => parse('<a>\u0001</a>')).toThrow(expect.objectContaining({ offset: 3 }))
  })

  test('a message quotes little of the input', () => {
    const name = 'a'.repeat(100_000)
    expect(outcome(() => parse(`<${name}>`))).toBe('not-well-formed')
    try {
      parse(`<${name}>`)
    } catch (error) {
      expect(String(error).length).toBeLessThan(200)
    }
  })
})
