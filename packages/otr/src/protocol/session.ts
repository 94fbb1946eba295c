/**
 * One session with one instance of the peer's client (The protocol state machine, Message state).
 *
 *     state      key exchange ends    data message     disconnect comes    `send`      `end`
 *     plaintext  encrypted            unreadable       –                   refused     –
 *     encrypted  encrypted, replaced  read             finished            sent        disconnect → plaintext
 *     finished   encrypted            unreadable       –                   refused     plaintext
 *
 * From finished nothing leads to plaintext but the user's word: what is typed while the peer hangs up must not go out
 * in the clear.
 */

import { bytesToHex } from '@noble/ciphers/utils.js'
import type { Group } from '../arithmetic/group.ts'
import { type DsaPublicKey, fingerprint, fingerprintBytes } from '../dsa/dsa.ts'
import type { Bytes, Random } from '../wire/bytes.ts'
import { type Reader, reader } from '../wire/reader.ts'
import { int } from '../wire/writer.ts'
import type { AkeResult } from './ake.ts'
import { readDataMessage } from './data-message.ts'
import type { SessionEvent } from './event.ts'
import type { Header, Version } from './header.ts'
import { type KeyWindow, openData, openWindow, revealable, sealData } from './key-window.ts'
import type { Slices } from './slices.ts'
import {
  abortSmp,
  answerSmp,
  NO_SMP,
  receiveSmp,
  type Smp,
  type SmpStep,
  smpSecret,
  startSmp,
} from './smp.ts'
import { decodePlaintext, encodePlaintext, type Plaintext, TLV, type Tlv } from './tlv.ts'

export type Session =
  | { readonly state: 'plaintext' }
  | EncryptedSession
  | { readonly state: 'finished'; readonly fingerprint: string }

export interface EncryptedSession {
  readonly state: 'encrypted'
  readonly version: Version
  readonly theirKey: DsaPublicKey
  /** Of `theirKey`. */
  readonly fingerprint: string
  readonly ssid: Bytes
  readonly boldHalf: AkeResult['boldHalf']
  readonly window: KeyWindow
  readonly smp: Smp
  /** When the last message went out, in milliseconds. */
  readonly sentAt: number
  /** Something came since: old keys are kept until we answer, if only by a heartbeat. */
  readonly owed: boolean
}

export interface SessionMeans {
  readonly group: Group
  readonly random: Random
  readonly now: number
  /** Ours. */
  readonly key: DsaPublicKey
  readonly ourTag: number
  readonly theirTag: number
  /** As in `encodePlaintext`. */
  readonly pad: number
}

/** A session after something was done with it, messages to send, not yet as text, and what happened. */
export interface SessionStep {
  readonly session: Session
  readonly send: readonly Bytes[]
  readonly events: readonly SessionEvent[]
  /** Why the message could not be read, if one came and could not. */
  readonly unread?: 'keys-unknown' | 'unauthentic' | 'replayed' | 'reflected'
  /** Of the message that came: who cannot read it need not say so. */
  readonly ignoreUnreadable?: boolean
}

/**
 * SMP records read from one message. Each may take as long as a dozen messages; honest messages carry one, or an abort
 * and a new beginning.
 */
export const MAX_SMP_RECORDS = 2
/** MAC keys that wait to be published before a heartbeat takes them: 64 · 20 bytes, a peer can make one a message. */
export const MAX_WAITING_MAC_KEYS = 64

/** What a session becomes when a key exchange has ended, whatever it was before. */
export function openSession(
  before: Session,
  version: Version,
  result: AkeResult,
  { group, random, now }: Pick<SessionMeans, 'group' | 'random' | 'now'>,
): EncryptedSession {
  const window = openWindow(result, group, random)
  const { theirKey, ssid, boldHalf } = result
  return {
    state: 'encrypted',
    version,
    theirKey,
    fingerprint: fingerprint(theirKey),
    ssid,
    boldHalf,
    // Nothing can be received under the old window any more.
    window: before.state === 'encrypted' ? { ...window, revealing: revealable(before.window) } : window,
    smp: NO_SMP,
    sentAt: now,
    owed: false,
  }
}

