import { describe, expect, it } from 'vitest'
import { query } from '../src/protocol/handshake.ts'
import type { Version } from '../src/protocol/header.ts'
import { receive } from '../src/protocol/incoming.ts'
import { abortComparison, answerComparison, send, startComparison } from '../src/protocol/outgoing.ts'
import { MAX_SMP_RECORDS } from '../src/protocol/session.ts'
import { runSlices } from '../src/protocol/slices.ts'
import { MAX_QUESTION_BYTES } from '../src/protocol/smp-messages.ts'
import { TLV } from '../src/protocol/tlv.ts'
import { converse, encrypted, hangUp, type Side, sessionOf, side } from './sides.ts'

const begin = (one: Side, secret: string, question?: string) =>
  one.apply(
    startComparison(one.conversation, secret, one.means(), question === undefined ? {} : { question }),
  )
const answer = (one: Side, secret: string) =>
  one.apply(answerComparison(one.conversation, secret, one.means()))
const abort = (one: Side) => one.apply(abortComparison(one.conversation, one.means()))
const results = (...sides: Side[]) =>
  sides.map(({ events }) => events.flatMap((event) => (event.type === 'smp-ended' ? [event.result] : [])))
const smpOf = (one: Side) => {
  const session = sessionOf(one)
  return session?.state === 'encrypted' ? session.smp.state : undefined
}

