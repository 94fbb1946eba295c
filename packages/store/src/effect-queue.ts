/**
 * A durable queue of effects: what has to happen because of a state, stored in the same commit as that state
 * and done later, at least once, whatever crashes or fails in between.
 */

import { type Effect, type EffectName, type EffectRecord, type QueuedEffect, queued } from './effect-codec.ts'
import {
  begin,
  type Clock,
  EFFECT_MS,
  effectKey,
  type Lanes,
  lanePrefix,
  lanesOf,
  newId,
  now,
  type Outcome,
  plan,
  putEffect,
  REQUEST_MS,
  readEffects,
  settle,
} from './effect-lane.ts'
import { StoreError } from './error.ts'
import { escapeName } from './scoped.ts'
import { checkBatch, checkKey, type Put, type Store } from './store.ts'
import { type Reader, type Signal, update } from './update.ts'

/** A quarter of the largest value; the largest effect of the family publishes an OpenPGP key of some 100 KiB. */
export const MAX_EFFECT_BYTES = 262_144

/** Effects that wait in a lane or are parked in it. Contacts have some ten devices, not a thousand. */
export const MAX_LANE_EFFECTS = 1024

/**
 * Bytes of the records of a lane, 4 MiB: 1024 effects of 4 KiB, or 15 of the largest. Adding to a lane reads all of
 * it, a run reads the queue when it begins and when it ends and each lane that is due once more; keys, of at most
 * `MAX_KEY_BYTES` each, come on top.
 */
export const MAX_LANE_BYTES = 4_194_304
/** Lanes worked on at once, so that one slow peer holds up few others. */
export const LANES_AT_ONCE = 8

export interface EffectQueueOptions {
  /** The store, or the scope of it, in which the states are that cause effects. */
  readonly store: Store
  /** Keys of the queue start with this name and a slash. `effects` unless told. */
  readonly name?: string
  readonly clock: Clock
  /** So many random bytes, from a secure source. */
  random(length: number): Uint8Array
  /**
   * Does it, and resolves when it is done; a rejection means: again later. It may be called again for what it
   * has done already, so doing it twice must do no harm. It must stop when `signal` aborts and after `EFFECT_MS`:
   * then it counts as failed, and after `LEASE_MS` another tab may begin.
   */
  handle(effect: QueuedEffect, options: HandleOptions): Promise<void>
}

/** What a handler has to heed; `request` of a `Connection` takes it as it is. */
export interface HandleOptions {
  /** That of the run; if it has none, one that does not abort. */
  readonly signal: Signal
  /** `REQUEST_MS`, for each request: two of them fit into the time of a handler. */
  readonly timeoutMs: number
}

/** What a run did. */
export interface EffectRun {
  readonly done: readonly QueuedEffect[]
  /**
   * As they are now, perhaps parked; with what the handler rejected, or a `StoreError` `effect-timed-out`. Also, in
   * each run, what is malformed, with a `StoreError` `record-malformed`.
   */
  readonly failed: readonly { readonly effect: QueuedEffect; readonly error: unknown }[]
  /** When to run again; absent when nothing waits. */
  readonly nextDue?: Date
}

export interface EffectQueue {
  /**
   * The puts that queue these effects, for the batch of the update that `reader` belongs to; call it once in
   * an update. Each goes to the end of its lane; one of the same name that still waits is withdrawn.
   *
   * @throws {StoreError} `lane-full`
   * @throws {TypeError | RangeError} on a bad name or payload, or when called twice
   */
  add(reader: Reader, effects: readonly Effect[]): Promise<readonly Put[]>
  /**
   * Does what is due, lane by lane. Safe to call at any time in any number of tabs: a lane is worked on by one
   * of them. Rejects with the signal's reason when aborted, after the handlers at work have settled; nothing
   * aborted counts as failed. Rejects when the store does, and leaves everything to the next run.
   */
  run(options?: { readonly signal?: Signal | undefined }): Promise<EffectRun>
  /** All that waits or is parked, also what is malformed, lane by lane in order. */
  list(): Promise<readonly QueuedEffect[]>
  /** Makes everything due now and forgets its failures, parked effects included: the connection is back. */
  retry(): Promise<void>
  /**
   * Removes effects that wait or are parked. One that is being handled may still be done. Takes all that `list`
   * gives, also what is malformed.
   */
  discard(effects: readonly EffectName[]): Promise<void>
}

/** @throws {TypeError | RangeError} when `name` cannot be part of a key */
export function effectQueue(options: EffectQueueOptions): EffectQueue {
  const { store, name = 'effects', clock } = options
  checkKey(name)
  const base = `${escapeName(name)}/`
  const lanes: Lanes = { store, base, clock, random: (length) => options.random(length) }
  const all = lanesOf(lanes)
  const served = new WeakSet<Reader>()
  return {
    async add(reader, effects) {
      // A second call would not see what the first has added, and give both the same place in their lane.
      if (served.has(reader))
        throw new TypeError('add: called twice in one update, give it all effects at once')
      served.add(reader)
      return add(lanes, reader, effects)
    },
    run: ({ signal } = {}) => run(lanes, options, signal),
    list: async () => readEffects(lanes, (await store.list(all)).entries).map(queued),
    retry: () =>
      update(store, [], async (_, reader) => {
        const fresh = { parked: false, attempts: 0, dueAt: now(lanes) }
        const effects = readEffects(lanes, await reader.list(all)).filter((e) => !e.malformed)
        return { put: effects.map((e) => putEffect(lanes, { ...e, ...fresh })), result: undefined }
      }),
    discard: (effects) =>
      update(store, [], () => ({
        delete: [...new Set(effects.map((e) => (e.kind === '' ? all + e.key : effectKey(lanes, e))))],
        result: undefined,
      })),
  }
}

