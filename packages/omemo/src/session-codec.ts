/**
 * Sessions at rest. The list of one device is two records, so that sending rewrites only the small one:
 *
 *     current  : head
 *     archived : version 1 ‖ flag 1 [‖ rival] ‖ skipped keys ‖ count ‖ { head length ‖ head ‖ skipped keys } …
 *
 *     head     : version 1 ‖ namespace 1 ‖ flags 1 ‖ EK 32 ‖ their identity 32 ‖ stamp
 *                ‖ [prekey id ‖ signed prekey id]                                  pending
 *                ‖ R 32 ‖ previous counter
 *                ‖ [our secret 32 ‖ our public key 32 ‖ chain key 32 ‖ next]       sending
 *                ‖ [their ratchet key 32 ‖ chain key 32 ‖ next]                    receiving
 *     rival    : EK 32 ‖ crossed 1 ‖ streak
 *     skipped  : chains ‖ { ratchet key 32 ‖ length ‖ keys ‖ { counter ‖ message key 32 } … } …
 *
 * Numbers without a length are varints. A head takes at most 3 + 64 + 8 + 37 + 101 + 69 = 282 bytes with a receiving
 * chain, which a pending session has not; 280 until the year 2109, when stamps take a seventh byte.
 */
import type { Bytes } from './bytes.ts'
import type { Ratchet, ReceivingChain } from './double-ratchet.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from './protocol.ts'
import type { Exchange, Session } from './session.ts'
import { MAX_ARCHIVED_SESSIONS, type Rival, type SessionList } from './session-list.ts'
import { MAX_ENDED_CHAINS, MAX_SKIPPED_KEYS, type SkippedKeys } from './skipped-keys.ts'
import { ByteReader, ByteWriter } from './state-bytes.ts'

/** The newest version of both records. One reader for each version ever released stands in `headReaders`. */
export const SESSION_VERSION = 1

const NAMESPACES: readonly Namespace[] = [OMEMO_2, AXOLOTL]
const EXCHANGES: readonly Exchange['state'][] = ['pending', 'accepted', 'confirmed']

/** Bits of the flags byte; the two lowest are the index of the exchange's state. */
const INITIATOR = 0b00100
const SENDING = 0b01000
const RECEIVING = 0b10000

/** A chain can outlive `MAX_ENDED_CHAINS` only with at least one key. */
const MAX_SKIPPED_CHAINS = MAX_SKIPPED_KEYS + MAX_ENDED_CHAINS

/** The two records of one device in one namespace. */
export interface StoredSessions {
  readonly current: Bytes
  readonly archived: Bytes
}

export function encodeSessions(sessions: SessionList): StoredSessions {
  const writer = new ByteWriter().byte(SESSION_VERSION).byte(sessions.rival === undefined ? 0 : 1)
  if (sessions.rival !== undefined)
    writer
      .bytes(sessions.rival.ephemeralKey)
      .byte(sessions.rival.crossed ? 1 : 0)
      .varint(sessions.rival.streak)
  writeSkipped(writer, sessions.current.ratchet.skipped)
  writer.varint(sessions.archived.length)
  for (const session of sessions.archived) {
    const head = encodeHead(session)
    writer.varint(head.length).bytes(head)
    writeSkipped(writer, session.ratchet.skipped)
  }
  return { current: encodeHead(sessions.current), archived: writer.finish() }
}

