import { parse } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { caps, isShareable, verificationString } from '../src/caps.ts'
import { hashInput } from '../src/caps2.ts'
import { type Claim, verify } from '../src/claim.ts'
import { sha1, sha256 } from '../src/hash.ts'
import { readInfo } from '../src/info.ts'
import { compareOctets, sortOctets } from '../src/octet-order.ts'
import { features, form, hexOf, infoOf, queryOf, sent, vectors, verOf } from './read.ts'

const CLIENT = "<identity category='client' type='pc'/>"

const claim = (hash: string, algorithm = 'sha-1'): Claim => ({
  xep: '0115',
  algorithm,
  hash,
  node: `n#${hash}`,
})

describe('§5.1 generation', () => {
  test.each(vectors.caps)('$name', ({ query, S, ver: expected }) => {
    const info = readInfo(parse(query))
    expect(verificationString(info)).toBe(S)
    expect(caps(info, 'urn:node').attrs).toEqual({ hash: 'sha-1', node: 'urn:node', ver: expected })
    // That of §5.3 has a form that sorts after all features.
    const shareable = info.forms.length === 0
    expect(verify(sent(info), claim(expected), [sha1])).toMatchObject({ kind: 'verified', shareable })
  })

  test.each(vectors.hashes)('$name of XEP-0390', ({ query, ver: expected }) => {
    expect(verOf(verificationString(readInfo(parse(query))) ?? '', sha1)).toBe(expected)
  })

  test('features are sorted by octets of UTF-8, where UTF-16 has another order', () => {
    const [emoji, tilde] = ['urn:\u{1F600}', 'urn:\uFF5E']
    expect([emoji, tilde].sort()).toEqual([emoji, tilde])
    expect(verificationString(infoOf(features(emoji, tilde)))).toBe(`${tilde}<${emoji}<`)
  })

  test('the order is that of the octets', () => {
    const unit = fc.string({
      unit: fc.constantFrom('a', '\uD7FF', '\uE000', '\uFFFD', '\u{10000}', '\u{1F600}'),
      maxLength: 4,
    })
    fc.assert(
      fc.property(unit, unit, (a, b) => {
        const octets = Buffer.compare(Buffer.from(a), Buffer.from(b))
        expect(Math.sign(compareOctets(a, b))).toBe(octets)
      }),
    )
  })

  test('identities are sorted by category, then type, then language, and not as one string', () => {
    const info = infoOf(
      "<identity category='a-b' type='x'/><identity category='a' type='y' xml:lang='el' name='2'/>" +
        "<identity category='a' type='y' xml:lang='de' name='3'/>",
    )
    expect(verificationString(info)).toBe('a/y/de/3<a/y/el/2<a-b/x//<')
  })

  test('forms, fields and values are sorted', () => {
    const info = infoOf(form('urn:b', { y: ['2', '1'], x: [] }) + form('urn:a'))
    expect(verificationString(info)).toBe('urn:a<urn:b<x<y<1<2<')
  })

  test('a language around an identity is not its own', () => {
    const query = parse(
      `<query xmlns='http://jabber.org/protocol/disco#info' xml:lang='en'>${CLIENT}</query>`,
    )
    expect(verificationString(readInfo(query))).toBe('client/pc//<')
    expect(verificationString(readInfo(query, 'en'))).toBe('client/pc/en/<')
  })

  test.each([
    ['feature', features('urn:&lt;')],
    ['name', "<identity category='client' type='pc' name='&lt;'/>"],
    ['value', form('urn:a', { b: ['&lt;'] })],
  ])('a `<` in a %s is not generated, and not shared', (_where, inner) => {
    const info = infoOf(features('urn:z') + inner)
    expect(() => caps(info, 'urn:node')).toThrow(RangeError)
    expect(isShareable(info)).toBe(false)
  })
})

describe('§5.4 processing', () => {
  test.each([
    ['3.3: an identity twice', CLIENT + CLIENT],
    ['3.4: a feature twice', features('urn:a', 'urn:a')],
    ['3.5: a FORM_TYPE twice', form('urn:a') + form('urn:a', { b: ['1'] })],
    [
      '3.5: a FORM_TYPE with two values',
      "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>a</value><value>b</value></field></x>",
    ],
  ])('%s is ill-formed', (_name, inner) => {
    expect(verificationString(infoOf(inner))).toBeUndefined()
    expect(() => caps(infoOf(inner), 'urn:node')).toThrow(RangeError)
    expect(verify(queryOf(inner), claim('AAAA'), [sha1]).kind).toBe('ill-formed')
  })

  test('3.5: a FORM_TYPE with the same value twice is not', () => {
    const twice =
      "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>a</value><value>a</value></field></x>"
    expect(verificationString(infoOf(twice))).toBe('a<')
  })

  test.each([
    [
      'without FORM_TYPE',
      "<x xmlns='jabber:x:data' type='result'><field var='a'><value>1</value></field></x>",
    ],
    [
      'whose FORM_TYPE is not hidden',
      "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE'><value>a</value></field></x>",
    ],
    [
      'that is filled in, whose FORM_TYPE has no type',
      "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>a</value></field></x>",
    ],
  ])('3.6: a form %s is ignored, and keeps the rest from being shared', (_name, ignored) => {
    const inner = CLIENT + features('urn:z')
    const info = infoOf(inner + ignored)
    expect(verificationString(info)).toBe(verificationString(infoOf(inner)))
    expect([isShareable(infoOf(inner)), isShareable(info)]).toEqual([true, false])
  })

  test('another hash function, another hash, or none of ours', () => {
    const query = queryOf(CLIENT + features('urn:a'))
    const S = verificationString(readInfo(query)) ?? ''
    expect(verify(query, claim(verOf(S, sha256), 'sha-256'), [sha1, sha256]).kind).toBe('verified')
    expect(verify(query, claim(verOf(S, sha256)), [sha1, sha256]).kind).toBe('mismatch')
    expect(verify(query, claim(verOf(S, sha1), 'md5'), [sha1, sha256]).kind).toBe('unknown-hash')
  })

  test('what is shared has nothing that is not hashed', () => {
    const query = queryOf(
      `${CLIENT.replace("type='pc'", "type='pc' name=''")}${features('urn:z', 'urn:b')}<x xmlns='jabber:x:data' type='form'>` +
        "<field var='FORM_TYPE' type='hidden'><value>urn:a</value></field>" +
        "<field var='c' type='jid-single'><value>2</value><value>1</value></field></x><other xmlns='urn:other'/>",
    )
    const S = verificationString(readInfo(query)) ?? ''
    expect(verify(query, claim(verOf(S, sha1)), [sha1])).toEqual({
      kind: 'verified',
      shareable: true,
      info: {
        identities: [{ category: 'client', type: 'pc' }],
        features: ['urn:b', 'urn:z'],
        forms: [
          {
            type: 'result',
            tabular: false,
            fields: [
              { name: 'FORM_TYPE', type: 'hidden', values: ['urn:a'] },
              { name: 'c', values: ['1', '2'] },
            ],
          },
        ],
      },
    })
  })
})

