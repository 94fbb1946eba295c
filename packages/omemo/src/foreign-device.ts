/**
 * A device that another program has kept: its id, its identity and its prekeys become ours, and what its user has decided
 * about keys. Sessions do not come along: what other libraries keep of them is theirs, and those who write to the device
 * go on being read as far as they open new ones, which heals by itself (XEP-0384 §6).
 *
 *     identity     Curve25519 (libsignal and what descends from it) or an Ed25519 seed (python-omemo)
 *     prekeys      go on being accepted under their ids; new ones get ids above all old ones
 *     signed ones  the newest two of a namespace, as after a rotation; a present one that cannot be published is replaced
 *     id 0         is accepted in prekeys that others use already, and never published: many refuse it
 */
import { type Clock, type Put, type Store, update } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import { compute, pause } from './account.ts'
import { type Bytes, type Random, sameBytes } from './bytes.ts'
import { type Curve, publicKeys, SECRET_KEY_LENGTH } from './curve.ts'
import { encodeDevice, newDevice, newDeviceId, type OwnDevice } from './device/own-device.ts'
import { decodeUpkeep, encodeUpkeep } from './device/upkeep.ts'
import { type ForeignKey, importedKeys } from './foreign-trust.ts'
import { type Identity, importCurve25519, importEd25519 } from './identity-key.ts'
import { encodeKeys } from './key-records.ts'
import { encodePreKeys, generatePreKeys, MAX_PRE_KEY_ID, type PreKey, type PreKeys } from './pre-keys.ts'
import { AXOLOTL, type Namespace, namespaces } from './protocol.ts'
import { records } from './record.ts'
import { MAX_BUNDLE_PRE_KEYS } from './stanza/bundle.ts'
import { MAX_DEVICE_ID } from './stanza/device-id.ts'

/** A prekey of another program. */
export interface ForeignPreKey {
  /** 0 to 2³¹ − 1. */
  readonly id: number
  /** 32 bytes. */
  readonly secret: Uint8Array
  /** 32 bytes, or 33 with libsignal's 05 in front; computed unless given, and compared if it is. */
  readonly publicKey?: Uint8Array | undefined
  /** In which it is published: 0.3 unless given. Programs that speak both may have one set for both, or two. */
  readonly namespaces?: readonly Namespace[] | undefined
}

export interface ForeignSignedPreKey extends ForeignPreKey {
  /** Tells which is the newest. Without, the highest id is. */
  readonly createdAt?: Date | undefined
}

/** Bytes are bytes: what a program keeps in base64 or as text has to be read first. */
export interface ForeignDevice {
  /** One that cannot be published, as 0, is replaced. */
  readonly deviceId: number
  /** 32 bytes: a Curve25519 secret, or the seed of an Ed25519 key. */
  readonly identity: { readonly curve25519: Uint8Array } | { readonly ed25519: Uint8Array }
  readonly preKeys?: readonly ForeignPreKey[] | undefined
  readonly signedPreKeys?: readonly ForeignSignedPreKey[] | undefined
  /** The id of the next prekey, where the program counts; above it and all of `preKeys` new ones begin. */
  readonly nextPreKeyId?: number | undefined
  readonly trust?: readonly ForeignKey[] | undefined
  /** How many sessions there are: they stay behind, and are reported. */
  readonly sessions?: number | undefined
}

/** Something that was not taken over. */
export interface Dropped {
  readonly what: 'sessions' | 'device-id' | 'pre-key' | 'signed-pre-key' | 'trust'
  /** Its id or address, or how many. */
  readonly which: string
  readonly why: string
}

/** @internal What is needed before there is an account. */
export interface ImportParts {
  readonly account: BareJid
  /** The scope of the account. */
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly curve: Curve
}

/** Keys computed between two pauses, some 10 ms with @noble/curves. */
const KEYS_AT_ONCE = 20

/**
 * @internal Stores the device unless there is one already. Never touches the network.
 *
 * @returns what was not taken over; nothing when there is a device
 * @throws {RangeError} for an identity that is not 32 bytes, or a device id that is no integer
 */
