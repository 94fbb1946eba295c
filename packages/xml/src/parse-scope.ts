/**
 * Namespaces in XML 1.0, resolved in constant time a name whatever the depth: one map from prefix to
 * namespace for the whole document, and a log of what each element replaced in it. saxes would search all
 * open elements for each name, which makes deep nesting cost its square.
 */

import { type Attrs, isNcName, isReserved, type Node, XML_NAMESPACE } from './element.ts'
import type { XmlCondition } from './error.ts'

/** An element whose end tag is still to come; `mark` goes to `close` then. */
export interface Open {
  readonly name: string
  readonly ns: string
  /** `undefined` when there are none. */
  readonly attrs: Attrs | undefined
  readonly children: Node[]
  readonly mark: number
}

export type Fail = (condition: XmlCondition, message: string) => never

export class Scope {
  readonly #fail: Fail
  // The default namespace has the prefix ''.
  readonly #bound = new Map<string, string | undefined>([
    ['', ''],
    ['xml', XML_NAMESPACE],
  ])
  readonly #replaced: [prefix: string, uri: string | undefined][] = []

  /** `fail` throws an `XmlError`, and may add the place to it. */
  constructor(fail: Fail) {
    this.#fail = fail
  }

  /** `written` holds attributes by their written names. */
  open(written: string, attributes: Readonly<Record<string, string>>): Open {
    const mark = this.#replaced.length
    const attrs = this.#attributes(attributes)
    const [prefix, local] = this.#split(written)
    const ns = this.#resolve(prefix)
    if (isReserved(ns)) this.#fail('bad-namespace-prefix', 'a reserved namespace')
    return { name: local, ns, attrs, children: [], mark }
  }

  close(mark: number): void {
    for (const entry of this.#replaced.splice(mark)) this.#bound.set(...entry)
  }

  #attributes(written: Readonly<Record<string, string>>): Attrs | undefined {
    const entries = Object.entries(written)
    for (const [key, value] of entries) {
      if (key === 'xmlns') this.#bind('', value)
      else if (key.startsWith('xmlns:')) this.#bind(this.#split(key)[1], value)
    }
    let attrs: Record<string, string> | undefined
    for (const [key, value] of entries) {
      const [prefix, local] = this.#split(key)
      if (key === 'xmlns' || prefix === 'xmlns') continue
      const name = prefix === '' || prefix === 'xml' ? key : `{${this.#resolve(prefix)}}${local}`
      attrs ??= Object.create(null) as Record<string, string>
      if (name in attrs) this.#fail('not-well-formed', 'an attribute occurs twice')
      attrs[name] = value
    }
    return attrs
  }

  #resolve(prefix: string): string {
    const uri = this.#bound.get(prefix)
    return uri ?? this.#fail('bad-namespace-prefix', 'a prefix is not declared')
  }

  // Namespaces in XML §3: `xml` and `xmlns` are bound for good; §5: only the default can be undone.
  #bind(prefix: string, uri: string): void {
    if (prefix === 'xml' && uri === XML_NAMESPACE) return
    if (prefix === 'xml' || prefix === 'xmlns' || isReserved(uri))
      this.#fail('bad-namespace-prefix', 'a reserved namespace')
    if (prefix !== '' && uri === '') this.#fail('bad-namespace-prefix', 'a prefix is not declared')
    this.#replaced.push([prefix, this.#bound.get(prefix)])
    this.#bound.set(prefix, uri)
  }

  #split(written: string): [prefix: string, local: string] {
    const colon = written.indexOf(':')
    if (colon < 0) return ['', written]
    const local = written.slice(colon + 1)
    // saxes allows a colon anywhere, and after it what cannot come first.
    if (colon === 0 || !isNcName(local)) this.#fail('not-well-formed', 'not a name')
    return [written.slice(0, colon), local]
  }
}
