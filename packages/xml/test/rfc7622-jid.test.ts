import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { bare, bareJid, JidError, jid, MAX_JID_PART, parseJid } from '../src/jid.ts'
import vectors from './vectors/rfc7622-jid.json' with { type: 'json' }

function codeOf(text: string): string | undefined {
  try {
    parseJid(text)
    return undefined
  } catch (error) {
    return error instanceof JidError ? error.code : 'not a JidError'
  }
}

describe('RFC 7622 §3: what is a JID', () => {
  test.each(vectors.valid)('$name', ({ jid: text, local, domain, resource }) => {
    const found = parseJid(text)
    expect({ local: found.local, domain: found.domain, resource: found.resource }).toEqual({
      local,
      domain,
      resource,
    })
    const canonical = (local === '' ? '' : `${local}@`) + domain + (resource === '' ? '' : `/${resource}`)
    expect(found.full ?? found.bare).toBe(canonical)
    expect(parseJid(canonical)).toEqual(found)
  })

  test.each(vectors.invalid)('not: $name', ({ jid: text, code }) => {
    expect(codeOf(text)).toBe(code)
  })

  // Not in the table: JSON readers disagree on them.
  test('not: lone surrogates', () => {
    expect(codeOf('a\ud800@b')).toBe('local')
    expect(codeOf('a@b\udfff')).toBe('domain')
    expect(codeOf('a@b/\udc00')).toBe('resource')
  })
})

describe('RFC 7622 §3.2 to §3.4: 1 to 1023 octets', () => {
  const long = (octets: number) => 'x'.repeat(octets)
  const domain = (octets: number) =>
    'a.'
      .repeat(octets)
      .slice(0, octets - 1)
      .concat('b')
  test.each([
    ['local', (n: number) => `${long(n)}@example.com`],
    ['resource', (n: number) => `a@b/${long(n)}`],
    ['domain', (n: number) => `a@${n % 2 === 1 ? domain(n) : `c${domain(n - 1)}`}`],
  ])('%s', (code, of) => {
    expect(codeOf(of(MAX_JID_PART))).toBeUndefined()
    expect(codeOf(of(MAX_JID_PART + 1))).toBe(code)
    expect(codeOf(of(1_000_000))).toBe(code)
  })

  test('octets, not characters, and of the canonical form', () => {
    expect(codeOf(`a@b/${'é'.repeat(511)}x`)).toBeUndefined()
    expect(codeOf(`a@b/${'é'.repeat(512)}`)).toBe('resource')
    expect(codeOf(`a@b/${'e\u0301'.repeat(511)}x`)).toBeUndefined()
    expect(codeOf(`a@b/${'😀'.repeat(255)}abc`)).toBeUndefined()
    expect(codeOf(`a@b/${'😀'.repeat(256)}`)).toBe('resource')
    // Four units become one of three octets.
    expect(codeOf(`a@b/${'\u03b1\u0313\u0300\u0345'.repeat(341)}`)).toBeUndefined()
  })

  test('no long text is normalized, since sorting its marks costs the square', () => {
    const normalized = vi.spyOn(String.prototype, 'normalize')
    try {
      const marks = '\u0301\u0316'.repeat(MAX_JID_PART + 1)
      for (const text of [`a${marks}@b`, `a@b${marks}`, `a@b/${marks}`]) codeOf(text)
      expect(normalized).not.toHaveBeenCalled()
      codeOf(`a@b/${marks.slice(4)}`)
      expect(normalized).toHaveBeenCalled()
    } finally {
      normalized.mockRestore()
    }
  })

  test('RFC 1034 §3.1: a label of 63 octets, and of 64', () => {
    expect(codeOf(long(63))).toBeUndefined()
    expect(codeOf(long(64))).toBe('domain')
    expect(codeOf('ü'.repeat(59))).toBeUndefined()
    expect(codeOf('ü'.repeat(60))).toBe('domain')
  })
})

// Characters of many scripts and properties, so that most rules are met.
const unit = fc.oneof(
  fc.constantFrom(
    ...'abzAZ019-._@/ \u00e9\u0301\u00df\u0130\u03a3\u03c2\u05d0\u05b8\u0627\u0661\u06f1\u0915\u094d',
  ),
  fc.constantFrom(
    ...'\u200c\u200d\u00b7\u0375\u05f3\u30fb\uff21\uff76\uff9e\u3000\u3002\u212a\u1100\u2163\u265a',
  ),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
)
const anything = fc.array(unit, { maxLength: 8 }).map((chars) => chars.join(''))
const address = fc
  .tuple(anything, fc.oneof(anything, fc.domain()), anything)
  .map(([local, domain, resource]) => `${local}@${domain}/${resource}`)

