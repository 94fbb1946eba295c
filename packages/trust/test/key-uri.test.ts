import { bare } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatKeyUri,
  formatOpenpgpUri,
  formatXmppUri,
  type KeyClaim,
  MAX_CLAIMS,
  MAX_URI_LENGTH,
  parseKeyUri,
  parseOpenpgpUri,
  parseXmppUri,
} from '../src/index.ts'
import { anyText } from './any-text.ts'
import vectors from './vectors/key-uris.json' with { type: 'json' }

const failing = (code: string) => expect.objectContaining({ name: 'TrustError', code })
const juliet = bare('juliet@capulet.lit')
const fingerprint = 'ab'.repeat(32)

describe('XEP-0434 §9.1.1, XEP-0364 §6, omemo-sid', () => {
  test.each(vectors.cases)('$name', ({ uri, jid, claims, canonical }) => {
    const read = parseKeyUri(uri, bare(jid))
    expect(read).toEqual({ jid, claims })
    expect(parseKeyUri(uri, undefined)).toEqual(read)
    if (canonical) expect(formatKeyUri(read)).toBe(uri)
  })

  test.each(vectors.refused)('refused: $name', ({ uri, code }) => {
    expect(() => parseKeyUri(uri, undefined)).toThrow(failing(code))
    expect(() => parseKeyUri(uri, juliet)).toThrow(failing(code))
  })

  test.each(['romeo@montague.lit', 'capulet.lit', 'juliet@capulet.lit.evil.example'])(
    'is not about %s',
    (other) => {
      const uri = `xmpp:juliet@capulet.lit?omemo-sid-7=${fingerprint}`
      expect(() => parseKeyUri(uri, bare(other))).toThrow(failing('uri-wrong-owner'))
    },
  )

  test('a letter that looks alike is another address', () => {
    // The Cyrillic а.
    const uri = `xmpp:juliet@c\u0430pulet.lit?omemo-sid-7=${fingerprint}`
    expect(() => parseKeyUri(uri, juliet)).toThrow(failing('uri-wrong-owner'))
  })

  test('what is refused is not repeated in the error', () => {
    expect(() => parseKeyUri('xmpp:a@b.example?secret=x y', undefined)).toThrow(/^(?!.*secret)/)
  })
})

describe('a URI that is written', () => {
  const omemo = (device: number): KeyClaim => ({ kind: 'omemo', device, fingerprint })
  const trust: KeyClaim = { kind: 'trust-message', encryption: 'x', keyId: 'ab', trust: true }

  test.each<[string, readonly KeyClaim[]]>([
    ['no claims', []],
    ['device 0', [omemo(0)]],
    ['device 2^31', [omemo(2 ** 31)]],
    ['half a device', [omemo(1.5)]],
    ['one device twice', [omemo(1), omemo(1)]],
    ['a fingerprint with spaces', [{ kind: 'omemo', device: 1, fingerprint: 'ab cd' }]],
    ['a fingerprint in capitals', [{ kind: 'omemo', device: 1, fingerprint: 'AB'.repeat(32) }]],
    ['an OTR fingerprint in capitals', [{ kind: 'otr', fingerprint: 'AB'.repeat(20) }]],
    ['two kinds, trust message first', [trust, omemo(1)]],
    ['two kinds, trust message last', [omemo(1), trust]],
    ['two encryptions', [trust, { ...trust, encryption: 'y', keyId: 'cd' }]],
    ['trusted and distrusted', [trust, { ...trust, trust: false }]],
    ['no encryption', [{ ...trust, encryption: '' }]],
    ['a key id in capitals', [{ ...trust, keyId: 'AB' }]],
    ['an encryption that is a lone surrogate', [{ ...trust, encryption: '\ud800' }]],
  ])('refused: %s', (_name, claims) => {
    expect(() => formatKeyUri({ jid: juliet, claims })).toThrow(RangeError)
  })

  test('MAX_CLAIMS', () => {
    const claims = Array.from({ length: MAX_CLAIMS }, (_, i) => omemo(2 ** 31 - 1 - i))
    const uri = formatKeyUri({ jid: juliet, claims })
    expect(parseKeyUri(uri, juliet).claims).toEqual(claims)
    expect(() => formatKeyUri({ jid: juliet, claims: [...claims, omemo(1)] })).toThrow(RangeError)
    expect(() => parseKeyUri(`${uri};omemo-sid-1=${fingerprint}`, juliet)).toThrow(failing('uri-malformed'))
    // Said twice is said once.
    expect(parseKeyUri(`${uri};omemo-sid-2147483647=${fingerprint}`, juliet).claims).toEqual(claims)
  })
})

