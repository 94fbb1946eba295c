import { describe, expect, test } from 'vitest'
import { base64, parse, StanzaReader, serialize } from '../src/index.ts'

/**
 * Work is counted, not timed: every look at a character and every look-up of a prefix. saxes and this
 * package go through these methods for both, so work that grows with the square of the input shows.
 */
function work(run: () => unknown): number {
  let count = 0
  const restore: (() => void)[] = []
  type Cost = (self: unknown, args: unknown[], result: unknown) => number
  const watch = <T extends object, K extends keyof T>(owner: T, name: K, cost: Cost): void => {
    const original = owner[name] as (...args: unknown[]) => unknown
    const counted = function (this: unknown, ...args: unknown[]): unknown {
      const result = original.apply(this, args)
      count += cost(this, args, result)
      return result
    }
    Object.assign(owner, { [name]: counted })
    restore.push(() => Object.assign(owner, { [name]: original }))
  }
  const whole: Cost = (self) => String(self).length
  watch(String.prototype, 'charCodeAt', () => 1)
  watch(String.prototype, 'search', whole)
  watch(String.prototype, 'replace', whole)
  watch(String.prototype, 'includes', whole)
  watch(String.prototype, 'indexOf', (self, [, from = 0], found) => {
    return 1 + (Number(found) < 0 ? String(self).length : Number(found)) - Number(from)
  })
  watch(Map.prototype, 'get', () => 1)
  watch(Map.prototype, 'set', () => 1)
  watch(Array.prototype, 'push', () => 1)
  try {
    run()
  } finally {
    for (const back of restore) back()
  }
  return count
}

const FREE = { depth: Infinity, bytes: Infinity, elements: Infinity, attributes: Infinity }

const list = (n: number, item: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => item(i)).join('')

const inputs: [string, (n: number) => string][] = [
  ['depth', (n) => '<a>'.repeat(n) + '</a>'.repeat(n)],
  ['depth with a namespace each', (n) => list(n, (i) => `<a xmlns="u${i}">`) + '</a>'.repeat(n)],
  [
    'depth with a prefix each',
    (n) => list(n, (i) => `<p${i}:a xmlns:p${i}="u">`) + list(n, (i) => `</p${n - 1 - i}:a>`),
  ],
  [
    'depth with the outermost prefix',
    (n) => `<p:a xmlns:p="u">${'<p:b>'.repeat(n)}${'</p:b>'.repeat(n)}</p:a>`,
  ],
  ['siblings', (n) => `<a>${'<b/>'.repeat(n)}</a>`],
  [
    'siblings below many prefixes',
    (n) => `<a xmlns:p="u" ${list(n, (i) => ` xmlns:p${i}="u"`)}>${'<p:b p:c=""/>'.repeat(n)}</a>`,
  ],
  ['attributes', (n) => `<a ${list(n, (i) => ` b${i}=""`)}/>`],
  ['attributes with prefixes', (n) => `<a ${list(n, (i) => ` xmlns:p${i}="u${i}" p${i}:b=""`)}/>`],
  ['text', (n) => `<a>${'x'.repeat(n)}</a>`],
  ['text of an attribute', (n) => `<a b="${'x'.repeat(n)}"/>`],
  ['references', (n) => `<a b="${'&amp;'.repeat(n)}">${'&#65;'.repeat(n)}</a>`],
  ['line ends', (n) => `<a>${'\r\n'.repeat(n)}</a>`],
  ['CDATA sections', (n) => `<a>${'<![CDATA[x]]>'.repeat(n)}</a>`],
  ['brackets in CDATA', (n) => `<a><![CDATA[${']'.repeat(n)}]]></a>`],
  ['brackets', (n) => `<a>${']'.repeat(n)}</a>`],
  ['a long name', (n) => `<${'a'.repeat(n)}/>`],
  ['a long prefix, used often', (n) => `<a xmlns:${'p'.repeat(n)}="u"/>`],
]

describe('twice the input is twice the work', () => {
  const N = 1500

  test.each(inputs)('parse: %s', (_, build) => {
    const [once, twice] = [build(N), build(2 * N)]
    const [before, after] = [work(() => parse(once, FREE)), work(() => parse(twice, FREE))]
    expect(before).toBeGreaterThan(N)
    expect(after).toBeLessThan(2.2 * before)
    // 20 looks a character is what the dearest row, a tag of four characters, takes.
    expect(before).toBeLessThan(20 * once.length)
  })

  test.each(inputs)('read in single characters: %s', (_, build) => {
    const read = (xml: string) => () => {
      const reader = new StanzaReader({ limits: FREE })
      reader.read('<s>')
      for (const unit of xml) reader.read(unit)
      if (reader.error) throw reader.error
    }
    const [before, after] = [work(read(build(N))), work(read(build(2 * N)))]
    expect(before).toBeGreaterThan(N)
    expect(after).toBeLessThan(2.2 * before)
  })

  test.each(inputs)('serialize: %s', (_, build) => {
    const [once, twice] = [parse(build(N), FREE), parse(build(2 * N), FREE)]
    const [before, after] = [work(() => serialize(once)), work(() => serialize(twice))]
    // The checks of characters are regular expressions without backtracking; what remains is looks and pushes.
    expect(after).toBeLessThanOrEqual(2.2 * before + 10)
  })

  test('keeping a connection alive costs nothing later', () => {
    const reader = new StanzaReader()
    reader.read('<s>')
    const stanza = (): number => work(() => reader.read('<a/>'))
    const before = stanza()
    for (let i = 0; i < 5000; i++) reader.read(' ')
    expect(stanza()).toBeLessThan(before + 10)
  })

  test('base64', () => {
    const bytes = (n: number): Uint8Array<ArrayBuffer> => new Uint8Array(3 * n).fill(7)
    const round = (n: number) => () => base64().decode(base64().encode(bytes(n)))
    expect(work(round(2 * N))).toBeLessThan(2.2 * work(round(N)))
  })
})
