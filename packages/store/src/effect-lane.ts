/**
 * One lane of the queue: which effect is next, who works on it, and what becomes of it.
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
  type EffectName,
  type EffectRecord,
  effectPath,
  encodeEffect,
  encodeLease,
  type Lease,
} from './effect-codec.ts'
import { draw } from './random.ts'
import { escapeName } from './scoped.ts'
import type { Bytes, Put, Store } from './store.ts'
import { update } from './update.ts'

/** How long each request of a handler may take: the minute that `REQUEST_TIMEOUT_MS` of the package `xml` is, too. */
export const REQUEST_MS = 60_000

/**
 * How long a handler may take: two requests, each to its timeout, and half a minute for what lies between. So it is
 * the handler that reports a request without a reply, and its lane is free at once.
 */
export const EFFECT_MS = 2 * REQUEST_MS + 30_000

/** How long a lane is leased: a handler's time, and a minute for commits and for clocks that differ. */
export const LEASE_MS = EFFECT_MS + 60_000

/** The wait after the first failure; it doubles with each further one. */
export const BACKOFF_MIN_MS = 1000

/** The longest wait, an hour. The 13th is the first of them, after 12 that double from 1 to 2048 s, 4095 s in all. */
export const BACKOFF_MAX_MS = 3_600_000

/**
 * Attempts until an effect is parked. The 199 waits between them are 12 that double and 187 of an hour: 188 hours or
 * 7.8 days, less the jitter, which takes half of that at most.
 */
export const EFFECT_ATTEMPTS = 200

/** An effect that fails when it is older than this, 14 days, is parked; it has been tried at least once. */
export const EFFECT_AGE_MS = 14 * 86_400_000

/** Time, as the application sees it. */
export interface Clock {
  /** Milliseconds since 1970, as `Date.now`. */
  now(): number
  /** Calls `f` once after so many milliseconds, unless the function returned is called before. */
  after(ms: number, f: () => void): () => void
}

/** @internal Where the lanes of one queue are, and what is injected. */
export interface Lanes {
  readonly store: Store
  /** What every key of the queue starts with. */
  readonly base: string
  readonly clock: Pick<Clock, 'now'>
  random(length: number): Uint8Array
}

/** @internal How a handler ended; `late` is one that has not. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed' | 'late' | 'aborted'; readonly error: unknown }

/** @internal The prefix of all effects of a queue. */
export const lanesOf = ({ base }: Pick<Lanes, 'base'>): string => `${base}lane/`

const leaseKey = ({ base }: Lanes, lane: string): string => `${base}lease/${escapeName(lane)}`

/** @internal @throws {RangeError} when lane or kind is empty */
export function effectKey(lanes: Lanes, name: EffectName): string {
  return lanesOf(lanes) + effectPath(name)
}

/** @internal */
export function putEffect(lanes: Lanes, effect: EffectRecord): Put {
  return [effectKey(lanes, effect), encodeEffect(effect)]
}

/** @internal What a listing of the queue or a part of it has of effects, lane by lane in order. */
export function readEffects(lanes: Lanes, entries: readonly (readonly [string, Bytes])[]): EffectRecord[] {
  const prefix = lanesOf(lanes)
  return entries
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => decodeEffect(key.slice(prefix.length), value))
    .sort((a, b) => (a.lane < b.lane ? -1 : a.lane > b.lane ? 1 : a.order - b.order))
}

/** @internal The prefix of all effects of a lane. */
export function lanePrefix(lanes: Lanes, lane: string): string {
  return `${lanesOf(lanes)}${escapeName(lane)}/`
}

/** @internal An effect that has been begun, and what waits behind it. */
export interface Begun {
  readonly effect: EffectRecord
  readonly rest: readonly EffectRecord[]
}

/**
 * @internal Leases the lane and counts an attempt of its first effect; `undefined` when there is nothing to do now.
 *
 * `ahead` is what was seen to wait behind an effect that is done now. If its first is still what it was, it is the
 * first of the lane, because adding goes to the end; so the lane, which may be large, is not read again. Only an
 * effect that `retry` has brought back meanwhile comes after the rest.
 */
