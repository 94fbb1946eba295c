/**
 * Whose keys they are, and what is thought of them: `@xmpp-e2e/trust` within the commits of the façade. Secret keys that are
 * here are ours, and in no record; for those who ask they are verified.
 */
import type { Put, Reader } from '@xmpp-e2e/store'
import {
  decideKey,
  type Endpoint,
  type Evidence,
  formatKeyUri,
  type Key,
  type KeyClaim,
  type KeyRef,
  type Keyring,
  type Level,
  meetKey,
  type Policy,
  parseKeyUri,
  TrustError,
} from '@xmpp-e2e/trust'
import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import { type Account, change } from './account.ts'
import { OX_NAMESPACE } from './elements/content.ts'
import type { OxEvent } from './event.ts'
import { decodeKeys, encodeKeys } from './key-lines.ts'
import { records } from './record.ts'

/** @internal */
export interface Meeting {
  /** In the order in which they were introduced. */
  readonly keys: readonly Key[]
  readonly put: readonly Put[]
  readonly events: readonly OxEvent[]
}

interface Verdict {
  readonly fingerprint: string
  readonly level: Level
}

/** @internal Within a change: takes in keys of one owner, and gives each as it is then. */
export async function meet(
  account: Account,
  reader: Reader,
  owner: BareJid,
  fingerprints: readonly string[],
): Promise<Meeting> {
  const ours = await ownFingerprints(account, owner)
  return step(account, reader, owner, fingerprints, (keyring, endpoint) => {
    const besides = { ...endpoint, policy: besideOurs(endpoint.policy, owner, ours) }
    return fingerprints
      .filter((fingerprint) => !ours.has(fingerprint))
      .reduce((before, fingerprint) => meetKey(before, besides, { owner, fingerprint }).keyring, keyring)
  })
}

/** To the policy our keys are known and verified, though no record has them: one that a server adds is not the first. */
function besideOurs(policy: Policy, owner: BareJid, ours: ReadonlySet<string>): Policy {
  const verified = [...ours].map((fingerprint): Key => ({ ...ownKey(owner, fingerprint), by: 'import' }))
  return {
    first: (key, known) =>
      policy.first(key, [
        ...verified,
        ...known.filter((one) => one.owner !== owner || !ours.has(one.fingerprint)),
      ]),
    maySend: (level) => policy.maySend(level),
    mayShow: (level) => policy.mayShow(level),
    blindEnds: policy.blindEnds,
    trustMessages: policy.trustMessages,
  }
}

/** @internal All keys of one owner, ours among them, or all that are known. */
export async function keysOf(account: Account, owner: BareJid | undefined): Promise<readonly Key[]> {
  const { store, jid } = account
  const values =
    owner === undefined
      ? (await store.list(records.allKeys)).entries.map(([, value]) => value)
      : (await store.read([records.keysOf(owner)])).map(({ value }) => value)
  const known = values.flatMap(decodeKeys)
  const ours = owner === undefined || owner === jid ? await ownFingerprints(account, jid) : new Set<string>()
  return [
    ...[...ours].map((fingerprint) => ownKey(jid, fingerprint)),
    ...known.filter(({ owner: whose, fingerprint }) => whose !== jid || !ours.has(fingerprint)),
  ]
}

/** @internal @throws RangeError for our own key, or what is none */
export async function decide(account: Account, key: KeyRef, level: Level, by: Evidence): Promise<Key> {
  const { owner, fingerprint } = key
  if (bareJid.decode(owner) !== owner) throw new RangeError('key.owner: expected a canonical bare JID')
  if (!FINGERPRINT.test(fingerprint))
    throw new RangeError(
      'key.fingerprint: expected 40 or 64 digits of lower-case hex, as `parseFingerprint` gives them',
    )
  if ((await ownFingerprints(account, owner)).has(fingerprint)) throw new RangeError('key: it is our own')
  const [decided] = await decideAll(account, owner, [{ fingerprint, level }], by)
  return decided as Key
}

