/**
 * URIs that say which keys belong to an address, to be scanned, pasted or clicked:
 *
 *     xmpp:juliet@capulet.lit?omemo-sid-1234=8d91…;omemo-sid-5678=…      in no specification; most OMEMO clients
 *     xmpp:bob@example.com?trust-message;encryption=urn:xmpp:omemo:2;trust=6235…;distrust=…     XEP-0434 §9.1.1
 *     xmpp:feste@allfools.lit?otr-fingerprint=AEA4…                                             XEP-0364 §6
 *     openpgp4fpr:1357B01865B2503C18453D208CAC2A9678548E35               OpenKeychain and others; names no address
 *
 * A URI is as good as the channel it came through. One in a message, or on a web page, was not scanned.
 */

import { type BareJid, hex } from '@xmpp-e2e/xml'
import { TrustError } from './error.ts'
import { type FingerprintKind, parseFingerprint } from './fingerprint.ts'
import { MAX_KEY_ID_BYTES } from './trust-message.ts'
import { formatXmppUri, malformed, parseXmppUri } from './xmpp-uri.ts'

/** What a URI says about one key. Fingerprints are in the form that `parseFingerprint` gives. */
export type KeyClaim =
  /** `device` is only where to find the key. */
  | { readonly kind: 'omemo'; readonly device: number; readonly fingerprint: string }
  | { readonly kind: 'otr'; readonly fingerprint: string }
  /**
   * `keyId` is a key identifier in lower-case hex; the protocol with the namespace `encryption` says what of. Where that is
   * the fingerprint, as in OMEMO and OX, it is `KeyRef.fingerprint`.
   */
  | {
      readonly kind: 'trust-message'
      readonly encryption: string
      readonly keyId: string
      readonly trust: boolean
    }

export interface KeyUri {
  readonly jid: BareJid
  /** At least one, none twice. */
  readonly claims: readonly KeyClaim[]
}

/** Claims in one URI. An account has 2 to 10 devices; XEP-0434 may also name those that it lost. */
export const MAX_CLAIMS = 64

/** XEP-0384 §5.1: device ids are 1 to 2^31 - 1. */
const MAX_DEVICE = 2 ** 31 - 1

/**
 * Reads what a URI says about the keys of `expected`, the contact whose code the person meant to scan. Only where the
 * address itself is to be learnt from the URI, as when a contact is added, it is `undefined`; then show `jid` and ask.
 *
 * @throws {TrustError} `uri-malformed`, `uri-without-keys`, `uri-wrong-owner`
 */
export function parseKeyUri(text: string, expected: BareJid | undefined): KeyUri {
  const { jid, type, pairs } = parseXmppUri(text)
  const claims = unique(type === 'trust-message' ? trustClaims(pairs) : pairs.flatMap(pairClaims))
  if (claims.length === 0) throw new TrustError('uri-without-keys', 'uri: it says nothing about keys')
  if (claims.length > MAX_CLAIMS) throw malformed(`more than ${MAX_CLAIMS} keys`)
  if (expected !== undefined && jid !== expected)
    throw new TrustError('uri-wrong-owner', 'uri: it is about the keys of another address')
  return { jid, claims }
}

/**
 * Writes a URI. Claims of XEP-0434 make a URI of their own, for one encryption.
 *
 * @throws {RangeError} when `parseKeyUri` would read anything else
 */
export function formatKeyUri({ jid, claims }: KeyUri): string {
  const [first] = claims
  if (first === undefined) throw new RangeError('claims: expected one or more')
  const isMessage = first.kind === 'trust-message'
  const uri = formatXmppUri({
    jid,
    type: isMessage ? 'trust-message' : '',
    pairs: [...(isMessage ? [['encryption', first.encryption] as const] : []), ...claims.map(pairOf)],
  })
  let read: readonly KeyClaim[] = []
  try {
    read = parseKeyUri(uri, jid).claims
  } catch (cause) {
    throw new RangeError('claims: cannot be read again', { cause })
  }
  if (read.length !== claims.length || read.some((claim, i) => !isSameClaim(claim, claims[i])))
    throw new RangeError('claims: not canonical, given twice, or of kinds that do not fit into one URI')
  return uri
}

