/**
 * - `restless`: stanzas went on and on: clients answer each other without end. All streams were cut.
 * - `listener-failed`: listeners of clients threw; `cause` is an `AggregateError` of what they threw, in order.
 */
export type TestkitErrorCode = 'restless' | 'listener-failed'

/** What `settle` and `advance` reject with. */
export class TestkitError extends Error {
  override readonly name = 'TestkitError'
  readonly code: TestkitErrorCode

  constructor(code: TestkitErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
