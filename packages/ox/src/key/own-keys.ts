/**
 * Our secret keys, one of which signs: in the store under their passphrases, in memory unlocked until `lock`.
 */
import type { Account } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import type { RevocationReason, SecretKey } from '../openpgp/secret-key.ts'

/** @internal What is remembered about them. */
export interface Self {
  /** Which key signs. */
  readonly signing: string | undefined
  /** Those that were announced, and are to stay in the list. */
  readonly announced: readonly string[]
  /** Those in the backup on the server. */
  readonly backedUp: readonly string[]
}

/** @internal Unlocked keys live here and nowhere else. */
export interface OwnKeys {
  /** All, unlocked where they are; read from the store. */
  all(): Promise<readonly SecretKey[]>
  /** The one that signs. */
  signing(): Promise<SecretKey | undefined>
  self(): Promise<Self>
  /** The fingerprint of the one that signs, as far as it was read. */
  readonly fingerprint: string | undefined
  /** Asks the host for the passphrase of these keys; the key if it is unlocked now. */
  ask(fingerprint: string): Promise<SecretKey | undefined>
  unlock(passphrase: string): Promise<readonly string[]>
  /** Forgets unlocked keys. */
  lock(): void
}

/** @internal */
export function createOwnKeys(
  _account: Pick<Account, 'store' | 'jid' | 'clock' | 'emit'>,
  _unlock: ((fingerprint: string) => Promise<string | undefined>) | undefined,
): OwnKeys {
  throw new Error('to be written')
}

/** A secret key of the account, as an application shows it. */
export interface OwnKey {
  readonly fingerprint: string
  readonly created: Date
  readonly expires: Date | undefined
  readonly revoked: boolean
  readonly locked: boolean
  /** Whether it signs. */
  readonly selected: boolean
  readonly announced: boolean
  readonly backedUp: boolean
}

/** @internal */
export async function ownKeys(_account: Account): Promise<readonly OwnKey[]> {
  throw new Error('to be written')
}

/** @internal Stores a new key, which signs from now on if none did. */
export async function generateKey(
  _account: Account,
  _options: { readonly passphrase?: string | undefined },
): Promise<OwnKey> {
  throw new Error('to be written')
}

/** @internal @throws {OxError} `secret-key-malformed`, `passphrase-wrong`, `user-id-missing` */
export async function importSecretKeys(
  _account: Account,
  _data: Uint8Array | string,
  _options: { readonly passphrase?: string | undefined },
): Promise<readonly OwnKey[]> {
  throw new Error('to be written')
}

/** @internal @throws {OxError} `key-missing`, `key-locked` */
export async function exportSecretKey(
  _account: Account,
  _fingerprint: string,
  _protection: { readonly passphrase: string } | { readonly unprotected: true },
): Promise<Bytes> {
  throw new Error('to be written')
}

/** @internal */
export async function selectKey(_account: Account, _fingerprint: string): Promise<void> {
  throw new Error('to be written')
}

/** @internal @throws {OxError} `key-missing`, `key-locked` */
export async function revokeKey(
  _account: Account,
  _fingerprint: string,
  _reason: RevocationReason,
): Promise<OwnKey> {
  throw new Error('to be written')
}

/** @internal Under another passphrase, or none. @throws {OxError} `key-locked` */
export async function setPassphrase(_account: Account, _passphrase: string | undefined): Promise<void> {
  throw new Error('to be written')
}