describe('§9.3 collisions', () => {
  test.each(vectors.collisions)('$name', ({ ver: expected, queries, shareable }) => {
    const infos = queries.map((query) => readInfo(parse(query)))
    for (const info of infos) expect(verOf(verificationString(info) ?? '', sha1)).toBe(expected)
    expect(infos.map(isShareable)).toEqual(shareable)
    expect(new Set(infos.map((info) => hexOf(hashInput(info)))).size).toBe(infos.length)
  })

  test.each([
    ['1: `<`', features('urn:a&lt;urn:b')],
    ['2: an empty category', `<identity category='' type='pc'/>${features('urn:a')}`],
    ['2: an empty type', `<identity category='client' type=''/>${features('urn:a')}`],
    ['2: `/` in a category', `<identity category='a/b' type='pc'/>${features('urn:a')}`],
    ['2: `/` in a type', `<identity category='a' type='b/c'/>${features('urn:a')}`],
    ['2: `/` in a language', `<identity category='a' type='b' xml:lang='c/d'/>${features('urn:a')}`],
    ['3: no feature', CLIENT],
    ['3: an empty feature', features('urn:a', '')],
    ['4: a feature like an identity', features('a/b/c/d')],
    ['4: the same, without language', features('a/b//d')],
    ['5: a field without value', features('urn:z') + form('urn:a', { b: [] })],
    ['5: a field without name', features('urn:z') + form('urn:a', { '': ['b'] })],
    [
      '5: a repeated field',
      features('urn:z') +
        form('urn:a', { b: ['1'] }).replace('</x>', "<field var='b'><value>2</value></field></x>"),
    ],
    ['6: a form that sorts after all features', features('urn:a') + form('urn:b', { c: ['1'] })],
    ['6: a form that sorts as the last one', features('urn:b') + form('urn:b', { c: ['1'] })],
    ['7: rows', features('urn:z') + form('urn:a').replace('</x>', '<item/></x>')],
  ])('not shared by condition %s', (_name, inner) => {
    expect(isShareable(infoOf(inner))).toBe(false)
  })

  test.each([
    ['a name with slashes', `<identity category='client' type='pc' name='a/b/c'/>${features('urn:a')}`],
    ['a feature with an empty segment', features('http://jabber.org/protocol/muc')],
    ['an empty value', features('urn:z') + form('urn:a', { b: [''] })],
  ])('shared: %s', (_name, inner) => {
    expect(isShareable(infoOf(inner))).toBe(true)
  })

  // From few parts, so that equal strings come up often.
  const part = fc.constantFrom('a', 'b', 'c', 'a/a/a/b', 'b/a//', 'a/b', 'a/a//a', '', 'd')
  const info = fc.record({
    identities: fc.array(fc.record({ category: part, type: part, lang: part, name: part }), { maxLength: 2 }),
    features: fc.array(part, { maxLength: 4 }),
    forms: fc.array(
      fc
        .record({
          type: part,
          fields: fc.array(fc.record({ name: part, values: fc.array(part, { maxLength: 2 }) }), {
            maxLength: 2,
          }),
        })
        .map(({ type, fields }) => ({
          type: 'result' as const,
          tabular: false,
          fields: [{ name: 'FORM_TYPE', type: 'hidden', values: [type] }, ...fields],
        })),
      { maxLength: 2 },
    ),
  })

  test('shareable information with the same string has the same features and identities', () => {
    const found = new Map<string, string>()
    let again = 0
    fc.assert(
      fc.property(info, (one) => {
        if (!isShareable(one)) return
        const S = verificationString(one) ?? ''
        const identities = one.identities.map(({ category, type, lang, name }) =>
          [category, type, lang, name].join('/'),
        )
        const what = JSON.stringify([sortOctets(identities), sortOctets(one.features)])
        if (found.has(S)) again++
        expect(found.get(S) ?? what).toBe(what)
        found.set(S, what)
      }),
      { numRuns: 20_000 },
    )
    expect(again).toBeGreaterThan(100)
  })
})