export async function importDevice(
  parts: ImportParts,
  data: ForeignDevice,
): Promise<readonly Dropped[] | undefined> {
  const { store, clock, random, account } = parts
  if (!Number.isSafeInteger(data.deviceId)) throw new RangeError('deviceId: expected an integer')
  const identity = identityOf(data.identity)
  const [existing] = await store.read([records.device])
  if (existing?.value !== undefined) return undefined
  const dropped: Dropped[] = []
  const drop = (what: Dropped['what'], which: string | number, why: string): void => {
    dropped.push({ what, which: String(which), why })
  }
  const isUsable = data.deviceId >= 1 && data.deviceId <= MAX_DEVICE_ID
  if (!isUsable)
    drop(
      'device-id',
      data.deviceId,
      'not 1 to 2147483647: another one was drawn, for which its prekeys are of no use',
    )
  if (data.sessions) drop('sessions', data.sessions, 'they heal by themselves')

  const device: OwnDevice = {
    ...newDevice(random, clock.now(), identity),
    ...(isUsable ? { deviceId: data.deviceId, announced: true } : { deviceId: newDeviceId(random) }),
  }
  const oneTime = await readable(parts, 'pre-key', isUsable ? (data.preKeys ?? []) : [], drop)
  const signed = await readable(parts, 'signed-pre-key', isUsable ? (data.signedPreKeys ?? []) : [], drop)
  const newest = signed.reduce(
    (latest, { given }) => Math.max(latest, timeOf(given)),
    Number.NEGATIVE_INFINITY,
  )
  const rotatedAt = Number.isFinite(newest) ? Math.min(newest, clock.now()) : clock.now()
  const put: Put[] = [
    [records.device, encodeDevice(device)],
    [records.upkeep, encodeUpkeep({ ...decodeUpkeep(undefined), rotatedAt })],
  ]
  const nextIds = { oneTime: nextId(data.preKeys, data.nextPreKeyId), signed: nextId(data.signedPreKeys) }
  for (const namespace of namespaces) {
    const preKeys = await preKeysOf(parts, namespace, { oneTime, signed, nextIds }, drop)
    put.push([records.preKeys(namespace), encodePreKeys(preKeys)])
  }
  const self = { owner: account, fingerprint: device.fingerprint }
  const keys = importedKeys(data.trust ?? [], self, new Date(clock.now()), (which, why) =>
    drop('trust', which, why),
  )
  for (const [owner, theirs] of keys) put.push([records.keysOf(owner), encodeKeys(theirs)])

  return update(store, [records.device], ([bytes]) =>
    bytes === undefined ? { put, result: dropped } : { result: undefined },
  )
}

function identityOf(given: ForeignDevice['identity']): Identity {
  return 'curve25519' in given ? importCurve25519(given.curve25519) : importEd25519(given.ed25519)
}

type Drop = (what: Dropped['what'], which: string | number, why: string) => void

interface Readable<T extends ForeignPreKey> {
  readonly given: T
  readonly preKey: PreKey
}

/** Those that are keys, with their public keys. */
async function readable<T extends ForeignPreKey>(
  { clock, curve }: ImportParts,
  what: 'pre-key' | 'signed-pre-key',
  given: readonly T[],
  drop: Drop,
): Promise<readonly Readable<T>[]> {
  const good = given.filter(({ id, secret }) => {
    const why = !isId(id)
      ? 'its id is not 0 to 2147483647'
      : secret.length !== SECRET_KEY_LENGTH
        ? 'its secret has not 32 bytes'
        : undefined
    if (why !== undefined) drop(what, id, why)
    return why === undefined
  })
  const found: Readable<T>[] = []
  for (let at = 0; at < good.length; at += KEYS_AT_ONCE) {
    if (at > 0) await pause({ clock }, 0)
    const some = good.slice(at, at + KEYS_AT_ONCE)
    const secrets = some.map(({ secret }) => Uint8Array.from(secret))
    const computed = await compute({ curve }, publicKeys(secrets))
    some.forEach((one, i) => {
      const publicKey = computed[i] as Bytes
      if (one.publicKey !== undefined && !isSame(one.publicKey, publicKey))
        drop(what, one.id, 'its public key does not belong to its secret')
      else found.push({ given: one, preKey: { id: one.id, secret: secrets[i] as Bytes, publicKey } })
    })
  }
  return found
}

