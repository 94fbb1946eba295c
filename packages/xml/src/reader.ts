import type { Element } from './element.ts'
import { XmlError } from './error.ts'
import type { Limits } from './limits.ts'
import { checkLimits, parse } from './parse.ts'
import { type StreamEvent, Tree } from './parse-tree.ts'

/** RFC 7395 §3.3. */
const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'

export interface StanzaReaderOptions {
  /**
   * - `tcp`: one document as long as the stream, in any chunks (RFC 6120 §4).
   * - `websocket`: each chunk is a message, and each message one whole element (RFC 7395 §3.3).
   */
  readonly framing?: 'tcp' | 'websocket'
  /** Apply to each stanza. */
  readonly limits?: Partial<Limits>
}

/**
 * Turns what a socket gives into stanzas. Make a new one whenever the stream restarts, as it does after
 * STARTTLS and SASL (RFC 6120 §4.3.3).
 */
export class StanzaReader {
  readonly #limits: Limits
  // Each message over WebSocket is a document of its own.
  #tree: Tree | undefined
  #error: XmlError | undefined

  /** @throws {RangeError} on a limit that is not a number above 0 */
  constructor(options: StanzaReaderOptions = {}) {
    this.#limits = checkLimits(options.limits ?? {})
    if (options.framing !== 'websocket') this.#tree = new Tree(this.#limits, 1)
  }

  /** What is wrong with the stream, as soon as it is known. */
  get error(): XmlError | undefined {
    return this.#error
  }

  /**
   * The events that the chunk completes. An error comes in its turn: this call throws it when no event
   * precedes it, else the next call does, as does every later one.
   *
   * @throws {XmlError} `offset` counts from the start of the stream, or of the WebSocket message
   */
  read(chunk: string | Uint8Array): readonly StreamEvent[] {
    if (this.#error) throw this.#error
    let events: readonly StreamEvent[] = []
    try {
      if (this.#tree) this.#tree.write(chunk)
      else events = [message(parse(chunk, this.#limits))]
    } catch (error) {
      if (!(error instanceof XmlError)) throw error
      this.#error = error
    }
    if (this.#tree) events = this.#tree.take()
    if (this.#error) {
      this.#tree = undefined
      if (events.length === 0) throw this.#error
    }
    return events
  }
}

function message(el: Element): StreamEvent {
  const frame = el.ns === FRAMING ? el.name : ''
  if (frame === 'open') return { type: 'open', header: el }
  return frame === 'close' ? { type: 'close' } : { type: 'stanza', stanza: el }
}
