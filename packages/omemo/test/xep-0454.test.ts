/** Encrypted files behind URLs of their own scheme (XEP-0454). */
import { hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decryptFile,
  encryptFile,
  formatAesgcm,
  MAX_FILE_LENGTH,
  MAX_URL_LENGTH,
  parseAesgcm,
} from '../src/encrypted-file.ts'
import { seeded } from './support.ts'

// §3, example.
const URL = 'https://download.montague.tld/4a771ac1-f0b2-4a4a-9700-f2a26fa2bb67/tr%C3%A8s%20cool.jpg'
const IV = '8c3d050e9386ec173861778f'
const KEY = '68e9af38a97aaf82faa4063b4d0878a61261534410c8a84331eaac851759f587'
const REST = URL.slice('https'.length)
const WRITTEN = `aesgcm${REST}#${IV}${KEY}`
const key = { key: hexToBytes(KEY), iv: hexToBytes(IV) }

test('the example of §3, both ways', () => {
  expect(formatAesgcm(URL, key)).toBe(WRITTEN)
  expect(parseAesgcm(WRITTEN)).toEqual({ url: URL, ...key })
})

test('a file goes there and back, 16 bytes longer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      const file = encryptFile(bytes, seeded('file'))
      expect(file.ciphertext).toHaveLength(bytes.length + 16)
      expect(decryptFile(file.ciphertext, file)).toEqual(Uint8Array.from(bytes))
    }),
  )
})

test('any other byte, key or length is another file', () => {
  const file = encryptFile(utf8ToBytes('a picture'), seeded('file'))
  for (let i = 0; i < file.ciphertext.length; i++) {
    const changed = Uint8Array.from(file.ciphertext)
    changed[i] = (changed[i] as number) ^ 1
    expect(decryptFile(changed, file)).toBeUndefined()
    expect(decryptFile(file.ciphertext.subarray(0, i), file)).toBeUndefined()
  }
  expect(decryptFile(file.ciphertext, { ...file, key: new Uint8Array(32) })).toBeUndefined()
  expect(decryptFile(file.ciphertext, { ...file, iv: new Uint8Array(16) })).toBeUndefined()
})

test('every file has a key of its own', () => {
  const random = seeded('files')
  const [one, two] = [encryptFile(new Uint8Array(1), random), encryptFile(new Uint8Array(1), random)]
  expect(one.key).not.toEqual(two.key)
  expect([one.key.length, one.iv.length]).toEqual([32, 12])
})

test('a file that is too long is refused', () => {
  // A length alone: filling a hundred megabytes says no more.
  const long = { length: MAX_FILE_LENGTH + 1 } as Uint8Array
  expect(() => encryptFile(long, seeded('file'))).toThrow(RangeError)
})

describe('reading is strict', () => {
  test.each([
    ['an IV of 16 bytes, of old clients', `aesgcm${REST}#${'ab'.repeat(4)}${IV}${KEY}`, 16],
    ['digits in capitals', `aesgcm${REST}#${IV.toUpperCase()}${KEY.toUpperCase()}`, 12],
    ['a port and a query', `aesgcm://montague.tld:5281/a?b=c#${IV}${KEY}`, 12],
    ['an address in brackets', `aesgcm://[2001:db8::1]/a#${IV}${KEY}`, 12],
    ['a thumbnail on the second line', `${WRITTEN}\ndata:image/jpeg,/9j/4AAQSkZJRgABAQEBLAEsAAD`, 12],
  ])('%s is one', (_, text, length) => {
    expect(parseAesgcm(text)?.iv).toHaveLength(length)
  })

  test.each([
    ['text before', `look: ${WRITTEN}`],
    ['text after', `${WRITTEN} nice`],
    ['a line after', `${WRITTEN}\n`],
    ['text on the second line', `${WRITTEN}\nlook at this`],
    ['a third line', `${WRITTEN}\ndata:image/jpeg,/9j/\nmore`],
    ['another image', `${WRITTEN}\ndata:image/svg+xml,<svg/>`],
    ['https', `${URL}#${IV}${KEY}`],
    ['no anchor', `aesgcm${REST}`],
    ['a digit too few', WRITTEN.slice(0, -1)],
    ['a digit too many', `${WRITTEN}0`],
    ['a byte too many', `${WRITTEN}00`],
    ['no digit', `${WRITTEN.slice(0, -1)}g`],
    ['no host', `aesgcm:///a#${IV}${KEY}`],
    ['a user, which looks like another host', `aesgcm://montague.tld@evil.example/a#${IV}${KEY}`],
    ['a space', `aesgcm://montague.tld/a b#${IV}${KEY}`],
    ['two anchors', `aesgcm://montague.tld/a#b#${IV}${KEY}`],
    ['nothing', ''],
  ])('%s is none', (_, text) => {
    expect(parseAesgcm(text)).toBeUndefined()
  })

  test('length is limited, at n and n + 1', () => {
    const of = (length: number) => {
      const tail = `#${IV}${KEY}`
      const head = 'aesgcm://montague.tld/'
      return head + 'a'.repeat(length - head.length - tail.length) + tail
    }
    expect(parseAesgcm(of(MAX_URL_LENGTH))).toBeDefined()
    expect(parseAesgcm(of(MAX_URL_LENGTH + 1))).toBeUndefined()
  })

  test('no text throws or takes long', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseAesgcm(`aesgcm://${text}`)))
    expect(parseAesgcm(`aesgcm://${'a.'.repeat(2000)}`)).toBeUndefined()
  })
})

test.each([
  ['http', 'http://montague.tld/a'],
  ['an anchor', 'https://montague.tld/a#b'],
  ['no host', 'https:///a'],
  ['a space', 'https://montague.tld/a b'],
])('no URL is written for %s', (_, url) => {
  expect(() => formatAesgcm(url, key)).toThrow(RangeError)
})

test('keys and IVs of other lengths are refused', () => {
  expect(() => formatAesgcm(URL, { ...key, key: new Uint8Array(16) })).toThrow(RangeError)
  expect(() => formatAesgcm(URL, { ...key, iv: new Uint8Array(13) })).toThrow(RangeError)
  expect(() => decryptFile(new Uint8Array(20), { ...key, iv: new Uint8Array(11) })).toThrow(RangeError)
})
