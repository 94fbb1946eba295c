/**
 * The messages of `urn:xmpp:omemo:2`, XEP-0384 §12.
 *
 *     OMEMOAuthenticatedMessage { 1 mac 16 B, 2 message }     ← what a <key/> holds
 *     OMEMOKeyExchange { 1 pk_id, 2 spk_id, 3 ik 32 B, 4 ek 32 B, 5 message }     ← with kex='true'
 *     OMEMOMessage { 1 n, 2 pn, 3 dh_pub 32 B, 4 ciphertext }     ← `message` of the first, MAC-ed as received
 */

import { decodeFields, encodeFields } from './protobuf.ts'
import type { Wire } from './wire.ts'

const MAC_LENGTH = 16

const ratchetMessage = {
  name: 'OMEMOMessage',
  fields: {
    n: { number: 1, type: 'uint32' },
    pn: { number: 2, type: 'uint32' },
    dh_pub: { number: 3, type: 'bytes', length: 32 },
    ciphertext: { number: 4, type: 'bytes' },
  },
} as const

const authenticatedMessage = {
  name: 'OMEMOAuthenticatedMessage',
  fields: { mac: { number: 1, type: 'bytes', length: MAC_LENGTH }, message: { number: 2, type: 'bytes' } },
} as const

const keyExchange = {
  name: 'OMEMOKeyExchange',
  fields: {
    // Optional so that a missing one is reported as what the specification calls it: no one-time prekey.
    pk_id: { number: 1, type: 'uint32', optional: true },
    spk_id: { number: 2, type: 'uint32' },
    ik: { number: 3, type: 'bytes', length: 32 },
    ek: { number: 4, type: 'bytes', length: 32 },
    message: { number: 5, type: 'bytes' },
  },
} as const

export const omemo2Wire: Wire = {
  macLength: MAC_LENGTH,
  encodeRatchetMessage: ({ counter, previousCounter, ratchetKey, ciphertext }) =>
    encodeFields(ratchetMessage, { n: counter, pn: previousCounter, dh_pub: ratchetKey, ciphertext }),
  decodeRatchetMessage: (bytes) => {
    const { n, pn, dh_pub, ciphertext } = decodeFields(ratchetMessage, bytes)
    return { counter: n, previousCounter: pn, ratchetKey: dh_pub, ciphertext }
  },
  encodeAuthenticated: ({ mac, message }) => encodeFields(authenticatedMessage, { mac, message }),
  decodeAuthenticated: (bytes) => decodeFields(authenticatedMessage, bytes),
  encodeKeyExchange: ({ preKeyId, signedPreKeyId, identityKey, ephemeralKey, message }) =>
    encodeFields(keyExchange, {
      pk_id: preKeyId,
      spk_id: signedPreKeyId,
      ik: identityKey,
      ek: ephemeralKey,
      message,
    }),
  decodeKeyExchange: (bytes) => {
    const { pk_id, spk_id, ik, ek, message } = decodeFields(keyExchange, bytes)
    return { preKeyId: pk_id, signedPreKeyId: spk_id, identityKey: ik, ephemeralKey: ek, message }
  },
  // An authenticated message starts with its MAC (tag 0a); a key exchange with 08, or 10 where it has no pk_id.
  isKeyExchange: (bytes) => bytes[0] !== 0x0a,
}
