/**
 * The plaintext of a 0.3 payload: the text of `<body/>` in UTF-8 (XEP-0384 0.3.0 §4.5). Reading is strict: an
 * insider who replaces a ciphertext under its GCM tag gets one block of noise, and noise is rarely UTF-8.
 */
import { bytesToUtf8 } from '@noble/ciphers/utils.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { type Bytes, sameBytes } from './bytes.ts'
import { OmemoError } from './error.ts'

const BYTE_ORDER_MARK = Uint8Array.of(0xef, 0xbb, 0xbf)

/** @throws RangeError for a lone surrogate, which UTF-8 cannot carry */
export function encodeBody(body: string): Bytes {
  if (/\p{Surrogate}/u.test(body)) throw new RangeError('body: expected no lone surrogates')
  return utf8ToBytes(body)
}

/** @throws OmemoError `message-malformed` when the bytes are not UTF-8 */
export function decodeBody(bytes: Uint8Array): string {
  // The decoder drops one leading byte order mark: it gets one to drop, so that the text keeps its own.
  const body = bytesToUtf8(concatBytes(BYTE_ORDER_MARK, bytes))
  // It also writes U+FFFD for what is not UTF-8, which does not give the same bytes again.
  if (!sameBytes(utf8ToBytes(body), bytes))
    throw new OmemoError('message-malformed', 'the decrypted body is not UTF-8', {
      path: 'encrypted/payload',
    })
  return body
}
