/**
 * Looks at everything that a conversation depends on, and says what is wrong and what helps: the lists and bundles of the
 * account, as its server has them now; what is published of this device; keys, sessions and what waits here. It reads
 * only: neither the store nor anything on a server is changed by it.
 */
import { PepError } from '@xmpp-e2e/disco/pep'
import type { Reader, Signal } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import { type Account, change } from './account.ts'
import { sameBytes } from './bytes.ts'
import { type FetchedBundle, fetchBundles } from './device/bundle-fetch.ts'
import { type Contact, MAX_DEVICES_PER_ACCOUNT, readContacts } from './device/contact.ts'
import { fetchList } from './device/device-lists.ts'
import { fetchOwnBundle, isForeign, isOpen } from './device/own-bundle.ts'
import { readPreKeys } from './device/pre-key-supply.ts'
import { OmemoError } from './error.ts'
import { bundleFinding, type Finding, type FindingCode, finding } from './finding.ts'
import { fingerprint } from './identity-key.ts'
import { keysOf } from './keyring.ts'
import { MAX_UNANSWERED } from './message/recipients.ts'
import { MIN_PRE_KEYS, type PreKeys } from './pre-keys.ts'
import type { Namespace } from './protocol.ts'
import { records } from './record.ts'
import { readListsOf, type StoredList } from './session-records.ts'
import { type Bundle, bundles } from './stanza/bundle.ts'
import { deviceLists } from './stanza/device-list.ts'

export interface Diagnosis {
  readonly jid: BareJid
  readonly at: Date
  /** Errors first, then warnings. */
  readonly findings: readonly Finding[]
}

/** @internal @throws the signal's reason */
export async function diagnose(
  account: Account,
  jid: BareJid,
  { signal }: { readonly signal?: Signal | undefined } = {},
): Promise<Diagnosis> {
  const isOnline = account.connection.jid !== undefined
  const stored = await storedState(account, jid)
  const listed = isOnline ? await readListsNow(account, jid, signal) : undefined
  const found = [
    ...(isOnline ? [] : [finding('offline', { jid: account.jid })]),
    ...(isOnline ? await ownFindings(account, signal) : []),
    ...(listed?.findings ?? []),
    ...(listed ? changedLists(stored.contact, listed.lists) : []),
    ...(await deviceFindings(account, stored, listed, signal)),
    ...(await waiting(account, jid, stored)),
  ]
  const severities = ['error', 'warning', 'info'] as const
  return {
    jid,
    at: new Date(account.clock.now()),
    findings: severities.flatMap((severity) => found.filter((one) => one.severity === severity)),
  }
}

interface Stored {
  readonly contact: Contact
  readonly sessions: readonly StoredList[]
  readonly isCatchingUp: boolean
}

function storedState(account: Account, jid: BareJid): Promise<Stored> {
  return change(account, [records.catchUp], async ([catchUp], reader) => {
    const [contact] = (await readContacts(reader, [jid])) as [Contact]
    const sessions = await sessionsOf(account, reader, contact)
    return { result: { contact, sessions, isCatchingUp: catchUp !== undefined } }
  })
}

async function sessionsOf(
  { namespaces }: Account,
  reader: Reader,
  { jid, devices }: Contact,
): Promise<readonly StoredList[]> {
  const found: StoredList[] = []
  for (const { id } of devices)
    for (const namespace of namespaces) found.push(...(await readListsOf(reader, namespace, { jid, id })))
  return found
}

interface Listed {
  readonly lists: ReadonlyMap<Namespace, readonly number[]>
  readonly findings: readonly Finding[]
}

