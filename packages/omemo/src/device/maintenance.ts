/** What has to be done now and then: new signed prekeys, enough one-time prekeys, our place in the lists. */
import type { Effect, Put } from '@xmpp-e2e/store'
import { type Account, change, compute } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import { isTooLong } from '../message/catch-up.ts'
import {
  decodePreKeys,
  encodePreKeys,
  type PreKeys,
  rotateSignedPreKey,
  TARGET_PRE_KEYS,
} from '../pre-keys.ts'
import type { Namespace } from '../protocol.ts'
import { records } from '../record.ts'
import { publishBundle } from './announcement.ts'
import { queueAnnouncement } from './own-events.ts'
import { readPreKeys, supplyPreKeys } from './pre-key-supply.ts'
import { decodeUpkeep, encodeUpkeep } from './upkeep.ts'

/**
 * Milliseconds, a week: how long a signed prekey is offered; the one before is kept for as long again. XEP-0384 §4.2 says
 * "periodically".
 */
export const SIGNED_PRE_KEY_MS = 7 * 86_400_000

/** Milliseconds, an hour: so much later a rotation is looked at again that must wait for the end of catch-up. */
const POSTPONED_MS = 3_600_000

/**
 * @internal Rotates the signed prekey, which ends the grace of the one before, and refills prekeys: what is due. While
 * catch-up is open the one before stays, since an archive may have a key exchange with it.
 *
 * @returns when something is due next; nothing before there are prekeys
 */
export async function maintain(account: Account): Promise<Date | undefined> {
  const { namespaces } = account
  const stored = await readPreKeys(account, namespaces)
  const present = namespaces.filter((_, i) => stored[i] !== undefined)
  if (present.length === 0) return undefined
  const due = await rotate(account)
  for (const namespace of present) {
    const [preKeys] = await readPreKeys(account, [namespace])
    if (preKeys && preKeys.oneTime.length < TARGET_PRE_KEYS) await refill(account, namespace)
  }
  await queueAnnouncement(account)
  return new Date(due)
}

async function refill(account: Account, namespace: Namespace): Promise<void> {
  await supplyPreKeys(account, namespace, { signal: account.closing })
  await change(account, [], () => ({ effects: [publishBundle(namespace)], result: undefined }))
}

/** Rotates in all namespaces at once. @returns when it is due next */
async function rotate(account: Account): Promise<number> {
  const { namespaces } = account
  const keys = [records.upkeep, records.catchUp, ...namespaces.map(records.preKeys)]
  for (;;) {
    const now = account.clock.now()
    const stored = await change(account, keys, ([upkeep, catchUp, ...values]) => ({
      result: {
        upkeep: decodeUpkeep(upkeep),
        isCatchingUp: catchUp !== undefined && !isTooLong(catchUp, now),
        preKeys: decoded(values),
      },
    }))
    const { rotatedAt = now } = stored.upkeep
    const due = rotatedAt + SIGNED_PRE_KEY_MS
    // A clock that was put back makes no key last for longer.
    if (now < due && rotatedAt <= now + SIGNED_PRE_KEY_MS) return due
    if (stored.isCatchingUp && stored.preKeys.some((one) => one?.previousSigned)) return now + POSTPONED_MS
    const rotated: (PreKeys | undefined)[] = []
    for (const one of stored.preKeys)
      rotated.push(one && (await compute(account, rotateSignedPreKey(one, account.random))))
    const isDone = await change(account, keys, ([upkeep, _, ...values]) => {
      const present = decoded(values)
      // Another tab has rotated, or reset the device: look again.
      if (present.some((one, i) => one?.signed.id !== stored.preKeys[i]?.signed.id)) return { result: false }
      const put: Put[] = []
      const effects: Effect[] = []
      for (const [i, namespace] of namespaces.entries()) {
        const [one, made] = [present[i], rotated[i]]
        if (one === undefined || made === undefined) continue
        const { signed, previousSigned } = made
        put.push([records.preKeys(namespace), encodePreKeys({ ...one, signed, previousSigned })])
        effects.push(publishBundle(namespace))
      }
      put.push([records.upkeep, encodeUpkeep({ ...decodeUpkeep(upkeep), rotatedAt: now })])
      return { put, effects, result: true }
    })
    if (isDone) return now + SIGNED_PRE_KEY_MS
  }
}

function decoded(values: readonly (Bytes | undefined)[]): readonly (PreKeys | undefined)[] {
  return values.map((bytes) => bytes && decodePreKeys(bytes))
}
