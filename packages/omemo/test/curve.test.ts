/** The guard in front of every backend: RFC 7748 §5 and §6.1, RFC 8032 §5.1.3 and §5.1.7. */
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import {
  answer,
  answerAsync,
  assertEdwards,
  assertMontgomery,
  type Curve,
  type CurveStep,
  nobleCurve,
  publicKeys,
  run,
  runAsync,
  type SyncCurve,
  sharedSecrets,
  verify,
} from '../src/curve.ts'
import { OmemoError } from '../src/error.ts'
import { fromEdwards, fromMontgomery, generateIdentity, sign } from '../src/identity-key.ts'
import { generatePreKeys } from '../src/pre-keys.ts'
import { axolotl } from '../src/protocol.ts'
import { acceptSession, encryptSession, initiateSession } from '../src/session.ts'
import { backends, nodeCurve } from './node-curve.ts'
import { device, failure, seeded, verifiedBundle } from './support.ts'

const P = 2n ** 255n - 19n
const L = 2n ** 252n + 27742317777372353535851937790883648493n

function littleEndian(value: bigint): Bytes {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
}

/** A backend that finds everything good, so that the guard stands alone. */
const credulous: SyncCurve = {
  publicKey: () => new Uint8Array(32).fill(1),
  sharedSecret: () => new Uint8Array(32).fill(1),
  verify: () => true,
}

const guarded = Object.entries({ ...backends, 'the guard alone': credulous })

const secret = seeded('curve')(32)
const identity = generateIdentity(seeded('identity'))
const message = utf8ToBytes('message')
const signature = sign(identity, message)

const agree = (curve: SyncCurve, publicKey: Bytes) => answer(curve, { op: 'sharedSecret', secret, publicKey })
const check = (curve: SyncCurve, publicKey: Bytes, s: Bytes = signature) =>
  answer(curve, { op: 'verify', signature: s, message, publicKey })

/** u of every point whose order divides 8, on the curve and on its twist, below p. */
const smallOrder = [
  0n,
  1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  P - 1n,
]

describe.each(guarded)('an X25519 key, %s', (_name, curve) => {
  test.each([
    ['p − 2', P - 2n, true],
    ['p', P, false],
    ['p + 1', P + 1n, false],
    ['p + 9', P + 9n, false],
    ['2²⁵⁵ − 1', 2n ** 255n - 1n, false],
    ['2²⁵⁵ + 9', 2n ** 255n + 9n, false],
  ])('%s is canonical or refused', (_label, u, accepted) => {
    if (accepted) expect(agree(curve, littleEndian(u))).toHaveLength(32)
    else expect(failure(() => agree(curve, littleEndian(u))).code).toBe('key-invalid')
  })

  test.each([0, 31, 33])('of %d bytes is refused', (length) => {
    expect(failure(() => agree(curve, new Uint8Array(length).fill(9))).code).toBe('key-invalid')
  })

  test.each([0, 31, 33])('a secret of %d bytes is a mistake of the caller', (length) => {
    const wrong = new Uint8Array(length)
    expect(() => answer(curve, { op: 'publicKey', secret: wrong })).toThrow(RangeError)
    const publicKey = littleEndian(9n)
    expect(() => answer(curve, { op: 'sharedSecret', secret: wrong, publicKey })).toThrow(RangeError)
  })
})

describe.each(Object.entries(backends))('RFC 7748 §6.1, %s', (_name, curve) => {
  test.each(smallOrder)('u = %d gives an all-zero secret and is refused', (u) => {
    expect(failure(() => agree(curve, littleEndian(u))).code).toBe('key-invalid')
  })

  test('a u of mixed order gives the secret of its part of prime order', () => {
    const point = ed25519.Point.fromBytes(identity.edwards)
    for (const torsion of ED25519_TORSION_SUBGROUP) {
      const mixed = point.add(ed25519.Point.fromBytes(hexToBytes(torsion)))
      expect(agree(curve, ed25519.utils.toMontgomery(Uint8Array.from(mixed.toBytes())))).toEqual(
        agree(curve, identity.montgomery),
      )
    }
  })
})

test('RFC 7748 §6.1: an all-zero secret is refused whatever the backend says', () => {
  const zero = { ...credulous, sharedSecret: () => new Uint8Array(32) }
  expect(failure(() => agree(zero, identity.montgomery)).code).toBe('key-invalid')
})

