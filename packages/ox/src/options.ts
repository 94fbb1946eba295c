import { type Clock, type Signal, type Store, scoped } from '@xmpp-e2e/store'
import type { Policy } from '@xmpp-e2e/trust'
import { type BareJid, bareJid, type Connection } from '@xmpp-e2e/xml'
import type { Random } from './bytes.ts'

/** For everything that may take long. */
export interface Abortable {
  readonly signal?: Signal | undefined
}

/** What a façade is made of. */
export interface OxOptions {
  /** Whose keys these are. */
  readonly account: BareJid
  /** Several accounts and schemes can share one: keys start with `ox/<account>/`. A durable one in applications. */
  readonly store: Store
  readonly connection: Connection
  /** Which keys are used. There is no default: it is for the application to choose. */
  readonly policy: Policy
  readonly clock: Clock
  /** So many random bytes, from a secure source; `crypto.getRandomValues` unless given. openpgp has its own. */
  readonly random?: Random | undefined
  /**
   * Asked for the passphrase of a secret key that is needed and locked: from a keychain, or a person. `undefined` leaves it
   * locked, and so does one that is wrong.
   */
  unlock?(fingerprint: string): Promise<string | undefined>
}

/** @internal The account's part of the store. @throws {TypeError} on options that are none */
export function storeOf({ account, policy, store }: OxOptions): Store {
  if (bareJid.decode(account) !== account) throw new TypeError('account: expected a canonical bare JID')
  if (typeof policy?.first !== 'function') throw new TypeError('policy: expected a Policy')
  return scoped(scoped(store, 'ox'), account)
}