describe.each([2, 3] as const)('Comparing secrets, version %i', (version: Version) => {
  it.each([
    ['tiger', 'tiger', 'match'],
    ['tiger', 'lion', 'mismatch'],
    ['', '', 'match'],
    ['жук', 'жук', 'match'],
  ])('%s and %s: %s', (ours, theirs, result) => {
    const [a, b] = encrypted(version, 100)
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.events = []
      to.events = []
      begin(from, ours)
      converse(a, b)
      expect(to.events).toStrictEqual([
        { type: 'smp-asked', instance: expect.any(Number), fingerprint: from.fingerprint },
      ])
      expect(smpOf(to)).toBe('asked')
      answer(to, theirs)
      converse(a, b)
      expect(results(from, to)).toStrictEqual([[result], [result]])
      expect(from.events.at(-1)).toMatchObject({ weInitiated: true, oneWay: false })
      expect([smpOf(a), smpOf(b)]).toStrictEqual(['expect-1', 'expect-1'])
    }
  })

  it('shows a question, whose answer proves one way', () => {
    const [a, b] = encrypted(version, 101)
    begin(a, 'Paris', 'Where did we meet?')
    converse(a, b)
    expect(b.events).toMatchObject([{ type: 'smp-asked', question: 'Where did we meet?' }])
    answer(b, 'Paris')
    converse(a, b)
    expect(a.events.at(-1)).toMatchObject({ result: 'match', weInitiated: true, oneWay: true })
    expect(b.events.at(-1)).toMatchObject({ result: 'match', weInitiated: false, oneWay: true })
  })

  it('ends when either side aborts, and can begin again', () => {
    const [a, b] = encrypted(version, 102)
    begin(a, 'x')
    converse(a, b)
    abort(b)
    converse(a, b)
    expect(results(a, b)).toStrictEqual([['aborted'], ['aborted']])
    begin(b, 'x')
    converse(a, b)
    abort(b)
    converse(a, b)
    begin(b, 'x')
    converse(a, b)
    answer(a, 'x')
    converse(a, b)
    expect(results(a, b)).toStrictEqual([
      ['aborted', 'aborted', 'match'],
      ['aborted', 'aborted', 'match'],
    ])
    expect(abort(a).send).toStrictEqual([])
  })

  it('ends on both sides when both begin', () => {
    const [a, b] = encrypted(version, 103)
    begin(a, 'x')
    begin(b, 'x')
    converse(a, b)
    expect(results(a, b)).toStrictEqual([['aborted'], ['aborted']])
  })

  it('is refused without a session, while one runs, and when nobody asked', () => {
    const [a, b] = encrypted(version, 104)
    expect(answer(b, 'x').events).toStrictEqual([{ type: 'refused', reason: 'not-now' }])
    begin(a, 'x')
    const before = a.conversation
    expect(begin(a, 'y').events).toStrictEqual([{ type: 'refused', reason: 'not-now' }])
    expect(a.conversation).toBe(before)
    converse(a, b)
    expect(begin(b, 'y').events).toStrictEqual([{ type: 'refused', reason: 'not-now' }])
    const c = side(3, [version])
    for (const step of [begin(c, 'x'), answer(c, 'x'), abort(c)])
      expect(step.events).toStrictEqual([{ type: 'refused', reason: 'not-encrypted' }])
  })

  it('is over when the session is, however that ends', () => {
    const [a, b] = encrypted(version, 105)
    begin(a, 'x')
    converse(a, b)
    hangUp(a)
    converse(a, b)
    expect(results(a, b)).toStrictEqual([['aborted'], ['aborted']])
    const [c, d] = encrypted(version, 106)
    begin(c, 'x')
    converse(c, d)
    c.apply(query(c.conversation, c.means()))
    converse(c, d)
    expect([smpOf(c), smpOf(d)]).toStrictEqual(['expect-1', 'expect-1'])
    expect(results(c, d)).toStrictEqual([['aborted'], ['aborted']])
  })

  it('goes on under rotations and between other messages', () => {
    const [a, b] = encrypted(version, 107)
    begin(a, 'x', 'q')
    for (let i = 0; i < 4; i++) {
      a.send('meanwhile')
      converse(a, b)
      b.send('meanwhile')
      converse(a, b)
    }
    answer(b, 'x')
    b.send('meanwhile')
    converse(a, b)
    expect(results(a, b)).toStrictEqual([['match'], ['match']])
    expect(b.read().length).toBe(4)
  })

  it('means nothing with another session: the id is part of the secret', () => {
    const [a, b] = encrypted(version, 108)
    const session = sessionOf(b)
    if (session?.state !== 'encrypted') throw new Error('no session')
    const other = { ...session, ssid: new Uint8Array(8) }
    b.conversation = { ...b.conversation, instances: [{ ...b.conversation.instances[0]!, session: other }] }
    begin(a, 'x')
    converse(a, b)
    answer(b, 'x')
    converse(a, b)
    expect(results(a, b)).toStrictEqual([['mismatch'], ['mismatch']])
  })

  it('does a bounded amount for one message', () => {
    const [a, b] = encrypted(version, 109)
    begin(a, 'x')
    const empty = new Uint8Array(0)
    const tlvs = Array.from({ length: 50 }, (_, i) => ({
      type: i % 2 ? TLV.SMP_ABORT : TLV.SMP_2,
      value: empty,
    }))
    a.out = []
    a.apply(send(a.conversation, '', a.means(), tlvs))
    b.receive(a.out.shift()!)
    expect(b.out.length).toBeLessThanOrEqual(MAX_SMP_RECORDS)
    // The abort that otr3 sends has four bytes.
    a.apply(send(a.conversation, '', a.means(), [{ type: TLV.SMP_ABORT, value: new Uint8Array(4) }]))
    converse(a, b)
    expect(b.events).toStrictEqual([])
  })

  it('stops between exponentiations', () => {
    const [a, b] = encrypted(version, 110)
    begin(a, 'x')
    const work = receive(b.conversation, a.out[0]!, b.means())
    let slices = 0
    for (let next = work.next(); !next.done; next = work.next()) slices++
    expect(slices).toBeGreaterThanOrEqual(3)
    expect(runSlices(receive(b.conversation, a.out[0]!, b.means())).events).toMatchObject([
      { type: 'smp-asked' },
    ])
    expect(() => begin(b, 'x', 'q'.repeat(MAX_QUESTION_BYTES + 1))).toThrow(RangeError)
  })
})
