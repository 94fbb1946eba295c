/**
 * Whose keys they are, and what is thought of them: `@xmpp-e2e/trust` within the commits of the façade.
 *
 * Keys are met before anything is encrypted to them, and when a message has authenticated them, in the very commit that
 * advances the ratchet. Both namespaces share them: a key is its owner and the Montgomery form. The key of this device
 * is in no record; for those who ask it is verified.
 */
import { type Effect, type Put, type Reader, StoreError } from '@xmpp-e2e/store'
import {
  type Contest,
  decideKey,
  type Endpoint,
  type Evidence,
  encodeWaiting,
  formatKeyUri,
  type Key,
  type KeyClaim,
  type KeyRef,
  type Keyring,
  type KeyringStep,
  type Level,
  meetKey,
  parseKeyUri,
  type Statement,
  TrustError,
  type Waiting,
} from '@xmpp-e2e/trust'
import { type BareJid, bareJid, hex } from '@xmpp-e2e/xml'
import { type Account, change } from './account.ts'
import type { OmemoEvent } from './event.ts'
import { decodeKeys, decodeStatements, encodeKeys, storedKeys } from './key-records.ts'
import type { DeviceRef } from './outcome.ts'
import { OMEMO_2 } from './protocol.ts'
import { records } from './record.ts'
import { decodeNotice, fingerprintOfKeyId, trustEffects } from './trust-notices.ts'

/** @internal A key that was fetched, or that a message came from. */
export interface Introduction extends KeyRef {
  /** Only one that its signature has verified. */
  readonly label?: string | undefined
  readonly device?: DeviceRef | undefined
}

/** @internal */
export interface Meeting {
  /** In the order in which they were introduced. */
  readonly keys: readonly Key[]
  readonly put: readonly Put[]
  readonly events: readonly OmemoEvent[]
  readonly effects: readonly Effect[]
}

/** @internal Within a change, at most once: takes in keys, and gives each as it is then. */
export async function meet(
  account: Account,
  reader: Reader,
  introduced: readonly Introduction[],
): Promise<Meeting> {
  const book = await openBook(account, reader, ownersOf(introduced))
  await introduce(book, introduced)
  return { keys: introduced.map((ref) => book.find(ref)), ...book.close(introduced) }
}

/** @internal All keys of one owner, or all; without that of this device. */
export async function keysOf(account: Account, owner: BareJid | undefined): Promise<readonly Key[]> {
  const keys = await storedKeys(account.store, owner)
  return keys.filter((key) => !isSelf(account, key))
}

/** @internal @throws RangeError for the own key of this device, or a key that is not canonical */
export async function decide(account: Account, key: KeyRef, level: Level, by: Evidence): Promise<Key> {
  if (bareJid.decode(key.owner) !== key.owner)
    throw new RangeError('key.owner: expected a canonical bare JID')
  if (!/^[0-9a-f]{64}$/.test(key.fingerprint))
    throw new RangeError(
      "key.fingerprint: expected 64 digits of lower-case hex; parseFingerprint('omemo', …) of @xmpp-e2e/trust makes them of what people type",
    )
  const [decided] = await decideAll(account, [{ key, level }], by)
  return decided as Key
}

/** @internal Verifies what a URI names, and distrusts what it tells to. @throws TrustError */
export async function scan(
  account: Account,
  uri: string,
  expected: BareJid | undefined,
): Promise<readonly Key[]> {
  const { jid, claims } = parseKeyUri(uri, expected)
  const known = await storedKeys(account.store, jid)
  const verdicts = claims.flatMap((claim) => verdictOf(claim, jid, known))
  if (verdicts.length === 0) throw new TrustError('uri-without-keys', 'uri: it says nothing about OMEMO keys')
  return decideAll(account, verdicts, 'scan')
}

/** @internal What names this device, for others to scan. */
export function keyUri({ jid, self }: Account): string {
  return formatKeyUri({
    jid,
    claims: [{ kind: 'omemo', device: self.deviceId, fingerprint: self.fingerprint }],
  })
}

interface Verdict {
  readonly key: KeyRef
  readonly level: Level
}

function verdictOf(claim: KeyClaim, owner: BareJid, known: readonly Key[]): readonly Verdict[] {
  switch (claim.kind) {
    case 'omemo':
      return [{ key: { owner, fingerprint: claim.fingerprint }, level: 'verified' }]
    case 'otr':
      return []
    case 'trust-message': {
      const id = hex.decode(claim.keyId)
      const fingerprint = id && claim.encryption === OMEMO_2 ? fingerprintOfKeyId(id, known) : undefined
      if (fingerprint === undefined) return []
      return [{ key: { owner, fingerprint }, level: claim.trust ? 'verified' : 'distrusted' }]
    }
  }
}

