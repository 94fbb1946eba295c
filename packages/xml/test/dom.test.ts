import {
  DOMImplementation,
  DOMParser,
  type Document,
  XMLSerializer,
  type Element as XmlDom,
} from '@xmldom/xmldom'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DomElement, fromDom, toDom } from '../src/dom.ts'
import { type Element, element } from '../src/element.ts'
import { parse } from '../src/parse.ts'
import { serialize } from '../src/serialize.ts'
import { deep, MESSAGE, PREFIXED, tree, unchecked } from './trees.ts'

const read = (xml: string): XmlDom => {
  const root = new DOMParser().parseFromString(xml, 'text/xml').documentElement
  if (!root) throw new Error('no element')
  return root
}
// strophe.js makes its document like this, and all its elements with createElement.
const strophe: Document = new DOMImplementation().createDocument('jabber:client', 'strophe', null)
function build(name: string, attrs: Record<string, string>, ...children: (XmlDom | string)[]): XmlDom {
  const el = strophe.createElement(name)
  for (const [key, value] of Object.entries(attrs)) el.setAttribute(key, value)
  for (const child of children)
    el.appendChild(typeof child === 'string' ? strophe.createTextNode(child) : child)
  return el
}
/** As strophe.js writes: names and attributes, nothing of namespaceURI. */
function asStrophe(el: DomElement): string {
  const attrs = Array.from(el.attributes, ({ name, value }) => ` ${name}="${escaped(value)}"`).join('')
  const inner = Array.from(el.childNodes, (node) =>
    node.nodeType === 1 ? asStrophe(node as DomElement) : escaped(node.nodeValue ?? ''),
  ).join('')
  return `<${el.nodeName}${attrs}>${inner}</${el.nodeName}>`
}
const escaped = (text: string) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

const to = (el: Element) => toDom(el, strophe)

describe('with xmldom', () => {
  test('there and back', () => {
    fc.assert(
      fc.property(tree, (el) => {
        expect(fromDom(to(el))).toEqual(el)
      }),
      { seed: 1 },
    )
  })

  test('what a serializer of namespaces writes is what was meant', () => {
    fc.assert(
      fc.property(tree, (el) => {
        expect(parse(new XMLSerializer().serializeToString(to(el)))).toEqual(el)
      }),
      { seed: 2 },
    )
  })

  test('what a serializer of attributes writes is what was meant', () => {
    fc.assert(
      fc.property(tree, (el) => {
        expect(parse(asStrophe(to(el)))).toEqual(el)
      }),
      { seed: 3 },
    )
  })

  test('what xmldom parses is what was written', () => {
    fc.assert(
      fc.property(tree, (el) => {
        expect(fromDom(read(serialize(el)), '')).toEqual(el)
      }),
      { seed: 4 },
    )
  })

  test('prefixes', () => {
    expect(fromDom(read(PREFIXED))).toEqual(MESSAGE)
  })

  test('character data sections are text', () => {
    expect(fromDom(read("<a xmlns='urn:a'>x<![CDATA[<y>]]>z</a>"))).toEqual(
      element('urn:a', 'a', {}, 'x<y>z'),
    )
  })

  test('nodes know their namespaces, so those of a part of a tree are right', () => {
    const root = read("<s xmlns='jabber:client' xmlns:p='urn:p'><message><p:a p:b='1'/></message></s>")
    const message = root.childNodes[0] as XmlDom
    expect(fromDom(message).ns).toBe('jabber:client')
    expect(fromDom(message.childNodes[0] as XmlDom)).toEqual(element('urn:p', 'a', { '{urn:p}b': 1 }))
  })
})

