/**
 * The data types of OTR, each as bytes to be concatenated; `reader.ts` is the other direction.
 *
 *     BYTE 1 B   SHORT 2 B   INT 4 B   CTR 8 B   MAC 20 B      numbers big-endian
 *     DATA = INT length ‖ bytes
 *     MPI  = INT length ‖ magnitude, without leading zero bytes; 0 has length 0
 */
import { concatBytes } from '@noble/hashes/utils.js'
import type { Bytes } from './bytes.ts'
import { integerToBytes } from './integer.ts'

/** @throws RangeError for what is no integer from 0 to `max` */
function checked(type: string, value: number, max: number): number {
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new RangeError(`${type}: expected an integer from 0 to ${max}`)
  return value
}

export function byte(value: number): Bytes {
  return Uint8Array.of(checked('BYTE', value, 0xff))
}

export function short(value: number): Bytes {
  checked('SHORT', value, 0xffff)
  return Uint8Array.of(value >> 8, value)
}

export function int(value: number): Bytes {
  checked('INT', value, 0xffff_ffff)
  return Uint8Array.of(value >>> 24, value >> 16, value >> 8, value)
}

export function data(bytes: Uint8Array): Bytes {
  return concatBytes(int(bytes.length), bytes)
}

/** @throws RangeError for a negative number */
export function mpi(value: bigint): Bytes {
  return data(integerToBytes(value))
}
