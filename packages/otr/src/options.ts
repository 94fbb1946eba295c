import { type Clock, type Signal, type Store, scoped } from '@xmpp-e2e/store'
import type { Policy as TrustPolicy } from '@xmpp-e2e/trust'
import { type BareJid, bareJid, type Connection } from '@xmpp-e2e/xml'
import type { Policy } from './protocol/policy.ts'
import type { Random } from './wire/bytes.ts'

/** For everything that may take long. */
export interface Abortable {
  /** Its reason is what is thrown when it aborts. */
  readonly signal?: Signal | undefined
}

/** What a façade is made of. */
export interface OtrOptions {
  /** Whose client this is. */
  readonly account: BareJid
  /**
   * Several accounts and schemes can share one: keys start with `otr/<account>/`. It holds the DSA key, the instance tag
   * and what is thought of others' keys; never a session.
   */
  readonly store: Store
  /** To send on; messages are taken from it for who calls `listen`, else the application gives them to `decrypt`. */
  readonly connection: Connection
  /** Which keys are used. There is no default: it is for the application to choose. */
  readonly policy: TrustPolicy
  /** Milliseconds since 1970, and timers; `clock` of `@xmpp-e2e/xml/system` is the platform's. */
  readonly clock: Clock
  /** So many random bytes, from a secure source; `crypto.getRandomValues` unless given. */
  readonly random?: Random | undefined
  /** What OTR does by itself; for everybody. */
  readonly otr?: Partial<Policy> | undefined
  /** The same for one contact, before `otr`: version 2 for those who have nothing else, say. */
  otrFor?(contact: BareJid): Partial<Policy> | undefined
}

/** @internal The account's part of the store. @throws {TypeError} on options that are none */
export function storeOf({ account, policy, store }: OtrOptions): Store {
  if (bareJid.decode(account) !== account) throw new TypeError('account: expected a canonical bare JID')
  if (typeof policy?.first !== 'function') throw new TypeError('policy: expected a Policy')
  return scoped(scoped(store, 'otr'), account)
}

/** While a key is made, which happens once. */
export interface OpenOptions extends Abortable {
  /** From 0 to 1: how likely it was to have finished by now. */
  readonly onProgress?: ((progress: number) => void) | undefined
}