/** @internal Verifies what a URI names, and distrusts what it tells to. @throws TrustError */
export async function scan(
  account: Account,
  uri: string,
  expected: BareJid | undefined,
): Promise<readonly Key[]> {
  const { jid, claims } = parseKeyUri(uri, expected)
  const ours = await ownFingerprints(account, jid)
  const verdicts = claims.flatMap(verdictOf).filter(({ fingerprint }) => !ours.has(fingerprint))
  if (verdicts.length === 0)
    throw new TrustError('uri-without-keys', 'uri: it says nothing about keys of OpenPGP')
  return decideAll(account, jid, verdicts, 'scan')
}

/** @internal What names our key, for others to scan (XEP-0434 §4). */
export function keyUri({ jid, own }: Account): string | undefined {
  const { fingerprint } = own
  if (fingerprint === undefined) return undefined
  const claim = {
    kind: 'trust-message',
    encryption: OX_NAMESPACE,
    keyId: fingerprint,
    trust: true,
  } as const
  return formatKeyUri({ jid, claims: [claim] })
}

/** Of version 4, or 6. */
const FINGERPRINT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

function verdictOf(claim: KeyClaim): readonly Verdict[] {
  if (claim.kind !== 'trust-message' || claim.encryption !== OX_NAMESPACE) return []
  const fingerprint = claim.keyId.toLowerCase()
  if (!FINGERPRINT.test(fingerprint)) return []
  return [{ fingerprint, level: claim.trust ? 'verified' : 'distrusted' }]
}

function decideAll(
  account: Account,
  owner: BareJid,
  verdicts: readonly Verdict[],
  by: Evidence,
): Promise<readonly Key[]> {
  const at = new Date(account.clock.now())
  const fingerprints = verdicts.map(({ fingerprint }) => fingerprint)
  return change(account, [], async (_, reader) => {
    const { keys, put, events } = await step(account, reader, owner, fingerprints, (keyring, endpoint) =>
      verdicts.reduce(
        (before, { fingerprint, level }) =>
          decideKey(before, endpoint, { key: { owner, fingerprint }, level, by, at }).keyring,
        keyring,
      ),
    )
    return { put, events, result: keys }
  })
}

async function step(
  account: Account,
  reader: Reader,
  owner: BareJid,
  fingerprints: readonly string[],
  take: (keyring: Keyring, endpoint: Endpoint) => Keyring,
): Promise<Meeting> {
  const name = records.keysOf(owner)
  const [bytes] = await reader.read([name])
  const before = decodeKeys(bytes)
  const { keys } = take({ keys: before, waiting: [] }, endpointOf(account))
  const isSame = keys.length === before.length && keys.every((key, i) => key === before[i])
  const find = (fingerprint: string): Key =>
    keys.find((key) => key.fingerprint === fingerprint) ?? ownKey(owner, fingerprint)
  return {
    keys: fingerprints.map(find),
    put: isSame ? [] : [[name, encodeKeys(keys)]],
    events: keys.flatMap((key) => changeOf(key, before)),
  }
}

function changeOf(key: Key, before: readonly Key[]): readonly OxEvent[] {
  const known = before.find(({ fingerprint }) => fingerprint === key.fingerprint)
  if (known === undefined) return [{ kind: 'key-met', key }]
  return known.level === key.level ? [] : [{ kind: 'key-changed', key, previous: known.level }]
}

/** All clients of the account share its keys (XEP-0450 §4, "OOK"). Without a key yet, none is ours. */
function endpointOf({ jid, own, policy }: Account): Endpoint {
  return {
    account: jid,
    protocol: OX_NAMESPACE,
    fingerprint: own.fingerprint ?? '0'.repeat(40),
    policy,
    sharesKey: true,
  }
}

async function ownFingerprints({ jid, own }: Account, owner: BareJid): Promise<ReadonlySet<string>> {
  return new Set(owner === jid ? (await own.all()).map(({ certificate }) => certificate.fingerprint) : [])
}

function ownKey(owner: BareJid, fingerprint: string): Key {
  return { protocol: OX_NAMESPACE, owner, fingerprint, level: 'verified', own: true }
}
