import type { Effect, Put, Reader } from '@xmpp-e2e/store'
import type { Evidence, Key, KeyRef, Level } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { OmemoEvent } from './event.ts'
import type { DeviceRef } from './outcome.ts'

/** @internal A key that was fetched, or that a message came from. */
export interface Introduction extends KeyRef {
  readonly label?: string | undefined
  readonly device?: DeviceRef | undefined
}
/** @internal */
export interface Meeting {
  /** In the order in which they were introduced. */
  readonly keys: readonly Key[]
  readonly put: readonly Put[]
  readonly events: readonly OmemoEvent[]
  readonly effects: readonly Effect[]
}
/** @internal Within a change, at most once: takes in keys, and gives each as it is then. */
export async function meet(
  _account: Account,
  _reader: Reader,
  _introduced: readonly Introduction[],
): Promise<Meeting> {
  throw new Error('to be written')
}
/** @internal */
export async function keysOf(_account: Account, _owner: BareJid | undefined): Promise<readonly Key[]> {
  throw new Error('to be written')
}
/** @internal */
export async function decide(_account: Account, _key: KeyRef, _level: Level, _by: Evidence): Promise<Key> {
  throw new Error('to be written')
}
/** @internal */
export async function scan(
  _account: Account,
  _uri: string,
  _expected: BareJid | undefined,
): Promise<readonly Key[]> {
  throw new Error('to be written')
}
