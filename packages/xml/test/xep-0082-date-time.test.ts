import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dateTime } from '../src/index.ts'

describe('XEP-0082 §3.2: DateTime', () => {
  test.each([
    ['1969-07-21T02:56:15Z', '1969-07-21T02:56:15.000Z'],
    ['1969-07-20T21:56:15-05:00', '1969-07-21T02:56:15.000Z'],
    ['2024-02-29T23:59:59.999Z', '2024-02-29T23:59:59.999Z'],
    ['2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00.000Z'],
    ['2024-01-01T00:00:00-00:00', '2024-01-01T00:00:00.000Z'],
    ['2024-01-01T00:00:00+14:00', '2023-12-31T10:00:00.000Z'],
    ['2024-01-01T00:00:00+05:30', '2023-12-31T18:30:00.000Z'],
    ['2024-01-01T00:00:00.5Z', '2024-01-01T00:00:00.500Z'],
    ['2024-01-01T00:00:00.123456789Z', '2024-01-01T00:00:00.123Z'],
    ['2024-01-01T00:00:00.9999Z', '2024-01-01T00:00:00.999Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    // Profanity's spelling
    ['2024-01-01T00:00:00+0000', '2024-01-01T00:00:00.000Z'],
    ['2024-01-01T00:00:00-0330', '2024-01-01T03:30:00.000Z'],
  ])('%s', (text, iso) => {
    expect(dateTime.decode(text)?.toISOString()).toBe(iso)
  })

  test.each([
    '',
    '2024-01-01',
    '00:00:00Z',
    '2024-01-01T00:00:00',
    '20240101T00:00:00',
    '2024-01-01T00:00Z',
    '2024-01-01 00:00:00Z',
    '2024-01-01t00:00:00z',
    '2024-01-01T00:00:00.Z',
    '2024-01-01T00:00:00,5Z',
    '2024-01-01T00:00:00+1',
    '2024-01-01T00:00:00+15:00',
    '2024-01-01T00:00:00+01:60',
    '2024-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-00-01T00:00:00Z',
    '2024-01-01T24:00:00Z',
    '2024-01-01T00:60:00Z',
    '2024-01-01T00:00:60Z',
    '12024-01-01T00:00:00Z',
    '-0001-01-01T00:00:00Z',
    ' 2024-01-01T00:00:00Z',
    '2024-01-01T00:00:00Z\n',
    '٢٠٢٤-01-01T00:00:00Z',
  ])('not %j', (text) => {
    expect(dateTime.decode(text)).toBeUndefined()
  })

  test('written in UTC, milliseconds only where there are any', () => {
    expect(dateTime.encode(new Date(0))).toBe('1970-01-01T00:00:00Z')
    expect(dateTime.encode(new Date(10))).toBe('1970-01-01T00:00:00.010Z')
    expect(() => dateTime.encode(new Date(Number.NaN))).toThrow(RangeError)
  })

  test('any date from year 0 to 9999', () => {
    const dates = fc.date({ min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    fc.assert(
      fc.property(dates, (date) => {
        expect(dateTime.decode(dateTime.encode(date))).toEqual(date)
      }),
    )
  })
})

test('§3.2: an offset that leaves the years 0000 to 9999 gives no moment that could be written again', () => {
  expect(dateTime.decode('9999-12-31T23:59:59-14:00')).toBeUndefined()
  expect(dateTime.decode('9999-12-31T23:59:59-00:01')).toBeUndefined()
  expect(dateTime.decode('0000-01-01T00:00:00+14:00')).toBeUndefined()
  expect(dateTime.decode('9999-12-31T23:59:59Z')?.toISOString()).toBe('9999-12-31T23:59:59.000Z')
  expect(dateTime.decode('0000-01-01T00:00:00-14:00')?.toISOString()).toBe('0000-01-01T14:00:00.000Z')
})
