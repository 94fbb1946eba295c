/** Signatures of a message, by the certificates of its sender and by no others (XEP-0373 §3.2). */
import { hex } from '@xmpp-e2e/xml'
import {
  type AnyPacket,
  type Config,
  enums,
  Message,
  PacketList,
  type PublicKey,
  readKeys,
  type SignaturePacket,
} from 'openpgp'
import type { UnreadableCode, WarningCode } from '../outcome.ts'
import type { Certificate } from './certificate.ts'
import { CLOCK_TOLERANCE_MS, REFORMATTED, STRICT } from './config.ts'
import { componentsOf, hasKey } from './packets.ts'

/** @internal Who signed, as far as the sender's certificates say. */
export type Signature =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'valid'
      /** Of the primary key. */
      readonly fingerprint: string
      readonly signedAt: Date
      readonly warnings: readonly Extract<
        WarningCode,
        'certificate-expired' | 'certificate-revoked' | 'binding-reformatted'
      >[]
    }
  | {
      readonly kind: 'invalid'
      readonly code: Extract<
        UnreadableCode,
        'signature-invalid' | 'signature-from-future' | 'signer-unknown' | 'algorithm-refused'
      >
    }

/** @internal */
export interface VerificationOptions {
  readonly now: number
  /** Whether a signature counts that is older than its key's present binding. */
  readonly isArchived: boolean
  /** Fingerprints of our keys, for signatures that say for whom they are. */
  readonly readers: readonly string[]
}

/** A message and one of its signatures, of which openpgp can be asked by one certificate at a time. */
interface Signed {
  readonly data: AnyPacket
  readonly signature: SignaturePacket
  /** Copies of keys, made once for a message. */
  readonly copies: Map<PublicKey, PublicKey>
}

type Invalid = Extract<Signature, { kind: 'invalid' }>['code']

/** The most telling of several failures first. */
const FAILURES = [
  'signature-from-future',
  'algorithm-refused',
  'signature-invalid',
  'signer-unknown',
] as const satisfies readonly Invalid[]

/** @internal The best of all: one valid signature by the sender suffices. */
export async function verifySignatures(
  data: AnyPacket,
  signatures: readonly SignaturePacket[],
  sender: readonly Certificate[],
  options: VerificationOptions,
): Promise<Signature> {
  let best: Signature = { kind: 'none' }
  const copies = new Map<PublicKey, PublicKey>()
  for (const signature of signatures) {
    const verdict = await verifySignature({ data, signature, copies }, sender, options)
    if (rankOf(verdict) > rankOf(best)) best = verdict
  }
  return best
}

function rankOf(signature: Signature): number {
  switch (signature.kind) {
    case 'none':
      return 0
    case 'invalid':
      return FAILURES.length - FAILURES.indexOf(signature.code)
    case 'valid':
      return 100 - signature.warnings.length
  }
}

/** By each certificate that has such a key: what they share is eight bytes, which can be made to collide. */
async function verifySignature(
  signed: Signed,
  sender: readonly Certificate[],
  options: VerificationOptions,
): Promise<Signature> {
  const { signature } = signed
  const candidates = sender.filter(({ key }) => hasKey(key, signature.issuerKeyID))
  if (candidates.length === 0) return { kind: 'invalid', code: 'signer-unknown' }
  if (!isFor(signature, options.readers)) return invalid('signature-invalid')
  // Some mark it as critical, which openpgp, not knowing it, would refuse.
  signature.unknownSubpackets = signature.unknownSubpackets.filter(({ type }) => type !== INTENDED_RECIPIENT)
  let best: Signature = { kind: 'none' }
  for (const certificate of candidates) {
    const verdict = await verifyBy(signed, certificate, options)
    if (rankOf(verdict) > rankOf(best)) best = verdict
  }
  return best
}

async function verifyBy(
  signed: Signed,
  certificate: Certificate,
  { now, isArchived }: VerificationOptions,
): Promise<Signature> {
  const { signature } = signed
  const { created } = signature
  // XEP-0373 signs bytes; signatures of other types are about other things.
  if (signature.signatureType !== enums.signature.binary || created === null)
    return invalid('signature-invalid')
  if (certificate.revoked === 'hard') return invalid('signature-invalid')
  if (created.getTime() > now + CLOCK_TOLERANCE_MS) return invalid('signature-from-future')
  const date = new Date(Math.max(now, created.getTime()))
  const failure = await failureOf(signed, certificate, date, STRICT)
  const isReformatted =
    failure !== undefined &&
    isArchived &&
    (await failureOf(signed, certificate, date, REFORMATTED)) === undefined
  if (failure !== undefined && !isReformatted) return invalid(failure)
  const { expires, revoked, fingerprint } = certificate
  return {
    kind: 'valid',
    fingerprint,
    signedAt: created,
    warnings: [
      ...(expires !== undefined && expires.getTime() <= now ? ['certificate-expired' as const] : []),
      ...(revoked === 'soft' ? ['certificate-revoked' as const] : []),
      ...(isReformatted ? ['binding-reformatted' as const] : []),
    ],
  }
}

function invalid(code: Invalid): Signature {
  return { kind: 'invalid', code }
}

/** RFC 9580 §5.2.3.36: the fingerprints of those for whom it was signed, after a byte for the version of their keys. */
const INTENDED_RECIPIENT = 35

/** Whoever passes on what was signed for others cannot change for whom. */
function isFor({ unknownSubpackets }: SignaturePacket, readers: readonly string[]): boolean {
  const intended = unknownSubpackets.filter(({ type }) => type === INTENDED_RECIPIENT)
  return intended.length === 0 || intended.some(({ body }) => readers.includes(hex.encode(body.slice(1))))
}

async function failureOf(
  { data, signature, copies }: Signed,
  certificate: Certificate,
  date: Date,
  config: Config,
): Promise<Invalid | undefined> {
  const packets = new PacketList<AnyPacket>()
  packets.push(data, signature)
  const key = await verifyingKey(certificate.key, copies)
  const [result] = await new Message(packets).verify([key], date, config)
  if (result === undefined) return 'signature-invalid'
  try {
    await result.verified
  } catch (error) {
    return REFUSED.test(error instanceof Error ? error.message : '')
      ? 'algorithm-refused'
      : 'signature-invalid'
  }
  const issuer = signature.issuerFingerprint
  const isIssuer = (one: string) => issuer === null || one === hex.encode(issuer.slice())
  const signers = certificate.key.getKeys(signature.issuerKeyID)
  return signers.some((one) => isIssuer(one.getFingerprint())) ? undefined : 'signature-invalid'
}

/** What openpgp says of hashes, sizes, curves and algorithms that its configuration rejects. */
const REFUSED =
  /insecure (?:message )?hash|considered too weak|too weak for|is disabled|not supported|cannot find/i

/**
 * openpgp marks in a signature packet that it was revoked, as of the time that it was asked about first, and then says so of
 * any time. Where something of a key is revoked that is not all of it, it is asked about by a copy, from which the marks are taken each time.
 */
async function verifyingKey(key: PublicKey, copies: Map<PublicKey, PublicKey>): Promise<PublicKey> {
  const isMarked = [...key.users, ...key.subkeys].some((part) => part.revocationSignatures.length > 0)
  if (!isMarked) return key
  const [copy = key] = copies.has(key)
    ? [copies.get(key)]
    : await readKeys({ binaryKeys: key.write(), config: STRICT })
  copies.set(key, copy)
  for (const { signatures } of componentsOf(copy)) for (const one of signatures) one.revoked = null
  return copy
}
