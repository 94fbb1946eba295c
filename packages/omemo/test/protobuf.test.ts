/** The part of Protocol Buffers that the messages need, and what each namespace makes of it. */
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import { OmemoError } from '../src/error.ts'
import { axolotl, omemo2 } from '../src/protocol.ts'
import { decodeFields, decodeVarint, encodeFields, encodeVarint } from '../src/wire/protobuf.ts'
import type { KeyExchange, RatchetMessage } from '../src/wire/wire.ts'
import { failure, versions } from './support.ts'

const sample = {
  name: 'Sample',
  fields: {
    number: { number: 1, type: 'uint32' },
    bytes: { number: 2, type: 'bytes' },
    two: { number: 16, type: 'bytes', length: 2, optional: true },
  },
} as const

const hex = (text: string): Bytes => hexToBytes(text.replaceAll(' ', ''))

describe('varints, both ways', () => {
  test.each([
    [0, '00'],
    [1, '01'],
    [127, '7f'],
    [128, '8001'],
    [300, 'ac02'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [2 ** 31 - 1, 'ffffffff07'],
    [2 ** 31, '8080808008'],
    [2 ** 32 - 1, 'ffffffff0f'],
  ])('%d is %s', (value, bytes) => {
    expect(bytesToHex(encodeVarint(value))).toBe(bytes)
    expect(decodeVarint(hex(bytes), 0, 'place')).toEqual({ value, end: bytes.length / 2 })
  })

  test.each([
    ['', 'truncated'],
    ['80', 'truncated'],
    ['ffffffff', 'truncated'],
    ['8000', 'padded'],
    ['ff00', 'padded'],
    ['8080808000', 'padded'],
    ['8080808010', 'above'],
    ['ffffffff1f', 'above'],
    ['808080808000', 'overlong'],
    ['ffffffffffffffffff01', 'overlong'],
  ])('%s is %s', (bytes, why) => {
    const error = failure(() => decodeVarint(hex(bytes), 0, 'place'))
    expect(error).toMatchObject({ code: 'message-malformed', path: 'place' })
    expect(error.message).toContain(why)
  })

  test.each([-1, 2 ** 32, 1.5, Number.NaN])('%d is a mistake of the caller', (value) => {
    expect(() => encodeVarint(value)).toThrow(RangeError)
  })
})

describe('messages, both ways', () => {
  test.each([
    [
      'every field, in the order given',
      { number: 300, bytes: hex('aabb'), two: hex('0102') },
      '08ac02 1202aabb 8201020102',
    ],
    ['zeros and nothing are written', { number: 0, bytes: hex(''), two: undefined }, '0800 1200'],
  ])('%s', (_name, values, bytes) => {
    expect(bytesToHex(encodeFields(sample, values))).toBe(bytes.replaceAll(' ', ''))
    const { two, ...required } = values
    expect(decodeFields(sample, hex(bytes))).toEqual(two === undefined ? required : values)
  })

  test.each([
    ['another order', '1200 0801'],
    ['an unknown varint', '0801 18ffffffff0f 1200'],
    ['unknown bytes', '0801 1a03aabbcc 1200'],
    ['an unknown 32-bit field', '0801 1d00000000 1200'],
    ['an unknown 64-bit field', '0801 190000000000000000 1200'],
    ['an unknown field, repeated', '0801 1801 1801 1200'],
    ['the highest field number of a tag of five bytes', '0801 f8ffffff0f01 1200'],
  ])('%s is read', (_name, bytes) => {
    expect(decodeFields(sample, hex(bytes))).toEqual({ number: 1, bytes: hex('') })
  })

  test.each([
    ['nothing', '', 'Sample.number', 'missing'],
    ['a required field missing', '0801', 'Sample.bytes', 'missing'],
    ['a field repeated', '0801 0801 1200', 'Sample.number', 'repeated'],
    ['a field repeated with another type', '0801 0a00 1200', 'Sample.number', 'repeated'],
    ['bytes for a number', '0a0101 1200', 'Sample.number', 'wire type'],
    ['a number for bytes', '0801 1000', 'Sample.bytes', 'wire type'],
    ['32 bits for a number', '0d01000000 1200', 'Sample.number', 'wire type'],
    ['64 bits for bytes', '0801 110000000000000000', 'Sample.bytes', 'wire type'],
    ['a start of a group', '0801 1b 1c 1200', 'Sample', 'wire type 3'],
    ['an end of a group', '0801 1c 1200', 'Sample', 'wire type 4'],
    ['wire type 6', '0801 1e00 1200', 'Sample', 'wire type 6'],
    ['wire type 7', '0801 1f00 1200', 'Sample', 'wire type 7'],
    ['field number 0', '0801 1200 0000', 'Sample', 'field number 0'],
    ['a tag cut short', '0801 1200 80', 'Sample', 'truncated'],
    ['a number cut short', '0880', 'Sample.number', 'truncated'],
    ['a length cut short', '0801 1280', 'Sample.bytes', 'truncated'],
    ['bytes cut short', '0801 120200', 'Sample.bytes', 'truncated'],
    ['a length of 2³² − 1', '0801 12ffffffff0f00', 'Sample.bytes', 'truncated'],
    ['32 bits cut short', '0801 1d000000', 'Sample', 'truncated'],
    ['64 bits cut short', '0801 1900000000000000', 'Sample', 'truncated'],
    ['a number above 2³² − 1', '088080808010 1200', 'Sample.number', 'above'],
    ['a number of ten bytes, as −1 is written', '08ffffffffffffffffff01 1200', 'Sample.number', 'overlong'],
    ['a padded number', '088100 1200', 'Sample.number', 'padded'],
    ['a padded length', '0801 128000', 'Sample.bytes', 'padded'],
    ['a padded tag', '888000 01 1200', 'Sample', 'padded'],
    ['a field of fixed length, shorter', '0801 1200 82010100', 'Sample.two', 'expected 2'],
    ['a field of fixed length, longer', '0801 1200 820103000000', 'Sample.two', 'expected 2'],
  ])('%s is refused', (_name, bytes, path, why) => {
    const error = failure(() => decodeFields(sample, hex(bytes)))
    expect(error).toMatchObject({ code: 'message-malformed', path })
    expect(error.message).toContain(why)
  })

  test('a required field that the caller leaves out', () => {
    const values: { number: number; bytes: Bytes; two: undefined } = JSON.parse('{"number":1}')
    expect(() => encodeFields(sample, values)).toThrow(TypeError)
  })

  test('what is read is a copy', () => {
    const bytes = hex('0801 1201aa')
    const { bytes: read } = decodeFields(sample, bytes)
    bytes.fill(0)
    expect(bytesToHex(read)).toBe('aa')
  })
})

const key = (fill: number): Bytes => new Uint8Array(32).fill(fill)
const ratchetMessage: RatchetMessage = {
  counter: 300,
  previousCounter: 0,
  ratchetKey: key(0x11),
  ciphertext: hex('c0ffee'),
}
const keyExchange: KeyExchange & { readonly preKeyId: number } = {
  preKeyId: 7,
  signedPreKeyId: 1,
  identityKey: key(0x22),
  ephemeralKey: key(0x33),
  message: hex('99'),
}

describe.each([
  {
    protocol: axolotl,
    message: `33 0a2105${'11'.repeat(32)} 10ac02 1800 2203c0ffee`,
    exchange: `33 28b960 0807 3001 122105${'33'.repeat(32)} 1a2105${'22'.repeat(32)} 220199`,
    authenticated: 'aabb 0102030405060708',
    mac: '0102030405060708',
  },
  {
    protocol: omemo2,
    message: `08ac02 1000 1a20${'11'.repeat(32)} 2203c0ffee`,
    exchange: `0807 1001 1a20${'22'.repeat(32)} 2220${'33'.repeat(32)} 2a0199`,
    authenticated: `0a10${'01'.repeat(16)} 1202aabb`,
    mac: '01'.repeat(16),
  },
])('$protocol.namespace, both ways', ({ protocol: { wire }, message, exchange, authenticated, mac }) => {
  test('a ratchet message', () => {
    expect(bytesToHex(wire.encodeRatchetMessage(ratchetMessage))).toBe(message.replaceAll(' ', ''))
    expect(wire.decodeRatchetMessage(hex(message))).toEqual(ratchetMessage)
  })

  test('an authenticated message', () => {
    const value = { mac: hex(mac), message: hex('aabb') }
    expect(bytesToHex(wire.encodeAuthenticated(value))).toBe(authenticated.replaceAll(' ', ''))
    expect(wire.decodeAuthenticated(hex(authenticated))).toEqual(value)
  })

  test('a key exchange', () => {
    expect(bytesToHex(wire.encodeKeyExchange(keyExchange, 12_345))).toBe(exchange.replaceAll(' ', ''))
    expect(wire.decodeKeyExchange(hex(exchange))).toEqual(keyExchange)
  })

  test('which of the two it is shows in the first bytes', () => {
    expect(wire.isKeyExchange(wire.encodeKeyExchange(keyExchange, 1))).toBe(true)
    const inner = wire.encodeRatchetMessage(ratchetMessage)
    expect(wire.isKeyExchange(wire.encodeAuthenticated({ mac: hex(mac), message: inner }))).toBe(false)
  })

  test('a key exchange without a one-time prekey is read, to be refused by name', () => {
    const without = exchange.replace('0807 ', '')
    expect(wire.decodeKeyExchange(hex(without)).preKeyId).toBeUndefined()
  })

  test('prekey id 0 is an id', () => {
    expect(wire.decodeKeyExchange(hex(exchange.replace('0807', '0800'))).preKeyId).toBe(0)
  })
})

const shortKey = '11'.repeat(31)
const fullKey = '11'.repeat(32)

describe(`${axolotl.namespace}, refused`, () => {
  const { wire } = axolotl

  test.each([
    ['nothing', '', 'message-malformed', 'SignalMessage'],
    ['version 2', `23 0a2105${fullKey} 1000 1800 2200`, 'version-unsupported', 'SignalMessage'],
    ['version 4', `43 0a2105${fullKey} 1000 1800 2200`, 'version-unsupported', 'SignalMessage'],
    [
      'a ratchet key of 32 bytes',
      `33 0a20${fullKey} 1000 1800 2200`,
      'message-malformed',
      'SignalMessage.ratchetKey',
    ],
    [
      'a ratchet key of another type',
      `33 0a2106${fullKey} 1000 1800 2200`,
      'message-malformed',
      'SignalMessage.ratchetKey',
    ],
    ['no ratchet key', '33 1000 1800 2200', 'message-malformed', 'SignalMessage.ratchetKey'],
    ['no counter', `33 0a2105${fullKey} 1800 2200`, 'message-malformed', 'SignalMessage.counter'],
    ['no ciphertext', `33 0a2105${fullKey} 1000 1800`, 'message-malformed', 'SignalMessage.ciphertext'],
  ])('message: %s', (_name, bytes, code, path) => {
    expect(failure(() => wire.decodeRatchetMessage(hex(bytes)))).toMatchObject({ code, path })
  })

  test.each([
    ['nothing', '', 'message-malformed', 'PreKeySignalMessage'],
    ['version 2', '22', 'version-unsupported', 'PreKeySignalMessage'],
    [
      'a base key of another type',
      `33 0807 3001 122104${fullKey} 1a2105${fullKey} 2200`,
      'message-malformed',
      'PreKeySignalMessage.baseKey',
    ],
    [
      'an identity key of another type',
      `33 0807 3001 122105${fullKey} 1a2100${fullKey} 2200`,
      'message-malformed',
      'PreKeySignalMessage.identityKey',
    ],
    [
      'a base key of 32 bytes',
      `33 0807 3001 122005${shortKey} 1a2105${fullKey} 2200`,
      'message-malformed',
      'PreKeySignalMessage.baseKey',
    ],
    [
      'no signed prekey id',
      `33 0807 122105${fullKey} 1a2105${fullKey} 2200`,
      'message-malformed',
      'PreKeySignalMessage.signedPreKeyId',
    ],
    [
      'no message',
      `33 0807 3001 122105${fullKey} 1a2105${fullKey}`,
      'message-malformed',
      'PreKeySignalMessage.message',
    ],
  ])('key exchange: %s', (_name, bytes, code, path) => {
    expect(failure(() => wire.decodeKeyExchange(hex(bytes)))).toMatchObject({ code, path })
  })

  test('a message no longer than its MAC', () => {
    for (const length of [0, 8])
      expect(failure(() => wire.decodeAuthenticated(new Uint8Array(length)))).toMatchObject({
        code: 'message-malformed',
        path: 'SignalMessage',
      })
    expect(wire.decodeAuthenticated(new Uint8Array(9)).message.length).toBe(1)
  })
})

describe(`${axolotl.namespace}, habits of the libsignal family`, () => {
  const { wire } = axolotl
  const exchange = `0807 3001 122105${fullKey} 1a2105${fullKey} 2200`

  test('a low nibble of the version other than 3 is read', () => {
    for (let nibble = 0; nibble < 16; nibble++) {
      const version = `3${nibble.toString(16)}`
      expect(wire.decodeRatchetMessage(hex(`${version} 0a2105${fullKey} 1001 1802 2200`)).counter).toBe(1)
      expect(wire.decodeKeyExchange(hex(`${version} ${exchange}`)).preKeyId).toBe(7)
    }
  })

  test('a missing previousCounter is 0', () => {
    expect(wire.decodeRatchetMessage(hex(`33 0a2105${fullKey} 1001 2200`)).previousCounter).toBe(0)
  })

  test('registrationId may be missing, anywhere, or zero', () => {
    const expected = wire.decodeKeyExchange(hex(`33 2801 ${exchange}`))
    for (const bytes of [`33 ${exchange}`, `33 ${exchange} 2801`, `33 2800 ${exchange}`])
      expect(wire.decodeKeyExchange(hex(bytes))).toEqual(expected)
  })

  test.each([
    ['registrationId first', '33 28', true],
    ['preKeyId first', '33 08', true],
    ['baseKey first', '33 12', true],
    ['a SignalMessage', '33 0a', false],
  ])('%s', (_name, bytes, expected) => {
    expect(wire.isKeyExchange(hex(bytes))).toBe(expected)
  })
})

describe(`${omemo2.namespace}, refused`, () => {
  const { wire } = omemo2

  test.each([
    ['nothing', '', 'OMEMOMessage.n'],
    ['no pn', `0800 1a20${fullKey} 2200`, 'OMEMOMessage.pn'],
    ['no dh_pub', '0800 1000 2200', 'OMEMOMessage.dh_pub'],
    ['a dh_pub of 31 bytes', `0800 1000 1a1f${shortKey} 2200`, 'OMEMOMessage.dh_pub'],
    ['a dh_pub of 33 bytes', `0800 1000 1a2105${fullKey} 2200`, 'OMEMOMessage.dh_pub'],
    ['no ciphertext', `0800 1000 1a20${fullKey}`, 'OMEMOMessage.ciphertext'],
  ])('message: %s', (_name, bytes, path) => {
    expect(failure(() => wire.decodeRatchetMessage(hex(bytes)))).toMatchObject({
      code: 'message-malformed',
      path,
    })
  })

  test.each([
    ['nothing', '', 'OMEMOAuthenticatedMessage.mac'],
    ['a MAC of 15 bytes', `0a0f${'01'.repeat(15)} 1200`, 'OMEMOAuthenticatedMessage.mac'],
    ['a MAC of 17 bytes', `0a11${'01'.repeat(17)} 1200`, 'OMEMOAuthenticatedMessage.mac'],
    ['no message', `0a10${'01'.repeat(16)}`, 'OMEMOAuthenticatedMessage.message'],
  ])('authenticated message: %s', (_name, bytes, path) => {
    expect(failure(() => wire.decodeAuthenticated(hex(bytes)))).toMatchObject({
      code: 'message-malformed',
      path,
    })
  })

  test.each([
    ['an identity key of 33 bytes', `0807 1001 1a2105${fullKey} 2220${fullKey} 2a00`, 'OMEMOKeyExchange.ik'],
    ['an ephemeral key of 31 bytes', `0807 1001 1a20${fullKey} 221f${shortKey} 2a00`, 'OMEMOKeyExchange.ek'],
    ['no signed prekey id', `0807 1a20${fullKey} 2220${fullKey} 2a00`, 'OMEMOKeyExchange.spk_id'],
    ['no message', `0807 1001 1a20${fullKey} 2220${fullKey}`, 'OMEMOKeyExchange.message'],
  ])('key exchange: %s', (_name, bytes, path) => {
    expect(failure(() => wire.decodeKeyExchange(hex(bytes)))).toMatchObject({
      code: 'message-malformed',
      path,
    })
  })
})

describe.each(versions)('$namespace, any bytes at all', ({ wire }) => {
  const valid = [
    wire.encodeRatchetMessage(ratchetMessage),
    wire.encodeKeyExchange(keyExchange, 12_345),
    wire.encodeAuthenticated({
      mac: new Uint8Array(wire === axolotl.wire ? 8 : 16),
      message: utf8ToBytes('m'),
    }),
  ]
  const mutated = fc
    .tuple(
      fc.constantFrom(...valid),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.nat(200),
      fc.uint8Array({ maxLength: 4 }),
    )
    .map(([bytes, edits, cut, tail]) => {
      const copy = concatBytes(bytes.slice(0, bytes.length - (cut > 150 ? cut - 150 : 0)), tail)
      for (const [at, value] of edits) if (copy.length > 0) copy[at % copy.length] = value
      return copy
    })

  test('are read, or refused by an OmemoError with a path', () => {
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        const before = bytesToHex(bytes)
        wire.isKeyExchange(bytes)
        for (const decode of [wire.decodeRatchetMessage, wire.decodeAuthenticated, wire.decodeKeyExchange])
          try {
            decode(bytes)
          } catch (error) {
            if (!(error instanceof OmemoError) || error.path === undefined) throw error
          }
        expect(bytesToHex(bytes)).toBe(before)
      }),
      { numRuns: 2000 },
    )
  })

  test('what is read is written as it was, whatever the values', () => {
    const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(uint32, uint32, key32, key32, fc.uint8Array(), (a, b, k, l, bytes) => {
        const message = { counter: a, previousCounter: b, ratchetKey: k, ciphertext: bytes }
        expect(wire.decodeRatchetMessage(wire.encodeRatchetMessage(message))).toEqual(message)
        const exchange = { preKeyId: a, signedPreKeyId: b, identityKey: k, ephemeralKey: l, message: bytes }
        expect(wire.decodeKeyExchange(wire.encodeKeyExchange(exchange, b))).toEqual(exchange)
      }),
      { numRuns: 300 },
    )
  })
})
