/**
 * A certificate: what OpenPGP calls a transferable public key, read and checked. Nothing outside this folder touches openpgp,
 * and none of its types is in a public signature.
 */
import type { BareJid } from '@xmpp-e2e/xml'
import type { PublicKey } from 'openpgp'
import type { Bytes } from '../bytes.ts'
import type { CertificateProblem } from '../outcome.ts'

/** Bytes of a certificate that is looked at at all: those with many signatures of others are ten times smaller. */
export const MAX_CERTIFICATE_BYTES = 131_072

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
 * @internal Reads the certificate with this fingerprint out of what was served: binary or armored, alone or among others.
 *
 * @throws {OxError} `certificate-malformed` (also when it holds secret keys), `fingerprint-mismatch`, `algorithm-refused`
 */
export async function readCertificate(
  _data: Uint8Array,
  _fingerprint: string | undefined,
  _now: number,
): Promise<Certificate> {
  throw new Error('to be written')
}

/** @internal Both of one fingerprint: the union, so that signatures made before a change can still be verified. */
export async function mergeCertificates(
  _old: Certificate,
  _newer: Certificate,
  _now: number,
): Promise<Certificate> {
  throw new Error('to be written')
}

/** @internal Whether a verified user ID names the address. */
export function belongsTo(_certificate: Certificate, _account: BareJid): boolean {
  throw new Error('to be written')
}
