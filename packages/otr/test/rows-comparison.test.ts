/** Rows of `attacks.md`: peers that compare secrets by other rules than the protocol's. */
import { utf8ToBytes } from '@noble/ciphers/utils.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { GENERATOR, MODULUS, ORDER } from '../src/arithmetic/group.ts'
import { modPow } from '../src/arithmetic/modular.ts'
import { fingerprintBytes } from '../src/dsa/dsa.ts'
import { abortComparison, answerComparison, startComparison } from '../src/protocol/outgoing.ts'
import { runSlices } from '../src/protocol/slices.ts'
import { answerSmp, smpSecret } from '../src/protocol/smp.ts'
import { decodeSmpMessage, encodeSmpMessage, type SmpMessageNumber } from '../src/protocol/smp-messages.ts'
import { TLV, type Tlv } from '../src/protocol/tlv.ts'
import { bytesToInteger } from '../src/wire/integer.ts'
import { mpi } from '../src/wire/writer.ts'
import { commit, expectTalk, liveSession, peek, sendTlvs } from './attacker.ts'
import { converse, encrypted, group, hangUp, type Side } from './sides.ts'
import { seeded } from './support.ts'

const power = (base: bigint, exponent: bigint) => modPow(base, exponent, MODULUS)
const hash = (version: number, ...values: bigint[]) =>
  bytesToInteger(sha256(concatBytes(Uint8Array.of(version), ...values.map(mpi))))
const modulo = (value: bigint) => ((value % ORDER) + ORDER) % ORDER

const begin = (one: Side, secret: string, question?: string) =>
  one.apply(
    startComparison(one.conversation, secret, one.means(), question === undefined ? {} : { question }),
  )
const answer = (one: Side, secret: string) =>
  one.apply(answerComparison(one.conversation, secret, one.means()))
const smp = (number: SmpMessageNumber, ...values: bigint[]): Tlv => encodeSmpMessage({ number, values })
const results = ({ events }: Side) =>
  events.flatMap((event) => (event.type === 'smp-ended' ? [event.result] : []))

/** The SMP record that is on its way to `to`, and what `to` makes of it. */
function tlvFrom(from: Side, to: Side): Tlv | undefined {
  const text = from.out.shift()
  if (text === undefined) return undefined
  const [tlv] = peek(to, text).tlvs
  to.receive(text)
  to.out = []
  return tlv
}

/** What is compared: the fingerprints of who asks and who answers, the session's id and the words. */
function secretOf(initiator: Side, responder: Side, words: string) {
  const { ssid } = liveSession(initiator)
  return smpSecret(fingerprintBytes(initiator.key), fingerprintBytes(responder.key), ssid, utf8ToBytes(words))
}

describe.each([2, 3] as const)('row 5: SMP without group checks, version %i', (version) => {
  it.each([1n, MODULUS - 1n, 0n, MODULUS, MODULUS + 1n])('an initiator with g2a = g3a = %s', (element) => {
    const [victim, attacker] = encrypted(version, 400)
    const [d, s] = [12345n, 6789n]
    // With an element of order 1 or 2 the proof holds whenever its exponent is even.
    const c = (number: number) => hash(number, power(GENERATOR, d))
    sendTlvs(attacker, smp(1, element, c(1), d, element, c(2), d))
    converse(victim, attacker)
    // As far as the victim lets it: Pa = Ra = 1, and everything is 1 to some power.
    if (victim.events.some(({ type }) => type === 'smp-asked')) {
      answer(victim, 'what only the victim knows')
      tlvFrom(victim, attacker)
      const cP = hash(6, 1n, power(GENERATOR, d))
      sendTlvs(
        attacker,
        smp(3, 1n, power(GENERATOR, s), cP, modulo(d - s * cP), 1n, 1n, hash(7, power(GENERATOR, d), 1n), d),
      )
      converse(victim, attacker)
    }
    expect(victim.events).toStrictEqual([
      {
        type: 'smp-ended',
        fingerprint: attacker.fingerprint,
        instance: expect.any(Number),
        result: 'cheated',
        weInitiated: false,
        oneWay: false,
        secretsMayDiffer: false,
      },
    ])
    expectTalk(victim, attacker)
  })

  it.each(['g2b', 'g3b', 'Pb', 'Qb'] as const)('a responder with %s = 1', (which) => {
    const [victim, attacker] = encrypted(version, 401)
    begin(victim, 'what only the victim knows')
    const at = { g2b: 0, g3b: 3, Pb: 6, Qb: 7 }[which]
    victim.out.splice(0).map((text) => attacker.receive(text))
    answer(attacker, 'a guess')
    const [tlv] = peek(victim, attacker.out.splice(0)[0]!).tlvs
    const { values } = decodeSmpMessage(2, tlv!)
    sendTlvs(attacker, smp(2, ...values.map((value, i) => (i === at ? 1n : value))))
    victim.receive(attacker.out.shift()!)
    expect(results(victim)).toStrictEqual(['cheated'])
  })

  it('an initiator that sends back Pb and Qb', () => {
    const [victim, attacker] = encrypted(version, 402)
    begin(attacker, 'a guess')
    converse(victim, attacker)
    answer(victim, 'what only the victim knows')
    const two = decodeSmpMessage(2, peek(attacker, victim.out[0]!).tlvs[0]!).values
    attacker.receive(victim.out.shift()!)
    const three = decodeSmpMessage(3, peek(victim, attacker.out.splice(0)[0]!).tlvs[0]!).values
    sendTlvs(attacker, smp(3, two[6]!, two[7]!, ...three.slice(2)))
    victim.receive(attacker.out.shift()!)
    expect(results(victim)).toStrictEqual(['cheated'])
  })
})

