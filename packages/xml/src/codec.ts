/**
 * One declaration of an element gives its parser, its builder and its type:
 *
 *     const preKey = codec(OMEMO, 'pk', { id: attr('id', uint(2 ** 31 - 1)), key: content(base64(32)) })
 *     type PreKey = Infer<typeof preKey>          // { readonly id: number; readonly key: Bytes }
 *
 * Reading ignores attributes and children that no field names, because every XMPP schema may be extended
 * (RFC 6120 §8.4), and refuses a second one of what may occur once: two readers would pick different ones.
 */

import {
  type AttrsInput,
  type Child,
  children,
  type Element,
  element,
  elements,
  type Node,
  text,
} from './element.ts'
import { ShapeError } from './error.ts'
import { type Scalar, string } from './scalar.ts'

export interface Codec<T> {
  readonly name: string
  readonly ns: string
  is(node: Node | undefined): node is Element
  /**
   * `at` is how errors call the element; its name unless given.
   *
   * @throws {ShapeError} when the element is not as declared
   */
  decode(el: Element, at?: string): T
  /**
   * @throws {RangeError} when `decode` would refuse the result
   * @throws {XmlError} on characters that XML cannot carry
   */
  encode(value: T, at?: string): Element
}

/** The type that a codec reads and writes. */
export type Infer<C> = C extends Codec<infer T> ? T : never

/** What a field adds to an element. */
export interface Part {
  readonly attrs?: AttrsInput
  readonly children?: readonly Child[]
}

/** A part of an element that belongs to one property. Write your own where those here do not fit. */
export interface Field<T> {
  /** Whether `el` has anything for `read`. */
  has(el: Element): boolean
  /** `at` names `el` in errors. */
  read(el: Element, at: string): T
  /** `ns` is the namespace of the element written to. */
  write(value: T, ns: string, at: string): Part
}

export type Fields = Readonly<Record<string, Field<unknown>>>

/** The type of the values of fields: a property is optional when its field may give `undefined`. */
export type ValueOf<F extends Fields> = Flat<
  { readonly [K in keyof F as undefined extends Type<F[K]> ? never : K]: Type<F[K]> } & {
    readonly [K in keyof F as undefined extends Type<F[K]> ? K : never]?: Type<F[K]>
  }
>
type Type<F> = F extends Field<infer T> ? T : never
type Flat<T> = { [K in keyof T]: T[K] }

/** Describes the element `name` in `ns`; children are written in the order of `fields`. */
export function codec<const F extends Fields>(ns: string, name: string, fields: F): Codec<ValueOf<F>> {
  const is = (node: Node | undefined): node is Element =>
    typeof node === 'object' && node.name === name && node.ns === ns
  return {
    name,
    ns,
    is,
    decode(el, at = name) {
      if (!is(el)) throw new ShapeError('wrong-element', at, `expected <${name}/> in ${ns}`)
      const value: Record<string, unknown> = {}
      for (const [key, field] of Object.entries(fields)) {
        const part = field.read(el, at)
        if (part !== undefined) value[key] = part
      }
      return value as ValueOf<F>
    },
    encode(value, at = name) {
      const attrs: Record<string, AttrsInput[string]> = Object.create(null)
      const nodes: Child[] = []
      for (const [key, field] of Object.entries(fields)) {
        const part = field.write(value[key as keyof typeof value], ns, at)
        Object.assign(attrs, part.attrs)
        if (part.children) nodes.push(part.children)
      }
      return element(ns, name, attrs, nodes)
    },
  }
}

/** An attribute; `name` is a key of `Attrs`. */
export function attr(name: string): Field<string>
export function attr<T>(name: string, scalar: Scalar<T>): Field<T>
export function attr(name: string, scalar: Scalar<unknown> = string): Field<unknown> {
  return {
    has: (el) => Object.hasOwn(el.attrs, name),
    read(el, at) {
      const value = Object.hasOwn(el.attrs, name) ? el.attrs[name] : undefined
      if (value === undefined) throw new ShapeError('missing', `${at}@${name}`, 'the attribute is missing')
      return readScalar(scalar, value, `${at}@${name}`)
    },
    write: (value, _ns, at) => ({ attrs: { [name]: writeScalar(scalar, value, `${at}@${name}`) } }),
  }
}

