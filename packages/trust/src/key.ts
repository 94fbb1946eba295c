/**
 * What is thought of a key, and who may change that.
 *
 * A key is its owner's address and its fingerprint, never a device id: servers and other clients choose device ids,
 * and one that gets another key is a new key.
 */

import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import { MAX_KEY_ID_BYTES } from './trust-message.ts'

/**
 * - `undecided`: nobody has said anything. XEP-0384 §8 forbids encrypting to it.
 * - `blind`: used without proof that it belongs to its owner.
 * - `verified`: proven to be its owner's key. What XEP-0450 calls authenticated.
 * - `distrusted`: known not to be its owner's, lost, or unwanted.
 */
export type Level = 'undecided' | 'blind' | 'verified' | 'distrusted'

/**
 * Who or what set a level, when it was not the policy:
 *
 * - `choice`: the person said so, without evidence: a button.
 * - `compare`: the person compared fingerprints.
 * - `scan`: a QR code or a URI.
 * - `smp`: a secret that both know (OTR).
 * - `trust-message`: a verified device of the owner, or of the account itself (XEP-0450).
 * - `import`: another program's data, or a backup.
 */
export type Evidence = 'choice' | 'compare' | 'scan' | 'smp' | 'trust-message' | 'import'

/** Names a key within one protocol. */
export interface KeyRef {
  readonly owner: BareJid
  /** In the form that `parseFingerprint` gives: lower-case hex. */
  readonly fingerprint: string
}

export interface Key extends KeyRef {
  /** The namespace of the encryption. */
  readonly protocol: string
  readonly level: Level
  /** Absent when the policy set the level. */
  readonly by?: Evidence | undefined
  /**
   * When the level was last said, on the clock of who said it: not always when `by` happened, since weaker evidence that
   * confirms a level renews its time alone. Absent when the policy set the level.
   */
  readonly decidedAt?: Date | undefined
  /** Whether it belongs to the account itself. */
  readonly own: boolean
  /** What the owner calls the device. Anybody can write anything here: escape it, and never take it for evidence. */
  readonly label?: string | undefined
}

/** A level for a key, and why. */
export interface Decision {
  readonly level: Level
  readonly by: Evidence
  readonly at: Date
}

/**
 * - `changed`: `key` is what the key is now.
 * - `same`: it had that level. `key` may have newer evidence.
 * - `stale`: something newer was decided. `key` is unchanged.
 * - `contested`: this evidence cannot take back what is there. `key` is unchanged: ask the person, and if they agree
 *   decide again, by `choice`.
 */
export interface Judged {
  readonly kind: 'changed' | 'same' | 'stale' | 'contested'
  readonly key: Key
}

// Evidence of a person outweighs what they scanned, that outweighs what a device says.
const RANK: Readonly<Record<Evidence, number>> = {
  choice: 3,
  compare: 3,
  scan: 2,
  smp: 2,
  'trust-message': 1,
  import: 1,
}

/**
 * Applies a decision to a key:
 *
 *     from \ to     undecided   blind          verified                        distrusted
 *     undecided     –           anybody        anybody                         anybody
 *     blind         a person    –              anybody                         anybody
 *     verified      a person    a person       –                               anybody
 *     distrusted    a person    a person       who distrusted it, or better    –
 *
 * "A person" is `choice` or `compare`; better is person, then scan and smp, then trust message and import. To stop
 * using a key is always allowed: the mistake costs a question, the opposite one costs the secret. Trust messages and
 * imports are in the order of their times, whenever they arrive, and of two at one time `distrusted` stands. All else is
 * done now, by who looks at what is there now, and so is never late, whatever a clock said before.
 *
 * @throws {TypeError} when the level or the evidence is none
 * @throws {RangeError} when the date is invalid
 */
export function judge(key: Key, decision: Decision): Judged {
  const { level, by, at } = decision
  if (!isLevel(level)) throw new TypeError('level: expected undecided, blind, verified or distrusted')
  if (!isEvidence(by)) throw new TypeError('by: expected a kind of evidence')
  if (Number.isNaN(at.getTime())) throw new RangeError('at: expected a valid date')
  const isPerson = RANK[by] === RANK.choice
  const isReported = RANK[by] === RANK['trust-message']
  const age = key.decidedAt === undefined ? 1 : at.getTime() - key.decidedAt.getTime()
  if (isReported && (age < 0 || (age === 0 && level !== 'distrusted' && level !== key.level)))
    return { kind: 'stale', key }
  const isWeaker = key.by !== undefined && RANK[by] < RANK[key.by]
  // Never earlier than before, or a report that was stale could be repeated.
  const decidedAt = age < 0 ? key.decidedAt : at
  if (level === key.level)
    return { kind: 'same', key: { ...key, by: isWeaker ? (key.by ?? by) : by, decidedAt } }
  if (!isPerson && !mayChange(key.level, level, isWeaker)) return { kind: 'contested', key }
  return { kind: 'changed', key: { ...key, level, by, decidedAt } }
}

function mayChange(from: Level, to: Level, isWeaker: boolean): boolean {
  if (to === 'distrusted' || from === 'undecided') return true
  return to === 'verified' && (from === 'blind' || !isWeaker)
}

/** Whether both name one key. */
export function isSameKey(a: KeyRef, b: KeyRef): boolean {
  return a.owner === b.owner && a.fingerprint === b.fingerprint
}

const LEVELS: readonly unknown[] = ['undecided', 'blind', 'verified', 'distrusted'] satisfies Level[]

export const isLevel = (value: unknown): value is Level => LEVELS.includes(value)

export const isEvidence = (value: unknown): value is Evidence =>
  typeof value === 'string' && Object.hasOwn(RANK, value)

// In upper case or with spaces it would name a key of its own, of which nothing that is said about the other one holds.
const CANONICAL = /^[0-9a-f]+$/

export function isFingerprint(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > 2 * MAX_KEY_ID_BYTES) return false
  return value.length % 2 === 0 && CANONICAL.test(value)
}

/** @throws {RangeError} when it names no key */
export function checkKeyRef({ owner, fingerprint }: KeyRef): void {
  if (bareJid.decode(owner) !== owner) throw new RangeError('owner: expected a canonical bare JID')
  if (!isFingerprint(fingerprint))
    throw new RangeError('fingerprint: expected canonical hex digits, in lower case')
}
