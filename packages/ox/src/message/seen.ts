/** Messages that were settled: a server that gives one again, under whatever id, gives a duplicate. */
import type { Account } from '../account.ts'

/** How long they are remembered, in milliseconds: 90 days. An older message that comes live is marked by its time. */
export const SEEN_MS = 7_776_000_000

/** @internal @throws RangeError for what is no `ref` */
export async function settle(_account: Account, _refs: readonly string[]): Promise<void> {
  throw new Error('to be written')
}

/** @internal Forgets what is older. When there is something to forget next. */
export async function forgetSeen(_account: Account): Promise<Date | undefined> {
  throw new Error('to be written')
}
