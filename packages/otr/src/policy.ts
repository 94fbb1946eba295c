/** What the user wants of OTR with one peer (Policies). */

import type { Version } from './header.ts'

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
