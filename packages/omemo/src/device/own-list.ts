/** Our entry in the account's device lists (XEP-0384 §5.3.1). Entries of other devices are repeated as they are. */
import { PepError, type PepOptions, publish, retract } from '@xmpp-e2e/disco/pep'
import type { Account } from '../account.ts'
import { signedLabel } from '../device-label.ts'
import { OmemoError } from '../error.ts'
import { type Namespace, OMEMO_2 } from '../protocol.ts'
import { type Device, type DeviceList, deviceLists, MAX_DEVICES } from '../stanza/device-list.ts'
import { type FetchedList, fetchList, sameList, storeList } from './device-lists.ts'
import { isOpen } from './own-bundle.ts'
import type { OwnDevice } from './own-device.ts'

/** @internal This device as a list has it. */
export function ownEntry({ identity, deviceId, label }: OwnDevice, namespace: Namespace): Device {
  const isLabelled = namespace === OMEMO_2 && label !== undefined
  return isLabelled ? { id: deviceId, ...signedLabel(identity, label) } : { id: deviceId }
}

/**
 * @internal A list with this device in it and without those ids that it had before.
 *
 * @throws OmemoError `device-list-malformed` when there is no room: taking another device out is not ours to decide
 */
export function listWith(devices: DeviceList, own: Device, retired: readonly number[]): DeviceList {
  const others = devices.filter(({ id }) => id === own.id || !retired.includes(id))
  const isListed = others.some(({ id }) => id === own.id)
  if (!isListed && others.length >= MAX_DEVICES)
    throw new OmemoError('device-list-malformed', `device list: it has ${MAX_DEVICES} devices already`)
  return isListed ? others.map((device) => (device.id === own.id ? own : device)) : [...others, own]
}

/**
 * @internal Reads the list, changes it, and publishes it if that makes a difference, or if not everybody can read it.
 * A list that is there and cannot be read is left alone.
 *
 * @throws {PepError}
 * @throws OmemoError `device-list-malformed`
 */
export async function changeOwnList(
  account: Account,
  namespace: Namespace,
  f: (devices: DeviceList) => DeviceList,
  options: PepOptions,
): Promise<void> {
  const { node } = deviceLists[namespace]
  const found = await fetchList(account, account.jid, namespace, optionsOf(options))
  const devices = f(found.devices)
  const isSame = sameList(found.devices, devices)
  if (devices.length === 0) await retractAll(account, namespace, found, options)
  else if (!isSame || !(await isOpen(account, node, options)))
    await publishList(account, namespace, devices, options)
  await storeList(account, account.jid, namespace, devices)
}

async function publishList(
  { connection }: Account,
  namespace: Namespace,
  devices: DeviceList,
  options: PepOptions,
): Promise<void> {
  const { node, encode } = deviceLists[namespace]
  await publish(connection, node, { id: 'current', payload: encode(devices) }, { access: 'open' }, options)
}

/** Schemas of 0.3 and twomemo want a device in a list. All items go, or an older one would count again. */
async function retractAll(
  { connection }: Account,
  namespace: Namespace,
  { items }: FetchedList,
  options: PepOptions,
): Promise<void> {
  const { node } = deviceLists[namespace]
  for (const { id = '' } of items) {
    try {
      await retract(connection, node, id, options)
    } catch (error) {
      // Somebody else was faster.
      if (!(error instanceof PepError && error.code === 'not-found')) throw error
    }
  }
}

function optionsOf({ signal, timeoutMs }: PepOptions) {
  return timeoutMs === undefined ? { signal } : { signal, timeoutMs }
}
