import type { PepEvent } from '@xmpp-e2e/disco/pep'
import type { Signal } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { SkipCode } from '../outcome.ts'

/** @internal Reads the lists of accounts that are not known freshly, in parallel and bounded, and stores what they say.
 * @returns what went wrong, of whom nothing is known */
export async function refreshLists(
  _account: Account,
  _jids: readonly BareJid[],
  _options: { readonly signal?: Signal | undefined; readonly fresh?: boolean | undefined },
): Promise<ReadonlyMap<BareJid, SkipCode>> {
  throw new Error('to be written')
}
/** @internal A notification about a list of a contact. */
export async function onListEvent(_account: Account, _event: PepEvent): Promise<void> {
  throw new Error('to be written')
}
