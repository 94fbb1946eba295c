/**
 * The keys of a session (Key Management): two of ours and two of theirs, hence four pairs, each with keys and counters.
 *
 *     sent with       our previous key and their current one; our current key is announced as the next
 *     received to our current key      → our previous is forgotten, a fresh one becomes current
 *     received from their current key  → their previous is forgotten, the announced one becomes current
 *
 * MAC keys that verified something are published when no pair has them any more, so that nobody can show by them who
 * wrote what. Nothing changes before a MAC has been verified: a forged message costs an exponentiation and leaves
 * nothing.
 */

import { assertGroupElement, type DhKeyPair, type Group } from '../arithmetic/group.ts'
import { type Bytes, equalBytes, type Random } from '../wire/bytes.ts'
import { type AkeResult, FIRST_KEY_ID } from './ake.ts'
import { type DataMessage, dataCipher, dataMac, encodeDataMessage } from './data-message.ts'
import type { Header } from './header.ts'
import { type SessionKeys, sessionKeys } from './keys.ts'

/** A CTR has 8 bytes; the same one twice would make two messages readable. */
const MAX_COUNTER = 0xffff_ffff_ffff_ffffn

export interface KeyWindow {
  /** Of our current key; the previous one has one less. */
  readonly ourKeyId: number
  readonly ourCurrent: DhKeyPair
  readonly ourPrevious: DhKeyPair
  /** Of their current key. */
  readonly theirKeyId: number
  readonly theirCurrent: bigint
  /** None before their first rotation. */
  readonly theirPrevious: bigint | undefined
  /** Those of the four that have been used. */
  readonly pairs: readonly Pair[]
  /** MAC keys to go out with the next message, 20 bytes each. */
  readonly revealing: readonly Bytes[]
}

/** One of our keys and one of theirs. */
export interface Pair {
  readonly ourKeyId: number
  readonly theirKeyId: number
  readonly keys: SessionKeys
  /** Counters of the last message each way; 0 before the first. */
  readonly sent: bigint
  readonly received: bigint
}

export interface Sealing {
  readonly header: Header
  readonly plaintext: Uint8Array
  readonly ignoreUnreadable: boolean
  /** Nothing will be received under this window again: all MAC keys that verified something go out. */
  readonly last?: boolean
}

export interface SealedData {
  readonly window: KeyWindow
  readonly message: Bytes
  /** The extra symmetric key of the pair that was used; not a copy. */
  readonly extra: Bytes
}

export type OpenedData =
  | {
      readonly opened: true
      readonly window: KeyWindow
      readonly plaintext: Bytes
      /** That of the pair the message came under, before any rotation; not a copy. */
      readonly extra: Bytes
    }
  /** `replayed` also for what has been overtaken by a later message under the same keys. */
  | { readonly opened: false; readonly why: 'keys-unknown' | 'unauthentic' | 'replayed' | 'reflected' }

/** The window that a key exchange ends in: its key is our previous one, a fresh one the current. */
export function openWindow(
  { ourDh, theirDh, theirKeyId }: AkeResult,
  group: Group,
  random: Random,
): KeyWindow {
  return {
    ourKeyId: FIRST_KEY_ID + 1,
    ourCurrent: group.generateDh(random),
    ourPrevious: ourDh,
    theirKeyId,
    theirCurrent: theirDh,
    theirPrevious: undefined,
    pairs: [],
    revealing: [],
  }
}

/** @throws RangeError after so many messages that there is no counter for another: the peer has answered none of them */
export function sealData(window: KeyWindow, sealing: Sealing, group: Group): SealedData {
  const { header, plaintext, ignoreUnreadable, last = false } = sealing
  const pair = pairOf(window, window.ourKeyId - 1, window.theirKeyId, group)
  if (pair === undefined) throw new RangeError('window: without a pair to send with')
  const counter = pair.sent + 1n
  if (counter > MAX_COUNTER) throw new RangeError('counter: used up, until the peer answers')
  const fields = {
    ignoreUnreadable,
    senderKeyId: pair.ourKeyId,
    recipientKeyId: pair.theirKeyId,
    nextDh: window.ourCurrent.publicKey,
    counter,
    encrypted: dataCipher(pair.keys.sendingCipher, counter, plaintext),
  }
  const revealed = last ? revealable(window) : window.revealing
  return {
    window: { ...withPair(window, { ...pair, sent: counter }), revealing: [] },
    message: encodeDataMessage(header, fields, pair.keys.sendingMac, revealed),
    extra: pair.keys.extra,
  }
}

