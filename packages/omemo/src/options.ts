import { type Clock, type Signal, type Store, scoped } from '@xmpp-e2e/store'
import type { Policy } from '@xmpp-e2e/trust'
import { type BareJid, bareJid, type Connection, type Element } from '@xmpp-e2e/xml'
import type { Random } from './bytes.ts'
import type { Curve } from './curve.ts'
import type { Namespace } from './protocol.ts'

/** For everything that may take long. */
export interface Abortable {
  readonly signal?: Signal | undefined
}

/** What a façade is made of. */
export interface OmemoOptions {
  /** Whose device this is. */
  readonly account: BareJid
  /** Several accounts and schemes can share one: keys start with `omemo/<account>/`. A durable one in applications. */
  readonly store: Store
  readonly connection: Connection
  /** Which keys are used: the specification forbids sending without ensuring trust (XEP-0384 §8), so there is no default. */
  readonly policy: Policy
  readonly clock: Clock
  /** So many random bytes, from a secure source; `crypto.getRandomValues` unless given. */
  readonly random?: Random | undefined
  /** @noble/curves unless given. */
  readonly curve?: Curve | undefined
  /** The namespaces to speak, best first; both unless given. */
  readonly namespaces?: readonly [Namespace, ...Namespace[]] | undefined
  /**
   * What others see this device called, in the omemo:2 list, signed. Opt-in: some older clients refuse a whole list that
   * has signed labels.
   */
  readonly label?: string | undefined
  /**
   * Whether a child of a message may stay readable beside a 0.3 payload, which can carry a body and nothing else. Unless
   * given, `isExposable`: corrections, receipts, markers, chat states and threads may; everything else is withheld.
   */
  expose?(element: Element): boolean
}

/** @internal The account's part of the store. @throws {TypeError} on options that are none */
export function storeOf({ account, policy, store }: OmemoOptions): Store {
  if (bareJid.decode(account) !== account) throw new TypeError('account: expected a canonical bare JID')
  if (typeof policy?.first !== 'function') throw new TypeError('policy: expected a Policy')
  return scoped(scoped(store, 'omemo'), account)
}
