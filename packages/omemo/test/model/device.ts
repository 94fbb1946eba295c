/** One device of the model: all its state is bytes, read and written at every step as a store would. */
import type { VerifiedBundle } from '../../src/bundle.ts'
import { run } from '../../src/curve.ts'
import { generateIdentity, type Identity } from '../../src/identity-key.ts'
import {
  consumePreKey,
  decodePreKeys,
  encodePreKeys,
  generatePreKeys,
  type PreKeys,
  refillPreKeys,
} from '../../src/pre-keys.ts'
import type { Protocol } from '../../src/protocol.ts'
import { initiateSession, type Self } from '../../src/session.ts'
import { decodeSessions, encodeSessions, type StoredSessions } from '../../src/session-codec.ts'
import {
  type Arrival,
  decryptMessage,
  encryptMessage,
  type Opened,
  type SessionList,
  withInitiated,
} from '../../src/session-list.ts'
import { nodeCurve } from '../node-curve.ts'

/** How a device keeps its sessions. `single`: the one of the last key exchange, as python-omemo does. */
export type Kind = 'list' | 'single'

export class Device {
  readonly id: number
  readonly kind: Kind
  readonly #protocol: Protocol
  readonly #self: Self & { readonly identity: Identity }
  #preKeys: Uint8Array
  readonly #sessions = new Map<number, StoredSessions>()

  constructor(id: number, kind: Kind, protocol: Protocol) {
    this.id = id
    this.kind = kind
    this.#protocol = protocol
    this.#self = { identity: generateIdentity(), deviceId: id }
    this.#preKeys = encodePreKeys(run(generatePreKeys(0), nodeCurve))
  }

  /**
   * A bundle with one prekey that no other bundle had: two initiators that draw the same prekey, and whether a
   * bundle is genuine, are other matters than the sessions this model is about.
   */
  #offerBundle(): VerifiedBundle {
    const { nextId } = this.#keys
    const count = this.#keys.oneTime.length + 1
    const keys = run(refillPreKeys(this.#keys, count), nodeCurve)
    this.#preKeys = encodePreKeys(keys)
    const preKeys = keys.oneTime.filter(({ id }) => id === nextId)
    return { identityKey: this.#self.identity, signedPreKey: keys.signed, preKeys }
  }

  get #keys(): PreKeys {
    return decodePreKeys(this.#preKeys)
  }

  sessionsWith(peer: number): SessionList | undefined {
    const stored = this.#sessions.get(peer)
    return stored && decodeSessions(stored)
  }

  #commit(peer: number, sessions: SessionList): void {
    const kept = this.kind === 'list' ? sessions : { ...sessions, archived: [], rival: undefined }
    this.#sessions.set(peer, encodeSessions(kept))
  }

  /** Everything the device would lose by losing its store, to compare before and after a failure. */
  snapshot(): string {
    const stored = [...this.#sessions].flatMap(([, { current, archived }]) => [current, archived])
    return [this.#preKeys, ...stored].map((bytes) => Buffer.from(bytes).toString('base64')).join()
  }

  initiate(peer: Device, now: number): void {
    const session = run(initiateSession(this.#protocol, this.#self, peer.#offerBundle(), now), nodeCurve)
    this.#commit(peer.id, withInitiated(this.sessionsWith(peer.id), session))
  }

  /** @param on the session, by its ephemeral key; the current one where it is not given */
  encrypt(peer: Device, plaintext: Uint8Array, now: number, on?: Uint8Array): Uint8Array {
    if (!this.#sessions.has(peer.id)) this.initiate(peer, now)
    const before = this.sessionsWith(peer.id) as SessionList
    const { sessions, message } = run(encryptMessage(this.#self, before, plaintext, on && { on }), nodeCurve)
    this.#commit(peer.id, sessions)
    return message.data
  }

  /** @throws OmemoError */
  decrypt(peer: number, data: Uint8Array, arrival: Arrival): Opened {
    const state = { self: this.#self, preKeys: this.#keys, sessions: this.sessionsWith(peer) }
    const opened = run(decryptMessage(this.#protocol, state, data, arrival), nodeCurve)
    this.#commit(peer, opened.sessions)
    if (opened.usedPreKeyId !== undefined)
      this.#preKeys = encodePreKeys(consumePreKey(this.#keys, opened.usedPreKeyId))
    return opened
  }
}
