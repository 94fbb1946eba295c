export { type CheckpointOptions, checkpoint } from './checkpoint.ts'
export type { Effect, EffectName, QueuedEffect } from './effect-codec.ts'
export {
  BACKOFF_MAX_MS,
  BACKOFF_MIN_MS,
  type Clock,
  EFFECT_AGE_MS,
  EFFECT_ATTEMPTS,
  EFFECT_MS,
  LEASE_MS,
  REQUEST_MS,
} from './effect-lane.ts'
export {
  type EffectQueue,
  type EffectQueueOptions,
  type EffectRun,
  effectQueue,
  type HandleOptions,
  LANES_AT_ONCE,
  MAX_EFFECT_BYTES,
  MAX_LANE_BYTES,
  MAX_LANE_EFFECTS,
} from './effect-queue.ts'
export { StoreError, type StoreErrorCode } from './error.ts'
export { memoryStore } from './memory.ts'
export { scoped } from './scoped.ts'
export {
  type Batch,
  type Bytes,
  checkBatch,
  checkKey,
  checkPrefix,
  type Listing,
  MAX_KEY_BYTES,
  MAX_VALUE_BYTES,
  type Put,
  type Reading,
  type Store,
} from './store.ts'
export {
  type Change,
  type Reader,
  type Signal,
  UNKNOWN_ATTEMPTS,
  UPDATE_ATTEMPTS,
  update,
} from './update.ts'