test('what a backend throws is its own failure, and no fault of the key', async () => {
  const own = new Error('EVP_PKEY_derive failed')
  const broken: SyncCurve = {
    ...credulous,
    sharedSecret: () => {
      throw own
    },
  }
  expect(() => agree(broken, identity.montgomery)).toThrow(own)
  const request = { op: 'sharedSecret', secret, publicKey: identity.montgomery } as const
  await expect(answerAsync(broken, request)).rejects.toBe(own)
})

describe('a backend that gives something else than it should', () => {
  class View extends Uint8Array {}
  const giving = (value: unknown): SyncCurve => {
    const give = () => value as never
    return { publicKey: give, sharedSecret: give, verify: give }
  }
  const asked = [
    { op: 'publicKey', secret },
    { op: 'sharedSecret', secret, publicKey: identity.montgomery },
    { op: 'verify', signature, message, publicKey: identity.edwards },
  ] as const

  test.each([undefined, null, 1, 'x', new Uint8Array(31), new Uint8Array(33), [1]])('%o', async (value) => {
    for (const request of asked) {
      expect(() => answer(giving(value), request)).toThrow(TypeError)
      await expect(answerAsync(giving(value), request)).rejects.toBeInstanceOf(TypeError)
    }
  })

  test('bytes where a boolean belongs, and the other way round', () => {
    const [makes, agrees, verifies] = asked
    for (const request of [makes, agrees]) expect(() => answer(giving(true), request)).toThrow(TypeError)
    expect(() => answer(giving(new Uint8Array(32)), verifies)).toThrow(TypeError)
  })

  test('what it gives is copied: a view of its memory may change, a class of its own may do anything', () => {
    const memory = new View(32).fill(7)
    for (const request of asked.slice(0, 2)) {
      const given = answer(giving(memory), request)
      expect(Object.getPrototypeOf(given)).toBe(Uint8Array.prototype)
      memory.fill(8)
      expect(given).toEqual(new Uint8Array(32).fill(7))
      memory.fill(7)
    }
  })
})

describe.each(guarded)('an Ed25519 key, %s', (_name, curve) => {
  test.each(ED25519_TORSION_SUBGROUP)('of small order is refused: %s', (hex) => {
    expect(failure(() => check(curve, hexToBytes(hex))).code).toBe('key-invalid')
  })

  test.each(ED25519_TORSION_SUBGROUP.slice(1))('of mixed order is refused: P + %s', (hex) => {
    const point = ed25519.Point.fromBytes(identity.edwards)
    const mixed = point.add(ed25519.Point.fromBytes(hexToBytes(hex))).toBytes()
    expect(failure(() => check(curve, Uint8Array.from(mixed))).code).toBe('key-invalid')
  })

  test.each([
    ['p − 1, of order 2', P - 1n],
    ['p', P],
    ['p + 1', P + 1n],
    ['2²⁵⁵ − 1', 2n ** 255n - 1n],
    ['1 with sign bit 1', 2n ** 255n + 1n],
    ['2, on no point', 2n],
  ])('y = %s is refused', (_label, y) => {
    expect(failure(() => check(curve, littleEndian(y))).code).toBe('key-invalid')
  })

  test.each([0, 31, 33])('of %d bytes is refused', (length) => {
    expect(failure(() => check(curve, new Uint8Array(length).fill(9))).code).toBe('key-invalid')
  })
})

describe.each(guarded)('RFC 8032 §5.1.7: S < L, %s', (_name, curve) => {
  const withS = (s: bigint) => Uint8Array.of(...signature.subarray(0, 32), ...littleEndian(s))
  const S = BigInt(`0x${bytesToHex(signature.slice(32).reverse())}`)

  test('S as signed is good', () => {
    expect(check(curve, identity.edwards, withS(S))).toBe(true)
  })

  test.each([
    ['S + L', S + L],
    ['L', L],
    ['L + 1', L + 1n],
    ['2²⁵⁶ − 1', 2n ** 256n - 1n],
  ])('%s is bad', (_label, s) => {
    expect(check(curve, identity.edwards, withS(s))).toBe(false)
  })

  test.each([0, 63, 65])('a signature of %d bytes is bad', (length) => {
    expect(check(curve, identity.edwards, new Uint8Array(length))).toBe(false)
  })
})

