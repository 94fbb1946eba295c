/** A secret key of our own: a primary key that signs, one subkey that decrypts, no expiry (XEP-0373 §5, §7). */
import type { BareJid } from '@xmpp-e2e/xml'
import {
  decryptKey,
  encryptKey,
  enums,
  generateKey,
  type PrivateKey,
  readPrivateKeys,
  revokeKey,
  type SecretKeyPacket,
  type SecretSubkeyPacket,
} from 'openpgp'
import type { Bytes } from '../bytes.ts'
import { userIdsOf } from '../elements/user-id.ts'
import { OxError } from '../error.ts'
import { dearmored } from './armor.ts'
import { type Certificate, certificateIn } from './certificate.ts'
import { assertCrypto, LENIENT, STRICT } from './config.ts'
import { componentsOf, privateKey, union } from './packets.ts'
import { adapted } from './self-signature.ts'

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

const REASONS: Readonly<Record<RevocationReason, enums.reasonForRevocation>> = {
  retired: enums.reasonForRevocation.keyRetired,
  superseded: enums.reasonForRevocation.keySuperseded,
  compromised: enums.reasonForRevocation.keyCompromised,
}

/** How much younger than our clock says a new key is, in milliseconds: some clocks are late. */
const BACKDATED_MS = 60_000

/** @internal Under the passphrase, if one is given; unlocked. Backdated by a minute: some clocks are late. */
export async function generateSecretKey(
  account: BareJid,
  now: number,
  passphrase?: string,
): Promise<SecretKey> {
  assertCrypto()
  const { privateKey: key } = await generateKey({
    // Ed25519 and X25519 in the form of before RFC 9580: GnuPG 2.2 reads no other.
    type: 'ecc',
    curve: 'curve25519Legacy',
    // As a name, openpgp writes the user ID as it is.
    userIDs: userIdsOf(account).map((name) => ({ name })),
    // Gajim restores no backup of a key that expires.
    keyExpirationTime: 0,
    date: new Date(now - BACKDATED_MS),
    format: 'object',
    config: STRICT,
  })
  return protectSecretKey(await describe(key, key.write(), now), passphrase)
}

/** @internal All keys in it, binary or armored; locked ones stay so. @throws {OxError} `secret-key-malformed` */
export async function readSecretKeys(data: Uint8Array, now: number): Promise<readonly SecretKey[]> {
  assertCrypto()
  const keys: SecretKey[] = []
  for (const { kind, bytes } of dearmored(data)) {
    // Some write the certificate before the key.
    if (kind !== 'private' && kind !== 'binary') continue
    try {
      for (const key of await readPrivateKeys({ binaryKeys: bytes, config: STRICT }))
        keys.push(await describe(key, key.write(), now))
    } catch (error) {
      throw malformed('no OpenPGP secret key', error)
    }
  }
  if (keys.length === 0) throw malformed('no OpenPGP secret key')
  return keys
}

async function describe(key: PrivateKey, bytes: Uint8Array, now: number): Promise<SecretKey> {
  const certificate = await certificateIn(key.toPublic().write(), key.getFingerprint(), now)
  return { certificate, bytes: bytes as Bytes, isLocked: secretsOf(key).some(isLocked), key }
}

function secretsOf(key: PrivateKey): readonly (SecretKeyPacket | SecretSubkeyPacket)[] {
  return key.getKeys().map(({ keyPacket }) => keyPacket as SecretKeyPacket | SecretSubkeyPacket)
}

/** A primary key that is kept elsewhere has nothing to unlock. */
function isLocked(packet: SecretKeyPacket | SecretSubkeyPacket): boolean {
  return !packet.isMissingSecretKeyMaterial() && !packet.isDecrypted()
}

/** @internal @throws {OxError} `passphrase-wrong` */
export async function unlockSecretKey(key: SecretKey, passphrase: string): Promise<SecretKey> {
  if (!key.isLocked) return key
  assertCrypto()
  try {
    const unlocked = await decryptKey({ privateKey: key.key, passphrase, config: LENIENT })
    return { ...key, key: unlocked, isLocked: false }
  } catch (error) {
    throw new OxError('passphrase-wrong', 'secret key: it is under another passphrase', { cause: error })
  }
}

/** @internal An unlocked key under a new passphrase, or under none: its `bytes` are what changes; it stays unlocked. */
export async function protectSecretKey(key: SecretKey, passphrase: string | undefined): Promise<SecretKey> {
  assertUnlocked(key)
  if (passphrase === undefined) return { ...key, bytes: key.key.write() as Bytes }
  const locked = await encryptKey({ privateKey: key.key, passphrase, config: STRICT })
  return { ...key, bytes: locked.write() as Bytes }
}

/** @internal An unlocked key that never expires and has these user IDs; merged, so that old signatures stay valid. */
export async function adaptSecretKey(
  key: SecretKey,
  userIds: readonly string[],
  now: number,
): Promise<SecretKey> {
  assertUnlocked(key)
  try {
    await Promise.all(secretsOf(key.key).map(validated))
  } catch (error) {
    if (key.certificate.problem !== 'algorithm-refused')
      throw malformed('its public part is of another key', error)
    throw new OxError('algorithm-refused', 'secret key: of an algorithm that is refused', { cause: error })
  }
  const changed = await adapted(key.key, userIds, now)
  return changed === key.key ? key : withChanges(key, changed, now)
}

/** A secret part that does not belong to its public part gives itself away in signatures. */
async function validated(packet: SecretKeyPacket | SecretSubkeyPacket): Promise<void> {
  if (!packet.isMissingSecretKeyMaterial()) await packet.validate()
}

/** @internal */
export async function revokeSecretKey(
  key: SecretKey,
  reason: RevocationReason,
  now: number,
): Promise<SecretKey> {
  assertUnlocked(key)
  const { privateKey: revoked } = await revokeKey({
    key: key.key,
    reasonForRevocation: { flag: REASONS[reason] },
    date: new Date(Math.max(now, key.certificate.created.getTime())),
    format: 'object',
    config: STRICT,
  })
  return withChanges(key, revoked, now)
}

/** What was signed anew goes into the locked form as well, which nobody needs the passphrase for. */
async function withChanges(key: SecretKey, changed: PrivateKey, now: number): Promise<SecretKey> {
  const [stored] = await readPrivateKeys({ binaryKeys: key.bytes, config: STRICT })
  if (stored === undefined) throw malformed('no OpenPGP secret key')
  const bytes = privateKey(union(componentsOf(stored), componentsOf(changed))).write()
  return describe(changed, bytes, now)
}

function assertUnlocked(key: SecretKey): void {
  assertCrypto()
  if (key.isLocked) throw new OxError('key-locked', 'secret key: it is locked')
}

function malformed(message: string, cause?: unknown): OxError {
  return new OxError('secret-key-malformed', `secret key: ${message}`, { cause })
}
