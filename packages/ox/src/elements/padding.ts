/**
 * `<rpad/>` (XEP-0373 §3.1): what makes the length of a message tell little about its text.
 *
 * A content element is filled up to a multiple of `PADDING_STEP` bytes, and so says how many of them it takes: "yes" and "no",
 * and nearly all short messages, look alike. Padding of a random length would only blur it, until somebody averages.
 */
import type { Random } from '../bytes.ts'

/** Bytes. */
export const PADDING_STEP = 256

/** 64 characters, one for each value of six bits, none of which XML escapes. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** So many characters that `length` bytes and they come to a multiple of the step; at least one. */
export function padding(length: number, random: Random): string {
  const missing = PADDING_STEP - (length % PADDING_STEP)
  return Array.from(random(missing), (byte) => ALPHABET.charAt(byte & 63)).join('')
}
