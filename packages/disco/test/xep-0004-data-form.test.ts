import { parse, ShapeError, serialize } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { type DataForm, dataForm, formType, submission } from '../src/data-form.ts'

const form = (inner: string, type = 'result'): DataForm =>
  dataForm.decode(parse(`<x xmlns='jabber:x:data' type='${type}'>${inner}</x>`))

describe('§3 data forms', () => {
  test('fields are read in their order, with repeated names', () => {
    const read = form(
      "<title>t</title><field var='a' type='list-multi' label='l'><value>1</value><option><value>x</value></option>" +
        "<value>2</value></field><field type='fixed'><value>note</value></field><field var='a'/>",
    )
    expect(read).toEqual({
      type: 'result',
      fields: [
        { name: 'a', type: 'list-multi', values: ['1', '2'] },
        { type: 'fixed', values: ['note'] },
        { name: 'a', values: [] },
      ],
      tabular: false,
    })
  })

  test.each([
    ["<reported><field var='a'/></reported>"],
    ["<item><field var='a'><value>1</value></field></item>"],
  ])('rows are noticed and not read: %s', (inner) => {
    const read = form(inner)
    expect(read).toEqual({ type: 'result', fields: [], tabular: true })
    expect(() => dataForm.encode(read)).toThrow(RangeError)
  })

  test.each([
    ["<x xmlns='jabber:x:data'/>", 'missing'],
    ["<x xmlns='jabber:x:data' type='other'/>", 'invalid'],
    ["<x xmlns='jabber:x:other' type='form'/>", 'wrong-element'],
    ["<x xmlns='jabber:x:data' type='form'><field var='a'><value>1<b/></value></field></x>", 'invalid'],
  ])('%s is refused', (xml, code) => {
    expect(() => dataForm.decode(parse(xml))).toThrow(
      expect.objectContaining({ constructor: ShapeError, code }),
    )
  })

  test('what is written is read again', () => {
    const value = submission('urn:example', { a: '1 <&', b: ['2', ''], c: [] })
    const written = dataForm.encode(value)
    expect(dataForm.decode(parse(serialize(written)))).toEqual(value)
    expect(serialize(written)).toMatch(
      /^<x xmlns=.jabber:x:data. type=.submit.><field var=.FORM_TYPE. type=.hidden./,
    )
  })
})

describe('XEP-0068 FORM_TYPE', () => {
  const field = (type: string | undefined, ...values: string[]) =>
    `<field var='FORM_TYPE'${type === undefined ? '' : ` type='${type}'`}>${values.map((v) => `<value>${v}</value>`).join('')}</field>`

  test.each([
    ['hidden', 'result', field('hidden', 'urn:a'), 'urn:a'],
    ['after other fields', 'form', `<field var='b'/>${field('hidden', 'urn:a')}`, 'urn:a'],
    ['without type when filled in', 'submit', field(undefined, 'urn:a'), 'urn:a'],
    ['twice the same', 'result', field('hidden', 'urn:a', 'urn:a'), 'urn:a'],
    ['absent', 'result', "<field var='b'/>", undefined],
    ['without type', 'result', field(undefined, 'urn:a'), undefined],
    ['visible', 'submit', field('text-single', 'urn:a'), undefined],
    ['two values', 'result', field('hidden', 'urn:a', 'urn:b'), undefined],
    ['two fields', 'result', field('hidden', 'urn:a') + field('hidden', 'urn:b'), undefined],
    ['one visible', 'result', field('hidden', 'urn:a') + field(undefined, 'urn:a'), undefined],
    ['without value', 'result', field('hidden'), undefined],
  ])('%s', (_name, type, inner, expected) => {
    expect(formType(form(inner, type))).toBe(expected)
  })
})