async function readListsNow(account: Account, jid: BareJid, signal: Signal | undefined): Promise<Listed> {
  const lists = new Map<Namespace, readonly number[]>()
  const findings: Finding[] = []
  for (const namespace of account.namespaces) {
    try {
      const { devices, current } = await fetchList(account, jid, namespace, { signal })
      lists.set(
        namespace,
        devices.map(({ id }) => id),
      )
      if (devices.length === 0)
        findings.push(finding(current ? 'list-empty' : 'list-missing', { jid, namespace }))
    } catch (error) {
      findings.push(finding(listCode(error, signal), { jid, namespace }))
    }
  }
  const isRead = lists.size === account.namespaces.length
  const isNone = [...lists.values()].every((ids) => ids.length === 0)
  return {
    lists,
    findings: isRead && isNone ? [finding('devices-missing', { jid }), ...findings] : findings,
  }
}

function listCode(error: unknown, signal: Signal | undefined): FindingCode {
  if (signal?.aborted) throw signal.reason
  if (error instanceof OmemoError) return 'list-malformed'
  if (!(error instanceof PepError)) throw error
  if (error.code === 'forbidden') return 'list-forbidden'
  return error.code === 'malformed' ? 'list-malformed' : 'list-unavailable'
}

function changedLists({ jid, lists }: Contact, now: Listed['lists']): readonly Finding[] {
  return [...now].flatMap(([namespace, ids]) => {
    const known = lists[namespace]?.devices.map(({ id }) => id)
    if (known === undefined || [...known].sort().join() === [...ids].sort().join()) return []
    return [finding('list-changed', { jid, namespace })]
  })
}

async function deviceFindings(
  account: Account,
  { contact, sessions }: Stored,
  listed: Listed | undefined,
  signal: Signal | undefined,
): Promise<readonly Finding[]> {
  const { jid } = contact
  const lists = new Map<Namespace, readonly number[]>(
    account.namespaces.map((namespace) => [
      namespace,
      listed?.lists.get(namespace) ?? contact.lists[namespace]?.devices.map(({ id }) => id) ?? [],
    ]),
  )
  const isThis = (id: number) => jid === account.jid && id === account.self.deviceId
  const ids = [...new Set([...lists.values()].flat())].filter((id) => !isThis(id))
  const some = ids.slice(0, MAX_DEVICES_PER_ACCOUNT)
  const wanted = some.flatMap((id) =>
    account.namespaces
      .filter((namespace) => lists.get(namespace)?.includes(id))
      .map((namespace) => ({ device: { jid, id }, namespace })),
  )
  const fetched = listed ? await fetchBundles(account, wanted, { signal }) : []
  const levels = new Map((await keysOf(account, jid)).map((key) => [key.fingerprint, key.level]))
  return some.flatMap((id) => {
    const theirs = fetched.filter(({ device }) => device.id === id)
    const known = contact.devices.find((device) => device.id === id)?.identities ?? []
    const shown = theirs.flatMap(({ bundle }) => (bundle ? [fingerprint(bundle.identityKey)] : []))
    const [print = known[0]?.fingerprint] = shown
    const own = sessions.filter((list) => list.ref.device.id === id && list.ref.fingerprint === print)
    const about = { jid, device: id }
    const codes: FindingCode[] = []
    if (new Set(shown).size > 1) codes.push('identities-differ')
    if (shown.includes(account.self.fingerprint)) codes.push('identity-is-own')
    else if (known.length > 0 && shown.some((one) => !known.some((identity) => identity.fingerprint === one)))
      codes.push('identity-changed')
    if (print !== undefined) codes.push(keyCode(account, levels.get(print)))
    return [
      ...theirs.flatMap(bundleFindings),
      ...codes.map((code) => finding(code, about)),
      ...(own.length === 0 ? [finding('session-missing', about)] : own.flatMap(sessionFindings)),
    ]
  })
}

function keyCode({ policy }: Account, level: Parameters<typeof policy.maySend>[0] | undefined): FindingCode {
  if (level === undefined) return 'key-undecided'
  if (policy.maySend(level)) return 'key-trusted'
  return level === 'distrusted' ? 'key-distrusted' : 'key-undecided'
}

