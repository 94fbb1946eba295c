/** Device ids: who made one decides how large it may be. */
import { uint } from '@xmpp-e2e/xml'

/** XEP-0384 §5.1: device ids are made from 1 to 2³¹ − 1. */
export const MAX_DEVICE_ID = 2 ** 31 - 1

/**
 * The schema says `unsignedInt`, and ids of other devices are taken and repeated up to here: they are theirs.
 */
export const MAX_FOREIGN_ID = 2 ** 32 - 1

/** The id of any device. Zero is no id: clients that draw it are not in any list. */
export const foreignDeviceId = uint(MAX_FOREIGN_ID, 1)

/** @throws RangeError unless `id` may be that of any device: 1 to 2³² − 1 */
export function assertDeviceId(id: number, label: string): void {
  assertId(id, MAX_FOREIGN_ID, label)
}

/** @throws RangeError unless `id` may be one that this package made, for a device or a prekey: 1 to 2³¹ − 1 */
export function assertOwnId(id: number, label: string): void {
  assertId(id, MAX_DEVICE_ID, label)
}

function assertId(id: number, max: number, label: string): void {
  if (!Number.isInteger(id) || id < 1 || id > max)
    throw new RangeError(`${label}: expected an integer from 1 to ${max}`)
}
