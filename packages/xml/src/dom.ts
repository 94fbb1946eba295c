/**
 * DOM elements, as strophe.js and Converse have them, of a browser or of xmldom. strophe's builders set `xmlns` as a
 * plain attribute and leave `namespaceURI` null, and its serializer writes attributes only: both are read, and
 * both are written.
 */

import { type Element, XML_NAMESPACE, XMLNS_NAMESPACE } from './element.ts'
import { XmlError } from './error.ts'
import { type Host, type HostTag, readTree, writeTree } from './host-tree.ts'

export interface DomNode {
  readonly nodeType: number
  readonly nodeName: string
  readonly nodeValue: string | null
}

export interface DomAttribute {
  readonly name: string
  readonly value: string
  readonly localName: string | null
  readonly namespaceURI: string | null
}

export interface DomElement extends DomNode {
  readonly localName: string | null
  readonly prefix: string | null
  readonly namespaceURI: string | null
  readonly attributes: ArrayLike<DomAttribute>
  readonly childNodes: ArrayLike<DomNode>
  readonly parentNode: DomNode | null
}

/** What an element of a `DomDocument` must offer. */
export interface DomTarget<Child> {
  setAttributeNS(ns: string | null, name: string, value: string): void
  appendChild(child: Child): unknown
}

/** What of a `Document` makes nodes. */
export interface DomDocument<E, T> {
  createElementNS(ns: string | null, name: string): E
  createTextNode(text: string): T
}

// DOM §4.4.
const ELEMENT = 1
const TEXT = 3
const CDATA = 4

/**
 * Reads an element. Its namespace is `namespaceURI`, or else what `xmlns` attributes say, or else that of its nearest
 * ancestor without a prefix, or else `ns`, which counts only if the outermost element has no prefix.
 *
 * @throws {XmlError} on comments and processing instructions (RFC 6120 §11.1), names and characters that XML cannot
 * carry, undeclared prefixes, and trees beyond the limits of the parser
 */
export function fromDom(el: DomElement, ns = 'jabber:client'): Element {
  return readTree(el, HOST, ns)
}

const HOST: Host<DomElement> = {
  tag: tagOf,
  children: (el) => Array.from(el.childNodes, childOf),
  parent: (el) => (isElement(el.parentNode) ? el.parentNode : undefined),
}

function isElement(node: DomNode | null): node is DomElement {
  return node?.nodeType === ELEMENT
}

function tagOf(el: DomElement): HostTag {
  const attrs: Record<string, string> = Object.create(null)
  const resolved: Record<string, string> = Object.create(null)
  for (const { name, value, localName, namespaceURI } of Array.from(el.attributes)) {
    if (!namespaceURI || namespaceURI === XMLNS_NAMESPACE) attrs[name] = value
    else if (namespaceURI === XML_NAMESPACE) attrs[`xml:${localName}`] = value
    else resolved[`{${namespaceURI}}${localName}`] = value
  }
  // HTML documents have names in capitals, except here. Those made without a namespace have the prefix in it.
  const name = el.localName ? `${el.prefix ? `${el.prefix}:` : ''}${el.localName}` : el.nodeName
  const colon = name.indexOf(':')
  if (el.namespaceURI) attrs[colon < 0 ? 'xmlns' : `xmlns:${name.slice(0, colon)}`] = el.namespaceURI
  return { name, attrs, resolved }
}

function childOf(node: DomNode): DomElement | string {
  if (isElement(node)) return node
  if (node.nodeType === TEXT || node.nodeType === CDATA) return node.nodeValue ?? ''
  throw new XmlError('restricted-xml', 'a node that is neither element nor text')
}

/**
 * Builds an element of a document, which must be an XML document: `element.ownerDocument` of any stanza.
 *
 * @throws {XmlError} on names and characters that XML cannot carry, and on trees beyond the limits of the parser
 */
export function toDom<E extends DomTarget<E | T>, T>(el: Element, document: DomDocument<E, T>): E {
  return writeTree<E>(el, ({ name, ns }, attrs, children) => {
    const made = document.createElementNS(ns === '' ? null : ns, name)
    for (const [key, value] of Object.entries(attrs)) made.setAttributeNS(namespaceOf(key, attrs), key, value)
    for (const child of children)
      made.appendChild(typeof child === 'string' ? document.createTextNode(child) : child)
    return made
  })
}

function namespaceOf(key: string, attrs: Readonly<Record<string, string>>): string | null {
  const [prefix = ''] = key.split(':')
  if (prefix === 'xmlns') return XMLNS_NAMESPACE
  if (prefix === 'xml' && key !== prefix) return XML_NAMESPACE
  return key === prefix ? null : (attrs[`xmlns:${prefix}`] ?? null)
}