function bundleFindings(fetched: FetchedBundle): readonly Finding[] {
  const { device, namespace } = fetched
  const about = { jid: device.jid, device: device.id, namespace }
  if (fetched.bundle === undefined) return [finding(bundleFinding(fetched.code), about)]
  const { preKeys, signedPreKey } = fetched.bundle
  const hasZero = signedPreKey.id === 0 || preKeys.some(({ id }) => id === 0)
  return [
    ...(preKeys.length < MIN_PRE_KEYS ? [finding('pre-keys-few', about)] : []),
    ...(hasZero ? [finding('pre-key-id-zero', about)] : []),
  ]
}

function sessionFindings({ ref, sessions }: StoredList): readonly Finding[] {
  const about = { jid: ref.device.jid, device: ref.device.id, namespace: ref.namespace }
  const { exchange, ratchet } = sessions.current
  if (ratchet.state === 'sending' && ratchet.sending.next >= MAX_UNANSWERED)
    return [finding('session-unanswered', about)]
  return exchange.state === 'pending' ? [finding('session-pending', about)] : []
}

/** What waits in the queue and has to do with the account, and what is noted of it. */
async function waiting(
  { effects }: Account,
  jid: BareJid,
  { contact, isCatchingUp }: Stored,
): Promise<readonly Finding[]> {
  const theirs = (await effects.list()).filter(({ key, lane }) => `${lane} ${key}`.split(' ').includes(jid))
  const codes: FindingCode[] = []
  if (contact.optedOut !== undefined) codes.push('opted-out')
  if (theirs.some(({ parked }) => parked)) codes.push('follow-ups-parked')
  if (theirs.some(({ parked }) => !parked)) codes.push('follow-ups-waiting')
  if (isCatchingUp) codes.push('catch-up-open')
  return codes.map((code) => finding(code, { jid }))
}

/** What others see of this device. */
async function ownFindings(account: Account, signal: Signal | undefined): Promise<readonly Finding[]> {
  const { jid, self, namespaces } = account
  const stored = await readPreKeys(account, namespaces)
  const found: Finding[] = []
  for (const [i, namespace] of namespaces.entries()) {
    const about = { jid, device: self.deviceId, namespace }
    const listNode = deviceLists[namespace].node
    const bundleNode = bundles[namespace].location(self.deviceId).node
    const note = (code: FindingCode) => found.push(finding(code, about))
    try {
      const { devices } = await fetchList(account, jid, namespace, { signal })
      if (!devices.some(({ id }) => id === self.deviceId)) note('own-device-unlisted')
      const published = await fetchOwnBundle(account, namespace, self.deviceId, { signal })
      if (published.kind !== 'bundle')
        note(published.kind === 'none' ? 'own-bundle-missing' : 'own-bundle-unreadable')
      else if (isForeign(self, namespace, published.bundle)) note('own-bundle-foreign')
      else note(holds(stored[i], published.bundle) ? 'own-bundle-good' : 'own-bundle-outdated')
      for (const node of [listNode, bundleNode])
        if (!(await isOpenIfThere(account, node, signal))) note('own-node-closed')
    } catch (error) {
      note(listCode(error, signal))
    }
  }
  return found
}

async function isOpenIfThere(account: Account, node: string, signal: Signal | undefined): Promise<boolean> {
  try {
    return await isOpen(account, node, { signal })
  } catch (error) {
    // What is not there is reported as missing.
    if (error instanceof PepError && error.code === 'not-found') return true
    throw error
  }
}

/** Whether this device has the secrets of all that its bundle offers. */
function holds(preKeys: PreKeys | undefined, { signedPreKey, preKeys: offered }: Bundle): boolean {
  if (preKeys === undefined) return false
  const held = new Map(preKeys.oneTime.map((preKey) => [preKey.id, preKey.publicKey]))
  const isSigned = [preKeys.signed, preKeys.previousSigned].some(
    (signed) => signed?.id === signedPreKey.id && sameBytes(signed.publicKey, signedPreKey.publicKey),
  )
  return (
    isSigned &&
    offered.every(({ id, publicKey }) => {
      const ours = held.get(id)
      return ours !== undefined && sameBytes(ours, publicKey)
    })
  )
}
