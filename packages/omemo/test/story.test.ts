/**
 * Two people, three devices, and what happens to messages: a tutorial of the protocol below the façade.
 *
 * Alice has a phone and a laptop, Bob has a phone. Everything a device keeps is bytes in a map, as in a store; all
 * that passes between them is XML in strings, as on a network. Only what the package exports is used.
 */
import { type BareJid, bare, element, parse, serialize, text } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import {
  axolotl,
  bundles,
  checkAffixes,
  consumePreKey,
  decodeBody,
  decodeEnvelope,
  decodeIdentity,
  decodePreKeys,
  decodeSessions,
  decryptMessage,
  encodeBody,
  encodeEnvelope,
  encodeIdentity,
  encodePreKeys,
  encodeSessions,
  encryptedElements,
  encryptedFormats,
  encryptMessage,
  fingerprint,
  generateIdentity,
  generatePreKeys,
  initiateSession,
  keysFor,
  messageChildren,
  OmemoError,
  type Opened,
  omemo2,
  type Protocol,
  payloadCiphers,
  publishedBundle,
  refillPreKeys,
  run,
  type SessionList,
  type StoredSessions,
  verifyBundle,
  withInitiated,
} from '../src/primitives.ts'

const PRE_KEYS = 25

/** What is encrypted: omemo:2 puts elements into an envelope, 0.3 encrypts the text alone. */
interface Content {
  write(text: string, from: BareJid, to: BareJid, sentAt: number): Uint8Array
  read(bytes: Uint8Array, message: { from: BareJid; to: BareJid }, account: BareJid, sentAt: number): string
}

const contents: Readonly<Record<Protocol['namespace'], Content>> = {
  'eu.siacs.conversations.axolotl': {
    write: (said) => encodeBody(said),
    read: (bytes) => decodeBody(bytes),
  },
  'urn:xmpp:omemo:2': {
    write: (said, from, to, sentAt) =>
      encodeEnvelope([element('jabber:client', 'body', {}, said)], { from, to, time: new Date(sentAt) }),
    read: (bytes, { from, to }, account, sentAt) => {
      // A copy of what the account itself has said belongs to the chat with whom it was said to.
      const chat = from === account ? to : from
      const context = { kind: 'chat', account, chat, sender: from, sentAt: new Date(sentAt) } as const
      return checkAffixes(decodeEnvelope(bytes), context).content.map(text).join()
    },
  },
}

class Device {
  readonly account: BareJid
  readonly id: number
  readonly #protocol: Protocol
  readonly #sessions = new Map<string, StoredSessions>()
  readonly #identity: Uint8Array
  #preKeys: Uint8Array

  /** Keys are made once, for the life of the device. */
  constructor(protocol: Protocol, account: BareJid, id: number) {
    this.#protocol = protocol
    this.account = account
    this.id = id
    this.#identity = encodeIdentity(generateIdentity())
    this.#preKeys = encodePreKeys(run(generatePreKeys(PRE_KEYS)))
  }

