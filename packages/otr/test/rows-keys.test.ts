/** Rows of `attacks.md`: somebody else's keys, and keys that are none. */
import { ctr } from '@noble/ciphers/aes.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { MODULUS } from '../src/arithmetic/group.ts'
import { modInverse } from '../src/arithmetic/modular.ts'
import { type DsaPrivateKey, type DsaPublicKey, encodePublicKey, sign } from '../src/dsa/dsa.ts'
import {
  commitTo,
  encodeCommit,
  encodeReveal,
  encodeSealed,
  MAX_COMMITTED_BYTES,
  MAX_FIRST_KEY_ID,
} from '../src/protocol/ake-messages.ts'
import { encodeMessage, MAX_MESSAGE_BYTES } from '../src/protocol/encoded-message.ts'
import { encodeHeader, type MessageType, type Version } from '../src/protocol/header.ts'
import { sealData } from '../src/protocol/key-window.ts'
import { selectInstance } from '../src/protocol/outgoing.ts'
import type { Policy } from '../src/protocol/policy.ts'
import type { Random } from '../src/wire/bytes.ts'
import { bitLength, bytesToInteger, integerToBytes } from '../src/wire/integer.ts'
import { data, int, mpi } from '../src/wire/writer.ts'
import { ask, commit, expectTalk, liveSession, states, why } from './attacker.ts'
import { clock, converse, encrypted, group, isEncrypted, keyOf, type Side, side } from './sides.ts'
import { seeded } from './support.ts'

/** Somebody with another key, and b's place in the network. */
function impostor(version: Version, { conversation }: Side, policy: Partial<Policy> = {}): Side {
  const mallory = side(6, [version], policy)
  mallory.conversation = { ...mallory.conversation, ourTag: conversation.ourTag }
  return mallory
}
const tagOf = (version: Version, { conversation }: Side) => (version === 2 ? 0 : conversation.ourTag)
const message = (version: Version, type: MessageType, from: Side, to: Side, body: Uint8Array) => {
  const tags = { sender: tagOf(version, from), receiver: tagOf(version, to) }
  return encodeMessage(concatBytes(encodeHeader({ version, type, ...tags }), body))
}

describe.each([2, 3] as const)('row 9: what was sent goes to nobody else, version %i', (version) => {
  it.each<[string, Partial<Policy>]>([
    ['the defaults', {}],
    [
      'every key exchange that anybody wants',
      { requireEncryption: true, errorStartsAke: true, whitespaceStartsAke: true },
    ],
  ])('an error, and a key exchange with the attacker’s own key, under %s', (_name, policy) => {
    const [a, b] = encrypted(version, 450, policy)
    const mallory = impostor(version, b, policy)
    a.send('the secret plan')
    const [lost] = a.out.splice(0)
    mallory.receive(lost!)
    mallory.out = []
    for (let i = 0; i < 3; i++) {
      a.receive('?OTR Error: You sent what cannot be read')
      commit(mallory)
      converse(a, mallory)
      clock.now += 5000
    }
    expect(isEncrypted(mallory)).toBe(true)
    expect(liveSession(mallory).fingerprint).toBe(a.fingerprint)
    // Not even with time, and not what is typed meanwhile.
    expect(a.send('more of it').events).toStrictEqual([{ type: 'refused', reason: 'key-changed' }])
    for (let i = 0; i < 5; i++) {
      clock.now += 60_000
      a.tick()
      converse(a, mallory)
    }
    expect(mallory.read()).toStrictEqual([])
    // Nor when the user takes the key for the peer's.
    a.apply(selectInstance(a.conversation, tagOf(version, b), mallory.fingerprint))
    converse(a, mallory)
    expect(mallory.read()).toStrictEqual([])
    a.send('after')
    converse(a, mallory)
    expect(mallory.read()).toStrictEqual(['after'])
  })

  it('the peer itself gets nothing twice: a new session of the same key resends nothing', () => {
    const [a, b] = encrypted(version, 451, { errorStartsAke: true })
    a.send('once')
    a.out = []
    b.out = ['?OTR Error: lost']
    converse(a, b)
    clock.now += 5000
    commit(b)
    converse(a, b)
    expect(b.read()).toStrictEqual([])
    expectTalk(a, b)
  })
})

