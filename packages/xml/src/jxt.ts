/**
 * JXT, the elements of stanza.js: `XMLElement` with parents, `JSONElement` without. `attributes` holds declarations
 * of namespaces among the others, names have their prefixes.
 */

import type { Element } from './element.ts'
import { type Host, readTree, writeTree } from './host-tree.ts'

/** `XMLElement` or `JSONElement` of stanza.js. */
export interface JxtElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string | undefined>>
  readonly children: readonly (JxtElement | string)[]
  readonly parent?: JxtElement | undefined
}

/** `JSONElement` of stanza.js. */
export interface JxtJson {
  name: string
  attributes: Record<string, string | undefined>
  children: (JxtJson | string)[]
}

/**
 * Reads an element of stanza.js. Namespaces that an ancestor declares count; where none does, it is `ns`.
 *
 * @throws {XmlError} on names and characters that XML cannot carry, undeclared prefixes, and trees beyond the limits
 * of the parser
 */
export function fromJxt(el: JxtElement, ns = 'jabber:client'): Element {
  return readTree(el, HOST, ns)
}

const HOST: Host<JxtElement> = {
  tag({ name, attributes }) {
    const attrs: Record<string, string> = Object.create(null)
    for (const [key, value] of Object.entries(attributes))
      if (value !== undefined && value !== null) attrs[key] = String(value)
    return { name, attrs }
  },
  // stanza.js leaves out missing children when it writes, though its types know none.
  children: ({ children }) => children.filter((child) => child !== undefined && child !== null),
  parent: (el) => el.parent,
}

/**
 * Builds a `JSONElement`; `new XMLElement(name, attributes, children)` takes its parts.
 *
 * @throws {XmlError} on names and characters that XML cannot carry, and on trees beyond the limits of the parser
 */
export function toJxt(el: Element): JxtJson {
  return writeTree<JxtJson>(el, ({ name }, attrs, children) => ({
    name,
    attributes: { ...attrs },
    children: [...children],
  }))
}
