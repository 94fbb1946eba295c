/** RFC 7748: X25519, its published vectors through the guard and both backends. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import { publicKeys, run, sharedSecrets } from '../src/curve.ts'
import { backends, nodeCurve } from './node-curve.ts'
import { failure } from './support.ts'
import rfc7748 from './vectors/rfc-7748.json' with { type: 'json' }

describe.each(Object.entries(backends))('§5.2 and §6.1, %s', (_name, curve) => {
  test.each(rfc7748.sharedSecret)('$name: shared secret', ({ secret, publicKey, shared, note }) => {
    const theirs = hexToBytes(publicKey)
    const agree = (u: Bytes) => run(sharedSecrets([[hexToBytes(secret), u]]), curve)[0] as Bytes
    if (note !== undefined) {
      expect(failure(() => agree(theirs)).code).toBe('key-invalid')
      theirs[31] = (theirs[31] as number) & 0x7f
    }
    expect(bytesToHex(agree(theirs))).toBe(shared)
  })

  test.each(rfc7748.publicKey)('$name: public key', ({ secret, publicKey }) => {
    expect(run(publicKeys([hexToBytes(secret)]), curve).map(bytesToHex)).toEqual([publicKey])
  })
})

test.each(rfc7748.iterated)('§5.2: $rounds rounds', ({ rounds, result }) => {
  const base = Uint8Array.of(9, ...new Uint8Array(31))
  let [secret, publicKey] = [base, base]
  for (let round = 0; round < rounds; round++) {
    const [next] = run(sharedSecrets([[secret, publicKey]]), nodeCurve)
    publicKey = secret
    secret = next as typeof base
  }
  expect(bytesToHex(secret)).toBe(result)
})
