/**
 * Powers of one base by a comb: 160 bits of an exponent are laid out as 8 rows of 20, and each column, read from top to
 * bottom, names one product of the base's powers that was computed before. That makes 20 squarings of 160.
 *
 *     row 7   bits 159 … 140
 *     …                            column j = bits j, 20 + j, … 140 + j
 *     row 0   bits  19 …   0
 *
 * A longer exponent is cut into chunks of 160 bits, with one table for each; the tables share the 20 squarings. Every
 * entry is multiplied by a random number, for the reason that `Blinding` gives.
 */
import type { Random } from '../wire/bytes.ts'
import { modInverse, modPow, randomInteger } from './modular.ts'

const ROWS = 8
const COLUMNS = 20
const CHUNK_BYTES = (ROWS * COLUMNS) / 8
/** A table of 256 numbers of 192 bytes takes 48 KiB: 96 KiB for Diffie-Hellman, 480 KiB once SMP is used. */
const MAX_CHUNKS = 10

/** base^exponent, for secret exponents of up to 200 bytes, big-endian. */
export type FixedBase = (exponent: Uint8Array) => bigint

/** The tables are computed when they are first needed, and kept by the function that is returned. */
export function fixedBase(base: bigint, modulus: bigint, random: Random): FixedBase {
  const tables: bigint[][] = []
  let next = base
  let factor = 0n
  /** factor^−(2²⁰ − 1): what 20 columns of one table have multiplied. */
  let correction = 0n

  function grow(): void {
    if (factor === 0n) {
      factor = randomInteger(modulus, random)
      correction = modInverse(modPow(factor, (1n << BigInt(COLUMNS)) - 1n, modulus), modulus)
    }
    const table = [factor]
    for (let row = 0; row < ROWS; row++) {
      for (let i = 0; i < 1 << row; i++) table.push(((table[i] as bigint) * next) % modulus)
      for (let i = 0; i < COLUMNS; i++) next = (next * next) % modulus
    }
    tables.push(table)
  }

  return (exponent) => {
    const chunks = Math.ceil(exponent.length / CHUNK_BYTES)
    if (chunks > MAX_CHUNKS)
      throw new RangeError(`exponent: expected at most ${MAX_CHUNKS * CHUNK_BYTES} bytes`)
    while (tables.length < chunks) grow()
    const columns = Array.from({ length: chunks }, (_, i) => {
      const end = exponent.length - i * CHUNK_BYTES
      return columnsOf(exponent.subarray(Math.max(0, end - CHUNK_BYTES), end))
    })
    let product = 1n
    for (let column = COLUMNS - 1; column >= 0; column--) {
      product = (product * product) % modulus
      for (let i = 0; i < chunks; i++)
        product = (product * (tables[i]?.[columns[i]?.[column] as number] as bigint)) % modulus
    }
    for (let i = 0; i < chunks; i++) product = (product * correction) % modulus
    return product
  }
}

/** For each column, lowest first, the number that its bits spell. */
function columnsOf(chunk: Uint8Array): Uint8Array {
  const columns = new Uint8Array(COLUMNS)
  const bits = 8 * chunk.length
  for (let bit = 0; bit < bits; bit++) {
    const byte = chunk[chunk.length - 1 - (bit >> 3)] as number
    const column = bit % COLUMNS
    columns[column] = (columns[column] as number) | (((byte >> (bit & 7)) & 1) << ((bit / COLUMNS) | 0))
  }
  return columns
}
