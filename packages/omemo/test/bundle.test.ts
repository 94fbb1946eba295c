/** XEP-0384 §4.2 and §5.3.2: bundles are signed, verified, and refused. */
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { pickPreKey, publishedBundle, verifyBundle } from '../src/bundle.ts'
import type { Bytes } from '../src/bytes.ts'
import { run } from '../src/curve.ts'
import { fromEdwards, importEd25519, sign } from '../src/identity-key.ts'
import { axolotl, omemo2, type Protocol } from '../src/protocol.ts'
import { initiateSession } from '../src/session.ts'
import type { Bundle } from '../src/stanza/bundle.ts'
import { bundles } from '../src/stanza/bundle.ts'
import { backends, nodeCurve } from './node-curve.ts'
import { device, failure, flipped, received, seeded, sent, versions } from './support.ts'

const owner = device('owner', 1)

const check = (protocol: Protocol, bundle: Bundle) => run(verifyBundle(protocol, bundle), nodeCurve)

/** A bundle as another client signs it: over `signed`, with the top bit of the signature set if asked. */
function signedBy(
  protocol: Protocol,
  seed: Uint8Array,
  options: { readonly signed?: Uint8Array; readonly topBit?: boolean } = {},
): Bundle {
  const bundle = publishedBundle(protocol, owner.self.identity, owner.preKeys)
  const identity = fromEdwards(ed25519.getPublicKey(seed))
  const signed = options.signed ?? protocol.signedBytes(bundle.signedPreKey.publicKey)
  const signature = ed25519.sign(signed, seed)
  return {
    ...bundle,
    identityKey: protocol.identityBytes(identity),
    signedPreKey: {
      ...bundle.signedPreKey,
      signature: Uint8Array.from(options.topBit === true ? flipped(signature, 63, 7) : signature),
    },
  }
}

/** The u of every point whose order divides 8, on the curve and on its twist. */
const smallOrder: readonly Bytes[] = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
].map((hex) => hexToBytes(hex))

/** A seed whose Ed25519 key has the sign bit. */
function seedWithSign(sign: 0 | 1): Bytes {
  const random = seeded(`sign ${sign}`)
  for (;;) {
    const seed = random(32)
    if ((ed25519.getPublicKey(seed)[31] as number) >> 7 === sign) return seed
  }
}

describe.each(versions)('$namespace', (protocol) => {
  const bundle = publishedBundle(protocol, owner.self.identity, owner.preKeys)

  test.each(Object.entries(backends))('what is published verifies, %s', (_name, curve) => {
    const verified = run(verifyBundle(protocol, bundle), curve)
    const { id, publicKey } = bundle.signedPreKey
    expect(verified).toEqual({
      identityKey: { montgomery: owner.self.identity.montgomery, edwards: owner.self.identity.edwards },
      signedPreKey: { id, publicKey },
      preKeys: owner.preKeys.oneTime.map(({ id, publicKey }) => ({ id, publicKey })),
    })
  })

  test('survives its element', () => {
    const { encode, decode } = bundles[protocol.namespace]
    expect(decode(encode(bundle))).toEqual(bundle)
  })

  test('the same keys give the same bundle', () => {
    expect(publishedBundle(protocol, owner.self.identity, owner.preKeys)).toEqual(bundle)
  })

  test('a signature with any bit changed', () => {
    const { signature } = bundle.signedPreKey
    for (let at = 0; at < signature.length; at++) {
      const signedPreKey = {
        ...bundle.signedPreKey,
        signature: Uint8Array.from(flipped(signature, at, at % 8)),
      }
      expect(failure(() => check(protocol, { ...bundle, signedPreKey })).code).toBe(
        'bundle-signature-invalid',
      )
    }
  })

  test.each([0, 63, 65])('a signature of %d bytes', (length) => {
    const signedPreKey = { ...bundle.signedPreKey, signature: new Uint8Array(length) }
    expect(failure(() => check(protocol, { ...bundle, signedPreKey })).code).toBe('bundle-signature-invalid')
  })

  test('a signed prekey, or an identity, put in place of the right one', () => {
    const other = publishedBundle(protocol, device('other', 2).self.identity, device('other', 2).preKeys)
    const { signature } = bundle.signedPreKey
    for (const mixed of [
      { ...bundle, signedPreKey: { ...other.signedPreKey, signature } },
      { ...bundle, identityKey: other.identityKey },
    ])
      expect(failure(() => check(protocol, mixed)).code).toBe('bundle-signature-invalid')
  })

  test('the signature of the other namespace', () => {
    const other = protocol === axolotl ? omemo2 : axolotl
    const { signature } = publishedBundle(other, owner.self.identity, owner.preKeys).signedPreKey
    const mixed = { ...bundle, signedPreKey: { ...bundle.signedPreKey, signature } }
    expect(failure(() => check(protocol, mixed)).code).toBe('bundle-signature-invalid')
  })

  test('prekeys that are broken are left out, one by one', () => {
    const [first, ...rest] = bundle.preKeys as [Bundle['preKeys'][number], ...Bundle['preKeys']]
    const broken = [
      { id: 50, publicKey: Uint8Array.from(first.publicKey, () => 0xff) },
      { id: 51, publicKey: first.publicKey.slice(1) },
      { id: 52, publicKey: concatBytes(first.publicKey, Uint8Array.of(0)) },
      { id: 53, publicKey: new Uint8Array() },
      ...smallOrder.map((publicKey, i) => ({ id: 60 + i, publicKey })),
    ]
    const verified = check(protocol, { ...bundle, preKeys: [...broken, first, ...rest] })
    expect(verified.preKeys.map(({ id }) => id)).toEqual([1, 2, 3, 4])
    for (const preKeys of [broken, broken.slice(-1), []])
      expect(failure(() => check(protocol, { ...bundle, preKeys })).code).toBe('bundle-without-pre-keys')
  })

  test('row 28: an identity key of small order', () => {
    for (const montgomery of [0, 1].map((u) => Uint8Array.of(u, ...new Uint8Array(31)))) {
      const identityKey = protocol.identityBytes({ montgomery, edwards: montgomery })
      expect(failure(() => check(protocol, { ...bundle, identityKey }))).toMatchObject({
        code: 'key-invalid',
        path: 'bundle/identity key',
      })
    }
  })

  const unacceptable: readonly (readonly [name: string, publicKey: Bytes])[] = [
    ['that is not canonical', new Uint8Array(32).fill(0xff)],
    ...smallOrder.map((u) => [`of small order, ${bytesToHex(u)}`, u] as const),
  ]

  test.each(unacceptable)('a signed prekey %s', (_name, publicKey) => {
    const signature = sign(owner.self.identity, protocol.signedBytes(publicKey))
    const forged = { ...bundle, signedPreKey: { id: 1, publicKey, signature } }
    expect(failure(() => check(protocol, forged))).toMatchObject({
      code: 'key-invalid',
      path: 'bundle/signed prekey',
    })
  })

  test('keys of a wrong length have a place', () => {
    const short = { ...bundle, identityKey: bundle.identityKey.slice(1) }
    expect(failure(() => check(protocol, short)).path).toBe('bundle/identity key')
    const signedPreKey = { ...bundle.signedPreKey, publicKey: bundle.signedPreKey.publicKey.slice(1) }
    expect(failure(() => check(protocol, { ...bundle, signedPreKey })).path).toBe('bundle/signed prekey')
    expect(failure(() => check(protocol, short)).code).toBe('key-invalid')
  })
})

