/** What waits to be done on the network: who does it, and who is told when it could not be done. */
import type { HandleOptions, QueuedEffect } from '@xmpp-e2e/store'
import type { Account } from './account.ts'
import { ANNOUNCE, handleAnnounce, handlePublishBundle, PUBLISH_BUNDLE } from './device/announcement.ts'
import { handleSendEmpty, handleSendStanza, SEND_EMPTY, SEND_STANZA } from './message/follow-up.ts'
import { handleRefreshList, REFRESH_LIST } from './message/healing.ts'
import { handleSendTrust } from './trust-messages.ts'
import { SEND_TRUST } from './trust-notices.ts'

type Handler = (account: Account, effect: QueuedEffect, options: HandleOptions) => Promise<void>

const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  [PUBLISH_BUNDLE, handlePublishBundle],
  [ANNOUNCE, handleAnnounce],
  [SEND_EMPTY, handleSendEmpty],
  [SEND_STANZA, handleSendStanza],
  [SEND_TRUST, handleSendTrust],
  [REFRESH_LIST, handleRefreshList],
])

/** @internal One of a kind that is not known any more is done with. */
export async function handleEffect(
  account: Account,
  effect: QueuedEffect,
  options: HandleOptions,
): Promise<void> {
  await HANDLERS.get(effect.kind)?.(account, effect, options)
}

/** @internal Does what is due, and tells of what has failed. @returns when something is due next */
export async function runEffects(account: Account): Promise<Date | undefined> {
  const { failed, nextDue } = await account.effects.run({ signal: account.closing })
  for (const { effect, error } of failed) {
    const { kind: what, key: to, parked } = effect
    account.emit({ kind: 'follow-up-failed', what, to, error, parked })
  }
  return nextDue
}
