/**
 * ltx, the elements of xmpp.js: `name` and attributes as written, parents for what they inherit. ltx itself checks
 * nothing, so both directions do.
 */

import type { Element } from './element.ts'
import { type Host, readTree, writeTree } from './host-tree.ts'

/** An element of ltx, or `xml()` of xmpp.js. */
export interface LtxElement {
  readonly name: string
  readonly attrs: Readonly<Record<string, unknown>>
  readonly children: readonly unknown[]
  readonly parent?: LtxElement | null | undefined
}

/**
 * Reads an element of ltx. Namespaces that an ancestor declares count; where none does, as in stanzas just built with
 * `xml('message')`, it is `ns`. As in ltx, `null` and `undefined` are nothing, and anything else that is not an
 * element is text.
 *
 * @throws {XmlError} on names and characters that XML cannot carry, undeclared prefixes, and trees beyond the limits
 * of the parser
 */
export function fromLtx(el: LtxElement, ns = 'jabber:client'): Element {
  return readTree(el, HOST, ns)
}

const HOST: Host<LtxElement> = {
  tag: ({ name, attrs }) => ({ name, attrs: spelled(attrs) }),
  children: ({ children }) =>
    children
      .filter((child) => child !== null && child !== undefined)
      .map((child) => (isElement(child) ? child : String(child))),
  parent: (el) => el.parent,
}

function isElement(child: unknown): child is LtxElement {
  return typeof child === 'object' && child !== null && 'attrs' in child && 'children' in child
}

function spelled(attrs: Readonly<Record<string, unknown>>): Record<string, string> {
  const given = Object.entries(attrs).filter(([, value]) => value !== null && value !== undefined)
  return Object.fromEntries(given.map(([key, value]) => [key, String(value)]))
}

/**
 * Builds an element of ltx with its `createElement`, which xmpp.js calls `xml`. An attribute named `__proto__` gets
 * lost there.
 *
 * @throws {XmlError} on names and characters that XML cannot carry, and on trees beyond the limits of the parser
 */
export function toLtx<E>(
  el: Element,
  create: (name: string, attrs: Record<string, string>, ...children: (E | string)[]) => E,
): E {
  return writeTree<E>(el, ({ name }, attrs, children) => create(name, { ...attrs }, ...children))
}
