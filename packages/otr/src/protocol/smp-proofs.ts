/**
 * What the messages of SMP prove without showing it (Socialist Millionaires' Protocol (SMP)): each proof, and its check
 * beside it, which throws OtrError `message-malformed` when it does not hold. Every hash has the number of the proof in
 * front, so that none passes for another.
 *
 *     1 … 4   g^a: a is known                                    c = H(g^r)              D = r − a c
 *     5, 6    P = g3^r, Q = g^r g2^secret: both are known        c = H(g3^r5, g^r5 g2^r6)
 *     7, 8    R = (Qa / Qb)^a3: a3 is that of g^a3               c = H(g^r, (Qa / Qb)^r)
 *
 * Exponents have 1536 bits in both versions, and every value of the peer's has been checked to be in the group.
 */

import { concatBytes } from '@noble/ciphers/utils.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { ELEMENT_BYTES, GENERATOR, type Group, MODULUS, ORDER } from '../arithmetic/group.ts'
import { modInverse, modProduct } from '../arithmetic/modular.ts'
import { OtrError } from '../error.ts'
import type { Bytes, Random } from '../wire/bytes.ts'
import { bytesToInteger, integerToBytes } from '../wire/integer.ts'
import { mpi } from '../wire/writer.ts'
import type { Slices } from './slices.ts'

/** Where the arithmetic and the randomness of a run come from. */
export interface SmpMeans {
  readonly group: Group
  readonly random: Random
}

/** Values of a message that belong together, in its order. */
export type Three = [bigint, bigint, bigint]
export type Five = [bigint, bigint, bigint, bigint, bigint]
export type Six = [bigint, bigint, bigint, bigint, bigint, bigint]

/** g^a, and a proof that a is known: c = H(g^r), D = r − a c. */
export function* proveFirst(version: number, a: Bytes, means: SmpMeans): Slices<Three> {
  const r = exponent(means)
  const element = yield* power(GENERATOR, a, means)
  const c = hash(version, yield* power(GENERATOR, r, means))
  return [element, c, response(r, a, c)]
}

export function* verifyFirst(version: number, element: bigint, c: bigint, d: bigint): Slices<void> {
  check(hash(version, yield* product([GENERATOR, d], [element, c])) === c)
}

/** P = g3^r and Q = g^r g2^secret, and a proof that r and the secret are known. */
export function* commitTo(
  version: number,
  secret: Bytes,
  g2: bigint,
  g3: bigint,
  means: SmpMeans,
): Slices<{ readonly p: bigint; readonly q: bigint; readonly proof: Three }> {
  const [r, r5, r6] = [exponent(means), exponent(means), exponent(means)]
  const p = yield* power(g3, r, means)
  const q = yield* powerWithG(r, g2, secret, means)
  const first = yield* power(g3, r5, means)
  const second = yield* powerWithG(r5, g2, r6, means)
  const c = hash(version, first, second)
  return { p, q, proof: [c, response(r5, r, c), response(r6, secret, c)] }
}

export function* verifyCommitment(
  version: number,
  [p, q, c, d5, d6]: Five,
  g2: bigint,
  g3: bigint,
): Slices<void> {
  const first = yield* product([g3, d5], [p, c])
  const second = yield* product([GENERATOR, d5], [g2, d6], [q, c])
  check(hash(version, first, second) === c)
}

/** R = (Qa / Qb)^a3, and a proof that a3 is that of g^a3. */
export function* proveShared(version: number, third: Bytes, q: bigint, means: SmpMeans): Slices<Three> {
  const r = exponent(means)
  const shared = yield* power(q, third, means)
  const first = yield* power(GENERATOR, r, means)
  const c = hash(version, first, yield* power(q, r, means))
  return [shared, c, response(r, third, c)]
}

export function* verifyShared(version: number, [r, c, d]: Three, g3: bigint, q: bigint): Slices<void> {
  const first = yield* product([GENERATOR, d], [g3, c])
  check(hash(version, first, yield* product([q, d], [r, c])) === c)
}

/** base^exponent, the exponent secret. A slice ends here. */
export function* power(base: bigint, exponent: Bytes, { group }: SmpMeans): Slices<bigint> {
  const result = base === GENERATOR ? group.powerOfG(exponent) : group.product({ base, exponent })
  yield
  return result
}

/** g^e1 base^e2, both exponents secret. */
function* powerWithG(e1: Bytes, base: bigint, e2: Bytes, { group }: SmpMeans): Slices<bigint> {
  const result = (group.powerOfG(e1) * group.product({ base, exponent: e2 })) % MODULUS
  yield
  return result
}

/** The product of powers of what the peer sent, all of it public. */
function* product(...powers: readonly (readonly [base: bigint, exponent: bigint])[]): Slices<bigint> {
  const terms = powers.map(([base, exponent]) => ({ base, exponent: integerToBytes(exponent) }))
  const result = modProduct(terms, MODULUS)
  yield
  return result
}

export function quotient(a: bigint, b: bigint): bigint {
  return (a * modInverse(b, MODULUS)) % MODULUS
}

/** r − a c modulo the order of the group. */
function response(r: Bytes, a: Bytes, c: bigint): bigint {
  const difference = (bytesToInteger(r) - bytesToInteger(a) * c) % ORDER
  return difference < 0n ? difference + ORDER : difference
}

/** 1536 bits, as long as the elements of the group. */
export function exponent({ random }: SmpMeans): Bytes {
  return Uint8Array.from(random(ELEMENT_BYTES))
}

/** SHA-256(version ‖ MPI a ‖ MPI b): each hash of the protocol has a number of its own. */
function hash(version: number, ...values: readonly bigint[]): bigint {
  return bytesToInteger(sha256(concatBytes(Uint8Array.of(version), ...values.map(mpi))))
}

export function check(holds: boolean): void {
  if (!holds) throw new OtrError('message-malformed', 'SMP: a proof does not hold')
}