/** libsignal writes the type of a public key, 5, in front of it. */
function isSame(given: Uint8Array, computed: Bytes): boolean {
  return sameBytes(given.length === 33 && given[0] === 5 ? given.subarray(1) : given, computed)
}

const isId = (id: number): boolean => Number.isInteger(id) && id >= 0 && id <= MAX_PRE_KEY_ID

const timeOf = ({ createdAt }: ForeignSignedPreKey): number =>
  createdAt?.getTime() ?? Number.NEGATIVE_INFINITY

interface Found {
  readonly oneTime: readonly Readable<ForeignPreKey>[]
  readonly signed: readonly Readable<ForeignSignedPreKey>[]
  /** Above all old ids, of all namespaces: no key exchange under way meets another key under its id. */
  readonly nextIds: { readonly oneTime: number; readonly signed: number }
}

async function preKeysOf(
  parts: ImportParts,
  namespace: Namespace,
  { oneTime, signed, nextIds }: Found,
  drop: Drop,
): Promise<PreKeys> {
  const newestFirst = signed.filter(isOf(namespace)).sort((a, b) => newer(a.given, b.given))
  const [present, previous, ...older] = unique(newestFirst, 'signed-pre-key', drop)
  const fresh = await compute(parts, generatePreKeys(0, parts.random))
  const renewed: PreKey = { ...fresh.signed, id: nextIds.signed }
  const empty = { signed: renewed, previousSigned: undefined, oneTime: [], nextId: nextIds.oneTime }
  const all = unique(oneTime.filter(isOf(namespace)), 'pre-key', drop)
  if (present === undefined) {
    for (const { id } of all) drop('pre-key', id, `without a signed prekey of ${namespace} nobody can use it`)
    return empty
  }
  for (const { id } of older) drop('signed-pre-key', id, 'only the newest two are kept')
  // Highest ids last: those are the newest.
  const sorted = [...all].sort((a, b) => a.id - b.id)
  const surplus = Math.max(0, sorted.length - MAX_BUNDLE_PRE_KEYS)
  for (const { id } of sorted.slice(0, surplus))
    drop('pre-key', id, `only ${MAX_BUNDLE_PRE_KEYS} are kept, and newer ones come first`)
  const kept = { ...empty, oneTime: sorted.slice(surplus) }
  // Rotating makes an id one higher: a present one below others would meet them.
  const isHighest = present.id === nextIds.signed - 1 && present.id >= 1
  if (isHighest) return { ...kept, signed: present, previousSigned: previous }
  if (previous)
    drop('signed-pre-key', previous.id, 'the newest one was replaced, and only that is kept beside')
  return { ...kept, previousSigned: present }
}

const isOf =
  (namespace: Namespace) =>
  ({ given: { namespaces = [AXOLOTL] } }: Readable<ForeignPreKey>): boolean =>
    namespaces.includes(namespace)

/** Newest first. */
function newer(a: ForeignSignedPreKey, b: ForeignSignedPreKey): number {
  const [one, other] = [timeOf(a), timeOf(b)]
  return one === other ? b.id - a.id : one < other ? 1 : -1
}

/** Of two with one id the first. */
function unique(
  found: readonly Readable<ForeignPreKey>[],
  what: Dropped['what'],
  drop: Drop,
): readonly PreKey[] {
  const byId = new Map<number, PreKey>()
  for (const { preKey } of found)
    if (byId.has(preKey.id)) drop(what, preKey.id, 'another one has the same id')
    else byId.set(preKey.id, preKey)
  return [...byId.values()]
}

function nextId(given: readonly ForeignPreKey[] = [], counted = 1): number {
  const ids = given.flatMap(({ id }) => (isId(id) ? [id + 1] : []))
  const next = ids.reduce((highest, id) => Math.max(highest, id), isId(counted) ? Math.max(1, counted) : 1)
  return next > MAX_PRE_KEY_ID ? 1 : next
}
