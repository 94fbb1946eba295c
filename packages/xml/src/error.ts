/** RFC 6120 §4.9.3 stream error conditions that bad XML can cause. */
export type XmlCondition = 'not-well-formed' | 'restricted-xml' | 'bad-namespace-prefix' | 'policy-violation'

/** XML that is not acceptable in XMPP, or that an `Element` cannot carry. */
export class XmlError extends Error {
  override readonly name = 'XmlError'
  /** The stream error to answer with. */
  readonly condition: XmlCondition
  /** Where in the input, in UTF-16 code units from its start; 0 when there is no input. */
  readonly offset: number

  constructor(condition: XmlCondition, message: string, offset = 0) {
    super(message)
    this.condition = condition
    this.offset = offset
  }
}

/**
 * - `wrong-element`: another name or namespace than the codec's.
 * - `missing`: a required attribute or child is absent.
 * - `repeated`: there are several of what may occur once.
 * - `too-few`, `too-many`: the number of children is out of bounds.
 * - `invalid`: an attribute or text is not in its lexical form or range.
 */
export type ShapeCode = 'wrong-element' | 'missing' | 'repeated' | 'too-few' | 'too-many' | 'invalid'

/** A well-formed element that is not what its codec describes. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError'
  readonly code: ShapeCode
  /** Which part of the element, as in `bundle/prekeys/pk[3]@id`; the index counts from 1. */
  readonly path: string

  constructor(code: ShapeCode, path: string, message: string) {
    super(`${path}: ${message}`)
    this.code = code
    this.path = path
  }
}