function pairOf(claim: KeyClaim): readonly [string, string] {
  switch (claim.kind) {
    case 'omemo':
      return [`omemo-sid-${claim.device}`, claim.fingerprint]
    case 'otr':
      return ['otr-fingerprint', claim.fingerprint.toUpperCase()]
    case 'trust-message':
      return [claim.trust ? 'trust' : 'distrust', claim.keyId]
  }
}

/** Other pairs belong to what else the URI asks for, as in `?message;body=…`. */
function pairClaims([key, value]: readonly [string, string]): readonly KeyClaim[] {
  if (key === 'otr-fingerprint') return [{ kind: 'otr', fingerprint: exact('otr', value) }]
  if (!key.startsWith('omemo-sid-')) return []
  const digits = key.slice('omemo-sid-'.length)
  const device = Number(digits)
  if (!/^[1-9][0-9]{0,9}$/.test(digits) || device > MAX_DEVICE) throw malformed('a device id out of range')
  return [{ kind: 'omemo', device, fingerprint: exact('omemo', value) }]
}

/** §9.1.1: `encryption` comes first, and all that follows is `trust` or `distrust`. */
function trustClaims([first, ...rest]: readonly (readonly [string, string])[]): readonly KeyClaim[] {
  const [name, encryption = ''] = first ?? []
  if (name !== 'encryption' || encryption === '') throw malformed('a trust message without its encryption')
  return rest.map(([key, value]) => {
    if (key !== 'trust' && key !== 'distrust')
      throw malformed('a trust message that is not only trust and distrust')
    const id = hex.decode(value)
    if (id === undefined || id.length === 0 || id.length > MAX_KEY_ID_BYTES)
      throw malformed(`a key identifier that is not 1 to ${MAX_KEY_ID_BYTES} bytes in hex`)
    return { kind: 'trust-message', encryption, keyId: value.toLowerCase(), trust: key === 'trust' }
  })
}

// In a URI there is nothing between the digits.
function exact(kind: FingerprintKind, value: string): string {
  if (!/^[0-9A-Fa-f]*$/.test(value)) throw malformed('a fingerprint that is not hex')
  try {
    return parseFingerprint(kind, value)
  } catch (cause) {
    throw malformed('a fingerprint of another length', { cause })
  }
}

/** Drops what is said twice. Refuses what is said against itself: whoever made it, half of it is not what was meant. */
function unique(claims: readonly KeyClaim[]): readonly KeyClaim[] {
  const found = new Map<string, KeyClaim>()
  for (const claim of claims) {
    const subject = subjectOf(claim)
    const other = found.get(subject)
    if (other !== undefined && !isSameClaim(claim, other)) throw malformed('it contradicts itself')
    found.set(subject, claim)
  }
  return [...found.values()]
}

/** About what only one thing can be said. */
function subjectOf(claim: KeyClaim): string {
  switch (claim.kind) {
    case 'omemo':
      return `omemo ${claim.device}`
    case 'otr':
      return `otr ${claim.fingerprint}`
    case 'trust-message':
      return `trust ${claim.keyId}`
  }
}

/** What is said about it. */
function contentOf(claim: KeyClaim): string {
  switch (claim.kind) {
    case 'omemo':
    case 'otr':
      return claim.fingerprint
    case 'trust-message':
      return `${claim.trust} ${claim.encryption}`
  }
}

function isSameClaim(a: KeyClaim, b: KeyClaim | undefined): boolean {
  return b !== undefined && subjectOf(a) === subjectOf(b) && contentOf(a) === contentOf(b)
}

/**
 * The fingerprint in an `openpgp4fpr:` URI, which names no address: whose code was scanned, only the person knows.
 * For OX, `trust-message` with the encryption `urn:xmpp:openpgp:0` names both.
 *
 * @throws {TrustError} `uri-malformed`
 */
export function parseOpenpgpUri(text: string): string {
  const [, digits] = /^openpgp4fpr:([0-9a-f]{40}|[0-9a-f]{64})$/i.exec(text) ?? []
  if (digits === undefined) throw malformed('expected openpgp4fpr: and a fingerprint')
  return parseFingerprint('openpgp', digits)
}

/**
 * In capitals, which a QR code stores in fewer modules.
 *
 * @throws {TrustError} `fingerprint-malformed`
 */
export function formatOpenpgpUri(fingerprint: string): string {
  return `OPENPGP4FPR:${parseFingerprint('openpgp', fingerprint).toUpperCase()}`
}
