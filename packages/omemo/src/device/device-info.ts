/** The devices of an account, for people to look at. */
import type { Signal } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import { type Account, change, compute } from '../account.ts'
import { verifiedLabel } from '../device-label.ts'
import { OmemoError } from '../error.ts'
import { keysOf } from '../keyring.ts'
import type { DeviceRef } from '../outcome.ts'
import { type Namespace, OMEMO_2, omemo2 } from '../protocol.ts'
import { type ActiveDevice, activeDevices, type Contact, type KnownDevice, readContacts } from './contact.ts'
import { refreshLists } from './device-lists.ts'

/** A device as it is known here. */
export interface DeviceInfo {
  readonly device: DeviceRef
  /** In which lists of its account it is, best first. */
  readonly listed: readonly Namespace[]
  /** Whether it is in any: others get no messages. */
  readonly isActive: boolean
  /** What its owner calls it; absent unless it is signed with `key`. */
  readonly label?: string | undefined
  /** Its identity key; absent until a session or a bundle has shown it. Of this device itself it is `verified`. */
  readonly key?: Key | undefined
  /** Whether it is the device of this façade. */
  readonly isThis: boolean
}

/**
 * @internal Those in the lists in their order, then those that were known before; for contacts and the own account. With
 * `refresh` the lists are read first, and the ones before count where they cannot be.
 *
 * @throws the signal's reason
 */
export async function devicesOf(
  account: Account,
  jid: BareJid,
  { refresh = false, signal }: { readonly refresh?: boolean; readonly signal?: Signal | undefined } = {},
): Promise<readonly DeviceInfo[]> {
  if (refresh) await refreshLists(account, [jid], { signal, fresh: true })
  const contact = await change(account, [], async (_, reader) => {
    const [found] = await readContacts(reader, [jid])
    return { result: found as Contact }
  })
  const active = activeDevices(contact)
  const listed = new Set(active.map(({ id }) => id))
  const delisted = contact.devices.filter(({ id }) => !listed.has(id))
  const keys = new Map((await keysOf(account, jid)).map((key) => [key.fingerprint, key]))
  const infos: DeviceInfo[] = []
  for (const one of [...active, ...delisted.map((known) => ({ ...known, namespaces: [] }))])
    infos.push(await infoOf(account, contact, one, keys))
  return infos
}

async function infoOf(
  account: Account,
  contact: Contact,
  known: ActiveDevice,
  keys: ReadonlyMap<string, Key>,
): Promise<DeviceInfo> {
  const { id, namespaces } = known
  const { jid } = contact
  const isThis = jid === account.jid && id === account.self.deviceId
  const common = { device: { jid, id }, listed: namespaces, isActive: namespaces.length > 0, isThis }
  if (isThis) {
    const { fingerprint, label } = account.self
    const key: Key = { protocol: OMEMO_2, owner: jid, fingerprint, level: 'verified', own: true }
    return { ...common, key, label }
  }
  const key = known.identities.map(({ fingerprint }) => keys.get(fingerprint)).find((one) => one)
  return { ...common, key, label: await labelOf(account, contact, known) }
}

/** @internal The label of a device, if its identity has signed it. Only omemo:2 has any, and shows the key to verify with. */
export async function labelOf(
  account: Account,
  contact: Contact,
  { id, identities: [newest] }: KnownDevice,
): Promise<string | undefined> {
  const listed = contact.lists[OMEMO_2]?.devices.find((device) => device.id === id)
  if (listed?.label === undefined || newest?.edwards === undefined) return undefined
  try {
    return await compute(account, verifiedLabel(omemo2.readIdentity(newest.edwards), listed))
  } catch (error) {
    if (error instanceof OmemoError && error.code === 'key-invalid') return undefined
    throw error
  }
}
