import { describe, expect, test } from 'vitest'
import {
  type Child,
  child,
  children,
  type Element,
  element,
  elements,
  equal,
  ns,
  serialize,
  text,
  XmlError,
} from '../src/index.ts'

const XML = 'http://www.w3.org/XML/1998/namespace'
const XMLNS = 'http://www.w3.org/2000/xmlns/'

function condition(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error instanceof XmlError ? error.condition : error
  }
}

describe('element', () => {
  test('leaves out what is not there, flattens lists and merges text', () => {
    const el = element('u', 'a', { b: 1, c: true, d: undefined }, 'x', null, ['y', [false, ['z']]], undefined)
    expect({ ...el.attrs }).toEqual({ b: '1', c: 'true' })
    expect(el.children).toEqual(['xyz'])
  })

  test('is frozen, with attributes that inherit nothing', () => {
    const el = element('u', 'a', { id: 'x' }, element('u', 'b'))
    expect([el, el.attrs, el.children].every(Object.isFrozen)).toBe(true)
    expect(Object.getPrototypeOf(el.attrs)).toBeNull()
    expect(el.attrs.constructor).toBeUndefined()
  })

  test.each(['a', 'é', '_', 'a-.9', 'a\u0300', 'a·', '日本', '\u{10000}', '__proto__'])('name %j', (name) => {
    expect(element('u', name).name).toBe(name)
  })

  test.each([
    '',
    ' ',
    '1',
    '-a',
    '.a',
    '·',
    '\u0300',
    'a b',
    'a:b',
    ':',
    'a>',
    'a\u0000',
    '×',
    '\ud800',
    'a\n',
  ])('no name %j', (name) => {
    expect(condition(() => element('u', name))).toBe('not-well-formed')
    expect(condition(() => element('u', 'a', { [name]: '' }))).toBe('not-well-formed')
    expect(condition(() => element('u', 'a', { [`{u}${name}`]: '' }))).toBe('not-well-formed')
  })

  test.each(['id', 'xml:lang', 'xml:space', '{u}a', '{u}xmlns', '{a}b}c', 'constructor', 'toString'])(
    'attribute %j',
    (key) => {
      expect(Object.keys(element('u', 'a', { [key]: 'x' }).attrs)).toEqual([key])
    },
  )

  test('an attribute named __proto__ is an attribute', () => {
    const el = element('u', 'a', JSON.parse('{"__proto__":"x"}'))
    expect(Object.entries(el.attrs)).toEqual([['__proto__', 'x']])
    expect(serialize(el)).toBe('<a xmlns="u" __proto__="x"/>')
  })

  test.each([
    ['xmlns', 'not-well-formed'],
    ['xmlns:a', 'not-well-formed'],
    ['p:a', 'not-well-formed'],
    ['xml:', 'not-well-formed'],
    ['{}a', 'not-well-formed'],
    ['{u', 'not-well-formed'],
    ['{u}', 'not-well-formed'],
    ['{u\u0001}a', 'not-well-formed'],
    [`{${XML}}lang`, 'bad-namespace-prefix'],
    [`{${XMLNS}}a`, 'bad-namespace-prefix'],
  ])('no attribute %j', (key, expected) => {
    expect(condition(() => element('u', 'a', { [key]: '' }))).toBe(expected)
  })

  test.each([XML, XMLNS])('nothing is in %s', (uri) => {
    expect(condition(() => element(uri, 'a'))).toBe('bad-namespace-prefix')
  })

  test.each(['\u0000', '\u001f', '\ufffe', '\uffff', '\ud800', '\udc00', 'a\ud83d', '\ude00\ud83d'])(
    'no character %j',
    (bad) => {
      expect(condition(() => element('u', 'a', {}, bad))).toBe('not-well-formed')
      expect(condition(() => element('u', 'a', { b: bad }))).toBe('not-well-formed')
      expect(condition(() => element(bad, 'a'))).toBe('not-well-formed')
    },
  )

  test('halves of a character may be given apart', () => {
    expect(element('u', 'a', {}, '\ud83d', '\ude00').children).toEqual(['\u{1f600}'])
  })

  test('mistakes of the caller', () => {
    expect(() => element('u', 'a', { b: Number.NaN })).toThrow(RangeError)
    expect(() => element('u', 'a', {}, 5 as unknown as Child)).toThrow(TypeError)
    expect(() => element('u', 'a', {}, {} as unknown as Child)).toThrow(TypeError)
  })

  test('ns makes elements of one namespace', () => {
    const u = ns('u')
    expect(equal(u('a', { id: 1 }, u('b'), 'x'), element('u', 'a', { id: 1 }, element('u', 'b'), 'x'))).toBe(
      true,
    )
  })
})

