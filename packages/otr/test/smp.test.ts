import { describe, expect, it } from 'vitest'
import { createGroup, GENERATOR, MODULUS, ORDER } from '../src/arithmetic/group.ts'
import { modPow } from '../src/arithmetic/modular.ts'
import { runSlices, type Slices } from '../src/protocol/slices.ts'
import {
  abortSmp,
  answerSmp,
  NO_SMP,
  receiveSmp,
  type Smp,
  type SmpStep,
  smpSecret,
  startSmp,
} from '../src/protocol/smp.ts'
import { decodeSmpMessage, encodeSmpMessage, MAX_QUESTION_BYTES } from '../src/protocol/smp-messages.ts'
import { TLV, type Tlv } from '../src/protocol/tlv.ts'
import { bytesToInteger } from '../src/wire/integer.ts'
import { reader } from '../src/wire/reader.ts'
import { seeded } from './support.ts'

const random = seeded(1)
const means = { random, group: createGroup(random) }
const ssid = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const secretOf = (text: string) =>
  smpSecret(new Uint8Array(20).fill(1), new Uint8Array(20).fill(2), ssid, new TextEncoder().encode(text))
const YES = secretOf('tiger')
const NO = secretOf('lion')

const start = (secret = YES, question?: string) => runSlices(startSmp(secret, question, means))
const receive = (smp: Smp, tlv: Tlv | undefined): SmpStep => {
  const step = runSlices(receiveSmp(smp, tlv!, means))
  return step!
}
const answer = (smp: Smp, secret = YES) => {
  if (smp.state !== 'asked') throw new Error(`not asked but ${smp.state}`)
  return runSlices(answerSmp(smp, secret, means))
}

/** Every state of both sides and every message, with equal secrets. */
function run(question?: string) {
  const one = start(YES, question)
  const asked = receive(NO_SMP, one.reply)
  const two = answer(asked.smp)
  const three = receive(one.smp, two.reply)
  const four = receive(two.smp, three.reply)
  const end = receive(three.smp, four.reply)
  return { one, asked, two, three, four, end }
}
const whole = run()