  get #self() {
    return { identity: decodeIdentity(this.#identity), deviceId: this.id }
  }

  get fingerprint(): string {
    return fingerprint(this.#self.identity)
  }

  /** What the device publishes in PEP; it does so again whenever a prekey was used. */
  get bundle(): string {
    const bundle = publishedBundle(this.#protocol, this.#self.identity, decodePreKeys(this.#preKeys))
    return serialize(bundles[this.#protocol.namespace].encode(bundle))
  }

  #sessionsWith(account: BareJid, id: number): SessionList | undefined {
    const stored = this.#sessions.get(`${account}/${id}`)
    return stored && decodeSessions(stored)
  }

  #commit(account: BareJid, id: number, sessions: SessionList): void {
    this.#sessions.set(`${account}/${id}`, encodeSessions(sessions))
  }

  /** Encrypts once for all devices, and the key of that for each of them. */
  write(said: string, to: BareJid, devices: readonly Device[], now: number): string {
    const { namespace } = this.#protocol
    const { payload, keyMaterial, iv } = payloadCiphers[namespace].seal(
      contents[namespace].write(said, this.account, to, now),
    )
    const keys = devices.map((device) => this.#keyFor(device, keyMaterial, now))
    const encrypted = encryptedFormats[namespace].encode({ sid: this.id, keys, payload, ...(iv && { iv }) })
    const children = messageChildren([encrypted], 'I sent you an OMEMO encrypted message')
    return serialize(element('jabber:client', 'message', { from: this.account, to, type: 'chat' }, children))
  }

  /** The message that carries nothing and tells the peer that its key exchange arrived. */
  complete(peer: Device, { ephemeralKey }: Opened): string {
    const { namespace } = this.#protocol
    const { keyMaterial, iv } = payloadCiphers[namespace].empty()
    const keys = [this.#keyFor(peer, keyMaterial, 0, ephemeralKey)]
    const encrypted = encryptedFormats[namespace].encode({ sid: this.id, keys, ...(iv && { iv }) })
    return serialize(element('jabber:client', 'message', { from: this.account, to: peer.account }, encrypted))
  }

  #keyFor(peer: Device, keyMaterial: Uint8Array, now: number, on?: Uint8Array) {
    const sessions = this.#sessionsWith(peer.account, peer.id) ?? this.#open(peer, now)
    const encrypted = run(encryptMessage(this.#self, sessions, keyMaterial, on && { on }))
    // The commit comes before the message leaves: no message key is ever used twice.
    this.#commit(peer.account, peer.id, encrypted.sessions)
    return { jid: peer.account, rid: peer.id, ...encrypted.message }
  }

  /** A new session, with the bundle that the peer has published. */
  #open(peer: Device, now: number): SessionList {
    const published = bundles[this.#protocol.namespace].decode(parse(peer.bundle))
    const bundle = run(verifyBundle(this.#protocol, published))
    // Here a client asks whether this key is trusted.
    expect(fingerprint(bundle.identityKey)).toBe(peer.fingerprint)
    return withInitiated(undefined, run(initiateSession(this.#protocol, this.#self, bundle, now)))
  }

  /** Opens a stanza. Nothing is stored unless all of it is good. */
  read(stanza: string, sentAt: number): { readonly said: string; readonly opened: Opened } {
    const { namespace } = this.#protocol
    const message = parse(stanza)
    const from = bare(message.attrs.from ?? '')
    const found = encryptedElements(message).find((one) => one.namespace === namespace)
    if (found === undefined) throw new Error('not encrypted')
    const encrypted = encryptedFormats[namespace].decode(found.element)
    const [key] = keysFor(encrypted, { jid: this.account, deviceId: this.id })
    if (key === undefined) throw new Error('not for this device')

    const before = this.#sessionsWith(from, encrypted.sid)
    const preKeys = decodePreKeys(this.#preKeys)
    const state = { self: this.#self, preKeys, sessions: before }
    const opened = run(decryptMessage(this.#protocol, state, key.data, { channel: 'live', sentAt }))
    const { payload, iv } = encrypted
    const said =
      payload === undefined
        ? ''
        : contents[namespace].read(
            payloadCiphers[namespace].open({ payload, iv, keyMaterial: opened.plaintext }),
            { from, to: bare(message.attrs.to ?? '') },
            this.account,
            sentAt,
          )

    this.#commit(from, encrypted.sid, opened.sessions)
    if (opened.usedPreKeyId !== undefined)
      this.#preKeys = encodePreKeys(run(refillPreKeys(consumePreKey(preKeys, opened.usedPreKeyId), PRE_KEYS)))
    return { said, opened }
  }
}

/** The code of what a device makes of a stanza that it cannot read. */
function refusal(device: Device, stanza: string, sentAt: number): string {
  try {
    device.read(stanza, sentAt)
  } catch (error) {
    if (error instanceof OmemoError) return error.code
    throw error
  }
  return 'read'
}

describe.each([omemo2, axolotl])('$namespace', (protocol) => {
  test('Alice writes to Bob, who is offline, from two devices', () => {
    const alice = bare('alice@example.org')
    const bob = bare('bob@example.com')
    const phone = new Device(protocol, alice, 1001)
    const laptop = new Device(protocol, alice, 1002)
    const bobs = new Device(protocol, bob, 2001)
    let now = Date.UTC(2026, 0, 1)

    // Bob is offline. Alice needs only what he has published: the server keeps her messages for him.
    const first = phone.write('Are you there?', bob, [bobs, laptop], ++now)
    const second = phone.write('Call me when you are.', bob, [bobs, laptop], ++now)
    expect(first).not.toContain('there')

    // Her laptop gets copies, so that it shows what her phone has said. It is not Bob, and has its own session.
    expect(laptop.read(first, now)).toMatchObject({ said: 'Are you there?', opened: { completion: true } })

    // Bob comes online, and reads what waited for him, in whatever order it comes.
    const late = bobs.read(second, now)
    expect(late.said).toBe('Call me when you are.')
    expect(bobs.read(first, now).said).toBe('Are you there?')

    // The server delivers one of them again. That is normal, and says so.
    expect(refusal(bobs, first, now)).toBe('message-duplicate')

    // Until Bob is heard of, Alice repeats her key exchange. His completion ends that.
    expect(late.opened.completion).toBe(true)
    expect(phone.read(bobs.complete(phone, late.opened), now)).toMatchObject({
      said: '',
      opened: { completion: false },
    })

    // They talk: each answer brings new keys.
    for (let round = 1; round <= 3; round++) {
      expect(bobs.read(phone.write(`Question ${round}`, bob, [bobs, laptop], ++now), now).said).toBe(
        `Question ${round}`,
      )
      expect(phone.read(bobs.write(`Answer ${round}`, alice, [phone, laptop], ++now), now).said).toBe(
        `Answer ${round}`,
      )
    }

    // One message is lost, and nobody minds; another is late, and comes after the conversation has gone on.
    phone.write('Lost.', bob, [bobs], ++now)
    const overtaken = phone.write('Late.', bob, [bobs], ++now)
    expect(bobs.read(phone.write('In time.', bob, [bobs], ++now), now).said).toBe('In time.')
    phone.read(bobs.write('I see.', alice, [phone], ++now), now)
    expect(bobs.read(phone.write('Going on.', bob, [bobs], ++now), now).said).toBe('Going on.')
    expect(bobs.read(overtaken, now).said).toBe('Late.')

    // Somebody changes a message on its way. It is refused, nothing has changed, and the true one still opens.
    const genuine = phone.write('Meet me at nine.', bob, [bobs], ++now)
    const forged = genuine.replace(/<payload>(.)/, (_all, c: string) => `<payload>${c === 'A' ? 'B' : 'A'}`)
    expect(refusal(bobs, forged, now)).toBe('payload-authentication-failed')
    expect(bobs.read(genuine, now).said).toBe('Meet me at nine.')

    // Alice's laptop answers too: Bob opens a session to it the first time he writes there, or it to him.
    const fromLaptop = bobs.read(laptop.write('Now from my laptop.', bob, [bobs], ++now), now)
    expect(fromLaptop.said).toBe('Now from my laptop.')
    expect(laptop.read(bobs.write('Good morning, laptop.', alice, [phone, laptop], ++now), now).said).toBe(
      'Good morning, laptop.',
    )
  })

  test('both write first, at the same moment, and still find each other', () => {
    const [alice, bob] = [bare('alice@example.org'), bare('bob@example.com')]
    const phone = new Device(protocol, alice, 1001)
    const bobs = new Device(protocol, bob, 2001)
    const now = Date.UTC(2026, 0, 1)
    const question = phone.write('Hello?', bob, [bobs], now)
    const answer = bobs.write('Hello?', alice, [phone], now)
    expect(bobs.read(question, now).said).toBe('Hello?')
    expect(phone.read(answer, now).said).toBe('Hello?')
    for (let round = 0; round < 4; round++) {
      expect(bobs.read(phone.write('You first.', bob, [bobs], now), now).said).toBe('You first.')
      expect(phone.read(bobs.write('No, you.', alice, [phone], now), now).said).toBe('No, you.')
    }
  })
})
