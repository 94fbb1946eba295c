import type { Account } from '../account.ts'

/** @internal Rotates the signed prekey, ends its grace, refills prekeys: what is due. @returns when something is due next */
export async function maintain(_account: Account): Promise<Date | undefined> {
  throw new Error('to be written')
}
