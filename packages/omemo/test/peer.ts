/** A device made of primitives, which writes whatever stanza a test needs, and says what it would read. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js'
import { update } from '@xmpp-e2e/store'
import {
  type BareJid,
  type Channel,
  type Element,
  element,
  type Received,
  receive,
  vouch,
} from '@xmpp-e2e/xml'
import type { Account } from '../src/account.ts'
import { publishedBundle, verifyBundle } from '../src/bundle.ts'
import type { Bytes } from '../src/bytes.ts'
import { runAsync } from '../src/curve.ts'
import { decodeContact, encodeContact, newContact, withList } from '../src/device/contact.ts'
import { encodeEnvelope } from '../src/envelope.ts'
import { fingerprint, generateIdentity, type Identity } from '../src/identity-key.ts'
import { payloadCiphers, type SealedPayload } from '../src/payload.ts'
import { encodeBody } from '../src/payload-body.ts'
import { decodePreKeys, encodePreKeys, generatePreKeys, type PreKeys } from '../src/pre-keys.ts'
import { AXOLOTL, type Namespace, OMEMO_2, protocols } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { initiateSession } from '../src/session.ts'
import { decryptMessage, encryptMessage, type SessionList, withInitiated } from '../src/session-list.ts'
import { putList, readLists } from '../src/session-records.ts'
import { encryptedFormats, keysFor } from '../src/stanza/encrypted.ts'
import { messageChildren } from '../src/stanza/message.ts'
import { nodeCurve } from './node-curve.ts'

export const BOTH: readonly Namespace[] = [OMEMO_2, AXOLOTL]

export async function stored({ store }: Account, key: string): Promise<Bytes | undefined> {
  return (await store.read([key]))[0]?.value
}

export async function put({ store }: Account, key: string, value: Uint8Array): Promise<void> {
  await store.commit([], { put: [[key, value]] })
}

/** Everything in the store, to be compared. */
export async function contents({ store }: Account, prefix = ''): Promise<string> {
  const { entries } = await store.list(prefix)
  return entries.map(([key, value]) => `${key} ${bytesToHex(sha256(value)).slice(0, 16)}`).join('\n')
}

/** Prekeys in the store, as after `start`. */
export async function givePreKeys(of: Account, count = 30): Promise<void> {
  for (const namespace of BOTH) {
    const preKeys = await runAsync(generatePreKeys(count, randomBytes), nodeCurve)
    await put(of, records.preKeys(namespace), encodePreKeys(preKeys))
  }
}

/** Has an account know a list of another. */
export async function giveList(
  of: Account,
  jid: BareJid,
  namespace: Namespace,
  ids: readonly number[],
  at = of.clock.now(),
): Promise<void> {
  const bytes = await stored(of, records.contact(jid))
  const contact = bytes ? decodeContact(bytes) : newContact(jid)
  const list = withList(
    contact,
    namespace,
    ids.map((id) => ({ id })),
    at,
  )
  await put(of, records.contact(jid), encodeContact(list))
}

/** As `receive` gives a stanza that came on the stream. */
export function live(account: Account, stanza: Element, occupant?: BareJid): Received {
  const received = receive(stanza, { account: account.jid, ...(occupant && { occupant: () => occupant }) })
  if (received.kind !== 'message') throw new Error('not received')
  return received
}

/** The same, by another way. */
export function by(received: Received, channel: Channel, sentAt?: Date): Received {
  const { stanza, account, chat, sender, own } = received
  return vouch({ stanza, account, chat, sender, own, channel, ...(sentAt && { sentAt }) })
}

export interface Written {
  readonly to: string
  readonly type?: string
  /** Of `from`; the room in rooms. */
  readonly from?: string
  readonly id?: string
  /** What stands outside. */
  readonly outside?: readonly Element[]
  readonly envelope?: { readonly from?: BareJid; readonly to?: BareJid; readonly time?: Date }
  /** In place of the sealed payload. */
  readonly sealed?: SealedPayload
}

export class Peer {
  readonly account: BareJid
  readonly deviceId: number
  readonly identity: Identity
  readonly #sessions = new Map<string, SessionList>()

  constructor(account: BareJid, deviceId: number, identity: Identity = generateIdentity(randomBytes)) {
    this.account = account
    this.deviceId = deviceId
    this.identity = identity
  }

  get fingerprint(): string {
    return fingerprint(this.identity)
  }