describe('reading an element', () => {
  const el = element('u', 'a', {}, 'x', element('v', 'b', {}, 'evil'), element('u', 'b', {}, 'good'), 'y')

  test('a child is in the namespace of its parent unless another is given', () => {
    expect(child(el, 'b')?.children).toEqual(['good'])
    expect(child(el, 'b', 'v')?.children).toEqual(['evil'])
    expect(child(el, 'c')).toBeUndefined()
    expect(children(el, 'b')).toHaveLength(1)
    expect(elements(el)).toHaveLength(2)
  })

  test('text is its own only', () => {
    expect(text(el)).toBe('xy')
  })
})

describe('equal', () => {
  const a = element('u', 'a', { b: 1, c: 2 }, 'x', element('u', 'd'))

  test('the order of attributes does not matter', () => {
    expect(equal(a, element('u', 'a', { c: 2, b: 1 }, 'x', element('u', 'd')))).toBe(true)
  })

  test.each<[string, Element]>([
    ['name', element('u', 'b', { b: 1, c: 2 }, 'x', element('u', 'd'))],
    ['namespace', element('v', 'a', { b: 1, c: 2 }, 'x', element('u', 'd'))],
    ['value', element('u', 'a', { b: 1, c: 3 }, 'x', element('u', 'd'))],
    ['attribute', element('u', 'a', { b: 1 }, 'x', element('u', 'd'))],
    ['attribute of the same number', element('u', 'a', { b: 1, e: 2 }, 'x', element('u', 'd'))],
    ['text', element('u', 'a', { b: 1, c: 2 }, 'y', element('u', 'd'))],
    ['order', element('u', 'a', { b: 1, c: 2 }, element('u', 'd'), 'x')],
    ['descendant', element('u', 'a', { b: 1, c: 2 }, 'x', element('u', 'd', {}, 'z'))],
    ['number of children', element('u', 'a', { b: 1, c: 2 }, 'x')],
  ])('another %s', (_, b) => {
    expect(equal(a, b)).toBe(false)
    expect(equal(b, a)).toBe(false)
  })

  test('an inherited property is no attribute', () => {
    const cloned: Element = { ...element('u', 'a'), attrs: {} }
    expect(equal(element('u', 'a', { constructor: String(Object) }), cloned)).toBe(false)
  })

  test('a clone is equal', () => {
    expect(equal(a, structuredClone(a))).toBe(true)
  })
})

test('a tree 20 000 deep and a list 20 000 deep do not exhaust the stack', () => {
  let deep = element('u', 'a')
  let again = element('u', 'a')
  let list: Child = 'x'
  for (let i = 1; i < 20_000; i++) {
    deep = element('u', 'a', {}, deep)
    again = element('u', 'a', {}, again)
    list = [list]
  }
  expect(equal(deep, again)).toBe(true)
  expect(serialize(deep)).toHaveLength('<a>'.length * 19_999 + '</a>'.length * 19_999 + '<a/>'.length + 10)
  expect(element('u', 'a', {}, list).children).toEqual(['x'])
})
