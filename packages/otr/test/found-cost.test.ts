/** What cost a peer or a stranger little and this side much. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FRAGMENT_FORM, parseFragment } from '../src/protocol/fragment.ts'
import { findWhitespaceTag } from '../src/protocol/query.ts'
import { decodeSmpMessage, encodeSmpMessage } from '../src/protocol/smp-messages.ts'
import { textKind } from '../src/protocol/text-kind.ts'
import { triesOf } from './backtracking.ts'
import { otrError } from './support.ts'

describe('Socialist Millionaires’ Protocol: hashes, which are exponents of verification', () => {
  const LARGEST = (1n << 256n) - 1n
  const values: Readonly<Record<1 | 4, readonly bigint[]>> = { 1: [4n, 1n, 1n, 4n, 1n, 1n], 4: [4n, 1n, 1n] }

  it.each([
    [1, 1],
    [1, 4],
    [4, 1],
  ] as const)('are of 256 bits at most, in message %i at %i', (number, at) => {
    const encoded = (hash: bigint) =>
      encodeSmpMessage({ number, values: values[number].map((value, i) => (i === at ? hash : value)) })
    expect(decodeSmpMessage(number, encoded(LARGEST)).values[at]).toBe(LARGEST)
    for (const hash of [LARGEST + 1n, 1n << 200_000n])
      expect(() => decodeSmpMessage(number, encoded(hash))).toThrow(otrError('message-malformed'))
  })
})

describe('Fragmentation: numbers, each of which can be read in one way', () => {
  // As libotr reads them, whatever the number of zeros: ambiguous, so that it takes as long as there are ways.
  const READ =
    /^\?OTR(?:\|0*([0-9a-fA-F]{1,8})\|0*([0-9a-fA-F]{1,8}))?,0*([0-9]{1,5}),0*([0-9]{1,5}),([^,]*),/

  it('reads what it read before', () => {
    const piece = fc.string({ unit: fc.constantFrom('0', '1', 'f', 'A', '|', ',', 'x'), maxLength: 12 })
    const number = fc.string({ unit: fc.constantFrom('0', '0', '0', '1', '9'), maxLength: 10 })
    const tags = fc.tuple(piece, piece).map(([a, b]) => `|${a}|${b}`)
    const texts = fc.tuple(fc.oneof(fc.constant(''), tags), number, number, piece)
    fc.assert(
      fc.property(texts, ([start, k, n, rest]) => {
        const text = `?OTR${start},${k},${n},${rest},`
        const found = READ.exec(text)
        const [sender, receiver] = [found?.[1], found?.[2]].map((digits) =>
          Number.parseInt(digits ?? '0', 16),
        )
        const [index, count] = [Number(found?.[3]), Number(found?.[4])]
        const isTagged = found?.[1] !== undefined
        const isValid =
          found !== null &&
          index >= 1 &&
          index <= count &&
          count <= 65_535 &&
          (!isTagged || ((sender ?? 0) >= 0x100 && (receiver === 0 || (receiver ?? 0) >= 0x100)))
        const expected = { version: isTagged ? 3 : 2, sender, receiver, index, count, piece: found?.[5] }
        expect(parseFragment(text)).toStrictEqual(isValid ? expected : undefined)
      }),
      { numRuns: 3000 },
    )
  })

  const ROWS = ['0', '1', ' ', ',', '|', 'f', '0,', '0|', '1,0', '00000001,']
  const STARTS = ['', '?OTR,', '?OTR,1,', '?OTR,1,2,', '?OTR|', '?OTR|100|', '?OTR|100|0,', '?OTR|100|0,1,']
  /** How often something is tried, at worst, for each character of texts that nearly are fragments. */
  const worst = (pattern: RegExp, length: number): number =>
    Math.max(
      ...ROWS.flatMap((row) =>
        STARTS.map((start) => triesOf(pattern, start + row.repeat(length / row.length)).tries / length),
      ),
    )

  it('tries no more for each character of a long text than of a short one', () => {
    expect(worst(FRAGMENT_FORM, 2000)).toBeLessThan(8)
    expect(worst(FRAGMENT_FORM, 4000)).toBeLessThan(8)
    // The count does count: here it is eight ways to go on from each zero.
    expect(worst(READ, 2000)).toBeGreaterThan(24)
  })

  it('counts what it finds', () => {
    const fragments = fc.string({
      unit: fc.constantFrom('?OTR', '|', ',', '0', '1', 'f', ' '),
      maxLength: 12,
    })
    fc.assert(
      fc.property(fragments, (text) => {
        expect(triesOf(FRAGMENT_FORM, text).found).toBe(FRAGMENT_FORM.test(text))
      }),
    )
    expect(triesOf(FRAGMENT_FORM, ' ?OTR|0100|0,001,2,a,').found).toBe(true)
  })

  it('finds none in rows of zeros that lead nowhere', () => {
    const zeros = '0'.repeat(65_000)
    expect(textKind(`?OTR|${zeros}|${zeros},${zeros},${zeros}x`)).toBe('unknown')
    expect(parseFragment(`?OTR|${zeros}100|${zeros},${zeros}1,${zeros}1,a,`)).toMatchObject({ sender: 0x100 })
  })
})

describe('OTR Query Messages: a tag that goes on', () => {
  it('is read to its end, which no stack has to hold', () => {
    const tag = ' \t  \t\t\t\t \t \t \t  '
    const long = `a${tag}  \t\t  \t\t${' '.repeat(8_000_000)}  b`
    expect(findWhitespaceTag(long)).toStrictEqual({ versions: [3], text: 'a  b' })
    expect(textKind(long)).toBe('tagged')
  })
})
