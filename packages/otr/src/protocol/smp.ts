/**
 * The Socialist Millionaires' Protocol: two people learn whether they hold the same secret, and nothing else
 * (Socialist Millionaires' Protocol (SMP)). x is the initiator's secret, y the responder's; both contain the
 * fingerprints and the session id, so that equal secrets also mean that nobody sits in between.
 *
 *     state      start          1          2              3              4        abort     secret given
 *     expect-1   1 → expect-2   → asked    abort          abort          abort    –         –
 *     asked      –              abort      abort          abort          abort    aborted   2 → expect-3
 *     expect-2   –              abort      3 → expect-4   abort          abort    aborted   –
 *     expect-3   –              abort      abort          4, result      abort    aborted   –
 *     expect-4   –              abort      abort          abort          result   aborted   –
 *
 * `abort` tells the peer and goes to expect-1, and so does a message that does not verify, which is cheating. Both
 * versions use the rules of version 3: the text of version 2 asks for exponents of 128 bits, which give the secret
 * away, and for no group checks, which lets a peer win without knowing it.
 */

import { concatBytes } from '@noble/ciphers/utils.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { OtrError } from '../error.ts'
import type { Bytes } from '../wire/bytes.ts'
import type { Slices } from './slices.ts'
import { decodeSmpMessage, encodeSmpMessage, type SmpMessage, smpMessageNumber } from './smp-messages.ts'
import {
  check,
  commitTo,
  exponent,
  type Five,
  power,
  proveFirst,
  proveShared,
  quotient,
  type Six,
  type SmpMeans,
  type Three,
  verifyCommitment,
  verifyFirst,
  verifyShared,
} from './smp-proofs.ts'
import { TLV, type Tlv } from './tlv.ts'

export type Smp =
  | { readonly state: 'expect-1' }
  | ({ readonly state: 'asked' } & Asked & Elements)
  | ({ readonly state: 'expect-2' } & Asked & Initiator)
  | ({ readonly state: 'expect-3' } & Asked & Responder)
  | ({ readonly state: 'expect-4' } & Asked & Comparison)

interface Asked {
  /** What came or went with message 1. */
  readonly question?: string
}

/** g2a and g3a. */
interface Elements {
  readonly g2: bigint
  readonly g3: bigint
}

/** x, a2 and a3. */
interface Initiator {
  readonly secret: Bytes
  readonly second: Bytes
  readonly third: Bytes
}

/** g3a; g2 and g3, to the power of both sides' exponents; b3, Pb and Qb. */
interface Responder {
  readonly theirs: bigint
  readonly g2: bigint
  readonly g3: bigint
  readonly third: Bytes
  readonly p: bigint
  readonly q: bigint
}

/** g3b, a3, Pa / Pb and Qa / Qb. */
interface Comparison {
  readonly theirs: bigint
  readonly third: Bytes
  readonly p: bigint
  readonly q: bigint
}

/** How a run ended. */
export interface SmpResult {
  /** `aborted` by either side, or by the end of the session; `cheated`: the peer's proof was wrong. */
  readonly result: 'match' | 'mismatch' | 'aborted' | 'cheated'
  readonly weInitiated: boolean
  /**
   * There was a question. A match then proves who the peer is only to the one who asked: who answers has shown a
   * secret to somebody who chose what is asked for.
   */
  readonly oneWay: boolean
  /** Aborted by the peer when the result was due: otr3 and potr do that instead of saying that the secrets differ. */
  readonly secretsMayDiffer: boolean
}

/** Where a step leads, the record to send, and what the user is told. */
export interface SmpStep {
  readonly smp: Smp
  readonly reply?: Tlv
  /** A secret is needed for `answerSmp`. */
  readonly asked?: { readonly question?: string }
  readonly result?: SmpResult
}

export const NO_SMP: Smp = { state: 'expect-1' }
/** Which message a state waits for; none may come while the user of this side is being asked. */
const EXPECTED = { 'expect-1': 1, asked: undefined, 'expect-2': 2, 'expect-3': 3, 'expect-4': 4 } as const
const ABORT: Tlv = { type: TLV.SMP_ABORT, value: new Uint8Array(0) }

/**
 * The number that is compared, as bytes: SHA-256(01 ‖ initiator's fingerprint ‖ responder's ‖ session id ‖ secret), with 20
 * bytes of each fingerprint and 8 of the id.
 */
export function smpSecret(
  initiator: Uint8Array,
  responder: Uint8Array,
  ssid: Uint8Array,
  secret: Uint8Array,
): Bytes {
  return sha256(concatBytes(Uint8Array.of(1), initiator, responder, ssid, secret))
}

/**
 * Message 1. With a question the other side's user sees it; without, both must have agreed on a secret.
 *
 * @throws RangeError for a question longer than `MAX_QUESTION_BYTES`
 */
export function* startSmp(secret: Bytes, question: string | undefined, means: SmpMeans): Slices<SmpStep> {
  const second = exponent(means)
  const third = exponent(means)
  const values = [...(yield* proveFirst(1, second, means)), ...(yield* proveFirst(2, third, means))]
  const asked = question === undefined ? {} : { question }
  return {
    smp: { state: 'expect-2', secret, second, third, ...asked },
    reply: encodeSmpMessage({ number: 1, values, ...asked }),
  }
}

