import type { PepEvent } from '@xmpp-e2e/disco/pep'
import type { Effect, HandleOptions, QueuedEffect, Signal } from '@xmpp-e2e/store'
import type { Account } from '../account.ts'
import type { Namespace } from '../protocol.ts'

/** @internal Kind of the effect that publishes what the present bundle of a namespace is. */
export const PUBLISH_BUNDLE = 'publish-bundle'
/** @internal The effect to queue with every change of prekeys. */
export function publishBundle(_namespace: Namespace): Effect {
  throw new Error('to be written')
}
/** @internal Handles `PUBLISH_BUNDLE`. */
export async function handlePublishBundle(
  _account: Account,
  _effect: QueuedEffect,
  _options: HandleOptions,
): Promise<void> {
  throw new Error('to be written')
}
/** @internal Makes prekeys where there are none, publishes and reconciles bundles and lists, best before `start` resolves. */
export async function announce(
  _account: Account,
  _options: { readonly signal?: Signal | undefined },
): Promise<void> {
  throw new Error('to be written')
}
/** @internal What came of the nodes of the own account. */
export async function onOwnEvent(_account: Account, _event: PepEvent): Promise<void> {
  throw new Error('to be written')
}