async function add(lanes: Lanes, reader: Reader, effects: readonly Effect[]): Promise<readonly Put[]> {
  const time = now(lanes)
  const added = new Map<string, Put>()
  // How many bytes each record of a lane has.
  const sizes = new Map<string, Map<string, number>>()
  let last = 0
  for (const effect of effects) {
    const key = effectKey(lanes, effect)
    checkBatch({ put: [[key, effect.payload]] })
    if (effect.payload.length > MAX_EFFECT_BYTES)
      throw new RangeError(`payload: expected at most ${MAX_EFFECT_BYTES} bytes`)
    let lane = sizes.get(effect.lane)
    if (!lane) {
      const entries = await reader.list(lanePrefix(lanes, effect.lane))
      last = Math.max(last, readEffects(lanes, entries).at(-1)?.order ?? 0)
      lane = new Map(entries.map(([name, bytes]) => [name, bytes.length]))
      sizes.set(effect.lane, lane)
    }
    const state = { parked: false, malformed: false, attempts: 0, queuedAt: time, dueAt: time }
    const put = putEffect(lanes, { ...effect, ...state, id: newId(lanes), order: ++last })
    lane.set(key, put[1].length)
    added.set(key, put)
  }
  for (const lane of sizes.values())
    if (lane.size > MAX_LANE_EFFECTS || [...lane.values()].reduce((sum, n) => sum + n, 0) > MAX_LANE_BYTES)
      throw new StoreError('lane-full', `${MAX_LANE_EFFECTS} effects or ${MAX_LANE_BYTES} bytes wait`)
  return [...added.values()]
}

async function run(
  lanes: Lanes,
  options: EffectQueueOptions,
  signal: Signal | undefined,
): Promise<EffectRun> {
  const owner = newId(lanes)
  const [done, failed]: [QueuedEffect[], { effect: QueuedEffect; error: unknown }[]] = [[], []]
  const work = async (lane: string): Promise<void> => {
    let ahead: readonly EffectRecord[] = []
    while (!signal?.aborted) {
      const begun = await begin(lanes, lane, owner, ahead)
      if (!begun) return
      const outcome = await attempt(options, begun.effect, signal)
      const ended = queued(await settle(lanes, begun.effect, owner, outcome))
      if (outcome.kind === 'done') done.push(ended)
      else if (outcome.kind !== 'aborted') failed.push({ effect: ended, error: outcome.error })
      if (outcome.kind === 'late') return
      ahead = outcome.kind === 'done' ? begun.rest : []
    }
  }
  if (signal?.aborted) throw signal.reason
  const start = now(lanes)
  const found = await plan(lanes, start)
  for (const effect of found.malformed) {
    const error = new StoreError('record-malformed', 'effects: a record has another format')
    failed.push({ effect: queued(effect), error })
  }
  const due = found.lanes.filter(([, at]) => at <= start)
  await inParallel(due, ([lane]) => work(lane))
  if (signal?.aborted) throw signal.reason
  const times = (await plan(lanes, now(lanes))).lanes.map(([, at]) => at)
  const next = times.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY)
  return Number.isFinite(next) ? { done, failed, nextDue: new Date(next) } : { done, failed }
}

const never: Signal = { aborted: false, addEventListener() {}, removeEventListener() {} }

async function attempt(
  options: EffectQueueOptions,
  effect: EffectRecord,
  signal: Signal | undefined,
): Promise<Outcome> {
  let cancel = (): void => {}
  const late = new Promise<Outcome>((resolve) => {
    const error = new StoreError('effect-timed-out', `${effect.kind}: not done in ${EFFECT_MS} ms`)
    cancel = options.clock.after(EFFECT_MS, () => resolve({ kind: 'late', error }))
  })
  // Within a promise, so that a handler that throws at once is one that rejects.
  const work = Promise.resolve()
    .then(() => options.handle(queued(effect), { signal: signal ?? never, timeoutMs: REQUEST_MS }))
    .then<Outcome, Outcome>(
      () => ({ kind: 'done' }),
      (error: unknown) => ({ kind: signal?.aborted ? 'aborted' : 'failed', error }),
    )
  const outcome = await Promise.race([work, late])
  cancel()
  return outcome
}

/** Does `work` on a few at a time, on all even if some fail, and then rejects with the first failure. */
async function inParallel<T>(tasks: readonly T[], work: (task: T) => Promise<void>): Promise<void> {
  const rest = tasks.values()
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    for (const task of rest) await work(task).catch((error: unknown) => failures.push(error))
  }
  await Promise.all(Array.from({ length: LANES_AT_ONCE }, worker))
  if (failures.length > 0) throw failures[0]
}
