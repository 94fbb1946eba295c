/**
 * What a key says about itself, said anew: without an expiry, and about more user IDs. openpgp's own `reformatKey` would
 * forget what a key that both signs and encrypts is for, and all other user IDs.
 */
import {
  type Config,
  enums,
  type PrivateKey,
  type SecretKeyPacket,
  SignaturePacket,
  UserIDPacket,
} from 'openpgp'
import { OxError } from '../error.ts'
import { LENIENT, STRICT } from './config.ts'
import { ownSignatures } from './own-signatures.ts'
import { type Component, componentsOf, type Head, isUserId, privateKey, signedBy, union } from './packets.ts'
import { dateFor } from './validity.ts'

/** What is signed anew, and like which signature. */
interface Renewal {
  readonly head: Head
  readonly as: SignaturePacket | undefined
  /** Another user ID does not take the place of the first. */
  readonly isPrimary: boolean | null
}

/** @internal The key itself where nothing is to be done. @throws {OxError} `secret-key-malformed` without the primary secret */
export async function adapted(key: PrivateKey, userIds: readonly string[], now: number): Promise<PrivateKey> {
  const components = union(componentsOf(key), [])
  const own = await ownSignatures(components)
  const date = dateFor(key, now)
  const expired = await isExpired(key, date)
  const renewals = own.flatMap((component) => {
    const latest = latestOf(component)
    const isDue = latest !== undefined && (expires(latest) || isOld(latest))
    // A subkey that expired before its primary key was replaced by another.
    const isGone = !expired && latest !== undefined && isOver(component.head, latest, date)
    return isDue && !isGone && !isRevoked(component)
      ? [{ head: component.head, as: latest, isPrimary: latest.isPrimaryUserID }]
      : []
  })
  const model = modelOf(own)
  const present = new Set(
    own.flatMap(({ head, signatures }) => (isUserId(head) && signatures.length > 0 ? [head.userID] : [])),
  )
  const additions = userIds
    .filter((userId) => !present.has(userId))
    .map((name) => ({ head: UserIDPacket.fromObject({ name }), as: model, isPrimary: null }))
  if (renewals.length + additions.length === 0) return key
  const primary = key.keyPacket as SecretKeyPacket
  if (primary.isMissingSecretKeyMaterial())
    throw new OxError('secret-key-malformed', 'secret key: the primary secret is missing')
  const signed = await Promise.all(
    [...renewals, ...additions].map((renewal) => certified(primary, renewal, now)),
  )
  return privateKey(union(components, signed))
}

/** The latest that says what the primary key or a subkey is for, or that a user ID is its. */
function latestOf({ signatures }: Component): SignaturePacket | undefined {
  return signatures
    .filter(({ signatureType }) => signatureType !== null && !REVOCATIONS.has(signatureType))
    .at(-1)
}

const REVOCATIONS: ReadonlySet<number> = new Set([
  enums.signature.keyRevocation,
  enums.signature.subkeyRevocation,
  enums.signature.certRevocation,
])

function isRevoked({ signatures }: Component): boolean {
  return signatures.some(({ signatureType }) => signatureType !== null && REVOCATIONS.has(signatureType))
}

function expires({ keyNeverExpires, signatureNeverExpires }: SignaturePacket): boolean {
  return keyNeverExpires === false || signatureNeverExpires === false
}

/** Signed with a hash that others refuse. */
function isOld({ hashAlgorithm }: SignaturePacket): boolean {
  return hashAlgorithm !== null && STRICT.rejectHashAlgorithms.has(hashAlgorithm)
}

function isOver(head: Head, { keyNeverExpires, keyExpirationTime }: SignaturePacket, date: Date): boolean {
  if (isUserId(head) || keyNeverExpires !== false || keyExpirationTime === null) return false
  return head.getCreationTime().getTime() + keyExpirationTime * 1000 <= date.getTime()
}

async function isExpired(key: PrivateKey, date: Date): Promise<boolean> {
  const at = await key.getExpirationTime(undefined, LENIENT)
  return at instanceof Date && at <= date
}

/** A user ID's, from which another takes over what the key is for. */
function modelOf(own: readonly Component[]): SignaturePacket | undefined {
  return own.flatMap((component) => (isUserId(component.head) ? (latestOf(component) ?? []) : [])).at(-1)
}

/** Typed without the configuration, which it does take, and for other data. */
interface Signing {
  sign(key: SecretKeyPacket, data: object, date: Date, detached: boolean, config: Config): Promise<void>
}

/** RFC 9580 §5.2.3.32: that it reads SEIPD version 1. */
const SEIPD_1 = 0x01

async function certified(
  primary: SecretKeyPacket,
  { head, as, isPrimary }: Renewal,
  now: number,
): Promise<Component> {
  const signature = new SignaturePacket()
  signature.signatureType = as?.signatureType ?? enums.signature.certPositive
  signature.publicKeyAlgorithm = primary.algorithm
  signature.hashAlgorithm = STRICT.preferredHashAlgorithm
  signature.keyFlags = as?.keyFlags ?? Uint8Array.of(enums.keyFlags.certifyKeys | enums.keyFlags.signData)
  signature.preferredSymmetricAlgorithms = as?.preferredSymmetricAlgorithms ?? null
  signature.preferredHashAlgorithms = as?.preferredHashAlgorithms ?? null
  signature.preferredCompressionAlgorithms = as?.preferredCompressionAlgorithms ?? null
  signature.features = as?.features ?? Uint8Array.of(SEIPD_1)
  signature.embeddedSignature = as?.embeddedSignature ?? null
  signature.isPrimaryUserID = isPrimary
  // Later than what it takes the place of, in whole seconds as OpenPGP counts.
  const date = new Date(Math.max(now, (as?.created?.getTime() ?? 0) + 1000))
  const signing: Signing = signature
  await signing.sign(primary, signedBy(primary, head), date, false, STRICT)
  return { head, signatures: [signature] }
}
