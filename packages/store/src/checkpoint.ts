/**
 * Notices that a store is emptied, or older than it was: evicted, restored from a copy, cloned.
 *
 * No store can know that by itself, because an old copy is as consistent as it ever was. So the store counts its
 * checkpoints, and the application keeps the last count, a *receipt*, where it does not share the store's fate.
 *
 *     0   1   version, 1
 *     1   16  id, drawn when the store was made
 *     17  8   checkpoints so far, an integer as double
 */

import { StoreError } from './error.ts'
import { drawId, hex } from './random.ts'
import type { Bytes, Store } from './store.ts'
import { update } from './update.ts'

/** What is injected, and what the application has kept. */
export interface CheckpointOptions {
  /**
   * The last receipt that was kept; `undefined` if this store never gave one. After `evicted` that is also how to start
   * anew, with new keys, which is for the user to decide. A store that was rolled back has to be emptied before.
   */
  readonly receipt: string | undefined
  /** So many bytes from a cryptographically secure source. */
  random(length: number): Uint8Array
}

/** @internal Which store it is, and how often it was counted. */
export interface Checkpoint {
  /** 32 hexadecimal digits. */
  readonly id: string
  readonly count: number
}

/** Where the record is. Scopes put a slash into their keys, so that none has this one. */
const KEY = 'checkpoint'
const VERSION = 1
const ID_BYTES = 16
const LENGTH = 1 + ID_BYTES + 8

/**
 * Compares the store with the receipt of its last checkpoint, counts one more in the record `checkpoint` and returns
 * the new receipt, some 35 characters, no secret. Keep it outside of the store before working with the store: a copy that
 * was made before is then noticed wherever it is opened with this receipt, or with a later one. Of several processes that
 * share a store each may do so; which of their receipts is kept last does not matter, it may only not be an older one.
 *
 * Make a checkpoint each time a store is opened, and as often after that as the loss of what follows is to be
 * noticed: going back to a copy that is younger than the last checkpoint is not.
 *
 * @throws {StoreError} `evicted`, `rolled-back`, `record-malformed`; nothing was written
 * @throws {StoreError} what `update` throws
 * @throws {TypeError} on a receipt that is none
 */
export async function checkpoint(store: Store, options: CheckpointOptions): Promise<string> {
  return update(store, [KEY], ([record]) => {
    const next = advance(record && decode(record), options)
    return { put: [[KEY, encode(next)]], result: receiptOf(next) }
  })
}

/** @internal The checkpoint after `last`. @throws as `checkpoint` */
export function advance(last: Checkpoint | undefined, options: CheckpointOptions): Checkpoint {
  const kept = options.receipt === undefined ? undefined : parseReceipt(options.receipt)
  if (kept && kept.id !== last?.id)
    throw new StoreError('evicted', last ? 'another store is in its place' : 'the store has been emptied')
  if (!last) return { id: drawId(options), count: 1 }
  if (kept && kept.count > last.count)
    throw new StoreError('rolled-back', `the store is ${kept.count - last.count} checkpoints behind`)
  return { id: last.id, count: last.count + 1 }
}

/** @internal */
export function receiptOf({ id, count }: Checkpoint): string {
  return `${id}:${count}`
}

/** @internal @throws {TypeError} */
export function parseReceipt(receipt: string): Checkpoint {
  const [, id, count] = /^([0-9a-f]{32}):([0-9]{1,15})$/.exec(receipt) ?? []
  if (id === undefined) throw new TypeError('receipt: expected what a checkpoint has returned')
  return { id, count: Number(count) }
}

function encode({ id, count }: Checkpoint): Bytes {
  const bytes = new Uint8Array(LENGTH)
  bytes[0] = VERSION
  for (let i = 0; i < ID_BYTES; i++) bytes[1 + i] = Number.parseInt(id.slice(2 * i, 2 * i + 2), 16)
  new DataView(bytes.buffer).setFloat64(1 + ID_BYTES, count)
  return bytes
}

function decode(bytes: Uint8Array): Checkpoint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const count = bytes.length === LENGTH ? view.getFloat64(1 + ID_BYTES) : Number.NaN
  if (bytes[0] !== VERSION || !Number.isSafeInteger(count))
    throw new StoreError('record-malformed', 'the record of checkpoints')
  return { id: hex(bytes.subarray(1, 1 + ID_BYTES)), count }
}
