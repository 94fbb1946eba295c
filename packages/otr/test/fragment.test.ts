/** Fragmentation: cut, joined, and bounded. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_MESSAGE_BYTES } from '../src/protocol/encoded-message.ts'
import {
  type Assemblies,
  expireAssemblies,
  FRAGMENT_EXPIRY_MS,
  type Fragment,
  type FragmentOptions,
  fragmentMessage,
  MAX_FRAGMENTS,
  MAX_INSTANCES,
  parseFragment,
  reassemble,
} from '../src/protocol/fragment.ts'

const v3 = { version: 3, sender: 0x5a73a599, receiver: 0x27e31597 } as const
const v2 = { version: 2, sender: 0, receiver: 0 } as const

function parsed(text: string): Fragment {
  const fragment = parseFragment(text)
  if (fragment === undefined) throw new Error(`no fragment: ${text}`)
  return fragment
}

/** What the last of some fragments gives. */
function join(fragments: readonly Fragment[], now = 0) {
  let assemblies: Assemblies = []
  let last: ReturnType<typeof reassemble> | undefined
  for (const fragment of fragments) {
    last = reassemble(assemblies, fragment, now)
    assemblies = last.assemblies
  }
  return last
}

const piece = (index: number, count: number, text: string, sender = 0x100): Fragment => ({
  version: 3,
  sender,
  receiver: 0,
  index,
  count,
  piece: text,
})

describe('cutting', () => {
  test('the specification’s form, in both versions', () => {
    expect(fragmentMessage('?OTR:AAMDabcdef.', { ...v3, limit: 48 }).slice(0, 1)).toEqual([
      '?OTR:AAMDabcdef.',
    ])
    expect(fragmentMessage(`?OTR:${'a'.repeat(40)}.`, { ...v3, limit: 44 }).slice(0, 2)).toEqual([
      '?OTR|5a73a599|27e31597,00001,00006,?OTR:aaa,',
      '?OTR|5a73a599|27e31597,00002,00006,aaaaaaaa,',
    ])
    expect(fragmentMessage('?OTR:AAIDabcdefghijklm.', { ...v2, limit: 22 })).toEqual([
      '?OTR,00001,00006,?OTR,',
      '?OTR,00002,00006,:AAI,',
      '?OTR,00003,00006,Dabc,',
      '?OTR,00004,00006,defg,',
      '?OTR,00005,00006,hijk,',
      '?OTR,00006,00006,lm.,',
    ])
    expect(fragmentMessage('a'.repeat(50), { version: 3, sender: 0x100, receiver: 0, limit: 40 })[0]).toBe(
      '?OTR|00000100|00000000,00001,00013,aaaa,',
    )
  })

  const limits = fc.oneof(fc.integer({ min: 37, max: 60 }), fc.integer({ min: 60, max: 400 }))
  test('every length at every limit: none longer, none empty, and the message again', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 900 }),
        limits,
        fc.constantFrom(v3, v2),
        (length, limit, tags) => {
          const message = Array.from({ length }, (_, i) => String.fromCharCode(97 + (i % 26))).join('')
          const texts = fragmentMessage(message, { ...tags, limit })
          if (length <= limit) {
            expect(texts).toEqual([message])
            return
          }
          const fragments = texts.map(parsed)
          expect(texts.every((text) => text.length <= limit)).toBe(true)
          expect(fragments.every(({ piece }) => piece.length > 0)).toBe(true)
          expect(fragments.every((f, i) => f.index === i + 1 && f.count === texts.length)).toBe(true)
          expect(fragments[0]).toMatchObject(tags)
          expect(join(fragments)).toEqual({ assemblies: [], outcome: 'complete', message })
        },
      ),
    )
  })

  test.each<[string, Omit<FragmentOptions, 'limit'>, number]>([
    ['version 3', v3, 37],
    ['version 2', v2, 19],
  ])('%s: the least limit, and one below', (_name, tags, least) => {
    expect(fragmentMessage('a'.repeat(100), { ...tags, limit: least })).toHaveLength(100)
    for (const limit of [least - 1, 0, -1, Number.NaN])
      expect(() => fragmentMessage('a'.repeat(100), { ...tags, limit })).toThrow(RangeError)
  })

  test('65535 fragments, and one more', () => {
    expect(fragmentMessage('a'.repeat(MAX_FRAGMENTS), { ...v3, limit: 37 })).toHaveLength(MAX_FRAGMENTS)
    expect(() => fragmentMessage('a'.repeat(MAX_FRAGMENTS + 1), { ...v3, limit: 37 })).toThrow(RangeError)
  })
})