describe.each([2, 3] as const)('row 6: the secret out of short nonces, version %i', (version) => {
  /** y = round((q − D6) / cP), which is exact where the nonce r6 has 128 bits. */
  const recovered = (d6: bigint, c: bigint) => (ORDER - d6 + c / 2n) / c

  it('neither side’s proof gives its secret away', () => {
    for (let seed = 410; seed < 414; seed++) {
      const [a, b] = encrypted(version, seed)
      const secret = bytesToInteger(secretOf(a, b, 'tiger'))
      begin(a, 'tiger')
      converse(a, b)
      answer(b, 'tiger')
      const two = decodeSmpMessage(2, peek(a, b.out[0]!).tlvs[0]!).values
      a.receive(b.out.shift()!)
      const three = decodeSmpMessage(3, peek(b, a.out[0]!).tlvs[0]!).values
      converse(a, b)
      expect([...results(a), ...results(b)]).toStrictEqual(['match', 'match'])
      for (const [c, d5, d6] of [two.slice(8), three.slice(2, 5)] as [bigint, bigint, bigint][]) {
        for (const off of [-1n, 0n, 1n]) expect(recovered(d6, c) + off).not.toBe(secret)
        // By chance shorter than 1472 bits one time in 2^64.
        for (const d of [d5, d6]) expect(d.toString(2).length).toBeGreaterThan(1472)
      }
    }
  })

  it('which the formula does when nonces have 128 bits', () => {
    const [a, b] = encrypted(version, 415)
    const secret = secretOf(a, b, 'tiger')
    begin(a, 'tiger')
    converse(a, b)
    const { smp: asked } = liveSession(b)
    if (asked.state !== 'asked') throw new Error(asked.state)
    const random = (length: number) => seeded(415)(length).fill(0, 0, length - 16)
    const { reply } = runSlices(answerSmp(asked, secret, { group, random }))
    const { values } = decodeSmpMessage(2, reply!)
    expect(recovered(values[10]!, values[8]!)).toBe(bytesToInteger(secret))
  })
})

describe.each([2, 3] as const)('row 7: elements outside the subgroup, version %i', (version) => {
  /** −g^a with a proof that holds: its exponent is even. */
  const proven = (number: number, a: bigint) => {
    for (let r = 1000n; ; r++) {
      const c = hash(number, power(GENERATOR, r))
      if (c % 2n === 0n) return [MODULUS - power(GENERATOR, a), c, modulo(r - a * c)] as const
    }
  }
  const honest = (number: number, a: bigint) => {
    const c = hash(number, power(GENERATOR, 77n))
    return [power(GENERATOR, a), c, modulo(77n - a * c)] as const
  }

  it('an initiator with −g^a for g2a or g3a, which would see the parity of y', () => {
    for (const [first, second] of [
      [proven(1, 5n), honest(2, 6n)],
      [honest(1, 5n), proven(2, 6n)],
    ] as const) {
      const [victim, attacker] = encrypted(version, 420)
      const [element, c, d] = first
      expect(hash(1, (power(GENERATOR, d) * power(element, c)) % MODULUS)).toBe(c)
      sendTlvs(attacker, smp(1, ...first, ...second))
      victim.receive(attacker.out.shift()!)
      expect(victim.events.map(({ type }) => type)).toStrictEqual(['smp-ended'])
      expect(results(victim)).toStrictEqual(['cheated'])
    }
    const [victim, attacker] = encrypted(version, 421)
    sendTlvs(attacker, smp(1, ...honest(1, 5n), ...honest(2, 6n)))
    victim.receive(attacker.out.shift()!)
    expect(victim.events).toMatchObject([{ type: 'smp-asked' }])
  })

  it('a responder with −g^b for g2b', () => {
    const [victim, attacker] = encrypted(version, 422)
    begin(victim, 'x')
    attacker.receive(victim.out.shift()!)
    answer(attacker, 'x')
    const { values } = decodeSmpMessage(2, peek(victim, attacker.out.splice(0)[0]!).tlvs[0]!)
    sendTlvs(attacker, smp(2, ...proven(3, 5n), ...values.slice(3)))
    victim.receive(attacker.out.shift()!)
    expect(results(victim)).toStrictEqual(['cheated'])
  })
})

