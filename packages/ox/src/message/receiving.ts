/**
 * A message that came in (XEP-0373 §3.2): opened, its signature checked by the sender's own certificates, its kind against its
 * cryptography, its addressee against where it was found, its time and whether it was settled before.
 */
import type { Received } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { Decrypted } from '../outcome.ts'

/** @internal @throws {TypeError} on what another account has received */
export async function decrypt(_account: Account, _received: Received): Promise<Decrypted> {
  throw new Error('to be written')
}
