/**
 * What becomes of keys about which nobody has said anything. XEP-0384 §8 forbids to transmit data "without ensuring
 * trust first" and leaves open what ensures it, so the application chooses.
 */

import type { Key, Level } from './key.ts'

/** The rules of an application. Take one of the presets, spread one and change it, or write your own. */
export interface Policy {
  /**
   * The level of a key that is seen for the first time. `key.level` is `undecided`; `known` are the other known keys:
   * all of the account in this protocol, of which those of `key.owner` matter.
   */
  first(key: Key, known: readonly Key[]): Level
  /** Whether messages are encrypted to a key of that level. */
  maySend(level: Level): boolean
  /** Whether messages from a key of that level are shown; XEP-0384 §8 asks to indicate when it is not trusted. */
  mayShow(level: Level): boolean
  /**
   * Whether keys that the policy trusted blindly become undecided as soon as a key of their owner is verified
   * (XEP-0450 §6.2, "TOAKAFA").
   */
  readonly blindEnds?: boolean | undefined
  /** Whether trust messages of XEP-0450 are sent and acted upon. */
  readonly trustMessages?: boolean | undefined
}

const isUsed = (level: Level): boolean => level === 'blind' || level === 'verified'
const isNotDistrusted = (level: Level): boolean => level !== 'distrusted'
const levels = { maySend: isUsed, mayShow: isNotDistrusted }

const isSibling = (key: Key, other: Key): boolean =>
  other.owner === key.owner && other.fingerprint !== key.fingerprint

// Also when what was verified is distrusted now, or was taken back: who has ever looked at a key is not to get a new one
// unnoticed because the old one was lost.
const endsBlindTrust = ({ level, by }: Key): boolean =>
  level === 'verified' || level === 'distrusted' || (by !== undefined && by !== 'import')

function beforeVerification(key: Key, known: readonly Key[]): Level {
  return known.some((other) => isSibling(key, other) && endsBlindTrust(other)) ? 'undecided' : 'blind'
}

/**
 * Every key is trusted until the first one of its owner has been verified, or distrusted, or anything else was decided
 * about it; from then on new ones wait for a decision. What most XMPP clients do. A server that adds a key of its own
 * before that reads along, unnoticed.
 */
export const blindTrustBeforeVerification: Policy = { ...levels, first: beforeVerification }

/**
 * The first key of an owner is trusted, each later one waits for a decision. A server can only read along from the very
 * beginning, but a contact's second device needs a decision too.
 */
export const firstUse: Policy = {
  ...levels,
  first: (key, known) => (known.some((other) => isSibling(key, other)) ? 'undecided' : 'blind'),
}

/** Every key waits for a decision. */
export const manual: Policy = { ...levels, first: () => 'undecided' }

/**
 * XEP-0450: verifying one device of a contact verifies what their verified devices vouch for. Until the first
 * verification as `blindTrustBeforeVerification`; keys not verified by then are not used any longer (§6.2).
 */
export const automaticTrustManagement: Policy = {
  ...levels,
  first: beforeVerification,
  blindEnds: true,
  trustMessages: true,
}
