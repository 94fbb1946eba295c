/** What is ours: a DSA key and an instance tag, made once and kept; or taken over from a program that uses libotr. */
import { type Clock, type Store, update } from '@xmpp-e2e/store'
import { decideKey, type Endpoint, type Key, type Keyring, meetKey, type Policy } from '@xmpp-e2e/trust'
import { type BareJid, bareJid, jid } from '@xmpp-e2e/xml'
import { pause } from './account.ts'
import { type DsaPrivateKey, fingerprint } from './dsa/dsa.ts'
import { generateDsaKey } from './dsa/generate.ts'
import {
  type FingerprintEntry,
  formatFingerprints,
  formatInstanceTags,
  formatPrivateKeys,
  parseFingerprints,
  parseInstanceTags,
  parsePrivateKeys,
} from './libotr/files.ts'
import type { OpenOptions } from './options.ts'
import { generateInstanceTag } from './protocol/header.ts'
import { type Device, decodeDevice, decodeKeys, encodeDevice, encodeKeys, records } from './record.ts'
import type { Random } from './wire/bytes.ts'
import { OTR_NAMESPACE } from './xmpp.ts'

/** The contents of libotr's files. In Profanity they are `keys.txt` and `fingerprints.txt`. */
export interface LibotrFiles {
  /** `otr.private_key`, in Pidgin. It is not encrypted. */
  readonly privateKeys: string
  /** `otr.fingerprints` */
  readonly fingerprints?: string | undefined
  /** `otr.instance_tags` */
  readonly instanceTags?: string | undefined
}

interface Means {
  readonly account: BareJid
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
}

/**
 * @internal Reads it, or makes it. When two programs make one at once, both take the first that was stored.
 *
 * @throws the signal's reason; OtrError `state-malformed`, `state-version-unknown`
 */
export async function openDevice(means: Means, { signal, onProgress }: OpenOptions): Promise<Device> {
  const { account, store, random } = means
  const [stored] = await store.read([records.device])
  if (stored?.value !== undefined) return decodeDevice(stored.value, account)
  const key = await generateDsaKey({ random, pause: () => pause(means), signal, onProgress })
  const made: Device = { tag: generateInstanceTag(random), key }
  return update(store, [records.device], ([bytes]) => {
    if (bytes !== undefined) return { result: decodeDevice(bytes, account) }
    return { put: [[records.device, encodeDevice(made, account)]], result: made }
  })
}

/**
 * @internal Stores what the files have of an account.
 *
 * @throws OtrError `file-malformed`, `dsa-key-invalid`
 */
export async function importDevice(
  { store, clock, random, account, policy }: Means & { readonly policy: Policy },
  { privateKeys, fingerprints = '', instanceTags = '' }: LibotrFiles,
): Promise<'imported' | 'device-exists' | 'account-missing'> {
  const isOurs = (name: string, protocol: string) => isXmpp(protocol) && bareOf(name) === account
  const key = parsePrivateKeys(privateKeys).find(({ name, protocol }) => isOurs(name, protocol))?.key
  if (key === undefined) return 'account-missing'
  const tags = parseInstanceTags(instanceTags).filter((one) => isOurs(one.account, one.protocol))
  const device: Device = { tag: tags[0]?.tag ?? generateInstanceTag(random), key }
  const entries = parseFingerprints(fingerprints).filter((one) => isOurs(one.account, one.protocol))
  const endpoint = endpointOf({ account, policy, key })
  return update(store, [records.device], async ([bytes], reader) => {
    if (bytes !== undefined) return { result: 'device-exists' as const }
    const byOwner = importedKeys(entries, endpoint, new Date(clock.now()))
    const owners = [...byOwner.keys()]
    const stored = owners.length > 0 ? await reader.read(owners.map(records.keysOf)) : []
    const put = owners.flatMap((owner, i) =>
      // What is there already was decided here.
      stored[i] === undefined ? [[records.keysOf(owner), encodeKeys(byOwner.get(owner) ?? [])] as const] : [],
    )
    return { put: [[records.device, encodeDevice(device, account)], ...put], result: 'imported' as const }
  })
}

/** Names in libotr's files: Pidgin's, Profanity's and others'. */
function isXmpp(protocol: string): boolean {
  return protocol === 'prpl-jabber' || protocol === 'xmpp' || protocol === 'jabber'
}

function bareOf(name: string): BareJid | undefined {
  // Pidgin ends a name without a resource in a slash.
  const address = jid.decode(name.replace(/\/$/, ''))
  return address === undefined ? undefined : bareJid.decode(address.split('/', 1)[0] ?? '')
}

function importedKeys(
  entries: readonly FingerprintEntry[],
  endpoint: Endpoint,
  at: Date,
): ReadonlyMap<BareJid, readonly Key[]> {
  const byOwner = new Map<BareJid, Keyring>()
  for (const { peer, fingerprint, trust } of entries) {
    const owner = bareOf(peer)
    const key = owner && { owner, fingerprint }
    if (key === undefined || (key.owner === endpoint.account && fingerprint === endpoint.fingerprint))
      continue
    const before = byOwner.get(key.owner) ?? { keys: [], waiting: [] }
    const step =
      trust === ''
        ? meetKey(before, endpoint, key)
        : decideKey(before, endpoint, { key, level: 'verified', by: 'import', at })
    byOwner.set(key.owner, step.keyring)
  }
  return new Map([...byOwner].map(([owner, { keys }]) => [owner, keys]))
}

/** @internal Trust messages are no part of OTR. */
export function endpointOf({ account, policy, key }: Owner): Endpoint {
  return { account, protocol: OTR_NAMESPACE, fingerprint: fingerprint(key), policy: withoutMessages(policy) }
}

interface Owner {
  readonly account: BareJid
  readonly policy: Policy
  readonly key: DsaPrivateKey
}

/** A policy may be an object of a class, whose methods a copy would not have. */
function withoutMessages(policy: Policy): Policy {
  return {
    first: (key, known) => policy.first(key, known),
    maySend: (level) => policy.maySend(level),
    mayShow: (level) => policy.mayShow(level),
    blindEnds: policy.blindEnds,
  }
}

/** @internal What a program with libotr reads. Keys that are distrusted are left out: there, a known key is used. */
export async function exportFiles(
  { store, account }: { readonly store: Store; readonly account: BareJid },
  { tag, key }: Device,
  { protocol, name }: { readonly protocol: string; readonly name: string },
): Promise<Required<LibotrFiles>> {
  const { entries } = await store.list(records.allKeys)
  const keys = entries.flatMap(([, bytes]) => decodeKeys(bytes)).filter(({ level }) => level !== 'distrusted')
  const trust = ({ level, by }: Key) => (level !== 'verified' ? '' : by === 'smp' ? 'smp' : 'verified')
  return {
    privateKeys: formatPrivateKeys([{ name, protocol, key }]),
    fingerprints: formatFingerprints(
      keys
        .filter(({ owner }) => owner !== account)
        .map((one) => ({
          peer: one.owner,
          account: name,
          protocol,
          fingerprint: one.fingerprint,
          trust: trust(one),
        })),
    ),
    instanceTags: formatInstanceTags([{ account: name, protocol, tag }]),
  }
}