describe('built as strophe.js does: xmlns is an attribute, namespaceURI is null', () => {
  const iq = build(
    'iq',
    { xmlns: 'jabber:client', type: 'get', 'xml:lang': 'en' },
    build(
      'query',
      { xmlns: 'urn:q', node: 'n' },
      build('inner', {}, 'x'),
      build('none', { xmlns: '' }, build('deeper', {})),
    ),
    build('same', {}),
  )

  test('namespaceURI is null', () => {
    expect((iq.childNodes[0] as XmlDom).namespaceURI).toBeNull()
  })

  test('namespaces come from attributes, and are inherited', () => {
    expect(fromDom(iq)).toEqual(
      parse(
        "<iq xmlns='jabber:client' type='get' xml:lang='en'><query xmlns='urn:q' node='n'><inner>x</inner>" +
          "<none xmlns=''><deeper/></none></query><same/></iq>",
      ),
    )
    expect(fromDom(iq)).toEqual(parse(asStrophe(iq)))
  })

  test('also where only an ancestor has the attribute', () => {
    expect(fromDom(iq.childNodes[0]?.childNodes[0] as XmlDom)).toEqual(element('urn:q', 'inner', {}, 'x'))
    expect(fromDom(iq.childNodes[1] as XmlDom).ns).toBe('jabber:client')
  })

  test('where nobody has it, jabber:client or what the caller says', () => {
    expect(fromDom(build('message', {})).ns).toBe('jabber:client')
    expect(fromDom(build('message', {}), 'urn:x').ns).toBe('urn:x')
  })

  test('below an element made with createElementNS', () => {
    const root = strophe.createElementNS('urn:a', 'a')
    root.appendChild(build('b', {}))
    expect(fromDom(root)).toEqual(element('urn:a', 'a', {}, element('urn:a', 'b')))
  })

  test('prefixes in names, declared by attributes', () => {
    const el = build('p:a', { 'xmlns:p': 'urn:p', 'p:b': '1' }, build('p:c', {}))
    expect(fromDom(el)).toEqual(element('urn:p', 'a', { '{urn:p}b': 1 }, element('urn:p', 'c')))
  })

  test('below a prefix there is no default namespace, unless declared, as for the parser', () => {
    const xml = "<p:a xmlns:p='urn:p'><b><c xmlns='urn:c'><d/></c></b><p:e><f/></p:e></p:a>"
    expect(fromDom(read(xml))).toEqual(parse(xml))
    expect(fromDom(read(xml).childNodes[0] as XmlDom)).toEqual(parse(xml).children[0])
    const built = build('p:a', { 'xmlns:p': 'urn:p' }, build('b', {}))
    expect(fromDom(built)).toEqual(parse(asStrophe(built)))
    const made = strophe.createElementNS('urn:p', 'p:a')
    made.appendChild(build('b', {}))
    expect(fromDom(made)).toEqual(element('urn:p', 'a', {}, element('', 'b')))
    // But one with a prefix inside changes nothing.
    const inside = build('message', {}, build('p:a', { 'xmlns:p': 'urn:p' }, build('body', {})))
    expect(fromDom(inside)).toEqual(
      parse("<message xmlns='jabber:client' xmlns:p='urn:p'><p:a><body/></p:a></message>"),
    )
  })

  test('namespaceURI counts more than an attribute that says otherwise', () => {
    const el = strophe.createElementNS('urn:a', 'a')
    el.setAttribute('xmlns', 'urn:b')
    expect(fromDom(el).ns).toBe('urn:a')
  })

  test('names: in HTML documents capitals, in the oldest DOM no localName', () => {
    const plain = {
      nodeType: 1,
      nodeValue: null,
      prefix: null,
      attributes: [],
      childNodes: [],
      parentNode: null,
    }
    const html: DomElement = { ...plain, nodeName: 'MESSAGE', localName: 'message', namespaceURI: 'urn:a' }
    expect(fromDom(html)).toEqual(element('urn:a', 'message'))
    const old: DomElement = { ...plain, nodeName: 'message', localName: null, namespaceURI: null }
    expect(fromDom(old)).toEqual(element('jabber:client', 'message'))
  })

  test('attributes made with setAttributeNS, also without a prefix', () => {
    const el = strophe.createElementNS('urn:a', 'a')
    el.setAttributeNS('urn:b', 'b', '1')
    el.setAttributeNS('http://www.w3.org/XML/1998/namespace', 'lang', 'en')
    expect({ ...fromDom(el).attrs }).toEqual({ '{urn:b}b': '1', 'xml:lang': 'en' })
  })
})

describe('what a document lets pass', () => {
  const conditionOf = (el: XmlDom): unknown => {
    try {
      return fromDom(el)
    } catch (error) {
      return (error as { condition?: string }).condition
    }
  }

  test('RFC 6120 §11.1: comments and processing instructions', () => {
    expect(conditionOf(read("<a xmlns='urn:a'>x<!--c-->y</a>"))).toBe('restricted-xml')
    expect(conditionOf(read("<a xmlns='urn:a'><?p i?></a>"))).toBe('restricted-xml')
    // But not beside the element that is read.
    const beside = read("<s xmlns='jabber:client'><!--c--><message/></s>")
    expect(conditionOf(beside.childNodes[1] as XmlDom)).toEqual(element('jabber:client', 'message'))
  })

  test('characters and names that XML cannot carry', () => {
    expect(conditionOf(build('a', {}, '\u0001'))).toBe('not-well-formed')
    expect(conditionOf(build('a', { b: '\ud800' }))).toBe('not-well-formed')
    expect(conditionOf(build('p:a', {}))).toBe('bad-namespace-prefix')
    expect(conditionOf(build('a', { 'p:b': '1' }))).toBe('bad-namespace-prefix')
    expect(conditionOf(build('p:a', { 'xmlns:p': '' }))).toBe('bad-namespace-prefix')
  })

  test('one attribute twice, once by namespace and once by prefix', () => {
    const el = build('a', { 'xmlns:p': 'urn:b', 'p:b': '1' })
    el.setAttributeNS('urn:b', 'q:b', '2')
    expect(conditionOf(el)).toBe('not-well-formed')
  })

  test('64 elements deep, and 65', () => {
    expect(fromDom(to(deep(64)))).toEqual(deep(64))
    expect(() => to(deep(65))).toThrow(expect.objectContaining({ condition: 'policy-violation' }))
    const around = strophe.createElementNS('urn:a', 'a')
    around.appendChild(to(deep(64)))
    expect(conditionOf(around)).toBe('policy-violation')
  })

  test.each([
    ['a name', unchecked('a><script')],
    ['a control character', unchecked('a', 'urn:a', {}, '\u0001')],
    ['an attribute name', unchecked('a', 'urn:a', { 'x y': '1' })],
    ['a declaration', unchecked('a', 'urn:a', { 'xmlns:p': 'urn:b' })],
  ])('is not given to it: %s', (_name, el) => {
    expect(() => to(el)).toThrow(expect.objectContaining({ name: 'XmlError' }))
  })
})
