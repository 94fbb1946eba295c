/** Whose keys they are, and what is thought of them: `@xmpp-e2e/trust` within the commits of the façade. */
import type { Put, Reader } from '@xmpp-e2e/store'
import type { Evidence, Key, KeyRef, Level } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { OxEvent } from './event.ts'

/** @internal */
export interface Meeting {
  /** In the order in which they were introduced. */
  readonly keys: readonly Key[]
  readonly put: readonly Put[]
  readonly events: readonly OxEvent[]
}

/** @internal Within a change: takes in keys of one owner, and gives each as it is then. Ours are verified, and in no record. */
export async function meet(
  _account: Account,
  _reader: Reader,
  _owner: BareJid,
  _fingerprints: readonly string[],
): Promise<Meeting> {
  throw new Error('to be written')
}

/** @internal */
export async function keysOf(_account: Account, _owner: BareJid | undefined): Promise<readonly Key[]> {
  throw new Error('to be written')
}

/** @internal @throws RangeError for our own key, or what is none */
export async function decide(_account: Account, _key: KeyRef, _level: Level, _by: Evidence): Promise<Key> {
  throw new Error('to be written')
}

/** @internal @throws {TrustError} */
export async function scan(
  _account: Account,
  _uri: string,
  _expected: BareJid | undefined,
): Promise<readonly Key[]> {
  throw new Error('to be written')
}

/** @internal What names our key, for others to scan. */
export function keyUri(_account: Account): string | undefined {
  throw new Error('to be written')
}