/** A message with text, records, or nothing, which is a heartbeat. */
export function sendData(
  session: EncryptedSession,
  content: Plaintext,
  means: SessionMeans,
  options: { readonly ignoreUnreadable?: boolean; readonly last?: boolean } = {},
): { readonly session: EncryptedSession; readonly message: Bytes; readonly extra: Bytes } {
  const { ignoreUnreadable = false, last = false } = options
  const plaintext = encodePlaintext(content, means.pad)
  const header = headerOf(session, means)
  const sealed = sealData(session.window, { header, plaintext, ignoreUnreadable, last }, means.group)
  plaintext.fill(0)
  return {
    session: { ...session, window: sealed.window, sentAt: means.now, owed: false },
    message: sealed.message,
    extra: sealed.extra,
  }
}

/** Tells the peer's client that this is the end. What it knows of the keys is forgotten here. */
export function endSession(session: Session, means: SessionMeans): SessionStep {
  if (session.state !== 'encrypted') return { session: { state: 'plaintext' }, send: [], events: [] }
  const tlvs = [{ type: TLV.DISCONNECTED, value: new Uint8Array(0) }]
  const { message } = sendData(session, { text: '', tlvs }, means, { ignoreUnreadable: true, last: true })
  return {
    session: { state: 'plaintext' },
    send: [message],
    events: abandoned(session),
  }
}

/**
 * What a data message does. `input` reads `message` and stands behind its header, which names the session's version.
 *
 * @throws OtrError `message-malformed`, `group-element-invalid`; nothing has changed then
 */
export function* receiveData(
  session: Session,
  message: Uint8Array,
  input: Reader,
  means: SessionMeans,
): Slices<SessionStep> {
  const data = readDataMessage(message, input)
  const { ignoreUnreadable } = data
  if (session.state !== 'encrypted')
    return { session, send: [], events: [], unread: 'keys-unknown', ignoreUnreadable }
  const opened = openData(session.window, data, means.group, means.random)
  if (!opened.opened) return { session, send: [], events: [], unread: opened.why, ignoreUnreadable }
  const { text, tlvs } = decodePlaintext(opened.plaintext)
  opened.plaintext.fill(0)
  const isHeartbeat = text === '' && tlvs.every(({ type }) => type === TLV.PADDING)
  const read = { ...session, window: opened.window, owed: session.owed || !isHeartbeat }
  const step = yield* receiveTlvs(read, tlvs, opened.extra, means)
  const { fingerprint } = session
  const shown: SessionEvent[] = text === '' ? [] : [{ type: 'message', encrypted: true, text, fingerprint }]
  return { ...step, events: [...shown, ...step.events], ignoreUnreadable }
}

function* receiveTlvs(
  before: EncryptedSession,
  tlvs: readonly Tlv[],
  extra: Bytes,
  means: SessionMeans,
): Slices<SessionStep> {
  let session = before
  let smpRecords = 0
  const send: Bytes[] = []
  const events: SessionEvent[] = []
  for (const tlv of tlvs) {
    if (tlv.type === TLV.DISCONNECTED) {
      events.push(...abandoned(session))
      return { session: { state: 'finished', fingerprint: session.fingerprint }, send, events }
    }
    if (tlv.type === TLV.SYMMETRIC_KEY) events.push(...symmetricKey(session, tlv, extra))
    if (tlv.type < TLV.SMP_1 || tlv.type > TLV.SMP_1_QUESTION || ++smpRecords > MAX_SMP_RECORDS) continue
    const step = yield* receiveSmp(session.smp, tlv, means)
    if (step === undefined) continue
    const sent = sendSmp(session, step, means)
    session = sent.session
    send.push(...sent.send)
    events.push(...sent.events)
  }
  return { session, send, events }
}

/** Whether the peer waits for a sign that we have its keys, or too many MAC keys wait. */
export function isHeartbeatDue(
  { owed, sentAt, window }: EncryptedSession,
  now: number,
  after: number,
): boolean {
  return (owed && now - sentAt >= after) || window.revealing.length >= MAX_WAITING_MAC_KEYS
}

/** `undefined` when a run is under way. @throws RangeError for a question that is too long */
export function* beginSmp(
  session: EncryptedSession,
  secret: Uint8Array,
  question: string | undefined,
  means: SessionMeans,
): Slices<SmpSent | undefined> {
  if (session.smp.state !== 'expect-1') return undefined
  const [ours, theirs] = fingerprints(session, means)
  const compared = smpSecret(ours, theirs, session.ssid, secret)
  return sendSmp(session, yield* startSmp(compared, question, means), means)
}

