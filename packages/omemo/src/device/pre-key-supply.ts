/** Making prekeys, a few at a time, so that a page goes on living (XEP-0384 §4.2). */
import type { Signal } from '@xmpp-e2e/store'
import { type Account, change, compute, pause } from '../account.ts'
import { type Bytes, sameBytes } from '../bytes.ts'
import {
  decodePreKeys,
  encodePreKeys,
  generatePreKeys,
  MIN_PRE_KEYS,
  type PreKeys,
  refillPreKeys,
  TARGET_PRE_KEYS,
} from '../pre-keys.ts'
import type { Namespace } from '../protocol.ts'
import { records } from '../record.ts'
import { decodeUpkeep, encodeUpkeep } from './upkeep.ts'

/** Made between two pauses: some 10 ms of computing with @noble/curves. */
export const PRE_KEYS_AT_ONCE = 20

interface SupplyOptions {
  readonly signal?: Signal | undefined
  /** Called with how many more there are. */
  readonly made?: ((count: number) => void) | undefined
}

/** @internal How many one-time prekeys are missing in all of these namespaces. */
export async function missingPreKeys(account: Account, namespaces: readonly Namespace[]): Promise<number> {
  const stored = await readPreKeys(account, namespaces)
  return stored.reduce((sum, preKeys) => sum + TARGET_PRE_KEYS - (preKeys?.oneTime.length ?? 0), 0)
}

/** @internal The stored prekeys of each namespace. @throws OmemoError `state-malformed` */
export function readPreKeys(
  account: Account,
  namespaces: readonly Namespace[],
): Promise<readonly (PreKeys | undefined)[]> {
  return change(account, namespaces.map(records.preKeys), (values) => ({
    result: values.map((bytes) => bytes && decodePreKeys(bytes)),
  }))
}

/**
 * @internal The prekeys of a namespace, made where there are none and topped up to `TARGET_PRE_KEYS`; never fewer than
 * `MIN_PRE_KEYS`, also where others are using them up at the same time.
 *
 * @throws the signal's reason; what was made by then is lost
 */
export async function supplyPreKeys(
  account: Account,
  namespace: Namespace,
  options: SupplyOptions = {},
): Promise<PreKeys> {
  for (;;) {
    const [before] = await readPreKeys(account, [namespace])
    if (before && before.oneTime.length >= TARGET_PRE_KEYS) return before
    const grown = await growPreKeys(account, before, options)
    const stored = await addPreKeys(account, namespace, before, grown)
    if (stored && stored.oneTime.length >= MIN_PRE_KEYS) return stored
  }
}

/** @internal Computes only: prekeys with `TARGET_PRE_KEYS` one-time ones. */
export async function growPreKeys(
  account: Account,
  preKeys: PreKeys | undefined,
  { signal, made }: SupplyOptions,
): Promise<PreKeys> {
  let grown = preKeys ?? (await compute(account, generatePreKeys(0, account.random)))
  for (;;) {
    if (signal?.aborted) throw signal.reason
    const before = grown.oneTime.length
    if (before >= TARGET_PRE_KEYS) return grown
    const count = Math.min(TARGET_PRE_KEYS, before + PRE_KEYS_AT_ONCE)
    grown = await compute(account, refillPreKeys(grown, count, account.random))
    made?.(count - before)
    if (count < TARGET_PRE_KEYS) await pause(account, 0)
  }
}

/** Stores those that were made, beside what has become of the others; nothing when another tab has made some meanwhile. */
function addPreKeys(
  account: Account,
  namespace: Namespace,
  before: PreKeys | undefined,
  grown: PreKeys,
): Promise<PreKeys | undefined> {
  const key = records.preKeys(namespace)
  return change(account, [key, records.upkeep], ([bytes, upkeepBytes]) => {
    const now = bytes && decodePreKeys(bytes)
    if (now?.nextId !== before?.nextId) return { result: undefined }
    const known = new Set(before?.oneTime.map(({ id }) => id))
    const added = grown.oneTime.filter(({ id }) => !known.has(id))
    const preKeys = now ? { ...now, oneTime: [...now.oneTime, ...added], nextId: grown.nextId } : grown
    const written: Bytes = encodePreKeys(preKeys)
    if (bytes && sameBytes(bytes, written)) return { result: preKeys }
    const upkeep = decodeUpkeep(upkeepBytes)
    const rotatedAt = upkeep.rotatedAt ?? account.clock.now()
    const put = [[key, written] as const]
    return upkeep.rotatedAt === undefined
      ? { put: [...put, [records.upkeep, encodeUpkeep({ ...upkeep, rotatedAt })]], result: preKeys }
      : { put, result: preKeys }
  })
}
