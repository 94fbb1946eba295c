/**
 * Being found by others (XEP-0373 §4): certificate first, then the list, merged with what is there, never clobbered, never
 * deleted. Any error of reading but "there is none" ends it without writing.
 */
import type { PepEvent } from '@xmpp-e2e/disco/pep'
import type { Signal } from '@xmpp-e2e/store'
import type { Account } from '../account.ts'

/** How often a list that somebody takes our key off is written again, per hour. */
export const MAX_ANNOUNCEMENTS_PER_HOUR = 6
/** The most milliseconds before it is written again: of two clients that repair one list, one comes later and sees it. */
export const ANNOUNCE_JITTER_MS = 5000

/** @internal Publishes what is not published. @throws {PepError} @throws the signal's reason */
export async function announce(
  _account: Account,
  _options: { readonly signal?: Signal | undefined },
): Promise<void> {
  throw new Error('to be written')
}

/** @internal Takes a key off the list, and its certificate off the server. @throws {PepError} */
export async function unannounce(
  _account: Account,
  _fingerprints: readonly string[],
  _options: { readonly signal?: Signal | undefined },
): Promise<void> {
  throw new Error('to be written')
}

/** @internal What the server tells of our own list. */
export async function onOwnListEvent(_account: Account, _event: PepEvent): Promise<void> {
  throw new Error('to be written')
}
