import { describe, expect, test } from 'vitest'
import { type Element, element, equal, ns, parse, serialize, XmlError } from '../src/index.ts'

const u = ns('u')

describe('serialize', () => {
  test.each<[string, Element, string]>([
    ['no namespace', element('', 'a'), '<a/>'],
    ['namespace once', u('a', {}, u('b')), '<a xmlns="u"><b/></a>'],
    [
      'namespace where it changes',
      u('a', {}, element('v', 'b', {}, u('c')), u('d')),
      '<a xmlns="u"><b xmlns="v"><c xmlns="u"/></b><d/></a>',
    ],
    ['namespace undone', u('a', {}, element('', 'b')), '<a xmlns="u"><b xmlns=""/></a>'],
    ['text', u('a', {}, '<&>"\'\r\n\t]]>'), '<a xmlns="u">&lt;&amp;&gt;"\'&#13;\n\t]]&gt;</a>'],
    ['attribute', u('a', { b: '<&>"\'\r\n\t' }), '<a xmlns="u" b="&lt;&amp;>&quot;\'&#13;&#10;&#9;"/>'],
    ['namespace with what needs escapes', element('"<&', 'a'), '<a xmlns="&quot;&lt;&amp;"/>'],
    ['xml:lang', u('a', { 'xml:lang': 'de' }), '<a xmlns="u" xml:lang="de"/>'],
    [
      'attributes in namespaces',
      u('a', { '{v}b': 1, '{w}b': 2, '{v}c': 3 }),
      '<a xmlns="u" xmlns:n0="v" n0:b="1" xmlns:n1="w" n1:b="2" n0:c="3"/>',
    ],
    [
      'attribute in the namespace of the element',
      u('a', { '{u}b': 1 }),
      '<a xmlns="u" xmlns:n0="u" n0:b="1"/>',
    ],
    [
      'attribute that is called like a prefix',
      u('a', { n0: 1, '{v}n0': 2 }),
      '<a xmlns="u" n0="1" xmlns:n0="v" n0:n0="2"/>',
    ],
    ['mixed content', u('a', {}, 'x', u('b', {}, 'y'), 'z'), '<a xmlns="u">x<b>y</b>z</a>'],
    ['characters beyond the BMP', u('a', {}, '\u{1f600}'), '<a xmlns="u">\u{1f600}</a>'],
  ])('%s', (_, el, expected) => {
    expect(serialize(el)).toBe(expected)
    expect(equal(parse(expected), el)).toBe(true)
  })

  test('the default namespace of the place is not declared again', () => {
    const message = element('jabber:client', 'message', {}, u('x'), element('jabber:client', 'body'))
    expect(serialize(message, { ns: 'jabber:client' })).toBe('<message><x xmlns="u"/><body/></message>')
    expect(serialize(element('', 'a'), { ns: 'jabber:client' })).toBe('<a xmlns=""/>')
  })

  // Elements are plain data: one that came from elsewhere has not been through element().
  const raw = (part: Partial<Element>): Element => ({ name: 'a', ns: 'u', attrs: {}, children: [], ...part })
  test.each<[string, Element]>([
    ['name', raw({ name: 'a><b' })],
    ['name with a colon', raw({ name: 'p:a' })],
    ['empty name', raw({ name: '' })],
    ['namespace', raw({ ns: '\u0000' })],
    ['reserved namespace', raw({ ns: 'http://www.w3.org/2000/xmlns/' })],
    ['attribute name', raw({ attrs: { 'a="" b': '' } })],
    ['namespace declaration as attribute', raw({ attrs: { xmlns: 'v' } })],
    ['prefix declaration as attribute', raw({ attrs: { 'xmlns:p': 'v' } })],
    ['prefixed attribute', raw({ attrs: { 'p:b': 'v' } })],
    ['attribute value', raw({ attrs: { b: '\ud800' } })],
    ['text', raw({ children: ['\u0001'] })],
    ['text of a descendant', raw({ children: [raw({ children: ['\uffff'] })] })],
  ])('what XML cannot carry is not written: %s', (_, el) => {
    expect(() => serialize(el)).toThrow(XmlError)
  })

  test.each<[string, unknown]>([
    ['what once marked an end', { end: 'a><evil/><a', ns: '' }],
    ['the same as an element', { name: 'b', ns: 'u', attrs: {}, end: 'a><evil/><a' }],
    ['a list', [u('b')]],
    ['a name that is no text', { name: ['b'], ns: 'u', attrs: {}, children: [] }],
    ['a namespace that is no text', { name: 'b', ns: ['u'], attrs: {}, children: [] }],
    ['no attributes', { name: 'b', ns: 'u', children: [] }],
    ['children that are no list', { name: 'b', ns: 'u', attrs: {}, children: 'text' }],
    ['a number', 1],
    ['nothing', null],
  ])('what is no element is not written: %s', (_, child) => {
    expect(() => serialize(raw({ children: [child as Element] }))).toThrow(TypeError)
    if (typeof child === 'object' && child && !Array.isArray(child))
      expect(() => u('a', {}, child as Element)).toThrow(TypeError)
  })

  test('further properties of an element are not written', () => {
    const el = { ...raw({ name: 'b' }), end: 'a><evil/><a' }
    expect(serialize(u('a', {}, el, 'x'))).toBe('<a xmlns="u"><b/>x</a>')
  })

  test('markup in values is text', () => {
    const el = u('a', { b: '"/><evil/>' }, '</a><evil/>')
    expect(equal(parse(serialize(el)), el)).toBe(true)
  })

  test('a clone is written like its original', () => {
    const el = u('a', { '{v}b': 1, c: 2 }, 'x', u('d'))
    expect(serialize(structuredClone(el))).toBe(serialize(el))
  })
})
