/**
 * A key as RFC 9580 §10.1 lists its packets: the primary key, user IDs and subkeys, each followed by the signatures about it.
 */
import {
  type AnyPacket,
  type Key,
  type KeyID,
  PacketList,
  PrivateKey,
  PublicKey,
  PublicKeyPacket,
  type PublicSubkeyPacket,
  SignaturePacket,
  UserAttributePacket,
  UserIDPacket,
} from 'openpgp'

/** @internal */
export type Head = PublicKeyPacket | PublicSubkeyPacket | UserIDPacket

/** @internal */
export interface Component {
  readonly head: Head
  readonly signatures: readonly SignaturePacket[]
}

/** @internal The primary key comes first. Photos are left out. */
export function componentsOf(key: Key): readonly Component[] {
  const components: { head: Head; signatures: SignaturePacket[] }[] = []
  let isSkipping = false
  for (const packet of key.toPacketList() as readonly AnyPacket[]) {
    if (packet instanceof SignaturePacket) {
      if (!isSkipping) components.at(-1)?.signatures.push(packet)
    } else if (packet instanceof UserAttributePacket) isSkipping = true
    else if (isHead(packet)) {
      isSkipping = false
      components.push({ head: packet, signatures: [] })
    }
  }
  return components
}

/** Secret key packets are public ones, and subkey packets are key packets, for `instanceof`. */
function isHead(packet: AnyPacket): packet is Head {
  return packet instanceof PublicKeyPacket || packet instanceof UserIDPacket
}

/** @internal */
export function isUserId(head: Head): head is UserIDPacket {
  return head instanceof UserIDPacket
}

/** @internal What the signatures about a component sign, beside themselves. */
export function signedBy(primary: object, head: Head): object {
  if (head === primary) return { key: primary }
  return isUserId(head) ? { userID: head, key: primary } : { key: primary, bind: head }
}

function identity(head: Head): string {
  return isUserId(head) ? `user ID ${head.userID}` : head.getFingerprint()
}

/**
 * @internal All of both, each signature once, those about a component in the order of their dates. openpgp's own `update`
 * replaces the binding of a subkey without a look at the signature of the new one, and so loses the signatures that were made
 * under the old one.
 */
export function union(one: readonly Component[], other: readonly Component[]): readonly Component[] {
  const merged = new Map<string, { head: Head; signatures: Map<string, SignaturePacket> }>()
  for (const { head, signatures } of [...one, ...other]) {
    const name = identity(head)
    const entry = merged.get(name) ?? { head, signatures: new Map() }
    // By what is signed: anybody can write something else beside it.
    for (const signature of signatures) {
      const signed = latin1(signature.signatureData ?? signature.write())
      if (!entry.signatures.has(signed)) entry.signatures.set(signed, signature)
    }
    merged.set(name, entry)
  }
  return [...merged.values()].map(({ head, signatures }) => ({
    head,
    signatures: [...signatures.values()].sort((a, b) => timeOf(a) - timeOf(b)),
  }))
}

function timeOf(signature: SignaturePacket): number {
  return signature.created?.getTime() ?? 0
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
}

/** @internal Not by the id of zeros that hides a key, which openpgp's `getKeys` takes for any. */
export function hasKey(key: Key, id: KeyID): boolean {
  return key.getKeyIDs().some((one) => one.equals(id))
}

/** @internal The primary key, its user IDs, its subkeys. */
function packetList(components: readonly Component[]): PacketList<AnyPacket> {
  const list = new PacketList<AnyPacket>()
  const [primary, ...others] = components
  const ordered = [
    ...others.filter(({ head }) => isUserId(head)),
    ...others.filter(({ head }) => !isUserId(head)),
  ]
  for (const { head, signatures } of primary === undefined ? [] : [primary, ...ordered])
    list.push(head, ...signatures)
  return list
}

/** @internal */
export function publicKey(components: readonly Component[]): PublicKey {
  return new PublicKey(packetList(components))
}

/** @internal */
export function privateKey(components: readonly Component[]): PrivateKey {
  return new PrivateKey(packetList(components))
}