/** @throws OtrError `group-element-invalid` for the next key that the message announces */
export function openData(window: KeyWindow, message: DataMessage, group: Group, random: Random): OpenedData {
  const { recipientKeyId, senderKeyId, counter, authenticated, mac, nextDh, encrypted } = message
  const pair = pairOf(window, recipientKeyId, senderKeyId, group)
  if (pair === undefined) return { opened: false, why: 'keys-unknown' }
  // The one that we hold has been checked, and comes with every message until we have answered.
  if (nextDh !== window.theirCurrent) assertGroupElement(nextDh)
  if (!equalBytes(dataMac(pair.keys.receivingMac, authenticated), mac))
    return { opened: false, why: isOurs(window, message) ? 'reflected' : 'unauthentic' }
  if (counter <= pair.received) return { opened: false, why: 'replayed' }
  const plaintext = dataCipher(pair.keys.receivingCipher, counter, encrypted)
  const received = withPair(window, { ...pair, received: counter })
  const ours = recipientKeyId === window.ourKeyId ? rotateOurs(received, group, random) : received
  const rotated = senderKeyId === window.theirKeyId ? rotateTheirs(ours, nextDh) : ours
  return { opened: true, window: rotated, plaintext, extra: pair.keys.extra }
}

/** All MAC keys that may be published once nothing is received under this window any more. */
export function revealable({ revealing, pairs }: KeyWindow): readonly Bytes[] {
  return [...revealing, ...verified(pairs)]
}

/** The pair of two key ids, derived when it was not used before; `undefined` when an id is outside the window. */
function pairOf(window: KeyWindow, ourKeyId: number, theirKeyId: number, group: Group): Pair | undefined {
  const used = window.pairs.find((pair) => pair.ourKeyId === ourKeyId && pair.theirKeyId === theirKeyId)
  if (used !== undefined) return used
  const ours = [window.ourCurrent, window.ourPrevious][window.ourKeyId - ourKeyId]
  const theirs = [window.theirCurrent, window.theirPrevious][window.theirKeyId - theirKeyId]
  if (ours === undefined || theirs === undefined) return undefined
  const secret = group.sharedSecret(ours.secret, theirs)
  const keys = sessionKeys(secret, ours.publicKey > theirs ? 'high' : 'low')
  secret.fill(0)
  return { ourKeyId, theirKeyId, keys, sent: 0n, received: 0n }
}

function withPair(window: KeyWindow, pair: Pair): KeyWindow {
  const others = window.pairs.filter(
    ({ ourKeyId, theirKeyId }) => ourKeyId !== pair.ourKeyId || theirKeyId !== pair.theirKeyId,
  )
  return { ...window, pairs: [...others, pair] }
}

/** In version 2 no tag says whose a message is that somebody sends back. */
function isOurs(
  { pairs }: KeyWindow,
  { senderKeyId, recipientKeyId, authenticated, mac }: DataMessage,
): boolean {
  const pair = pairs.find(
    ({ ourKeyId, theirKeyId }) => ourKeyId === senderKeyId && theirKeyId === recipientKeyId,
  )
  return pair !== undefined && equalBytes(dataMac(pair.keys.sendingMac, authenticated), mac)
}

function rotateOurs(window: KeyWindow, group: Group, random: Random): KeyWindow {
  const forgotten = window.ourKeyId - 1
  return {
    ...forget(window, ({ ourKeyId }) => ourKeyId === forgotten),
    ourKeyId: window.ourKeyId + 1,
    ourCurrent: group.generateDh(random),
    ourPrevious: window.ourCurrent,
  }
}

function rotateTheirs(window: KeyWindow, nextDh: bigint): KeyWindow {
  const forgotten = window.theirKeyId - 1
  return {
    ...forget(window, ({ theirKeyId }) => theirKeyId === forgotten),
    theirKeyId: window.theirKeyId + 1,
    theirCurrent: nextDh,
    theirPrevious: window.theirCurrent,
  }
}

function forget(window: KeyWindow, isForgotten: (pair: Pair) => boolean): KeyWindow {
  return {
    ...window,
    pairs: window.pairs.filter((pair) => !isForgotten(pair)),
    revealing: [...window.revealing, ...verified(window.pairs.filter(isForgotten))],
  }
}

/** Sending keys are the peer's to publish, and a key that verified nothing would only be extra bytes. */
function verified(pairs: readonly Pair[]): Bytes[] {
  return pairs.filter(({ received }) => received > 0n).map(({ keys }) => keys.receivingMac)
}
