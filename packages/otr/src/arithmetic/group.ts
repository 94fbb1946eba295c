/**
 * The group of every Diffie-Hellman exchange and of SMP: RFC 3526 §2, group 5, with g = 2.
 *
 * p = 2q + 1 with q prime, and p ≡ 7 mod 8, so that 2 generates the subgroup of squares, of order q. No honest value
 * is outside it: g^x is a square, and so is every product of such.
 */

import { OtrError } from '../error.ts'
import type { Bytes, Random } from '../wire/bytes.ts'
import { mpi } from '../wire/writer.ts'
import { type FixedBase, fixedBase } from './fixed-base.ts'
import { type Blinding, jacobi, modInverse, modPow, modProduct, randomInteger, repunit } from './modular.ts'

/** The prime p: 2¹⁵³⁶ − 2¹⁴⁷² − 1 + 2⁶⁴ · (⌊2¹⁴⁰⁶ π⌋ + 741804). */
export const MODULUS = BigInt(
  '0xffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd' +
    'ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed' +
    'ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f' +
    '83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca237327ffffffffffffffff',
)
/** g. */
export const GENERATOR = 2n
/** q, the order of the subgroup, a prime: exponents are numbers modulo it. */
export const ORDER = (MODULUS - 1n) / 2n

/** Bytes of a number modulo p, and of the exponents of SMP. */
export const ELEMENT_BYTES = 192
/** 320 bits, the least that the specification allows and what every implementation takes. */
export const SECRET_BYTES = 40

export interface DhKeyPair {
  /** 40 random bytes, to be overwritten when they are no longer needed. */
  readonly secret: Bytes
  readonly publicKey: bigint
}

/** base^exponent, the exponent secret, big-endian. */
export interface Power {
  readonly base: bigint
  readonly exponent: Uint8Array
}

/**
 * Arithmetic with secret exponents. It keeps tables and blinding numbers to be quick, which never change a result: one
 * of them serves all conversations of a program.
 */
export interface Group {
  generateDh(random: Random): DhKeyPair
  /** The MPI of what two sides have in common, which is what OTR derives keys from. */
  sharedSecret(secret: Uint8Array, theirs: bigint): Bytes
  /** g^exponent, for up to 200 bytes. */
  powerOfG(exponent: Uint8Array): bigint
  /** The product of some powers, quicker than one by one. */
  product(...powers: readonly Power[]): bigint
  /** Powers of a number that is used again, modulo another prime: with a table, which takes as long as two powers. */
  powersOf(base: bigint, modulus: bigint): FixedBase
}

/** Two for each DSA key of ours. A table of 256 numbers of 128 bytes takes 32 KiB, all of them 1 MiB. */
const MAX_TABLES = 32

/** Randomness is drawn from `random` when it is first needed: for blinding, not for keys. */
export function createGroup(random: Random): Group {
  const powerOfG: FixedBase = fixedBase(GENERATOR, MODULUS, random)
  const blindings = new Map<number, Blinding>()
  /** The latest last. */
  const tables: { readonly base: bigint; readonly modulus: bigint; readonly power: FixedBase }[] = []

  /** One for exponents of that length, never the same twice: squaring both numbers gives another. */
  function blinding(length: number): Blinding {
    const kept = blindings.get(length) ?? freshBlinding(length)
    const { factor, correction } = kept
    blindings.set(length, {
      factor: (factor * factor) % MODULUS,
      correction: (correction * correction) % MODULUS,
    })
    return kept
  }

  function freshBlinding(length: number): Blinding {
    // From 2 to p − 2: 1 and −1 would hide nothing, or stay the same.
    const factor = randomInteger(MODULUS - 2n, random) + 1n
    return { factor, correction: modInverse(modPow(factor, repunit(length), MODULUS), MODULUS) }
  }

  function product(...powers: readonly Power[]): bigint {
    const terms = powers.map((power) => ({ ...power, blinding: blinding(power.exponent.length) }))
    return modProduct(terms, MODULUS)
  }

  return {
    generateDh(random) {
      const secret = Uint8Array.from(random(SECRET_BYTES))
      return { secret, publicKey: powerOfG(secret) }
    },
    sharedSecret: (secret, theirs) => mpi(product({ base: theirs, exponent: secret })),
    powerOfG,
    product,
    powersOf(base, modulus) {
      const kept = tables.find((table) => table.base === base && table.modulus === modulus)
      if (kept) return kept.power
      if (tables.length === MAX_TABLES) tables.shift()
      const power = fixedBase(base, modulus, random)
      tables.push({ base, modulus, power })
      return power
    },
  }
}

/**
 * Every value that a peer sends as g^x, g^y, next_dh, or within SMP is checked: 2 … p − 2, and a square. Without the
 * first, a peer of SMP would win without knowing the secret; without the second, learn one bit of it.
 *
 * @throws OtrError `group-element-invalid`
 */
export function assertGroupElement(value: bigint): void {
  if (value < 2n || value > MODULUS - 2n || jacobi(value, MODULUS) !== 1)
    throw new OtrError('group-element-invalid', 'a Diffie-Hellman value is not in the group')
}
