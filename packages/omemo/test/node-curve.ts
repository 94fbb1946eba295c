/**
 * A second curve backend, over node:crypto: the tests that open thousands of sessions use it for speed, and
 * the curve tests hold it against noble.
 */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject, verify } from 'node:crypto'
import type { Bytes } from '../src/bytes.ts'
import { nobleCurve, type SyncCurve } from '../src/curve.ts'

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')

const publicKey = (crv: 'X25519' | 'Ed25519', x: Uint8Array): KeyObject =>
  createPublicKey({ key: { kty: 'OKP', crv, x: base64url(x) }, format: 'jwk' })

/** A private JWK must carry its public half, which OpenSSL ignores for X25519. */
const privateKey = (secret: Uint8Array): KeyObject =>
  createPrivateKey({
    key: { kty: 'OKP', crv: 'X25519', d: base64url(secret), x: base64url(secret) },
    format: 'jwk',
  })

const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(31))

export const nodeCurve: SyncCurve = {
  publicKey: (secret) => nodeCurve.sharedSecret(secret, BASE_POINT),
  sharedSecret: (secret, theirs): Bytes =>
    Uint8Array.from(
      diffieHellman({ privateKey: privateKey(secret), publicKey: publicKey('X25519', theirs) }),
    ),
  verify: (signature, message, key) => verify(null, message, publicKey('Ed25519', key), signature),
}

export const backends: Readonly<Record<string, SyncCurve>> = { noble: nobleCurve, 'node:crypto': nodeCurve }
