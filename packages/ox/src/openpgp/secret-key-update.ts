/** What is learnt of a key of ours elsewhere: revoked by another client that has it too, or given another user ID. */
import { readPrivateKeys } from 'openpgp'
import { OxError } from '../error.ts'
import { type Certificate, mergeCertificates } from './certificate.ts'
import { STRICT } from './config.ts'
import { componentsOf, isUserId, privateKey, union } from './packets.ts'
import { readSecretKeys, type SecretKey } from './secret-key.ts'

/**
 * @internal The key with all that its owner has signed about it in a certificate of the same fingerprint; itself when that is
 * nothing new. Subkeys whose secret part is not here are left out.
 */
export async function updateSecretKey(
  key: SecretKey,
  certificate: Certificate,
  now: number,
): Promise<SecretKey> {
  const known = new Set(key.key.getKeys().map((one) => one.getFingerprint()))
  const news = componentsOf(certificate.key).filter(
    ({ head }) => isUserId(head) || known.has(head.getFingerprint()),
  )
  const [stored] = await readPrivateKeys({ binaryKeys: key.bytes, config: STRICT })
  if (stored === undefined) throw new OxError('secret-key-malformed', 'secret key: no OpenPGP secret key')
  const bytes = privateKey(union(componentsOf(stored), news)).write()
  const [updated] = await readSecretKeys(bytes, now)
  if (updated === undefined) throw new OxError('secret-key-malformed', 'secret key: no OpenPGP secret key')
  if (isSame(updated.certificate.bytes, key.certificate.bytes)) return key
  const open = privateKey(union(componentsOf(key.key), news))
  return { ...updated, key: open, isLocked: key.isLocked }
}

/** @internal What of ours is to be published where `published` is: all of both, or nothing. */
export async function missingFrom(
  published: Certificate,
  ours: Certificate,
  now: number,
): Promise<Certificate | undefined> {
  const merged = await mergeCertificates(published, ours, now)
  return isSame(merged.bytes, published.bytes) ? undefined : merged
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
