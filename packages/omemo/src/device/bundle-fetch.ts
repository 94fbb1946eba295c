import type { Signal } from '@xmpp-e2e/store'
import type { Account } from '../account.ts'
import type { VerifiedBundle } from '../bundle.ts'
import type { DeviceRef, SkipCode } from '../outcome.ts'
import type { Namespace } from '../protocol.ts'

/** @internal */
export interface WantedBundle {
  readonly device: DeviceRef
  readonly namespace: Namespace
}
/** @internal */
export type FetchedBundle = WantedBundle &
  (
    | { readonly bundle: VerifiedBundle }
    | { readonly bundle?: undefined; readonly code: SkipCode; readonly cause: unknown }
  )

/** @internal Fetches and verifies bundles, in parallel and bounded; none is ever taken from a cache. In the order of `wanted`. */
export async function fetchBundles(
  _account: Account,
  _wanted: readonly WantedBundle[],
  _options: { readonly signal?: Signal | undefined },
): Promise<readonly FetchedBundle[]> {
  throw new Error('to be written')
}
