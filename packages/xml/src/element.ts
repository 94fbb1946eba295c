/**
 * The one XML tree of the family: plain, frozen, namespace-resolved data. No parent pointer, no prefixes,
 * adjacent text merged. Structurally cloneable, so it may cross to a worker.
 */

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

/** Builds an element. Throws `XmlError` on a name or a character that XML 1.0 cannot carry. */
export function element(
  ns: string,
  name: string,
  attrs: AttrsInput = {},
  ...children: readonly Child[]
): Element {
  const kept: Record<string, string> = Object.create(null)
  for (const [key, value] of Object.entries(attrs)) if (value !== undefined) kept[key] = String(value)
  const nodes: Node[] = []
  append(nodes, children)
  return Object.freeze({ name, ns, attrs: Object.freeze(kept), children: Object.freeze(nodes) })
}

function append(nodes: Node[], children: readonly Child[]): void {
  for (const child of children) {
    if (!child) continue
    if (typeof child === 'string') {
      const last = nodes.at(-1)
      if (typeof last === 'string') nodes[nodes.length - 1] = last + child
      else nodes.push(child)
    } else if (Array.isArray(child)) append(nodes, child as readonly Child[])
    else nodes.push(child as Element)
  }
}

/** The first child of that name *in the parent's namespace*, or in the one given: never in any. */
export function child(el: Element, name: string, ns: string = el.ns): Element | undefined {
  return children(el, name, ns)[0]
}

/** All child elements of that name, in the parent's namespace or the one given. */
export function children(el: Element, name: string, ns: string = el.ns): readonly Element[] {
  return el.children.filter((c): c is Element => typeof c !== 'string' && c.name === name && c.ns === ns)
}

/** All child elements, of any name and namespace. */
export function elements(el: Element): readonly Element[] {
  return el.children.filter((c): c is Element => typeof c !== 'string')
}

/** The element's own text, without that of its descendants. */
export function text(el: Element): string {
  return el.children.filter((c) => typeof c === 'string').join('')
}