describe('reading', () => {
  test.each([
    ['?OTR|5a73a599|27e31597,00001,00003,abc,', { ...v3, index: 1, count: 3, piece: 'abc' }],
    ['?OTR|5A73A599|27E31597,1,3,abc,', { ...v3, index: 1, count: 3, piece: 'abc' }],
    ['?OTR|100|0,1,3,abc,', { version: 3, sender: 256, receiver: 0, index: 1, count: 3, piece: 'abc' }],
    [
      '?OTR|000000000100|0000000000,00000001,00000000003,abc,',
      { version: 3, sender: 256, receiver: 0, index: 1, count: 3, piece: 'abc' },
    ],
    ['?OTR,1,1,?OTR:AAMC,', { ...v2, index: 1, count: 1, piece: '?OTR:AAMC' }],
    [' \n?OTR,2,2,abc,', { ...v2, index: 2, count: 2, piece: 'abc' }],
    ['?OTR,2,2,abc, trailing', { ...v2, index: 2, count: 2, piece: 'abc' }],
    ['?OTR,65535,65535,a,', { ...v2, index: 65535, count: 65535, piece: 'a' }],
    ['?OTR,2,2,,', { ...v2, index: 2, count: 2, piece: '' }],
  ])('%j', (text, fragment) => {
    expect(parseFragment(text)).toEqual(fragment)
  })

  test.each([
    ['k is 0', '?OTR,0,2,abc,'],
    ['n is 0', '?OTR,0,0,abc,'],
    ['k is above n', '?OTR,3,2,abc,'],
    ['n is 65536', '?OTR,1,65536,abc,'],
    ['n has six digits', '?OTR,1,100000,abc,'],
    ['no last comma', '?OTR,1,2,abc'],
    ['no piece', '?OTR,1,2,'],
    ['a minus sign', '?OTR,-1,2,abc,'],
    ['sender 0', '?OTR|0|100,1,2,abc,'],
    ['sender ff', '?OTR|ff|100,1,2,abc,'],
    ['receiver ff', '?OTR|100|ff,1,2,abc,'],
    ['a tag of nine digits', '?OTR|100000000|100,1,2,abc,'],
    ['one tag', '?OTR|100,1,2,abc,'],
    ['text before', 'a ?OTR,1,2,abc,'],
    ['longer than a message', `?OTR,1,2,${'a'.repeat(MAX_MESSAGE_BYTES)},`],
  ])('none: %s', (_name, text) => {
    expect(parseFragment(text)).toBeUndefined()
  })

  test('row 2: any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const start of ['', '?OTR|', '?OTR|100|', '?OTR,', '?OTR,1,', '?OTR,1,2,'])
          parseFragment(start + text)
      }),
    )
  })

  test('a text of 256 KiB that nearly is one takes no time that grows by its square', () => {
    for (const filling of ['0', ' ', ',', '|', '0,'])
      for (const start of ['', '?OTR,', '?OTR|', '?OTR|100|'])
        expect(parseFragment(start + filling.repeat(100_000))).toBeUndefined()
  })
})

describe('joining', () => {
  test('in order', () => {
    expect(join([piece(1, 3, 'a'), piece(2, 3, 'b'), piece(3, 3, 'c')])).toEqual({
      assemblies: [],
      outcome: 'complete',
      message: 'abc',
    })
    expect(join([piece(1, 1, 'a')])).toMatchObject({ outcome: 'complete', message: 'a' })
  })

  test.each([
    ['the first is missing', [piece(2, 2, 'b')]],
    ['one is missing', [piece(1, 3, 'a'), piece(3, 3, 'c')]],
    ['one comes twice', [piece(1, 3, 'a'), piece(2, 3, 'b'), piece(2, 3, 'b')]],
    ['the count changes', [piece(1, 3, 'a'), piece(2, 4, 'b')]],
  ])('%s: what was unfinished is dropped', (_name, fragments) => {
    expect(join(fragments)).toEqual({ assemblies: [], outcome: 'dropped' })
  })

  test('a first piece starts again', () => {
    expect(join([piece(1, 3, 'x'), piece(2, 3, 'x'), piece(1, 2, 'a'), piece(2, 2, 'b')])).toMatchObject({
      message: 'ab',
    })
  })

  test('an empty last piece, as otr3 sends it', () => {
    expect(join([piece(1, 2, 'a'), piece(2, 2, '')])).toMatchObject({ outcome: 'complete', message: 'a' })
  })

  test('instances do not disturb each other, nor the fragments without tag', () => {
    const [a, b] = [0x100, 0x200]
    let state: Assemblies = []
    for (const fragment of [
      piece(1, 2, 'a', a),
      piece(1, 2, 'b', b),
      parsed('?OTR,1,2,c,'),
      piece(2, 3, 'x', b),
    ])
      state = reassemble(state, fragment, 0).assemblies
    expect(reassemble(state, piece(2, 2, 'A', a), 0)).toMatchObject({ message: 'aA' })
    expect(reassemble(state, parsed('?OTR,2,2,C,'), 0)).toMatchObject({ message: 'cC' })
    expect(reassemble(state, piece(2, 2, 'B', b), 0)).toMatchObject({ outcome: 'dropped' })
  })

  test('changes nothing that it was given', () => {
    const state = Object.freeze([
      Object.freeze({ sender: 0x100, index: 1, count: 2, parts: [Uint8Array.of(97)], at: 0 }),
    ])
    expect(reassemble(state, piece(2, 2, 'b'), 0)).toMatchObject({ message: 'ab' })
    expect(state).toHaveLength(1)
  })

  test('any order of any fragments: what completes is what was sent', () => {
    const fragments = fc.record({
      sender: fc.constantFrom(0x100, 0x200),
      index: fc.integer({ min: 1, max: 4 }),
      count: fc.constantFrom(3, 4),
    })
    fc.assert(
      fc.property(fc.array(fragments, { maxLength: 60 }), (list) => {
        let state: Assemblies = []
        for (const { sender, index, count } of list) {
          if (index > count) continue
          const result = reassemble(state, piece(index, count, `${sender}:${count}:${index} `, sender), 0)
          state = result.assemblies
          if (result.message === undefined) continue
          const expected = Array.from({ length: count }, (_, i) => `${sender}:${count}:${i + 1} `)
          expect(result.message).toBe(expected.join(''))
        }
      }),
    )
  })
})

