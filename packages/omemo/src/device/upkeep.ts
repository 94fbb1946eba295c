/** When what was done to keep this device reachable; one record, JSON, version 1. */
import type { Reader } from '@xmpp-e2e/store'
import type { Bytes } from '../bytes.ts'
import {
  decodeRecord,
  encodeRecord,
  isList,
  isMaybe,
  isObject,
  isOneOf,
  isTime,
  isWhole,
} from '../json-record.ts'
import { type Namespace, namespaces } from '../protocol.ts'
import { records } from '../record.ts'
import { MAX_DEVICE_ID } from '../stanza/device-id.ts'

/** @internal Times are milliseconds since 1970. */
export interface Upkeep {
  /** When the present signed prekeys were made. */
  readonly rotatedAt?: number | undefined
  /** When this device was put back into a list that it had gone from; the latest ones, oldest first. */
  readonly reannouncedAt: readonly number[]
  /** When its bundle was last put back in the place of one with another identity, by namespace. */
  readonly reclaimed: readonly { readonly namespace: Namespace; readonly at: number }[]
  /** Ids this device had before, which may still be in lists. */
  readonly retired: readonly number[]
  /** When all sessions were last dropped because this store seemed to have been rolled back. */
  readonly rolledBackAt?: number | undefined
}

const NONE: Upkeep = { reannouncedAt: [], reclaimed: [], retired: [] }

const shape = isObject({
  rotatedAt: isMaybe(isTime),
  reannouncedAt: isList(isTime),
  reclaimed: isList(isObject({ namespace: isOneOf(namespaces), at: isTime })),
  retired: isList(isWhole(1, MAX_DEVICE_ID)),
  rolledBackAt: isMaybe(isTime),
})

/** @internal */
export function encodeUpkeep(upkeep: Upkeep): Bytes {
  return encodeRecord({ ...upkeep })
}

/** @internal @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeUpkeep(bytes: Uint8Array | undefined): Upkeep {
  return bytes === undefined ? NONE : decodeRecord(bytes, 'upkeep', shape)
}

/** @internal Within a change. */
export async function upkeepOf(reader: Reader): Promise<Upkeep> {
  const [bytes] = await reader.read([records.upkeep])
  return decodeUpkeep(bytes)
}
