/** Two ends of a ratchet, for tests without sessions around it. */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { expect } from 'vitest'
import type { Bytes, Random } from '../src/bytes.ts'
import { publicKeys, run, type SyncCurve } from '../src/curve.ts'
import {
  answerRatchet,
  decryptRatchet,
  encryptRatchet,
  type Ratchet,
  startRatchet,
} from '../src/double-ratchet.ts'
import { nextChainKey } from '../src/kdf.ts'
import type { Protocol } from '../src/protocol.ts'
import type { RatchetMessage } from '../src/wire/wire.ts'
import { nodeCurve } from './node-curve.ts'
import { failure, seeded } from './support.ts'

export const associatedData = utf8ToBytes('associated data')

/** One end of a conversation, which remembers its ratchet. */
export class End {
  readonly #protocol: Protocol
  readonly #random: Random
  readonly #curve: SyncCurve
  ratchet: Ratchet

  constructor(name: string, protocol: Protocol, ratchet: Ratchet, curve: SyncCurve) {
    this.#curve = curve
    this.#random = seeded(name)
    this.#protocol = protocol
    this.ratchet = ratchet
  }

  send(text: string): Bytes {
    const step = encryptRatchet(this.#protocol, this.ratchet, utf8ToBytes(text), associatedData, this.#random)
    const { ratchet, message } = run(step, nodeCurve)
    this.ratchet = ratchet
    return message
  }

  sendAll(count: number, name = 'm'): readonly Bytes[] {
    return Array.from({ length: count }, (_, i) => this.send(`${name}${i}`))
  }

  receive(message: Uint8Array): string {
    const { ratchet, plaintext, late } = run(
      decryptRatchet(this.#protocol, this.ratchet, message, associatedData),
      this.#curve,
    )
    this.ratchet = ratchet
    return `${new TextDecoder().decode(plaintext)}${late ? ', late' : ''}`
  }

  /** The code of the refusal, which must leave the ratchet as it was. */
  refuse(message: Uint8Array): string {
    const before = structuredClone(this.ratchet)
    const { code } = failure(() => this.receive(message))
    expect(this.ratchet).toEqual(before)
    return code
  }

  /** Sends and loses so many messages. */
  lose(count: number): void {
    const { ratchet } = this
    if (ratchet.state !== 'sending') throw new Error('not sending')
    let { chainKey, next } = ratchet.sending
    for (const end = next + count; next < end; next++) chainKey = nextChainKey(chainKey)
    this.ratchet = { ...ratchet, sending: { chainKey, next } }
  }

  get kept(): number {
    return this.ratchet.skipped.reduce((sum, { keys }) => sum + keys.length, 0)
  }
}

export function pair(
  protocol: Protocol,
  curve: SyncCurve = nodeCurve,
): { readonly alice: End; readonly bob: End } {
  const random = seeded('pair')
  const sharedKey = random(32) as Bytes
  const secret = random(32)
  const [signedPreKey] = run(publicKeys([secret]), nodeCurve) as [Bytes]
  const alice = new End(
    'alice',
    protocol,
    run(startRatchet(protocol, sharedKey, signedPreKey, random), nodeCurve),
    curve,
  )
  if (alice.ratchet.state !== 'sending') throw new Error('an initiator sends')
  const theirs = alice.ratchet.ours.publicKey
  const bob = new End(
    'bob',
    protocol,
    run(answerRatchet(protocol, sharedKey, secret, theirs), nodeCurve),
    curve,
  )
  return { alice, bob }
}

/** A message with another header, whose MAC is wrong by that. */
export function forged(protocol: Protocol, message: Uint8Array, header: Partial<RatchetMessage>): Bytes {
  const { wire } = protocol
  const authenticated = wire.decodeAuthenticated(message)
  const changed = wire.encodeRatchetMessage({
    ...wire.decodeRatchetMessage(authenticated.message),
    ...header,
  })
  return wire.encodeAuthenticated({ ...authenticated, message: changed })
}

export function headerOf(protocol: Protocol, message: Uint8Array): RatchetMessage {
  return protocol.wire.decodeRatchetMessage(protocol.wire.decodeAuthenticated(message).message)
}
