/** Certificates that are made to cost time, or to push out what their owner has signed. */
import { PublicKeyPacket, SignaturePacket } from 'openpgp'
import { describe, expect, test, vi } from 'vitest'
import { mergeCertificates, readCertificate } from '../src/openpgp/certificate.ts'
import {
  fitting,
  MAX_CERTIFICATE_BYTES,
  MAX_SIGNATURES_PER_CERTIFICATE,
  MAX_SIGNATURES_PER_PART,
  MAX_SUBKEYS,
  MAX_USER_IDS,
} from '../src/openpgp/limits.ts'
import {
  MAX_DSA_BITS,
  MAX_DSA_ORDER_BITS,
  MAX_RSA_BITS,
  MAX_RSA_EXPONENT_BITS,
} from '../src/openpgp/own-signatures.ts'
import { type Component, componentsOf } from '../src/openpgp/packets.ts'
import { adaptSecretKey, revokeSecretKey } from '../src/openpgp/secret-key.ts'
import { updateSecretKey } from '../src/openpgp/secret-key-update.ts'
import { utf8 } from '../src/utf8.ts'
import { joined, LATER, NOW, primaryOf, rawPacket, romeo, signature } from './openpgp-fixtures.ts'

const verified = vi.hoisted(() => ({ count: 0 }))
vi.mock('openpgp', async (original) => {
  const real = await original<typeof import('openpgp')>()
  const { verify } = real.SignaturePacket.prototype
  real.SignaturePacket.prototype.verify = function (...options: Parameters<typeof verify>) {
    verified.count++
    return verify.apply(this, options)
  }
  return real
})

/** A number of so many bits, as OpenPGP writes it (RFC 9580 §3.2). */
function number(bits: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits / 8)).fill(0xff)
  bytes[0] = 0xff >> (bytes.length * 8 - bits)
  return Uint8Array.from([bits >> 8, bits & 255, ...bytes])
}

function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}

const RSA = 1
const DSA = 17

async function withNumbers(
  algorithm: number,
  numbers: readonly number[],
  { hash = 10, signatures = 8 } = {},
): Promise<Uint8Array> {
  const body = joined(Uint8Array.from([4, 0x60, 0, 0, 0, algorithm]), ...numbers.map(number))
  const key = new PublicKeyPacket()
  await key.read(body)
  const issuer = fromHex(key.getKeyID().toHex())
  const signature = (index: number) => {
    const hashed = [5, 2, 0x60, 0, 0, index]
    const fields = [4, 0x13, algorithm, hash, 0, hashed.length, ...hashed, 0, 10, 9, 16]
    const value = algorithm === RSA ? [number(100)] : [number(100), number(100)]
    return rawPacket(2, joined(Uint8Array.from(fields), issuer, Uint8Array.of(0, 0), ...value))
  }
  const userId = rawPacket(13, utf8('xmpp:mallory@example.org'))
  return joined(rawPacket(6, body), userId, ...Array.from({ length: signatures }, (_, i) => signature(i)))
}

describe('one certificate does not freeze the thread', () => {
  test.each([
    [RSA, [MAX_RSA_BITS, MAX_RSA_EXPONENT_BITS], [MAX_RSA_BITS + 1, 17]],
    [RSA, [2048, MAX_RSA_EXPONENT_BITS], [2048, MAX_RSA_EXPONENT_BITS + 1]],
    [DSA, [MAX_DSA_BITS, MAX_DSA_ORDER_BITS, 8, 8], [MAX_DSA_BITS + 1, MAX_DSA_ORDER_BITS, 8, 8]],
    [DSA, [MAX_DSA_BITS, 160, 8, 8], [MAX_DSA_BITS, MAX_DSA_ORDER_BITS + 1, 8, 8]],
  ] as const)('numbers of %s: as long as they may be, and a bit longer', async (algorithm, good, bad) => {
    verified.count = 0
    const data = await withNumbers(algorithm, good)
    expect((await readCertificate(data, undefined, NOW)).problem).toBe('user-id-missing')
    expect(verified.count).toBeGreaterThanOrEqual(8)
    verified.count = 0
    const refused = await withNumbers(algorithm, bad)
    await expect(readCertificate(refused, undefined, NOW)).rejects.toMatchObject({
      code: 'algorithm-refused',
    })
    expect(verified.count).toBe(0)
  })

  test('hashes that WebCrypto has not are not tried', async () => {
    const SHA224 = 11
    verified.count = 0
    const data = await withNumbers(RSA, [2048, 17], { hash: SHA224 })
    expect((await readCertificate(data, undefined, NOW)).userIds).toEqual([])
    expect(verified.count).toBe(0)
  })
})

/** User IDs that nobody has signed, up to the limit. */
function padded(certificate: Uint8Array): Uint8Array {
  const userId = rawPacket(13, new Uint8Array(4000).fill(120))
  const count = Math.floor((MAX_CERTIFICATE_BYTES - certificate.length) / userId.length)
  const ids = Array.from({ length: count }, (_, index) =>
    rawPacket(13, utf8(`${index}`.padStart(userId.length - 3, 'x'))),
  )
  const rest = MAX_CERTIFICATE_BYTES - certificate.length - count * userId.length
  return joined(certificate, ...ids, rawPacket(13, new Uint8Array(rest - 3 < 192 ? rest - 2 : rest - 3)))
}

const { fingerprint } = romeo.certificate
const read = (data: Uint8Array) => readCertificate(data, fingerprint, LATER)

