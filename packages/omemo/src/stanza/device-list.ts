/**
 * The list of an account's devices (XEP-0384 §5.3.1; 0.3.0 §4.3).
 *
 *     <list xmlns='eu.siacs.conversations.axolotl'><device id='12345'/></list>
 *     <devices xmlns='urn:xmpp:omemo:2'><device id='12345' label='Phone' labelsig='…base64…'/></devices>
 */
import { attr, base64, codec, type Element, type Infer, optional } from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../protocol.ts'
import { foreignDeviceId } from './device-id.ts'
import { decodeAs, manyById } from './reading.ts'

/**
 * Devices in one list. Each costs a key of up to 330 bytes of every message (a key exchange in base64): 200 make
 * 66 kB, and five such accounts fill the 1000 keys of a stanza.
 */
export const MAX_DEVICES = 200

/** XEP-0384 §5.3.1 recommends this length, in Unicode code points. */
export const MAX_LABEL_LENGTH = 53

export interface Device {
  /** 1 to 2³² − 1. */
  readonly id: number
  /** As it was read: unverified, of any length, not fit for display. See `verifiedLabel` and `signedLabel`. */
  readonly label?: string
  /** 64 bytes. */
  readonly labelSignature?: Bytes
}

/** No id twice. */
export type DeviceList = readonly Device[]

/** How one version writes device lists. */
export interface DeviceListFormat {
  /** The PEP node. Its item is `current` where we write, see `currentItem` for reading. */
  readonly node: string
  /** Fields of `http://jabber.org/protocol/pubsub#publish-options`. */
  readonly publishOptions: Readonly<Record<string, string>>
  /**
   * Other devices' ids and labels are repeated as they were read. An empty list can be written, but schemas of 0.3
   * and twomemo 1.0 want a device: to leave, retract the item.
   *
   * @throws RangeError for an id out of range or more than `MAX_DEVICES`; TypeError for a label without signature
   */
  encode(devices: DeviceList): Element
  /**
   * Leaves out devices whose id is no id, and labels without a signature (§5.3.1 "MUST be ignored").
   *
   * @throws OmemoError `device-list-malformed` for another element or more than `MAX_DEVICES`
   */
  decode(el: Element): DeviceList
}

const axolotlList = codec(AXOLOTL, 'list', {
  devices: manyById(codec(AXOLOTL, 'device', { id: attr('id', foreignDeviceId) }), MAX_DEVICES),
})

const omemo2Device = codec(OMEMO_2, 'device', {
  id: attr('id', foreignDeviceId),
  label: optional(attr('label')),
  // Read as text: a label with a broken signature loses the label, not the device.
  labelsig: optional(attr('labelsig')),
})
type WrittenDevice = Infer<typeof omemo2Device>

const omemo2List = codec(OMEMO_2, 'devices', { devices: manyById(omemo2Device, MAX_DEVICES) })

const signature = base64(64)

/** Both versions. */
export const deviceLists: Readonly<Record<Namespace, DeviceListFormat>> = {
  [AXOLOTL]: {
    node: `${AXOLOTL}.devicelist`,
    publishOptions: { 'pubsub#access_model': 'open' },
    encode: (devices) => axolotlList.encode({ devices: devices.map(({ id }) => ({ id })) }),
    decode: (el) => decodeAs('device-list-malformed', () => axolotlList.decode(el)).devices,
  },
  [OMEMO_2]: {
    node: `${OMEMO_2}:devices`,
    publishOptions: { 'pubsub#access_model': 'open' },
    encode: (devices) => omemo2List.encode({ devices: devices.map(written) }),
    decode: (el) => decodeAs('device-list-malformed', () => omemo2List.decode(el)).devices.map(labelled),
  },
}

function written({ id, label, labelSignature }: Device): WrittenDevice {
  if (label === undefined && labelSignature === undefined) return { id }
  if (label === undefined || labelSignature === undefined)
    throw new TypeError(`device ${id}: expected a label and its signature, or neither`)
  if (labelSignature.length !== 64)
    throw new RangeError(`device ${id}: labelSignature: expected 64 bytes, got ${labelSignature.length}`)
  return { id, label, labelsig: signature.encode(labelSignature) }
}

function labelled({ id, label, labelsig }: WrittenDevice): Device {
  const labelSignature = labelsig === undefined ? undefined : signature.decode(labelsig)
  return label === undefined || labelSignature === undefined ? { id } : { id, label, labelSignature }
}
