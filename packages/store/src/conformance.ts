/**
 * A kit of checks that any store can be run against, with any test runner or none:
 *
 *     for (const check of conformance({ open: () => myStore() })) test(check.name, () => check.run())
 *
 * Each check opens a store of its own and throws an `Error` that says what the store did wrong. Passing does
 * not prove that a store survives power loss or that a server is configured to be durable.
 */

import { commitChecks } from './conformance/commits.ts'
import type { Ground } from './conformance/ground.ts'
import { keyChecks } from './conformance/keys.ts'
import { reopenChecks } from './conformance/reopening.ts'
import { tokenChecks } from './conformance/tokens.ts'
import { valueChecks } from './conformance/values.ts'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES, type Store } from './store.ts'

export { type Fate, flaky } from './conformance/flaky.ts'

/** The store to be checked, and what else can be done with it. */
export interface Subject<S extends Store = Store> {
  /**
   * A store with nothing in it, which nobody else uses. One check opens two, which must
   * share nothing: two scopes of one store share its tokens.
   */
  open(): S | Promise<S>
  /**
   * A second handle on the same data while the first stays open, as another tab or process has. All changes
   * behind the first one's back are made through it; without it, through the first.
   */
  peer?(store: S): S | Promise<S>
  /** Closes the store and opens it again on the same data. Adds the checks of what must outlast that. */
  reopen?(store: S): S | Promise<S>
  /** Called at the end of each check with each store that it has got and not given to `reopen`. */
  close?(store: S): void | Promise<void>
  /** The longest key, if the store puts something before keys: less than `MAX_KEY_BYTES`. */
  readonly keyBytes?: number
  /** The longest value, if the store adds something to values: less than `MAX_VALUE_BYTES`. */
  readonly valueBytes?: number
}

export interface Check {
  /** What must hold, unique in the list. */
  readonly name: string
  /** Rejects with an `Error` if it does not. */
  run(): Promise<void>
}

/** All checks, independent of each other; they may run in any order, at once if `open` allows it. */
export function conformance<S extends Store>(subject: Subject<S>): readonly Check[] {
  const { keyBytes = MAX_KEY_BYTES, valueBytes = MAX_VALUE_BYTES, reopen } = subject
  const checks = {
    ...keyChecks,
    ...valueChecks,
    ...commitChecks,
    ...tokenChecks,
    ...(reopen && reopenChecks),
  }
  return Object.entries(checks).map(([name, check]) => ({
    name,
    async run() {
      const opened: S[] = []
      const keep = (store: S): S => {
        if (!opened.includes(store)) opened.push(store)
        return store
      }
      try {
        const store = keep(await subject.open())
        const other = subject.peer ? keep(await subject.peer(store)) : store
        const again = async (): Promise<Store> => {
          opened.splice(opened.indexOf(store), 1)
          return keep(await (reopen?.(store) ?? store))
        }
        const another = async (): Promise<Store> => keep(await subject.open())
        const ground: Ground = { store, other, another, again, keyBytes, valueBytes }
        await check(ground)
      } finally {
        for (const store of opened) await subject.close?.(store)
      }
    },
  }))
}
