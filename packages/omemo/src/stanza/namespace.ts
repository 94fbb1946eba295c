/** What the stanzas of both wire versions share: their names, their ids, and how reading them fails. */
import { type Codec, type Field, many, ShapeError, uint } from '@xmpp-e2e/xml'
import { OmemoError, type OmemoErrorCode } from '../error.ts'
import type { Namespace } from '../protocol.ts'

/** XEP-0384 0.3.0. */
export const AXOLOTL = 'eu.siacs.conversations.axolotl' satisfies Namespace

/** XEP-0384 0.8 and later. */
export const OMEMO_2 = 'urn:xmpp:omemo:2' satisfies Namespace

/** XEP-0420, which omemo:2 puts into its payloads. */
export const SCE = 'urn:xmpp:sce:1'

/** XEP-0384 §5.1: device ids are made from 1 to 2³¹ − 1. */
export const MAX_DEVICE_ID = 2 ** 31 - 1

/**
 * The schema says `unsignedInt`, and ids of other devices are taken and repeated up to here: they are theirs.
 */
export const MAX_FOREIGN_ID = 2 ** 32 - 1

/** The id of any device. Zero is no id: clients that draw it are not in any list. */
export const foreignDeviceId = uint(MAX_FOREIGN_ID, 1)

/** @throws RangeError unless `id` may be one that this package made: 1 to 2³¹ − 1 */
export function assertOwnId(id: number, label: string): void {
  if (!Number.isInteger(id) || id < 1 || id > MAX_DEVICE_ID)
    throw new RangeError(`${label}: expected an integer from 1 to ${MAX_DEVICE_ID}`)
}

/** Runs a codec; what is wrong with the element comes back as this package's error, with the same path. */
export function decodeAs<T>(code: OmemoErrorCode, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error
    throw new OmemoError(code, error.message, { path: error.path, cause: error })
  }
}

/**
 * Child elements with an id, at most `max`. One that cannot be read does not take the others with it, and of
 * several with one id the first is taken.
 */
export function manyById<T extends { readonly id: number }>(
  codec: Codec<T>,
  max: number,
): Field<readonly T[]> {
  const all = many(codec, { max })
  return {
    has: all.has,
    write: all.write,
    read(el, at) {
      const found = el.children.filter(codec.is)
      if (found.length > max)
        throw new ShapeError('too-many', `${at}/${codec.name}`, `${found.length}, expected ${max} or less`)
      const byId = new Map<number, T>()
      for (const node of found) {
        const item = readable(() => codec.decode(node))
        if (item !== undefined && !byId.has(item.id)) byId.set(item.id, item)
      }
      return [...byId.values()]
    },
  }
}

function readable<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof ShapeError) return undefined
    throw error
  }
}

/** What pubsub gives: an item with its id. */
export interface Item {
  readonly id: string
}

/**
 * The item of a node that should hold one: `current`, or the last where a client used another id (XEP-0060
 * §12.20). Nodes with many items, left by clients that let the server choose ids, are a fact.
 */
export function currentItem<T extends Item>(items: readonly T[]): T | undefined {
  return items.findLast((item) => item.id === 'current') ?? items.at(-1)
}
