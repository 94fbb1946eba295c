/**
 * Messages that manage sessions and say nothing (XEP-0384 §5.5.3, §6). What is to be sent waits in the queue, first as a
 * wish, and once it is encrypted as the stanza itself:
 *
 *     send-empty   completion, heartbeat   encrypt on that session, unless something was sent on it since   ┐ one commit
 *                  heal                    open a session, unless there is one                              ┘
 *     send-stanza  a stanza                write it to the stream, until it is written
 *
 * So each wish uses one key, however often the network fails, and what is done twice is a duplicate for the receiver.
 */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Effect, HandleOptions, QueuedEffect, Signal } from '@xmpp-e2e/store'
import { type BareJid, bareJid, type Element, element, hex, hint, parse, serialize } from '@xmpp-e2e/xml'
import { type Account, change, compute } from '../account.ts'
import { type Bytes, sameBytes } from '../bytes.ts'
import { deviceOf } from '../device/own-device.ts'
import { needsHeartbeat } from '../double-ratchet.ts'
import {
  decodeRecord,
  encodeRecord,
  isHex,
  isMaybe,
  isObject,
  isOneOf,
  isText,
  isWhole,
} from '../json-record.ts'
import type { DeviceRef, Refused, SkipCode } from '../outcome.ts'
import { payloadCiphers } from '../payload.ts'
import { type Namespace, namespaces } from '../protocol.ts'
import type { Session } from '../session.ts'
import { encryptMessage, type Opened } from '../session-list.ts'
import { putList, readLists, readListsOf, type SessionListRef } from '../session-records.ts'
import { MAX_FOREIGN_ID } from '../stanza/device-id.ts'
import { encryptedFormats } from '../stanza/encrypted.ts'
import { type FannedOut, fanOut, type Sealed } from './fan-out.ts'
import { unchecked } from './preparation.ts'

/** @internal Kind of the effect that has one empty message encrypted. */
export const SEND_EMPTY = 'send-empty'
/** @internal Kind of the effect that sends a stanza. */
export const SEND_STANZA = 'send-stanza'

/** @internal Why an empty message is sent: on the session of that ephemeral key, or on a new one that is opened for it. */
export type EmptyMessage =
  | { readonly why: 'completion' | 'heartbeat'; readonly on: Uint8Array }
  | { readonly why: 'heal' }

/** @internal The effect. To one key of a device at most one waits for each reason: a newer session takes the place of an older. */
export function sendEmpty(
  namespace: Namespace,
  device: DeviceRef,
  fingerprint: string,
  message: EmptyMessage,
): Effect {
  const { jid, id } = device
  const { why } = message
  const on = message.why === 'heal' ? undefined : hex.encode(Uint8Array.from(message.on))
  return {
    // Opening a session can take long, and fail for reasons that are not those of the others.
    lane: `${why === 'heal' ? 'heal' : 'empty'} ${jid}`,
    kind: SEND_EMPTY,
    key: [why, namespace, id, ...(why === 'heal' ? [] : [fingerprint])].join(' '),
    payload: encodeRecord({ namespace, jid, id, fingerprint, why, on }),
  }
}

/**
 * @internal The answer that a message which was opened asks for, if it asks for one. For messages that may be shown: others
 * are not answered.
 */
export function answerOwed(
  { namespace, device, fingerprint }: SessionListRef,
  { completion, heartbeat, ephemeralKey: on }: Pick<Opened, 'completion' | 'heartbeat' | 'ephemeralKey'>,
): readonly Effect[] {
  if (!completion && !heartbeat) return []
  return [sendEmpty(namespace, device, fingerprint, { why: completion ? 'completion' : 'heartbeat', on })]
}

/** @internal A stanza that is to be sent once what it was encrypted with is stored; `name` tells those to one account apart. */
export function sendStanza(to: BareJid, name: string, stanza: Element): Effect {
  return { lane: `send ${to}`, kind: SEND_STANZA, key: name, payload: utf8ToBytes(serialize(stanza)) }
}

/** @internal Handles `SEND_STANZA`. */
export async function handleSendStanza(account: Account, effect: QueuedEffect): Promise<void> {
  await account.connection.send(parse(effect.payload))
}

const empty = isObject({
  namespace: isOneOf(namespaces),
  jid: isText,
  id: isWhole(1, MAX_FOREIGN_ID),
  fingerprint: isText,
  why: isOneOf<EmptyMessage['why']>(['completion', 'heartbeat', 'heal']),
  on: isMaybe(isHex(32)),
})

