/**
 * The server of both accounts. It keeps what devices publish and carries messages, as a server of XMPP would, and
 * it can do what a server should not: lose, delay, repeat and change messages, and publish in another's name.
 */
import {
  deviceLists,
  encryptedElements,
  encryptedFormats,
  type Namespace,
  protocols,
} from '@xmpp-e2e/omemo/primitives'
import { type BareJid, bare, type Element, element, parse, serialize } from '@xmpp-e2e/xml'
import type { Device, Directory } from './device.ts'
import { sentCarbon } from './message.ts'

const NAMESPACES = Object.values(protocols).map(({ namespace }) => namespace)

/** A device as the server knows it. */
export type Address = Pick<Device, 'jid' | 'deviceId'>

export class Server implements Directory {
  /** Everything published, as XML, by account and node. */
  readonly #nodes = new Map<string, string>()

  devices(jid: BareJid, namespace: Namespace): readonly number[] {
    const list = this.#nodes.get(listNode(jid, namespace))
    return list === undefined ? [] : deviceLists[namespace].decode(parse(list)).map(({ id }) => id)
  }

  bundle(jid: BareJid, deviceId: number, namespace: Namespace): Element | undefined {
    const bundle = this.#nodes.get(bundleNode(jid, deviceId, namespace))
    return bundle === undefined ? undefined : parse(bundle)
  }

  /** Bundles of a device, and the device in its account's lists. @returns bytes of what is new */
  publish({ jid, deviceId }: Address, bundles: ReadonlyMap<Namespace, Element>): number {
    let bytes = 0
    for (const [namespace, bundle] of bundles) {
      const xml = serialize(bundle)
      const node = bundleNode(jid, deviceId, namespace)
      if (this.#nodes.get(node) !== xml) bytes += xml.length
      this.#nodes.set(node, xml)
      this.#announce(jid, namespace, [...new Set([...this.devices(jid, namespace), deviceId])])
    }
    return bytes
  }

  /** The device is no longer announced, in one wire version or in both. */
  withdraw({ jid, deviceId }: Address, namespaces: readonly Namespace[] = NAMESPACES): void {
    for (const namespace of namespaces)
      this.#announce(
        jid,
        namespace,
        this.devices(jid, namespace).filter((id) => id !== deviceId),
      )
  }

  /** A message as it reaches one device: its own for the recipient, a copy for the sender's other devices. */
  delivered(stanza: Element, device: Address): Element {
    const carried = parse(serialize(stanza))
    return stanza.attrs.from === device.jid ? sentCarbon(device.jid, carried) : carried
  }

  /** The devices that a message has a key for, as everybody can see. */
  addressees(stanza: Element, devices: readonly Address[]): readonly Address[] {
    const parties = [stanza.attrs.from, stanza.attrs.to]
    const ids = new Set(
      encryptedElements(stanza).flatMap(({ namespace, element }) =>
        encryptedFormats[namespace].decode(element).keys.map(({ rid }) => rid),
      ),
    )
    return devices.filter(({ jid, deviceId }) => parties.includes(jid) && ids.has(deviceId))
  }

  /** The message with one bit of the last byte of each ciphertext changed. */
  tampered(stanza: Element): Element {
    const encrypted = encryptedElements(stanza).map(({ namespace, element }) => {
      const decoded = encryptedFormats[namespace].decode(element)
      const payload = decoded.payload!.map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte))
      return encryptedFormats[namespace].encode({ ...decoded, payload })
    })
    return element(stanza.ns, stanza.name, stanza.attrs, encrypted)
  }

  #announce(jid: BareJid, namespace: Namespace, ids: readonly number[]): void {
    const list = deviceLists[namespace].encode(ids.map((id) => ({ id })))
    this.#nodes.set(listNode(jid, namespace), serialize(list))
  }
}

const listNode = (jid: BareJid, namespace: Namespace): string => `${bare(jid)} ${deviceLists[namespace].node}`
const bundleNode = (jid: BareJid, deviceId: number, namespace: Namespace): string =>
  `${jid} ${namespace} ${deviceId}`
