/** Which signatures about the parts of a key are its owner's, and what is too costly to find that out of. */
import { enums, type SignaturePacket, type UserIDPacket } from 'openpgp'
import { LENIENT, UNSUPPORTED } from './config.ts'
import { fitting } from './limits.ts'
import { type Component, type Head, isUserId, signedBy } from './packets.ts'

/** Bits of RSA: the most that GnuPG makes. */
export const MAX_RSA_BITS = 8192
/** Bits of the exponent, 65537 nearly always: openpgp counts by itself, bit by bit, what WebCrypto does not take. */
export const MAX_RSA_EXPONENT_BITS = 64
/** Bits of DSA, of its numbers p and q (FIPS 186-4 §4.2). */
export const MAX_DSA_BITS = 3072
export const MAX_DSA_ORDER_BITS = 256

/**
 * @internal Whether one signature of such a key would hold the thread for long, before it could be said that it is a bad one:
 * RSA of 8192 bits with an exponent as long takes seconds, and a certificate has room for many.
 */
export function isTooCostly(head: Head): boolean {
  if (isUserId(head)) return false
  const { n, e, p, q }: Numbers = head.publicParams
  return (
    bitsOf(n) > MAX_RSA_BITS ||
    bitsOf(e) > MAX_RSA_EXPONENT_BITS ||
    bitsOf(p) > (q === undefined ? Infinity : MAX_DSA_BITS) ||
    bitsOf(q) > MAX_DSA_ORDER_BITS
  )
}

/** As openpgp names them: RSA has the first two, DSA the others; ElGamal has `p` alone, and signs nothing. */
interface Numbers {
  readonly n?: Uint8Array
  readonly e?: Uint8Array
  readonly p?: Uint8Array
  readonly q?: Uint8Array
}

function bitsOf(number: Uint8Array | undefined): number {
  const start = number?.findIndex((byte) => byte !== 0) ?? -1
  if (number === undefined || start < 0) return 0
  return (number.length - start) * 8 - (Math.clz32(number[start] ?? 0) - 24)
}

/** Those that WebCrypto has; the first one, to say why a key is refused. RSA with any other is counted by openpgp itself. */
const HASHES: ReadonlySet<number> = new Set([
  enums.hash.sha1,
  enums.hash.sha256,
  enums.hash.sha384,
  enums.hash.sha512,
])

/**
 * @internal Without what the owner has not signed: certifications by others, and whatever a server has put in, user IDs and
 * subkeys among it. Old algorithms stay, so that it can be said why they are refused.
 */
export async function ownSignatures(components: readonly Component[]): Promise<readonly Component[]> {
  const primary = components[0]?.head
  if (primary === undefined || isUserId(primary)) return []
  const claimed = components.map(({ head, signatures }) => ({
    head,
    signatures: signatures.filter((one) => isClaimed(primary, head, one)),
  }))
  const verified = await Promise.all(
    fitting(claimed).map(async ({ head, signatures }) => {
      const verdicts = await Promise.all(signatures.map((one) => isBy(primary, head, one)))
      return { head, signatures: signatures.filter((_, index) => verdicts[index]) }
    }),
  )
  return verified.filter(({ head, signatures }) => head === primary || signatures.length > 0)
}

/** RFC 9580 §5.2.1: which signatures can be about what. */
function isAbout(type: enums.signature | null, primary: Head, head: Head): boolean {
  if (head === primary) return type === enums.signature.key || type === enums.signature.keyRevocation
  if (!isUserId(head))
    return type === enums.signature.subkeyBinding || type === enums.signature.subkeyRevocation
  return (
    type === enums.signature.certGeneric ||
    type === enums.signature.certPersona ||
    type === enums.signature.certCasual ||
    type === enums.signature.certPositive ||
    type === enums.signature.certRevocation
  )
}

/** What can be seen without verifying it. */
function isClaimed(
  primary: Exclude<Head, UserIDPacket>,
  head: Head,
  { signatureType, created, issuerKeyID, hashAlgorithm }: SignaturePacket,
): boolean {
  if (created === null || hashAlgorithm === null || !HASHES.has(hashAlgorithm)) return false
  return isAbout(signatureType, primary, head) && issuerKeyID.equals(primary.getKeyID())
}

async function isBy(
  primary: Exclude<Head, UserIDPacket>,
  head: Head,
  signature: SignaturePacket,
): Promise<boolean> {
  const { signatureType: type, created } = signature
  if (type === null || created === null) return false
  try {
    await signature.verify(primary, type, signedBy(primary, head), created, false, LENIENT)
    return true
  } catch (error) {
    // Nobody can check it here, and so nothing will count by it; but it says of what algorithm the key is.
    return error instanceof Error && UNSUPPORTED.test(error.message)
  }
}
