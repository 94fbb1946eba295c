/**
 * - `restless`: `maxDeliveries` stanzas followed each other without a rest.
 * - `listener-failed`: listeners of clients threw; `cause` is an `AggregateError` of what.
 * - `unfinished`: what `finish` waits for does not happen.
 * - `crash-scenario`: a scenario of `atEveryCrash` failed; `cause` is why.
 */
export type TestkitErrorCode = 'restless' | 'listener-failed' | 'unfinished' | 'crash-scenario'

/** What `settle`, `advance` and `finish` reject with, and `atEveryCrash`. */
export class TestkitError extends Error {
  override readonly name = 'TestkitError'
  readonly code: TestkitErrorCode

  constructor(code: TestkitErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
