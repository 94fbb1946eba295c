/**
 * X3DH as OMEMO uses it (XEP-0384 §4.2): a one-time prekey is mandatory.
 *
 *     DH1 = DH(IK_A, SPK_B)   DH2 = DH(EK_A, IK_B)   DH3 = DH(EK_A, SPK_B)   DH4 = DH(EK_A, OPK_B)
 *     SK  = HKDF(FF×32 ‖ DH1 ‖ DH2 ‖ DH3 ‖ DH4, salt = 00×32, info, 32)
 *
 * A is the initiator, B the responder; a responder computes the same four from its own secrets. Both take an
 * X25519 secret as their identity, so that foreign keys can be used for decrypting.
 */
import { concatBytes } from '@noble/hashes/utils.js'
import type { Bytes } from './bytes.ts'
import { type CurveStep, sharedSecrets } from './curve.ts'
import { deriveKey } from './kdf.ts'

const SHARED_KEY_LENGTH = 32
/** F: no valid encoding of a curve point, so that X3DH and XEdDSA inputs never meet. */
const DOMAIN_SEPARATOR: Bytes = new Uint8Array(32).fill(0xff)

/** The initiator's secrets and the responder's public keys; all X25519, 32 bytes. */
export interface InitiatorKeys {
  readonly identitySecret: Bytes
  readonly ephemeralSecret: Bytes
  readonly theirIdentity: Bytes
  readonly theirSignedPreKey: Bytes
  readonly theirPreKey: Bytes
}

/** The responder's secrets and the initiator's public keys; all X25519, 32 bytes. */
export interface ResponderKeys {
  readonly identitySecret: Bytes
  readonly signedPreKeySecret: Bytes
  readonly preKeySecret: Bytes
  readonly theirIdentity: Bytes
  readonly theirEphemeral: Bytes
}

/** @throws OmemoError `key-invalid` @returns SK, 32 bytes */
export function* agreeAsInitiator(keys: InitiatorKeys, info: string): CurveStep<Bytes> {
  return deriveSharedKey(
    yield* sharedSecrets([
      [keys.identitySecret, keys.theirSignedPreKey],
      [keys.ephemeralSecret, keys.theirIdentity],
      [keys.ephemeralSecret, keys.theirSignedPreKey],
      [keys.ephemeralSecret, keys.theirPreKey],
    ]),
    info,
  )
}

/** @throws OmemoError `key-invalid` @returns SK, 32 bytes */
export function* agreeAsResponder(keys: ResponderKeys, info: string): CurveStep<Bytes> {
  return deriveSharedKey(
    yield* sharedSecrets([
      [keys.signedPreKeySecret, keys.theirIdentity],
      [keys.identitySecret, keys.theirEphemeral],
      [keys.signedPreKeySecret, keys.theirEphemeral],
      [keys.preKeySecret, keys.theirEphemeral],
    ]),
    info,
  )
}

function deriveSharedKey(agreements: readonly Bytes[], info: string): Bytes {
  return deriveKey(concatBytes(DOMAIN_SEPARATOR, ...agreements), info, SHARED_KEY_LENGTH)
}
