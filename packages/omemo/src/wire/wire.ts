import type { Bytes } from '../bytes.ts'

/** The header of a ratchet message and what it encrypts. */
export interface RatchetMessage {
  /** n: index of the message in its sending chain, from 0. */
  readonly counter: number
  /** pn: how many messages the sender's previous chain had. */
  readonly previousCounter: number
  /** Montgomery form, 32 bytes. */
  readonly ratchetKey: Bytes
  readonly ciphertext: Bytes
}

/** A ratchet message as it was serialized, once, and the MAC over it. */
export interface AuthenticatedMessage {
  readonly mac: Bytes
  readonly message: Bytes
}

/** The X3DH header around an authenticated message. */
export interface KeyExchange {
  /** The one-time prekey; undefined where the sender used none, which is refused later. */
  readonly preKeyId: number | undefined
  readonly signedPreKeyId: number
  /** 32 bytes in the form that the namespace authenticates: Montgomery in 0.3, Ed25519 in omemo:2. */
  readonly identityKey: Bytes
  /** Montgomery form, 32 bytes. */
  readonly ephemeralKey: Bytes
  /** An authenticated message, encoded. */
  readonly message: Bytes
}

/** How one namespace writes its messages. Decoders throw OmemoError `message-malformed`. */
export interface Wire {
  /** Length of the MAC of a ratchet message, in bytes. */
  readonly macLength: number
  encodeRatchetMessage(message: RatchetMessage): Bytes
  decodeRatchetMessage(bytes: Uint8Array): RatchetMessage
  encodeAuthenticated(message: AuthenticatedMessage): Bytes
  decodeAuthenticated(bytes: Uint8Array): AuthenticatedMessage
  encodeKeyExchange(exchange: KeyExchange & { readonly preKeyId: number }, deviceId: number): Bytes
  decodeKeyExchange(bytes: Uint8Array): KeyExchange
  /** Tells by the first bytes what a `<key/>` holds: the attribute that says so is wrong too often. */
  isKeyExchange(bytes: Uint8Array): boolean
}
