/**
 * A durable queue of effects: what has to happen because of a state, stored in the same commit as that state
 * and done later, at least once, whatever crashes or fails in between.
 *
 *     waiting ──begin──► (leased) ──done──► gone
 *        ▲                  │ failed: due later, in order
 *        ├──────────────────┤
 *        │ retry            │ failed, and too often or too old
 *        └──── parked ◄─────┘
 *
 * Beginning an effect is a commit of its own: it counts the attempt, sets the time of the next one and leases
 * the lane. So a handler that takes the process down with it is backed off like one that fails.
 */

import {
  decodeEffect,
  decodeLease,
  type Effect,
  type EffectName,
  effectPath,
  encodeEffect,
  encodeLease,
  type Lease,
  type QueuedEffect,
  queued,
  type Stored,
} from './effect.ts'
import { StoreError } from './error.ts'
import { escapeName } from './scoped.ts'
import { type Bytes, checkBatch, checkKey, type Put, type Store } from './store.ts'
import { type Reader, type Signal, update } from './update.ts'

/** A quarter of the largest value; the largest effect of the family publishes an OpenPGP key of some 100 KiB. */
export const MAX_EFFECT_BYTES = 262_144

/** A lane is read as a whole; at 1 KiB an effect that is 1 MiB. Contacts have some ten devices, not a thousand. */
export const MAX_LANE_EFFECTS = 1024

/** How long a handler may take: two requests of XMPP at the customary 30 s each. */
export const EFFECT_MS = 60_000

/** How long a lane is leased: a handler's time, and as much for commits and clocks that differ. */
export const LEASE_MS = 2 * EFFECT_MS

/** The wait after the first failure; it doubles with each further one. */
export const BACKOFF_MIN_MS = 1000

/** The longest wait, an hour, reached after 12 doublings (4095 s in all). */
export const BACKOFF_MAX_MS = 3_600_000

/** Attempts until an effect is parked: 12 doublings and 188 hours are 8 days without jitter, 4 with the least. */
export const EFFECT_ATTEMPTS = 200

/** An effect that fails when it is older than this, 14 days, is parked; it has been tried at least once. */
export const EFFECT_AGE_MS = 14 * 24 * BACKOFF_MAX_MS

/** Lanes worked on at once, so that one slow peer holds up few others. */
export const LANES_AT_ONCE = 8

/** Time, as the application sees it. */
export interface Clock {
  /** Milliseconds since 1970, as `Date.now`. */
  now(): number
  /** Calls `f` once after so many milliseconds, unless the function returned is called before. */
  after(ms: number, f: () => void): () => void
}

