/** The secret keys on the server, under a code (XEP-0373 §5). */
import type { Signal } from '@xmpp-e2e/store'
import type { Account } from '../account.ts'
import type { OwnKey } from './own-keys.ts'

/** @internal @throws {PepError}; {OxError} `key-missing`, `key-locked` */
export async function createBackup(
  _account: Account,
  _options: { readonly keys?: readonly string[] | undefined; readonly signal?: Signal | undefined },
): Promise<{ readonly code: string }> {
  throw new Error('to be written')
}

/** @internal Whether there is one. @throws {PepError} */
export async function findBackup(
  _account: Account,
  _options: { readonly signal?: Signal | undefined },
): Promise<boolean> {
  throw new Error('to be written')
}

/** @internal All keys in it are taken in; the one that is announced signs. @throws {PepError}; {OxError} */
export async function restoreBackup(
  _account: Account,
  _code: string,
  _options: { readonly signal?: Signal | undefined },
): Promise<readonly OwnKey[]> {
  throw new Error('to be written')
}

/** @internal @throws {PepError} */
export async function deleteBackup(
  _account: Account,
  _options: { readonly signal?: Signal | undefined },
): Promise<void> {
  throw new Error('to be written')
}