describe.each([2, 3] as const)('row 10: a key that changes within a session, version %i', (version) => {
  it('is told, and nothing is sent to it until the user says so', () => {
    const [a, b] = encrypted(version, 452)
    const mallory = impostor(version, b)
    commit(mallory)
    converse(a, mallory)
    expect(states(a)).toMatchObject([
      {
        keyChanged: true,
        from: { state: 'encrypted', fingerprint: b.fingerprint },
        to: { state: 'encrypted', fingerprint: mallory.fingerprint },
      },
    ])
    // What the other says is told by its own fingerprint.
    mallory.send('it is me')
    converse(a, mallory)
    expect(a.events.at(-1)).toMatchObject({ type: 'message', fingerprint: mallory.fingerprint })
    for (let i = 0; i < 3; i++) {
      expect(a.send('x').events).toStrictEqual([{ type: 'refused', reason: 'key-changed' }])
      expect(a.out).toStrictEqual([])
    }
    // The user does not; the peer comes back.
    clock.now += 5000
    commit(b)
    converse(a, b)
    expect(states(a).at(-1)).toMatchObject({ keyChanged: false, to: { fingerprint: b.fingerprint } })
    expectTalk(a, b)
  })

  it('is not hidden by an end in between', () => {
    const [a, b] = encrypted(version, 453)
    const mallory = impostor(version, b)
    // The peer's own disconnect, which the server may have kept.
    b.send('')
    converse(a, b)
    const { instances } = a.conversation
    a.conversation = {
      ...a.conversation,
      instances: instances.map((one) => ({
        ...one,
        session: { state: 'finished', fingerprint: b.fingerprint },
      })),
    }
    ask(a)
    a.out = []
    commit(mallory)
    converse(a, mallory)
    expect(states(a).at(-1)).toMatchObject({ keyChanged: true })
    expect(a.send('x').events).toStrictEqual([{ type: 'refused', reason: 'key-changed' }])
  })
})

const bad = {
  zero: 0n,
  one: 1n,
  'p − 1': MODULUS - 1n,
  p: MODULUS,
  'p + 1': MODULUS + 1n,
  'a non-residue': MODULUS - 4n,
}

describe.each([2, 3] as const)('row 14: Diffie-Hellman values outside the group, version %i', (version) => {
  it.each(Object.entries({ ...bad, '100 kB': 1n << 800_000n }))('%s as g^y', (_name, value) => {
    const [a, b] = [side(1, [version]), side(2, [version])]
    commit(a)
    const before = a.conversation
    const step = a.receive(message(version, 'key', b, a, mpi(value)))
    expect(why(step.events)).toStrictEqual(['malformed'])
    expect(step.send).toStrictEqual([])
    expect(a.conversation).toBe(before)
    a.out.splice(0).map((text) => b.receive(text))
    converse(a, b)
    expectTalk(a, b)
  })

  it.each(Object.entries(bad))('%s as g^x', (_name, value) => {
    const [a, b] = [side(1, [version]), side(2, [version])]
    const revealed = new Uint8Array(16)
    a.receive(message(version, 'commit', b, a, encodeCommit(commitTo(value, revealed))))
    expect(a.out.splice(0).length).toBe(1)
    const before = a.conversation
    const reveal = encodeReveal({ revealed, encrypted: new Uint8Array(400), mac: new Uint8Array(20) })
    const step = a.receive(message(version, 'reveal', b, a, reveal))
    expect(why(step.events)).toStrictEqual(['malformed'])
    expect(step.send).toStrictEqual([])
    expect(a.conversation).toBe(before)
  })

  it.each(Object.entries({ ...bad, '100 kB': 1n << 800_000n }))('%s as the next key', (_name, publicKey) => {
    const [a, b] = encrypted(version, 454)
    const { window } = liveSession(b)
    const forged = { ...window, ourCurrent: { ...window.ourCurrent, publicKey } }
    const tags = { sender: tagOf(version, b), receiver: tagOf(version, a) }
    const header = { version, type: 'data', ...tags } as const
    const sealing = { header, plaintext: Uint8Array.of(97), ignoreUnreadable: false }
    const before = a.conversation
    const step = a.receive(encodeMessage(sealData(forged, sealing, group).message))
    expect(why(step.events)).toStrictEqual(['malformed'])
    expect(a.conversation).toBe(before)
    expectTalk(a, b)
  })

  it('more behind g^x than it can be: MAX_COMMITTED_BYTES, and one more', () => {
    for (const [length, expected] of [
      [MAX_COMMITTED_BYTES, []],
      [MAX_COMMITTED_BYTES + 1, ['malformed']],
    ] as const) {
      const [a, b] = [side(1, [version]), side(2, [version])]
      const body = encodeCommit({ encrypted: new Uint8Array(length), hash: new Uint8Array(32) })
      expect(why(a.receive(message(version, 'commit', b, a, body)).events)).toStrictEqual(expected)
    }
  })

  it('1 MB as anything: over MAX_MESSAGE_BYTES', () => {
    const [a, b] = encrypted(version, 455)
    const text = message(version, 'key', b, a, mpi(1n << 8_000_000n))
    expect(text.length).toBeGreaterThan(MAX_MESSAGE_BYTES)
    const before = a.conversation
    expect(why(a.receive(text).events)).toStrictEqual(['malformed'])
    expect(a.conversation).toBe(before)
  })
})

