import type { HandleOptions, QueuedEffect, Reader } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import type { Element } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { Meeting } from './keyring.ts'

export { SEND_TRUST } from './trust-notices.ts'
/** @internal */
export async function handleSendTrust(
  _account: Account,
  _effect: QueuedEffect,
  _options: HandleOptions,
): Promise<void> {
  throw new Error('to be written')
}
/** @internal Within a change, instead of `meet`: introduces the sender's key and acts on a `<trust-message/>` out of its omemo:2 envelope. */
export async function receiveTrust(
  _account: Account,
  _reader: Reader,
  _sender: Key,
  _message: { readonly element: Element; readonly at: Date | undefined },
): Promise<Meeting> {
  throw new Error('to be written')
}
