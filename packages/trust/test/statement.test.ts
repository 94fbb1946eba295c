import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeWaiting,
  encodeWaiting,
  type KeyRef,
  MAX_WAITING_CONTACT,
  MAX_WAITING_CONTACTS,
  MAX_WAITING_OWN,
  type Statement,
  type Waiting,
} from '../src/index.ts'
import { keepWaiting as keep } from '../src/statement.ts'
import { anyText } from './any-text.ts'
import { A1, A2, A3, alice, B1, B2, bob, device, saying, time } from './people.ts'

const malformed = expect.objectContaining({ name: 'TrustError', code: 'record-malformed' })
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const size = (waiting: Waiting): number => encodeWaiting(waiting).length - encodeWaiting([]).length
const statement = (sender: KeyRef, about: KeyRef, seconds = 0, trust = true): Statement => ({
  sender,
  about,
  trust,
  at: time(seconds),
})
const known = () => true
const contact = (i: number): typeof bob => `c${i}@example.net` as typeof bob
const hexKey = (owner: typeof bob, i: number): KeyRef => ({
  owner,
  fingerprint: i.toString(16).padStart(64, '0'),
})

describe('XEP-0450 §5.1: which statements wait', () => {
  test('the newest of one sender about one key, in its place', () => {
    const old = statement(A2, B1, 1)
    const other = statement(A2, B2, 1)
    const newer = statement(A2, B1, 2, false)
    expect(keep([old, other, newer], alice, known).waiting).toEqual([other, newer])
    expect(keep([newer, other, old], alice, known).waiting).toEqual([newer, other])
  })

  test('of two at one time the distrust', () => {
    const [yes, no] = [statement(A2, B1, 1), statement(A2, B1, 1, false)]
    expect(keep([yes, no], alice, known).waiting).toEqual([no])
    expect(keep([no, yes], alice, known).waiting).toEqual([no])
  })

  test('those of two senders about one key', () => {
    const both = [statement(A2, B1, 1), statement(B2, B1, 1, false)]
    expect(keep(both, alice, known)).toEqual({ waiting: both, dropped: [] })
  })

  /** As many as fit, of one size, and the rest of the room. */
  function fill(
    bytes: number,
    at: (i: number) => Statement,
  ): { readonly full: Waiting; readonly rest: number } {
    const each = size([at(0)])
    const full = Array.from({ length: Math.floor(bytes / each) }, (_, i) => at(i))
    return { full, rest: bytes - size(full) }
  }

  /** How many are kept, all in their order, and which are dropped: comparing thousands of objects takes seconds. */
  function split(statements: Waiting): readonly [number, readonly Statement[]] {
    const { waiting, dropped } = keep(statements, alice, known)
    const gone = new Set(dropped)
    const left = statements.filter((one) => !gone.has(one))
    expect(waiting.every((one, i) => one === left[i])).toBe(true)
    return [waiting.length, dropped]
  }

  test.each<[string, number, (i: number) => Statement]>([
    ['MAX_WAITING_OWN', MAX_WAITING_OWN, (i) => statement(A2, hexKey(bob, i))],
    ['MAX_WAITING_CONTACT', MAX_WAITING_CONTACT, (i) => statement(B1, hexKey(bob, i))],
  ])('%s: the oldest arrival goes', (_name, bytes, at) => {
    const { full, rest } = fill(bytes, at)
    // A fingerprint of another length makes the last byte count.
    const pad = (by: number): Statement => {
      const one = at(-1)
      return { ...one, about: { ...one.about, fingerprint: 'a'.repeat(one.about.fingerprint.length + by) } }
    }
    const exact = [...full.slice(1), pad(rest)]
    expect(size(exact)).toBe(bytes)
    expect(split(exact)).toEqual([exact.length, []])
    const over = [...full.slice(1), pad(rest + 1)]
    expect(split(over)).toEqual([over.length - 1, over.slice(0, 1)])
  })

  test('MAX_WAITING_CONTACTS: strangers take room from each other, not from own endpoints', () => {
    const at = (i: number) =>
      statement(hexKey(contact(1000 + (i % 100)), 0), hexKey(contact(1000 + (i % 100)), i + 1))
    const { full } = fill(MAX_WAITING_CONTACTS, at)
    const own = statement(A2, B1)
    const more = at(full.length)
    expect(split([own, ...full])).toEqual([1 + full.length, []])
    expect(split([own, ...full, more])).toEqual([1 + full.length, full.slice(0, 1)])
    // All parts together fit into one value of a store.
    const { full: ours } = fill(MAX_WAITING_OWN, (i) => statement(A2, hexKey(bob, i)))
    const record = encodeWaiting(keep([...ours, ...full], alice, known).waiting)
    expect(record.length).toBeLessThan(1024 * 1024)
    expect(decodeWaiting(record).length).toBe(ours.length + full.length)
  })

  test.each([
    ['MAX_WAITING_OWN: a device that was made up', MAX_WAITING_OWN, A3, A2],
    ['MAX_WAITING_CONTACT: a device of a contact that was made up', MAX_WAITING_CONTACT, B2, B1],
  ])('%s pushes out its own statements, not those of another device', (_name, bytes, flooding, honest) => {
    const said = [1, 2, 3].map((i) => statement(honest, hexKey(bob, i)))
    const { full } = fill(bytes, (i) => statement(flooding, hexKey(bob, i)))
    expect(split([...said, ...full])).toEqual([full.length, full.slice(0, 3)])
    // Two that want more than there is get half each.
    const { full: more } = fill(bytes, (i) => statement(honest, hexKey(bob, i)))
    const { waiting } = keep([...more, ...full], alice, known)
    const kept = waiting.filter(({ sender }) => sender === honest).length
    expect(Math.abs(2 * kept - waiting.length)).toBeLessThanOrEqual(1)
    expect(kept).toBeGreaterThan(100)
  })

  test.each([
    ['of trust', true, 10],
    // One of what each device says takes all of both halves.
    ['of distrust', false, 2],
  ] as const)(
    'MAX_WAITING_CONTACT: what is left of ten distrusts beside 400 made-up devices that speak %s',
    (_n, trust, left) => {
      const said = Array.from({ length: 10 }, (_, i) => statement(B1, hexKey(bob, i), 1, false))
      const flood = Array.from({ length: 400 }, (_, i) =>
        statement(hexKey(bob, 9000 + i), hexKey(bob, 5000 + i), 2, trust),
      )
      const { waiting } = keep([...flood, ...said], alice, known)
      expect(waiting.filter(({ sender }) => sender === B1)).toEqual(said.slice(-left))
    },
  )

  test('MAX_WAITING_CONTACT: who is known is not pushed out by who is not', () => {
    const said = Array.from({ length: 10 }, (_, i) => statement(B1, hexKey(bob, i), 1, i % 2 === 0))
    const flood = Array.from({ length: 400 }, (_, i) =>
      statement(hexKey(bob, 9000 + i), hexKey(bob, 5000 + i), 2, i % 2 === 0),
    )
    const { waiting } = keep([...said, ...flood], alice, (sender) => sender === B1)
    expect(waiting.filter(({ sender }) => sender === B1)).toEqual(said)
    expect(waiting.length).toBeGreaterThan(300)
  })

  test('in a keyring, who is known and not distrusted', () => {
    const b3: KeyRef = { owner: bob, fingerprint: 'b3' }
    const it = device(A1)
    it.meet(B1, B2, b3)
    it.decide(b3, 'distrusted', 0)
    const many = Array.from({ length: 400 }, (_, i) => hexKey(bob, i))
    it.receive(B1, saying({ distrust: [hexKey(bob, 1)] }), 1)
    for (const sender of [b3, { owner: bob, fingerprint: 'b4' }])
      it.receive(sender, saying({ distrust: many }), 2)
    it.receive(B2, saying({ distrust: many }), 3)
    const senders = new Set(it.keyring().waiting.map(({ sender }) => sender.fingerprint))
    expect([...senders]).toEqual([B1.fingerprint, B2.fingerprint])
  })

  test('MAX_WAITING_CONTACTS: contacts who say most lose most, with however many devices', () => {
    const said = [1, 2, 3].map((i) => statement(B1, hexKey(bob, i)))
    const flood = Array.from({ length: 8 }, (_, c) => {
      const owner = contact(1000 + c)
      return fill(MAX_WAITING_CONTACT, (i) => statement(hexKey(owner, i), hexKey(owner, i + 1))).full
    }).flat()
    const { waiting, dropped } = keep([...said, ...flood], alice, known)
    expect(waiting.slice(0, 3)).toEqual(said)
    expect(waiting.length + dropped.length).toBe(said.length + flood.length)
    expect(size(waiting)).toBeLessThanOrEqual(MAX_WAITING_CONTACTS)
  })

  test('what need not wait takes no room, however much comes at once', () => {
    const it = device(A1)
    const many = Array.from({ length: 500 }, (_, i) => hexKey(bob, i))
    it.meet(B1, ...many)
    it.decide(B1, 'verified', 0)
    const step = it.receive(B1, saying({ trust: many }), 1)
    expect(step.dropped).toEqual([])
    expect(step.changed.length).toBe(500)
  })

  test('what was dropped is reported', () => {
    const it = device(A1)
    const many = Array.from({ length: 400 }, (_, i) => hexKey(bob, i))
    const step = it.receive(B1, saying({ trust: many }), 1)
    expect(step.keyring.waiting.length + step.dropped.length).toBe(400)
    expect(step.dropped[0]?.about).toEqual(many[0])
    expect(size(step.keyring.waiting)).toBeLessThanOrEqual(MAX_WAITING_CONTACT)
  })
})

