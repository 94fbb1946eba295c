/** Bundles: what a device publishes so that others can open sessions to it (XEP-0384 §5.3.2). */
import { randomBytes } from '@noble/hashes/utils.js'
import { type Bytes, type Random, randomBelow } from './bytes.ts'
import { assertMontgomery, type CurveStep, isMontgomery, verify } from './curve.ts'
import { OmemoError } from './error.ts'
import { type Identity, type IdentityKey, sign } from './identity-key.ts'
import type { PreKeys } from './pre-keys.ts'
import type { Protocol } from './protocol.ts'
import type { Bundle } from './stanza/bundle.ts'

export interface PublicPreKey {
  readonly id: number
  /** X25519, 32 bytes. */
  readonly publicKey: Bytes
}

/** A bundle whose signature is good and whose keys are acceptable: the only thing sessions are opened with. */
export interface VerifiedBundle {
  readonly identityKey: IdentityKey
  readonly signedPreKey: PublicPreKey
  /** Never empty. */
  readonly preKeys: readonly PublicPreKey[]
}

/**
 * What to publish for this device. The signature is deterministic: the same keys give the same bundle. A prekey with id 0
 * is not in it: another program has made it, key exchanges with it may be under way, and §5.3.2 forbids that id.
 */
export function publishedBundle(protocol: Protocol, identity: Identity, preKeys: PreKeys): Bundle {
  const { id, publicKey } = preKeys.signed
  return {
    identityKey: protocol.identityBytes(identity),
    signedPreKey: { id, publicKey, signature: sign(identity, protocol.signedBytes(publicKey)) },
    preKeys: preKeys.oneTime.filter(({ id }) => id > 0).map(({ id, publicKey }) => ({ id, publicKey })),
  }
}

/**
 * Verifies a peer's bundle. One-time prekeys that are not acceptable are left out, one by one.
 * @throws OmemoError `bundle-signature-invalid`, `bundle-without-pre-keys`, `key-invalid`
 */
export function* verifyBundle(protocol: Protocol, bundle: Bundle): CurveStep<VerifiedBundle> {
  const identityKey = protocol.readIdentity(bundle.identityKey, 'bundle/identity key')
  const { signature: written, ...signedPreKey } = bundle.signedPreKey
  assertMontgomery(signedPreKey.publicKey, 'bundle/signed prekey')
  const { publicKey, signature } = protocol.verification(identityKey, written)
  if (!(yield* verify(signature, protocol.signedBytes(signedPreKey.publicKey), publicKey)))
    throw new OmemoError(
      'bundle-signature-invalid',
      'bundle: the signed prekey is not signed by its identity key',
    )
  const preKeys = bundle.preKeys.filter(({ publicKey }) => isMontgomery(publicKey))
  if (preKeys.length === 0)
    throw new OmemoError('bundle-without-pre-keys', 'bundle: no usable one-time prekey, which sessions need')
  return { identityKey, signedPreKey, preKeys }
}

/** A one-time prekey drawn at random, so that two senders seldom draw the same. */
export function pickPreKey(bundle: VerifiedBundle, random: Random = randomBytes): PublicPreKey {
  return bundle.preKeys[randomBelow(bundle.preKeys.length, random)] as PublicPreKey
}
