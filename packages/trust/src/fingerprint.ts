/**
 * Fingerprints as people read, paste and compare them:
 *
 *     omemo     8d91ccd8 c5d25ab5 …              32 bytes: XEP-0384 §8, the Curve25519 form of the identity key
 *     openpgp   1357 B018 65B2 503C …            20 bytes (v4) or 32 (v6): XEP-0373 §4.1, RFC 9580 §5.5.4.3
 *     otr       AEA4D503 298797D4 …              20 bytes: OTR 3 §"Fingerprints"
 *
 * One form of all is canonical, lower-case hex without spaces, and `Key.fingerprint` is always that form: so a key that is
 * named by bytes, as in a trust message, is the one that was pasted. OX names its PEP nodes in upper case; its package
 * writes them so.
 */

import { TrustError } from './error.ts'

export type FingerprintKind = 'omemo' | 'openpgp' | 'otr'

interface Format {
  readonly digits: readonly number[]
  readonly group: number
  readonly shown: 'lower' | 'upper'
  /** What other programs write in front; `rest` digits must follow. */
  readonly prefix?: { readonly text: RegExp; readonly rest: readonly number[] }
}

const FORMATS: Readonly<Record<FingerprintKind, Format>> = {
  omemo: {
    digits: [64],
    group: 8,
    shown: 'lower',
    // libsignal writes the type of a public key in front of it: 5 is Curve25519.
    prefix: { text: /^05/, rest: [64] },
  },
  openpgp: {
    digits: [40, 64],
    group: 4,
    shown: 'upper',
    prefix: { text: /^0x/i, rest: [40, 64] },
  },
  otr: { digits: [40], group: 8, shown: 'upper' },
}

/**
 * Characters of text that is read as a fingerprint: 66 digits in pairs, each pair followed by up to two separators, are
 * 132; double that for margins and line breaks.
 */
export const MAX_FINGERPRINT_TEXT = 264

// White space, colons, dashes, and the invisible marks that copying from a bidirectional page brings along.
const SEPARATORS = /[\s:\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060\u2066-\u2069\ufeff-]+/g

/**
 * Reads a fingerprint that was pasted or typed, in either case, in any grouping, with spaces, colons or dashes.
 * For `omemo` the `05` of libsignal may be in front, for `openpgp` `0x`. Key ids are refused: 16 digits can be forged.
 * Returns lower-case hex.
 *
 * @throws {TrustError} `fingerprint-malformed`
 */
export function parseFingerprint(kind: FingerprintKind, text: string): string {
  const { digits, prefix } = formatOf(kind)
  const packed = text.length > MAX_FINGERPRINT_TEXT ? '' : text.replace(SEPARATORS, '')
  const bare = prefix?.text.test(packed) ? packed.replace(prefix.text, '') : packed
  const found = digits.includes(packed.length) ? packed : prefix?.rest.includes(bare.length) ? bare : ''
  if (!/^[0-9A-Fa-f]+$/.test(found))
    throw new TrustError('fingerprint-malformed', `fingerprint: expected ${digits.join(' or ')} hex digits`)
  return found.toLowerCase()
}

/**
 * The groups that a fingerprint is shown in. XEP-0384 recommends a colour for each (XEP-0392).
 *
 * @throws {TrustError} `fingerprint-malformed`
 */
export function fingerprintGroups(kind: FingerprintKind, fingerprint: string): readonly string[] {
  const { group, shown } = formatOf(kind)
  const canonical = parseFingerprint(kind, fingerprint)
  const digits = shown === 'lower' ? canonical : canonical.toUpperCase()
  return Array.from({ length: digits.length / group }, (_, i) => digits.slice(group * i, group * (i + 1)))
}

/**
 * As its groups with a space between: what to show, and what `parseFingerprint` reads.
 *
 * @throws {TrustError} `fingerprint-malformed`
 */
export function formatFingerprint(kind: FingerprintKind, fingerprint: string): string {
  return fingerprintGroups(kind, fingerprint).join(' ')
}

/**
 * Whether two texts are one fingerprint, in whatever form each is. Looks at all digits, however early they differ.
 *
 * @throws {TrustError} `fingerprint-malformed`
 */
export function isSameFingerprint(kind: FingerprintKind, one: string, other: string): boolean {
  const [a, b] = [parseFingerprint(kind, one), parseFingerprint(kind, other)]
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}

function formatOf(kind: FingerprintKind): Format {
  if (!Object.hasOwn(FORMATS, kind)) throw new TypeError('kind: expected omemo, openpgp or otr')
  return FORMATS[kind]
}
