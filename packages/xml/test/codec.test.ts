import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  attr,
  type Bytes,
  base64,
  type Codec,
  codec,
  content,
  dateTime,
  type Element,
  element,
  equal,
  type Infer,
  inside,
  many,
  ns,
  one,
  optional,
  payload,
  ShapeError,
  uint,
} from '../src/index.ts'

const U = 'urn:example:bundle'
const u = ns(U)

const preKey = codec(U, 'pk', { id: attr('id', uint(99, 1)), key: content(base64(3)) })
const bundle = codec(U, 'bundle', {
  label: optional(attr('label')),
  signed: one(codec(U, 'spk', { id: attr('id', uint(99)), key: content(base64(3)) })),
  preKeys: inside('prekeys', many(preKey, { min: 1, max: 3 })),
  stamp: optional(inside('time', attr('stamp', dateTime))),
  note: optional(inside('note', content(), 'urn:example:note')),
})
type Bundle = Infer<typeof bundle>

const key = Uint8Array.of(0, 0, 0)
const signed = u('spk', { id: 1 }, 'AAAA')
const pk = (id: string | number): Element => u('pk', { id }, 'AAAA')
const value: Bundle = { signed: { id: 1, key }, preKeys: [{ id: 1, key }] }
const least = u('bundle', {}, signed, u('prekeys', {}, pk(1)))

