import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeEffect, decodeLease, effectPath, encodeEffect, encodeLease } from '../src/effect-codec.ts'

interface Row {
  readonly name: string
  readonly path: string
  readonly bytes: string
  readonly error?: string
}
type EffectRow = Row & {
  readonly effect?: Record<string, unknown> & { lane: string; kind: string; key: string }
}
type LeaseRow = Row & { readonly lease?: { readonly until: number; readonly owner: string } }

const vectors: { effects: EffectRow[]; leases: LeaseRow[] } = JSON.parse(
  readFileSync(new URL('vectors/effects-at-rest.json', import.meta.url), 'utf8'),
)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

describe('effects at rest', () => {
  test.each(vectors.effects)('$name', ({ path, bytes, error, effect: expected }) => {
    // Within a larger buffer, as databases hand out.
    const view = Uint8Array.of(9, ...fromHex(bytes), 9).subarray(1, -1)
    const { malformed, ...decoded } = decodeEffect(path, view)
    expect(malformed).toBe(error === 'record-malformed')
    if (malformed) {
      // Kept and given up, and nothing of it is believed.
      expect(decoded).toMatchObject({ parked: true, attempts: 0, id: 0n, payload: new Uint8Array(0) })
      return
    }
    expect({ ...decoded, id: `${decoded.id}`, payload: hex(decoded.payload) }).toEqual(expected)
    expect(hex(encodeEffect({ ...decoded, malformed }))).toBe(bytes)
    expect(effectPath(decoded)).toBe(path)
  })

  test('what is decoded is what was encoded', () => {
    const name = fc.string({ unit: fc.constantFrom(...'&/saé👩 '), minLength: 1 })
    const time = fc.double({ noNaN: true, noDefaultInfinity: true })
    const any = fc.record({
      ...{ lane: name, kind: name, key: name, payload: fc.uint8Array() },
      ...{ parked: fc.boolean(), attempts: fc.nat(), id: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
      ...{ order: fc.maxSafeNat(), queuedAt: time, dueAt: time, malformed: fc.constant(false) },
    })
    fc.assert(
      fc.property(any, (one) => {
        expect(decodeEffect(effectPath(one), encodeEffect(one))).toEqual(one)
      }),
    )
  })
})

describe('leases at rest', () => {
  test.each(vectors.leases)('$name', ({ bytes, error, lease }) => {
    const decoded = decodeLease(fromHex(bytes))
    expect(decoded === undefined).toBe(error === 'record-malformed')
    if (!decoded) return
    expect({ ...decoded, owner: `${decoded.owner}` }).toEqual(lease)
    expect(hex(encodeLease(decoded))).toBe(bytes)
  })
})
