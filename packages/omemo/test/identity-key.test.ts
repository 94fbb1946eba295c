/** XEP-0384 §4.2 and §8: one key that agrees and signs, in both namespaces. */
import { ed25519 } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { type Bytes, littleEndian } from '../src/bytes.ts'
import { answer } from '../src/curve.ts'
import { OmemoError } from '../src/error.ts'
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
import { nodeCurve } from './node-curve.ts'
import { attempt, failure, flipped, seeded, versions } from './support.ts'

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
function secretsOfBothSigns(): readonly [readonly Bytes[], readonly Bytes[]] {
  const random = seeded('secrets')
  const found: readonly [Bytes[], Bytes[]] = [[], []]
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
      // Signing is a function of what is restored.
      if (i === 0) expect(sign(restored, message)).toEqual(signature)

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

describe.each([0, 1] as const)('an Ed25519 identity with sign bit %d that another client has used', (bit) => {
  const random = seeded(`shared ${bit}`)
  let seed = random(32)
  while ((ed25519.getPublicKey(seed)[31] as number) >> 7 !== bit) seed = random(32)
  const message = utf8ToBytes('Phone')
  const theirs = { key: ed25519.getPublicKey(seed), signature: ed25519.sign(message, seed) }
  const identity = importEd25519(seed)
  const ours = { key: identity.edwards, signature: sign(identity, message) }

  test('two signatures of one message do not give the secret away', () => {
    const { Fn, BASE } = ed25519.Point
    const challenge = ({ key, signature }: typeof ours): bigint =>
      Fn.create(littleEndian(sha512(concatBytes(signature.subarray(0, 32), key, message))))
    const response = ({ signature }: typeof ours): bigint => littleEndian(signature.subarray(32))
    // S = r + k·a for them and r − k′·a for us, were r the same: then a = (S − S′) / (k + k′).
    const sum = Fn.add(challenge(theirs), challenge(ours))
    const guess = Fn.mul(Fn.sub(response(theirs), response(ours)), Fn.inv(sum))
    expect(guess === 0n ? undefined : BASE.multiply(guess).toBytes()).not.toEqual(theirs.key)
    if (bit === 0) expect(ours).toEqual(theirs)
    else expect(ours.signature.subarray(0, 32)).not.toEqual(theirs.signature.subarray(0, 32))
  })

  test('has its fingerprint, and agrees on the same secrets', () => {
    expect(fingerprint(identity)).toBe(fingerprint(fromEdwards(theirs.key)))
    expect(nodeCurve.publicKey(identity.secret)).toEqual(ed25519.utils.toMontgomery(theirs.key))
  })
})

test('§8: the fingerprint is the Montgomery form in lowercase hex, in both namespaces', () => {
  const identity = generateIdentity(seeded('fingerprint'))
  expect(fingerprint(identity)).toMatch(/^[0-9a-f]{64}$/)
  for (const version of versions) {
    const read = version.readIdentity(version.identityBytes(identity))
    expect(fingerprint(read)).toBe(fingerprint(identity))
    expect(read).toEqual({ edwards: identity.edwards, montgomery: identity.montgomery })
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
        const read = attempt(() => decodeIdentity(damaged))
        if (read instanceof OmemoError) expect(read.code).toMatch(/^state-/)
        else expect(encodeIdentity(read)).toEqual(damaged)
      }
  })
})
