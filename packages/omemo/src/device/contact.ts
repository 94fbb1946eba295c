/**
 * What is known of the devices of an account, the own one included: the lists it publishes, the identities its devices
 * have shown, and what remains of dealings with them. At rest it is JSON, version 1.
 */

import type { Reader } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import { hex } from '@xmpp-e2e/xml'
import { type Bytes, sameBytes } from '../bytes.ts'
import {
  decodeRecord,
  encodeRecord,
  isFingerprint,
  isFlag,
  isHex,
  isJid,
  isList,
  isMaybe,
  isObject,
  isOneOf,
  isText,
  isTime,
  isWhole,
} from '../json-record.ts'
import type { SkipCode } from '../outcome.ts'
import { AXOLOTL, type Namespace, namespaces } from '../protocol.ts'
import { records } from '../record.ts'
import { MAX_FOREIGN_ID } from '../stanza/device-id.ts'
import type { Device } from '../stanza/device-list.ts'

/** Devices of one account that a message is encrypted to: 50 keys of up to 330 bytes are 16 kB. People have some ten. */
export const MAX_DEVICES_PER_ACCOUNT = 50

/**
 * Devices of one account that are remembered: two lists of `MAX_DEVICES` without a common one, and 100 that are no longer
 * listed. Some 250 bytes each are 125 kB.
 */
export const MAX_KNOWN_DEVICES = 500

/** Identities that are remembered of one device id. A device that is reset gets another one of both. */
export const MAX_IDENTITIES = 4

/** UTF-16 units of a label that is remembered: `MAX_LABEL_LENGTH` times four, and then some. 400 are 100 kB. */
export const MAX_KEPT_LABEL = 256

/** @internal */
export interface Contact {
  readonly jid: BareJid
  /** As read last; absent when no list of that namespace was ever read. */
  readonly lists: Readonly<Partial<Record<Namespace, KnownList>>>
  /** Those that were ever listed or heard of, also after they are delisted: sessions decrypt further. */
  readonly devices: readonly KnownDevice[]
  /** Before these times nobody asks again for lists that could not be read, while there is something to go by. */
  readonly retryAt?: Readonly<Partial<Record<Namespace, number>>> | undefined
  /** The contact has asked for plain text, and the person has not said to go on (XEP-0384 §5.7). */
  readonly optedOut?: { readonly at: number; readonly reason?: string | undefined } | undefined
}

/** @internal */
export interface KnownList {
  /** Empty when there is no list, or nothing in it. */
  readonly devices: readonly Device[]
  /** When it was read or told, milliseconds since 1970. */
  readonly at: number
}

/** @internal */
export interface KnownDevice {
  readonly id: number
  /** The one that showed itself last comes first; there is one in nearly all cases. */
  readonly identities: readonly KnownIdentity[]
  /** When a session was last opened by itself because there was none (XEP-0384 §6). */
  readonly healedAt?: number | undefined
  /** Bundles that could not be had when they were last asked for, at most one of each namespace. */
  readonly failures?: readonly BundleFailure[] | undefined
}

/** @internal */
export interface BundleFailure {
  readonly namespace: Namespace
  readonly code: BundleCode
  readonly at: number
}

/** @internal Why a bundle could not be had. */
export type BundleCode = (typeof BUNDLE_CODES)[number]

const BUNDLE_CODES = [
  'bundle-missing',
  'bundle-unavailable',
  'bundle-malformed',
  'bundle-signature-invalid',
  'bundle-without-pre-keys',
  'key-invalid',
  'identity-mismatch',
] as const satisfies readonly SkipCode[]

/** @internal */
export interface KnownIdentity {
  /** Of the Montgomery form, lower-case hex: what keys, trust and sessions go by. */
  readonly fingerprint: string
  /** The Ed25519 form as omemo:2 has shown it: the key has spoken omemo:2. Absent while only 0.3 was seen. */
  readonly edwards?: Bytes | undefined
  /** When it was first seen under this id. */
  readonly at: number
  /** 0.3 was used although it has spoken omemo:2, and that was told; absent once omemo:2 is used again. */
  readonly isDowngraded?: true | undefined
}

/** @internal A device that is in at least one list. */
export interface ActiveDevice extends KnownDevice {
  /** In which lists, best first. */
  readonly namespaces: readonly Namespace[]
}

/** @internal */
export function newContact(jid: BareJid): Contact {
  return { jid, lists: {}, devices: [] }
}

/** @internal The devices in the lists, of both namespaces: in the order of the lists, omemo:2 before 0.3. */
export function activeDevices(contact: Contact): readonly ActiveDevice[] {
  const known = new Map(contact.devices.map((device) => [device.id, device]))
  const listed = new Map<number, Namespace[]>()
  for (const namespace of namespaces)
    for (const { id } of contact.lists[namespace]?.devices ?? [])
      listed.set(id, [...(listed.get(id) ?? []), namespace])
  return [...listed].map(([id, namespaces]) => ({ ...(known.get(id) ?? { id, identities: [] }), namespaces }))
}