describe('Socialist Millionaires’ Protocol', () => {
  it('says match to both, without a question both ways', () => {
    expect(whole.asked.asked).toStrictEqual({})
    expect(whole.four.result).toStrictEqual({
      result: 'match',
      weInitiated: false,
      oneWay: false,
      secretsMayDiffer: false,
    })
    expect(whole.end.result).toStrictEqual({
      result: 'match',
      weInitiated: true,
      oneWay: false,
      secretsMayDiffer: false,
    })
    expect(whole.end.smp).toStrictEqual(NO_SMP)
  })

  it('carries a question, and proves one way then', () => {
    const { asked, four, end } = run('Who was \0 there?')
    expect(asked.asked).toStrictEqual({ question: 'Who was \ufffd there?' })
    expect(four.result).toMatchObject({ result: 'match', weInitiated: false, oneWay: true })
    expect(end.result).toMatchObject({ result: 'match', weInitiated: true, oneWay: true })
  })

  it('says mismatch to both, and the responder still sends message 4', () => {
    const one = start(NO)
    const two = answer(receive(NO_SMP, one.reply).smp)
    const three = receive(one.smp, two.reply)
    const four = receive(two.smp, three.reply)
    expect(four.result?.result).toBe('mismatch')
    expect(four.reply?.type).toBe(TLV.SMP_4)
    expect(receive(three.smp, four.reply).result?.result).toBe('mismatch')
  })

  it('takes an abort in place of message 4 for one that may be a mismatch', () => {
    const abort = { type: TLV.SMP_ABORT, value: new Uint8Array(4) }
    expect(receive(whole.three.smp, abort).result).toMatchObject({
      result: 'aborted',
      secretsMayDiffer: true,
    })
    expect(receive(whole.one.smp, abort).result).toMatchObject({ result: 'aborted', secretsMayDiffer: false })
  })

  it('has the states and messages of the table', () => {
    const states = [NO_SMP, whole.asked.smp, whole.one.smp, whole.two.smp, whole.three.smp]
    const messages = [whole.one.reply, whole.two.reply, whole.three.reply, whole.four.reply].map(
      (tlv) => tlv!,
    )
    const outcomes = states.map((smp) =>
      [...messages, { type: TLV.SMP_ABORT, value: new Uint8Array(0) }].map((tlv) => {
        const step = receive(smp, tlv)
        const sent = step.reply === undefined ? '-' : step.reply.type
        return `${step.smp.state} ${sent} ${step.result?.result ?? '-'}`
      }),
    )
    const abort = 'expect-1 6 aborted'
    expect(outcomes).toStrictEqual([
      ['asked - -', 'expect-1 6 -', 'expect-1 6 -', 'expect-1 6 -', 'expect-1 - -'],
      [abort, abort, abort, abort, 'expect-1 - aborted'],
      [abort, 'expect-4 4 -', abort, abort, 'expect-1 - aborted'],
      [abort, abort, 'expect-1 5 match', abort, 'expect-1 - aborted'],
      [abort, abort, abort, 'expect-1 - match', 'expect-1 - aborted'],
    ])
    expect(abortSmp(NO_SMP)).toStrictEqual({ smp: NO_SMP })
    expect(abortSmp(whole.one.smp).reply?.type).toBe(TLV.SMP_ABORT)
    expect(runSlices(receiveSmp(NO_SMP, { type: 77, value: new Uint8Array(0) }, means))).toBeUndefined()
  })

  const bad = [0n, 1n, MODULUS - 1n, MODULUS, MODULUS + 1n, MODULUS - 4n]
  const steps = [
    { number: 1, smp: NO_SMP, tlv: whole.one.reply, elements: [0, 3], exponents: [2, 5] },
    { number: 2, smp: whole.one.smp, tlv: whole.two.reply, elements: [0, 3, 6, 7], exponents: [2, 5, 9, 10] },
    { number: 3, smp: whole.two.smp, tlv: whole.three.reply, elements: [0, 1, 5], exponents: [3, 4, 7] },
    { number: 4, smp: whole.three.smp, tlv: whole.four.reply, elements: [0], exponents: [2] },
  ] as const
  it.each(steps)(
    'refuses values out of range in message $number',
    ({ number, smp, tlv, elements, exponents }) => {
      const { values } = decodeSmpMessage(number, tlv!)
      const changed = (at: number, value: bigint) =>
        receive(
          smp,
          encodeSmpMessage({ number, values: values.map((old, index) => (index === at ? value : old)) }),
        )
      for (const at of elements)
        for (const value of bad) expect(changed(at, value).result?.result, `${at} ${value}`).toBe('cheated')
      for (const at of exponents)
        for (const value of [0n, ORDER, ORDER + 1n])
          expect(changed(at, value).result?.result, `${at}`).toBe('cheated')
      for (const at of values.keys()) expect(changed(at, 4n).result?.result, `${at}`).toBe('cheated')
      const malformed = [tlv!.value.slice(0, -1), Uint8Array.of(...tlv!.value, 0), new Uint8Array(0)]
      for (const value of malformed) {
        const step = receive(smp, { type: tlv!.type, value })
        expect(step).toMatchObject({
          smp: NO_SMP,
          reply: { type: TLV.SMP_ABORT },
          result: { result: 'cheated' },
        })
      }
    },
  )

  // The attack on v2 of otr3 and x/crypto: with P = Pb, Q = Qb or all ones, everything verifies.
  it('is not won by echoing P and Q', () => {
    const two = decodeSmpMessage(2, whole.two.reply!).values
    const three = decodeSmpMessage(3, whole.three.reply!).values
    const echoed = [two[6]!, two[7]!, ...three.slice(2)]
    const step = receive(whole.two.smp, encodeSmpMessage({ number: 3, values: echoed }))
    expect(step.result?.result).toBe('cheated')
    const ones = receive(NO_SMP, encodeSmpMessage({ number: 1, values: [1n, 5n, 5n, 1n, 5n, 5n] }))
    expect(ones.result?.result).toBe('cheated')
  })

  // row 6: with nonces of 128 bits, y = round((q − D6) / cP).
  it('hides the secret behind nonces of 1536 bits', () => {
    for (let i = 0; i < 4; i++) {
      const two = decodeSmpMessage(2, answer(whole.asked.smp).reply!).values
      const [c, d6] = [two[8]!, two[10]!]
      expect((ORDER - d6) / c).not.toBe(bytesToInteger(YES))
      expect((ORDER - d6) / c + 1n).not.toBe(bytesToInteger(YES))
      expect(two[9]!.toString(2).length).toBeGreaterThan(1500)
    }
    const state = whole.one.smp
    if (state.state !== 'expect-2') throw new Error(state.state)
    expect([state.second.length, state.third.length]).toStrictEqual([192, 192])
  })

  // −g^x is no square; a proof for it would hold whenever c is even, and one bit of the secret show in the answer.
  it('refuses an initiator outside the subgroup', () => {
    const a = 12345n
    const element = MODULUS - modPow(GENERATOR, a, MODULUS)
    expect(() => encodeSmpMessage({ number: 1, values: [element, 2n, 1n, element, 2n, 1n] })).not.toThrow()
    const one = encodeSmpMessage({ number: 1, values: [element, 2n, 1n, element, 2n, 1n] })
    expect(receive(NO_SMP, one).result?.result).toBe('cheated')
    expect(() => decodeSmpMessage(1, one)).toThrow(expect.objectContaining({ code: 'group-element-invalid' }))
  })

  it('takes questions up to the limit', () => {
    const values = decodeSmpMessage(1, whole.one.reply!).values
    const question = 'x'.repeat(MAX_QUESTION_BYTES)
    const tlv = encodeSmpMessage({ number: 1, values, question })
    expect(decodeSmpMessage(1, tlv).question).toBe(question)
    expect(() => encodeSmpMessage({ number: 1, values, question: `${question}x` })).toThrow(RangeError)
    const endless = { type: TLV.SMP_1_QUESTION, value: new Uint8Array(50).fill(65) }
    expect(() => decodeSmpMessage(1, endless)).toThrow(expect.objectContaining({ code: 'message-malformed' }))
  })

  it('writes the count and minimal numbers', () => {
    const input = reader(whole.four.reply!.value, 'test')
    expect(input.int()).toBe(3)
    expect([input.mpi() > 1n, input.mpi() > 1n, input.mpi() > 1n]).toStrictEqual([true, true, true])
    input.end()
  })

  it('can be interrupted between exponentiations', () => {
    const count = (work: Slices<unknown>): number => {
      let slices = 0
      while (!work.next().done) slices++
      return slices
    }
    expect(count(startSmp(YES, undefined, means))).toBe(4)
    expect(count(receiveSmp(whole.one.smp, whole.two.reply!, means))).toBeGreaterThan(10)
  })
})
