/**
 * Whose keys they are, and what is thought of them: `@xmpp-e2e/trust` in the store. Keys are met when a key exchange has
 * proven them, before anything is sent to them.
 */
import { update } from '@xmpp-e2e/store'
import {
  type Contest,
  decideKey,
  type Evidence,
  formatKeyUri,
  type Key,
  type KeyClaim,
  type Keyring,
  type KeyringStep,
  type Level,
  meetKey,
  parseKeyUri,
  TrustError,
} from '@xmpp-e2e/trust'
import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { AccountEvent } from './account-event.ts'
import { endpointOf } from './own-device.ts'
import { type KeyVersion, withKeyVersion } from './protocol/conversation.ts'
import { decodeContact, decodeKeys, encodeContact, encodeKeys, records } from './record.ts'
import { OTR_NAMESPACE } from './xmpp.ts'

/** @internal What is new about the keys of one owner. */
export interface News {
  /** Fingerprints that a key exchange has proven. */
  readonly met?: readonly string[]
  readonly verdicts?: readonly Verdict[]
  /** Versions that were spoken. */
  readonly versions?: readonly KeyVersion[]
}

interface Verdict {
  readonly fingerprint: string
  readonly level: Level
  readonly by: Evidence
}

/** @internal Stores it in one commit, and gives all keys of the owner, and what to tell. */
export async function note(
  account: Account,
  owner: BareJid,
  { met = [], verdicts = [], versions = [] }: News,
): Promise<{ readonly keys: readonly Key[]; readonly events: readonly AccountEvent[] }> {
  const endpoint = endpointFor(account)
  const isSelf = (fingerprint: string) => owner === account.jid && fingerprint === account.fingerprint
  const names = [records.keysOf(owner), records.contact(owner)]
  return update(account.store, names, ([keyBytes, contactBytes]) => {
    const before = decodeKeys(keyBytes)
    let keyring: Keyring = { keys: before, waiting: [] }
    const contested: Contest[] = []
    const take = (step: KeyringStep): void => {
      keyring = step.keyring
      contested.push(...step.contested)
    }
    for (const fingerprint of met) take(meetKey(keyring, endpoint, { owner, fingerprint }))
    const at = new Date(account.clock.now())
    for (const { fingerprint, level, by } of verdicts) {
      if (isSelf(fingerprint)) continue
      take(decideKey(keyring, endpoint, { key: { owner, fingerprint }, level, by, at }))
    }
    const { keys } = keyring
    const known = decodeContact(contactBytes)
    const highest = versions.reduce(withKeyVersion, known)
    const isSame = keys.length === before.length && keys.every((key, index) => key === before[index])
    return {
      put: [
        ...(isSame ? [] : [[records.keysOf(owner), encodeKeys(keys)] as const]),
        ...(versions.length === 0 ? [] : [[records.contact(owner), encodeContact(highest)] as const]),
      ],
      result: {
        keys,
        events: [
          ...keys.flatMap((key) => changeOf(key, before)),
          ...contested.map((contest) => ({ kind: 'key-contested', contest }) as const),
        ],
      },
    }
  })
}

function changeOf(key: Key, before: readonly Key[]): readonly AccountEvent[] {
  const known = before.find(({ fingerprint }) => fingerprint === key.fingerprint)
  if (known === undefined) return [{ kind: 'key-met', key }]
  return known.level === key.level ? [] : [{ kind: 'key-changed', key, previous: known.level }]
}

/** @internal A key that a session has. One that the store has lost is met anew; our own, at another client, is ours. */
export async function keyOf(account: Account, owner: BareJid, fingerprint: string): Promise<Key> {
  if (owner === account.jid && fingerprint === account.fingerprint)
    return { owner, fingerprint, protocol: OTR_NAMESPACE, level: 'verified', own: true }
  const find = (keys: readonly Key[]) => keys.find((key) => key.fingerprint === fingerprint)
  const known = find(await keysOf(account, owner))
  if (known !== undefined) return known
  const { keys, events } = await note(account, owner, { met: [fingerprint] })
  for (const event of events) account.emit(event)
  return find(keys) as Key
}

/** @internal All keys of one owner, or all that are known. */
export async function keysOf(
  { store }: Pick<Account, 'store'>,
  owner: BareJid | undefined,
): Promise<readonly Key[]> {
  if (owner === undefined)
    return (await store.list(records.allKeys)).entries.flatMap(([, value]) => decodeKeys(value))
  return (await store.read([records.keysOf(owner)])).flatMap(({ value }) => decodeKeys(value))
}

/** @internal @throws RangeError for our own key, or one that is not canonical */
export async function decide(
  account: Account,
  owner: BareJid,
  verdicts: readonly Verdict[],
): Promise<readonly Key[]> {
  if (bareJid.decode(owner) !== owner) throw new RangeError('key.owner: expected a canonical bare JID')
  for (const { fingerprint } of verdicts) {
    if (!/^[0-9a-f]{40}$/.test(fingerprint))
      throw new RangeError('key.fingerprint: expected 40 digits of lower-case hex')
    if (owner === account.jid && fingerprint === account.fingerprint)
      throw new RangeError('key: the own key of this client')
  }
  const { keys, events } = await note(account, owner, { verdicts })
  for (const event of events) account.emit(event)
  return verdicts.flatMap(({ fingerprint }) => keys.filter((key) => key.fingerprint === fingerprint))
}

/** @internal What XEP-0364 §6 and XEP-0434 say about keys of OTR. @throws TrustError */
export async function scan(
  account: Account,
  uri: string,
  expected: BareJid | undefined,
): Promise<readonly Key[]> {
  const { jid, claims } = parseKeyUri(uri, expected)
  const verdicts = claims
    .flatMap(verdictOf)
    .filter(({ fingerprint }) => jid !== account.jid || fingerprint !== account.fingerprint)
  if (verdicts.length === 0) throw new TrustError('uri-without-keys', 'uri: it says nothing about OTR keys')
  return decide(account, jid, verdicts)
}

function verdictOf(claim: KeyClaim): readonly Verdict[] {
  switch (claim.kind) {
    case 'otr':
      return [{ fingerprint: claim.fingerprint, level: 'verified', by: 'scan' }]
    case 'omemo':
      return []
    case 'trust-message': {
      const { encryption, keyId, trust } = claim
      if (encryption !== OTR_NAMESPACE || !/^[0-9a-f]{40}$/.test(keyId)) return []
      return [{ fingerprint: keyId, level: trust ? 'verified' : 'distrusted', by: 'scan' }]
    }
  }
}

/** @internal `xmpp:…?otr-fingerprint=…` */
export function keyUri({ jid, fingerprint }: Account): string {
  return formatKeyUri({ jid, claims: [{ kind: 'otr', fingerprint }] })
}

function endpointFor({ jid, policy, device }: Account) {
  return endpointOf({ account: jid, policy, key: device.key })
}
