/**
 * - `conflict`: others changed what was read each time. Nothing was written. Try again later.
 * - `outcome-unknown`: the store failed to say whether it wrote; its `cause` is an `AggregateError` of why. Read again.
 * - `lane-full`: `MAX_LANE_EFFECTS` effects or `MAX_LANE_BYTES` wait in one lane. Nothing was written. Run or discard some.
 * - `effect-timed-out`: a handler took longer than `EFFECT_MS`; the effect will be tried again.
 * - `record-malformed`: what is stored where an effect, a checkpoint or the head of a store should be was not written
 *   by this version of the package.
 * - `store-in-use`: the directory is open already, in this process or another; only one at a time can have it.
 * - `store-busy`: others kept the database locked for too long. Nothing was written. Try again later.
 * - `evicted`: what the store held is gone: it was emptied, removed or replaced while it was open, or there is a receipt
 *   of it. Its keys are lost; say so before making new ones: opening it again without a receipt makes an empty store.
 * - `rolled-back`: an older state has come back than was there already. Do not use it.
 * - `quota-exceeded`: the browser gives no more room. Nothing was written.
 * - `store-closed`: it was closed: by its owner, by the browser, for somebody who deletes it, or because a
 *   commit failed in a way that only opening again can settle. Open it again.
 * - `store-newer`: a later version of this package has changed how it stores. Load that.
 * - `key-wrong`: the store was encrypted with another key.
 * - `record-forged`: a record is not what was sealed under its name: altered, put under another name or into another
 *   store, or taken away with all that proves it. `cause` is its key, if it is one record.
 */
export type StoreErrorCode =
  | 'conflict'
  | 'outcome-unknown'
  | 'lane-full'
  | 'effect-timed-out'
  | 'record-malformed'
  | 'store-in-use'
  | 'store-busy'
  | 'evicted'
  | 'rolled-back'
  | 'quota-exceeded'
  | 'store-closed'
  | 'store-newer'
  | 'key-wrong'
  | 'record-forged'

/** Every failure of this package that is neither a mistake of the caller nor an error of the store itself. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