/** @internal Handles `SEND_EMPTY`. @throws OmemoError `state-malformed`; an Error when it has to be tried again */
export async function handleSendEmpty(
  account: Account,
  effect: QueuedEffect,
  { signal }: HandleOptions,
): Promise<void> {
  const {
    namespace,
    jid: address,
    id,
    fingerprint,
    why,
    on,
  } = decodeRecord(effect.payload, effect.kind, empty)
  const jid = bareJid.decode(address)
  if (jid === undefined) return
  const device = { jid, id }
  if (on === undefined || why === 'heal') return heal(account, namespace, device, signal)
  await change(account, [], async (_, reader) => {
    const ref = { namespace, device, fingerprint }
    const self = await deviceOf(reader)
    const [list] = await readLists(reader, [ref])
    const session = [list?.sessions.current, ...(list?.sessions.archived ?? [])].find(
      (one) => one !== undefined && sameBytes(one.ephemeralKey, on),
    )
    if (list === undefined || session === undefined || !isNeeded(why, session)) return { result: undefined }
    const { random } = account
    const { keyMaterial, iv } = payloadCiphers[namespace].empty(random)
    const { sessions, message } = await compute(
      account,
      encryptMessage(self, list.sessions, keyMaterial, { on, random }),
    )
    const encrypted = encryptedFormats[namespace].encode({
      sid: self.deviceId,
      keys: [{ jid, rid: id, ...message }],
      ...(iv && { iv }),
    })
    return {
      put: putList(ref, sessions, list),
      effects: [sendStanza(jid, effect.key, emptyStanza(account, jid, [encrypted]))],
      result: undefined,
    }
  })
}

/**
 * Whether nothing was sent since that says the same: our ratchet turns with the next message that leaves, and a message of
 * theirs that is no key exchange says that they know.
 */
function isNeeded(why: 'completion' | 'heartbeat', { exchange, ratchet }: Session): boolean {
  if (why === 'heartbeat') return needsHeartbeat(ratchet)
  return exchange.state === 'accepted' && ratchet.state === 'waiting'
}

/**
 * XEP-0384 §6: a message came, and there is no session with its device. The person must trust its key, it must be on the
 * list, and if there is a session by now, this was done before or is no longer needed.
 */
async function heal(
  account: Account,
  namespace: Namespace,
  device: DeviceRef,
  signal: Signal,
): Promise<void> {
  const found = await readListsOf(unchecked(account), namespace, device)
  if (found.length > 0) return
  const outcome = await openAnew(account, device, [namespace], { signal, isFresh: false })
  if (outcome.kind === 'refused' && outcome.skipped.some(({ code }) => TEMPORARY.includes(code)))
    throw new Error('no session could be opened just now')
}

const TEMPORARY: readonly SkipCode[] = ['devices-unavailable', 'bundle-unavailable']

/** What has become of a session that was to be replaced. Where it is refused, the one that there was goes on. */
export type Replaced = { readonly kind: 'replaced'; readonly protocol: Namespace } | Refused

/** @internal For people: opens a new session with a device and tells it by an empty message, in its best namespace. */
export async function replaceSession(account: Account, device: DeviceRef): Promise<Replaced> {
  if (device.jid === account.jid && device.id === account.self.deviceId)
    throw new RangeError('device: expected another device than this one')
  const outcome = await openAnew(account, device, account.namespaces, { isFresh: true })
  if (outcome.kind === 'refused') return outcome
  return { kind: 'replaced', protocol: outcome.reached[0]?.protocol as Namespace }
}

/** Opens a session with one device and has an empty message wait for it, in one commit. */
function openAnew(
  account: Account,
  { jid, id }: DeviceRef,
  namespaces: readonly Namespace[],
  { signal, isFresh }: { readonly signal?: Signal; readonly isFresh: boolean },
): Promise<FannedOut> {
  return fanOut(account, {
    to: [jid],
    withOwn: false,
    isMeant: (device) => device.id === id,
    isFresh,
    sealed: new Map(
      namespaces.map((namespace): [Namespace, Sealed] => [namespace, emptyPayload(account, namespace)]),
    ),
    effects: ({ elements }) => [
      sendStanza(jid, ['opened', ...namespaces, id].join(' '), emptyStanza(account, jid, elements)),
    ],
    signal,
  })
}

function emptyPayload({ random }: Account, namespace: Namespace): Sealed {
  return payloadCiphers[namespace].empty(random)
}

/** To the account and not to a resource: nobody knows where the device is. Without a fallback, there is nothing to read. */
function emptyStanza({ random }: Account, to: BareJid, encrypted: readonly Element[]): Element {
  const id = hex.encode(Uint8Array.from(random(ID_LENGTH)) as Bytes)
  return element('jabber:client', 'message', { to, type: 'chat', id }, [...encrypted, hint('store')])
}

const ID_LENGTH = 8
