import type { Effect, HandleOptions, QueuedEffect } from '@xmpp-e2e/store'
import type { Account } from '../account.ts'
import type { DeviceRef } from '../outcome.ts'
import type { Namespace } from '../protocol.ts'

/** @internal Kind of the effect that sends one empty message. */
export const SEND_EMPTY = 'send-empty'
/** @internal Why an empty message is sent: on the session of that ephemeral key, or on a new one that is opened for it. */
export type EmptyMessage =
  | { readonly why: 'completion' | 'heartbeat'; readonly on: Uint8Array }
  | { readonly why: 'heal' }
/** @internal */
export function sendEmpty(
  _namespace: Namespace,
  _device: DeviceRef,
  _fingerprint: string,
  _message: EmptyMessage,
): Effect {
  throw new Error('to be written')
}
/** @internal Handles `SEND_EMPTY`. */
export async function handleSendEmpty(
  _account: Account,
  _effect: QueuedEffect,
  _options: HandleOptions,
): Promise<void> {
  throw new Error('to be written')
}
/** @internal For people: opens a new session with a device and tells it by an empty message. */
export async function replaceSession(_account: Account, _device: DeviceRef): Promise<void> {
  throw new Error('to be written')
}
