/** XEP-0384 §4.1 and §Security: one key that agrees and signs, in both namespaces. */
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { answer } from '../src/curve.ts'
import {
  decodeIdentity,
  encodeIdentity,
  fingerprint,
  fromEdwards,
  fromMontgomery,
  generateIdentity,
  importCurve25519,
  importEd25519,
  sign,
  toEdwards,
} from '../src/identity-key.ts'
import { nodeCurve } from './model/node-curve.ts'
import { failure, flipped, seeded, versions } from './support.ts'

const IMPORTS_PER_SIGN = 200

/** The sign bit of secret·B, which importing makes 0. */
function originalSign(secret: Uint8Array): 0 | 1 {
  const clamped = Uint8Array.from(secret)
  clamped[0] = (clamped[0] as number) & 0xf8
  clamped[31] = ((clamped[31] as number) & 0x7f) | 0x40
  const scalar = BigInt(`0x${bytesToHex(clamped.reverse())}`) % ed25519.Point.Fn.ORDER
  return (ed25519.Point.BASE.multiply(scalar).toBytes()[31] as number) >> 7 === 1 ? 1 : 0
}

/** As many of each sign, by sign. */
function secretsOfBothSigns(): readonly [readonly Uint8Array[], readonly Uint8Array[]] {
  const random = seeded('secrets')
  const found: readonly [Uint8Array[], Uint8Array[]] = [[], []]
  while (found.some((secrets) => secrets.length < IMPORTS_PER_SIGN)) {
    const secret = random(32)
    found[originalSign(secret)].push(secret)
  }
  return found
}

const secrets = secretsOfBothSigns()

describe.each([0, 1] as const)(`${IMPORTS_PER_SIGN} imported secrets whose point has sign bit %d`, (bit) => {
  test('keep their fingerprint and sign for both namespaces', () => {
    for (const [i, secret] of secrets[bit].slice(0, IMPORTS_PER_SIGN).entries()) {
      const identity = importCurve25519(secret)
      const message = utf8ToBytes(`message ${i}`)
      const signature = sign(identity, message)
      expect(fingerprint(identity)).toBe(bytesToHex(nodeCurve.publicKey(secret)))
      expect((identity.edwards[31] as number) >> 7).toBe(0)
      const restored = decodeIdentity(encodeIdentity(identity))
      expect(restored).toEqual(identity)
      expect(sign(restored, message)).toEqual(signature)

      // Both namespaces come to one key and one signature, which need checking once.
      const [old, current] = versions.map((version) => version.verification(identity, signature))
      expect(old).toEqual(current)
      expect(old).toEqual({ publicKey: identity.edwards, signature })
      expect(answer(nodeCurve, { op: 'verify', message, signature, publicKey: identity.edwards })).toBe(true)
    }
  })
})

test('a new identity has sign bit 0, whatever is drawn', () => {
  const random = seeded('new')
  for (let i = 0; i < 50; i++) expect((generateIdentity(random).edwards[31] as number) >> 7).toBe(0)
})

test('a seed whose key has sign bit 1 is drawn again, and imported as its negative', () => {
  const drawn: Uint8Array[] = []
  const random = seeded('draws')
  while (drawn.length < 2) {
    const identity = generateIdentity((length) => {
      drawn.push(random(length))
      return drawn.at(-1) as Uint8Array
    })
    if (drawn.length === 1) drawn.length = 0
    else expect(identity).toEqual(importEd25519(drawn.at(-1) as Uint8Array))
  }
  const refused = drawn[0] as Uint8Array
  const [theirs, ours] = [ed25519.getPublicKey(refused), importEd25519(refused)]
  expect((theirs[31] as number) >> 7).toBe(1)
  expect(ours.edwards).toEqual(flipped(theirs, 31, 7))
  expect(fingerprint(ours)).toBe(fingerprint(fromEdwards(theirs)))
})

test('§Security: the fingerprint is the Montgomery form in lowercase hex, in both namespaces', () => {
  const identity = generateIdentity(seeded('fingerprint'))
  expect(fingerprint(identity)).toMatch(/^[0-9a-f]{64}$/)
  for (const version of versions) {
    const read = version.readIdentity(version.identityBytes(identity))
    expect(fingerprint(read)).toBe(fingerprint(identity))
    const published = version.readBundleIdentity(version.bundleIdentityBytes(identity), 'bundle')
    expect(published).toEqual({ edwards: identity.edwards, montgomery: identity.montgomery })
  }
})

test('a key received with sign bit 1 is kept as it came', () => {
  const { edwards, montgomery } = generateIdentity(seeded('sign'))
  const negative = flipped(edwards, 31, 7)
  expect(fromEdwards(negative)).toEqual({ edwards: negative, montgomery })
  expect(toEdwards(montgomery, 1)).toEqual(negative)
  expect(fromMontgomery(montgomery)).toEqual({ edwards, montgomery })
})

test('u = −1 has no Ed25519 form', () => {
  const minusOne = Uint8Array.of(0xec, ...new Uint8Array(30).fill(0xff), 0x7f)
  expect(failure(() => toEdwards(minusOne, 0)).code).toBe('key-invalid')
  expect(failure(() => fromMontgomery(minusOne)).code).toBe('key-invalid')
})

test.each([importCurve25519, importEd25519])('$name takes 32 bytes', (take) => {
  expect(() => take(new Uint8Array(31))).toThrow(RangeError)
  expect(() => take(new Uint8Array(33))).toThrow(RangeError)
})

describe('at rest', () => {
  const identity = generateIdentity(seeded('rest'))
  const stored = encodeIdentity(identity)

  test('65 bytes, read back', () => {
    expect(stored.length).toBe(65)
    expect(decodeIdentity(stored)).toEqual(identity)
  })

  test('malformed at every truncation, and with a byte more', () => {
    for (let length = 0; length < stored.length; length++)
      expect(failure(() => decodeIdentity(stored.subarray(0, length))).code).toBe('state-malformed')
    expect(failure(() => decodeIdentity(Uint8Array.of(...stored, 0))).code).toBe('state-malformed')
  })

  test('version 0 is none, a newer version is not known', () => {
    expect(failure(() => decodeIdentity(Uint8Array.of(0, ...stored.subarray(1)))).code).toBe(
      'state-malformed',
    )
    for (const version of [2, 255])
      expect(failure(() => decodeIdentity(Uint8Array.of(version))).code).toBe('state-version-unknown')
  })

  test('a bit flipped anywhere gives an error, or another identity that is written as it was read', () => {
    for (let offset = 0; offset < stored.length; offset++)
      for (let bit = 0; bit < 8; bit++) {
        const damaged = flipped(stored, offset, bit)
        const read = tried(() => decodeIdentity(damaged))
        if (read !== undefined) expect(encodeIdentity(read)).toEqual(damaged)
      }
  })

  function tried<T>(f: () => T): T | undefined {
    try {
      return f()
    } catch (error) {
      expect(
        failure(() => {
          throw error
        }).code,
      ).toMatch(/^state-/)
      return undefined
    }
  }
})
