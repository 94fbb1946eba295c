/**
 * A key at rest, for schemes to put into a commit under a name of their own:
 *
 *     {"v":1,"owner":…,"fingerprint":…,"protocol":…,"level":…,"by":…,"decidedAt":ms,"own":…,"label":…}
 */

import { type BareJid, type Bytes, bareJid } from '@xmpp-e2e/xml'
import { TrustError } from './error.ts'
import { checkKeyRef, isEvidence, isFingerprint, isLevel, type Key } from './key.ts'
import { fromAscii, fromBytes, isText, toAscii, toBytes } from './record.ts'

const VERSION = 1

/**
 * Bytes of a record. An address of 2047 octets is at most 6141 characters when escaped, six for every two octets; a
 * fingerprint of 64 bytes 128; and all else with a label of 1000 characters, escaped, 6500: together 12769.
 */
export const MAX_KEY_RECORD = 16 * 1024

/** @throws {RangeError} when it names no key, or is longer than `MAX_KEY_RECORD`: the label is absurd */
export function encodeKey(key: Key): Bytes {
  checkKeyRef(key)
  const { owner, fingerprint, protocol, level, by, decidedAt, own, label } = key
  const record = {
    v: VERSION,
    owner,
    fingerprint,
    protocol,
    level,
    by,
    decidedAt: decidedAt?.getTime(),
    own,
    label,
  }
  const text = toAscii(record)
  if (text.length > MAX_KEY_RECORD) throw new RangeError(`key: more than ${MAX_KEY_RECORD} bytes`)
  return toBytes(text)
}

/** @throws {TrustError} `record-malformed` */
export function decodeKey(bytes: Uint8Array): Key {
  const record = bytes.length > MAX_KEY_RECORD ? undefined : fromAscii(fromBytes(bytes))
  const key = typeof record === 'object' && record !== null ? readKey({ ...record }) : undefined
  if (key === undefined) throw new TrustError('record-malformed', 'key: not written by this version')
  return key
}

function readKey(record: Readonly<Record<string, unknown>>): Key | undefined {
  const { v, owner, fingerprint, protocol, level, by, decidedAt, own, label } = record
  if (v !== VERSION || !isAddress(owner) || !isFingerprint(fingerprint) || !isText(protocol)) return undefined
  if (!isLevel(level) || typeof own !== 'boolean') return undefined
  if (label !== undefined && typeof label !== 'string') return undefined
  const key = { owner, fingerprint, protocol, level, own, ...(label !== undefined && { label }) }
  if (by === undefined && decidedAt === undefined) return key
  const at = new Date(typeof decidedAt === 'number' ? decidedAt : Number.NaN)
  return isEvidence(by) && !Number.isNaN(at.getTime()) ? { ...key, by, decidedAt: at } : undefined
}

const isAddress = (value: unknown): value is BareJid => isText(value) && bareJid.decode(value) === value
