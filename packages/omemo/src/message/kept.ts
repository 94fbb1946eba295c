import type { Account } from '../account.ts'
import type { DecryptedMessage } from '../outcome.ts'

/** @internal */
export async function settle(_account: Account, _refs: readonly string[]): Promise<void> {
  throw new Error('to be written')
}
/** @internal */
export async function unsettled(_account: Account): Promise<readonly DecryptedMessage[]> {
  throw new Error('to be written')
}
