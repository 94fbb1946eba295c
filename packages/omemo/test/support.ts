/** What the tests share: devices as values, reproducible randomness, and failures as values. */
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { publishedBundle, type VerifiedBundle, verifyBundle } from '../src/bundle.ts'
import type { Bytes } from '../src/bytes.ts'
import { run } from '../src/curve.ts'
import { OmemoError } from '../src/error.ts'
import { generateIdentity, type Identity } from '../src/identity-key.ts'
import { deriveKey } from '../src/kdf.ts'
import { consumePreKey, encodePreKeys, generatePreKeys, type PreKeys } from '../src/pre-keys.ts'
import { axolotl, omemo2, type Protocol } from '../src/protocol.ts'
import { initiateSession, type Self, type SessionMessage } from '../src/session.ts'
import { encodeSessions } from '../src/session-codec.ts'
import {
  type Arrival,
  decryptMessage,
  encryptMessage,
  type Opened,
  type SessionList,
  withInitiated,
} from '../src/session-list.ts'
import { nodeCurve } from './node-curve.ts'

export const versions: readonly Protocol[] = [axolotl, omemo2]

/** Bytes that look random and are the same in every run. */
export function seeded(seed: string): (length: number) => Bytes {
  const key = utf8ToBytes(seed)
  let calls = 0
  return (length) => deriveKey(key, `call ${calls++}`, length)
}

/** What `f` gives, or the OmemoError that it throws. Any other error is a defect, and passes. */
export function attempt<T>(f: () => T): T | OmemoError {
  try {
    return f()
  } catch (error) {
    if (error instanceof OmemoError) return error
    throw error
  }
}

/** What `f` throws, which must be an OmemoError. */
export function failure(f: () => unknown): OmemoError {
  const result = attempt(f)
  if (result instanceof OmemoError) return result
  throw new Error('nothing was thrown')
}

export function flipped(bytes: Uint8Array, offset: number, bit: number): Bytes {
  const copy = Uint8Array.from(bytes)
  copy[offset] = (copy[offset] as number) ^ (1 << bit)
  return copy
}

/** One device and what it keeps of one peer. */
export interface Device {
  readonly self: Self & { readonly identity: Identity }
  readonly preKeys: PreKeys
  readonly sessions: SessionList | undefined
}

export function device(name: string, deviceId: number, preKeys = 4): Device {
  const random = seeded(name)
  return {
    self: { identity: generateIdentity(random), deviceId },
    preKeys: run(generatePreKeys(preKeys, random), nodeCurve),
    sessions: undefined,
  }
}

/** Verifying is the costliest step there is, and one device starts many sessions here. */
const verified = new WeakMap<PreKeys, Map<Protocol, VerifiedBundle>>()

export function verifiedBundle(protocol: Protocol, of: Device): VerifiedBundle {
  const known = verified.get(of.preKeys) ?? new Map<Protocol, VerifiedBundle>()
  const bundle = known.get(protocol) ?? verify(protocol, of)
  verified.set(of.preKeys, known.set(protocol, bundle))
  return bundle
}

function verify(protocol: Protocol, of: Device): VerifiedBundle {
  return run(verifyBundle(protocol, publishedBundle(protocol, of.self.identity, of.preKeys)), nodeCurve)
}

/** `from` with a new session to `to`. */
export function initiated(
  protocol: Protocol,
  from: Device,
  to: Device,
  random = seeded('initiated'),
  now = 1000,
): Device {
  const session = run(
    initiateSession(protocol, from.self, verifiedBundle(protocol, to), now, random),
    nodeCurve,
  )
  return { ...from, sessions: withInitiated(from.sessions, session) }
}

export function sent(
  from: Device,
  text: string,
  random = seeded(text),
  on = from.sessions?.current.ephemeralKey,
): { readonly device: Device; readonly message: SessionMessage } {
  if (from.sessions === undefined || on === undefined) throw new Error('no session')
  const { sessions, message } = run(
    encryptMessage(from.self, from.sessions, utf8ToBytes(text), { on, random }),
    nodeCurve,
  )
  return { device: { ...from, sessions }, message }
}

export const live: Arrival = { channel: 'live', sentAt: 2000 }

/** Opens and commits: the new sessions, and without the prekey that was used. */
export function received(
  protocol: Protocol,
  to: Device,
  data: Uint8Array,
  arrival: Arrival = live,
): { readonly device: Device; readonly opened: Opened; readonly text: string } {
  const opened = run(decryptMessage(protocol, to, data, arrival), nodeCurve)
  const { usedPreKeyId, sessions, plaintext } = opened
  const preKeys = usedPreKeyId === undefined ? to.preKeys : consumePreKey(to.preKeys, usedPreKeyId)
  return { device: { ...to, preKeys, sessions }, opened, text: new TextDecoder().decode(plaintext) }
}

/** All that a device keeps, as its store would hold it. */
export function snapshot({ preKeys, sessions }: Device): string {
  const stored = sessions && encodeSessions(sessions)
  return [encodePreKeys(preKeys), ...(stored ? [stored.current, stored.archived] : [])].map(bytesToHex).join()
}