  get #self() {
    return { identity: this.identity, deviceId: this.deviceId }
  }

  /** Forgets the session with a device, so that the next message is a key exchange. */
  forget(to: Account, namespace: Namespace): void {
    this.#sessions.delete(`${to.jid} ${namespace}`)
  }

  sessions(to: Account, namespace: Namespace): SessionList | undefined {
    return this.#sessions.get(`${to.jid} ${namespace}`)
  }

  /** What a `<key/>` for the device holds. */
  async key(to: Account, namespace: Namespace, plaintext: Uint8Array) {
    const protocol = protocols[namespace]
    const at = `${to.jid} ${namespace}`
    let sessions = this.#sessions.get(at)
    if (sessions === undefined) {
      const bytes = await stored(to, records.preKeys(namespace))
      const preKeys: PreKeys = decodePreKeys(bytes as Bytes)
      const bundle = await runAsync(
        verifyBundle(protocol, publishedBundle(protocol, to.self.identity, preKeys)),
        nodeCurve,
      )
      const now = to.clock.now()
      const session = await runAsync(
        initiateSession(protocol, this.#self, bundle, now, randomBytes),
        nodeCurve,
      )
      sessions = withInitiated(undefined, session)
    }
    const encrypted = await runAsync(encryptMessage(this.#self, sessions, plaintext), nodeCurve)
    this.#sessions.set(at, encrypted.sessions)
    return encrypted.message
  }

  /** A message for one device: a body, or content. */
  async write(
    to: Account,
    namespace: Namespace,
    what: string | readonly Element[],
    options: Partial<Written> = {},
  ): Promise<Element> {
    const { encrypted } = await this.encrypted(to, namespace, what, options)
    return this.stanza([encrypted], { to: to.jid, ...options })
  }

  async encrypted(
    to: Account,
    namespace: Namespace,
    what: string | readonly Element[] | undefined,
    { envelope = {}, sealed }: Partial<Written> = {},
  ): Promise<{ readonly encrypted: Element; readonly sealed: SealedPayload }> {
    const content = typeof what === 'string' ? [element('jabber:client', 'body', {}, what)] : what
    const time = new Date(to.clock.now())
    const bytes =
      namespace === AXOLOTL
        ? encodeBody(typeof what === 'string' ? what : '')
        : encodeEnvelope(content ?? [], { from: this.account, to: to.jid, time, ...envelope })
    const made = sealed ?? payloadCiphers[namespace].seal(bytes)
    const empty = payloadCiphers[namespace].empty()
    const used = what === undefined ? empty : made
    const message = await this.key(to, namespace, used.keyMaterial)
    const encrypted = encryptedFormats[namespace].encode({
      sid: this.deviceId,
      keys: [{ jid: to.jid, rid: to.self.deviceId, ...message }],
      ...(used.iv && { iv: used.iv }),
      ...(what !== undefined && { payload: made.payload }),
    })
    return { encrypted, sealed: made }
  }

  stanza(encrypted: readonly Element[], { to, type = 'chat', from, id, outside = [] }: Written): Element {
    const attrs = { to, type, from: from ?? `${this.account}/peer`, id }
    return element('jabber:client', 'message', attrs, messageChildren(encrypted, 'fallback'), outside)
  }

  /** Hears from an account that has opened a message of this peer: what it sends then is no key exchange any more. */
  async hear(from: Account, namespace: Namespace): Promise<void> {
    const at = `${from.jid} ${namespace}`
    const ref = { namespace, device: { jid: this.account, id: this.deviceId }, fingerprint: this.fingerprint }
    const [list] = await update(from.store, [], async (_, reader) => ({
      result: await readLists(reader, [ref]),
    }))
    if (list === undefined) throw new Error('no session')
    const answer = await runAsync(encryptMessage(from.self, list.sessions, new Uint8Array(32)), nodeCurve)
    await from.store.commit([], { put: putList(ref, answer.sessions, list) })
    const state = { self: this.#self, preKeys: NO_PRE_KEYS, sessions: this.#sessions.get(at) }
    const arrival = { channel: 'live', sentAt: from.clock.now() } as const
    const opened = await runAsync(
      decryptMessage(protocols[namespace], state, answer.message.data, arrival),
      nodeCurve,
    )
    this.#sessions.set(at, opened.sessions)
  }

  /** Reads the plaintext of the ratchet in a stanza for this peer. */
  async read(from: Account, namespace: Namespace, encrypted: Element): Promise<Bytes> {
    const at = `${from.jid} ${namespace}`
    const [key] = keysFor(encryptedFormats[namespace].decode(encrypted), {
      jid: this.account,
      deviceId: this.deviceId,
    })
    if (key === undefined) throw new Error('no key for this peer')
    const state = { self: this.#self, preKeys: NO_PRE_KEYS, sessions: this.#sessions.get(at) }
    const opened = await runAsync(
      decryptMessage(protocols[namespace], state, key.data, { channel: 'live', sentAt: from.clock.now() }),
      nodeCurve,
    )
    this.#sessions.set(at, opened.sessions)
    return opened.plaintext
  }
}

const nothing = { id: 0, secret: new Uint8Array(32), publicKey: new Uint8Array(32) }
const NO_PRE_KEYS: PreKeys = { signed: nothing, previousSigned: undefined, oneTime: [], nextId: 1 }
