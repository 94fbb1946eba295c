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