test('S = L − 1 reaches the backend', () => {
  const s = Uint8Array.of(...signature.subarray(0, 32), ...littleEndian(L - 1n))
  expect(check(credulous, identity.edwards, s)).toBe(true)
  for (const curve of Object.values(backends)) expect(check(curve, identity.edwards, s)).toBe(false)
})

test('an identity key is of prime order in either form', () => {
  for (const u of smallOrder)
    expect(failure(() => fromMontgomery(littleEndian(u), 'place')).code, String(u)).toBe('key-invalid')
  for (const hex of ED25519_TORSION_SUBGROUP)
    expect(failure(() => fromEdwards(hexToBytes(hex), 'place'))).toMatchObject({
      code: 'key-invalid',
      path: 'place',
    })
  for (const u of smallOrder)
    expect(failure(() => assertMontgomery(littleEndian(u))).code).toBe('key-invalid')
  const twist = littleEndian(2n)
  expect(() => assertMontgomery(twist)).not.toThrow()
  expect(failure(() => fromMontgomery(twist, 'place'))).toMatchObject({ code: 'key-invalid', path: 'place' })
  expect(() => assertEdwards(identity.edwards)).not.toThrow()
})

describe('running a step', () => {
  /** Answers after as many turns of the queue as it was asked before, so that answers overtake each other. */
  function dawdling(): { readonly curve: Curve; readonly widest: () => number } {
    let [asked, pending, widest] = [0, 0, 0]
    const later = async <T>(value: T): Promise<T> => {
      pending++
      widest = Math.max(widest, pending)
      for (let turn = 7 - (asked++ % 7); turn > 0; turn--) await Promise.resolve()
      pending--
      return value
    }
    return {
      curve: {
        publicKey: (s) => later(nodeCurve.publicKey(s)),
        sharedSecret: (s, p) => later(nodeCurve.sharedSecret(s, p)),
        verify: (s, m, p) => later(nodeCurve.verify(s, m, p)),
      },
      widest: () => widest,
    }
  }

  const alice = device('alice', 1)
  const bob = device('bob', 2)

  function* conversation(): CurveStep<unknown> {
    const random = seeded('conversation')
    const bundle = verifiedBundle(axolotl, bob)
    const first = yield* initiateSession(axolotl, alice.self, bundle, 1, random)
    const { session, message: sent } = yield* encryptSession(alice.self, first, message, random)
    const exchange = axolotl.wire.decodeKeyExchange(sent.data)
    const accepted = yield* acceptSession(axolotl, bob.self, bob.preKeys, exchange, 1)
    return { session, sent, accepted, keys: yield* generatePreKeys(9, random) }
  }

  test('runAsync gives what run gives, in whatever order answers come', async () => {
    const { curve, widest } = dawdling()
    const expected = run(conversation(), nodeCurve)
    expect(await runAsync(conversation(), curve)).toEqual(expected)
    expect(run(conversation(), nobleCurve)).toEqual(expected)
    expect(widest(), 'requests of one yield run at the same time').toBe(10)
  })

  function* careful(): CurveStep<string> {
    const caught: unknown[] = []
    try {
      yield* sharedSecrets([[secret, littleEndian(0n)]])
    } catch (error) {
      caught.push(error instanceof OmemoError && error.code)
    }
    try {
      yield* publicKeys([new Uint8Array(31)])
    } catch (error) {
      caught.push(error instanceof RangeError)
    }
    const good = yield* verify(signature, message, identity.edwards)
    return [...caught, good].join()
  }

  test('a refusal is thrown into the step, which goes on', async () => {
    expect(run(careful(), nodeCurve)).toBe('key-invalid,true,true')
    expect(await runAsync(careful(), dawdling().curve)).toBe('key-invalid,true,true')
  })

  test('a refusal that the step does not catch ends it', async () => {
    let ended = 0
    function* careless(): CurveStep<unknown> {
      try {
        return yield* sharedSecrets([[secret, littleEndian(0n)]])
      } finally {
        ended++
      }
    }
    expect(failure(() => run(careless(), nodeCurve)).code).toBe('key-invalid')
    await expect(runAsync(careless(), dawdling().curve)).rejects.toMatchObject({ code: 'key-invalid' })
    expect(ended).toBe(2)
  })
})