describe('a revocation is not undone by what is added', () => {
  test('user IDs and subkeys that nobody has signed are left out', async () => {
    const junk = padded(romeo.certificate.bytes)
    expect(junk.length).toBe(MAX_CERTIFICATE_BYTES)
    expect((await read(junk)).bytes).toEqual(romeo.certificate.bytes)
  })

  test('a certificate as long as it may be, served after the key was revoked', async () => {
    const revoked = await revokeSecretKey(romeo, 'compromised', NOW)
    const known = await read(revoked.certificate.bytes)
    const served = await read(padded(romeo.certificate.bytes))
    for (const merged of [
      await mergeCertificates(known, served, LATER),
      await mergeCertificates(served, known, LATER),
    ])
      expect(merged).toMatchObject({ revoked: 'hard', bytes: known.bytes })
  })

  test('our own key takes over nothing of it, and can be revoked', async () => {
    const served = await read(padded(romeo.certificate.bytes))
    expect(await updateSecretKey(romeo, served, LATER)).toBe(romeo)
  })

  test('one that is long by what its owner has signed forgets the oldest', async () => {
    // Each has room for its own, and not for those of the other.
    const long = async (prefix: string) => {
      const ids = Array.from({ length: 14 }, (_, index) => `${prefix}${index}`.padEnd(5000, 'x'))
      return adaptSecretKey(romeo, ids, NOW)
    }
    const [one, other] = [await long('a'), await long('b')]
    const revoked = await revokeSecretKey(one, 'compromised', NOW)
    const merged = await mergeCertificates(revoked.certificate, other.certificate, LATER)
    expect(merged.revoked).toBe('hard')
    expect(merged.bytes.length).toBeLessThanOrEqual(MAX_CERTIFICATE_BYTES)
    expect((await read(merged.bytes)).bytes).toEqual(merged.bytes)
    const back = await mergeCertificates(other.certificate, revoked.certificate, LATER)
    expect(back.revoked).toBe('hard')
    // What is made of our own key does not fail by its length.
    const grown = await updateSecretKey(one, other.certificate, LATER)
    expect((await revokeSecretKey(grown, 'compromised', LATER)).certificate.revoked).toBe('hard')
  })
})

describe('no more than so many are verified', () => {
  const { bytes, key } = romeo.certificate
  const primary = primaryOf(romeo)
  const [, userId, subkey] = componentsOf(key)
  if (userId === undefined || subkey === undefined) throw new TypeError('romeo has a user ID and a subkey')

  async function verifications(data: Uint8Array): Promise<number> {
    verified.count = 0
    await read(data)
    return verified.count
  }

  test('signatures about one part, the newest of them and a revocation of any age', async () => {
    const revocation = await signature({ key: primary, bind: subkey.head }, primary, NOW - 1000, {
      signatureType: 0x28,
    })
    const others = await Promise.all(
      Array.from({ length: MAX_SIGNATURES_PER_PART }, (_, index) =>
        signature({ key: primary, bind: subkey.head }, primary, NOW + index * 1000, {
          signatureType: 0x18,
          keyFlags: Uint8Array.of(4 | 8),
        }),
      ),
    )
    const written = [...others, revocation].map((one) => rawPacket(2, one.write()))
    const found = componentsOf((await read(joined(bytes, ...written))).key)
    const kept = found.at(-1)?.signatures.map(({ created, signatureType }) => [signatureType, created])
    expect(kept).toHaveLength(MAX_SIGNATURES_PER_PART)
    expect(kept?.[0]).toEqual([0x28, revocation.created])
    expect(kept?.at(-1)).toEqual([0x18, others.at(-1)?.created])
  })

  test('user IDs: one more is not verified', async () => {
    const forged = await signature({ userID: userId.head, key: primary }, primary, NOW, {
      signatureType: 0x13,
    })
    const flood = (count: number) =>
      joined(
        bytes,
        ...Array.from({ length: count }, (_, index) =>
          joined(rawPacket(13, utf8(`${index}`)), rawPacket(2, forged.write())),
        ),
      )
    const plain = await verifications(bytes)
    const most = await verifications(flood(MAX_USER_IDS - 1))
    expect(most - plain).toBe(MAX_USER_IDS - 1)
    expect(await verifications(flood(MAX_USER_IDS))).toBe(most)
  })

  test('user IDs, subkeys, and signatures in all: as many as are kept, and one more', () => {
    const [first] = componentsOf(key)
    if (first === undefined) throw new TypeError('romeo has a primary key')
    const times = (one: Component, count: number, signatures: number): Component[] =>
      Array.from({ length: count }, () => ({
        head: one.head,
        // Others, by identity.
        signatures: Array.from({ length: signatures }, () =>
          Object.assign(new SignaturePacket(), one.signatures[0]),
        ),
      }))
    const count = (components: readonly Component[]) =>
      components.reduce((sum, { signatures }) => sum + signatures.length, 0)
    const most = [first, ...times(userId, MAX_USER_IDS, 1), ...times(subkey, MAX_SUBKEYS, 1)]
    expect(fitting(most)).toEqual(most)
    expect(fitting([...most, ...times(userId, 1, 1), ...times(subkey, 1, 1)])).toHaveLength(most.length)
    const perPart = MAX_SIGNATURES_PER_CERTIFICATE / MAX_USER_IDS
    const full = [first, ...times(userId, MAX_USER_IDS, perPart)]
    expect(count(fitting(full))).toBe(MAX_SIGNATURES_PER_CERTIFICATE)
    expect(count(fitting([...full, ...times(subkey, 1, 1)]))).toBe(MAX_SIGNATURES_PER_CERTIFICATE)
    // Each part keeps one before any keeps a second.
    expect(fitting([...full, ...times(subkey, 1, 1)]).at(-1)?.signatures).toHaveLength(1)
  })
})
