import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type FingerprintKind,
  fingerprintGroups,
  formatFingerprint,
  isSameFingerprint,
  MAX_FINGERPRINT_TEXT,
  parseFingerprint,
} from '../src/index.ts'
import vectors from './vectors/fingerprints.json' with { type: 'json' }

const malformed = expect.objectContaining({ name: 'TrustError', code: 'fingerprint-malformed' })

describe('XEP-0384 §8, XEP-0373 §4.1, XEP-0364 §6', () => {
  test.each(vectors.cases)('$name', ({ kind, text, fingerprint, shown }) => {
    const of = kind as FingerprintKind
    expect(parseFingerprint(of, text)).toBe(fingerprint)
    expect(formatFingerprint(of, text)).toBe(shown)
    expect(parseFingerprint(of, shown)).toBe(fingerprint)
    expect(isSameFingerprint(of, text, shown)).toBe(true)
  })

  test.each(vectors.refused)('refused: $name', ({ kind, text }) => {
    const of = kind as FingerprintKind
    expect(() => parseFingerprint(of, text)).toThrow(malformed)
    expect(() => formatFingerprint(of, text)).toThrow(malformed)
    expect(() => isSameFingerprint(of, text, vectors.cases[0]?.text ?? '')).toThrow(malformed)
  })

  test('groups are eight of eight, ten of four, sixteen of four, five of eight', () => {
    const sizes = (kind: FingerprintKind, digits: number) =>
      fingerprintGroups(kind, 'a'.repeat(digits)).map((group) => group.length)
    expect(sizes('omemo', 64)).toEqual(Array(8).fill(8))
    expect(sizes('openpgp', 40)).toEqual(Array(10).fill(4))
    expect(sizes('openpgp', 64)).toEqual(Array(16).fill(4))
    expect(sizes('otr', 40)).toEqual(Array(5).fill(8))
  })

  test('what is refused is not repeated in the error', () => {
    expect(() => parseFingerprint('omemo', 'my password')).toThrow(/^(?!.*password)/)
  })

  test.each(['toString', '__proto__', 'pgp'])('no kind: %s', (kind) => {
    expect(() => parseFingerprint(kind as FingerprintKind, '')).toThrow(/^kind: expected/)
  })
})

test('MAX_FINGERPRINT_TEXT', () => {
  const digits = 'a'.repeat(64)
  const fits = digits + ' '.repeat(MAX_FINGERPRINT_TEXT - 64)
  expect(parseFingerprint('omemo', fits)).toBe(digits)
  expect(() => parseFingerprint('omemo', `${fits} `)).toThrow(malformed)
})

const hexDigits = (n: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdefABCDEF'), { minLength: n, maxLength: n })
    .map((d) => d.join(''))

test('any separators between any digits mean the same', () => {
  const separators = fc.array(fc.constantFrom('', ' ', ':', '-', '\n', '\u00a0', '\u200b'), {
    minLength: 64,
    maxLength: 64,
  })
  fc.assert(
    fc.property(hexDigits(64), separators, (digits, between) => {
      const text = Array.from(digits, (digit, i) => digit + between[i]).join('')
      expect(parseFingerprint('omemo', text)).toBe(digits.toLowerCase())
    }),
  )
})

test('fingerprints are the same only if all digits are', () => {
  fc.assert(
    fc.property(hexDigits(40), fc.nat(39), hexDigits(1), (digits, at, other) => {
      const changed = digits.slice(0, at) + other + digits.slice(at + 1)
      const isSame = digits.toLowerCase() === changed.toLowerCase()
      expect(isSameFingerprint('otr', digits, changed)).toBe(isSame)
      expect(isSameFingerprint('openpgp', digits, changed)).toBe(isSame)
    }),
  )
  expect(isSameFingerprint('openpgp', 'a'.repeat(40), 'a'.repeat(64))).toBe(false)
  expect(isSameFingerprint('openpgp', 'a'.repeat(64), 'a'.repeat(40))).toBe(false)
})
