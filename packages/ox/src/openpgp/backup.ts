/** The backup of secret keys: an OpenPGP message under a code (XEP-0373 §5.4). */
import type { Bytes } from '../bytes.ts'
import type { SecretKey } from './secret-key.ts'

/** @internal Unlocked keys, written without passphrases, one after the other. */
export async function sealBackup(_keys: readonly SecretKey[], _code: string): Promise<Bytes> {
  throw new Error('to be written')
}

/** @internal Tries the codes in turn. @throws {OxError} `backup-code-wrong`, `backup-malformed`, `secret-key-malformed` */
export async function openBackup(
  _message: Uint8Array,
  _codes: readonly string[],
  _now: number,
): Promise<readonly SecretKey[]> {
  throw new Error('to be written')
}
