/**
 * The two wire versions of OMEMO in use. Everything in which their key exchange and ratchet differ is a row
 * here; no function of either asks which version it runs.
 *
 * |                   | `eu.siacs.conversations.axolotl`           | `urn:xmpp:omemo:2`                       |
 * | ----------------- | ------------------------------------------ | ---------------------------------------- |
 * | identity key      | Montgomery                                 | Ed25519, sign bit as received            |
 * | associated data   | 05‖sender ‖ 05‖receiver, turns with the direction | initiator ‖ responder, fixed      |
 * | signed prekey     | signature over 05 ‖ key                    | signature over the key                   |
 * | MAC               | 8 bytes                                    | 16 bytes                                 |
 */
import { concatBytes } from '@noble/hashes/utils.js'
import type { Bytes } from './bytes.ts'
import { fromEdwards, fromMontgomery, type IdentityKey, toEdwards } from './identity-key.ts'
import { axolotlWire, encodePublicKey } from './wire/axolotl.ts'
import { omemo2Wire } from './wire/omemo-2.ts'
import type { Wire } from './wire/wire.ts'

/** XEP-0384 0.3.0. */
export const AXOLOTL = 'eu.siacs.conversations.axolotl'

/** XEP-0384 0.8 and later. */
export const OMEMO_2 = 'urn:xmpp:omemo:2'

export type Namespace = typeof AXOLOTL | typeof OMEMO_2

/** The four places two identity keys can have in associated data. Keys are 32 bytes as the namespace writes them. */
export interface Parties {
  readonly sender: Uint8Array
  readonly receiver: Uint8Array
  readonly initiator: Uint8Array
  readonly responder: Uint8Array
}

export interface Protocol {
  readonly namespace: Namespace
  /** HKDF info strings. */
  readonly info: { readonly keyExchange: string; readonly rootChain: string; readonly messageKeys: string }
  readonly wire: Wire
  /** What a MAC covers before the message. */
  associatedData(parties: Parties): Bytes
  /** The form of an identity key that this namespace authenticates, 32 bytes. */
  identityBytes(key: IdentityKey): Bytes
  /** Reads that form. @throws OmemoError `key-invalid` */
  readIdentity(bytes: Uint8Array, path?: string): IdentityKey
  /** The Ed25519 key and signature to verify a signature of that identity with. */
  verification(
    key: IdentityKey,
    signature: Uint8Array,
  ): { readonly publicKey: Bytes; readonly signature: Bytes }
  /** What the signature of a signed prekey covers. */
  signedBytes(signedPreKey: Uint8Array): Bytes
}

export const axolotl: Protocol = {
  namespace: AXOLOTL,
  info: { keyExchange: 'WhisperText', rootChain: 'WhisperRatchet', messageKeys: 'WhisperMessageKeys' },
  wire: axolotlWire,
  associatedData: ({ sender, receiver }) => concatBytes(encodePublicKey(sender), encodePublicKey(receiver)),
  identityBytes: (key) => key.montgomery,
  readIdentity: fromMontgomery,
  // The sign of the signer's Ed25519 key travels in the top bit of the signature, where S < L leaves room.
  verification: (key, signature) => {
    const plain = Uint8Array.from(signature)
    const sign = (plain[63] ?? 0) >> 7
    if (plain.length > 63) plain[63] = (plain[63] as number) & 0x7f
    return { publicKey: toEdwards(key.montgomery, sign === 1 ? 1 : 0), signature: plain }
  },
  signedBytes: encodePublicKey,
}

export const omemo2: Protocol = {
  namespace: OMEMO_2,
  info: {
    keyExchange: 'OMEMO X3DH',
    rootChain: 'OMEMO Root Chain',
    messageKeys: 'OMEMO Message Key Material',
  },
  wire: omemo2Wire,
  associatedData: ({ initiator, responder }) => concatBytes(initiator, responder),
  identityBytes: (key) => key.edwards,
  readIdentity: fromEdwards,
  verification: (key, signature) => ({ publicKey: key.edwards, signature: Uint8Array.from(signature) }),
  signedBytes: (signedPreKey) => Uint8Array.from(signedPreKey),
}

/** The row of each namespace, the preferred one first. */
export const protocols: Readonly<Record<Namespace, Protocol>> = {
  [OMEMO_2]: omemo2,
  [AXOLOTL]: axolotl,
}

/** @internal The preferred one first. */
export const namespaces: readonly Namespace[] = [OMEMO_2, AXOLOTL]
