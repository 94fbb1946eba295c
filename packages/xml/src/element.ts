/**
 * The one XML tree of the family: plain, frozen, namespace-resolved data. No parent pointer, no prefixes,
 * adjacent text merged. Structurally cloneable, so it may cross to a worker. No function here recurses,
 * so that a deep tree cannot exhaust the stack.
 */

import { XmlError } from './error.ts'

/** Null-prototype. Keys: `id`, `xml:lang`, or `{uri}local` for any other attribute in a namespace. */
export type Attrs = Readonly<Record<string, string>>

export type Node = Element | string

export interface Element {
  readonly name: string
  readonly ns: string
  readonly attrs: Attrs
  readonly children: readonly Node[]
}

/** What may be written as a child; falsy values are left out, arrays are flattened. */
export type Child = Node | readonly Child[] | null | undefined | false

/** What may be written as attributes; `undefined` is left out, numbers and booleans are spelled as XML Schema does. */
export type AttrsInput = Readonly<Record<string, string | number | boolean | undefined>>

/** Makes elements of one namespace. */
export type Builder = (name: string, attrs?: AttrsInput, ...children: readonly Child[]) => Element

/** Bound to `xml` by definition; RFC 6120 uses `xml:lang` of it. */
export const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace'
/** Bound to `xmlns` by definition; nothing may be in it. */
export const XMLNS_NAMESPACE = 'http://www.w3.org/2000/xmlns/'

/**
 * Builds an element.
 *
 * @throws {XmlError} on a name, namespace or character that XML 1.0 cannot carry
 * @throws {RangeError} on a number that is not finite
 * @throws {TypeError} on a child that is neither text nor element
 */
export function element(
  ns: string,
  name: string,
  attrs: AttrsInput = {},
  ...children: readonly Child[]
): Element {
  checkElementName(ns, name)
  const kept: Record<string, string> = Object.create(null)
  for (const [key, value] of Object.entries(attrs)) {
    if (value === undefined) continue
    if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError(`${key}: not finite`)
    checkAttributeKey(key)
    kept[key] = checkCharacters(String(value))
  }
  return freeze({ name, ns, attrs: kept, children: flatten(children) })
}

/** `const o = ns('urn:xmpp:omemo:2'); o('device', { id: 7 })`; errors as of `element`. */
export function ns(uri: string): Builder {
  return (name, attrs, ...children) => element(uri, name, attrs, ...children)
}

// Most elements lack one or the other, and an object without prototype is a big one.
const NO_ATTRS: Attrs = /* @__PURE__ */ Object.freeze(Object.create(null))
const NO_CHILDREN: readonly Node[] = /* @__PURE__ */ Object.freeze([])

interface Parts extends Omit<Element, 'attrs'> {
  readonly attrs: Attrs | undefined
}

/** For callers that have checked the parts already; without attributes when those are `undefined`. */
export function freeze({ name, ns, attrs, children }: Parts): Element {
  return Object.freeze({
    name,
    ns,
    attrs: attrs ? Object.freeze(attrs) : NO_ATTRS,
    children: children.length > 0 ? Object.freeze(children) : NO_CHILDREN,
  })
}

function flatten(children: readonly Child[]): readonly Node[] {
  const nodes: Node[] = []
  const pending: Child[] = [children]
  while (pending.length > 0) {
    const child = pending.pop()
    if (!child) continue
    if (isList(child)) for (let i = child.length - 1; i >= 0; i--) pending.push(child[i])
    else if (typeof child === 'string') appendText(nodes, child)
    else nodes.push(checkNode(child))
  }
  for (const node of nodes) if (typeof node === 'string') checkCharacters(node)
  return nodes
}

/** @throws {TypeError} when it lacks what makes an element; what is in it is not looked at */
export function checkNode(node: Element): Element {
  // An object in place of a string could be another one each time it is written.
  const { name, ns, attrs, children } = node ?? {}
  if (typeof name !== 'string' || typeof ns !== 'string' || typeof attrs !== 'object' || !isList(children))
    throw new TypeError('child: not a node')
  return node
}

// Array.isArray does not narrow readonly arrays.
function isList(child: Child): child is readonly Child[] {
  return Array.isArray(child)
}