/** @internal The contact once a list was read or told. */
export function withList(
  contact: Contact,
  namespace: Namespace,
  devices: readonly Device[],
  at: number,
): Contact {
  const { [namespace]: _, ...retryAt } = contact.retryAt ?? {}
  const kept = devices.map((device) =>
    (device.label?.length ?? 0) > MAX_KEPT_LABEL ? { id: device.id } : device,
  )
  const lists = { ...contact.lists, [namespace]: { devices: kept, at } }
  const known = new Set(contact.devices.map(({ id }) => id))
  const added = kept.filter(({ id }) => !known.has(id)).map(({ id }) => ({ id, identities: [] }))
  return bounded({ ...contact, lists, retryAt, devices: [...contact.devices, ...added] })
}

/**
 * @internal The contact once a device has shown an identity that is proven to be its own.
 *
 * @returns also the fingerprint that the device had before, when it had one and was never seen with this one
 */
export function withIdentity(
  contact: Contact,
  deviceId: number,
  { fingerprint, edwards }: Pick<KnownIdentity, 'fingerprint' | 'edwards'>,
  at: number,
): { readonly contact: Contact; readonly previous?: string | undefined } {
  const device = contact.devices.find(({ id }) => id === deviceId) ?? { id: deviceId, identities: [] }
  const [newest] = device.identities
  const found = device.identities.find((identity) => identity.fingerprint === fingerprint)
  if (found && found === newest && (edwards === undefined || sameEdwards(found.edwards, edwards)))
    return { contact }
  const shown = { ...found, fingerprint, at: found?.at ?? at, edwards: edwards ?? found?.edwards }
  const others = device.identities.filter((identity) => identity !== found)
  const changed = { ...device, identities: boundedIdentities([shown, ...others]) }
  const previous = found === undefined ? newest?.fingerprint : undefined
  return { contact: withDevice(contact, changed), previous }
}

/** Too many are of somebody who makes them up: the first one stays, which may be the device's own. */
function boundedIdentities(identities: readonly KnownIdentity[]): readonly KnownIdentity[] {
  if (identities.length <= MAX_IDENTITIES) return identities
  const first = identities.reduce((eldest, one) => (one.at <= eldest.at ? one : eldest))
  const others = identities.filter((one) => one !== first).slice(0, MAX_IDENTITIES - 1)
  return identities.filter((one) => one === first || others.includes(one))
}

/** @internal Whether a key of a device has ever shown that it speaks omemo:2. */
export function hasSpokenOmemo2({ devices }: Contact, deviceId: number, fingerprint: string): boolean {
  return identityOf(devices, deviceId, fingerprint)?.edwards !== undefined
}

/**
 * @internal The contact once a message went to a key of a device, or came from it. A server that hides omemo:2 does so for
 * every message, and is told of once:
 *
 *     isDowngraded   omemo:2   0.3, of a key that has spoken omemo:2
 *     absent         absent    true, and `isNews`
 *     true           absent    true
 */
export function withUse(
  contact: Contact,
  deviceId: number,
  fingerprint: string,
  namespace: Namespace,
): { readonly contact: Contact; readonly isNews: boolean } {
  const device = contact.devices.find(({ id }) => id === deviceId)
  const identity = identityOf(contact.devices, deviceId, fingerprint)
  const isDowngraded = namespace === AXOLOTL && hasSpokenOmemo2(contact, deviceId, fingerprint)
  if (device === undefined || identity === undefined || isDowngraded === (identity.isDowngraded ?? false))
    return { contact, isNews: false }
  const used = { ...identity, isDowngraded: isDowngraded ? (true as const) : undefined }
  const identities = device.identities.map((other) => (other === identity ? used : other))
  return { contact: withDevice(contact, { ...device, identities }), isNews: isDowngraded }
}

/** @internal The contact with what is known of one device put in the place of what was. */
export function withDevice(contact: Contact, device: KnownDevice): Contact {
  const isKnown = contact.devices.some(({ id }) => id === device.id)
  const devices = isKnown
    ? contact.devices.map((other) => (other.id === device.id ? device : other))
    : [...contact.devices, device]
  return bounded({ ...contact, devices })
}

/** @internal The contact after a bundle was asked for: what is remembered of failures. */
export function withBundle(
  contact: Contact,
  deviceId: number,
  namespace: Namespace,
  code: BundleCode | undefined,
  at: number,
): Contact {
  const device = contact.devices.find(({ id }) => id === deviceId) ?? { id: deviceId, identities: [] }
  const { failures = [] } = device
  const others = failures.filter((failure) => failure.namespace !== namespace)
  if (code === undefined && others.length === failures.length) return contact
  return withDevice(contact, { ...device, failures: code ? [...others, { namespace, code, at }] : others })
}

