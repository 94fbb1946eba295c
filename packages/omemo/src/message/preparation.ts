/** What has to be known and computed before one payload is encrypted for many devices: `fan-out.ts`. */
import type { Reader, Signal } from '@xmpp-e2e/store'
import { type Account, compute, pause } from '../account.ts'
import { type FetchedBundle, fetchBundles } from '../device/bundle-fetch.ts'
import { type BundleCode, type Contact, readContacts } from '../device/contact.ts'
import type { OwnDevice } from '../device/own-device.ts'
import { OmemoError } from '../error.ts'
import { type Introduction, type Meeting, meet } from '../keyring.ts'
import { protocols } from '../protocol.ts'
import { initiateSession, type Session } from '../session.ts'
import { readLists } from '../session-records.ts'
import { MAX_KEYS } from '../stanza/encrypted.ts'
import {
  fingerprintIn,
  type Known,
  listedDevices,
  listsOf,
  nameOfBundle,
  nameOfKey,
  nameOfList,
  type Step,
  stepsFor,
  type Wanted,
} from './recipients.ts'

/** Sessions opened between two pauses: 8 × 8 ms, four frames of a page. */
const SESSIONS_AT_ONCE = 8

/** @internal What was fetched and computed, by `nameOfBundle`. */
export interface Prepared {
  readonly bundles: Map<string, FetchedBundle>
  readonly sessions: Map<string, Session>
}

/** @internal Fetches and computes until every device has a session, stored or new, or a reason why not. */
export async function prepare(
  account: Account,
  wanted: Wanted,
  { bundles, sessions }: Prepared,
  signal: Signal | undefined,
): Promise<void> {
  const { self } = account
  for (;;) {
    // Not consistent, and need not be: what is decided by it is decided again within the change.
    const { steps } = await look(account, unchecked(account), wanted, bundles)
    if (areTooMany(steps)) return
    const missing = steps.filter((step) => step.kind === 'fetch')
    if (missing.length > 0) {
      for (const fetched of await fetchBundles(account, missing, { signal }))
        bundles.set(nameOfBundle(fetched.namespace, fetched.device), fetched)
      continue
    }
    const unopened = steps.filter(
      (step) => step.kind === 'open' && !sessions.has(nameOfBundle(step.namespace, step.device)),
    ) as readonly Extract<Step, { kind: 'open' }>[]
    if (unopened.length === 0) return
    const opened = await openSessions(account, self, unopened, signal)
    for (const [name, session] of opened.sessions) sessions.set(name, session)
    for (const failed of opened.failed) bundles.set(nameOfBundle(failed.namespace, failed.device), failed)
  }
}

async function openSessions(
  account: Account,
  self: OwnDevice,
  unopened: readonly Extract<Step, { kind: 'open' }>[],
  signal: Signal | undefined,
): Promise<{ readonly sessions: ReadonlyMap<string, Session>; readonly failed: readonly FetchedBundle[] }> {
  const sessions = new Map<string, Session>()
  const failed: FetchedBundle[] = []
  const total = unopened.length
  for (const [i, { device, namespace, bundle }] of unopened.entries()) {
    if (i > 0 && i % SESSIONS_AT_ONCE === 0) {
      account.emit({ kind: 'progress', work: 'sessions', done: i, total })
      await pause(account, 0)
    }
    if (signal?.aborted) throw signal.reason
    try {
      const step = initiateSession(protocols[namespace], self, bundle, account.clock.now(), account.random)
      sessions.set(nameOfBundle(namespace, device), await compute(account, step))
    } catch (cause) {
      if (!(cause instanceof OmemoError)) throw cause
      failed.push({ device, namespace, code: skipCodeOf(cause), cause })
    }
  }
  if (total > SESSIONS_AT_ONCE) account.emit({ kind: 'progress', work: 'sessions', done: total, total })
  return { sessions, failed }
}

function skipCodeOf({ code }: OmemoError): BundleCode {
  return code === 'identity-mismatch' ? code : 'key-invalid'
}

/** @internal More devices than keys that a stanza may have: asked before anything is fetched or computed for them. */
export function areTooMany(steps: readonly Step[]): boolean {
  return steps.filter(({ kind }) => kind !== 'skip').length > MAX_KEYS
}

/** @internal Reads the store without claiming that nothing changes. */
export function unchecked({ store }: Account): Reader {
  return {
    read: async (keys) => (await store.read(keys)).map(({ value }) => value),
    list: async (prefix) => (await store.list(prefix)).entries,
  }
}

/** @internal What is stored, and what to do about each device. */
export interface View extends Pick<Known, 'contacts' | 'keys'> {
  readonly steps: readonly Step[]
  readonly meeting: Meeting
}

/** @internal */
export async function look(
  account: Account,
  reader: Reader,
  wanted: Wanted,
  bundles: ReadonlyMap<string, FetchedBundle>,
): Promise<View> {
  const contacts = await readContacts(reader, wanted.accounts)
  const found = await readLists(reader, listsOf(contacts, wanted))
  const introduced = introductions(contacts, wanted, bundles)
  const meeting = await meet(account, reader, introduced)
  const known: Known = {
    contacts: new Map(contacts.map((contact) => [contact.jid, contact])),
    lists: new Map(found.flatMap((list) => (list === undefined ? [] : [[nameOfList(list.ref), list]]))),
    keys: new Map(meeting.keys.map((key) => [nameOfKey(key.owner, key.fingerprint), key])),
    bundles,
    now: account.clock.now(),
    maySend: ({ level }) => account.policy.maySend(level),
  }
  return { contacts: known.contacts, keys: known.keys, steps: stepsFor(wanted, known), meeting }
}

function introductions(
  contacts: readonly Contact[],
  wanted: Wanted,
  bundles: ReadonlyMap<string, FetchedBundle>,
): readonly Introduction[] {
  const known = contacts.flatMap((contact) => {
    const owner = contact.jid
    return listedDevices(contact, wanted).flatMap(({ id, identities }) =>
      identities.map(({ fingerprint }) => ({ owner, fingerprint, device: { jid: owner, id } })),
    )
  })
  const fetched = [...bundles.values()].flatMap(({ bundle, device }) =>
    bundle === undefined ? [] : [{ owner: device.jid, fingerprint: fingerprintIn(bundle), device }],
  )
  return [...known, ...fetched]
}
