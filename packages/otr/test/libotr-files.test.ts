/** The files of libotr: what it wrote is read, what is written is read again, and nothing else is read. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fingerprint } from '../src/dsa/dsa.ts'
import {
  formatFingerprints,
  formatInstanceTags,
  formatPrivateKeys,
  MAX_FILE_CHARACTERS,
  parseFingerprints,
  parseInstanceTags,
  parsePrivateKeys,
} from '../src/libotr/files.ts'
import { formatNumber, formatText, parseExpression } from '../src/libotr/s-expression.ts'
import { otrError } from './support.ts'
import vectors from './vectors/libotr-files.json' with { type: 'json' }

const malformed = otrError('file-malformed')
const keys = parsePrivateKeys(vectors.privateKeys)
const [first = expect.fail('no key')] = keys

describe('otr.private_key', () => {
  test('libotr’s: names with resource, parentheses, quotes, umlauts, a tab, and one in hexadecimal', () => {
    const read = keys.map(({ name, protocol, key }) => ({ name, protocol, fingerprint: fingerprint(key) }))
    expect(read).toEqual(vectors.accounts)
  })

  test('written and read again', () => {
    expect(parsePrivateKeys(formatPrivateKeys(keys))).toEqual(keys)
    expect(formatPrivateKeys([])).toBe('(privkeys\n)\n')
    expect(parsePrivateKeys('(privkeys)')).toEqual([])
  })

  test('written as libotr does, but for names that it writes in hexadecimal or with more escapes', () => {
    const plain = keys.filter(({ name }) => /^[\w@./(-]+$/.test(name))
    expect(plain.length).toBeGreaterThan(1)
    for (const key of plain) {
      const account = formatPrivateKeys([key]).split('\n').slice(1, -2).join('\n')
      expect(vectors.privateKeys).toContain(account)
    }
  })

  test('any name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const [read] = parsePrivateKeys(formatPrivateKeys([{ ...first, name }]))
        expect(read?.name).toBe(name)
      }),
      { numRuns: 30 },
    )
  })

  test('numbers in base64, in any order, with what nobody knows between', () => {
    const text = formatPrivateKeys([first])
    const [x = ''] = /\(x #[0-9A-F]+#\)/.exec(text) ?? []
    const moved = text.replace(x, '').replace('(dsa', `(dsa ${x} (comment (deep "(") #00#)`)
    const [q = '', digits = ''] = /\(q #([0-9A-F]+)#\)/.exec(moved) ?? []
    const base64 = Buffer.from(digits, 'hex').toString('base64')
    expect(parsePrivateKeys(moved.replace(q, `(q |${base64}|)`))).toEqual([first])
  })

  const text = formatPrivateKeys([first])
  test.each([
    ['nothing', ''],
    ['white space', ' \n'],
    ['text', 'hello'],
    ['another list', '(keys)'],
    ['two lists', '(privkeys)(privkeys)'],
    ['a parenthesis too few', '(privkeys (account)'],
    ['a parenthesis too many', '(privkeys))'],
    ['an account without anything', '(privkeys (account))'],
    ['no name', text.replace('(name', '(nom')],
    ['two names', text.replace('(name', '(name a')],
    ['a name that is a list', text.replace(/\(name [^)]*\)/, '(name (a))')],
    ['no x', text.replace('(x', '(z')],
    ['a key of another type', text.replace('(dsa', '(rsa')],
    ['odd hexadecimal', text.replace('(x #', '(x #1')],
    ['no hexadecimal', text.replace('(x #', '(x #g')],
    ['open hexadecimal', '(privkeys #00'],
    ['open quotes', '(privkeys "a)'],
    ['an escape that does not exist', '(privkeys "\\q")'],
    ['no base64', '(privkeys |A|)'],
    ['lists in lists', `${'('.repeat(17)}privkeys${')'.repeat(17)}`],
    ['a very deep list', '('.repeat(500_000)],
  ])('%s', (_name, file) => {
    expect(() => parsePrivateKeys(file)).toThrow(malformed)
  })

  test('a number that does not belong to the others', () => {
    const changed = text.replace(/\(x #..../, '(x #0001')
    expect(() => parsePrivateKeys(changed)).toThrow(otrError('dsa-key-invalid'))
  })

  test('cut off anywhere', () => {
    for (let length = 0; length < text.trimEnd().length; length++)
      expect(() => parsePrivateKeys(text.slice(0, length))).toThrow(malformed)
  })

  test('no message of an error repeats what was read', () => {
    const digits = /\(x #([0-9A-F]+)#\)/.exec(text)?.[1] ?? ''
    for (const file of [
      text.replace('#)', '#'),
      text.replace(digits, `${digits}0`),
      text.replace(digits, '01'),
    ]) {
      try {
        parsePrivateKeys(file)
        expect.fail('no error')
      } catch (error) {
        expect(String(error)).not.toMatch(/[0-9A-F]{8}|@/)
      }
    }
  })
})

describe('S-expressions', () => {
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text))

  test.each([
    ['"a\\"b\\\\c\\\'d"', 'a"b\\c\'d'],
    ['"\\b\\t\\n\\v\\f\\r"', '\b\t\n\v\f\r'],
    ['"\\x41\\102c\\303\\244"', 'ABcä'],
    ['"a\\\nb\\\r\nc"', 'abc'],
    ['"(#|)"', '(#|)'],
    ['""', ''],
    ['prpl-jabber', 'prpl-jabber'],
    ['alice@example.org/x', 'alice@example.org/x'],
    ['#61 62\n63#', 'abc'],
    ['|YWJj|', 'abc'],
    ['|YW\nJj|', 'abc'],
  ])('%s', (text, value) => {
    expect(parseExpression(text)).toEqual(bytes(value))
    expect(parseExpression(` ( ${text}\n)`)).toEqual([bytes(value)])
  })

  test('16 lists in each other, and one more', () => {
    expect(() => parseExpression('('.repeat(16) + ')'.repeat(16))).not.toThrow()
    expect(() => parseExpression('('.repeat(17) + ')'.repeat(17))).toThrow(malformed)
  })

  test('a text in quotes of a megabyte', () => {
    const long = 'a'.repeat(MAX_FILE_CHARACTERS - 2)
    expect(parseExpression(`"${long}"`)).toHaveLength(long.length)
    expect(parseExpression(`"${'\\"'.repeat(500_000)}"`)).toHaveLength(500_000)
    expect(() => parseExpression(`"${long}`)).toThrow(malformed)
  })

  test('any text throws nothing but an OtrError', () => {
    const unit = fc.constantFrom('(', ')', '"', '#', '|', '\\', ' ', '\n', 'a', '0', 'x', '=', 'é')
    fc.assert(
      fc.property(fc.string({ unit }), (text) => {
        try {
          parseExpression(text)
        } catch (error) {
          expect(error).toEqual(malformed)
        }
      }),
    )
  })

  test('numbers get a zero byte where they would look negative', () => {
    expect(formatNumber(Uint8Array.of(0x7f))).toBe('#7F#')
    expect(formatNumber(Uint8Array.of(0x80))).toBe('#0080#')
    expect(formatNumber(new Uint8Array(0))).toBe('#00#')
  })

  test('texts get quotes where they need them', () => {
    expect(formatText('prpl-jabber')).toBe('prpl-jabber')
    expect(formatText('1digit')).toBe('"1digit"')
    expect(formatText('')).toBe('""')
    expect(formatText('a "b" \\ c\n')).toBe('"a \\"b\\" \\\\ c\\x0a"')
  })
})

describe('otr.fingerprints', () => {
  const digits = 'C23021A5FA1DBA871B6E802BF94ED413135A8BF9'
  const entry = {
    peer: 'bob@example.org',
    account: 'alice@example.org/x',
    protocol: 'prpl-jabber',
    fingerprint: digits.toLowerCase(),
    trust: 'verified',
  }

  test('with trust, with an empty one, and without', () => {
    const line = `bob@example.org\talice@example.org/x\tprpl-jabber\t${digits.toLowerCase()}`
    expect(parseFingerprints(`${line}\tverified\n${line}\t\n${line}\n`)).toEqual([
      entry,
      { ...entry, trust: '' },
      { ...entry, trust: '' },
    ])
    expect(formatFingerprints([entry, { ...entry, trust: '' }])).toBe(`${line}\tverified\n${line}\t\n`)
  })

  test('upper case, CR LF, no line break at the end', () => {
    expect(parseFingerprints(`a\tb\txmpp\t${digits}\ttrusted\r\n\r\nc\td\txmpp\t${digits}`)).toEqual([
      { peer: 'a', account: 'b', protocol: 'xmpp', fingerprint: digits.toLowerCase(), trust: 'trusted' },
      { peer: 'c', account: 'd', protocol: 'xmpp', fingerprint: digits.toLowerCase(), trust: '' },
    ])
  })

  test.each(['', 'a', 'a\tb\tc', 'a\tb\tc\td\te', `a\tb\tc\t${digits}0\t`, `a\tb\tc\t${digits.slice(1)}g\t`])(
    '%j is passed over, and does not lose the others',
    (line) => {
      expect(parseFingerprints(`${line}\n${formatFingerprints([entry])}`)).toEqual([entry])
    },
  )

  test('what would be two entries is not written', () => {
    for (const peer of ['a\tb', 'a\nb', 'a\rb'])
      expect(() => formatFingerprints([{ ...entry, peer }])).toThrow(RangeError)
  })

  test.each(['', 'a'.repeat(39), 'a'.repeat(41), 'A'.repeat(40), 'g'.repeat(40)])(
    'the fingerprint %j, which would be passed over or another, is not written',
    (fingerprint) => {
      expect(() => formatFingerprints([entry, { ...entry, fingerprint }])).toThrow(/^fingerprint: /)
    },
  )

  test('at the longest length, and one above', () => {
    expect(parseFingerprints('a'.repeat(MAX_FILE_CHARACTERS))).toEqual([])
    for (const parse of [parseFingerprints, parseInstanceTags, parsePrivateKeys])
      expect(() => parse('\n'.repeat(MAX_FILE_CHARACTERS + 1))).toThrow(malformed)
  })
})

describe('otr.instance_tags', () => {
  test('libotr’s, with its comment', () => {
    expect(parseInstanceTags(vectors.instanceTags)).toEqual([
      { account: 'zoë@exämple.org', protocol: 'prpl-jabber', tag: 0x339bd883 },
      { account: 'alice@example.org/Pidgin', protocol: 'prpl-jabber', tag: 0x2691f9bd },
    ])
  })

  test('written and read again', () => {
    const entries = [
      { account: 'a', protocol: 'xmpp', tag: 0x100 },
      { account: 'b', protocol: 'xmpp', tag: 0xffff_ffff },
    ]
    expect(formatInstanceTags(entries)).toBe('a\txmpp\t00000100\nb\txmpp\tffffffff\n')
    expect(parseInstanceTags(formatInstanceTags(entries))).toEqual(entries)
    expect(() => formatInstanceTags([{ account: 'a\t', protocol: 'xmpp', tag: 0x100 }])).toThrow(RangeError)
  })

  test('an account that would be a comment, or a tag that would be passed over, is not written', () => {
    const entry = { account: '#a@example.org', protocol: 'xmpp', tag: 0x100 }
    expect(() => formatInstanceTags([entry])).toThrow(/^account: /)
    expect(formatFingerprints([{ ...entry, peer: 'b', fingerprint: 'a'.repeat(40), trust: '' }])).toContain(
      '#a@',
    )
    for (const tag of [0xff, 2 ** 32, 256.5, Number.NaN])
      expect(() => formatInstanceTags([{ ...entry, account: 'a', tag }])).toThrow(/^tag: /)
  })

  test.each(['', 'a\txmpp', 'a\txmpp\t000000ff', 'a\txmpp\t100', 'a\txmpp\t0000010g', '#a\txmpp\t00000100'])(
    '%j is passed over',
    (line) => {
      expect(parseInstanceTags(`${line}\nb\txmpp\t00000100\n`)).toHaveLength(1)
    },
  )
})
