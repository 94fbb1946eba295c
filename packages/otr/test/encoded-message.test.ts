/** Encoded messages, and the header of each. */
import { concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeMessage, encodeMessage, MAX_MESSAGE_BYTES } from '../src/protocol/encoded-message.ts'
import {
  encodeHeader,
  generateInstanceTag,
  type Header,
  type MessageType,
  MIN_INSTANCE_TAG,
  readHeader,
} from '../src/protocol/header.ts'
import { reader } from '../src/wire/reader.ts'
import { otrError, seeded } from './support.ts'

describe('Encoded messages', () => {
  test('there and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
        const text = encodeMessage(bytes)
        expect(text).toMatch(/^\?OTR:[A-Za-z0-9+/]+={0,2}\.$/)
        expect(decodeMessage(text)).toEqual(bytes)
      }),
    )
  })

  test('the first characters say version and type', () => {
    const start = (version: 2 | 3, type: MessageType) =>
      encodeMessage(encodeHeader({ version, type, sender: 0x100, receiver: 0x100 })).slice(5, 9)
    expect(start(2, 'commit')).toBe('AAIC')
    expect(start(2, 'key')).toBe('AAIK')
    expect(start(2, 'reveal')).toBe('AAIR')
    expect(start(2, 'signature')).toBe('AAIS')
    expect(start(2, 'data')).toBe('AAID')
    expect(start(3, 'commit')).toBe('AAMC')
    expect(start(3, 'data')).toBe('AAMD')
  })

  test.each([
    ['exactly', '?OTR:AAEC.'],
    ['without full stop', '?OTR:AAEC'],
    ['broken into lines', '?OTR:A\r\nAE\tC .'],
    ['after white space', ' \n?OTR:AAEC.'],
    ['before other text', '?OTR:AAEC. Sent with <b>love</b>'],
    ['without padding', '?OTR:AAECAw.', '0001 02 03'],
  ])('are read %s', (_name, text, expected = '000102') => {
    expect(decodeMessage(text)).toEqual(hexToBytes(expected.replaceAll(' ', '')))
  })

  test.each([
    ['CVE-2012-3461: padding only', '?OTR:===.'],
    ['padding of four', '?OTR:====.'],
    ['nothing', '?OTR:.'],
    ['nothing at all', '?OTR:'],
    ['white space', '?OTR: .'],
    ['a character that is not of the alphabet', '?OTR:AA_C.'],
    ['a character above 7f', '?OTR:AAÉC.'],
    ['one character too much', '?OTR:AAECA.'],
    ['padding within', '?OTR:AA==AAEC.'],
    ['a query', '?OTRv3?'],
    ['text before', 'see ?OTR:AAEC.'],
    ['lower case', '?otr:AAEC.'],
  ])('are not read: %s', (_name, text) => {
    expect(() => decodeMessage(text)).toThrow(otrError('message-malformed'))
  })

  test('any text throws nothing but an OtrError', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          decodeMessage(`?OTR:${text}`)
        } catch (error) {
          expect(error).toEqual(otrError('message-malformed'))
        }
      }),
    )
  })

  test('at MAX_MESSAGE_BYTES, and one above', () => {
    const text = `?OTR:${'A'.repeat(MAX_MESSAGE_BYTES - 6)}`
    expect(decodeMessage(`${text}.`).length).toBeGreaterThan(196_000)
    expect(() => decodeMessage(`${text}..`)).toThrow(otrError('message-too-big'))
  })
})

describe('Header', () => {
  const header = (hex: string) => readHeader(reader(hexToBytes(hex.replaceAll(' ', '')), 'test'))
  const types: readonly MessageType[] = ['commit', 'key', 'reveal', 'signature', 'data']

  test.each(types)('%s, in both versions', (type) => {
    for (const before of [
      { version: 2, type, sender: 0, receiver: 0 },
      { version: 3, type, sender: 0x100, receiver: 0xffff_ffff },
    ] satisfies Header[]) {
      const bytes = concatBytes(encodeHeader(before), Uint8Array.of(1))
      const from = reader(bytes, 'test')
      expect(readHeader(from)).toEqual(before)
      expect(from.remaining).toBe(1)
    }
  })

  test.each([
    ['1', '0001 02'],
    ['1, a data message', '0001 03 01'],
    ['4', '0004 35 00000100 00000100'],
    ['0', '0000 02'],
    ['515', '0203 02 00000100 00000100'],
  ])('version %s is refused', (_name, hex) => {
    expect(() => header(hex)).toThrow(otrError('version-unsupported'))
  })

  test.each(['00', '01', '04', '0b', 'ff'])('type %s does not exist', (type) => {
    expect(() => header(`0002 ${type}`)).toThrow(otrError('message-malformed'))
    expect(() => header(`0003 ${type} 00000100 00000100`)).toThrow(otrError('message-malformed'))
  })

  test('only a commit is for whoever answers', () => {
    expect(header('0003 02 00000100 00000000')).toMatchObject({ type: 'commit', receiver: 0 })
    for (const type of ['03', '0a', '11', '12'])
      expect(() => header(`0003 ${type} 00000100 00000000`)).toThrow(otrError('instance-tag-invalid'))
  })

  test.each([
    ['sender 0', '00000000 00000100'],
    ['sender ff', '000000ff 00000100'],
    ['receiver 1', '00000100 00000001'],
    ['receiver ff', '00000100 000000ff'],
  ])('%s', (_name, tags) => {
    for (const type of ['02', '03', '0a'])
      expect(() => header(`0003 ${type} ${tags}`)).toThrow(otrError('instance-tag-invalid'))
  })

  test('cut off at every byte', () => {
    const bytes = encodeHeader({ version: 3, type: 'key', sender: 0x100, receiver: 0x100 })
    for (let length = 0; length < bytes.length; length++)
      expect(() => readHeader(reader(bytes.subarray(0, length), 'test'))).toThrow(
        otrError('message-malformed'),
      )
  })
})

describe('Instance Tags', () => {
  test('are drawn from 100 to 11111111, which old otr4j accepts', () => {
    const random = seeded(1)
    for (let i = 0; i < 1000; i++) {
      const tag = generateInstanceTag(random)
      expect(tag).toBeGreaterThanOrEqual(MIN_INSTANCE_TAG)
      expect(tag).toBeLessThanOrEqual(0x1111_1111)
    }
    expect(generateInstanceTag(() => new Uint8Array(4))).toBe(MIN_INSTANCE_TAG)
    expect(generateInstanceTag(() => new Uint8Array(4).fill(0xff))).toBeLessThanOrEqual(0x1111_1111)
  })
})
