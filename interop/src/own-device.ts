/**
 * A device of this project, as a client below the façade would build one: identity, prekeys, sessions, payloads
 * and stanzas, in both wire versions of XEP-0384.
 *
 * All its state is bytes, as a store would hold them. Every operation reads what it needs from them and writes
 * what has changed, so each step of a test is also a restart. An operation that fails has written nothing.
 */

import {
  bundles,
  checkAffixes,
  consumePreKey,
  decodeBody,
  decodeEnvelope,
  decodeIdentity,
  decodeKeyTransport,
  decodePreKeys,
  decodeSessions,
  decryptMessage,
  deviceLists,
  encodeBody,
  encodeEnvelope,
  encodeIdentity,
  encodeKeyTransport,
  encodePreKeys,
  encodeSessions,
  encryptedFormats,
  encryptMessage,
  generateIdentity,
  generatePreKeys,
  type Identity,
  initiateSession,
  keysFor,
  OmemoError,
  type OmemoErrorCode,
  type Opened,
  type PayloadKey,
  payloadCiphers,
  protocols,
  publishedBundle,
  refillPreKeys,
  run,
  type SealedPayload,
  type Self,
  type SessionList,
  type StoredSessions,
  signedLabel,
  verifyBundle,
  withInitiated,
} from '@xmpp-e2e/omemo/primitives'
import { type BareJid, bare, element, parse, serialize, text } from '@xmpp-e2e/xml'
import { AXOLOTL, type Bytes, type Namespace, OMEMO_2, type Published } from './python-omemo.ts'

/** One device of somebody else, in one namespace. */
export interface Peer {
  readonly jid: string
  readonly deviceId: number
  readonly namespace: Namespace
}

/** How a message came, and when it was sent: now, on a live stream, unless given. */
export interface Delivery {
  readonly channel?: 'live' | 'archive'
  readonly sentAt?: number
}

export type Decrypted =
  | (Followed & { readonly kind: 'message'; readonly body: string })
  | (Followed & { readonly kind: 'empty' })
  /** In axolotl an empty message is one of these, too. */
  | (Followed & { readonly kind: 'key-transport'; readonly key: Bytes; readonly iv: Bytes })
  | { readonly kind: 'failed'; readonly code: OmemoErrorCode | 'no-key' }

interface Followed {
  /** The session, by its ephemeral key, on which the peer waits for an empty message. */
  readonly completion: Bytes | undefined
}

export interface OwnDeviceOptions {
  readonly jid: string
  readonly deviceId?: number
  readonly identity?: Identity
  /** One-time prekeys kept published in each namespace. Few, because each is a scalar multiplication. */
  readonly preKeys?: number
  /** Both unless given. */
  readonly namespaces?: readonly Namespace[]
}

/** The plaintext of a payload in each namespace, and back. */
const CONTENT: Readonly<
  Record<
    Namespace,
    {
      write(body: string, from: BareJid, to: BareJid): Bytes
      read(plaintext: Uint8Array, account: BareJid, chat: BareJid): string
    }
  >
> = {
  [AXOLOTL]: { write: encodeBody, read: decodeBody },
  [OMEMO_2]: {
    write: (body, from, to) =>
      encodeEnvelope([element('jabber:client', 'body', {}, body)], { from, to, time: new Date() }),
    read(plaintext, account, chat) {
      const context = { kind: 'chat', account, chat, sender: chat, sentAt: new Date() } as const
      const { content, warnings } = checkAffixes(decodeEnvelope(plaintext), context)
      if (warnings.length > 0) throw new Error(`affixes: ${warnings.join()}`)
      const [body, ...others] = content
      if (body?.name !== 'body' || body.ns !== 'jabber:client' || others.length > 0)
        throw new Error('envelope: expected one body')
      return text(body)
    },
  },
}

export class OwnDevice {
  readonly jid: BareJid
  readonly deviceId: number
  readonly #count: number
  /** Secret. Read from its bytes once: it never changes, and reading it costs a scalar multiplication. */
  readonly identity: Identity
  readonly #preKeys: Map<Namespace, Bytes>
  readonly #sessions = new Map<string, StoredSessions>()

  constructor(options: OwnDeviceOptions) {
    const { jid, deviceId, identity = generateIdentity(), preKeys = 2 } = options
    this.jid = bare(jid)
    this.deviceId = deviceId ?? 1 + Math.floor(Math.random() * (2 ** 31 - 1))
    this.#count = preKeys
    this.identity = decodeIdentity(encodeIdentity(identity))
    const namespaces = options.namespaces ?? [OMEMO_2, AXOLOTL]
    this.#preKeys = new Map(namespaces.map((ns) => [ns, encodePreKeys(run(generatePreKeys(preKeys)))]))
  }