/** One after the other, in one commit. What others cannot be told of, since too much waits for them, is decided all the same. */
async function decideAll(
  account: Account,
  verdicts: readonly Verdict[],
  by: Evidence,
): Promise<readonly Key[]> {
  const refs = verdicts.map(({ key }) => key)
  const run = (isFull: boolean) =>
    change(account, [], async (_, reader) => {
      // Everybody who is verified is told of it (XEP-0450 §4); without trust messages only siblings matter.
      const book = await openBook(account, reader, account.policy.trustMessages ? 'all' : ownersOf(refs))
      const at = new Date(account.clock.now())
      for (const { key, level } of verdicts) {
        // A code names all devices of an account, also that which scans it.
        if (by === 'scan' && isSelf(account, key)) continue
        book.take('all', (keyring, endpoint) => decideKey(keyring, endpoint, { key, level, by, at }))
      }
      const { put, events, effects } = book.close([])
      const untold = isFull ? await withoutRoom(account, reader, effects) : []
      return {
        put,
        events: [...events, ...untold.map(untoldEvent)],
        effects: effects.filter((effect) => !untold.includes(effect)),
        result: refs.map((ref) => book.find(ref)),
      }
    })
  return run(false).catch((error: unknown) => {
    if (error instanceof StoreError && error.code === 'lane-full') return run(true)
    throw error
  })
}

/** Those whose lane is full: one that has waited for 1024 decisions is of somebody who is not there. */
async function withoutRoom(
  account: Account,
  reader: Reader,
  effects: readonly Effect[],
): Promise<readonly Effect[]> {
  const full: Effect[] = []
  for (const lane of new Set(effects.map((effect) => effect.lane))) {
    const theirs = effects.filter((effect) => effect.lane === lane)
    try {
      // Only asks: the reader is another one each time, and what is queued is queued by `change`.
      await account.effects.add({ ...reader }, theirs)
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'lane-full')) throw error
      full.push(...theirs)
    }
  }
  return full
}

function untoldEvent({ payload }: Effect): OmemoEvent {
  const { to, about } = decodeNotice(payload)
  return { kind: 'trust-untold', to, about }
}

/** @internal Takes in what is new, and new labels. */
export async function introduce(book: Book, introduced: readonly Introduction[]): Promise<void> {
  for (const { owner, fingerprint, label } of introduced) {
    const ref = { owner, fingerprint }
    // Of thousands that are met again and again, nearly all are as they were.
    const known = book.known(ref)
    if (known !== undefined && (label === undefined || label === known.label)) continue
    const owners = known === undefined ? await book.concerned(owner) : [owner]
    book.take(owners, (keyring, endpoint) =>
      meetKey(keyring, endpoint, { ...ref, ...(label !== undefined && { label }) }),
    )
  }
}

/** @internal The keys of some owners, and what waits, within one change. */
export interface Book {
  /** As it is now, if it was met; the own key of this device always was. */
  known(ref: KeyRef): Key | undefined
  /** The same of a key that certainly was. */
  find(ref: KeyRef): Key
  keysOf(owner: BareJid): readonly Key[]
  waiting(): Waiting
  /** Reads the keys of more owners. */
  include(owners: readonly BareJid[]): Promise<void>
  /** Whose keys a new key of that owner can matter to; reads them. */
  concerned(owner: BareJid): Promise<readonly BareJid[]>
  /** Takes a step of trust on the keys of these owners and what waits about them, or on all that there is. */
  take(owners: readonly BareJid[] | 'all', step: (keyring: Keyring, endpoint: Endpoint) => KeyringStep): void
  close(introduced: readonly Introduction[]): Omit<Meeting, 'keys'>
}

const idOf = ({ owner, fingerprint }: KeyRef): string => `${owner}\n${fingerprint}`

