/** A secret key of our own: a primary key that signs, one subkey that decrypts, no expiry (XEP-0373 §5, §7). */
import type { BareJid } from '@xmpp-e2e/xml'
import type { PrivateKey } from 'openpgp'
import type { Bytes } from '../bytes.ts'
import type { Certificate } from './certificate.ts'

/** @internal */
export interface SecretKey {
  readonly certificate: Certificate
  /** As it is stored: under its passphrase, if it has one. */
  readonly bytes: Bytes
  readonly isLocked: boolean
  readonly key: PrivateKey
}

/** Why a key is revoked (RFC 9580 §5.2.3.31). `compromised` makes all that it ever signed worthless. */
export type RevocationReason = 'retired' | 'superseded' | 'compromised'

/** @internal Under the passphrase, if one is given. Backdated by a minute: some clocks are late. */
export async function generateSecretKey(
  _account: BareJid,
  _now: number,
  _passphrase?: string,
): Promise<SecretKey> {
  throw new Error('to be written')
}

/** @internal All keys in it, binary or armored; locked ones stay so. @throws {OxError} `secret-key-malformed` */
export async function readSecretKeys(_data: Uint8Array, _now: number): Promise<readonly SecretKey[]> {
  throw new Error('to be written')
}

/** @internal @throws {OxError} `passphrase-wrong` */
export async function unlockSecretKey(_key: SecretKey, _passphrase: string): Promise<SecretKey> {
  throw new Error('to be written')
}

/** @internal An unlocked key under a new passphrase, or under none: its `bytes` are what changes; it stays unlocked. */
export async function protectSecretKey(_key: SecretKey, _passphrase: string | undefined): Promise<SecretKey> {
  throw new Error('to be written')
}

/** @internal An unlocked key that never expires and has these user IDs; merged, so that old signatures stay valid. */
export async function adaptSecretKey(
  _key: SecretKey,
  _userIds: readonly string[],
  _now: number,
): Promise<SecretKey> {
  throw new Error('to be written')
}

/** @internal */
export async function revokeSecretKey(
  _key: SecretKey,
  _reason: RevocationReason,
  _now: number,
): Promise<SecretKey> {
  throw new Error('to be written')
}
