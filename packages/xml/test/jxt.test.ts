import fc from 'fast-check'
import jxt from 'jxt'
import * as ltx from 'ltx'
import { describe, expect, test } from 'vitest'
import { element } from '../src/element.ts'
import { fromJxt, type JxtElement, type JxtJson, toJxt } from '../src/jxt.ts'
import { fromLtx } from '../src/ltx.ts'
import { parse } from '../src/parse.ts'
import { serialize } from '../src/serialize.ts'
import { deep, MESSAGE, PREFIXED, tree, unchecked } from './trees.ts'

/** The shape of stanza.js' XMLElement: what it inherits it finds through its parent. */
class Linked implements JxtElement {
  readonly name: string
  readonly attributes: Record<string, string | undefined>
  readonly children: (Linked | string)[]
  readonly parent: Linked | undefined

  constructor({ name, attributes, children }: JxtJson, parent?: Linked) {
    this.name = name
    this.attributes = attributes
    this.parent = parent
    this.children = children.map((child) => (typeof child === 'string' ? child : new Linked(child, this)))
  }
}

/** Reads XML into JSONElements as a parser that knows no namespaces does. */
function read(xml: string): JxtJson {
  const convert = ({ name, attrs, children }: ltx.Element): JxtJson => ({
    name,
    attributes: Object.fromEntries(Object.entries(attrs).map(([key, value]) => [key, String(value)])),
    children: children.map((child) => (child instanceof ltx.Element ? convert(child) : String(child))),
  })
  return convert(ltx.parse(xml))
}

describe('JSONElement and XMLElement', () => {
  test('there and back, with parents and without', () => {
    fc.assert(
      fc.property(tree, (el) => {
        const json = toJxt(el)
        expect(fromJxt(json)).toEqual(el)
        expect(fromJxt(new Linked(json))).toEqual(el)
        expect(fromJxt(structuredClone(json))).toEqual(el)
      }),
      { seed: 1 },
    )
  })

  test('what is parsed is what was written', () => {
    fc.assert(
      fc.property(tree, (el) => {
        expect(fromJxt(read(serialize(el)), '')).toEqual(el)
      }),
      { seed: 2 },
    )
  })

  test('a namespace is declared where it changes, and at the root', () => {
    const { attributes, children } = toJxt(parse("<a xmlns='urn:a'><b/><c xmlns='urn:c'/></a>"))
    expect(attributes.xmlns).toBe('urn:a')
    expect(children).toEqual([
      { name: 'b', attributes: {}, children: [] },
      { name: 'c', attributes: { xmlns: 'urn:c' }, children: [] },
    ])
  })

  test('prefixes in names and attributes', () => {
    expect(fromJxt(read(PREFIXED))).toEqual(MESSAGE)
  })

  test('a part of a tree has the namespaces of its ancestors', () => {
    const stream = new Linked(
      read(
        "<stream:stream xmlns='jabber:client' xmlns:stream='urn:stream' xmlns:p='urn:p'><message><p:a p:b='1'/></message></stream:stream>",
      ),
    )
    const message = stream.children[0] as Linked
    expect(fromJxt(message).ns).toBe('jabber:client')
    expect(fromJxt(message.children[0] as Linked)).toEqual(element('urn:p', 'a', { '{urn:p}b': 1 }))
  })

  test('without a namespace, it is in jabber:client, or where the caller says', () => {
    const json = { name: 'message', attributes: {}, children: [] }
    expect(fromJxt(json).ns).toBe('jabber:client')
    expect(fromJxt(json, 'urn:x').ns).toBe('urn:x')
  })

  test('attributes that are undefined, and children that are missing, are nothing', () => {
    const json = JSON.parse('{"name":"a","attributes":{"b":null,"c":"1"},"children":[null,"x"]}') as JxtJson
    json.attributes.d = undefined
    expect(fromJxt(json, 'urn:a')).toEqual(element('urn:a', 'a', { c: '1' }, 'x'))
  })

  test('an attribute with a name of every object', () => {
    const el = parse("<a xmlns='urn:a' __proto__='1' constructor='2'/>")
    expect(fromJxt(toJxt(el))).toEqual(el)
    expect(Object.hasOwn(fromJxt(toJxt(el)).attrs, '__proto__')).toBe(true)
  })
})

test('the older JXT package keeps elements of ltx, so they are read as such', () => {
  const registry = jxt.createRegistry()
  registry.define({
    name: 'message',
    element: 'message',
    namespace: 'jabber:client',
    fields: { id: registry.utils.attribute('id'), body: registry.utils.textSub('jabber:client', 'body') },
  })
  expect(fromLtx(registry.parse(serialize(MESSAGE)).xml)).toEqual(MESSAGE)
  const Message = registry.getDefinition('message', 'jabber:client')
  expect(fromLtx(new Message({ id: '7', body: 'x < y' }).xml)).toEqual(
    parse("<message xmlns='jabber:client' id='7'><body>x &lt; y</body></message>"),
  )
})

describe('what it lets pass', () => {
  const json = (name: string, attributes: Record<string, string> = {}, ...children: string[]): JxtJson => ({
    name,
    attributes,
    children,
  })
  test.each([
    ['a control character', json('a', {}, '\u0001'), 'not-well-formed'],
    ['a name', json('a><b'), 'not-well-formed'],
    ['an attribute name', json('a', { 'b=': '' }), 'not-well-formed'],
    ['a prefix that is not declared', json('p:a'), 'bad-namespace-prefix'],
    ['a prefix that is undeclared', json('p:a', { 'xmlns:p': '' }), 'bad-namespace-prefix'],
    ['a reserved namespace', json('a', { xmlns: 'http://www.w3.org/2000/xmlns/' }), 'bad-namespace-prefix'],
  ])('%s', (_name, el, condition) => {
    expect(() => fromJxt(el)).toThrow(expect.objectContaining({ name: 'XmlError', condition }))
  })

  test('64 elements deep, and 65', () => {
    expect(fromJxt(toJxt(deep(64)))).toEqual(deep(64))
    expect(() => toJxt(deep(65))).toThrow(expect.objectContaining({ condition: 'policy-violation' }))
    const around = { name: 'a', attributes: {}, children: [toJxt(deep(64))] }
    expect(() => fromJxt(around)).toThrow(expect.objectContaining({ condition: 'policy-violation' }))
  })

  test('is not given to it', () => {
    expect(() => toJxt(unchecked('a', 'urn:a', {}, '\u0000'))).toThrow(
      expect.objectContaining({ name: 'XmlError' }),
    )
  })
})