describe('RFC 5122 §2.2', () => {
  test.each([
    ['xmpp:romeo@montague.net?message', 'message', []],
    [
      'xmpp:romeo@montague.net?message;subject=Test%20Message;body=Here%27s%20a%20test%20message',
      'message',
      [
        ['subject', 'Test Message'],
        ['body', "Here's a test message"],
      ],
    ],
    [
      'xmpp:romeo@montague.net?roster;name=Romeo%20Montague;group=Friends',
      'roster',
      [
        ['name', 'Romeo Montague'],
        ['group', 'Friends'],
      ],
    ],
    ['xmpp:romeo@montague.net?;x=', '', [['x', '']]],
    ['xmpp:romeo@montague.net?x=a=b', '', [['x', 'a=b']]],
    ['xmpp:romeo@montague.net#x?y', '', []],
  ])('%s', (uri, type, pairs) => {
    expect(parseXmppUri(uri)).toEqual({ jid: 'romeo@montague.net', type, pairs })
  })

  test('a value is written with unreserved characters alone, as in XEP-0147', () => {
    const uri = 'xmpp:romeo@montague.net?message;body=Here%27s%20a%20%28test%29%21%2A'
    expect(
      formatXmppUri({
        jid: bare('romeo@montague.net'),
        type: 'message',
        pairs: [['body', "Here's a (test)!*"]],
      }),
    ).toBe(uri)
  })

  test('an IPv6 server', () => {
    expect(parseXmppUri('xmpp:[2001:db8::1]').jid).toBe('[2001:db8::1]')
    expect(formatXmppUri({ jid: bare('[2001:db8::1]'), type: '', pairs: [] })).toBe('xmpp:[2001:db8::1]')
  })

  test('a URI of another scheme is said to be one', () => {
    for (const uri of ['https://x', 'openpgp4fpr:1357B018', 'xmppx:juliet@capulet.lit', ''])
      expect(() => parseKeyUri(uri, juliet)).toThrow('uri: not of the scheme xmpp:')
  })

  test('MAX_URI_LENGTH', () => {
    const empty = 'xmpp:romeo@montague.net?x='.length
    const value = 'y'.repeat(MAX_URI_LENGTH - empty)
    const uri = `xmpp:romeo@montague.net?x=${value}`
    const read = parseXmppUri(uri)
    expect(read.pairs).toEqual([['x', value]])
    expect(formatXmppUri(read)).toBe(uri)
    expect(() => parseXmppUri(`${uri}y`)).toThrow(failing('uri-malformed'))
    expect(() => formatXmppUri({ ...read, pairs: [['x', `${value}y`]] })).toThrow(RangeError)
  })

  test.each([
    ['a key that is empty', { jid: juliet, type: '', pairs: [['', 'x']] as const }],
    ['a JID that is not canonical', { jid: 'Juliet@capulet.lit' as typeof juliet, type: '', pairs: [] }],
    ['a full JID', { jid: 'juliet@capulet.lit/x' as typeof juliet, type: '', pairs: [] }],
    ['a type that begins a pair', { jid: juliet, type: '\udc00', pairs: [] }],
  ])('not written: %s', (_name, uri) => {
    expect(() => formatXmppUri(uri)).toThrow(RangeError)
  })

  const anything = anyText({ maxLength: 20 })

  test('whatever is written is read as it was', () => {
    const jids = fc.constantFrom(
      juliet,
      bare('capulet.lit'),
      bare('ji\u0159i+a;b=c@x.example'),
      bare('[::1]'),
    )
    const pair = fc.tuple(
      anything.filter((key) => key !== ''),
      anything,
    )
    fc.assert(
      fc.property(jids, anything, fc.array(pair, { maxLength: 4 }), (jid, type, pairs) => {
        const uri = formatXmppUri({ jid, type, pairs })
        expect(uri).toMatch(/^[!-~]+$/)
        expect(parseXmppUri(uri)).toEqual({ jid, type, pairs })
      }),
    )
  })

  test('whatever is read, is read or refused with a code', () => {
    const part = fc.constantFrom(
      'xmpp:',
      'a@b.example',
      '?',
      ';',
      '=',
      '#',
      '%',
      '%40',
      '/',
      'omemo-sid-1',
      fingerprint,
      'trust-message',
      'encryption=x',
      'trust=ab',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(part, anything), { maxLength: 10 }), (parts) => {
        try {
          const read = parseKeyUri(`xmpp:a@b.example?${parts.join('')}`, undefined)
          const kinds = new Set(read.claims.map((claim) => claim.kind === 'trust-message'))
          expect(kinds.size).toBe(1)
          expect(parseKeyUri(formatKeyUri(read), read.jid)).toEqual(read)
        } catch (error) {
          expect(error).toMatchObject({ name: 'TrustError' })
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('openpgp4fpr', () => {
  const v4 = '1357B01865B2503C18453D208CAC2A9678548E35'
  test.each([v4, 'AB'.repeat(32)])('%s', (digits) => {
    expect(parseOpenpgpUri(`openpgp4fpr:${digits}`)).toBe(digits.toLowerCase())
    expect(formatOpenpgpUri(digits.toLowerCase())).toBe(`OPENPGP4FPR:${digits}`)
    expect(parseOpenpgpUri(formatOpenpgpUri(digits))).toBe(digits.toLowerCase())
  })

  test.each([
    '',
    'openpgp4fpr:',
    v4,
    `openpgp4fpr:${v4.slice(1)}`,
    `openpgp4fpr:${v4}0`,
    `openpgp4fpr:${v4}#a=b`,
    `openpgp4fpr:${v4}\n`,
    `xmpp:${v4}`,
  ])('refused: %s', (uri) => {
    expect(() => parseOpenpgpUri(uri)).toThrow(failing('uri-malformed'))
  })

  test('is not written for a key id', () => {
    expect(() => formatOpenpgpUri(v4.slice(-16))).toThrow(failing('fingerprint-malformed'))
  })
})
