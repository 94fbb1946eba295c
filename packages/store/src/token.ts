/** What a token says: as of revision `revision` of the store `storeId`, this key or this prefix. */

import { checkKey, checkPrefix } from './store.ts'

/** @internal Of a reading (`key`) or of a listing (`prefix`). */
export interface Token {
  /** Of one store and no other: lower-case letters and digits. */
  readonly storeId: string
  /** How much had been written to the store when it was read; it never goes back. */
  readonly revision: number
  readonly kind: 'key' | 'prefix'
  readonly subject: string
}

/** @internal */
export function encodeToken({ storeId, revision, kind, subject }: Token): string {
  return `${storeId}:${revision}${kind === 'key' ? '=' : '^'}${subject}`
}

/** @internal `undefined` for text that no store of this package has given out. */
export function decodeToken(text: string): Token | undefined {
  // 15 digits are below 2^53.
  const found = /^([0-9a-z]+):([0-9]{1,15})([=^])(.*)$/su.exec(text)
  if (!found) return undefined
  const [, storeId = '', revision, sign, subject = ''] = found
  const kind = sign === '=' ? 'key' : 'prefix'
  try {
    if (kind === 'key') checkKey(subject)
    else checkPrefix(subject)
  } catch {
    return undefined
  }
  return { storeId, revision: Number(revision), kind, subject }
}