  get #self(): Self {
    return { identity: this.identity, deviceId: this.deviceId }
  }

  /** The device list, with a signed label if given, and the bundle, as XML. */
  published(namespace: Namespace, label?: string): Published {
    const bundle = publishedBundle(protocols[namespace], this.identity, this.#preKeysOf(namespace))
    const labelled = label === undefined ? {} : signedLabel(this.identity, label)
    return {
      devices: serialize(deviceLists[namespace].encode([{ id: this.deviceId, ...labelled }])),
      bundle: serialize(bundles[namespace].encode(bundle)),
    }
  }

  /** Opens a session, which becomes the current one. @throws OmemoError for a bad bundle */
  open(peer: Peer, bundle: string): void {
    const protocol = protocols[peer.namespace]
    const verified = run(verifyBundle(protocol, bundles[peer.namespace].decode(parse(bundle))))
    const session = run(initiateSession(protocol, this.#self, verified, Date.now()))
    this.#commit(peer, withInitiated(this.sessions(peer), session))
  }

  /** A message with this body: `<encrypted/>` as XML. */
  encrypt(peer: Peer, body: string): string {
    const plaintext = CONTENT[peer.namespace].write(body, this.jid, bare(peer.jid))
    return this.#encrypt(peer, payloadCiphers[peer.namespace].seal(plaintext))
  }

  /** An empty message, on a session by its ephemeral key where not on the current one. */
  empty(peer: Peer, session?: Uint8Array): string {
    return this.#encrypt(peer, payloadCiphers[peer.namespace].empty(), session)
  }

  /** Transports a key of 16 bytes; axolotl only. */
  transport(peer: Peer, key: Uint8Array, iv: Uint8Array): string {
    return this.#encrypt(peer, encodeKeyTransport(key, iv))
  }

  decrypt(from: string, namespace: Namespace, xml: string, delivery: Delivery = {}): Decrypted {
    const encrypted = encryptedFormats[namespace].decode(parse(xml))
    const [key] = keysFor(encrypted, this)
    if (key === undefined) return { kind: 'failed', code: 'no-key' }
    const peer: Peer = { jid: from, deviceId: encrypted.sid, namespace }
    try {
      const opened = run(
        decryptMessage(
          protocols[namespace],
          { self: this.#self, preKeys: this.#preKeysOf(namespace), sessions: this.sessions(peer) },
          key.data,
          { channel: delivery.channel ?? 'live', sentAt: delivery.sentAt ?? Date.now() },
        ),
      )
      const content = this.#content(peer, opened.plaintext, encrypted)
      this.#commitOpened(peer, opened)
      return { ...content, completion: opened.completion ? opened.ephemeralKey : undefined }
    } catch (error) {
      if (error instanceof OmemoError) return { kind: 'failed', code: error.code }
      throw error
    }
  }

  sessions(peer: Peer): SessionList | undefined {
    const stored = this.#sessions.get(keyOf(peer))
    return stored && decodeSessions(stored)
  }

  /** Everything that it would lose with its store, to compare before and after. */
  snapshot(): string {
    const stored = [...this.#sessions.values()].flatMap(({ current, archived }) => [current, archived])
    const records = [...this.#preKeys.values(), ...stored]
    return records.map((bytes) => Buffer.from(bytes).toString('base64')).join()
  }

  #content(
    { jid, namespace }: Peer,
    keyMaterial: Bytes,
    { payload, iv }: { readonly payload?: Bytes; readonly iv?: Bytes },
  ):
    | { readonly kind: 'message'; readonly body: string }
    | { readonly kind: 'empty' }
    | { readonly kind: 'key-transport'; readonly key: Bytes; readonly iv: Bytes } {
    const cipher = payloadCiphers[namespace]
    const kind = cipher.classify({ hasPayload: payload !== undefined, keyMaterial })
    if (kind === 'empty') return { kind }
    if (kind === 'key-transport') return { kind, ...decodeKeyTransport({ keyMaterial, iv }) }
    const plaintext = cipher.open({ payload: payload ?? new Uint8Array(), keyMaterial, iv })
    return { kind, body: CONTENT[namespace].read(plaintext, this.jid, bare(jid)) }
  }

  #encrypt(peer: Peer, sealed: PayloadKey & Partial<SealedPayload>, session?: Uint8Array): string {
    const sessions = this.sessions(peer)
    if (sessions === undefined) throw new Error(`no session with ${peer.jid}`)
    const on = session ?? sessions.current.ephemeralKey
    const encrypted = run(encryptMessage(this.#self, sessions, sealed.keyMaterial, { on }))
    this.#commit(peer, encrypted.sessions)
    const { keyExchange, data } = encrypted.message
    return serialize(
      encryptedFormats[peer.namespace].encode({
        sid: this.deviceId,
        keys: [{ jid: peer.jid, rid: peer.deviceId, keyExchange, data }],
        ...(sealed.iv && { iv: sealed.iv }),
        ...(sealed.payload && { payload: sealed.payload }),
      }),
    )
  }

  #preKeysOf(namespace: Namespace) {
    return decodePreKeys(this.#preKeys.get(namespace) ?? new Uint8Array())
  }

  #commit(peer: Peer, sessions: SessionList): void {
    this.#sessions.set(keyOf(peer), encodeSessions(sessions))
  }

  #commitOpened(peer: Peer, { sessions, usedPreKeyId }: Opened): void {
    if (usedPreKeyId !== undefined) {
      const left = consumePreKey(this.#preKeysOf(peer.namespace), usedPreKeyId)
      this.#preKeys.set(peer.namespace, encodePreKeys(run(refillPreKeys(left, this.#count))))
    }
    this.#commit(peer, sessions)
  }
}

function keyOf({ namespace, jid, deviceId }: Peer): string {
  return `${namespace} ${jid} ${deviceId}`
}
