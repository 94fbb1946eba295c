import {
  checkAttributeKey,
  checkCharacters,
  checkElementName,
  checkNode,
  type Element,
  type Node,
} from './element.ts'

/**
 * Writes an element, so that `parse` gives an equal one. Equal input gives equal output; attributes keep
 * their order. Elements carry no prefix: a namespace is declared where it changes.
 *
 * @param scope.ns The default namespace at the place it goes to: `jabber:client` in a stream. None unless given.
 * @throws {XmlError} on names and characters that XML cannot carry, also in elements that `element` did not make
 * @throws {TypeError} on a child that is neither text nor element
 */
export function serialize(el: Element, scope: { readonly ns?: string } = {}): string {
  let out = ''
  let ns = scope.ns ?? ''
  const open: { readonly name: string; readonly outer: string; readonly rest: Iterator<Node> }[] = []
  const write = (node: Node): void => {
    if (typeof node === 'string') {
      out += escapeText(node)
      return
    }
    const { name, children } = checkNode(node)
    out += `<${name}`
    for (const [key, value] of writtenAttributes(node, ns)) out += ` ${key}="${escapeValue(value)}"`
    out += children.length > 0 ? '>' : '/>'
    if (children.length === 0) return
    open.push({ name, outer: ns, rest: children.values() })
    ns = node.ns
  }
  write(el)
  for (let last = open.at(-1); last; last = open.at(-1)) {
    const { done, value } = last.rest.next()
    if (!done) write(value)
    else {
      out += `</${last.name}>`
      ns = last.outer
      open.pop()
    }
  }
  return out
}

/**
 * Attributes by their written names, declarations of namespaces first where they are needed: `{uri}local` gets a
 * prefix that is declared on the spot, n0, n1 … within one element.
 *
 * @throws {XmlError} on names and characters that XML cannot carry, those of the element included
 */
export function writtenAttributes(
  { name, ns, attrs }: Element,
  outer: string | undefined,
): readonly (readonly [name: string, value: string])[] {
  checkElementName(ns, name)
  const written: [string, string][] = ns === outer ? [] : [['xmlns', ns]]
  const prefixes = new Map<string, string>()
  for (const [key, value] of Object.entries(attrs)) {
    checkAttributeKey(key)
    checkCharacters(value)
    const end = key.lastIndexOf('}')
    if (end < 0) {
      written.push([key, value])
      continue
    }
    const uri = key.slice(1, end)
    const prefix = prefixes.get(uri) ?? `n${prefixes.size}`
    if (!prefixes.has(uri)) written.push([`xmlns:${prefix}`, uri])
    prefixes.set(uri, prefix)
    written.push([`${prefix}:${key.slice(end + 1)}`, value])
  }
  return written
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
}

// A parser turns CR into LF, and TAB and LF in attributes into spaces, unless they are references.
const reference = (found: string): string => ESCAPES[found] ?? `&#${found.charCodeAt(0)};`

function escapeText(text: string): string {
  return checkCharacters(text).replace(/[&<>\r]/g, reference)
}

function escapeValue(value: string): string {
  return value.replace(/[&<"\t\n\r]/g, reference)
}
