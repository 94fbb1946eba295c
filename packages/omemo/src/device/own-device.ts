/** This device at rest: its id, its identity, and whether others know of it (XEP-0384 §5.1). */
import { bytesToUtf8 } from '@noble/ciphers/utils.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { type Clock, type Reader, type Store, update } from '@xmpp-e2e/store'
import { type Bytes, type Random, randomBelow } from '../bytes.ts'
import { signedLabel } from '../device-label.ts'
import { OmemoError } from '../error.ts'
import {
  decodeIdentity,
  encodeIdentity,
  fingerprint,
  generateIdentity,
  type Identity,
} from '../identity-key.ts'
import { records } from '../record.ts'
import type { Self } from '../session.ts'
import { MAX_DEVICE_ID } from '../stanza/device-id.ts'
import { ByteReader, ByteWriter } from '../state-bytes.ts'

/** @internal */
export interface OwnDevice extends Self {
  readonly identity: Identity
  readonly deviceId: number
  /** Of the identity, lower-case hex. */
  readonly fingerprint: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly label: string | undefined
  /** Whether the id was ever published: until then it may still change (XEP-0384 §6). */
  readonly announced: boolean
}

/** @internal What is needed before there is an account. */
export interface DeviceParts {
  readonly store: Store
  readonly random: Random
  readonly clock: Clock
}

/**
 * @internal The stored device, or a new one, which is stored. Never touches the network. Two tabs that open an empty
 * store at once end with one device.
 *
 * @throws OmemoError `state-malformed`, `state-version-unknown`
 * @throws RangeError for a label that `signedLabel` refuses
 */
export async function openDevice(parts: DeviceParts, label: string | undefined): Promise<OwnDevice> {
  const { store, random, clock } = parts
  // Drawn at most once: one that loses a race is not drawn anew.
  let drawn: OwnDevice | undefined
  return update(store, [records.device], ([bytes]) => {
    if (bytes === undefined) drawn ??= newDevice(random, clock.now())
    const device = bytes === undefined ? (drawn as OwnDevice) : decodeDevice(bytes)
    if (label !== undefined) signedLabel(device.identity, label)
    const labelled = label === undefined ? device : { ...device, label }
    if (bytes !== undefined && device.label === labelled.label) return { result: device }
    return { put: [[records.device, encodeDevice(labelled)]], result: labelled }
  })
}

/** @internal Within a change: the device as it is in the store, which another tab may have reset. @throws OmemoError `device-erased` */
export async function deviceOf(reader: Reader): Promise<OwnDevice> {
  const [bytes] = await reader.read([records.device])
  return decodeDevice(assertStored(bytes))
}

/** @internal Within a change that writes: what was erased is to stay so. @throws OmemoError `device-erased` */
export async function assertDevice(reader: Reader): Promise<void> {
  const [bytes] = await reader.read([records.device])
  assertStored(bytes)
}

function assertStored(bytes: Bytes | undefined): Bytes {
  const message = 'the device has gone from the store: it was erased, perhaps by another tab or process'
  if (bytes === undefined) throw new OmemoError('device-erased', message)
  return bytes
}

/** @internal A device that nobody knows of, with a new identity unless one is given. */
export function newDevice(
  random: Random,
  now: number,
  identity: Identity = generateIdentity(random),
): OwnDevice {
  return {
    identity,
    deviceId: newDeviceId(random),
    fingerprint: fingerprint(identity),
    createdAt: now,
    label: undefined,
    announced: false,
  }
}

/** @internal XEP-0384 §5.1: 1 … 2³¹ − 1, uniformly. */
export function newDeviceId(random: Random): number {
  return 1 + randomBelow(MAX_DEVICE_ID, random)
}

const DEVICE_VERSION = 1

/**
 * @internal The device at rest, version 1:
 *
 *     version 1 ‖ identity 65 ‖ device id varint ‖ created at varint ‖ announced 1 ‖ length varint ‖ label UTF-8
 *
 * An empty label is none.
 */
export function encodeDevice(device: OwnDevice): Bytes {
  const label = utf8ToBytes(device.label ?? '')
  return new ByteWriter()
    .byte(DEVICE_VERSION)
    .bytes(encodeIdentity(device.identity))
    .varint(device.deviceId)
    .varint(Math.max(0, Math.floor(device.createdAt)))
    .byte(device.announced ? 1 : 0)
    .varint(label.length)
    .bytes(label)
    .finish()
}

/** @internal @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeDevice(bytes: Uint8Array): OwnDevice {
  const reader = new ByteReader(bytes, 'device')
  reader.version(DEVICE_VERSION)
  const identity = decodeIdentity(reader.bytes(IDENTITY_LENGTH))
  const deviceId = reader.varint(MAX_DEVICE_ID)
  if (deviceId === 0) throw reader.malformed('a device id that is zero')
  const createdAt = reader.varint()
  const announced = reader.flag()
  const label = bytesToUtf8(reader.bytes(reader.varint(MAX_LABEL_BYTES)))
  reader.finish()
  const own = { identity, deviceId, fingerprint: fingerprint(identity), createdAt, announced }
  return { ...own, label: label === '' ? undefined : label }
}

/** Of `encodeIdentity`. */
const IDENTITY_LENGTH = 65

/** `MAX_LABEL_LENGTH` code points, 53, of up to four bytes each. */
const MAX_LABEL_BYTES = 212
