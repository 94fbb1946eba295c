import type { Received } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'

/** @internal Says in words why a stanza can or cannot be read. Changes nothing. */
export async function explain(_account: Account, _received: Received): Promise<string> {
  throw new Error('to be written')
}
