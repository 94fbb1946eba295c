/**
 * - `malformed`: the answer is not what XEP-0030 describes; its `cause` is the `ShapeError` that says where.
 * - `wrong-node`: the answer is about another node than the one asked for.
 * - `paging-loop`: a list of items came back to where it had been.
 * - `too-many-items`: a list of items did not end within `MAX_ITEMS`.
 */
export type DiscoErrorCode = 'malformed' | 'wrong-node' | 'paging-loop' | 'too-many-items'

/** An answer that cannot be used. That there is none, or that it is a refusal, are errors of `@xmpp-e2e/xml`. */
export class DiscoError extends Error {
  override readonly name = 'DiscoError'
  readonly code: DiscoErrorCode

  constructor(code: DiscoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
