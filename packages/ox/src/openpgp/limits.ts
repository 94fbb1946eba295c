/** How much of a certificate is kept: what was revoked first, then what holds now, then what held before. */
import { enums, type SignaturePacket } from 'openpgp'
import { type Component, isUserId } from './packets.ts'

/** Bytes of a certificate that is looked at at all: those with many signatures of others are ten times smaller. */
export const MAX_CERTIFICATE_BYTES = 131_072
/** User IDs of a key, and subkeys, the latest of them: most have one of each, and those that are rotated a few. */
export const MAX_USER_IDS = 32
export const MAX_SUBKEYS = 32
/** Signatures about one of these by its owner: one is made with each change. */
export const MAX_SIGNATURES_PER_PART = 16
/** Signatures of a certificate, each of which costs half a millisecond: more than one for each of the 65 parts. */
export const MAX_SIGNATURES_PER_CERTIFICATE = 128

/** @internal Those that take back: of a key, a subkey, a user ID. */
export function isRevocation({ signatureType }: SignaturePacket): boolean {
  return (
    signatureType === enums.signature.keyRevocation ||
    signatureType === enums.signature.subkeyRevocation ||
    signatureType === enums.signature.certRevocation
  )
}

/** A signature, and how soon its turn comes. */
interface Candidate {
  readonly component: Component
  readonly signature: SignaturePacket
  /** How many of the same part come before it. */
  readonly rank: number
}

/**
 * @internal What fits of the parts of a key, in their order. Nobody gets rid of a revocation by adding signatures: revocations
 * come first, of the whole key before all others; then the newest signature about each part, then the older ones.
 */
export function fitting(components: readonly Component[]): readonly Component[] {
  const [primary] = components
  if (primary === undefined) return []
  const within = [primary, ...others(components)]
  const candidates = within.flatMap(candidatesOf).sort((a, b) => turnOf(a, primary) - turnOf(b, primary))
  const kept = new Map<Component, Set<SignaturePacket>>([[primary, new Set()]])
  let bytes = MAX_CERTIFICATE_BYTES - sizeOf(primary.head)
  let left = MAX_SIGNATURES_PER_CERTIFICATE
  for (const { component, signature } of candidates) {
    const signatures = kept.get(component)
    const size = sizeOf(signature) + (signatures === undefined ? sizeOf(component.head) : 0)
    if (left === 0 || size > bytes) continue
    kept.set(component, (signatures ?? new Set()).add(signature))
    bytes -= size
    left--
  }
  return within.flatMap((component) => {
    const signatures = kept.get(component)
    if (signatures === undefined) return []
    return [{ ...component, signatures: component.signatures.filter((one) => signatures.has(one)) }]
  })
}

function others([, ...components]: readonly Component[]): readonly Component[] {
  const userIds = components.filter(({ head }) => isUserId(head)).slice(0, MAX_USER_IDS)
  const created = ({ head }: Component) => (isUserId(head) ? 0 : head.getCreationTime().getTime())
  const subkeys = components.filter(({ head }) => !isUserId(head)).sort((a, b) => created(b) - created(a))
  const chosen = new Set([...userIds, ...subkeys.slice(0, MAX_SUBKEYS)])
  return components.filter((component) => chosen.has(component))
}

/** Their revocations, then the others, the newest first. */
function candidatesOf(component: Component): readonly Candidate[] {
  const newest = [...component.signatures].reverse()
  const revocations = newest.filter(isRevocation)
  const rest = newest.filter((signature) => !isRevocation(signature))
  return [
    ...revocations.map((signature, rank) => ({ component, signature, rank })),
    ...rest.map((signature, rank) => ({ component, signature, rank })),
  ].slice(0, MAX_SIGNATURES_PER_PART)
}

function turnOf({ component, signature, rank }: Candidate, primary: Component): number {
  if (isRevocation(signature)) return component === primary ? 0 : 1
  return 2 + rank
}

/** A packet, with the longest header that openpgp writes. */
function sizeOf(packet: Component['head'] | SignaturePacket): number {
  return packet.write().length + 6
}
