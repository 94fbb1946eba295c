import type { Signal } from '@xmpp-e2e/store'
import type { Account } from '../account.ts'

/** @internal */
export async function setLabel(_account: Account, _label: string | undefined): Promise<void> {
  throw new Error('to be written')
}
/** @internal Takes other devices of the account off its lists and deletes their bundles. */
export async function removeDevices(
  _account: Account,
  _ids: readonly number[],
  _options: { readonly signal?: Signal | undefined },
): Promise<void> {
  throw new Error('to be written')
}
/** @internal Takes this device off the lists and deletes its bundles (XEP-0384 §6). */
export async function leave(
  _account: Account,
  _options: { readonly signal?: Signal | undefined },
): Promise<void> {
  throw new Error('to be written')
}
/** @internal Starts over under a new id; with `keepIdentity` fingerprints stay. */
export async function reset(_account: Account, _options: { readonly keepIdentity: boolean }): Promise<void> {
  throw new Error('to be written')
}
