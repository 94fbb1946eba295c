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
  lanesOf,
  newId,
  now,
  type Outcome,
  plan,
  putEffect,
  readEffects,
  readLane,
  settle,
} from './effect-lane.ts'
import { StoreError } from './error.ts'
import { escapeName } from './scoped.ts'
import { checkBatch, checkKey, type Put, type Store } from './store.ts'
import { type Reader, type Signal, update } from './update.ts'

/** A quarter of the largest value; the largest effect of the family publishes an OpenPGP key of some 100 KiB. */
export const MAX_EFFECT_BYTES = 262_144

/** A lane is read as a whole; at 1 KiB an effect that is 1 MiB. Contacts have some ten devices, not a thousand. */
export const MAX_LANE_EFFECTS = 1024

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
   * has done already, so doing it twice must do no harm. It must stop when `signal` aborts or `timeoutMs` is
   * over: at `timeoutMs` it counts as failed, at twice that another tab may begin.
   */
  handle(effect: QueuedEffect, options: HandleOptions): Promise<void>
}

/** What a handler has to heed; `request` of a `Connection` takes it as it is. */
export interface HandleOptions {
  readonly signal?: Signal
  readonly timeoutMs: number
}

/** What a run did. */
export interface EffectRun {
  readonly done: readonly QueuedEffect[]
  /** As they are now, perhaps parked; with what the handler rejected, or a `StoreError` `effect-timed-out`. */
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
   * @throws {TypeError | RangeError} on a bad name or payload
   */
  add(reader: Reader, effects: readonly Effect[]): Promise<readonly Put[]>
  /**
   * Does what is due, lane by lane. Safe to call at any time in any number of tabs: a lane is worked on by one
   * of them. Rejects with the signal's reason when aborted, after the handlers at work have settled; nothing
   * aborted counts as failed. Rejects when the store does, and leaves everything to the next run.
   */
  run(options?: { readonly signal?: Signal | undefined }): Promise<EffectRun>
  /** All that waits or is parked, lane by lane in order. */
  list(): Promise<readonly QueuedEffect[]>
  /** Makes everything due now and forgets its failures, parked effects included: the connection is back. */
  retry(): Promise<void>
  /** Removes effects that wait or are parked. One that is being handled may still be done. */
  discard(effects: readonly EffectName[]): Promise<void>
}

/** @throws {TypeError | RangeError} when `name` cannot be part of a key */
export function effectQueue(options: EffectQueueOptions): EffectQueue {
  const { store, name = 'effects', clock } = options
  checkKey(name)
  const base = `${escapeName(name)}/`
  const lanes: Lanes = { store, base, clock, random: (length) => options.random(length) }
  const all = lanesOf(lanes)
  return {
    add: (reader, effects) => add(lanes, reader, effects),
    run: ({ signal } = {}) => run(lanes, options, signal),
    list: async () => readEffects(lanes, (await store.list(all)).entries).map(queued),
    retry: () =>
      update(store, [], async (_, reader) => {
        const fresh = { parked: false, attempts: 0, dueAt: now(lanes) }
        const effects = readEffects(lanes, await reader.list(all))
        return { put: effects.map((e) => putEffect(lanes, { ...e, ...fresh })), result: undefined }
      }),
    discard: (effects) =>
      update(store, [], () => ({
        delete: [...new Set(effects.map((e) => effectKey(lanes, e)))],
        result: undefined,
      })),
  }
}

async function add(lanes: Lanes, reader: Reader, effects: readonly Effect[]): Promise<readonly Put[]> {
  const time = now(lanes)
  const added = new Map<string, EffectRecord>()
  const names = new Map<string, Set<string>>()
  let last = 0
  for (const effect of effects) {
    const key = effectKey(lanes, effect)
    checkBatch({ put: [[key, effect.payload]] })
    if (effect.payload.length > MAX_EFFECT_BYTES)
      throw new RangeError(`payload: expected at most ${MAX_EFFECT_BYTES} bytes`)
    let lane = names.get(effect.lane)
    if (!lane) {
      const waiting = await readLane(lanes, reader, effect.lane)
      last = Math.max(last, waiting.at(-1)?.order ?? 0)
      lane = new Set(waiting.map((e) => effectKey(lanes, e)))
      names.set(effect.lane, lane)
    }
    if (lane.add(key).size > MAX_LANE_EFFECTS)
      throw new StoreError('lane-full', `${MAX_LANE_EFFECTS} effects wait`)
    const times = { queuedAt: time, dueAt: time }
    added.set(key, { ...effect, parked: false, attempts: 0, id: newId(lanes), order: ++last, ...times })
  }
  return [...added.values()].map((e) => putEffect(lanes, e))
}

async function run(
  lanes: Lanes,
  options: EffectQueueOptions,
  signal: Signal | undefined,
): Promise<EffectRun> {
  const owner = newId(lanes)
  const [done, failed]: [QueuedEffect[], { effect: QueuedEffect; error: unknown }[]] = [[], []]
  const work = async (lane: string): Promise<void> => {
    while (!signal?.aborted) {
      const effect = await begin(lanes, lane, owner)
      if (!effect) return
      const outcome = await attempt(options, effect, signal)
      const ended = queued(await settle(lanes, effect, owner, outcome))
      if (outcome.kind === 'done') done.push(ended)
      else if (outcome.kind !== 'aborted') failed.push({ effect: ended, error: outcome.error })
      if (outcome.kind === 'late') return
    }
  }
  if (signal?.aborted) throw signal.reason
  const start = now(lanes)
  const due = (await plan(lanes, start)).filter(([, at]) => at <= start)
  await inParallel(due, ([lane]) => work(lane))
  if (signal?.aborted) throw signal.reason
  const times = (await plan(lanes, now(lanes))).map(([, at]) => at)
  const next = times.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY)
  return Number.isFinite(next) ? { done, failed, nextDue: new Date(next) } : { done, failed }
}

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
    .then(() => options.handle(queued(effect), { ...(signal && { signal }), timeoutMs: EFFECT_MS }))
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
