import { utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodePlaintext, encodePlaintext, MAX_TLV_BYTES, TLV } from '../src/protocol/tlv.ts'

describe('TLV Record Types', () => {
  it('writes the text, a NUL and the records', () => {
    const tlvs = [{ type: TLV.SYMMETRIC_KEY, value: Uint8Array.of(9, 8, 7) }]
    const bytes = Uint8Array.of(0x61, 0, 0, 8, 0, 3, 9, 8, 7)
    expect(encodePlaintext({ text: 'a', tlvs })).toStrictEqual(bytes)
    expect(decodePlaintext(bytes)).toStrictEqual({ text: 'a', tlvs })
  })

  // row 21: 'a', NUL and the five bytes of a disconnect.
  it('lets no text add a record', () => {
    const { text, tlvs } = decodePlaintext(encodePlaintext({ text: 'a\0\0\x01\0\0', tlvs: [] }))
    expect(text).toBe('a\ufffd\ufffd\x01\ufffd\ufffd')
    expect(tlvs).toStrictEqual([])
  })

  it('reads a text without a NUL, as x/crypto sends it', () => {
    expect(decodePlaintext(utf8ToBytes('plain'))).toStrictEqual({ text: 'plain', tlvs: [] })
    expect(decodePlaintext(new Uint8Array(0))).toStrictEqual({ text: '', tlvs: [] })
  })

  it('keeps what is whole before a record that is not', () => {
    const whole = encodePlaintext({ text: 'x', tlvs: [{ type: 99, value: Uint8Array.of(1, 2) }] })
    for (let length = 2; length < whole.length; length++)
      expect(decodePlaintext(whole.subarray(0, length))).toStrictEqual({ text: 'x', tlvs: [] })
    expect(decodePlaintext(Uint8Array.of(...whole, 0, 1, 0xff, 0xff)).tlvs.length).toBe(1)
  })

  it('replaces what is not UTF-8', () => {
    expect(decodePlaintext(Uint8Array.of(0x61, 0xff, 0x62)).text).toBe('a\ufffdb')
  })

  it('keeps a byte order mark at the start, and more of them', () => {
    for (const text of ['\ufeffa', '\ufeff\ufeffa', 'a\ufeff', '\ufeff'])
      expect(decodePlaintext(encodePlaintext({ text, tlvs: [] })).text).toBe(text)
  })

  it('pads to a multiple', () => {
    for (const pad of [1, 16, 256, 4096])
      for (const text of ['', 'a', 'x'.repeat(250), 'y'.repeat(251), 'z'.repeat(256)]) {
        const bytes = encodePlaintext({ text, tlvs: [] }, pad)
        expect(bytes.length % pad).toBe(0)
        expect(bytes.length).toBeLessThan(text.length + 5 + pad)
        expect(decodePlaintext(bytes)).toMatchObject({ text, tlvs: [{ type: TLV.PADDING }] })
      }
    for (const pad of [-1, 0.5, 4097, Number.NaN])
      expect(() => encodePlaintext({ text: '', tlvs: [] }, pad)).toThrow(RangeError)
  })

  it('takes records up to the limit', () => {
    const tlvs = (length: number, type = 1) => [{ type, value: new Uint8Array(length) }]
    expect(decodePlaintext(encodePlaintext({ text: '', tlvs: tlvs(MAX_TLV_BYTES) }))).toStrictEqual({
      text: '',
      tlvs: tlvs(MAX_TLV_BYTES),
    })
    expect(() => encodePlaintext({ text: '', tlvs: tlvs(MAX_TLV_BYTES + 1) })).toThrow(RangeError)
    for (const type of [-1, 0x1_0000, 1.5])
      expect(() => encodePlaintext({ text: '', tlvs: tlvs(1, type) })).toThrow(RangeError)
  })

  it('reads back what it writes', () => {
    const tlv = fc.record({
      type: fc.integer({ min: 0, max: 0xffff }),
      value: fc.uint8Array({ maxLength: 40 }),
    })
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(tlv, { maxLength: 5 }), (text, tlvs) => {
        const read = decodePlaintext(encodePlaintext({ text, tlvs }))
        // TextDecoder takes U+FEFF in front for a mark of the byte order.
        expect(read.text).toBe(text.replaceAll('\0', '\ufffd').replace(/^\ufeff/, ''))
        expect(read.tlvs).toStrictEqual(
          tlvs.map(({ type, value }) => ({ type, value: Uint8Array.from(value) })),
        )
      }),
    )
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodePlaintext(bytes)))
  })
})
