/**
 * A device of this project. Between two operations it exists as bytes in a store only, so each operation is a
 * restart; and each commits what it has changed before anything is sent or shown.
 */
import { createHash } from 'node:crypto'
import {
  bundles,
  decodeIdentity,
  decodePreKeys,
  encodeIdentity,
  encodePreKeys,
  encryptedFormats,
  encryptMessage,
  fingerprint,
  generateIdentity,
  generatePreKeys,
  MIN_PRE_KEYS,
  type Namespace,
  payloadCiphers,
  protocols,
  publishedBundle,
  run,
} from '@xmpp-e2e/omemo/primitives'
import { type Store, update } from '@xmpp-e2e/store'
import { type BareJid, type Element, receive } from '@xmpp-e2e/xml'
import type { Device, Directory, Reading, Stored, Written } from './device.ts'
import { messageStanza } from './message.ts'
import { openMessage } from './open-message.ts'
import { loadSessions, type Peer, peerOf, preKeysKey, sameBytes, saveSessions, stored } from './records.ts'
import { offeredBundle, sealMessage } from './seal-message.ts'

export interface StoredDeviceOptions {
  readonly name: string
  readonly jid: BareJid
  readonly deviceId: number
  /** Of this device alone. */
  readonly store: Store
  /** The wire versions that its program speaks, the best first. */
  readonly namespaces: readonly Namespace[]
}

export class StoredDevice implements Device {
  readonly #options: StoredDeviceOptions
  readonly software = 'xmpp-e2e'
  readonly name: string
  readonly jid: BareJid
  readonly deviceId: number
  readonly #store: Store
  readonly #namespaces: readonly Namespace[]

  /** Starts the program on what its store holds. */
  constructor(options: StoredDeviceOptions) {
    const { name, jid, deviceId, store, namespaces } = options
    this.#options = options
    this.name = name
    this.jid = jid
    this.deviceId = deviceId
    this.#store = store
    this.#namespaces = namespaces
  }

  /** Starts it for the first time: makes its keys. */
  static async create(options: StoredDeviceOptions): Promise<StoredDevice> {
    await update(options.store, [], () => ({
      put: [
        ['identity', encodeIdentity(generateIdentity())],
        ...options.namespaces.map(
          (namespace) => [preKeysKey(namespace), encodePreKeys(run(generatePreKeys(MIN_PRE_KEYS)))] as const,
        ),
      ],
      result: undefined,
    }))
    return new StoredDevice(options)
  }

  /** Another run of its program, or of another one, on what is stored. */
  restarted(changed: Partial<Pick<StoredDeviceOptions, 'namespaces'>> = {}): StoredDevice {
    return new StoredDevice({ ...this.#options, ...changed })
  }

  async fingerprint(): Promise<string> {
    const [identity] = await this.#store.read(['identity'])
    return fingerprint(decodeIdentity(identity!.value!))
  }

  async bundles(): Promise<ReadonlyMap<Namespace, Element>> {
    const keys = this.#namespaces.map(preKeysKey)
    const [secret, ...values] = await this.#store.read(['identity', ...keys])
    const identity = decodeIdentity(secret!.value!)
    return new Map(
      this.#namespaces.map((namespace, i) => {
        const preKeys = decodePreKeys(values[i]!.value!)
        return [
          namespace,
          bundles[namespace].encode(publishedBundle(protocols[namespace], identity, preKeys)),
        ]
      }),
    )
  }

  async trust(jid: BareJid, deviceId: number, compared: string, directory: Directory): Promise<void> {
    for (const namespace of this.#namespaces) {
      if (!directory.devices(jid, namespace).includes(deviceId)) continue
      const { identityKey } = offeredBundle({ jid, deviceId, namespace }, directory)
      if (fingerprint(identityKey) !== compared) throw new Error(`${this.name}: the fingerprints differ`)
    }
    await update(this.#store, [], () => ({
      put: [[`trust/${compared}`, new Uint8Array()]],
      result: undefined,
    }))
  }

  write(body: string, to: BareJid, directory: Directory): Promise<Written> {
    const recipients = [...this.#peers(to, directory), ...this.#peers(this.jid, directory)]
    return update(this.#store, [], async (_, reader) => {
      const { encrypted, skipped, put } = await sealMessage(reader, this, body, to, recipients, directory)
      return { put, result: { stanza: messageStanza(this.jid, to, encrypted), skipped } }
    })
  }

  async read(stanza: Element): Promise<Reading> {
    const received = receive(stanza, { account: this.jid })
    if (received.kind !== 'message') return { kind: 'refused', code: received.kind }
    return openMessage(this.#store, this, this.#namespaces, received)
  }

  /** One for each session on which the peer still waits, unless another session has taken its place. */
  async answers(): Promise<readonly Element[]> {
    const { entries } = await this.#store.list('answer/')
    const answers = await Promise.all(entries.map(([key]) => this.#answer(key)))
    return answers.filter((stanza) => stanza !== undefined)
  }

  async digest(): Promise<string> {
    const { entries } = await this.#store.list('')
    const records = entries.map(([key, value]) => `${key} ${value.join()}`).sort()
    return createHash('sha256').update(records.join('\n')).digest('hex')
  }

  async stored(): Promise<Stored> {
    return stored((await this.#store.list('')).entries)
  }

  /** The devices of an account but this one, each in the best version that both speak. */
  #peers(jid: BareJid, directory: Directory): readonly Peer[] {
    const best = new Map<number, Peer>()
    for (const namespace of this.#namespaces)
      for (const deviceId of directory.devices(jid, namespace))
        if (!best.has(deviceId)) best.set(deviceId, { jid, deviceId, namespace })
    return [...best.values()].filter((peer) => peer.jid !== this.jid || peer.deviceId !== this.deviceId)
  }

  #answer(key: string): Promise<Element | undefined> {
    return update(this.#store, ['identity', key], async ([identity, asked], reader) => {
      const peer = peerOf(key)
      const sessions = await loadSessions(reader, peer)
      if (sessions === undefined || asked === undefined || !sameBytes(sessions.current.ephemeralKey, asked))
        return { delete: [key], result: undefined }
      const self = { identity: decodeIdentity(identity!), deviceId: this.deviceId }
      const sealed = payloadCiphers[peer.namespace].empty()
      const { sessions: next, message } = run(encryptMessage(self, sessions, sealed.keyMaterial))
      const encrypted = encryptedFormats[peer.namespace].encode({
        sid: this.deviceId,
        keys: [{ jid: peer.jid, rid: peer.deviceId, ...message }],
        ...sealed,
      })
      return {
        put: saveSessions(peer, next),
        delete: [key],
        result: messageStanza(this.jid, peer.jid, [encrypted]),
      }
    })
  }
}
