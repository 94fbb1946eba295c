import type { Received } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { Decrypted } from '../outcome.ts'

/** @internal */
export async function decrypt(_account: Account, _received: Received): Promise<Decrypted> {
  throw new Error('to be written')
}
