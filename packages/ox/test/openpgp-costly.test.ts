/** Certificates that are made to cost time, or to push out what their owner has signed. */
import { PublicKeyPacket } from 'openpgp'
import { describe, expect, test, vi } from 'vitest'
import { readCertificate } from '../src/openpgp/certificate.ts'
import {
  MAX_DSA_BITS,
  MAX_DSA_ORDER_BITS,
  MAX_RSA_BITS,
  MAX_RSA_EXPONENT_BITS,
} from '../src/openpgp/own-signatures.ts'
import { utf8 } from '../src/utf8.ts'
import { joined, NOW, rawPacket } from './openpgp-fixtures.ts'

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
