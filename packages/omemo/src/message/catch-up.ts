import type { Account } from '../account.ts'

/** Milliseconds: catch-up ends by itself a day after it began. */
export const CATCH_UP_MS = 86_400_000
/** @internal */
export async function beginCatchUp(_account: Account): Promise<void> {
  throw new Error('to be written')
}
/** @internal */
export async function endCatchUp(_account: Account): Promise<void> {
  throw new Error('to be written')
}
/** @internal Ends it when it is time. @returns when that will be */
export async function tickCatchUp(_account: Account): Promise<Date | undefined> {
  throw new Error('to be written')
}