describe('0.3: the sign of the signer’s Ed25519 key is the top bit of the signature', () => {
  test.each([
    [0, false, true],
    [0, true, false],
    [1, true, true],
    [1, false, false],
  ] as const)('sign %d, top bit set: %s → good: %s', (signBit, topBit, good) => {
    const bundle = signedBy(axolotl, seedWithSign(signBit), { topBit })
    if (good) expect(check(axolotl, bundle).preKeys.length).toBe(4)
    else expect(failure(() => check(axolotl, bundle)).code).toBe('bundle-signature-invalid')
  })
})

describe('omemo:2: plain RFC 8032 with the identity key as received', () => {
  test.each([0, 1] as const)('sign %d', (signBit) => {
    const seed = seedWithSign(signBit)
    expect(check(omemo2, signedBy(omemo2, seed)).identityKey.edwards).toEqual(ed25519.getPublicKey(seed))
    const topBit = signedBy(omemo2, seed, { topBit: true })
    expect(failure(() => check(omemo2, topBit)).code).toBe('bundle-signature-invalid')
    const over33 = signedBy(omemo2, seed, { signed: axolotl.signedBytes(owner.preKeys.signed.publicKey) })
    expect(failure(() => check(omemo2, over33)).code).toBe('bundle-signature-invalid')
    const negative = signedBy(omemo2, seed)
    const identityKey = Uint8Array.from(flipped(negative.identityKey, 31, 7))
    expect(failure(() => check(omemo2, { ...negative, identityKey })).code).toBe('bundle-signature-invalid')
  })
})

describe('pickPreKey', () => {
  const verified = check(omemo2, publishedBundle(omemo2, owner.self.identity, owner.preKeys))

  test('reaches every prekey, by what is drawn', () => {
    const drawn = [0, 0x3fff_ffff, 0x4000_0000, 0x8000_0000, 0xbfff_ffff, 0xc000_0000, 0xffff_ffff].map(
      (number) => {
        const bytes = new Uint8Array(4)
        new DataView(bytes.buffer).setUint32(0, number)
        return pickPreKey(verified, () => bytes).id
      },
    )
    expect(drawn).toEqual([1, 1, 2, 3, 3, 4, 4])
  })

  test('asks for randomness once', () => {
    const asked: number[] = []
    const random = (length: number): Bytes => {
      asked.push(length)
      return new Uint8Array(length).fill(0xff)
    }
    pickPreKey(verified, random)
    expect(asked).toEqual([4])
  })
})

describe.each(versions)('$namespace: a bundle that another client has signed', (protocol) => {
  test.each([0, 1] as const)('is good for a session, sign %d', (signBit) => {
    const seed = seedWithSign(signBit)
    const topBit = protocol === axolotl && signBit === 1
    const bundle = check(protocol, signedBy(protocol, seed, { topBit }))
    const from = device('from', 3)
    const current = run(initiateSession(protocol, from.self, bundle, 1, seeded('session')), nodeCurve)
    const sessions = { current, archived: [], rival: undefined }
    // That client keeps its key with the sign it has.
    const identity = { ...importEd25519(seed), edwards: ed25519.getPublicKey(seed) }
    const theirs = { ...owner, self: { identity, deviceId: 1 } }
    expect(received(protocol, theirs, sent({ ...from, sessions }, 'hello').message.data).text).toBe('hello')
  })
})
