/** Two devices and the order of their sessions, for the tests of which one is current. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { expect } from 'vitest'
import { type Bytes, compareBytes } from '../src/bytes.ts'
import type { Protocol } from '../src/protocol.ts'
import type { SessionList } from '../src/session-list.ts'
import { type Device, initiated, received, seeded, sent } from './support.ts'

export function list(of: Device): SessionList {
  if (of.sessions === undefined) throw new Error('no session')
  return of.sessions
}

export const currentKey = (of: Device): string => bytesToHex(list(of).current.ephemeralKey)

/** Sends on the current session and delivers. */
export function pass(protocol: Protocol, from: Device, to: Device, text: string): readonly [Device, Device] {
  const { device: sender, message } = sent(from, text)
  const { device: receiver, text: read } = received(protocol, to, message.data)
  expect(read).toBe(text)
  return [sender, receiver]
}

/** Randomness whose session of `from` has the lower, or the higher, ephemeral key of the two. */
export function ordered(
  protocol: Protocol,
  from: Device,
  to: Device,
  other: Uint8Array,
  wanted: 'lower' | 'higher',
): (length: number) => Bytes {
  for (let i = 0; ; i++) {
    const key = list(initiated(protocol, from, to, seeded(`ordered ${i}`))).current.ephemeralKey
    if (compareBytes(key, other) < 0 === (wanted === 'lower')) return seeded(`ordered ${i}`)
  }
}

/** Both initiate and hear of each other: each prefers the other's. */
export function crossed(
  protocol: Protocol,
  alice: Device,
  bob: Device,
  aliceIs: 'lower' | 'higher',
): { readonly a: Device; readonly b: Device } {
  const b0 = initiated(protocol, bob, alice, seeded('bob’s'))
  const random = ordered(protocol, alice, bob, list(b0).current.ephemeralKey, aliceIs)
  const a1 = sent(initiated(protocol, alice, bob, random), 'from alice')
  const b1 = sent(b0, 'from bob')
  return {
    a: received(protocol, a1.device, b1.message.data).device,
    b: received(protocol, b1.device, a1.message.data).device,
  }
}