describe('RFC 8264 §7: idempotence', () => {
  test('a canonical JID is its own canonical form; anything else is a JidError', { timeout: 60_000 }, () => {
    let accepted = 0
    fc.assert(
      fc.property(fc.oneof(address, anything), (text) => {
        const code = codeOf(text)
        expect(['local', 'domain', 'resource', undefined]).toContain(code)
        if (code !== undefined) return
        accepted += 1
        const once = parseJid(text)
        expect(parseJid(once.full ?? once.bare)).toEqual(once)
        expect(bare(once.bare)).toBe(once.bare)
      }),
      { numRuns: 1500, seed: 7622 },
    )
    expect(accepted).toBeGreaterThan(40)
  })

  test('every character of most blocks that some rule is about, in every part', { timeout: 60_000 }, () => {
    for (let code = 0; code < 0xfff0; code = code === 0x1200 ? 0xff00 : code + 1) {
      const char = String.fromCodePoint(code)
      for (const text of [`${char}@a`, `b${char}`, `a/${char}`]) {
        if (codeOf(text) !== undefined) continue
        const once = parseJid(text)
        const canonical = once.full ?? once.bare
        if (parseJid(canonical).bare !== once.bare || codeOf(canonical) !== undefined)
          expect.fail(`U+${code.toString(16)}`)
      }
    }
  })

  test('ASCII needs no property of Unicode: the short ways give what the long ways give', () => {
    for (let code = 0x21; code < 0x7f; code++) {
      const char = String.fromCharCode(code)
      expect(parseJid(`a/${char}`).resource).toBe(char)
      expect(parseJid(`a/é${char}`).resource).toBe(`é${char}`)
      if (char === '/' || char === '@') continue
      const short = codeOf(`${char}@a`)
      expect(codeOf(`${char}é@a`)).toBe(short)
      if (short === undefined) expect(`${parseJid(`${char}@a`).local}é`).toBe(parseJid(`${char}é@a`).local)
    }
  })
})

describe('in codecs', () => {
  test('jid: any, canonical', () => {
    expect(jid.decode('A@B/c')).toBe('a@b/c')
    expect(jid.decode('A@B')).toBe('a@b')
    expect(jid.decode('a@b/')).toBeUndefined()
  })

  test('bareJid: no resource', () => {
    expect(bareJid.decode('A@B')).toBe('a@b')
    expect(bareJid.decode('a@b/c')).toBeUndefined()
    expect(bareJid.decode('@b')).toBeUndefined()
  })
})

describe('work', () => {
  test('no pattern looks back without bound from every character, which would cost the square', () => {
    const used = new Set<string>()
    const names = [Symbol.replace, Symbol.match, Symbol.search, Symbol.split, 'exec', 'test'] as const
    const originals = names.map((name) => Object.getOwnPropertyDescriptor(RegExp.prototype, name))
    for (const [i, name] of names.entries()) {
      const original = originals[i]?.value as (...args: unknown[]) => unknown
      const watched = function (this: RegExp, ...args: unknown[]): unknown {
        used.add(this.source)
        return original.apply(this, args)
      }
      Object.defineProperty(RegExp.prototype, name, { ...originals[i], value: watched })
    }
    try {
      const strange = [
        'a\u0301',
        '\u0628\u200c\u0628',
        '\u05d0\u0661',
        'l\u00b7l',
        '\u30fb\u30a2',
        '[::1.2.3.4]',
      ]
      for (const text of strange) for (const jid of [text, `${text}@b`, `a@b/${text}`]) codeOf(jid)
    } finally {
      for (const [i, name] of names.entries())
        Object.defineProperty(RegExp.prototype, name, originals[i] ?? {})
    }
    expect(used.size).toBeGreaterThan(15)
    expect(
      [...used].filter((source) => /^\(\?<[=!](?:[^)\\]|\\.)*[*+{]/.test(source.replace(/\\p\{.*?\}/g, 'p'))),
    ).toEqual([])
  })
})

describe('as scalars', () => {
  test('written in canonical form; what is none is left to the field to refuse', () => {
    const odd = (text: string) => text as ReturnType<typeof bare>
    expect(jid.encode(odd('ROMEO@Montague.Example./Orchard'))).toBe('romeo@montague.example/Orchard')
    expect(bareJid.encode(odd('ROMEO@Montague.Example'))).toBe('romeo@montague.example')
    expect(bareJid.encode(odd('a@b/c'))).toBe('a@b/c')
    expect(jid.encode(odd('@'))).toBe('@')
  })
})
