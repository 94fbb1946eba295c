/** What the tests of sending share: stanzas looked into, and devices that are only published. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { publish } from '@xmpp-e2e/disco/pep'
import type { TestService } from '@xmpp-e2e/testkit'
import { type BareJid, child, type Element } from '@xmpp-e2e/xml'
import { publishedBundle } from '../src/bundle.ts'
import { run } from '../src/curve.ts'
import { generateIdentity } from '../src/identity-key.ts'
import type { DecryptedMessage, Encrypted } from '../src/index.ts'
import { generatePreKeys } from '../src/pre-keys.ts'
import { AXOLOTL, type Namespace, OMEMO_2, protocols } from '../src/protocol.ts'
import { type Bundle, bundles } from '../src/stanza/bundle.ts'
import { deviceLists } from '../src/stanza/device-list.ts'
import { encryptedFormats } from '../src/stanza/encrypted.ts'
import { nodeCurve } from './node-curve.ts'
import { seeded } from './support.ts'
import type { TestDevice } from './world.ts'

export type Sent = Extract<Encrypted, { readonly kind: 'encrypted' }>
export type Refused = Extract<Encrypted, { readonly kind: 'refused' }>

export function sent(outcome: Encrypted): Sent {
  if (outcome.kind !== 'encrypted') throw new Error(`refused: ${JSON.stringify(outcome)}`)
  return outcome
}

export function refused(outcome: Encrypted): Refused {
  if (outcome.kind !== 'refused') throw new Error('encrypted')
  return outcome
}

/** Encrypts and sends. */
export async function send(service: TestService, from: TestDevice, message: Element, to: readonly BareJid[]) {
  const outcome = sent(await service.finish(from.omemo.encrypt(message, to)))
  for (const stanza of outcome.stanzas) await from.client.connection.send(stanza)
  await service.settle()
  return outcome
}

/** Opens all that has arrived, messages alone. */
export async function read(service: TestService, device: TestDevice): Promise<readonly DecryptedMessage[]> {
  const opened: DecryptedMessage[] = []
  for (const received of device.arrived()) {
    const decrypted = await service.finish(device.omemo.decrypt(received))
    if (decrypted.kind === 'message') opened.push(decrypted)
    if (decrypted.kind === 'unreadable') throw new Error(JSON.stringify(decrypted))
  }
  await service.settle()
  return opened
}

/** The ids that a stanza has keys for, by namespace. */
export function rids(stanza: Element): Readonly<Record<Namespace, readonly number[]>> {
  const of = (namespace: Namespace) => {
    const encrypted = child(stanza, 'encrypted', namespace)
    return encrypted === undefined
      ? []
      : encryptedFormats[namespace].decode(encrypted).keys.map(({ rid }) => rid)
  }
  return { [OMEMO_2]: of(OMEMO_2), [AXOLOTL]: of(AXOLOTL) }
}

/** Ratchet key and counter of every message for a device in a stanza: no two may ever be the same. */
export function usedKeys(stanza: Element): readonly string[] {
  return [OMEMO_2, AXOLOTL].flatMap((name) => {
    const namespace = name as Namespace
    const encrypted = child(stanza, 'encrypted', namespace)
    if (encrypted === undefined) return []
    const { wire } = protocols[namespace]
    return encryptedFormats[namespace].decode(encrypted).keys.map(({ jid = '', rid, data }) => {
      const inner = wire.isKeyExchange(data) ? wire.decodeKeyExchange(data).message : data
      const { counter, ratchetKey } = wire.decodeRatchetMessage(wire.decodeAuthenticated(inner).message)
      return `${namespace} ${jid} ${rid} ${bytesToHex(ratchetKey)} ${counter}`
    })
  })
}

/** Publishes devices that nobody has, in the place of the lists that there are. */
export async function publishDevices(
  service: TestService,
  of: Pick<TestDevice, 'client'>,
  namespace: Namespace,
  ids: readonly number[],
): Promise<void> {
  const { connection } = of.client
  const { node } = deviceLists[namespace]
  const payload = deviceLists[namespace].encode(ids.map((id) => ({ id })))
  await service.finish(publish(connection, node, { id: 'current', payload }, { access: 'open' }))
}

export function madeUpBundle(namespace: Namespace, seed: string, preKeys = 3): Bundle {
  const random = seeded(seed)
  const identity = generateIdentity(random)
  return publishedBundle(protocols[namespace], identity, run(generatePreKeys(preKeys, random), nodeCurve))
}

export async function publishBundleOf(
  service: TestService,
  of: Pick<TestDevice, 'client'>,
  namespace: Namespace,
  id: number,
  bundle: Bundle | Element,
): Promise<void> {
  const { connection } = of.client
  const { node, item } = bundles[namespace].location(id)
  const payload = 'ns' in bundle ? bundle : bundles[namespace].encode(bundle)
  await service.finish(publish(connection, node, { id: item, payload }, { access: 'open', maxItems: 'max' }))
}
