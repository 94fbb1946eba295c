/**
 * Trust messages that wait to be sent (XEP-0450), and how they name keys.
 *
 * XEP-0434 leaves the form of a key identifier to the encryption, and XEP-0384 says none. Those who send them take the
 * Ed25519 form of the identity key, as omemo:2 shows it; keys are known by their Montgomery form here.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { Effect } from '@xmpp-e2e/store'
import type { Key, KeyRef, TrustNotice } from '@xmpp-e2e/trust'
import { type BareJid, hex } from '@xmpp-e2e/xml'
import type { Bytes } from './bytes.ts'
import { fingerprint, fromEdwards, toEdwards } from './identity-key.ts'
import { decodeRecord, encodeRecord, isFingerprint, isFlag, isJid, isList, isObject } from './json-record.ts'

/** @internal Kind of the effect that sends a trust message (XEP-0450). */
export const SEND_TRUST = 'send-trust'

/** @internal What waits to be said: to whom, for which of their keys alone, and about which keys. */
export interface PendingNotice {
  readonly to: BareJid
  /** Fingerprints of keys of `to`. */
  readonly recipients: readonly string[]
  readonly trust: boolean
  readonly about: readonly KeyRef[]
}

/** Bytes of one that waits: half of what an effect may have. */
const MAX_NOTICE_BYTES = 131_072

/**
 * @internal One lane for each account that is told. Equal ones replace each other, so that a key that is decided about again
 * and again is not told of more often than that.
 */
export function trustEffects(notices: readonly TrustNotice[]): readonly Effect[] {
  return notices.flatMap(({ to, recipients, trust, distrust }) => {
    const fingerprints = recipients.map((key) => key.fingerprint)
    return [
      ...(trust.length > 0 ? effectsOf({ to, recipients: fingerprints, trust: true, about: trust }) : []),
      ...(distrust.length > 0
        ? effectsOf({ to, recipients: fingerprints, trust: false, about: distrust })
        : []),
    ]
  })
}

function effectsOf(notice: PendingNotice): readonly Effect[] {
  const { to, about } = notice
  const payload = encodeNotice(notice)
  if (payload.length > MAX_NOTICE_BYTES && about.length > 1) {
    const half = about.length >> 1
    return [about.slice(0, half), about.slice(half)].flatMap((part) => effectsOf({ ...notice, about: part }))
  }
  // The address is in the name once: twice, a long one would not fit.
  const name = `${to} ${digest(payload)}`
  return [{ lane: `${SEND_TRUST} ${digest(utf8ToBytes(to))}`, kind: SEND_TRUST, key: name, payload }]
}

const digest = (bytes: Uint8Array): string => bytesToHex(sha256(bytes).subarray(0, 16))

const shape = isObject({
  to: isJid,
  recipients: isList(isFingerprint),
  trust: isFlag,
  about: isList(isObject({ owner: isJid, fingerprint: isFingerprint })),
})

/** @internal */
export function encodeNotice({ to, recipients, trust, about }: PendingNotice): Bytes {
  const keys = about.map(({ owner, fingerprint }) => ({ owner, fingerprint }))
  return encodeRecord({ to, recipients, trust, about: keys })
}

/** @internal @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeNotice(bytes: Uint8Array): PendingNotice {
  return decodeRecord(bytes, 'trust notice', shape)
}

/**
 * @internal The key that an identifier names: a Montgomery form if there is such a key among those that are known of the
 * owner, otherwise an Ed25519 form. `undefined` for what can be neither.
 */
export function fingerprintOfKeyId(id: Uint8Array, known: readonly KeyRef[]): string | undefined {
  const digits = hex.encode(Uint8Array.from(id))
  if (known.some((key) => key.fingerprint === digits)) return digits
  try {
    return fingerprint(fromEdwards(id))
  } catch {
    return undefined
  }
}

/** @internal The identifier of a key: the Ed25519 form as its device has shown it, or the one with sign bit 0. */
export function keyIdOf({ fingerprint }: KeyRef, shown: Uint8Array | undefined): Bytes {
  if (shown !== undefined) return Uint8Array.from(shown)
  return toEdwards(hex.decode(fingerprint) as Bytes, 0)
}

/** @internal What of a notice still holds: a decision that was taken back meanwhile is not told any more. */
export function stillTrue(notice: PendingNotice, keys: readonly Key[]): PendingNotice {
  const levels = new Map(keys.map((key) => [`${key.owner}\n${key.fingerprint}`, key.level]))
  const levelOf = (owner: BareJid, print: string) => levels.get(`${owner}\n${print}`)
  const level = notice.trust ? 'verified' : 'distrusted'
  return {
    ...notice,
    recipients: notice.recipients.filter((print) => levelOf(notice.to, print) === 'verified'),
    about: notice.about.filter((key) => levelOf(key.owner, key.fingerprint) === level),
  }
}
