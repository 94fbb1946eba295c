import { base64, children, element, parse, text } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hashInput, hashNode, hashSet } from '../src/caps2.ts'
import { type Claim, verify } from '../src/claim.ts'
import { hashed, sha256 } from '../src/hash.ts'
import { hashes } from '../src/hashes.ts'
import { type Info, infoQuery, readInfo } from '../src/info.ts'
import { features, form, hexOf, infoOf, queryOf, sent, vectors } from './read.ts'

const ALL = [sha256, ...hashes]

const claim = (hash: string, algorithm = 'sha-256'): Claim => ({
  xep: '0390',
  algorithm,
  hash,
  node: hashNode(algorithm, hash),
})

/** The claim of what is known to have a hash. */
const claimOf = (info: Info): Claim => claim(hashed(hashInput(info) ?? new Uint8Array(), sha256))

describe('§4.1 hash function input', () => {
  test.each(vectors.hashes)('$name', ({ query, input, hashes }) => {
    const info = readInfo(parse(query))
    expect(hexOf(hashInput(info))).toBe(input)
    const set = children(hashSet(info, ALL), 'hash', 'urn:xmpp:hashes:2')
    expect(Object.fromEntries(set.map((hash) => [hash.attrs.algo, text(hash)]))).toEqual(hashes)
    for (const [algorithm, hash] of Object.entries(hashes))
      expect(verify(sent(info), claim(hash, algorithm), ALL)).toMatchObject({
        kind: 'verified',
        shareable: true,
      })
  })

  test('empty parts still end', () => {
    expect(hexOf(hashInput({ identities: [], features: [], forms: [] }))).toBe('1c1c1c')
  })

  test('finished octets are sorted: a separator comes before any character', () => {
    const written = Buffer.from(hashInput(infoOf(features('ab', 'a', 'a!'))) ?? []).toString()
    expect(written.slice(0, 9)).toBe('a\x1fa!\x1fab\x1f\x1c')
  })

  test.each([
    ['1: another element', `${features('urn:a')}<other xmlns='urn:other'/>`],
    ['1: another element of the same namespace', `${features('urn:a')}<other/>`],
    ['2: rows', form('urn:a').replace('</x>', '<item/></x>')],
    ['2: columns', form('urn:a').replace('</x>', '<reported/></x>')],
    ['3: no FORM_TYPE', "<x xmlns='jabber:x:data' type='result'/>"],
    ['3: a FORM_TYPE that is not hidden', form('urn:a').replace(" type='hidden'", '')],
    ['a field without name', form('urn:a').replace('</x>', '<field><value>1</value></field></x>')],
  ])('%s is an error', (_name, inner) => {
    const verdict = verify(queryOf(inner), claim('AAAA'), ALL)
    expect(verdict.kind).toBe('ill-formed')
  })

  test.each(['\x1c', '\x1d', '\x1e', '\x1f'])(
    'separators in what a program made are refused: %j',
    (separator) => {
      const info = { identities: [], features: [`a${separator}b`], forms: [] }
      expect(hashInput(info)).toBeUndefined()
      expect(() => hashSet(info)).toThrow(RangeError)
    },
  )

  test('different information has different input', () => {
    const part = fc.constantFrom('a', 'b', '<', '/', '', 'a/b')
    const one = fc.record({
      identities: fc.array(fc.record({ category: part, type: part, lang: part, name: part }), {
        maxLength: 1,
      }),
      features: fc.array(part, { maxLength: 2 }),
      forms: fc.array(
        fc
          .array(fc.record({ name: part, values: fc.array(part, { maxLength: 2 }) }), { maxLength: 1 })
          .map((fields) => ({
            type: 'result' as const,
            tabular: false,
            fields: [{ name: 'FORM_TYPE', type: 'hidden', values: ['a'] }, ...fields],
          })),
        { maxLength: 1 },
      ),
    })
    const sorted = (info: Info) =>
      JSON.stringify([
        info.identities,
        [...info.features].sort(),
        info.forms.map(({ fields }) => fields.map(({ name, values }) => [name, [...values].sort()])),
      ])
    const found = new Map<string, string>()
    fc.assert(
      fc.property(one, (info) => {
        const input = hexOf(hashInput(info))
        expect(found.get(input) ?? sorted(info)).toBe(sorted(info))
        found.set(input, sorted(info))
      }),
      { numRuns: 3000 },
    )
    expect(found.size).toBeGreaterThan(500)
  })
})

describe('§4.1 languages', () => {
  const inner = `<identity category='client' type='pc' name='A'/>${features('urn:a')}`
  const plain = infoOf(inner)
  const english = readInfo(queryOf(inner), 'en')

  test('a language around the answer counts', () => {
    const verdict = verify(queryOf(inner), claimOf(english), ALL, 'en')
    expect(verdict).toMatchObject({ kind: 'verified', info: { identities: [{ lang: 'en' }] } })
    expect(verify(queryOf(inner), claimOf(english), ALL).kind).toBe('mismatch')
  })

  test('nor does one that a server has put there keep the hash from being verified', () => {
    const verdict = verify(queryOf(inner), claimOf(plain), ALL, 'en')
    expect(verdict.kind).toBe('verified')
    expect(verdict.info.identities).toEqual([{ category: 'client', type: 'pc', name: 'A' }])
  })

  test('the nearest language counts', () => {
    const query = element(
      'http://jabber.org/protocol/disco#info',
      'query',
      { 'xml:lang': 'en' },
      queryOf(inner).children,
    )
    expect(verify(query, claimOf(english), ALL, 'de').kind).toBe('verified')
    expect(verify(query, claimOf(readInfo(queryOf(inner), 'de')), ALL, 'de').kind).toBe('mismatch')
  })

  test('an explicit one is kept', () => {
    const german = readInfo(queryOf(inner), 'de')
    expect(verify(infoQuery(german), claimOf(german), ALL, 'en').kind).toBe('verified')
  })
})

test('§4.3: hash nodes', () => {
  expect(hashNode('sha-256', 'AAAA')).toBe('urn:xmpp:caps#sha-256.AAAA')
})

test('hash functions are named as XEP-0300 has them', () => {
  expect(ALL.map(({ name, digest }) => [name, digest(Uint8Array.of()).length * 8])).toEqual([
    ['sha-256', 256],
    ['blake2b-512', 512],
    ['sha3-512', 512],
    ['sha-512', 512],
    ['sha3-256', 256],
    ['blake2b-256', 256],
  ])
  expect(base64().encode(Uint8Array.from(sha256.digest(Uint8Array.of()).slice(0, 3)))).toBe('47DE')
})