/** Adds text, merged with text that is last already. */
export function appendText(nodes: Node[], added: string): void {
  const last = nodes.at(-1)
  if (typeof last === 'string') nodes[nodes.length - 1] = last + added
  else nodes.push(added)
}

/** The first child of that name *in the parent's namespace*, or in the one given: never in any. */
export function child(el: Element, name: string, ns: string = el.ns): Element | undefined {
  return children(el, name, ns)[0]
}

/** All child elements of that name, in the parent's namespace or the one given. */
export function children(el: Element, name: string, ns: string = el.ns): readonly Element[] {
  return elements(el).filter((c) => c.name === name && c.ns === ns)
}

/** All child elements, of any name and namespace. */
export function elements(el: Element): readonly Element[] {
  return el.children.filter((c): c is Element => typeof c !== 'string')
}

/** The element's own text, without that of its descendants. */
export function text(el: Element): string {
  return el.children.filter((c) => typeof c === 'string').join('')
}

/** The same names, namespaces, attributes in any order, and children in the same order. */
export function equal(a: Element, b: Element): boolean {
  const pending: [Node | undefined, Node | undefined][] = [[a, b]]
  for (let pair = pending.pop(); pair; pair = pending.pop()) {
    const [x, y] = pair
    if (x === y) continue
    if (typeof x !== 'object' || typeof y !== 'object' || !sameTag(x, y)) return false
    if (x.children.length !== y.children.length) return false
    x.children.forEach((node, i) => {
      pending.push([node, y.children[i]])
    })
  }
  return true
}

function sameTag(a: Element, b: Element): boolean {
  const keys = Object.keys(a.attrs)
  return (
    a.name === b.name &&
    a.ns === b.ns &&
    keys.length === Object.keys(b.attrs).length &&
    // What an ordinary object inherits is no text.
    keys.every((key) => a.attrs[key] === b.attrs[key])
  )
}

// XML 1.0 §2.3 NameChar without the colon (Namespaces in XML §3 NCName), what of it may not come first, and
// §2.2 Char. Each looks for what must not be there: one pass, no backtracking. Unicode mode sees lone surrogates.
const NOT_NAME =
  /^(?:$|[\u0300-\u036F\u203F-\u2040\u00B7.0-9-])|[^-.0-9A-Z_a-z\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u037D\u037F-\u1FFF\u200C-\u200D\u203F-\u2040\u2070-\u218F\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\u{10000}-\u{EFFFF}]/u
const NOT_CHARACTER = /[^\t\n\r -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u

/** Whether this is a name without a colon, as Namespaces in XML §3 has it. */
export function isNcName(name: string): boolean {
  return !NOT_NAME.test(name)
}

/** Where the first character is that XML 1.0 cannot carry; -1 if all are fine. */
export function findBadCharacter(value: string): number {
  return value.search(NOT_CHARACTER)
}

/** @throws {XmlError} when XML 1.0 cannot carry it, not even escaped */
export function checkCharacters(value: string): string {
  if (NOT_CHARACTER.test(value)) throw new XmlError('not-well-formed', 'a character that XML cannot carry')
  return value
}

/** Whether only XML itself may bind prefixes to it. */
export function isReserved(ns: string): boolean {
  return ns === XML_NAMESPACE || ns === XMLNS_NAMESPACE
}

/** @throws {XmlError} when no element can have that name in that namespace */
export function checkElementName(ns: string, name: string): void {
  if (!isNcName(name)) throw new XmlError('not-well-formed', 'not a name')
  if (isReserved(ns)) throw new XmlError('bad-namespace-prefix', 'a reserved namespace')
  checkCharacters(ns)
}

/** @throws {XmlError} when the key is not of one of the forms of `Attrs`; namespace declarations are none */
export function checkAttributeKey(key: string): void {
  if (isNcName(key) && key !== 'xmlns') return
  if (key.startsWith('xml:') && isNcName(key.slice(4))) return
  const end = key.lastIndexOf('}')
  // The namespace is not empty, and what has no braces has no name here.
  const braced = key[0] === '{' && end > 1
  checkElementName(key.slice(1, end), braced ? key.slice(end + 1) : '')
}