describe('row 19: bounds', () => {
  test('a message of MAX_MESSAGE_BYTES, and of one more', () => {
    const half = 'a'.repeat(MAX_MESSAGE_BYTES / 2)
    expect(join([piece(1, 2, half), piece(2, 2, half)])).toMatchObject({ outcome: 'complete' })
    expect(join([piece(1, 2, half), piece(2, 2, `${half}a`)])).toEqual({ assemblies: [], outcome: 'dropped' })
    expect(join([piece(1, 3, half), piece(2, 3, `${half}a`)])).toEqual({ assemblies: [], outcome: 'dropped' })
  })

  test('MAX_INSTANCES senders, and one more: the one that was silent for longest loses its message', () => {
    let state: Assemblies = []
    const tags = Array.from({ length: MAX_INSTANCES }, (_, i) => 0x100 + i)
    for (const tag of tags) state = reassemble(state, piece(1, 3, 'a', tag), 0).assemblies
    state = reassemble(state, piece(2, 3, 'b', 0x100), 0).assemblies
    expect(state).toHaveLength(MAX_INSTANCES)
    state = reassemble(state, piece(1, 3, 'a', 0x900), 0).assemblies
    expect(state.map(({ sender }) => sender)).toEqual([...tags.slice(2), 0x100, 0x900])
    expect(reassemble(state, piece(3, 3, 'c', 0x100), 0)).toMatchObject({ message: 'abc' })
    expect(reassemble(state, piece(2, 3, 'b', 0x101), 0)).toMatchObject({ outcome: 'dropped' })
  })

  test('10000 bogus tags leave MAX_INSTANCES', () => {
    let state: Assemblies = []
    for (let i = 0; i < 10_000; i++) {
      state = reassemble(state, piece(1, 65_535, 'a'.repeat(100), 0x100 + i), i % 50).assemblies
      expect(state.length).toBeLessThanOrEqual(MAX_INSTANCES)
    }
  })

  test('what is kept is a copy: nothing of the texts that pieces were cut from', () => {
    const long = `?OTR,1,3,${'a'.repeat(20)},${'b'.repeat(100_000)}`
    const { assemblies } = reassemble([], parsed(long), 0)
    expect(assemblies[0]?.parts.map(({ buffer }) => buffer.byteLength)).toEqual([20])
    const more = reassemble(assemblies, parsed(long.replace('1,3', '2,3')), 0)
    expect(more.assemblies[0]?.parts.map(({ buffer }) => buffer.byteLength)).toEqual([40])
  })

  test('MAX_MESSAGE_BYTES are bytes, not characters', () => {
    const third = 'あ'.repeat(MAX_MESSAGE_BYTES / 4)
    expect(join([piece(1, 2, third), piece(2, 2, third)])).toMatchObject({ outcome: 'dropped' })
  })

  test('65535 fragments', () => {
    let state: Assemblies = []
    for (let i = 1; i < MAX_FRAGMENTS; i++)
      state = reassemble(state, piece(i, MAX_FRAGMENTS, 'abc'), 0).assemblies
    expect(reassemble(state, piece(MAX_FRAGMENTS, MAX_FRAGMENTS, 'abc'), 0)).toMatchObject({
      message: 'abc'.repeat(MAX_FRAGMENTS),
    })
  })

  test('60 s after its last piece a message is forgotten, and not before', () => {
    const { assemblies } = reassemble([], piece(1, 3, 'a'), 1000)
    const later = reassemble(assemblies, piece(2, 3, 'b'), 1000 + FRAGMENT_EXPIRY_MS - 1)
    expect(later.outcome).toBe('waiting')
    const due = 1000 + 2 * FRAGMENT_EXPIRY_MS - 1
    expect(expireAssemblies(later.assemblies, due - 1)).toHaveLength(1)
    expect(expireAssemblies(later.assemblies, due)).toHaveLength(0)
    expect(reassemble(later.assemblies, piece(3, 3, 'c'), due - 1)).toMatchObject({ message: 'abc' })
    expect(reassemble(later.assemblies, piece(3, 3, 'c'), due)).toMatchObject({ outcome: 'dropped' })
  })
})