/** @internal What differs between two states, over both namespaces. */
export function changedDevices(
  before: Contact,
  after: Contact,
): { readonly added: readonly number[]; readonly removed: readonly number[] } {
  const [had, has] = [before, after].map((contact) => activeDevices(contact).map(({ id }) => id))
  const [had_, has_] = [new Set(had), new Set(has)]
  return {
    added: (has ?? []).filter((id) => !had_.has(id)),
    removed: (had ?? []).filter((id) => !has_.has(id)),
  }
}

/** @internal In the order of `jids`, each as nothing were known where there is no record. @throws OmemoError `state-malformed` */
export async function readContacts(reader: Reader, jids: readonly BareJid[]): Promise<readonly Contact[]> {
  const values = jids.length > 0 ? await reader.read(jids.map(records.contact)) : []
  return jids.map((jid, i) => {
    const bytes = values[i]
    return bytes === undefined ? newContact(jid) : decodeContact(bytes)
  })
}

function identityOf(
  devices: readonly KnownDevice[],
  deviceId: number,
  fingerprint: string,
): KnownIdentity | undefined {
  const device = devices.find(({ id }) => id === deviceId)
  return device?.identities.find((identity) => identity.fingerprint === fingerprint)
}

function sameEdwards(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && sameBytes(a, b)
}

/** Forgets the devices that are worth least: not listed, first those that never had a session, the oldest first. */
function bounded(contact: Contact): Contact {
  const excess = contact.devices.length - MAX_KNOWN_DEVICES
  if (excess <= 0) return contact
  const listed = new Set(activeDevices(contact).map(({ id }) => id))
  const delisted = contact.devices.filter(({ id }) => !listed.has(id))
  const unused = delisted.filter(({ identities }) => identities.length === 0)
  const used = delisted.filter(({ identities }) => identities.length > 0)
  const forgotten = new Set([...unused, ...used].slice(0, excess))
  return { ...contact, devices: contact.devices.filter((device) => !forgotten.has(device)) }
}

const device = isObject({
  id: isWhole(1, MAX_FOREIGN_ID),
  label: isMaybe(isText),
  sig: isMaybe(isHex(64)),
})

const identity = isObject({
  key: isFingerprint,
  ed: isMaybe(isHex(32)),
  at: isTime,
  downgraded: isMaybe(isFlag),
})

const shape = isObject({
  jid: isJid,
  lists: isList(isObject({ ns: isOneOf(namespaces), at: isTime, devices: isList(device) })),
  retry: isList(isObject({ ns: isOneOf(namespaces), at: isTime })),
  devices: isList(
    isObject({
      id: isWhole(1, MAX_FOREIGN_ID),
      identities: isList(identity),
      healed: isMaybe(isTime),
      failed: isMaybe(isList(isObject({ ns: isOneOf(namespaces), code: isOneOf(BUNDLE_CODES), at: isTime }))),
    }),
  ),
  optedOut: isMaybe(isObject({ at: isTime, reason: isMaybe(isText) })),
})

/** @internal */
export function encodeContact(contact: Contact): Bytes {
  const { jid, lists, devices, retryAt = {}, optedOut } = contact
  return encodeRecord({
    jid,
    lists: namespaces.flatMap((ns) => {
      const list = lists[ns]
      if (list === undefined) return []
      const written = list.devices.map(({ id, label, labelSignature: sig }) => ({
        id,
        label,
        sig: sig && hex.encode(sig),
      }))
      return [{ ns, at: list.at, devices: written }]
    }),
    retry: namespaces.flatMap((ns) => (retryAt[ns] === undefined ? [] : [{ ns, at: retryAt[ns] }])),
    devices: devices.map(({ id, identities, healedAt: healed, failures }) => ({
      id,
      identities: identities.map(({ fingerprint: key, edwards: ed, at, isDowngraded: downgraded }) => ({
        key,
        ed: ed && hex.encode(ed),
        at,
        downgraded,
      })),
      healed,
      failed: failures?.map(({ namespace: ns, code, at }) => ({ ns, code, at })),
    })),
    optedOut,
  })
}

/** @internal @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeContact(bytes: Uint8Array): Contact {
  const { jid, lists, retry, devices, optedOut } = decodeRecord(bytes, 'contact', shape)
  const known: Partial<Record<Namespace, KnownList>> = {}
  for (const { ns, at, devices } of lists) {
    const read = devices.map(({ id, label, sig }) =>
      label === undefined || sig === undefined ? { id } : { id, label, labelSignature: sig },
    )
    known[ns] = { devices: read, at }
  }
  const retryAt = Object.fromEntries(retry.map(({ ns, at }) => [ns, at]))
  return {
    jid,
    lists: known,
    retryAt,
    devices: devices.map(({ id, identities, healed, failed }) => ({
      id,
      identities: identities.map(({ key, ed, at, downgraded }) => ({
        fingerprint: key,
        edwards: ed,
        at,
        ...(downgraded && { isDowngraded: downgraded }),
      })),
      healedAt: healed,
      failures: failed?.map(({ ns: namespace, code, at }) => ({ namespace, code, at })),
    })),
    optedOut,
  }
}