export interface EffectQueueOptions {
  /** The store, or the scope of it, in which the states are that cause effects. */
  readonly store: Store
  /** Keys of the queue start with this name and a slash. `effects` unless told. */
  readonly name?: string
  readonly clock: Clock
  /** So many random bytes, from a secure source. */
  readonly random: (bytes: number) => Uint8Array
  /**
   * Does it, and resolves when it is done; a rejection means: again later. It may be called again for what it
   * has done already, so doing it twice must do no harm. It must stop when `signal` aborts or `timeoutMs` is
   * over: at `timeoutMs` it counts as failed, at twice that another tab may begin.
   */
  readonly handle: (
    effect: QueuedEffect,
    options: { readonly signal: Signal | undefined; readonly timeoutMs: number },
  ) => Promise<void>
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

type Random = EffectQueueOptions['random']

/** How a handler ended; `late` is one that has not. */
type Outcome = { readonly kind: 'done' | 'failed' | 'late' | 'aborted'; readonly error?: unknown }

/** @throws {TypeError | RangeError} when `name` cannot be part of a key */
export function effectQueue(options: EffectQueueOptions): EffectQueue {
  const { store, name = 'effects', clock, random, handle } = options
  checkKey(name)
  const base = `${escapeName(name)}/`
  const lanes = `${base}lane/`
  const leases = `${base}lease/`
  const keyOf = (effect: EffectName): string => lanes + effectPath(effect)
  const leaseOf = (lane: string): string => leases + escapeName(lane)
  const put = (effect: Stored): Put => [keyOf(effect), encodeEffect(effect)]
  const decode = (entries: readonly (readonly [string, Bytes])[]): Stored[] =>
    entries
      .filter(([key]) => key.startsWith(lanes))
      .map(([key, value]) => decodeEffect(key.slice(lanes.length), value))
      .sort((a, b) => (a.lane < b.lane ? -1 : a.lane > b.lane ? 1 : a.order - b.order))

  const now = (): number => {
    const time = clock.now()
    if (!Number.isFinite(time)) throw new TypeError('clock: expected a finite number')
    return time
  }
  /** All that is queued in one lane, in order. */
  const read = async (reader: Reader, lane: string): Promise<Stored[]> =>
    decode(await reader.list(`${lanes}${escapeName(lane)}/`))
  const number = (): bigint => view(random, 8).getBigUint64(0)

  const add: EffectQueue['add'] = async (reader, effects) => {
    const time = now()
    const added = new Map<string, Stored>()
    const names = new Map<string, Set<string>>()
    let last = 0
    for (const effect of effects) {
      const key = keyOf(effect)
      checkBatch({ put: [[key, effect.payload]] })
      if (effect.payload.length > MAX_EFFECT_BYTES)
        throw new RangeError(`payload: expected at most ${MAX_EFFECT_BYTES} bytes`)
      let lane = names.get(effect.lane)
      if (!lane) {
        const waiting = await read(reader, effect.lane)
        last = Math.max(last, waiting.at(-1)?.order ?? 0)
        lane = new Set(waiting.map(keyOf))
        names.set(effect.lane, lane)
      }
      if (lane.add(key).size > MAX_LANE_EFFECTS)
        throw new StoreError('lane-full', `${MAX_LANE_EFFECTS} effects wait`)
      const times = { queuedAt: time, dueAt: time }
      added.set(key, { ...effect, parked: false, attempts: 0, id: number(), order: ++last, ...times })
    }
    return [...added.values()].map(put)
  }

  /** Leases the lane and counts an attempt of its first effect; `undefined` when there is nothing to do now. */
  const begin = (lane: string, owner: bigint): Promise<Stored | undefined> =>
    update<Stored | undefined>(store, [leaseOf(lane)], async ([bytes], reader) => {
      const time = now()
      const lease = bytes && decodeLease(lane, bytes)
      const first = (await read(reader, lane)).find((e) => !e.parked)
      // A lease of one's own is the work of a commit that failed without saying that it had written.
      if (lease && isLive(lease, time)) return { result: lease.owner === owner ? first : undefined }
      if (!first || isLater(first.dueAt, time, BACKOFF_MAX_MS)) return { result: undefined }
      const begun = { ...first, attempts: first.attempts + 1, dueAt: time + backoff(first.attempts, random) }
      const leased = encodeLease({ until: time + LEASE_MS, owner })
      // Parked in advance, in case the last attempt takes the process down with it.
      const stored = put({ ...begun, parked: isSpent(begun, time) })
      return { put: [[leaseOf(lane), leased], stored], result: begun }
    })

  /** Writes how it ended, and returns what has become of it. */
  const settle = (effect: Stored, owner: bigint, outcome: Outcome): Promise<Stored> =>
    update(store, [leaseOf(effect.lane), keyOf(effect)], ([leased, stored]) => {
      // Without its lease a lane is another run's, which may have begun this effect again.
      if (!leased || decodeLease(effect.lane, leased).owner !== owner) return { result: effect }
      const current = stored && decodeEffect(effectPath(effect), stored)
      // A handler that has not come back may still be at work: the lane stays leased, until that runs out.
      const gone = outcome.kind === 'late' ? [] : [leaseOf(effect.lane)]
      // Another of the same name has been added meanwhile: this one is withdrawn, however it ended.
      if (current?.id !== effect.id) return { delete: gone, result: effect }
      if (outcome.kind === 'done') return { delete: [...gone, keyOf(effect)], result: effect }
      const kept = after(current, outcome, now(), random)
      return { put: [put(kept)], delete: gone, result: kept }
    })

  const attempt = async (effect: Stored, signal: Signal | undefined): Promise<Outcome> => {
    let cancel = (): void => {}
    const late = new Promise<Outcome>((resolve) => {
      const error = new StoreError('effect-timed-out', `${effect.kind}: not done in ${EFFECT_MS} ms`)
      cancel = clock.after(EFFECT_MS, () => resolve({ kind: 'late', error }))
    })
    // Within a promise, so that a handler that throws at once is one that rejects.
    const work = Promise.resolve()
      .then(() => handle(queued(effect), { signal, timeoutMs: EFFECT_MS }))
      .then<Outcome, Outcome>(
        () => ({ kind: 'done' }),
        (error: unknown) => ({ kind: signal?.aborted ? 'aborted' : 'failed', error }),
      )
    const outcome = await Promise.race([work, late])
    cancel()
    return outcome
  }

  const run: EffectQueue['run'] = async ({ signal } = {}) => {
    const owner = number()
    const [done, failed]: [QueuedEffect[], { effect: QueuedEffect; error: unknown }[]] = [[], []]
    const work = async (lane: string): Promise<void> => {
      while (!signal?.aborted) {
        const effect = await begin(lane, owner)
        if (!effect) return
        const outcome = await attempt(effect, signal)
        const ended = queued(await settle(effect, owner, outcome))
        if (outcome.kind === 'done') done.push(ended)
        else if (outcome.kind !== 'aborted') failed.push({ effect: ended, error: outcome.error })
        if (outcome.kind === 'late') return
      }
    }
    if (signal?.aborted) throw signal.reason
    const start = now()
    const due = (await plan(start)).filter(([, at]) => at <= start)
    await inParallel(due, ([lane]) => work(lane))
    if (signal?.aborted) throw signal.reason
    const next = (await plan(now())).reduce((least, [, at]) => Math.min(least, at), Number.POSITIVE_INFINITY)
    return Number.isFinite(next) ? { done, failed, nextDue: new Date(next) } : { done, failed }
  }

  /** When each lane in which something waits can be worked on next. */
  const plan = async (time: number): Promise<(readonly [lane: string, at: number])[]> => {
    const { entries } = await store.list(base)
    const plans = new Map<string, number>()
    for (const { lane, parked, dueAt } of decode(entries))
      if (!parked && !plans.has(lane)) plans.set(lane, isLater(dueAt, time, BACKOFF_MAX_MS) ? dueAt : time)
    const leased = new Map(entries)
    return [...plans].map(([lane, at]) => {
      const bytes = leased.get(leaseOf(lane))
      const lease = bytes && decodeLease(lane, bytes)
      return [lane, lease && isLive(lease, time) ? Math.max(at, lease.until) : at]
    })
  }

  return {
    add,
    run,
    list: async () => decode((await store.list(lanes)).entries).map(queued),
    retry: () =>
      update(store, [], async (_, reader) => {
        const fresh = { parked: false, attempts: 0, dueAt: now() }
        return {
          put: decode(await reader.list(lanes)).map((e) => put({ ...e, ...fresh })),
          result: undefined,
        }
      }),
    discard: (effects) =>
      update(store, [], () => ({ delete: [...new Set(effects.map(keyOf))], result: undefined })),
  }
}

/** Later than now; but not if a wrong clock has put it further away than twice the longest wait. */
function isLater(at: number, now: number, longest: number): boolean {
  return at > now && at - now <= 2 * longest
}

function isLive(lease: Lease, now: number): boolean {
  return isLater(lease.until, now, LEASE_MS)
}

/** Half to the whole of the doubled wait, so that tabs and peers that failed together do not return together. */
function backoff(failures: number, random: Random): number {
  const whole = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** failures)
  return Math.ceil((whole / 2) * (1 + view(random, 4).getUint32(0) / 2 ** 32))
}

/** What becomes of an effect that is not done. An abort leaves it as if it had never been begun. */
function after(effect: Stored, { kind }: Outcome, now: number, random: Random): Stored {
  const before = Math.max(0, effect.attempts - 1)
  if (kind === 'aborted') return { ...effect, parked: false, attempts: before, dueAt: now }
  return { ...effect, parked: isSpent(effect, now), dueAt: now + backoff(before, random) }
}

function isSpent({ attempts, queuedAt }: Stored, now: number): boolean {
  return attempts >= EFFECT_ATTEMPTS || now - queuedAt > EFFECT_AGE_MS
}

function view(random: Random, length: number): DataView {
  const bytes = random(length)
  if (bytes.length !== length) throw new TypeError(`random: expected ${length} bytes`)
  return new DataView(bytes.buffer, bytes.byteOffset, length)
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
