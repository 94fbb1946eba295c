import { XmlError } from './error.ts'
import { checkLimits, parse } from './parse.ts'
import { type Event, type Limits, Tree } from './parse-tree.ts'
import { Utf8Decoder } from './parse-utf8.ts'

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
  readonly #framing: 'tcp' | 'websocket'
  readonly #limits: Limits
  readonly #decoder = new Utf8Decoder()
  #events: Event[] = []
  #tree: Tree | undefined
  #error: XmlError | undefined

  /** @throws {RangeError} on a limit that is not a number above 0 */
  constructor(options: StanzaReaderOptions = {}) {
    this.#framing = options.framing ?? 'tcp'
    this.#limits = checkLimits(options.limits ?? {})
    this.#tree = new Tree(this.#limits, true, (event) => this.#events.push(event))
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
  read(chunk: string | Uint8Array): readonly Event[] {
    if (!this.#error) {
      try {
        if (this.#framing === 'tcp') this.#readBytes(chunk)
        else this.#readMessage(chunk)
      } catch (error) {
        if (!(error instanceof XmlError)) throw error
        this.#error = error
        this.#tree = undefined
      }
    }
    const events = this.#events
    this.#events = []
    if (this.#error && events.length === 0) throw this.#error
    return events
  }

  #readBytes(chunk: string | Uint8Array): void {
    if (typeof chunk === 'string') {
      this.#tree?.write(chunk)
      return
    }
    const { text, ok } = this.#decoder.decode(chunk)
    this.#tree?.write(text)
    if (!ok) this.#tree?.fail('not-well-formed', 'not UTF-8')
  }

  #readMessage(chunk: string | Uint8Array): void {
    const el = parse(chunk, this.#limits)
    if (el.ns !== FRAMING) this.#events.push({ type: 'stanza', stanza: el })
    else if (el.name === 'open') this.#events.push({ type: 'open', header: el })
    else if (el.name === 'close') this.#events.push({ type: 'close' })
    else throw new XmlError('not-well-formed', 'neither open nor close')
  }
}