describe('codec', () => {
  test('gives the type of what it describes', () => {
    expectTypeOf<Infer<typeof preKey>>().toEqualTypeOf<{ readonly id: number; readonly key: Bytes }>()
    expectTypeOf<Bundle>().toEqualTypeOf<{
      readonly signed: { readonly id: number; readonly key: Bytes }
      readonly preKeys: readonly { readonly id: number; readonly key: Bytes }[]
      readonly label?: string | undefined
      readonly stamp?: Date | undefined
      readonly note?: string | undefined
    }>()
    expectTypeOf(bundle).toExtend<Codec<Bundle>>()
    expectTypeOf<Bundle['stamp']>().not.toBeAny()
  })

  const both: [string, Bundle, Element][] = [
    ['the least', value, least],
    [
      'everything',
      { ...value, label: '', preKeys: [1, 2, 3].map((id) => ({ id, key })), stamp: new Date(0), note: 'n' },
      u(
        'bundle',
        { label: '' },
        signed,
        u('prekeys', {}, [pk(1), pk(2), pk(3)]),
        u('time', { stamp: '1970-01-01T00:00:00Z' }),
        element('urn:example:note', 'note', {}, 'n'),
      ),
    ],
  ]
  test.each(both)('%s, both ways', (_, decoded, encoded) => {
    expect(equal(bundle.encode(decoded), encoded)).toBe(true)
    expect(bundle.decode(encoded)).toStrictEqual(decoded)
  })

  test('is knows its element', () => {
    expect(bundle.is(least)).toBe(true)
    expect([u('b'), element('v', 'bundle'), 'bundle', undefined].map(bundle.is)).toEqual(Array(4).fill(false))
  })

  test('what no field names is ignored', () => {
    const extended = u(
      'bundle',
      { x: 1 },
      'text',
      u('x'),
      element('v', 'spk'),
      signed,
      u('prekeys', {}, pk(1), u('x')),
    )
    expect(bundle.decode(extended)).toStrictEqual(value)
  })

  test('text of children is not content', () => {
    expect(() => preKey.decode(u('pk', { id: 1 }, u('x', {}, 'AAAA')))).toThrow(ShapeError)
  })

  test('inherited properties are no attributes', () => {
    const odd = codec(U, 'a', { c: optional(attr('constructor')), p: optional(attr('__proto__')) })
    expect(odd.decode({ name: 'a', ns: U, attrs: {}, children: [] })).toStrictEqual({})
    const required = codec(U, 'a', { c: attr('constructor') })
    expect(() => required.decode({ name: 'a', ns: U, attrs: {}, children: [] })).toThrow(
      expect.objectContaining({ code: 'missing' }),
    )
    expect(odd.decode(odd.encode({ c: 'x', p: 'y' }))).toStrictEqual({ c: 'x', p: 'y' })
  })

  const wrong: [string, string, Element][] = [
    ['wrong-element', 'bundle', element('v', 'bundle')],
    ['missing', 'bundle/spk', u('bundle', {}, u('prekeys', {}, pk(1)))],
    ['repeated', 'bundle/spk', u('bundle', {}, signed, signed, u('prekeys', {}, pk(1)))],
    ['missing', 'bundle/prekeys', u('bundle', {}, signed)],
    ['repeated', 'bundle/prekeys', u('bundle', {}, signed, u('prekeys', {}, pk(1)), u('prekeys', {}, pk(1)))],
    ['too-few', 'bundle/prekeys/pk', u('bundle', {}, signed, u('prekeys'))],
    [
      'too-many',
      'bundle/prekeys/pk',
      u('bundle', {}, signed, u('prekeys', {}, [pk(1), pk(2), pk(3), pk(4)])),
    ],
    [
      'invalid',
      'bundle/prekeys/pk[3]@id',
      u('bundle', {}, signed, u('prekeys', {}, [pk(1), pk(2), pk('x')])),
    ],
    ['invalid', 'bundle/prekeys/pk[1]@id', u('bundle', {}, signed, u('prekeys', {}, pk(0)))],
    ['missing', 'bundle/prekeys/pk[1]@id', u('bundle', {}, signed, u('prekeys', {}, u('pk', {}, 'AAAA')))],
    ['invalid', 'bundle/prekeys/pk[1]', u('bundle', {}, signed, u('prekeys', {}, u('pk', { id: 1 }, 'AAA')))],
    [
      'invalid',
      'bundle/time@stamp',
      u('bundle', {}, signed, u('prekeys', {}, pk(1)), u('time', { stamp: 'x' })),
    ],
    ['missing', 'bundle/time@stamp', u('bundle', {}, signed, u('prekeys', {}, pk(1)), u('time'))],
  ]
  test.each(wrong)('%s at %s', (code, path, el) => {
    expect(() => bundle.decode(el)).toThrow(expect.objectContaining({ name: 'ShapeError', code, path }))
  })

  test('the caller may say where the element is', () => {
    expect(() => bundle.decode(u('x'), 'item[2]/bundle')).toThrow(
      expect.objectContaining({ path: 'item[2]/bundle' }),
    )
  })

  test.each<[string, Bundle]>([
    [
      'bundle/prekeys/pk[2]@id',
      {
        ...value,
        preKeys: [
          { id: 1, key },
          { id: 100, key },
        ],
      },
    ],
    ['bundle/prekeys/pk[1]@id', { ...value, preKeys: [{ id: 1.5, key }] }],
    ['bundle/prekeys/pk[1]', { ...value, preKeys: [{ id: 1, key: Uint8Array.of(1) }] }],
    ['bundle/prekeys/pk:', { ...value, preKeys: [] }],
    ['bundle/prekeys/pk:', { ...value, preKeys: [1, 2, 3, 4].map((id) => ({ id, key })) }],
    ['bundle/spk@id', { ...value, signed: { key } as Bundle['signed'] }],
    ['Invalid time', { ...value, stamp: new Date(Number.NaN) }],
  ])('what would not be read is not written: %s', (message, bad) => {
    expect(() => bundle.encode(bad)).toThrow(RangeError)
    expect(() => bundle.encode(bad)).toThrow(message)
  })

  test('a payload is handed on as it is', () => {
    const open = codec(U, 'envelope', { content: inside('content', payload()) })
    const inner = [element('jabber:client', 'body', {}, 'x'), element('v', 'y')]
    expect(open.decode(open.encode({ content: inner })).content).toEqual(inner)
    expect(open.decode(u('envelope', {}, u('content'))).content).toEqual([])
  })
})
