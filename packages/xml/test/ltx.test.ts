import fc from 'fast-check'
import * as ltx from 'ltx'
import { describe, expect, test } from 'vitest'
import { type Element, element } from '../src/element.ts'
import { fromLtx, toLtx } from '../src/ltx.ts'
import { parse } from '../src/parse.ts'
import { serialize } from '../src/serialize.ts'
import { deep, MESSAGE, PREFIXED, tree, unchecked } from './trees.ts'

const to = (el: Element) => toLtx<ltx.Element>(el, ltx.createElement)

describe('with ltx itself', () => {
  test('there and back', () => {
    fc.assert(
      fc.property(tree, (el) => {
        expect(fromLtx(to(el))).toEqual(el)
      }),
      { seed: 1 },
    )
  })

  test('what ltx writes is what was meant', () => {
    fc.assert(
      fc.property(tree, (el) => {
        expect(parse(to(el).toString())).toEqual(el)
      }),
      { seed: 2 },
    )
  })

  test('what ltx parses is what was written', () => {
    fc.assert(
      fc.property(tree, (el) => {
        expect(fromLtx(ltx.parse(serialize(el)), '')).toEqual(el)
      }),
      { seed: 3 },
    )
  })

  test('prefixes', () => {
    expect(fromLtx(ltx.parse(PREFIXED))).toEqual(MESSAGE)
  })

  test('a prefix does not hide another namespace: <a:body/> is no <body/>', () => {
    const { children } = fromLtx(
      ltx.parse("<message xmlns='jabber:client'><a:body xmlns:a='urn:x'>evil</a:body></message>"),
    )
    expect(children).toEqual([element('urn:x', 'body', {}, 'evil')])
  })

  test('a part of a tree has the namespaces of its ancestors', () => {
    const stream = ltx.parse(
      "<stream:stream xmlns='jabber:client' xmlns:stream='urn:stream' xmlns:p='urn:p'><message><p:a p:b='1'/><body/></message></stream:stream>",
    )
    const message = stream.children[0] as ltx.Element
    expect(fromLtx(message).ns).toBe('jabber:client')
    expect(fromLtx(message.children[0] as ltx.Element)).toEqual(element('urn:p', 'a', { '{urn:p}b': 1 }))
    expect(fromLtx(message.children[1] as ltx.Element)).toEqual(element('jabber:client', 'body'))
  })

  test('built without a namespace, it is in jabber:client, or where the caller says', () => {
    const built = ltx.createElement('message', { to: 'a@b' }, ltx.createElement('body', {}, 'x'))
    const expected = element(
      'jabber:client',
      'message',
      { to: 'a@b' },
      element('jabber:client', 'body', {}, 'x'),
    )
    expect(fromLtx(built)).toEqual(expected)
    expect(fromLtx(built, 'urn:x').ns).toBe('urn:x')
  })

  test('numbers are text, null and undefined are nothing; attributes likewise', () => {
    const el = new ltx.Element('a', { xmlns: 'urn:a', n: 0, t: true, no: null, not: undefined })
    for (const child of ['x', 0, null, undefined, 7]) el.cnode(child ?? '')
    el.children.push(null, undefined)
    el.c('b').t(1.5)
    expect(fromLtx(el)).toEqual(
      element('urn:a', 'a', { n: '0', t: 'true' }, 'x07', element('urn:a', 'b', {}, '1.5')),
    )
    expect(fromLtx(el)).toEqual(parse(el.toString()))
  })

  test('attributes may be objects with a spelling, as JIDs of xmpp.js are', () => {
    const jid = { toString: () => 'a@b/c' }
    expect(fromLtx(new ltx.Element('message', { to: jid })).attrs.to).toBe('a@b/c')
  })
})

