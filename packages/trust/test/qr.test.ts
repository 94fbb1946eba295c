import fc from 'fast-check'
import decodeQR from 'qr/decode.js'
import { expect, test } from 'vitest'
import { qrModules, qrPath } from '../src/qr.ts'

const failing = expect.objectContaining({ name: 'TrustError', code: 'qr-too-long' })

/** Draws modules of three pixels in a quiet zone of four, and reads them with a scanner. */
function scan(modules: readonly (readonly boolean[])[]): string {
  const size = 3 * (modules.length + 8)
  const data = new Uint8Array(4 * size * size).fill(255)
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (modules[Math.floor(y / 3) - 4]?.[Math.floor(x / 3) - 4])
        data.fill(0, 4 * (y * size + x), 4 * (y * size + x) + 3)
  return decodeQR({ width: size, height: size, data })
}

test.each([
  ['a URI', 'xmpp:bob@example.com?omemo-sid-1=8d91ccd8'],
  ['capitals', 'OPENPGP4FPR:1357B01865B2503C18453D208CAC2A9678548E35'],
  ['digits', '0123456789'],
  ['more than ASCII', 'xmpp:ji\u0159i@\u010dechy.example'],
])('ISO/IEC 18004: a scanner reads %s', (_name, text) => {
  for (const correction of ['low', 'medium', 'quartile', 'high'] as const) {
    const modules = qrModules(text, { correction })
    expect(modules.every((row) => row.length === modules.length)).toBe(true)
    expect((modules.length - 21) % 4).toBe(0)
    // Three finder patterns, and no quiet zone.
    expect(modules[0]?.slice(0, 8)).toEqual([true, true, true, true, true, true, true, false])
    expect(scan(modules)).toBe(text)
  }
})

test('what is drawn as a path is what is dark', () => {
  const modules = fc.integer({ min: 1, max: 8 }).chain((size) => {
    const row = fc.array(fc.boolean(), { minLength: size, maxLength: size })
    return fc.array(row, { minLength: size, maxLength: size })
  })
  fc.assert(
    fc.property(modules, (rows) => {
      const drawn = rows.map((row) => row.map(() => false))
      for (const [, x, y, width, back] of qrPath(rows).matchAll(/M(\d+) (\d+)h(\d+)v1h-(\d+)z/g)) {
        expect(back).toBe(width)
        for (let i = 0; i < Number(width); i++) {
          const row = drawn[Number(y)] ?? []
          expect(row[Number(x) + i]).toBe(false)
          row[Number(x) + i] = true
        }
      }
      expect(drawn).toEqual(rows)
    }),
  )
})

test.each([
  ['low', 2953],
  ['medium', 2331],
  ['quartile', 1663],
  ['high', 1273],
] as const)('the most that fits with %s correction is %i bytes', (correction, bytes) => {
  expect(qrModules('a'.repeat(bytes), { correction }).length).toBe(177)
  expect(() => qrModules('a'.repeat(bytes + 1), { correction })).toThrow(failing)
  expect(() => qrModules('\u00e9'.repeat(bytes / 2 + 1), { correction })).toThrow(failing)
})

test('7089 digits, and not one more', () => {
  expect(qrModules('1'.repeat(7089), { correction: 'low' }).length).toBe(177)
  expect(() => qrModules('1'.repeat(7090), { correction: 'low' })).toThrow(failing)
})

test('mistakes of the caller', () => {
  expect(() => qrModules('')).toThrow(RangeError)
  expect(() => qrModules('\ud800')).toThrow(RangeError)
  expect(() => qrModules('a', { correction: 'all' as 'low' })).toThrow(RangeError)
})
