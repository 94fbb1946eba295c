/** Records of keys: read as they were written, and refused when they were not. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ContactRecord, decodeContact, encodeContact } from '../src/key/contact-record.ts'
import { decodeSelf, encodeSelf, type Self } from '../src/key/self.ts'
import { utf8, utf8Text } from '../src/utf8.ts'

const fingerprint = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 40, maxLength: 40 })
const date = fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
const absent = { requiredKeys: [] as [] }

const contact: fc.Arbitrary<ContactRecord> = fc
  .tuple(
    fc.record(
      {
        readAt: date,
        freshUntil: date,
        problem: fc.constantFrom('keys-missing', 'keys-unavailable', 'keys-forbidden', 'key-list-malformed'),
      },
      absent,
    ),
    fc.array(
      fc
        .tuple(
          fc.record({ fingerprint, listed: fc.boolean() }),
          fc.record(
            {
              date,
              problem: fc.constantFrom('certificate-missing', 'user-id-missing', 'keys-too-many'),
              state: fc.constantFrom('expired', 'revoked', 'revoked-hard'),
            },
            absent,
          ),
        )
        .map(([required, optional]) => ({ ...required, ...optional })),
    ),
  )
  .map(([head, keys]) => ({ ...head, keys }))

const self: fc.Arbitrary<Self> = fc.record({
  signing: fc.option(fingerprint, { nil: undefined }),
  announced: fc.array(fingerprint),
  backedUp: fc.array(fingerprint),
})

test('what is known of a contact is read as it was written', () => {
  fc.assert(
    fc.property(contact, (record) => {
      expect(decodeContact(encodeContact(record))).toEqual(record)
    }),
  )
  expect(decodeContact(undefined)).toEqual({ keys: [] })
})

test('what is remembered of own keys is read as it was written', () => {
  fc.assert(
    fc.property(self, (record) => {
      expect(decodeSelf(encodeSelf(record))).toEqual(record)
    }),
  )
})

test.each([
  ['a contact', encodeContact({ keys: [{ fingerprint: 'a'.repeat(40), listed: true }] }), decodeContact],
  ['own keys', encodeSelf({ signing: 'a'.repeat(40), announced: [], backedUp: [] }), decodeSelf],
] as const)(
  'a record of %s that was cut off, changed, or written by a later version is refused',
  (_, bytes, decode) => {
    for (let length = 0; length < bytes.length; length++)
      expect(() => decode(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'state-malformed' }),
      )
    const text = utf8Text(bytes) ?? ''
    expect(() => decode(utf8(text.replace('aaa', 'AAA')))).toThrow(
      expect.objectContaining({ code: 'state-malformed' }),
    )
    expect(() => decode(utf8(text.replaceAll('ox:1', 'ox:2')))).toThrow(
      expect.objectContaining({ code: 'state-version-unknown' }),
    )
  },
)