/** @internal */
export async function openBook(
  account: Account,
  reader: Reader,
  owners: readonly BareJid[] | 'all',
): Promise<Book> {
  const { policy, jid } = account
  const endpoint: Endpoint = {
    account: jid,
    protocol: OMEMO_2,
    fingerprint: account.self.fingerprint,
    policy,
  }
  const self: Key = { ...selfOf(account), protocol: OMEMO_2, level: 'verified', own: true }
  const byOwner = new Map<BareJid, readonly Key[]>()
  const index = new Map<string, Key>()
  const before = new Map<string, Key>()
  let waiting: Waiting = []

  const learn = (owner: BareJid, keys: readonly Key[]): void => {
    byOwner.set(owner, keys)
    for (const key of keys) {
      index.set(idOf(key), key)
      before.set(idOf(key), key)
    }
  }
  const include = async (more: readonly BareJid[], others: readonly string[] = []) => {
    const missing = [...new Set(more)].filter((owner) => !byOwner.has(owner))
    const names = [...missing.map(records.keysOf), ...others]
    const values = names.length > 0 ? await reader.read(names) : []
    missing.forEach((owner, i) => {
      learn(owner, decodeKeys(values[i]))
    })
    return values.slice(missing.length)
  }

  const names = policy.trustMessages ? [records.waiting] : []
  if (owners === 'all') {
    for (const [name, bytes] of await reader.list(records.allKeys)) {
      const keys = decodeKeys(bytes)
      const owner = keys[0]?.owner
      if (owner !== undefined && name === records.keysOf(owner)) learn(owner, keys)
    }
  }
  const [statements] = await include(owners === 'all' ? [] : [...owners, jid], names)
  waiting = decodeStatements(statements)
  const waitingBefore = waiting

  const changed = new Set<string>()
  const contests: Contest[] = []
  const dropped: Statement[] = []
  const notices: KeyringStep['notices'][number][] = []

  const known = (ref: KeyRef): Key | undefined => (isSelf(account, ref) ? self : index.get(idOf(ref)))

  return {
    known,
    find(ref) {
      const key = known(ref)
      if (key === undefined) throw new TypeError('key: it was not met')
      return key
    },
    keysOf: (owner) => byOwner.get(owner) ?? [],
    waiting: () => waiting,
    include: async (more) => void (await include(more)),
    async concerned(owner) {
      if (owner !== jid || waiting.length === 0) return [owner, jid]
      // What an own device has said of others waits for that device too.
      const subjects = waiting.filter(({ sender }) => sender.owner === jid).map(({ about }) => about.owner)
      await include(subjects)
      return [jid, ...new Set(subjects)]
    },
    take(wanted, step) {
      const which = wanted === 'all' ? [...byOwner.keys()] : [...new Set(wanted)]
      const isAbout = new Set(which)
      const theirs = wanted === 'all' ? waiting : waiting.filter(({ about }) => isAbout.has(about.owner))
      const keys = which.flatMap((owner) => byOwner.get(owner) ?? [])
      const done = step({ keys: keys.filter((key) => !isSelf(account, key)), waiting: theirs }, endpoint)
      for (const key of done.changed) {
        const list = byOwner.get(key.owner) ?? []
        byOwner.set(
          key.owner,
          index.has(idOf(key))
            ? list.map((other) => (other.fingerprint === key.fingerprint ? key : other))
            : [...list, key],
        )
        index.set(idOf(key), key)
        changed.add(idOf(key))
      }
      const left = new Set(done.keyring.waiting)
      const taken = new Set(theirs)
      if (left.size !== taken.size || theirs.some((statement) => !left.has(statement)))
        waiting = [
          ...waiting.filter((statement) => !taken.has(statement) || left.has(statement)),
          ...done.keyring.waiting.filter((statement) => !taken.has(statement)),
        ]
      contests.push(...done.contested)
      dropped.push(...done.dropped)
      notices.push(...done.notices)
    },
    close(introduced) {
      const devices = new Map(introduced.flatMap((one) => (one.device ? [[idOf(one), one.device]] : [])))
      const events: OmemoEvent[] = []
      const written = new Set<BareJid>()
      for (const id of changed) {
        const key = index.get(id) as Key
        written.add(key.owner)
        const previous = before.get(id)?.level
        if (previous !== undefined) events.push({ kind: 'key-changed', key, previous })
        else events.push({ kind: 'key-met', key, device: devices.get(id) })
      }
      for (const contest of contests) events.push({ kind: 'key-contested', contest })
      if (dropped.length > 0) events.push({ kind: 'trust-dropped', about: dropped.map(({ about }) => about) })
      return {
        put: [
          ...Array.from(
            written,
            (owner): Put => [records.keysOf(owner), encodeKeys(byOwner.get(owner) ?? [])],
          ),
          ...(waiting === waitingBefore ? [] : [[records.waiting, encodeWaiting(waiting)] satisfies Put]),
        ],
        events,
        effects: trustEffects(notices),
      }
    },
  }
}

const ownersOf = (refs: readonly KeyRef[]): readonly BareJid[] => [...new Set(refs.map(({ owner }) => owner))]

const selfOf = ({ jid, self }: Account): KeyRef => ({ owner: jid, fingerprint: self.fingerprint })

function isSelf(account: Account, { owner, fingerprint }: KeyRef): boolean {
  return owner === account.jid && fingerprint === account.self.fingerprint
}
