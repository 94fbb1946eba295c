/** What the user wants of OTR with one peer (Policies). */

import type { Version } from './header.ts'
import { MAX_PAD } from './tlv.ts'

/** Versions, what is done without being asked, and how messages look on the wire. */
export interface Policy {
  /** 2 only for peers that are known to need it: whoever is on the way can make it of 3, unnoticed. */
  readonly versions: readonly Version[]
  /** No plaintext goes out, and `send` without a session starts one. */
  readonly requireEncryption: boolean
  /** Plaintext says that we speak OTR, by white space, until the peer has shown that it does not. */
  readonly sendWhitespaceTag: boolean
  /** A session is started when the peer's plaintext says so, its query does, or its client says that it cannot read. */
  readonly whitespaceStartsAke: boolean
  readonly queryStartsAke: boolean
  readonly errorStartsAke: boolean
  /** Messages are padded to a multiple of so many bytes; 0 for not at all. */
  readonly pad: number
  /** Milliseconds of only receiving after which an empty message lets old keys go. */
  readonly heartbeatMs: number
  /** Characters that one message of the transport may have. Absent for no limit. */
  readonly maxFragment?: number
  /** For people whose client has no OTR; after the query. */
  readonly queryText: string
  /** What an error reply says. */
  readonly errorText: string
}

/** Version 3 only; a query is answered, nothing else begins by itself. */
export const DEFAULT_POLICY: Policy = {
  versions: [3],
  requireEncryption: false,
  sendWhitespaceTag: false,
  whitespaceStartsAke: false,
  queryStartsAke: true,
  errorStartsAke: false,
  pad: 0,
  heartbeatMs: 60_000,
  queryText: '',
  errorText: 'An encrypted message could not be read.',
}

/** Characters: what is around a piece takes 36 in version 3, so that even the longest message needs few enough. */
export const MIN_FRAGMENT = 60

/**
 * A policy with the defaults for what `options` leaves out.
 *
 * @throws RangeError for no version or an unknown one, a padding outside 0 … 4096, a fragment shorter than
 *   `MIN_FRAGMENT`, or a time that is none; `Infinity` is no heartbeat
 */
export function createPolicy(options: Partial<Policy> = {}): Policy {
  const policy = { ...DEFAULT_POLICY, ...options }
  const { versions, pad, heartbeatMs, maxFragment = MIN_FRAGMENT } = policy
  if (versions.length === 0 || !versions.every((version) => version === 2 || version === 3))
    throw new RangeError('versions: expected 2, 3, or both')
  if (!Number.isInteger(pad) || pad < 0 || pad > MAX_PAD) throw new RangeError(`pad: expected 0 … ${MAX_PAD}`)
  if (!(heartbeatMs >= 0)) throw new RangeError('heartbeatMs: expected a number ≥ 0')
  if (!Number.isInteger(maxFragment) || maxFragment < MIN_FRAGMENT)
    throw new RangeError(`maxFragment: expected at least ${MIN_FRAGMENT}`)
  return policy
}
