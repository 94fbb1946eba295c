/** Unsigned integers as big-endian bytes. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import type { Bytes } from './bytes.ts'

/** The number that bytes spell with the most significant one first; 0 for none. */
export function bytesToInteger(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${bytesToHex(bytes)}`)
}

/**
 * The number in as few bytes as it takes, or left-padded to exactly `length`. 0 takes none.
 *
 * @throws RangeError for a negative number, or one that needs more than `length` bytes
 */
export function integerToBytes(value: bigint, length?: number): Bytes {
  if (value < 0n) throw new RangeError('value: expected an integer ≥ 0')
  const digits = value === 0n ? '' : value.toString(16)
  const least = Math.ceil(digits.length / 2)
  if (length !== undefined && least > length)
    throw new RangeError(`value: expected at most ${length} bytes, got ${least}`)
  return hexToBytes(digits.padStart(2 * (length ?? least), '0'))
}

/** How many bits a number ≥ 0 takes: 0 for 0. */
export function bitLength(value: bigint): number {
  if (value === 0n) return 0
  const digits = value.toString(16)
  return 4 * digits.length - Math.clz32(Number.parseInt(digits.charAt(0), 16)) + 28
}