describe.each([2, 3] as const)('row 8: SMP out of turn, version %i', (version) => {
  /** Both sides at each point of a run that `b` begins and the victim answers, or the other way round. */
  const runOf = (victimBegins: boolean) => {
    const [victim, peer] = encrypted(version, 430)
    const [first, second] = victimBegins ? [victim, peer] : [peer, victim]
    const points = [{ victim: victim.conversation, peer: peer.conversation }]
    const records: Tlv[] = []
    const point = () => points.push({ victim: victim.conversation, peer: peer.conversation })
    const carry = (from: Side, to: Side) => {
      records.push(peek(to, from.out[0]!).tlvs[0]!)
      to.receive(from.out.shift()!)
    }
    begin(first, 'x')
    point()
    carry(first, second)
    point()
    answer(second, 'x')
    point()
    carry(second, first)
    point()
    carry(first, second)
    carry(second, first)
    return { victim, peer, points, records }
  }
  // What the victim is in, by who began and after how many steps; then for records 1 to 4 and an abort: the state
  // afterwards, the type of the record that goes out, and the result.
  const abort = 'expect-1 6 aborted'
  const table = [
    ['expect-1', false, 0, ['asked - -', 'expect-1 6 -', 'expect-1 6 -', 'expect-1 6 -', 'expect-1 - -']],
    ['asked', false, 2, [abort, abort, abort, abort, 'expect-1 - aborted']],
    ['expect-2', true, 1, [abort, 'expect-4 4 -', abort, abort, 'expect-1 - aborted']],
    ['expect-3', false, 3, [abort, abort, 'expect-1 5 match', abort, 'expect-1 - aborted']],
    ['expect-4', true, 4, [abort, abort, abort, 'expect-1 - match', 'expect-1 - aborted']],
  ] as const

  it.each(table)('in %s', (state, victimBegins, steps, expected) => {
    const { victim, peer, points, records } = runOf(victimBegins)
    const { victim: conversation, peer: theirs } = points[steps]!
    const outcomes = [...records, { type: TLV.SMP_ABORT, value: new Uint8Array(0) }].map((record) => {
      victim.conversation = conversation
      peer.conversation = theirs
      for (const one of [victim, peer]) {
        one.out = []
        one.events = []
      }
      expect(liveSession(victim).smp.state).toBe(state)
      sendTlvs(peer, record)
      victim.receive(peer.out.shift()!)
      const after = liveSession(victim).smp.state
      const sent = victim.out[0] === undefined ? '-' : peek(peer, victim.out[0]).tlvs[0]!.type
      return `${after} ${sent} ${results(victim)[0] ?? '-'}`
    })
    expect(outcomes).toStrictEqual(expected)
  })

  it.each(['no question', 'a question'])(
    'results tell who asked and whether it proves one way: %s',
    (kind) => {
      const question = kind === 'a question' ? 'where?' : undefined
      for (const [ours, theirs, result] of [
        ['x', 'x', 'match'],
        ['x', 'y', 'mismatch'],
      ] as const) {
        const [a, b] = encrypted(version, 431)
        begin(a, ours, question)
        // A second run is refused while the first goes on.
        expect(begin(a, ours).events).toStrictEqual([{ type: 'refused', reason: 'not-now' }])
        converse(a, b)
        answer(b, theirs)
        converse(a, b)
        const ended = { type: 'smp-ended', result, oneWay: question !== undefined, secretsMayDiffer: false }
        expect(a.events.at(-1)).toMatchObject({ ...ended, weInitiated: true })
        expect(b.events.at(-1)).toMatchObject({ ...ended, weInitiated: false })
      }
    },
  )

  it('an abort where the result is due, as otr3 and potr say that secrets differ', () => {
    const [a, b] = encrypted(version, 432)
    begin(a, 'x')
    converse(a, b)
    answer(b, 'y')
    a.receive(b.out.shift()!)
    a.out = []
    sendTlvs(b, { type: TLV.SMP_ABORT, value: new Uint8Array(4) })
    a.receive(b.out.shift()!)
    expect(a.events.at(-1)).toMatchObject({ result: 'aborted', secretsMayDiffer: true })
  })

  it('is over with the session, however that ends', () => {
    for (const how of ['we end', 'they end', 'replaced', 'aborted'] as const) {
      const [a, b] = encrypted(version, 433)
      begin(a, 'x')
      converse(a, b)
      if (how === 'we end') hangUp(a)
      if (how === 'they end') hangUp(b)
      if (how === 'replaced') commit(b)
      if (how === 'aborted') a.apply(abortComparison(a.conversation, a.means()))
      converse(a, b)
      expect([results(a), results(b)], how).toStrictEqual([['aborted'], ['aborted']])
    }
  })
})
