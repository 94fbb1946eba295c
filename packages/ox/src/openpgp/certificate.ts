/**
 * A certificate: what OpenPGP calls a transferable public key, read and checked. Nothing outside this folder touches openpgp,
 * and none of its types is in a public signature.
 */
import type { BareJid } from '@xmpp-e2e/xml'
import { enums, type Key, type PublicKey, readKeys } from 'openpgp'
import type { Bytes } from '../bytes.ts'
import { namesAccount } from '../elements/user-id.ts'
import { OxError } from '../error.ts'
import type { CertificateProblem } from '../outcome.ts'
import { dearmored } from './armor.ts'
import { type Cache, cacheByBytes } from './cache.ts'
import { assertCrypto, STRICT, UNSUPPORTED } from './config.ts'
import { fitting, MAX_CERTIFICATE_BYTES } from './limits.ts'
import { isTooCostly, ownSignatures } from './own-signatures.ts'
import { componentsOf, publicKey, union } from './packets.ts'
import { validityOf } from './validity.ts'

export { MAX_CERTIFICATE_BYTES } from './limits.ts'

/** @internal */
export interface Certificate {
  /** Of the primary key, lower-case hex. */
  readonly fingerprint: string
  /** Binary, no secret parts. */
  readonly bytes: Bytes
  /** Those with a valid signature of the owner's that is not revoked. */
  readonly userIds: readonly string[]
  readonly created: Date
  readonly expires: Date | undefined
  /** `hard`: stolen, or nobody says why: nothing it ever signed counts. `soft`: retired or replaced. */
  readonly revoked: 'hard' | 'soft' | undefined
  /** Why it cannot be encrypted to now; user IDs are not looked at. */
  readonly problem: CertificateProblem | undefined
  readonly key: PublicKey
}

/**
 * Bytes of certificates whose parsed form is kept: most have 600 to 1500, so that about 500 fit, and parsing and checking one
 * takes a millisecond. What is kept depends on nothing but the bytes, and nothing of it is secret.
 */
export const MAX_CACHED_CERTIFICATE_BYTES = 524_288

/** What was parsed, and what was served under it: several keys can be. */
const cache: Cache<readonly PublicKey[]> = cacheByBytes(MAX_CACHED_CERTIFICATE_BYTES)

/**
 * @internal Reads the certificate with this fingerprint out of what was served: binary or armored, alone or among others.
 *
 * @throws {OxError} `certificate-malformed` (also when it holds secret keys), `fingerprint-mismatch`, `algorithm-refused`
 */
export async function readCertificate(
  data: Uint8Array,
  fingerprint: string | undefined,
  now: number,
): Promise<Certificate> {
  assertCrypto()
  if (data.length > MAX_CERTIFICATE_BYTES) throw malformed(`longer than ${MAX_CERTIFICATE_BYTES} bytes`)
  return certificateIn(data, fingerprint, now)
}

/**
 * @internal However long it is: what our own key says of itself must not be in the way of revoking it.
 *
 * @throws {OxError} as `readCertificate`
 */
export async function certificateIn(
  data: Uint8Array,
  fingerprint: string | undefined,
  now: number,
): Promise<Certificate> {
  const keys = await (cache.get(data) ?? cache.set(data, parseKeys(data)))
  const wanted = fingerprint?.toLowerCase()
  const key = wanted === undefined ? keys[0] : keys.find((one) => one.getFingerprint() === wanted)
  if (key === undefined) throw new OxError('fingerprint-mismatch', 'certificate: it has another fingerprint')
  return describe(key, now)
}

async function parseKeys(data: Uint8Array): Promise<readonly PublicKey[]> {
  const keys: Key[] = []
  for (const { bytes } of dearmored(data)) {
    try {
      keys.push(...(await readKeys({ binaryKeys: bytes, config: STRICT })))
    } catch (error) {
      throw parseError(error, bytes)
    }
  }
  if (keys.length === 0) throw malformed('no key')
  if (keys.some((key) => key.isPrivate())) throw malformed('it holds secret keys')
  if (keys.some((key) => componentsOf(key).some(({ head }) => isTooCostly(head))))
    throw new OxError('algorithm-refused', 'certificate: its numbers are too big')
  return Promise.all(keys.map(async (key) => publicKey(await ownSignatures(union(componentsOf(key), [])))))
}

/** @internal */
export async function describe(key: PublicKey, now: number): Promise<Certificate> {
  return {
    fingerprint: key.getFingerprint(),
    bytes: key.write() as Bytes,
    created: key.getCreationTime(),
    key,
    ...(await validityOf(key, now)),
  }
}

/**
 * @internal Both of one fingerprint: what fits of the union, so that signatures made before a change can still be verified, and
 * no revocation is forgotten.
 */
export async function mergeCertificates(
  old: Certificate,
  newer: Certificate,
  now: number,
): Promise<Certificate> {
  return describe(publicKey(fitting(union(componentsOf(old.key), componentsOf(newer.key)))), now)
}

/** @internal Whether a verified user ID names the address. */
export function belongsTo({ userIds }: Certificate, account: BareJid): boolean {
  return userIds.some((userId) => namesAccount(userId, account))
}

function parseError(error: unknown, data: Uint8Array): OxError {
  const message = error instanceof Error ? error.message : ''
  // openpgp skips a key of an algorithm or a version that it does not know, and then finds none.
  const isSkipped = /no key packet found/i.test(message) && tagOf(data) === enums.packet.publicKey
  return isSkipped || UNSUPPORTED.test(message)
    ? new OxError('algorithm-refused', 'certificate: of an algorithm that is not supported', { cause: error })
    : malformed('no OpenPGP key', error)
}

/** RFC 9580 §4.2: in six bits, or in four of the old format. */
function tagOf([first = 0]: Uint8Array): number {
  return (first & 0x40) === 0 ? (first >> 2) & 0x0f : first & 0x3f
}

function malformed(message: string, cause?: unknown): OxError {
  return new OxError('certificate-malformed', `certificate: ${message}`, { cause })
}
