/**
 * Trees of host libraries, read and written without recursion and within limits: hosts parse what strangers send,
 * and few of them count. What all of them share are names as they are written, prefix and all, and declarations
 * of namespaces among the attributes.
 */

import { appendText, checkCharacters, type Element, element } from './element.ts'
import { XmlError } from './error.ts'
import { LIMITS } from './limits.ts'
import { type Open, Scope } from './parse-scope.ts'
import { writtenAttributes } from './serialize.ts'

/** A host's element without its children, as it would be written. */
export interface HostTag {
  readonly name: string
  /** By written name, `xmlns` and `xmlns:prefix` included. */
  readonly attrs: Readonly<Record<string, string>>
  /** More attributes, by their keys in `Attrs`, where the host knows their namespaces. */
  readonly resolved?: Readonly<Record<string, string>>
}

/** How to read a host's elements. */
export interface Host<N> {
  tag(node: N): HostTag
  children(node: N): readonly (N | string)[]
  parent(node: N): N | null | undefined
}

/**
 * Reads a host's tree. What ancestors of the root declare counts; `ns` is the default namespace where nobody
 * declares any, unless the outermost element has a prefix: then it is none, as for `parse`.
 *
 * @throws {XmlError} as `element`, and on undeclared prefixes or trees beyond `LIMITS`
 */
export function readTree<N extends object>(root: N, host: Host<N>, ns: string): Element {
  const scope = new Scope((condition, message) => {
    throw new XmlError(condition, message)
  })
  const around = ancestorsOf(root, host).map((node) => host.tag(node))
  // What begins with a prefix has been written for a place without a default namespace.
  const bare = !(around[0] ?? host.tag(root)).name.includes(':')
  scope.open('root', { xmlns: bare ? ns : '' })
  for (const { attrs } of around) scope.open('root', declarations(attrs))

  const open: Reading<N>[] = []
  let count = 0
  const enter = (node: N): void => {
    count += 1
    if (count > LIMITS.elements || open.length >= LIMITS.depth) throw beyond()
    const { name, attrs, resolved = {} } = host.tag(node)
    if (Object.keys(attrs).length + Object.keys(resolved).length > LIMITS.attributes) throw beyond()
    open.push({ at: scope.open(name, attrs), resolved, children: host.children(node), next: 0 })
  }
  enter(root)
  for (;;) {
    const last = open.at(-1)!
    const child = last.children[last.next++]
    if (typeof child === 'string') appendText(last.at.children, child)
    else if (child) enter(child)
    else {
      const { at, resolved } = last
      for (const key of Object.keys(resolved))
        if (at.attrs && key in at.attrs) throw new XmlError('not-well-formed', 'an attribute occurs twice')
      const done = element(at.ns, at.name, { ...at.attrs, ...resolved }, at.children)
      scope.close(at.mark)
      open.pop()
      const parent = open.at(-1)
      if (!parent) return done
      parent.at.children.push(done)
    }
  }
}

/** An element whose children are being read. */
interface Reading<N> {
  readonly at: Open
  readonly resolved: Readonly<Record<string, string>>
  readonly children: readonly (N | string)[]
  next: number
}

/** The farthest first; never more than a tree may be deep. */
function ancestorsOf<N>(node: N, host: Host<N>): readonly N[] {
  const found: N[] = []
  for (let next = host.parent(node); next; next = host.parent(next)) {
    if (found.length >= LIMITS.depth) throw beyond()
    found.unshift(next)
  }
  return found
}

/**
 * Writes a tree from its leaves to its root: `make` gets the attributes as they are written, with declarations.
 *
 * @throws {XmlError} on names and characters that XML cannot carry, and on trees beyond `LIMITS`
 */
export function writeTree<N>(
  root: Element,
  make: (el: Element, attrs: Readonly<Record<string, string>>, children: readonly (N | string)[]) => N,
): N {
  const open: { el: Element; next: number; built: (N | string)[] }[] = [{ el: root, next: 0, built: [] }]
  let count = 1
  for (;;) {
    const last = open.at(-1)!
    const child = last.el.children[last.next++]
    if (typeof child === 'string') {
      if (child !== '') last.built.push(checkCharacters(child))
    } else if (child) {
      count += 1
      if (count > LIMITS.elements || open.length >= LIMITS.depth) throw beyond()
      open.push({ el: child, next: 0, built: [] })
    } else {
      open.pop()
      const parent = open.at(-1)
      // The root always declares its namespace: hosts look for it there.
      const attrs = writtenAttributes(last.el, parent?.el.ns)
      if (attrs.length > LIMITS.attributes) throw beyond()
      const done = make(last.el, Object.fromEntries(attrs), last.built)
      if (!parent) return done
      parent.built.push(done)
    }
  }
}

function declarations(attrs: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(attrs).filter(([key]) => /^xmlns(?::|$)/.test(key)))
}

function beyond(): XmlError {
  return new XmlError('policy-violation', 'a tree that is too deep or too large')
}
