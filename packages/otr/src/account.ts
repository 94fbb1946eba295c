/** What the parts of one façade share. */
import { randomBytes } from '@noble/hashes/utils.js'
import type { Clock, Signal, Store } from '@xmpp-e2e/store'
import type { Policy as TrustPolicy } from '@xmpp-e2e/trust'
import type { BareJid, Connection } from '@xmpp-e2e/xml'
import type { AccountEvent } from './account-event.ts'
import { createGroup, type Group } from './arithmetic/group.ts'
import { fingerprint } from './dsa/dsa.ts'
import type { OtrOptions } from './options.ts'
import type { OtrMeans } from './protocol/conversation.ts'
import { createPolicy, type Policy } from './protocol/policy.ts'
import type { Slices } from './protocol/slices.ts'
import type { Device } from './record.ts'
import type { Random } from './wire/bytes.ts'

/** @internal */
export interface Account {
  readonly jid: BareJid
  /** The scope of this account; all names of records are in `record.ts`. */
  readonly store: Store
  readonly connection: Connection
  readonly policy: TrustPolicy
  readonly clock: Clock
  readonly random: Random
  readonly group: Group
  readonly device: Device
  /** Of our key. */
  readonly fingerprint: string
  /** What OTR does by itself with a contact. */
  policyFor(contact: BareJid): Policy
  /** Aborts when the façade is closed. */
  readonly closing: Signal
  emit(event: AccountEvent): void
}

/** @internal `store` is the account's part. @throws {RangeError} on a policy of OTR that is none */
export function createAccount(
  options: OtrOptions,
  store: Store,
  device: Device,
  { closing, emit }: Pick<Account, 'closing' | 'emit'>,
): Account {
  const { account: jid, connection, policy, clock, random = randomBytes } = options
  const shared = createPolicy(options.otr)
  return {
    jid,
    store,
    connection,
    policy,
    clock,
    random,
    group: createGroup(random),
    device,
    fingerprint: fingerprint(device.key),
    policyFor(contact) {
      const own = options.otrFor?.(contact)
      return own === undefined ? shared : createPolicy({ ...shared, ...own })
    },
    closing,
    emit,
  }
}

/** @internal */
export function meansFor(account: Account, contact: BareJid): OtrMeans {
  const { device, group, random, clock } = account
  return { policy: account.policyFor(contact), key: device.key, group, random, now: clock.now() }
}

/** @internal Resolves after what else waits in the host's queue. */
export function pause({ clock }: Pick<Account, 'clock'>): Promise<void> {
  return new Promise((resolve) => void clock.after(0, resolve))
}

/** @internal Does work that takes long, and lets others have their turn between its slices. */
export async function runWithPauses<T>(account: Pick<Account, 'clock'>, work: Slices<T>): Promise<T> {
  for (;;) {
    const slice = work.next()
    if (slice.done) return slice.value
    await pause(account)
  }
}
