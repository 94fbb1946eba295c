import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  axolotlPayload,
  decodeKeyTransport,
  encodeKeyTransport,
  MAX_PAYLOAD_LENGTH,
  type OpenablePayload,
  omemo2Payload,
  payloadCiphers,
} from '../src/payload.ts'
import { decodeBody, encodeBody } from '../src/payload-body.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/protocol.ts'
import { failure, flipped } from './support.ts'
import vectors from './vectors/payload.json' with { type: 'json' }

const namespaces = [AXOLOTL, OMEMO_2] as const

interface Case {
  readonly name: string
  readonly namespace: string
  readonly keyMaterial: string
  readonly payload: string
  readonly iv?: string
  readonly plaintext?: string
  readonly error?: string
  readonly path?: string
}

const cases: readonly Case[] = vectors.cases

function sealedOf(row: Case): OpenablePayload {
  return {
    payload: hexToBytes(row.payload),
    keyMaterial: hexToBytes(row.keyMaterial),
    iv: row.iv === undefined ? undefined : hexToBytes(row.iv),
  }
}

/** Gives the bytes prepared, in order; refuses to give others. */
function scripted(...parts: readonly Uint8Array[]): (length: number) => Uint8Array {
  const left = [...parts]
  return (length) => {
    const part = left.shift()
    expect(part?.length).toBe(length)
    return part ?? new Uint8Array()
  }
}

describe('XEP-0384 §4.4 and §4.5, 0.3.0 §4.5: payload', () => {
  test.each(cases.filter((row) => row.plaintext !== undefined))('$namespace opens: $name', (row) => {
    const cipher = payloadCiphers[row.namespace as Namespace]
    const sealed = sealedOf(row)
    expect(cipher.classify({ hasPayload: true, keyMaterial: sealed.keyMaterial })).toBe('message')
    expect(bytesToHex(cipher.open(sealed))).toBe(row.plaintext)
  })

  test.each(cases.filter((row) => row.error !== undefined))('$namespace refuses: $name', (row) => {
    const error = failure(() => payloadCiphers[row.namespace as Namespace].open(sealedOf(row)))
    expect([error.code, error.path]).toEqual([row.error, row.path])
  })

  // The other direction: the same random bytes give the same ciphertext.
  test.each(cases.filter((row) => row.plaintext !== undefined && row.iv?.length !== 32))(
    '$namespace seals: $name',
    (row) => {
      const keyMaterial = hexToBytes(row.keyMaterial)
      const random =
        row.iv === undefined
          ? scripted(keyMaterial.subarray(0, 32))
          : scripted(keyMaterial.subarray(0, 16), hexToBytes(row.iv))
      const sealed = payloadCiphers[row.namespace as Namespace].seal(hexToBytes(row.plaintext ?? ''), random)
      expect(bytesToHex(sealed.payload)).toBe(row.payload)
      expect(bytesToHex(sealed.keyMaterial)).toBe(row.keyMaterial)
      expect(sealed.iv && bytesToHex(sealed.iv)).toBe(row.iv)
    },
  )

  test.each(namespaces)('%s: one bit flipped at any place is noticed', (namespace) => {
    const cipher = payloadCiphers[namespace]
    const sealed = cipher.seal(encodeBody('Wherefore art thou Romeo?'))
    for (const part of ['payload', 'keyMaterial', 'iv'] as const) {
      const good = sealed[part]
      for (let bit = 0; good !== undefined && bit < 8 * good.length; bit++) {
        const bad = flipped(good, bit >> 3, bit & 7)
        const error = failure(() => cipher.open({ ...sealed, [part]: bad }))
        expect(error.code).toBe('payload-authentication-failed')
      }
    }
  })

  test.each(namespaces)('%s: HMAC, tag, padding and length fail with the same words', (namespace) => {
    const messages = cases
      .filter((row) => row.namespace === namespace && row.error === 'payload-authentication-failed')
      .map((row) => failure(() => payloadCiphers[namespace].open(sealedOf(row))).message)
    expect(messages.length).toBeGreaterThan(2)
    expect(new Set(messages).size).toBe(1)
  })

  test.each(namespaces)('%s: what is sealed opens again', (namespace) => {
    const cipher = payloadCiphers[namespace]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (plaintext) => {
        expect(cipher.open(cipher.seal(plaintext))).toEqual(plaintext)
      }),
    )
  })

  test.each(namespaces)('%s: any bytes open or give an OmemoError', (namespace) => {
    const bytes = fc.uint8Array({ maxLength: 64 })
    fc.assert(
      fc.property(bytes, bytes, fc.option(bytes, { nil: undefined }), (payload, keyMaterial, iv) => {
        expect(['message-malformed', 'payload-authentication-failed']).toContain(
          failure(() => payloadCiphers[namespace].open({ payload, keyMaterial, iv })).code,
        )
      }),
    )
  })

  test.each(namespaces)('%s: every message has its own key and IV', (namespace) => {
    const seen = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const { keyMaterial, iv } = payloadCiphers[namespace].seal(new Uint8Array(4))
      seen.add(bytesToHex(keyMaterial.slice(0, 16)))
      if (iv) seen.add(bytesToHex(iv))
    }
    expect(seen.size).toBe(namespace === AXOLOTL ? 40 : 20)
  })

  test.each([
    [AXOLOTL, MAX_PAYLOAD_LENGTH],
    [OMEMO_2, MAX_PAYLOAD_LENGTH - 1],
  ] as const)('%s: a plaintext of at most %i bytes', (namespace, max) => {
    const cipher = payloadCiphers[namespace]
    const sealed = cipher.seal(new Uint8Array(max))
    expect(sealed.payload.length).toBe(MAX_PAYLOAD_LENGTH)
    expect(cipher.open(sealed).length).toBe(max)
    expect(() => cipher.seal(new Uint8Array(max + 1))).toThrow(RangeError)
    const error = failure(() => cipher.open({ ...sealed, payload: new Uint8Array(MAX_PAYLOAD_LENGTH + 1) }))
    expect([error.code, error.path]).toEqual(['message-malformed', 'encrypted/payload'])
  })
})

