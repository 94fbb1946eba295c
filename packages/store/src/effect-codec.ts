/**
 * Effects and lanes at rest. Names are in the key, the rest is in the value, big-endian:
 *
 *     <queue>/lane/<lane>/<kind>/<key>                     <queue>/lease/<lane>
 *     0   1  version, 1                                    0  1  version, 1
 *     1   1  0 waiting, 1 parked                           1  8  until, ms since 1970, double
 *     2   4  attempts begun, unsigned                      9  8  owner, of one run
 *     6   8  id, of one time it was added
 *     14  8  order within the lane, an integer as double
 *     22  8  queued at, ms since 1970, double
 *     30  8  due at, ms since 1970, double
 *     38  …  payload
 */

import { escapeName, unescapeName } from './scoped.ts'
import type { Bytes } from './store.ts'

/** What an effect is called: adding another of the same name withdraws the one that waits. */
export interface EffectName {
  /** Effects of one lane run one after the other, in the order they were added. Not empty. */
  readonly lane: string
  /** What is to be done; says how to read `payload`. Not empty. */
  readonly kind: string
  /** To whom or what it is done; tells effects of one kind apart. May be empty. */
  readonly key: string
}

/** Something to be done once the state that caused it is stored; plain data. */
export interface Effect extends EffectName {
  /** At most `MAX_EFFECT_BYTES`. */
  readonly payload: Uint8Array
}

/** An effect as it waits. */
export interface QueuedEffect extends EffectName {
  readonly payload: Bytes
  readonly queuedAt: Date
  /** When it is tried next, if it is the first of its lane. */
  readonly dueAt: Date
  /** How often it has been begun. */
  readonly attempts: number
  /** Given up: it is kept, but not run and not waited for, until `retry` or `discard`. */
  readonly parked: boolean
  /**
   * What is stored under this name cannot be read; a later version may have written it. It is parked and stays
   * as it is, `retry` included, until it is discarded or an effect of the same name is added. Its payload is empty,
   * its times are 1970; if it has not even a name of an effect, `kind` is empty and `key` is where it is.
   */
  readonly malformed: boolean
}

/** @internal An effect as stored; times in milliseconds since 1970. */
export interface EffectRecord extends EffectName {
  readonly payload: Uint8Array
  readonly parked: boolean
  /** Not to be encoded. */
  readonly malformed: boolean
  readonly attempts: number
  readonly id: bigint
  readonly order: number
  readonly queuedAt: number
  readonly dueAt: number
}

/** @internal The right of one run to work on a lane. */
export interface Lease {
  readonly until: number
  readonly owner: bigint
}

const VERSION = 1
const HEADER = 38
const LEASE = 17

/** @internal */
export function encodeEffect(effect: EffectRecord): Bytes {
  const bytes = new Uint8Array(HEADER + effect.payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, VERSION)
  view.setUint8(1, effect.parked ? 1 : 0)
  view.setUint32(2, effect.attempts)
  view.setBigUint64(6, effect.id)
  view.setFloat64(14, effect.order)
  view.setFloat64(22, effect.queuedAt)
  view.setFloat64(30, effect.dueAt)
  bytes.set(effect.payload, HEADER)
  return bytes
}

/** @internal `path` is the key after `<queue>/lane/`. What cannot be read is a parked effect: it may stop no other. */
export function decodeEffect(path: string, bytes: Uint8Array): EffectRecord {
  const [lane = '', kind = '', key = ''] = path.split('/').map(unescapeName)
  const isName = lane !== '' && kind !== '' && effectPath({ lane, kind, key }) === path
  const name = isName ? { lane, kind, key } : { lane, kind: '', key: path }
  const none = { id: 0n, order: 0, queuedAt: 0, dueAt: 0, payload: new Uint8Array(0) }
  const unreadable = { ...name, ...none, parked: true, malformed: true, attempts: 0 }
  const view = open(bytes, HEADER)
  if (!view || !isName || view.getUint8(1) > 1) return unreadable
  const [order, queuedAt, dueAt] = [view.getFloat64(14), view.getFloat64(22), view.getFloat64(30)]
  if (![order, queuedAt, dueAt].every(Number.isFinite)) return unreadable
  const [parked, attempts, id] = [view.getUint8(1) === 1, view.getUint32(2), view.getBigUint64(6)]
  const payload = bytes.slice(HEADER)
  return { ...name, payload, parked, malformed: false, attempts, id, order, queuedAt, dueAt }
}

/** @internal */
export function encodeLease(lease: Lease): Bytes {
  const bytes = new Uint8Array(LEASE)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, VERSION)
  view.setFloat64(1, lease.until)
  view.setBigUint64(9, lease.owner)
  return bytes
}

/** @internal What cannot be read is no lease: at worst an effect is done twice, which handlers must bear anyway. */
export function decodeLease(bytes: Uint8Array | undefined): Lease | undefined {
  const view = bytes && open(bytes, LEASE)
  const until = view?.getFloat64(1)
  return view && Number.isFinite(until)
    ? { until: view.getFloat64(1), owner: view.getBigUint64(9) }
    : undefined
}

/** @internal The key after `<queue>/lane/`. @throws {RangeError} when lane or kind is empty */
export function effectPath({ lane, kind, key }: EffectName): string {
  if (lane === '' || kind === '') throw new RangeError('effect: empty lane or kind')
  return [lane, kind, key].map(escapeName).join('/')
}

/** @internal */
export function queued(effect: EffectRecord): QueuedEffect {
  const { lane, kind, key, attempts, parked, malformed } = effect
  const [queuedAt, dueAt] = [new Date(effect.queuedAt), new Date(effect.dueAt)]
  const payload = new Uint8Array(effect.payload)
  return { lane, kind, key, payload, queuedAt, dueAt, attempts, parked, malformed }
}

function open(bytes: Uint8Array, least: number): DataView | undefined {
  if (bytes.length < least || bytes[0] !== VERSION) return undefined
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