/** `undefined` when nobody has asked. */
export function* replySmp(
  session: EncryptedSession,
  secret: Uint8Array,
  means: SessionMeans,
): Slices<SmpSent | undefined> {
  if (session.smp.state !== 'asked') return undefined
  const [ours, theirs] = fingerprints(session, means)
  const compared = smpSecret(theirs, ours, session.ssid, secret)
  return sendSmp(session, yield* answerSmp(session.smp, compared, means), means)
}

/** Ends a run; nothing happens when there is none. */
export function stopSmp(session: EncryptedSession, means: SessionMeans): SmpSent {
  return sendSmp(session, abortSmp(session.smp), means)
}

/** The session goes on. */
export interface SmpSent extends SessionStep {
  readonly session: EncryptedSession
}

function sendSmp(before: EncryptedSession, step: SmpStep, means: SessionMeans): SmpSent {
  const session = { ...before, smp: step.smp }
  const events = smpEvents(session, step)
  if (step.reply === undefined) return { session, send: [], events }
  const sent = sendData(session, { text: '', tlvs: [step.reply] }, means, { ignoreUnreadable: true })
  return { session: sent.session, send: [sent.message], events }
}

/** What a run of SMP comes to when its session is replaced or gone. */
export function abandoned(session: Session): SessionEvent[] {
  return session.state === 'encrypted' ? smpEvents(session, abortSmp(session.smp)) : []
}

function smpEvents({ fingerprint }: EncryptedSession, { asked, result }: SmpStep): SessionEvent[] {
  return [
    ...(asked === undefined ? [] : [{ type: 'smp-asked', fingerprint, ...asked } as const]),
    ...(result === undefined ? [] : [{ type: 'smp-ended', fingerprint, ...result } as const]),
  ]
}

/** The record that says what the extra key is for, and the key (Extra symmetric key). */
export function useSymmetricKey(
  session: EncryptedSession,
  use: number,
  value: Uint8Array,
  means: SessionMeans,
): SmpSent {
  const tlv = { type: TLV.SYMMETRIC_KEY, value: Uint8Array.of(...int(use), ...value) }
  const sent = sendData(session, { text: '', tlvs: [tlv] }, means, { ignoreUnreadable: true })
  const [data, key] = [Uint8Array.from(value), sent.extra.slice()]
  const { fingerprint } = session
  const event = { type: 'symmetric-key', fingerprint, use, data, key, weInitiated: true } as const
  return { session: sent.session, send: [sent.message], events: [event] }
}

function symmetricKey(
  { version, fingerprint }: EncryptedSession,
  { value }: Tlv,
  extra: Bytes,
): SessionEvent[] {
  if (version === 2 || value.length < 4) return []
  const input = reader(value, 'symmetric key')
  const use = input.int()
  const data = input.bytes(input.remaining)
  return [{ type: 'symmetric-key', fingerprint, use, data, key: extra.slice(), weInitiated: false }]
}

function fingerprints({ theirKey }: EncryptedSession, { key }: SessionMeans): readonly [Bytes, Bytes] {
  return [fingerprintBytes(key), fingerprintBytes(theirKey)]
}

function headerOf({ version }: EncryptedSession, { ourTag, theirTag }: SessionMeans): Header {
  return { version, type: 'data', sender: ourTag, receiver: theirTag }
}

/** What can be shown and kept of a session: no keys. */
export type SessionView =
  | { readonly state: 'plaintext' }
  | {
      readonly state: 'encrypted'
      readonly version: Version
      readonly fingerprint: string
      /** The secure session id, 16 hexadecimal digits. */
      readonly ssid: string
      readonly boldHalf: AkeResult['boldHalf']
    }
  | { readonly state: 'finished'; readonly fingerprint: string }

/** What may be shown of a session. */
export function viewSession(session: Session): SessionView {
  if (session.state !== 'encrypted') return session
  const { state, version, fingerprint, ssid, boldHalf } = session
  return { state, version, fingerprint, ssid: bytesToHex(ssid), boldHalf }
}
