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