export function begin(
  lanes: Lanes,
  lane: string,
  owner: bigint,
  ahead: readonly EffectRecord[],
): Promise<Begun | undefined> {
  const leased = leaseKey(lanes, lane)
  const keys = [leased, ...ahead.slice(0, 1).map((e) => effectKey(lanes, e))]
  let begun: Begun | undefined
  return update<Begun | undefined>(lanes.store, keys, async ([bytes, bytesAhead], reader) => {
    const time = now(lanes)
    const lease = decodeLease(bytes)
    // A lease of one's own is the work of a commit that failed without saying that it had written.
    if (lease && isLive(lease, time)) return { result: lease.owner === owner ? begun : undefined }
    const next = bytesAhead && decodeEffect(effectPath(ahead[0]!), bytesAhead)
    const waiting =
      next && next.id === ahead[0]?.id && !next.parked
        ? [next, ...ahead.slice(1)]
        : readEffects(lanes, await reader.list(lanePrefix(lanes, lane))).filter((e) => !e.parked)
    const [first, ...rest] = waiting
    if (!first || isLater(first.dueAt, time, BACKOFF_MAX_MS)) return { result: undefined }
    const effect = { ...first, attempts: first.attempts + 1, dueAt: time + backoff(first.attempts, lanes) }
    begun = { effect, rest }
    // Parked in advance, in case the last attempt takes the process down with it.
    const stored = putEffect(lanes, { ...effect, parked: isSpent(effect, time) })
    return { put: [[leased, encodeLease({ until: time + LEASE_MS, owner })], stored], result: begun }
  })
}

/** @internal Writes how it ended, and returns what has become of it. */
export function settle(
  lanes: Lanes,
  effect: EffectRecord,
  owner: bigint,
  outcome: Outcome,
): Promise<EffectRecord> {
  const keys = [leaseKey(lanes, effect.lane), effectKey(lanes, effect)] as const
  return update(lanes.store, keys, ([leased, stored]) => {
    // Without its lease a lane is another run's, which may have begun this effect again.
    if (decodeLease(leased)?.owner !== owner) return { result: effect }
    const current = stored && decodeEffect(effectPath(effect), stored)
    // A handler that has not come back may still be at work: the lane stays leased, until that runs out.
    const gone = outcome.kind === 'late' ? [] : [keys[0]]
    // Another of the same name has been added meanwhile: this one is withdrawn, however it ended.
    if (current?.id !== effect.id) return { delete: gone, result: effect }
    if (outcome.kind === 'done') return { delete: [...gone, keys[1]], result: effect }
    const kept = after(lanes, current, outcome)
    return { put: [putEffect(lanes, kept)], delete: gone, result: kept }
  })
}

/** @internal What the whole queue looks like at some time. */
export interface Plan {
  /** When each lane in which something waits can be worked on next. */
  readonly lanes: readonly (readonly [lane: string, at: number])[]
  readonly malformed: readonly EffectRecord[]
}

/** @internal */
export async function plan(lanes: Lanes, time: number): Promise<Plan> {
  const { entries } = await lanes.store.list(lanes.base)
  const effects = readEffects(lanes, entries)
  const plans = new Map<string, number>()
  for (const { lane, parked, dueAt } of effects)
    if (!parked && !plans.has(lane)) plans.set(lane, isLater(dueAt, time, BACKOFF_MAX_MS) ? dueAt : time)
  const values = new Map(entries)
  const planned = [...plans].map(([lane, at]) => {
    const lease = decodeLease(values.get(leaseKey(lanes, lane)))
    return [lane, lease && isLive(lease, time) ? Math.max(at, lease.until) : at] as const
  })
  return { lanes: planned, malformed: effects.filter((e) => e.malformed) }
}

/** @internal @throws {TypeError} when the clock gives no number */
export function now({ clock }: Pick<Lanes, 'clock'>): number {
  const time = clock.now()
  if (!Number.isFinite(time)) throw new TypeError('clock: expected a finite number')
  return time
}

/** @internal An id that no two runs or effects share. @throws {TypeError} when `random` gives too few bytes */
export function newId(lanes: Lanes): bigint {
  return drawView(lanes, 8).getBigUint64(0)
}

function drawView(lanes: Lanes, length: number): DataView {
  const { buffer, byteOffset } = draw(lanes, length)
  return new DataView(buffer, byteOffset, length)
}

/** Later than now; but not if a wrong clock has put it further away than twice the longest wait. */
function isLater(at: number, now: number, longest: number): boolean {
  return at > now && at - now <= 2 * longest
}

function isLive(lease: Lease, now: number): boolean {
  return isLater(lease.until, now, LEASE_MS)
}

/** Half to the whole of the doubled wait, so that tabs and peers that failed together do not return together. */
function backoff(failures: number, lanes: Lanes): number {
  const whole = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** failures)
  return Math.ceil((whole / 2) * (1 + drawView(lanes, 4).getUint32(0) / 2 ** 32))
}

/** What becomes of an effect that is not done. An abort leaves it as if it had never been begun. */
function after(lanes: Lanes, effect: EffectRecord, { kind }: Outcome): EffectRecord {
  const [time, before] = [now(lanes), Math.max(0, effect.attempts - 1)]
  if (kind === 'aborted') return { ...effect, parked: false, attempts: before, dueAt: time }
  return { ...effect, parked: isSpent(effect, time), dueAt: time + backoff(before, lanes) }
}

function isSpent({ attempts, queuedAt }: EffectRecord, now: number): boolean {
  return attempts >= EFFECT_ATTEMPTS || now - queuedAt > EFFECT_AGE_MS
}