describe('XEP-0384 §5.5.3 and 0.3.0 §4.6: without a payload', () => {
  test('omemo:2: 32 zero bytes', () => {
    expect(omemo2Payload.empty()).toEqual({ keyMaterial: new Uint8Array(32) })
  })

  test('0.3: a key with the tag of nothing', () => {
    const { keyMaterial, iv } = axolotlPayload.empty()
    expect([keyMaterial.length, iv?.length]).toEqual([32, 12])
    expect(axolotlPayload.open({ payload: new Uint8Array(), keyMaterial, iv })).toEqual(new Uint8Array())
  })

  test.each([
    [AXOLOTL, true, 32, 'message'],
    [AXOLOTL, false, 32, 'key-transport'],
    [AXOLOTL, false, 16, 'key-transport'],
    [AXOLOTL, true, 16, undefined],
    [AXOLOTL, true, 48, undefined],
    [AXOLOTL, false, 0, undefined],
    [AXOLOTL, false, 17, undefined],
    [AXOLOTL, false, 33, undefined],
    [OMEMO_2, true, 48, 'message'],
    [OMEMO_2, true, 32, undefined],
    [OMEMO_2, true, 47, undefined],
    [OMEMO_2, true, 49, undefined],
    [OMEMO_2, false, 32, 'empty'],
    [OMEMO_2, false, 48, undefined],
    [OMEMO_2, false, 47, 'empty'],
    [OMEMO_2, false, 49, 'empty'],
    [OMEMO_2, false, 0, 'empty'],
  ] as const)('%s, payload %s, key material of %i bytes: %s', (namespace, hasPayload, length, purpose) => {
    const classify = () =>
      payloadCiphers[namespace].classify({ hasPayload, keyMaterial: new Uint8Array(length) })
    if (purpose) expect(classify()).toBe(purpose)
    else expect(failure(classify).code).toBe('message-malformed')
  })

  test('omemo:2: a message whose payload was taken away is no empty message', () => {
    const { keyMaterial } = omemo2Payload.seal(encodeBody('Wherefore art thou Romeo?'))
    const error = failure(() => omemo2Payload.classify({ hasPayload: false, keyMaterial }))
    expect([error.code, error.path]).toEqual(['message-malformed', 'encrypted/payload'])
  })

  test.each([12, 16])('a key is transported with an IV of %i bytes', (length) => {
    const key = Uint8Array.from({ length: 16 }, (_, i) => i)
    const sent = encodeKeyTransport(key, new Uint8Array(length).fill(7))
    expect(axolotlPayload.classify({ hasPayload: false, keyMaterial: sent.keyMaterial })).toBe(
      'key-transport',
    )
    expect(decodeKeyTransport(sent)).toEqual({ key, iv: new Uint8Array(length).fill(7) })
    const withTag = Uint8Array.from([...key, ...new Uint8Array(16)])
    expect(decodeKeyTransport({ ...sent, keyMaterial: withTag }).key).toEqual(key)
  })

  test.each([11, 13, 15, 17])('nor sent nor received with an IV of %i bytes', (length) => {
    expect(() => encodeKeyTransport(new Uint8Array(16), new Uint8Array(length))).toThrow(RangeError)
    const received = { keyMaterial: new Uint8Array(16), iv: new Uint8Array(length) }
    expect(failure(() => decodeKeyTransport(received)).path).toBe('encrypted/header/iv')
  })

  test('nor with a key of another length or without an IV', () => {
    expect(() => encodeKeyTransport(new Uint8Array(32), new Uint8Array(12))).toThrow(RangeError)
    expect(failure(() => decodeKeyTransport({ keyMaterial: new Uint8Array(17) })).path).toBe(
      'encrypted/header/key',
    )
    expect(failure(() => decodeKeyTransport({ keyMaterial: new Uint8Array(16) })).path).toBe(
      'encrypted/header/iv',
    )
  })
})

describe('XEP-0384 0.3.0 §4.5: the body is UTF-8', () => {
  test('any text survives', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('\0', 'a', 'é', '✓', '\ufeff', '\ufffd', '👋') }),
        (body) => {
          expect(decodeBody(encodeBody(body))).toBe(body)
        },
      ),
    )
    for (const body of ['', '\uFEFF', '\uFEFF\uFEFFx', '\uFFFD', 'one: key exchange ✓', '\u{1F44B}\u0000'])
      expect(decodeBody(encodeBody(body))).toBe(body)
  })

  test.each(['ff', 'c080', 'e0809f', 'eda080', 'f4908080', 'e282', '80', '41ff'])('not UTF-8: %s', (hex) => {
    expect(failure(() => decodeBody(hexToBytes(hex))).code).toBe('message-malformed')
  })

  test('a lone surrogate is not text', () => {
    expect(() => encodeBody('a\uD800')).toThrow(RangeError)
    expect(() => encodeBody('\uDC00')).toThrow(RangeError)
  })
})
