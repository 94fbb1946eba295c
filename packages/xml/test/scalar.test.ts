import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { base64, bool, hex, type Scalar, string, uint } from '../src/index.ts'

describe('XML Schema 2: scalars', () => {
  test.each<[string, Scalar<unknown>, string, unknown]>([
    ['string', string, ' a ', ' a '],
    ['bool', bool, 'true', true],
    ['bool', bool, '1', true],
    ['bool', bool, 'false', false],
    ['bool', bool, '0', false],
    ['uint', uint(255), '0', 0],
    ['uint', uint(255), '255', 255],
    ['uint', uint(255), '007', 7],
    ['uint', uint(2 ** 32 - 1), '4294967295', 4294967295],
    ['uint', uint(Number.MAX_SAFE_INTEGER), '9007199254740991', Number.MAX_SAFE_INTEGER],
    ['hex', hex, '00fF', Uint8Array.of(0, 255)],
    ['hex', hex, '', new Uint8Array()],
  ])('%s reads %o %j', (_, scalar, text, value) => {
    expect(scalar.decode(text)).toEqual(value)
  })

  test.each<[string, Scalar<unknown>, string]>([
    ...['True', 'yes', '', ' 1', '2', 'on'].map((t): [string, Scalar<unknown>, string] => ['bool', bool, t]),
    ...['', ' 1', '1 ', '+1', '-1', '-0', '1.0', '1e2', '0x1', '٣', '256', '1\n', '00000000000000001'].map(
      (t): [string, Scalar<unknown>, string] => ['uint', uint(255), t],
    ),
    ['uint', uint(9, 5), '4'],
    ['uint', uint(9, 5), '10'],
    ['uint', uint(Number.MAX_SAFE_INTEGER), '9007199254740992'],
    ...['0', '0g', '0x', ' 00', '00 '].map((t): [string, Scalar<unknown>, string] => ['hex', hex, t]),
  ])('%s refuses %o %j', (_, scalar, text) => {
    expect(scalar.decode(text)).toBeUndefined()
  })

  test('uint needs bounds that can be kept', () => {
    for (const [max, min] of [
      [2 ** 53, 0],
      [1, 2],
      [1, -1],
      [1.5, 0],
      [Number.NaN, 0],
    ] as const)
      expect(() => uint(max, min)).toThrow(RangeError)
  })
})

describe('RFC 4648: base64', () => {
  // §10
  test.each([
    ['', ''],
    ['f', 'Zg=='],
    ['fo', 'Zm8='],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg=='],
    ['fooba', 'Zm9vYmE='],
    ['foobar', 'Zm9vYmFy'],
  ])('%j', (text, encoded) => {
    const bytes = Uint8Array.from(Buffer.from(text))
    expect(base64().encode(bytes)).toBe(encoded)
    expect(base64().decode(encoded)).toEqual(bytes)
    expect(base64().decode(encoded.replaceAll('=', ''))).toEqual(bytes)
    expect(base64().decode(`\n ${[...encoded].join('\r\n\t ')} `)).toEqual(bytes)
  })

  test.each([
    ['character of base64url', '-_-_'],
    ['character beyond ASCII', 'AAA\u0141'],
    ['no-break space', 'AA\u00a0AA'],
    ['padding inside', 'Zg==Zg=='],
    ['padding only', '='],
    ['padding only', '===='],
    ['too much padding', 'Zg==='],
    ['too little padding', 'Zg='],
    ['padding not needed', 'Zm9v='],
    ['padding not needed', 'Zm9v===='],
    ['one character', 'Z'],
    ['one character too many', 'Zm9vY'],
    ['bits left over', 'Zh=='],
    ['bits left over', 'Zh'],
    ['bits left over', 'Zm9='],
    ['NUL', 'AAA\u0000'],
  ])('%s: %j', (_, encoded) => {
    expect(base64().decode(encoded)).toBeUndefined()
  })

  test('with a length it is that and no other', () => {
    expect(base64(3).decode('AAAA')).toHaveLength(3)
    expect(base64(2).decode('AAAA')).toBeUndefined()
    expect(base64(4).decode('AAAA')).toBeUndefined()
  })

  test('any bytes, as node has it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const encoded = base64().encode(Uint8Array.from(bytes))
        expect(encoded).toBe(Buffer.from(bytes).toString('base64'))
        expect(base64().decode(encoded)).toEqual(bytes)
        expect(hex.decode(hex.encode(Uint8Array.from(bytes)))).toEqual(bytes)
      }),
    )
  })

  test('only one spelling of each value', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9+/]{0,9}={0,3}$/), (text) => {
        const bytes = base64().decode(text)
        if (bytes) expect(base64().encode(bytes).replaceAll('=', '')).toBe(text.replaceAll('=', ''))
      }),
    )
  })

  test('a megabyte', () => {
    const bytes = new Uint8Array(1 << 20).fill(0xa5)
    const decoded = base64().decode(base64().encode(bytes))
    expect(decoded && Buffer.compare(decoded, bytes)).toBe(0)
  })
})
