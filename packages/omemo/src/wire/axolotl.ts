/**
 * The messages of `eu.siacs.conversations.axolotl`, in the framing of the Signal protocol's version 3.
 *
 *     33 ‖ SignalMessage ‖ MAC 8 B     ← what a <key/> holds; the MAC covers the version byte too
 *     33 ‖ PreKeySignalMessage     ← with prekey='true'
 *     SignalMessage { 1 ratchetKey 33 B, 2 counter, 3 previousCounter, 4 ciphertext }
 *     PreKeySignalMessage { 5 registrationId, 1 preKeyId, 6 signedPreKeyId, 2 baseKey 33 B, 3 identityKey 33 B, 4 message }
 *
 * Public keys are 05 ‖ Montgomery u. The version byte is read by its high nibble, as most readers do.
 */
import { concatBytes } from '@noble/hashes/utils.js'
import type { Bytes } from '../bytes.ts'
import { OmemoError } from '../error.ts'
import { decodeFields, encodeFields } from './protobuf.ts'
import type { Wire } from './wire.ts'

const VERSION = 0x33
const KEY_TYPE = 0x05
const MAC_LENGTH = 8
/** Tag of field 1 of a SignalMessage, bytes. A PreKeySignalMessage starts with 08, 12 or 28. */
const SIGNAL_MESSAGE_TAG = 0x0a

const signalMessage = {
  name: 'SignalMessage',
  fields: {
    ratchetKey: { number: 1, type: 'bytes', length: 33 },
    counter: { number: 2, type: 'uint32' },
    previousCounter: { number: 3, type: 'uint32', optional: true },
    ciphertext: { number: 4, type: 'bytes' },
  },
} as const

const preKeySignalMessage = {
  name: 'PreKeySignalMessage',
  fields: {
    registrationId: { number: 5, type: 'uint32', optional: true },
    preKeyId: { number: 1, type: 'uint32', optional: true },
    signedPreKeyId: { number: 6, type: 'uint32' },
    baseKey: { number: 2, type: 'bytes', length: 33 },
    identityKey: { number: 3, type: 'bytes', length: 33 },
    message: { number: 4, type: 'bytes' },
  },
} as const

/** 05 ‖ u: how the 0.3 namespace writes every public key, in messages, bundles and signatures. */
export function encodePublicKey(montgomery: Uint8Array): Bytes {
  return concatBytes(Uint8Array.of(KEY_TYPE), montgomery)
}

/** @throws OmemoError `message-malformed` for any other type or length */
function decodePublicKey(bytes: Uint8Array, path: string): Bytes {
  if (bytes.length !== 33 || bytes[0] !== KEY_TYPE)
    throw new OmemoError('message-malformed', `${path}: expected 33 bytes of key type 5`, { path })
  return Uint8Array.from(bytes.subarray(1))
}

/** Strips the version byte. */
function versioned(bytes: Uint8Array, name: string): Uint8Array {
  const version = bytes[0]
  if (version === undefined) throw new OmemoError('message-malformed', `${name}: empty`, { path: name })
  if (version >> 4 !== 3)
    throw new OmemoError('version-unsupported', `${name}: version ${version >> 4}, expected 3`, {
      path: name,
    })
  return bytes.subarray(1)
}

export const axolotlWire: Wire = {
  macLength: MAC_LENGTH,
  encodeRatchetMessage: ({ counter, previousCounter, ratchetKey, ciphertext }) =>
    concatBytes(
      Uint8Array.of(VERSION),
      encodeFields(signalMessage, {
        ratchetKey: encodePublicKey(ratchetKey),
        counter,
        previousCounter,
        ciphertext,
      }),
    ),
  decodeRatchetMessage: (bytes) => {
    const message = decodeFields(signalMessage, versioned(bytes, signalMessage.name))
    return {
      counter: message.counter,
      previousCounter: message.previousCounter ?? 0,
      ratchetKey: decodePublicKey(message.ratchetKey, 'SignalMessage.ratchetKey'),
      ciphertext: message.ciphertext,
    }
  },
  encodeAuthenticated: ({ mac, message }) => concatBytes(message, mac),
  decodeAuthenticated: (bytes) => {
    if (bytes.length <= MAC_LENGTH)
      throw new OmemoError('message-malformed', 'SignalMessage: shorter than its MAC', {
        path: signalMessage.name,
      })
    return {
      message: Uint8Array.from(bytes.subarray(0, -MAC_LENGTH)),
      mac: Uint8Array.from(bytes.subarray(-MAC_LENGTH)),
    }
  },
  encodeKeyExchange: ({ preKeyId, signedPreKeyId, identityKey, ephemeralKey, message }, deviceId) =>
    concatBytes(
      Uint8Array.of(VERSION),
      encodeFields(preKeySignalMessage, {
        registrationId: deviceId,
        preKeyId,
        signedPreKeyId,
        baseKey: encodePublicKey(ephemeralKey),
        identityKey: encodePublicKey(identityKey),
        message,
      }),
    ),
  decodeKeyExchange: (bytes) => {
    const exchange = decodeFields(preKeySignalMessage, versioned(bytes, preKeySignalMessage.name))
    return {
      preKeyId: exchange.preKeyId,
      signedPreKeyId: exchange.signedPreKeyId,
      identityKey: decodePublicKey(exchange.identityKey, 'PreKeySignalMessage.identityKey'),
      ephemeralKey: decodePublicKey(exchange.baseKey, 'PreKeySignalMessage.baseKey'),
      message: exchange.message,
    }
  },
  isKeyExchange: (bytes) => bytes[1] !== SIGNAL_MESSAGE_TAG,
}