describe('what ltx lets pass', () => {
  test.each([
    ['a control character', "<a xmlns='urn:a'>\u0001</a>", 'not-well-formed'],
    ['a control character in an attribute', "<a xmlns='urn:a' b='\u0001'/>", 'not-well-formed'],
    ['U+FFFE', "<a xmlns='urn:a'>\ufffe</a>", 'not-well-formed'],
    ['a lone surrogate', "<a xmlns='urn:a'>\ud800</a>", 'not-well-formed'],
    ['a prefix that is not declared', "<p:a xmlns='urn:a'/>", 'bad-namespace-prefix'],
    ['an attribute whose prefix is not declared', "<a xmlns='urn:a' p:b='1'/>", 'bad-namespace-prefix'],
    ['xmlns as a prefix of an element', "<xmlns:a xmlns='urn:a'/>", 'bad-namespace-prefix'],
    ['a prefix that is undeclared', "<a xmlns='urn:a' xmlns:p=''/>", 'bad-namespace-prefix'],
    ['two colons', "<a:b:c xmlns:a='urn:a'/>", 'not-well-formed'],
    [
      'one attribute twice, by two prefixes',
      "<a xmlns:p='urn:a' xmlns:q='urn:a' p:b='1' q:b='2'/>",
      'not-well-formed',
    ],
  ])('%s', (_name, xml, condition) => {
    expect(() => fromLtx(ltx.parse(xml))).toThrow(expect.objectContaining({ name: 'XmlError', condition }))
  })

  test('64 elements deep, and 65; also counted from an ancestor', () => {
    expect(fromLtx(to(deep(64)))).toEqual(deep(64))
    expect(() => to(deep(65))).toThrow(expect.objectContaining({ condition: 'policy-violation' }))
    let el = new ltx.Element('a', 'urn:a')
    const root = el
    for (let i = 1; i < 64; i++) el = el.c('a')
    expect(fromLtx(root)).toEqual(deep(64))
    el = el.c('a')
    expect(() => fromLtx(root)).toThrow(expect.objectContaining({ condition: 'policy-violation' }))
    expect(fromLtx(el)).toEqual(deep(1))
    expect(() => fromLtx(el.c('a'))).toThrow(expect.objectContaining({ condition: 'policy-violation' }))
  })

  test('a tree that is deeper than the stack is refused, not followed', () => {
    let el = new ltx.Element('a', 'urn:a')
    const root = el
    for (let i = 1; i < 100_000; i++) el = el.c('a')
    expect(() => fromLtx(root)).toThrow(expect.objectContaining({ condition: 'policy-violation' }))
    expect(() => fromLtx(el)).toThrow(expect.objectContaining({ condition: 'policy-violation' }))
  })

  test('32768 elements, and one more; 64 attributes, and one more', () => {
    const root = new ltx.Element('a', 'urn:a')
    for (let i = 1; i < 32_768; i++) root.c('b')
    expect(fromLtx(root).children).toHaveLength(32_767)
    root.c('b')
    expect(() => fromLtx(root)).toThrow(expect.objectContaining({ condition: 'policy-violation' }))
    const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`a${i}`, i]))
    expect(Object.keys(fromLtx(new ltx.Element('a', many(64))).attrs)).toHaveLength(64)
    expect(() => fromLtx(new ltx.Element('a', many(65)))).toThrow(
      expect.objectContaining({ condition: 'policy-violation' }),
    )
  })

  test('an element in itself', () => {
    const root = new ltx.Element('a', 'urn:a')
    root.cnode(root)
    expect(() => fromLtx(root)).toThrow(expect.objectContaining({ condition: 'policy-violation' }))
  })

  test.each([
    ['a name', unchecked('a><script')],
    ['a control character', unchecked('a', 'urn:a', {}, '\u0001')],
    ['an attribute name', unchecked('a', 'urn:a', { 'x y': '1' })],
    ['an attribute value', unchecked('a', 'urn:a', { x: '\u0000' })],
    ['a declaration', unchecked('a', 'urn:a', { xmlns: 'urn:b' })],
    ['a namespace', unchecked('a', 'urn:\u0000')],
  ])('is not given to it: %s', (_name, el) => {
    expect(() => to(el)).toThrow(expect.objectContaining({ name: 'XmlError' }))
  })
})
