import { bare } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeKey, encodeKey, type Key, MAX_KEY_RECORD } from '../src/index.ts'
import { anyText } from './any-text.ts'

const malformed = expect.objectContaining({ name: 'TrustError', code: 'record-malformed' })
const key: Key = {
  owner: bare('bob@example.com'),
  fingerprint: 'ab',
  protocol: 'urn:xmpp:omemo:2',
  level: 'verified',
  by: 'scan',
  decidedAt: new Date('2026-01-01T00:00:00Z'),
  own: false,
  label: 'Tel\u00e9fono',
}
const good =
  '{"v":1,"owner":"bob@example.com","fingerprint":"ab","protocol":"urn:xmpp:omemo:2","level":"verified","by":"scan","decidedAt":1767225600000,"own":false,"label":"Tel\\u00e9fono"}'

test('version 1', () => {
  expect(Buffer.from(encodeKey(key)).toString('latin1')).toBe(good)
  expect(decodeKey(Buffer.from(good))).toEqual(key)
})

test.each([
  ['nothing', ''],
  ['null', 'null'],
  ['a list', '[]'],
  ['another version', good.replace('"v":1', '"v":2')],
  ['no owner', good.replace('"owner":"bob@example.com",', '')],
  ['an owner that is not canonical', good.replace('bob@', 'Bob@')],
  ['an owner with a resource', good.replace('example.com"', 'example.com/x"')],
  ['an empty fingerprint', good.replace('"ab"', '""')],
  ['a fingerprint that is no hex', good.replace('"ab"', '"zz ZZ"')],
  ['a fingerprint in upper case', good.replace('"ab"', '"AB"')],
  ['no protocol', good.replace('"protocol"', '"x"')],
  ['another level', good.replace('verified', 'trusted')],
  ['another evidence', good.replace('scan', 'policy')],
  ['evidence without its time', good.replace('"decidedAt":1767225600000,', '')],
  ['a time without evidence', good.replace('"by":"scan",', '')],
  ['a time that is none', good.replace('1767225600000', '1e99')],
  ['own that is no boolean', good.replace('false', '0')],
  ['a label that is no text', good.replace(/"Tel.*"/, '1')],
])('refused: %s', (_name, record) => {
  expect(() => decodeKey(Buffer.from(record))).toThrow(malformed)
})

test('what names no key is not written', () => {
  expect(() => encodeKey({ ...key, fingerprint: 'AB' })).toThrow(RangeError)
})

test('MAX_KEY_RECORD', () => {
  const bare = encodeKey({ ...key, label: '' }).length
  const fits = { ...key, label: 'x'.repeat(MAX_KEY_RECORD - bare) }
  expect(decodeKey(encodeKey(fits))).toEqual(fits)
  expect(() => encodeKey({ ...fits, label: `${fits.label}x` })).toThrow(RangeError)
  const padded = Buffer.from(good.padEnd(MAX_KEY_RECORD))
  expect(decodeKey(padded)).toEqual(key)
  expect(() => decodeKey(Buffer.concat([padded, Buffer.from(' ')]))).toThrow(malformed)
})

test('whatever is written is read as it was', () => {
  const level = fc.constantFrom('undecided', 'blind', 'verified', 'distrusted') as fc.Arbitrary<Key['level']>
  const by = fc.constantFrom('choice', 'compare', 'scan', 'smp', 'trust-message', 'import') as fc.Arbitrary<
    NonNullable<Key['by']>
  >
  const decided = fc.record({ by, decidedAt: fc.date({ noInvalidDate: true }) })
  const label = fc.record({ label: anyText({ maxLength: 50 }) })
  fc.assert(
    fc.property(level, fc.boolean(), fc.option(decided), fc.option(label), (level, own, decision, name) => {
      const { owner, fingerprint, protocol } = key
      const one: Key = { owner, fingerprint, protocol, level, own, ...decision, ...name }
      expect(decodeKey(encodeKey(one))).toEqual(one)
    }),
  )
})
