/** What the parts of one façade share: an account, its store, its keys, and how its state is changed. */
import { type Change, type Clock, type Reader, type Signal, type Store, update } from '@xmpp-e2e/store'
import type { Policy } from '@xmpp-e2e/trust'
import type { BareJid, Connection } from '@xmpp-e2e/xml'
import type { Bytes, Random } from './bytes.ts'
import type { OxEvent } from './event.ts'
import type { Announcing } from './key/announcement.ts'
import type { Contact } from './key/contact.ts'
import type { OwnKeys } from './key/own-keys.ts'

/** @internal */
export interface Account {
  readonly jid: BareJid
  /** The scope of this account; all names of records are in `record.ts`. */
  readonly store: Store
  readonly connection: Connection
  readonly policy: Policy
  readonly clock: Clock
  readonly random: Random
  /** Our secret keys, and those of them that are unlocked. */
  readonly own: OwnKeys
  /** Accounts whose keys are being read just now. */
  readonly refreshing: Map<BareJid, Promise<Contact>>
  /** What goes on with our list. */
  readonly announcing: Announcing
  /** Names of what was sent lately, by `message/seen.ts`: rooms and servers give it back. */
  readonly sent: Set<string>
  /** Aborts when the façade is closed. */
  readonly closing: Signal
  emit(event: OxEvent): void
  /** What nobody waits for: a failure is an event. */
  inBackground(what: 'announce' | 'refresh', work: () => Promise<void>): void
}

/** @internal What a change decides: stored in one commit; events are told after it. */
export interface Decision<T> extends Change<T> {
  readonly events?: readonly OxEvent[] | undefined
}

/**
 * @internal Reads `keys`, has `f` decide, commits, then tells the events. `f` may run several times and must only compute.
 *
 * @throws as `update`
 */
export async function change<T>(
  account: Pick<Account, 'store' | 'emit'>,
  keys: readonly string[],
  f: (values: readonly (Bytes | undefined)[], reader: Reader) => Decision<T> | Promise<Decision<T>>,
): Promise<T> {
  const { result, events = [] } = await update(
    account.store,
    keys,
    async (values, reader): Promise<Change<Decision<T>>> => {
      const decision = await f(values, reader)
      return { put: decision.put ?? [], delete: decision.delete ?? [], result: decision }
    },
  )
  for (const event of events) account.emit(event)
  return result
}
