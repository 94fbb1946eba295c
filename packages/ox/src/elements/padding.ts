/**
 * `<rpad/>` (XEP-0373 §3.1): what makes the length of a message tell little about its text.
 *
 * A content element is filled up to a multiple of a step, and so says how many of them it takes: "yes" and "no", and nearly
 * all short messages, look alike. Padding of a random length, as the specification has it, would only blur it until somebody
 * averages; random is what stands in it.
 *
 *     bytes   to 8191   16 383   32 767   131 071
 *     step        256      512     1024      2048
 *
 * Beyond eight kilobytes the steps are those of Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and
 * Communication with PURBs", 2019, §4): a length that has e bits after its first one tells ⌊log₂ e⌋ + 1 of them.
 */
import type { Random } from '../bytes.ts'

/** Bytes; every step is a multiple of it. */
export const PADDING_STEP = 256

/** 64 characters, one for each value of six bits, none of which XML escapes. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** So many characters that `length` bytes and they come to a multiple of the step; at least one. */
export function padding(length: number, random: Random): string {
  const step = stepOf(length + 1)
  const missing = step - (length % step)
  return Array.from(random(missing), (byte) => ALPHABET.charAt(byte & 63)).join('')
}

function stepOf(length: number): number {
  const exponent = Math.floor(Math.log2(length))
  const told = Math.floor(Math.log2(Math.max(1, exponent))) + 1
  return Math.max(PADDING_STEP, 2 ** (exponent - told))
}