/** The element's own text, without that of child elements; absent when empty. */
export function content(): Field<string>
export function content<T>(scalar: Scalar<T>): Field<T>
export function content(scalar: Scalar<unknown> = string): Field<unknown> {
  return {
    has: (el) => text(el) !== '',
    read: (el, at) => readScalar(scalar, text(el), at),
    write: (value, _ns, at) => ({ children: [writeScalar(scalar, value, at)] }),
  }
}

function readScalar(scalar: Scalar<unknown>, written: string, at: string): unknown {
  const value = scalar.decode(written)
  if (value === undefined) throw new ShapeError('invalid', at, `expected ${scalar.expected}`)
  return value
}

// What is written must be readable: decoding it again covers every scalar, also those of others.
function writeScalar(scalar: Scalar<unknown>, value: unknown, at: string): string {
  const written: unknown = value === undefined ? undefined : scalar.encode(value)
  if (typeof written !== 'string' || scalar.decode(written) === undefined)
    throw new RangeError(`${at}: expected ${scalar.expected}`)
  return written
}

/** A child element that occurs exactly once. */
export function one<T>(codec: Codec<T>): Field<T> {
  return {
    has: (el) => el.children.some((node) => codec.is(node)),
    read: (el, at) => {
      const path = `${at}/${codec.name}`
      return codec.decode(single(instances(codec, el), path), path)
    },
    write: (value, _ns, at) => ({ children: [codec.encode(value, `${at}/${codec.name}`)] }),
  }
}

/** Child elements that may occur any number of times, or from `min` to `max` times; in document order. */
export function many<T>(codec: Codec<T>, count: { min?: number; max?: number } = {}): Field<readonly T[]> {
  const { min = 0, max = Number.POSITIVE_INFINITY } = count
  return {
    has: (el) => el.children.some((node) => codec.is(node)),
    read(el, at) {
      const found = instances(codec, el)
      const path = `${at}/${codec.name}`
      if (found.length < min)
        throw new ShapeError('too-few', path, `${found.length}, expected ${min} or more`)
      if (found.length > max)
        throw new ShapeError('too-many', path, `${found.length}, expected ${max} or less`)
      return found.map((node, i) => codec.decode(node, `${path}[${i + 1}]`))
    },
    write(value, _ns, at) {
      const path = `${at}/${codec.name}`
      if (value.length < min || value.length > max)
        throw new RangeError(`${path}: ${value.length}, expected ${min} to ${max}`)
      return { children: value.map((item, i) => codec.encode(item, `${path}[${i + 1}]`)) }
    },
  }
}

/**
 * A field of a child element that occurs exactly once and has nothing else to say: in
 * `<prekeys><pk/><pk/></prekeys>` it is `inside('prekeys', many(pk))`, in `<body>text</body>`
 * `inside('body', content())`. The child is in the namespace of its parent unless `ns` is given.
 */
export function inside<T>(name: string, field: Field<T>, ns?: string): Field<T> {
  const named = (el: Element): readonly Element[] => children(el, name, ns)
  return {
    has: (el) => named(el).length > 0,
    read: (el, at) => field.read(single(named(el), `${at}/${name}`), `${at}/${name}`),
    write(value, parentNs, at) {
      const own = ns ?? parentNs
      const part = field.write(value, own, `${at}/${name}`)
      return { children: [element(own, name, part.attrs, part.children)] }
    },
  }
}

function instances(codec: Codec<unknown>, el: Element): readonly Element[] {
  return el.children.filter((node): node is Element => codec.is(node))
}

function single(found: readonly Element[], path: string): Element {
  const [el] = found
  if (!el) throw new ShapeError('missing', path, 'the element is missing')
  if (found.length > 1) throw new ShapeError('repeated', path, 'expected one')
  return el
}

/** All child elements as they are: the place of an open payload, such as `<content/>` of XEP-0420. */
export function payload(): Field<readonly Element[]> {
  return {
    has: (el) => elements(el).length > 0,
    read: (el) => elements(el),
    write: (value) => ({ children: value }),
  }
}

/** `undefined` where there is nothing; what is there must still be right. */
export function optional<T>(field: Field<T>): Field<T | undefined> {
  return {
    has: () => true,
    read: (el, at) => (field.has(el) ? field.read(el, at) : undefined),
    write: (value, ns, at) => (value === undefined ? {} : field.write(value, ns, at)),
  }
}