describe('at rest', () => {
  test('version 1', () => {
    expect(text(encodeWaiting([]))).toBe('1\n')
    const waiting = [
      statement(A2, { owner: 'ji\u0159i@x.example' as typeof bob, fingerprint: 'ab' }, 1, false),
    ]
    expect(text(encodeWaiting(waiting))).toBe(
      `1\n["alice@example.org","${A2.fingerprint}","ji\\u0159i@x.example","ab",0,1577836801000]\n`,
    )
    expect(decodeWaiting(encodeWaiting(waiting))).toEqual(waiting)
  })

  const row = '["a","bb","c","dd",1,0]'
  test.each([
    ['nothing', ''],
    ['another version', `2\n${row}\n`],
    ['no version', `${row}\n`],
    ['a line that is not ended', `1\n${row}`],
    ['an empty line', `1\n\n${row}\n`],
    ['no JSON', '1\nx\n'],
    ['null', '1\nnull\n'],
    ['an object', '1\n{}\n'],
    ['too little', '1\n["a","bb","c","dd",1]\n'],
    ['another trust', '1\n["a","bb","c","dd",true,0]\n'],
    ['a number for a name', '1\n["a","bb","c",1,1,0]\n'],
    ['an empty name', '1\n["","bb","c","dd",1,0]\n'],
    ['a fingerprint in upper case', '1\n["a","bb","c","DD",1,0]\n'],
    ['no time', '1\n["a","bb","c","dd",1,null]\n'],
    ['a time that is none', '1\n["a","bb","c","dd",1,1e99]\n'],
  ])('refused: %s', (_name, record) => {
    expect(() => decodeWaiting(Buffer.from(record))).toThrow(malformed)
  })

  test('refused: longer than anything that is written', () => {
    const line = `${row}\n`
    const count = Math.floor((MAX_WAITING_OWN + MAX_WAITING_CONTACTS) / line.length) + 1
    expect(decodeWaiting(Buffer.from(`1\n${line.repeat(count - 1)}`)).length).toBe(count - 1)
    expect(() => decodeWaiting(Buffer.from(`1\n${line.repeat(count)}`))).toThrow(malformed)
  })

  test('whatever waits is read as it was', () => {
    const name = anyText({ minLength: 1, maxLength: 20 }) as fc.Arbitrary<typeof bob>
    const digits = fc.integer({ min: 1, max: 64 }).map((bytes) => 'a7'.repeat(bytes))
    const ref = fc.record({ owner: name, fingerprint: digits })
    const at = fc.date({ noInvalidDate: true })
    fc.assert(
      fc.property(fc.array(fc.record({ sender: ref, about: ref, trust: fc.boolean(), at })), (waiting) => {
        expect(decodeWaiting(encodeWaiting(waiting))).toEqual(waiting)
      }),
    )
  })
})
