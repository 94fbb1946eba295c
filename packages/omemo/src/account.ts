/** What the parts of one façade share: an account, its device, its store, and how its state is changed. */
import {
  type Change,
  type Clock,
  type Effect,
  type EffectQueue,
  type Reader,
  type Signal,
  type Store,
  StoreError,
  update,
} from '@xmpp-e2e/store'
import type { Policy } from '@xmpp-e2e/trust'
import type { BareJid, Connection, Element } from '@xmpp-e2e/xml'
import { type Bytes, type Random, randomBelow } from './bytes.ts'
import { type Curve, type CurveStep, runAsync } from './curve.ts'
import { assertDevice, type OwnDevice } from './device/own-device.ts'
import type { OmemoEvent } from './event.ts'
import type { Namespace } from './protocol.ts'

/** @internal */
export interface Account {
  readonly jid: BareJid
  /** This device as it is now; another one after `adopt`. */
  readonly self: OwnDevice
  /** Whether `change` has to find the device in the store before it writes. Parts of the façade work without one. */
  readonly isStored: boolean
  /** The scope of this account; all names of records are in `record.ts`. */
  readonly store: Store
  readonly connection: Connection
  readonly policy: Policy
  readonly clock: Clock
  readonly random: Random
  readonly curve: Curve
  /** The namespaces spoken, best first. */
  readonly namespaces: readonly Namespace[]
  /** What may stay readable beside a 0.3 payload. */
  expose(element: Element): boolean
  readonly effects: EffectQueue
  /** Aborts when the façade is closed. */
  readonly closing: Signal
  /** Makes a device that is stored already the present one. */
  adopt(device: OwnDevice): void
  emit(event: OmemoEvent): void
  /** Does what waits in the queue, in the background; never rejects. */
  kick(): void
}

/** @internal What a change decides: stored in one commit; events are told, and effects begun, after it. */
export interface Decision<T> extends Change<T> {
  readonly effects?: readonly Effect[] | undefined
  readonly events?: readonly OmemoEvent[] | undefined
}

/**
 * How often a change is begun anew that has lost all races of `update`: 8 × 32. Another tab that never pauses can win
 * many, and a pause of random length lets this one in between.
 */
export const CHANGE_ATTEMPTS = 8
/** Milliseconds; the pause is a random part of it, doubled each time. */
const PAUSE_MS = 10

/**
 * @internal Reads `keys`, has `f` decide, commits with the effects that follow, then tells the events. `f` may run several
 * times and must only compute. What another tab has erased stays so: nothing is written where the device has gone.
 *
 * @throws as `update`; OmemoError `device-erased`
 */
export async function change<T>(
  account: Account,
  keys: readonly string[],
  f: (values: readonly (Bytes | undefined)[], reader: Reader) => Decision<T> | Promise<Decision<T>>,
  options: { readonly signal?: Signal | undefined } = {},
): Promise<T> {
  const attempt = () =>
    update(
      account.store,
      keys,
      async (values, reader): Promise<Change<Decision<T>>> => {
        const decision = await f(values, reader)
        const { effects = [] } = decision
        const queued = effects.length > 0 ? await account.effects.add(reader, effects) : []
        const put = [...(decision.put ?? []), ...queued]
        if (put.length > 0 && account.isStored) await assertDevice(reader)
        return { put, delete: decision.delete ?? [], result: decision }
      },
      options,
    )
  for (let lost = 1; ; lost++) {
    try {
      const { result, events = [], effects = [] } = await attempt()
      for (const event of events) account.emit(event)
      if (effects.length > 0) account.kick()
      return result
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'conflict') || lost === CHANGE_ATTEMPTS) throw error
    }
    await pause(account, randomBelow(PAUSE_MS * 2 ** lost, account.random))
  }
}

/** @internal Resolves after so many milliseconds; with none, after what else waits in the host's queue. */
export function pause({ clock }: Pick<Account, 'clock'>, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve))
}

/** @internal Computes with the account's backend. */
export function compute<T>(account: Pick<Account, 'curve'>, step: CurveStep<T>): Promise<T> {
  return runAsync(step, account.curve)
}