/** @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeSessions(stored: {
  readonly current: Uint8Array
  readonly archived: Uint8Array
}): SessionList {
  const reader = new ByteReader(stored.archived, 'archived sessions')
  reader.version(SESSION_VERSION)
  const rival: Rival | undefined = reader.flag()
    ? { ephemeralKey: reader.bytes(32), crossed: reader.flag(), streak: reader.varint() }
    : undefined
  const current = decodeHead(stored.current, readSkipped(reader))
  const count = reader.varint(MAX_ARCHIVED_SESSIONS)
  const archived: Session[] = []
  while (archived.length < count) {
    const head = reader.bytes(reader.varint())
    archived.push(decodeHead(head, readSkipped(reader)))
  }
  reader.finish()
  return { current, archived, rival }
}

function encodeHead(session: Session): Bytes {
  const { exchange, ratchet } = session
  const { receiving } = ratchet
  const flags =
    EXCHANGES.indexOf(exchange.state) |
    (session.role === 'initiator' ? INITIATOR : 0) |
    (ratchet.state === 'sending' ? SENDING : 0) |
    (receiving === undefined ? 0 : RECEIVING)
  const writer = new ByteWriter()
    .byte(SESSION_VERSION)
    .byte(NAMESPACES.indexOf(session.namespace))
    .byte(flags)
    .bytes(session.ephemeralKey)
    .bytes(session.theirIdentity)
    .varint(session.stamp)
  if (exchange.state === 'pending') writer.varint(exchange.preKeyId).varint(exchange.signedPreKeyId)
  writer.bytes(ratchet.rootKey).varint(ratchet.previousCounter)
  if (ratchet.state === 'sending')
    writer
      .bytes(ratchet.ours.secret)
      .bytes(ratchet.ours.publicKey)
      .bytes(ratchet.sending.chainKey)
      .varint(ratchet.sending.next)
  if (receiving !== undefined)
    writer.bytes(receiving.ratchetKey).bytes(receiving.chainKey).varint(receiving.next)
  return writer.finish()
}

/** Readers of old versions bring a head up to the present `Session`; none is ever removed. */
const headReaders: Readonly<Record<number, (reader: ByteReader, skipped: SkippedKeys) => Session>> = {
  1: readHead1,
}

function decodeHead(bytes: Uint8Array, skipped: SkippedKeys): Session {
  const reader = new ByteReader(bytes, 'session')
  const read = headReaders[reader.version(SESSION_VERSION)]
  if (read === undefined) throw reader.malformed('no such version')
  const session = read(reader, skipped)
  reader.finish()
  return session
}

function readHead1(reader: ByteReader, skipped: SkippedKeys): Session {
  const namespace = NAMESPACES[reader.byte()]
  if (namespace === undefined) throw reader.malformed('no such namespace')
  const flags = reader.byte()
  const state = EXCHANGES[flags & 0b11]
  const initiator = (flags & INITIATOR) !== 0
  if (flags > 0b11111 || state === undefined || state === (initiator ? 'accepted' : 'pending'))
    throw reader.malformed('flags that contradict each other')
  const ephemeralKey = reader.bytes(32)
  const theirIdentity = reader.bytes(32)
  const stamp = reader.varint()
  const exchange: Exchange =
    state === 'pending' ? { state, preKeyId: reader.varint(), signedPreKeyId: reader.varint() } : { state }
  return {
    namespace,
    role: initiator ? 'initiator' : 'responder',
    ephemeralKey,
    theirIdentity,
    stamp,
    exchange,
    ratchet: readRatchet1(reader, flags, skipped),
  }
}

function readRatchet1(reader: ByteReader, flags: number, skipped: SkippedKeys): Ratchet {
  const base = { rootKey: reader.bytes(32), previousCounter: reader.varint(), skipped }
  if ((flags & SENDING) === 0) {
    if ((flags & RECEIVING) === 0) throw reader.malformed('a ratchet without any chain')
    return { ...base, state: 'waiting', receiving: readReceiving(reader) }
  }
  const ours = { secret: reader.bytes(32), publicKey: reader.bytes(32) }
  const sending = { chainKey: reader.bytes(32), next: reader.varint() }
  const receiving = (flags & RECEIVING) === 0 ? undefined : readReceiving(reader)
  return { ...base, state: 'sending', ours, sending, receiving }
}

function readReceiving(reader: ByteReader): ReceivingChain {
  return { ratchetKey: reader.bytes(32), chainKey: reader.bytes(32), next: reader.varint() }
}

function writeSkipped(writer: ByteWriter, skipped: SkippedKeys): void {
  writer.varint(skipped.length)
  for (const chain of skipped) {
    writer.bytes(chain.ratchetKey).varint(chain.length).varint(chain.keys.length)
    for (const key of chain.keys) writer.varint(key.counter).bytes(key.messageKey)
  }
}

function readSkipped(reader: ByteReader): SkippedKeys {
  const chains = reader.varint(MAX_SKIPPED_CHAINS)
  return Array.from({ length: chains }, () => {
    const ratchetKey = reader.bytes(32)
    const length = reader.varint()
    const keys = reader.varint(MAX_SKIPPED_KEYS)
    return {
      ratchetKey,
      length,
      keys: Array.from({ length: keys }, () => ({
        counter: reader.varint(),
        messageKey: reader.bytes(32),
      })),
    }
  })
}
