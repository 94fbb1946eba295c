/**
 * The messages of `urn:xmpp:omemo:2`, XEP-0384 §Protobuf Schemas.
 *
 *     OMEMOAuthenticatedMessage { 1 mac 16 B, 2 message }     ← what a <key/> holds
 *     OMEMOKeyExchange { 1 pk_id, 2 spk_id, 3 ik 32 B, 4 ek 32 B, 5 message }     ← with kex='true'
 *     OMEMOMessage { 1 n, 2 pn, 3 dh_pub 32 B, 4 ciphertext }     ← `message` of the first, MAC-ed as received
 */

import { decodeMessage, encodeMessage } from './protobuf.ts'
import type { Wire } from './wire.ts'

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
  fields: { mac: { number: 1, type: 'bytes', length: 16 }, message: { number: 2, type: 'bytes' } },
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
  encodeMessage: ({ counter, previousCounter, ratchetKey, ciphertext }) =>
    encodeMessage(ratchetMessage, { n: counter, pn: previousCounter, dh_pub: ratchetKey, ciphertext }),
  decodeMessage: (bytes) => {
    const { n, pn, dh_pub, ciphertext } = decodeMessage(ratchetMessage, bytes)
    return { counter: n, previousCounter: pn, ratchetKey: dh_pub, ciphertext }
  },
  encodeAuthenticated: ({ mac, message }) => encodeMessage(authenticatedMessage, { mac, message }),
  decodeAuthenticated: (bytes) => decodeMessage(authenticatedMessage, bytes),
  encodeKeyExchange: ({ preKeyId, signedPreKeyId, identityKey, ephemeralKey, message }) =>
    encodeMessage(keyExchange, {
      pk_id: preKeyId,
      spk_id: signedPreKeyId,
      ik: identityKey,
      ek: ephemeralKey,
      message,
    }),
  decodeKeyExchange: (bytes) => {
    const { pk_id, spk_id, ik, ek, message } = decodeMessage(keyExchange, bytes)
    return { preKeyId: pk_id, signedPreKeyId: spk_id, identityKey: ik, ephemeralKey: ek, message }
  },
  // Field 1 of a key exchange is a varint (tag 08), of an authenticated message bytes (tag 0a).
  isKeyExchange: (bytes) => bytes[0] === 0x08,
}