/** Message 2, when the user of the side that was asked has given the secret. */
export function* answerSmp(
  smp: Extract<Smp, { state: 'asked' }>,
  secret: Bytes,
  means: SmpMeans,
): Slices<SmpStep> {
  const second = exponent(means)
  const third = exponent(means)
  const first = [...(yield* proveFirst(3, second, means)), ...(yield* proveFirst(4, third, means))]
  const g2 = yield* power(smp.g2, second, means)
  const g3 = yield* power(smp.g3, third, means)
  const { p, q, proof } = yield* commitTo(5, secret, g2, g3, means)
  const values = [...first, p, q, ...proof]
  const asked = smp.question === undefined ? {} : { question: smp.question }
  return {
    smp: { state: 'expect-3', theirs: smp.g3, g2, g3, third, p, q, ...asked },
    reply: encodeSmpMessage({ number: 2, values }),
  }
}

/** Ends a run from this side; nothing happens when there is none. */
export function abortSmp(smp: Smp): SmpStep {
  return smp.state === 'expect-1' ? { smp } : { ...ended(smp, 'aborted'), reply: ABORT }
}

/** What a record of the peer's leads to; never throws on it. `undefined` when it is none of SMP's. */
export function* receiveSmp(smp: Smp, tlv: Tlv, means: SmpMeans): Slices<SmpStep | undefined> {
  const number = smpMessageNumber(tlv.type)
  if (number === undefined) return undefined
  if (number === 'abort') return smp.state === 'expect-1' ? { smp } : ended(smp, 'aborted')
  if (EXPECTED[smp.state] !== number) return { ...abortSmp(smp), reply: ABORT }
  try {
    const message = decodeSmpMessage(number, tlv)
    yield
    switch (smp.state) {
      case 'asked':
        return { ...abortSmp(smp), reply: ABORT }
      case 'expect-1':
        return yield* receiveFirst(message)
      case 'expect-2':
        return yield* receiveSecond(smp, message, means)
      case 'expect-3':
        return yield* receiveThird(smp, message, means)
      case 'expect-4':
        return yield* receiveFourth(smp, message, means)
    }
  } catch (error) {
    if (!(error instanceof OtrError)) throw error
    return { ...ended(smp, 'cheated'), reply: ABORT }
  }
}

function* receiveFirst({ values, question }: SmpMessage): Slices<SmpStep> {
  const [g2, c2, d2, g3, c3, d3] = values as Six
  yield* verifyFirst(1, g2, c2, d2)
  yield* verifyFirst(2, g3, c3, d3)
  const asked = question === undefined ? {} : { question }
  return { smp: { state: 'asked', g2, g3, ...asked }, asked }
}

function* receiveSecond(
  smp: Extract<Smp, { state: 'expect-2' }>,
  { values }: SmpMessage,
  means: SmpMeans,
): Slices<SmpStep> {
  const [g2b, c2, d2, g3b, c3, d3] = values as Six
  const [theirP, theirQ, c, d5, d6] = values.slice(6) as Five
  yield* verifyFirst(3, g2b, c2, d2)
  yield* verifyFirst(4, g3b, c3, d3)
  const g2 = yield* power(g2b, smp.second, means)
  const g3 = yield* power(g3b, smp.third, means)
  yield* verifyCommitment(5, [theirP, theirQ, c, d5, d6], g2, g3)
  const ours = yield* commitTo(6, smp.secret, g2, g3, means)
  const p = quotient(ours.p, theirP)
  const q = quotient(ours.q, theirQ)
  // With equal values the quotients are 1 and every comparison succeeds; ours are random, so this is never by chance.
  check(p !== 1n && q !== 1n)
  const [r, ...proof] = yield* proveShared(7, smp.third, q, means)
  const asked = smp.question === undefined ? {} : { question: smp.question }
  return {
    smp: { state: 'expect-4', theirs: g3b, third: smp.third, p, q, ...asked },
    reply: encodeSmpMessage({ number: 3, values: [ours.p, ours.q, ...ours.proof, r, ...proof] }),
  }
}

function* receiveThird(
  smp: Extract<Smp, { state: 'expect-3' }>,
  { values }: SmpMessage,
  means: SmpMeans,
): Slices<SmpStep> {
  const [theirP, theirQ, c, d5, d6] = values as Five
  const [r, cR, d7] = values.slice(5) as Three
  const p = quotient(theirP, smp.p)
  const q = quotient(theirQ, smp.q)
  check(p !== 1n && q !== 1n)
  yield* verifyCommitment(6, [theirP, theirQ, c, d5, d6], smp.g2, smp.g3)
  yield* verifyShared(7, [r, cR, d7], smp.theirs, q)
  const reply = encodeSmpMessage({ number: 4, values: yield* proveShared(8, smp.third, q, means) })
  const match = (yield* power(r, smp.third, means)) === p
  // Message 4 goes out in either case: the initiator has a right to know that the secrets differ.
  return { ...ended(smp, match ? 'match' : 'mismatch'), reply }
}

function* receiveFourth(
  smp: Extract<Smp, { state: 'expect-4' }>,
  { values }: SmpMessage,
  means: SmpMeans,
): Slices<SmpStep> {
  const [r, cR, d7] = values as Three
  yield* verifyShared(8, [r, cR, d7], smp.theirs, smp.q)
  return ended(smp, (yield* power(r, smp.third, means)) === smp.p ? 'match' : 'mismatch')
}

function ended(smp: Smp, result: SmpResult['result']): SmpStep {
  return {
    smp: NO_SMP,
    result: {
      result,
      weInitiated: smp.state === 'expect-2' || smp.state === 'expect-4',
      oneWay: smp.state !== 'expect-1' && smp.question !== undefined,
      secretsMayDiffer: result === 'aborted' && smp.state === 'expect-4',
    },
  }
}
