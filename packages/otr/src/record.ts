/**
 * Where everything is in the store, within the scope of one account, and what is in it:
 *
 *     device           our DSA key and instance tag, and whose they are
 *     keys/<jid>       the keys of a contact and what is thought of them, a line each
 *     contact/<jid>    the highest version that was spoken with each of its keys
 *
 * JSON, but for keys, which are as `encodeKey` of trust writes them. Nothing of a session is among it.
 */
import { bytesToUtf8, concatBytes, utf8ToBytes } from '@noble/ciphers/utils.js'
import { decodeKey, encodeKey, type Key, TrustError } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import { assertPrivateKey, type DsaPrivateKey } from './dsa/dsa.ts'
import { OtrError } from './error.ts'
import { type KeyVersion, MAX_REMEMBERED_KEYS } from './protocol/conversation.ts'
import { MIN_INSTANCE_TAG } from './protocol/header.ts'
import type { Bytes } from './wire/bytes.ts'

/** @internal */
export const records = {
  device: 'device',
  keysOf: (owner: BareJid) => `keys/${owner}`,
  allKeys: 'keys/',
  contact: (jid: BareJid) => `contact/${jid}`,
} as const

const VERSION = 1
const LINE_FEED = 0x0a
/** Keys of one contact that are remembered. Whoever makes up keys pushes out those that nobody has decided about. */
export const MAX_KEYS = 256
const NUMBERS = ['p', 'q', 'g', 'y', 'x'] as const

/** @internal What is ours. */
export interface Device {
  readonly tag: number
  readonly key: DsaPrivateKey
}

/** @internal */
export function encodeDevice({ tag, key }: Device, account: BareJid): Bytes {
  return encode({
    account,
    tag,
    key: Object.fromEntries(NUMBERS.map((name) => [name, key[name].toString(16)])),
  })
}

/**
 * @internal Of that account only: with one key for two, contacts of both could tell that they are one person's, and two
 * clients with one instance tag take each other's place.
 *
 * @throws OtrError `state-malformed`, `state-version-unknown`
 */
export function decodeDevice(bytes: Uint8Array, account: BareJid): Device {
  const { account: owner, tag, key } = decode(bytes, 'device')
  if (owner !== account) throw malformed('device: of another account')
  const [p, q, g, y, x] = NUMBERS.map((name) => number(isObject(key) ? key[name] : undefined))
  if (typeof tag !== 'number' || !Number.isInteger(tag) || tag < MIN_INSTANCE_TAG || tag > 0xffff_ffff)
    throw malformed('device: an instance tag out of range')
  const numbers = { p: p ?? 0n, q: q ?? 0n, g: g ?? 0n, y: y ?? 0n, x: x ?? 0n }
  try {
    assertPrivateKey(numbers)
  } catch (cause) {
    throw malformed('device: no key', { cause })
  }
  return { tag, key: numbers }
}

function number(digits: unknown): bigint {
  if (typeof digits !== 'string' || !/^[0-9a-f]{1,800}$/.test(digits)) throw malformed('device: no key')
  return BigInt(`0x${digits}`)
}

/** @internal */
export function encodeContact(highest: readonly KeyVersion[]): Bytes {
  return encode({ highest: highest.map(({ fingerprint, version }) => [fingerprint, version]) })
}

/** @internal Of a record that may be absent. @throws OtrError `state-malformed`, `state-version-unknown` */
export function decodeContact(bytes: Uint8Array | undefined): readonly KeyVersion[] {
  if (bytes === undefined) return []
  const { highest } = decode(bytes, 'contact')
  if (!Array.isArray(highest)) throw malformed('contact: expected an array')
  return highest.slice(-MAX_REMEMBERED_KEYS).map((entry: unknown) => {
    const [fingerprint, version]: readonly unknown[] = Array.isArray(entry) ? entry : []
    if (typeof fingerprint !== 'string' || !/^[0-9a-f]{40}$/.test(fingerprint))
      throw malformed('contact: no fingerprint')
    if (version !== 2 && version !== 3) throw malformed('contact: no version')
    return { fingerprint, version }
  })
}

/** @internal */
export function encodeKeys(keys: readonly Key[]): Bytes {
  const worth = ({ by, level }: Key) => (by !== undefined ? 2 : level === 'undecided' ? 0 : 1)
  const kept = [...keys.keys()]
    .sort((a, b) => worth(keys[b] as Key) - worth(keys[a] as Key) || b - a)
    .slice(0, MAX_KEYS)
  const lines = kept.sort((a, b) => a - b).map((index) => encodeKey(keys[index] as Key))
  return concatBytes(...lines.flatMap((line) => [line, Uint8Array.of(LINE_FEED)]))
}

/** @internal Of a record that may be absent. @throws OtrError `state-malformed` */
export function decodeKeys(bytes: Uint8Array = new Uint8Array(0)): readonly Key[] {
  const keys: Key[] = []
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(LINE_FEED, start)
    if (end < 0) throw malformed('keys: the last line is cut off')
    try {
      keys.push(decodeKey(bytes.subarray(start, end)))
    } catch (cause) {
      if (!(cause instanceof TrustError)) throw cause
      throw malformed('keys: not written by this version', { cause })
    }
    start = end + 1
  }
  return keys
}

function encode(fields: Readonly<Record<string, unknown>>): Bytes {
  return Uint8Array.from(utf8ToBytes(JSON.stringify({ v: VERSION, ...fields })))
}

function decode(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  let record: unknown
  try {
    record = JSON.parse(bytesToUtf8(bytes))
  } catch {
    record = undefined
  }
  if (isObject(record) && record.v === VERSION) return record
  if (isObject(record) && typeof record.v === 'number' && record.v > VERSION)
    throw new OtrError('state-version-unknown', `${what}: written by a newer version`)
  throw malformed(`${what}: not written by this version`)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function malformed(message: string, options?: ErrorOptions): OtrError {
  return new OtrError('state-malformed', message, options)
}
