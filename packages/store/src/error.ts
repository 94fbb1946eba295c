/**
 * - `conflict`: others changed what was read each time. Nothing was written. Try again later.
 * - `outcome-unknown`: the store failed to say whether it wrote; its `cause` is an `AggregateError` of why. Read again.
 * - `lane-full`: `MAX_LANE_EFFECTS` effects or `MAX_LANE_BYTES` wait in one lane. Nothing was written. Run or discard some.
 * - `effect-timed-out`: a handler took longer than `EFFECT_MS`; the effect will be tried again.
 * - `record-malformed`: what is stored where an effect should be was not written by this version of the package.
 */
export type StoreErrorCode =
  | 'conflict'
  | 'outcome-unknown'
  | 'lane-full'
  | 'effect-timed-out'
  | 'record-malformed'

/** Every failure of this package that is neither a mistake of the caller nor an error of the store itself. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
