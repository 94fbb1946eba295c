/** Bytes, as every function here takes and gives them. What is secret stays bytes or a bigint, never a string. */
import { bytesToUtf8, equalBytes as equal } from '@noble/ciphers/utils.js'

/**
 * A `Uint8Array` with the buffer type that the consumer's TypeScript gives it: `Uint8Array<ArrayBuffer>` since
 * 5.7, so that it can be handed to WebCrypto, and plain `Uint8Array` before.
 */
export type Bytes = ReturnType<typeof Uint8Array.of>

/** Gives that many fresh random bytes, from a secure source. */
export type Random = (length: number) => Uint8Array

/** The text that bytes are in UTF-8, with a byte order mark where they begin with one; U+FFFD for what is none. */
export function bytesToText(bytes: Uint8Array): string {
  const [first, second, third] = bytes
  // The platform's decoder takes the first one away.
  const mark = first === 0xef && second === 0xbb && third === 0xbf ? '\ufeff' : ''
  return mark + bytesToUtf8(bytes)
}

/** Takes the same time wherever the first difference is; that the lengths differ is no secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return equal(a, b)
}
