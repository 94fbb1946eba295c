/**
 * A new DSA key, 1024 and 160 bits as every implementation of OTR has them (FIPS 186-2 sizes).
 *
 *     q  a random prime of 160 bits        p = c + 2·q·i, a prime of 1024 bits, c random with c ≡ 1 mod 2q
 *     g = h^((p−1)/q), not 1               x random below q, y = g^x
 *
 * Finding p takes some forty exponentiations, after a sieve has thrown out nine candidates of ten.
 */

import { modPow, randomInteger } from '../arithmetic/modular.ts'
import type { Random } from '../wire/bytes.ts'
import { bitLength, bytesToInteger } from '../wire/integer.ts'
import { type DsaPrivateKey, powerOfG, Q_BYTES } from './dsa.ts'

const P_BYTES = 128
/** Rounds of Miller-Rabin with random bases that leave a random composite undetected once in 2⁸⁰ (HAC, table 4.4). */
const Q_ROUNDS = 19
const P_ROUNDS = 4
/** Of candidates for p, all of them odd, this part is prime: 2 / ln 2¹⁰²⁴. */
const DENSITY = 1 / 355
/** Candidates from one c; then it is drawn anew, so that p stays random. */
const SIEVE_LENGTH = 1024
/** Of 4202 primes, which take 3 ms: half as many save an exponentiation or two less, of 2 ms each. */
const SIEVE_LIMIT = 40_000

/** What is used of `AbortSignal`, which has no type where there is no DOM. */
export interface AbortFlag {
  readonly aborted: boolean
  readonly reason?: unknown
}

/** What making a key needs, and how it can be watched and stopped. */
export interface GenerateOptions {
  readonly random: Random
  /** Called after every exponentiation, a few milliseconds apart: where a program with a screen gives way. */
  readonly pause: () => Promise<void>
  /** Looked at after every pause. */
  readonly signal?: AbortFlag | undefined
  /** From 0 to 1: how likely it was to have finished by now. It comes near 1 and does not wait there. */
  readonly onProgress?: ((progress: number) => void) | undefined
}

/** One exponentiation was done; `candidates` numbers have been ruled out so far in the search for p. */
type Step = Generator<number, bigint, void>

/**
 * A key of 1024 bits with parameters of its own, as the specification wants: 30 to 300 ms of work, by luck.
 *
 * @throws the signal's reason when it is aborted
 */
export async function generateDsaKey({
  random,
  pause,
  signal,
  onProgress,
}: GenerateOptions): Promise<DsaPrivateKey> {
  async function run(steps: Step): Promise<bigint> {
    for (;;) {
      if (signal?.aborted) throw signal.reason ?? new Error('aborted')
      const step = steps.next()
      if (step.done) return step.value
      onProgress?.(1 - (1 - DENSITY) ** step.value)
      await pause()
    }
  }
  const primes = smallPrimes()
  const q = await run(findQ(primes, random))
  const p = await run(findP(q, primes, random))
  const g = findG(p, q)
  const x = randomInteger(q, random)
  return { p, q, g, y: powerOfG({ p, q, g }, x), x }
}

function smallPrimes(): readonly number[] {
  const composite = new Uint8Array(SIEVE_LIMIT)
  const primes: number[] = []
  for (let n = 3; n < SIEVE_LIMIT; n += 2) {
    if (composite[n] === 1) continue
    primes.push(n)
    for (let multiple = n * n; multiple < SIEVE_LIMIT; multiple += n) composite[multiple] = 1
  }
  return primes
}

/** A random odd number whose highest bit is set. */
function randomOdd(length: number, random: Random): bigint {
  return bytesToInteger(random(length)) | (1n << BigInt(8 * length - 1)) | 1n
}

function* findQ(primes: readonly number[], random: Random): Step {
  for (;;) {
    const q = randomOdd(Q_BYTES, random)
    if (primes.every((prime) => q % BigInt(prime) !== 0n) && (yield* isPrime(q, Q_ROUNDS, random, 0)))
      return q
  }
}

function* findP(q: bigint, primes: readonly number[], random: Random): Step {
  const step = 2n * q
  for (let passed = 0; ; passed += SIEVE_LENGTH) {
    const drawn = randomOdd(P_BYTES, random)
    const start = drawn - (drawn % step) + 1n
    const composite = sieve(start, step, primes)
    for (let i = 0; i < SIEVE_LENGTH; i++) {
      const p = start + step * BigInt(i)
      if (composite[i] === 1 || bitLength(p) !== 8 * P_BYTES) continue
      if (yield* isPrime(p, P_ROUNDS, random, passed + i)) return p
    }
  }
}

/** 1 at i where start + step · i has one of the primes as a divisor, for a start ≡ 1 mod step. */
export function sieve(start: bigint, step: bigint, primes: readonly number[]): Uint8Array {
  const composite = new Uint8Array(SIEVE_LENGTH)
  for (const prime of primes) {
    const [from, by] = [Number(start % BigInt(prime)), Number(step % BigInt(prime))]
    // It divides the step, hence every candidate less 1 and no candidate.
    if (by === 0) continue
    const first = ((prime - from) * smallInverse(by, prime)) % prime
    for (let i = first; i < SIEVE_LENGTH; i += prime) composite[i] = 1
  }
  return composite
}

/** Of a number from 1 to prime − 1, modulo that prime. */
function smallInverse(value: number, prime: number): number {
  let [a, b] = [prime, value]
  let [u, v] = [0, 1]
  while (b !== 0) {
    const quotient = Math.floor(a / b)
    ;[a, b] = [b, a - quotient * b]
    ;[u, v] = [v, u - quotient * v]
  }
  return u < 0 ? u + prime : u
}

/**
 * Miller-Rabin (FIPS 186-4 §C.3.1), for an odd number above 3. Before the rounds that count comes base 2, whose powers
 * are short numbers to multiply by: nearly no composite gets further.
 */
export function* isPrime(
  n: bigint,
  rounds: number,
  random: Random,
  passed: number,
): Generator<number, boolean, void> {
  const even = n - 1n
  let odd = even
  let twos = 0
  while ((odd & 1n) === 0n) {
    odd >>= 1n
    twos++
  }
  for (let round = 0; round <= rounds; round++) {
    // From 2 to n − 2.
    const base = round === 0 ? 2n : randomInteger(n - 2n, random) + 1n
    let power = modPow(base, odd, n)
    yield passed
    let prime = power === 1n || power === even
    for (let i = 1; i < twos && !prime; i++) {
      power = (power * power) % n
      prime = power === even
    }
    if (!prime) return false
  }
  return true
}

function findG(p: bigint, q: bigint): bigint {
  for (let h = 2n; ; h++) {
    const g = modPow(h, (p - 1n) / q, p)
    if (g !== 1n) return g
  }
}
