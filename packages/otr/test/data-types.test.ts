/** Data types: what is written is read again, and nothing else is read. */
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Reader, reader } from '../src/wire/reader.ts'
import { byte, data, int, mpi, short } from '../src/wire/writer.ts'
import { otrError } from './support.ts'

const malformed = otrError('message-malformed')

describe('written', () => {
  test.each([
    ['BYTE', byte(0xff), 'ff'],
    ['SHORT', short(0x0102), '0102'],
    ['SHORT, highest', short(0xffff), 'ffff'],
    ['INT', int(0x01020304), '01020304'],
    ['INT, highest', int(0xffff_ffff), 'ffffffff'],
    ['DATA, empty', data(new Uint8Array(0)), '00000000'],
    ['DATA', data(Uint8Array.of(0, 1)), '000000020001'],
    ['MPI 0 has no bytes', mpi(0n), '00000000'],
    ['MPI has no sign', mpi(0x80n), '0000000180'],
    ['MPI is minimal', mpi(0x0f0000n), '000000030f0000'],
  ])('%s', (_name, bytes, expected) => {
    expect(bytesToHex(bytes)).toBe(expected)
  })

  test.each([
    ['BYTE 256', () => byte(256)],
    ['SHORT 65536', () => short(65536)],
    ['INT 2³²', () => int(2 ** 32)],
    ['INT −1', () => int(-1)],
    ['INT ½', () => int(0.5)],
    ['INT NaN', () => int(Number.NaN)],
    ['MPI −1', () => mpi(-1n)],
  ])('not %s', (_name, write) => {
    expect(write).toThrow(RangeError)
  })
})

describe('read', () => {
  const written = fc.record({
    byte: fc.nat(0xff),
    short: fc.nat(0xffff),
    int: fc.nat(0xffff_ffff),
    mpi: fc.bigInt({ min: 0n, max: 1n << 1600n }),
    data: fc.uint8Array({ maxLength: 64 }),
    ctr: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    mac: fc.uint8Array({ minLength: 20, maxLength: 20 }),
  })
  const all = (from: Reader) => ({
    byte: from.byte(),
    short: from.short(),
    int: from.int(),
    mpi: from.mpi(),
    data: from.data(),
    ctr: from.ctr(),
    mac: from.mac(),
  })
  type Fields = ReturnType<typeof all>
  const encode = (fields: Fields) =>
    concatBytes(
      byte(fields.byte),
      short(fields.short),
      int(fields.int),
      mpi(fields.mpi),
      data(fields.data),
      fields.ctr,
      fields.mac,
    )

  test('all types, up to the end', () => {
    fc.assert(
      fc.property(written, (fields) => {
        const bytes = encode(fields)
        const from = reader(bytes, 'test')
        expect(from.remaining).toBe(bytes.length)
        expect(all(from)).toEqual(fields)
        expect(from.offset).toBe(bytes.length)
        expect(from.remaining).toBe(0)
        expect(() => from.end()).not.toThrow()
      }),
    )
  })

  test('row 2: cut off at every byte', () => {
    fc.assert(
      fc.property(written, (fields) => {
        const bytes = encode(fields)
        for (let length = 0; length < bytes.length; length++)
          expect(() => all(reader(bytes.subarray(0, length), 'test'))).toThrow(malformed)
      }),
      { numRuns: 10 },
    )
  })

  test.each(['7fffffff', '80000000', 'ffffffff', '00000002'])('row 2: a length of %s', (length) => {
    const bytes = hexToBytes(`${length}00`)
    expect(() => reader(bytes, 'test').data()).toThrow(malformed)
    expect(() => reader(bytes, 'test').mpi()).toThrow(malformed)
  })

  test('an INT above 2³¹ is no negative number', () => {
    expect(reader(hexToBytes('ffffffff'), 'test').int()).toBe(0xffff_ffff)
    expect(reader(hexToBytes('80000000'), 'test').int()).toBe(0x8000_0000)
  })

  test('an MPI with leading zeros', () => {
    expect(reader(hexToBytes('00000003000001'), 'test').mpi()).toBe(1n)
    expect(reader(hexToBytes('0000000100'), 'test').mpi()).toBe(0n)
    expect(reader(hexToBytes('00000000'), 'test').mpi()).toBe(0n)
  })

  test('DATA of exactly one length', () => {
    const bytes = data(Uint8Array.of(1, 2))
    expect(reader(bytes, 'test').data(2)).toEqual(Uint8Array.of(1, 2))
    expect(() => reader(bytes, 'test').data(1)).toThrow(malformed)
    expect(() => reader(bytes, 'test').data(3)).toThrow(malformed)
  })

  test('one byte too much', () => {
    const from = reader(Uint8Array.of(1, 2), 'test')
    from.byte()
    expect(() => from.end()).toThrow(malformed)
  })

  test('a copy: what was received may be overwritten', () => {
    const bytes = data(Uint8Array.of(7))
    const read = reader(bytes, 'test').data()
    bytes.fill(0)
    expect(read).toEqual(Uint8Array.of(7))
  })

  test('what was read is not in the message of an error', () => {
    expect(() => reader(hexToBytes('deadbeef'), 'Name').mpi()).toThrow(/^Name: ends within a field$/)
  })
})
