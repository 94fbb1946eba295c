/**
 * saxes tokenizes; everything that XMPP asks for beyond XML 1.0 happens around it: limits, restricted XML
 * (RFC 6120 §11.1), namespaces, and the three things saxes gets wrong — a lone high surrogate swallows the
 * next character, a local name may begin with a digit, and what is incomplete is collected without bound.
 */

import { SaxesParser } from 'saxes'
import { appendText, type Element, findBadCharacter, freeze } from './element.ts'
import { XmlError } from './error.ts'
import type { Limits } from './limits.ts'
import { Guard } from './parse-guard.ts'
import { type Open, Scope } from './parse-scope.ts'
import { Utf8Decoder } from './parse-utf8.ts'

/** What a stream consists of; the header is the root without its children. */
export type StreamEvent =
  | { readonly type: 'open'; readonly header: Element }
  | { readonly type: 'stanza'; readonly stanza: Element }
  | { readonly type: 'close' }

// Limits are looked at between pieces of this many code units, so a piece is what may be kept too much.
const PIECE = 65_536

// saxes quotes names, which may be long.
const MESSAGE = 100

const NOT_SPACE = /[^\t\n\r ]/

/** One document. Give it all input with `write`; with a `base` of 1 it is a stream: children of the root are stanzas. */
export class Tree {
  readonly #limits: Limits
  // How many open elements are not part of a document or stanza: in a stream, its root.
  readonly #base: 0 | 1
  // The same options everywhere: saxes loses a quarter of its speed when a process uses two sets.
  readonly #parser = new SaxesParser({
    xmlns: false,
    position: false,
    forceXMLVersion: true,
    defaultXMLVersion: '1.0',
  })
  readonly #decoder = new Utf8Decoder()
  readonly #guard = new Guard()
  readonly #scope = new Scope((condition, message) => this.#fail(condition, message))
  readonly #open: Open[] = []
  #root: Element | undefined
  #elements = 0
  #attributes = 0
  #bytes = 0
  // Positions count the code units given to saxes: all but the white space that was skipped.
  #skipped = 0
  #counted = 0
  // Only meanwhile does saxes know its position.
  #writing = false
  #piece = ''
  #pieceStart = 0
  // A high surrogate whose other half is in the next chunk.
  #half = ''
  readonly #events: StreamEvent[] = []
  // After the last tag between stanzas; what follows it in the piece is white space when idle.
  #lastTag = -1
  #idle = false

  constructor(limits: Limits, base: 0 | 1) {
    this.#limits = limits
    this.#base = base
    const parser = this.#parser
    // The guard leaves only what stands where an XML declaration may.
    parser.on('processinginstruction', () => this.#restricted())
    parser.on('error', (error) => {
      // It reports an end tag before it compares the names; what that completed is taken back.
      if (parser.position === this.#lastTag) this.#events.pop()
      this.#fail('not-well-formed', error.message.slice(0, MESSAGE))
    })
    parser.on('xmldecl', ({ encoding }) => {
      // RFC 6120 §11.6; text that has been decoded already must not claim otherwise either.
      if (encoding && !/^utf-8$/i.test(encoding)) this.#fail('not-well-formed', 'not UTF-8')
    })
    parser.on('opentagstart', () => this.#startTag())
    parser.on('attribute', () => {
      this.#within('attributes', ++this.#attributes)
    })
    parser.on('opentag', (tag) => this.#openTag(tag.name, tag.attributes))
    parser.on('closetag', () => this.#closeTag())
    parser.on('text', (text) => this.#text(text))
    parser.on('cdata', (text) => this.#text(text))
  }

  /** @throws {XmlError} once; give it nothing more then. */
  write(chunk: string | Uint8Array): void {
    const { text, ok } = typeof chunk === 'string' ? { text: chunk, ok: true } : this.#decoder.decode(chunk)
    const input = this.#half + text
    let from = 0
    while (from < input.length) {
      let to = Math.min(from + PIECE, input.length)
      if ((input.charCodeAt(to - 1) & 0xfc00) === 0xd800) to--
      if (to === from) break
      this.#write(input.slice(from, to))
      from = to
    }
    this.#half = input.slice(from)
    if (!ok) this.#fail('not-well-formed', 'not UTF-8')
  }

  /** The events since the last call, those before an error included. */
  take(): readonly StreamEvent[] {
    return this.#events.splice(0)
  }

  /** The root of the document. */
  end(): Element {
    this.#parser.close()
    if (this.#root && this.#half === '' && this.#decoder.complete) return this.#root
    return this.#fail('not-well-formed', 'unexpected end.')
  }

  #write(given: string): void {
    const piece = this.#idle ? given.replace(/^[\t\n\r ]+/, '') : given
    this.#skipped += given.length - piece.length
    if (piece === '') return
    this.#piece = piece
    this.#pieceStart = this.#counted
    this.#lastTag = -1
    const bad = this.#pieceStart === 0 && piece[0] === '\uFEFF' ? 0 : findBadCharacter(piece)
    const found = this.#guard.find(piece)
    const stop = Math.max(0, Math.min(bad < 0 ? piece.length : bad, found?.index ?? piece.length))
    // What comes before a fault is read first, so that it makes no difference how the input was divided.
    this.#writing = true
    this.#parser.write(piece.slice(0, stop))
    this.#writing = false
    this.#count(this.#pieceStart + stop)
    if (found && found.index <= stop) {
      if (found.restricted) this.#restricted()
      this.#fail('not-well-formed', 'undefined entity.')
    }
    if (stop < piece.length) this.#fail('not-well-formed', 'a character that XML cannot carry')
    this.#idle = this.#lastTag >= 0 && !NOT_SPACE.test(piece.slice(this.#lastTag - this.#pieceStart))
  }

  #startTag(): void {
    this.#attributes = 0
    this.#within('depth', this.#open.length + 1 - this.#base)
    this.#within('elements', ++this.#elements)
  }

  #openTag(written: string, attributes: Readonly<Record<string, string>>): void {
    const opened = this.#scope.open(written, attributes)
    this.#open.push(opened)
    if (this.#open.length > this.#base) return
    this.#boundary()
    this.#events.push({ type: 'open', header: freeze(opened) })
  }

  #closeTag(): void {
    const closed = this.#open.pop()
    if (!closed) return
    this.#scope.close(closed.mark)
    const parent = this.#open.at(-1)
    const el = freeze(closed)
    if (parent && this.#open.length > this.#base) parent.children.push(el)
    else if (this.#base === 0) this.#root = el
    else {
      this.#boundary()
      this.#events.push(parent ? { type: 'stanza', stanza: el } : { type: 'close' })
    }
  }

  #text(text: string): void {
    const parent = this.#open.at(-1)
    // saxes refuses all but white space outside the root.
    if (!parent || text === '') return
    if (this.#open.length > this.#base) appendText(parent.children, text)
    else if (NOT_SPACE.test(text)) this.#fail('not-well-formed', 'text between stanzas')
  }

  /** Between stanzas: the limits begin anew. */
  #boundary(): void {
    const { position } = this.#parser
    this.#count(position)
    this.#lastTag = position
    this.#bytes = 0
    this.#elements = 0
  }

  #count(to: number): void {
    for (; this.#counted < to; this.#counted++) {
      const unit = this.#piece.charCodeAt(this.#counted - this.#pieceStart)
      // A surrogate is half of four bytes.
      this.#bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit & 0xf800) === 0xd800 ? 2 : 3
    }
    this.#within('bytes', this.#bytes)
  }

  #within(name: keyof Limits, value: number): void {
    if (value > this.#limits[name]) this.#fail('policy-violation', `above the limit of ${name}`)
  }

  #restricted(): never {
    this.#fail('restricted-xml', 'a comment, processing instruction or document type')
  }

  /** @throws {XmlError} always, with the place reached */
  #fail(condition: XmlError['condition'], message: string): never {
    const position = this.#writing ? this.#parser.position : this.#counted
    throw new XmlError(condition, message, position + this.#skipped)
  }
}