describe.each([2, 3] as const)('row 13: DSA, version %i', (version) => {
  const key = keyOf(2)
  type Signed = (publicKey: Uint8Array, keyId: number, by?: DsaPrivateKey, random?: Random) => Uint8Array
  /** A Reveal Signature from who has the keys of the exchange, with any X in it. */
  const revealing = (x: (signed: Signed) => Uint8Array) => {
    const [a, b] = [side(1, [version]), side(2, [version])]
    commit(b)
    a.receive(b.out.shift()!)
    b.receive(a.out.shift()!)
    b.out = []
    const { ake } = b.conversation.instances[0]!
    if (ake.state !== 'awaiting-signature') throw new Error(ake.state)
    const { cipher, signed, sealed } = ake.keys.reveal
    const digest = (publicKey: Uint8Array, keyId: number) =>
      hmac(sha256, signed, concatBytes(mpi(ake.dh.publicKey), mpi(ake.theirs), publicKey, int(keyId)))
    const content = x((publicKey, keyId, by = key, random) => sign(by, digest(publicKey, keyId), random))
    const encrypted = ctr(cipher, new Uint8Array(16)).encrypt(content)
    const mac = hmac(sha256, sealed, data(encrypted)).slice(0, 20)
    const before = a.conversation
    const body = concatBytes(data(ake.reveal.slice(4, 20)), encodeSealed({ encrypted, mac }))
    const step = a.receive(message(version, 'reveal', b, a, body))
    return { a, step, isUnchanged: a.conversation === before }
  }
  const genuine = encodePublicKey(key)
  const refuse = (result: ReturnType<typeof revealing>) => {
    expect(result.step.events).toMatchObject([{ type: 'dropped' }])
    expect(result.step.send).toStrictEqual([])
    expect(result.isUnchanged).toBe(true)
  }

  it('the same by an honest hand is taken', () => {
    for (const keyId of [1, MAX_FIRST_KEY_ID]) {
      const { a } = revealing((signed) => concatBytes(genuine, int(keyId), signed(genuine, keyId)))
      expect(states(a)).toMatchObject([{ to: { state: 'encrypted' } }])
    }
  })

  it.each<[string, Partial<DsaPublicKey>]>([
    ['p of 8192 bits', { p: (1n << 8191n) | 1n }],
    ['p of 511 bits', { p: (1n << 510n) | 1n }],
    ['p even', { p: key.p + 1n }],
    ['q = 1', { q: 1n }],
    ['q of 159 bits', { q: (1n << 158n) | 1n }],
    ['q that does not divide p − 1', { q: key.q + 2n }],
    ['g = 1', { g: 1n }],
    ['g = p − 1', { g: key.p - 1n }],
    ['g of another order', { g: 3n }],
    ['y = 0', { y: 0n }],
    ['y = 1', { y: 1n }],
    ['y = p', { y: key.p }],
    ['g = y = 0', { g: 0n, y: 0n }],
  ])('a key with %s', (_name, change) => {
    const publicKey = encodePublicKey({ ...key, ...change })
    refuse(revealing((signed) => concatBytes(publicKey, int(1), signed(publicKey, 1))))
  })

  // In every respect a key but its length, and of no use but to keep a processor busy: p · m, where g and y are 1 modulo m.
  it.each([
    [3072, 'encrypted'],
    [3073, undefined],
    [8192, undefined],
  ] as const)('a key of %i bits that works: %s', (bits, expected) => {
    const { p, q } = key
    const more = (k: number) => q * (1n << BigInt(k)) + 1n
    const k = Array.from({ length: 5 }, (_, i) => bits - 1186 + i).find(
      (n) => bitLength(p * more(n)) === bits,
    )
    const m = more(k!)
    const extended = (value: bigint) => 1n + m * (((value - 1n) * modInverse(m % p, p)) % p)
    const large = { ...key, p: p * m, g: extended(key.g), y: extended(key.y) }
    expect(bitLength(large.p)).toBe(bits)
    const publicKey = encodePublicKey(large)
    const { a, step } = revealing((signed) => concatBytes(publicKey, int(1), signed(publicKey, 1, large)))
    expect(states(a)[0]?.to.state).toBe(expected)
    expect(step.send.length).toBe(expected === undefined ? 0 : 1)
  })

  it('a half of a signature that has q added', () => {
    for (const at of [0, 20]) {
      const result = revealing((signed) => {
        for (let i = 0; ; i++) {
          const signature = signed(genuine, 1, key, seeded(i))
          const half = bytesToInteger(signature.subarray(at, at + 20)) + key.q
          if (bitLength(half) > 160) continue
          signature.set(integerToBytes(half, 20), at)
          return concatBytes(genuine, int(1), signature)
        }
      })
      refuse(result)
    }
  })

  it('a signature of another length or range, or over anything else', () => {
    const q = integerToBytes(key.q, 20)
    const zero = new Uint8Array(20)
    const halves = (signature: Uint8Array) => [signature.subarray(0, 20), signature.subarray(20)] as const
    const wrong: ((signature: Uint8Array) => Uint8Array)[] = [
      (signature) => signature.subarray(0, 39),
      (signature) => concatBytes(signature, Uint8Array.of(0)),
      () => new Uint8Array(40),
      (signature) => concatBytes(zero, halves(signature)[1]),
      (signature) => concatBytes(halves(signature)[0], zero),
      (signature) => concatBytes(q, halves(signature)[1]),
      (signature) => concatBytes(halves(signature)[0], q),
      (signature) => concatBytes(halves(signature)[1], halves(signature)[0]),
      () => sign(key, new Uint8Array(32)),
    ]
    for (const change of wrong)
      refuse(revealing((signed) => concatBytes(genuine, int(1), change(signed(genuine, 1)))))
    for (const keyId of [0, MAX_FIRST_KEY_ID + 1, 0xffff_ffff])
      refuse(revealing((signed) => concatBytes(genuine, int(keyId), signed(genuine, keyId))))
    // Of another key, and for another key id.
    const other = encodePublicKey(keyOf(3))
    refuse(revealing((signed) => concatBytes(other, int(1), signed(other, 1))))
    refuse(revealing((signed) => concatBytes(genuine, int(2), signed(genuine, 1))))
  })

  it('no two signatures share a nonce, and none is longer', () => {
    const digests = Array.from({ length: 20 }, (_, i) => seeded(i)(32))
    const signatures = [...digests, ...digests].map((digest, i) =>
      sign(key, digest, i < 20 ? undefined : seeded(i)),
    )
    expect(new Set(signatures.map((bytes) => bytesToHex(bytes.subarray(0, 20)))).size).toBe(40)
    expect(new Set(signatures.map(({ length }) => length))).toStrictEqual(new Set([40]))
    // A faulty or another half is noticed before anything goes out.
    expect(() => sign({ ...key, x: key.x + 1n }, digests[0]!)).toThrow(RangeError)
  })
})
