/**
 * The numbers k of signatures, RFC 6979 §3.2 with HMAC-SHA-256: from the private key and what is signed, so that no
 * weak randomness can repeat one or make it guessable, which would give the key away.
 */
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'
import { bitLength, bytesToInteger, integerToBytes } from '../wire/integer.ts'

export interface Nonce {
  readonly k: bigint
  /** From 1 to q − 1 like k, and as secret. */
  readonly blind: bigint
}

/**
 * One nonce after the other, until the signature is good. `z` is the digest modulo q. The first k is that of the RFC
 * when there is no `extra` (§3.6).
 */
export function* nonces(q: bigint, x: bigint, z: bigint, extra?: Uint8Array): Generator<Nonce, void, void> {
  const length = Math.ceil(bitLength(q) / 8)
  const seed = concatBytes(integerToBytes(x, length), integerToBytes(z, length), extra ?? new Uint8Array(0))
  const mac = (key: Uint8Array, ...parts: Uint8Array[]) => hmac(sha256, key, concatBytes(...parts))
  let value: Uint8Array = new Uint8Array(32).fill(1)
  let key: Uint8Array = new Uint8Array(32)
  function stir(tag: number, more: Uint8Array): void {
    key = mac(key, value, Uint8Array.of(tag), more)
    value = mac(key, value)
  }

  function draw(): bigint {
    for (;;) {
      let drawn = new Uint8Array(0)
      while (drawn.length < length) {
        value = mac(key, value)
        drawn = concatBytes(drawn, value)
      }
      const excess = BigInt(8 * drawn.length - bitLength(q))
      const candidate = bytesToInteger(drawn) >> excess
      if (candidate > 0n && candidate < q) return candidate
      stir(0, new Uint8Array(0))
    }
  }

  stir(0, seed)
  stir(1, seed)
  for (;;) {
    const k = draw()
    stir(0, new Uint8Array(0))
    yield { k, blind: draw() }
    stir(0, new Uint8Array(0))
  }
}
