/**
 * The Double Ratchet (Perrin & Marlinspike, revision 1) with the parameters of XEP-0384 §4.3.
 *
 * | state     | send                                      | receive, their key unchanged | receive, new key of theirs      |
 * | --------- | ----------------------------------------- | ---------------------------- | ------------------------------- |
 * | `sending` | step the sending chain                    | step the receiving chain     | turn the root → `waiting`       |
 * | `waiting` | make our key, turn the root → `sending`   | step the receiving chain     | cannot be: they have not seen ours |
 *
 * Our new ratchet key is made when we next send, not when theirs arrives. The bytes on the wire are the same;
 * receiving needs no randomness, so that opening one message twice from one state gives one result.
 *
 * All functions are pure. One that throws has changed nothing.
 */
import { equalBytes } from '@noble/ciphers/utils.js'
import { concatBytes } from '@noble/hashes/utils.js'
import { aesCbc } from './aes.ts'
import { type Bytes, type Random, sameBytes } from './bytes.ts'
import { type CurveStep, publicKey, SECRET_KEY_LENGTH, sharedSecret } from './curve.ts'
import { OmemoError } from './error.ts'
import { type CipherKeys, deriveCipherKeys, hmacSha256, messageKeyAt, nextChainKey, turnRoot } from './kdf.ts'
import type { Protocol } from './protocol.ts'
import {
  addSkipped,
  dropSkipped,
  findSkipped,
  noSkippedKeys,
  type SkippedKey,
  type SkippedKeys,
  wasPassed,
} from './skipped-keys.ts'
import type { RatchetMessage } from './wire/wire.ts'

/**
 * XEP-0384 §4.3: messages of a chain that one message may leave out. Until its MAC is checked that costs 1000 HMACs,
 * about 5 ms; an authentic one may cost 3000 more, for the keys it skips here and at the end of the chain before.
 */
export const MAX_MESSAGE_GAP = 1000

/** The last counter of a sending chain: then the length of the chain is a uint32 still, for the next `pn`. */
export const MAX_COUNTER = 0xffff_fffe

/** XEP-0384 §6: a chain that came this far without an answer of ours asks for one. */
export const HEARTBEAT_COUNTER = 53

export interface KeyPair {
  readonly secret: Bytes
  readonly publicKey: Bytes
}

export interface SendingChain {
  readonly chainKey: Bytes
  /** Counter of the next message. */
  readonly next: number
}

export interface ReceivingChain extends SendingChain {
  /** Their ratchet key, T_i. */
  readonly ratchetKey: Bytes
}

interface RatchetBase {
  /** R_i */
  readonly rootKey: Bytes
  /** pn: messages in our previous sending chain. */
  readonly previousCounter: number
  readonly skipped: SkippedKeys
}

/**
 * - `sending`: our T_i is made, and C_i,j can be stepped. They may not have answered yet.
 * - `waiting`: their newest ratchet key is known, ours is not made yet.
 */
export type Ratchet = SendingRatchet | WaitingRatchet

interface SendingRatchet extends RatchetBase {
  readonly state: 'sending'
  readonly ours: KeyPair
  readonly sending: SendingChain
  readonly receiving: ReceivingChain | undefined
}

interface WaitingRatchet extends RatchetBase {
  readonly state: 'waiting'
  readonly receiving: ReceivingChain
}

/** The initiator's ratchet: their signed prekey stands for their first ratchet key. */
export function* startRatchet(
  protocol: Protocol,
  sharedKey: Bytes,
  theirSignedPreKey: Bytes,
  random: Random,
): CurveStep<Ratchet> {
  return yield* turnSending(protocol, initial(sharedKey), undefined, theirSignedPreKey, random)
}

/** The responder's ratchet once the initiator's first ratchet key is there, which nothing has authenticated yet. */
export function* answerRatchet(
  protocol: Protocol,
  sharedKey: Bytes,
  signedPreKeySecret: Bytes,
  theirRatchetKey: Bytes,
): CurveStep<Ratchet> {
  return yield* turnReceiving(protocol, initial(sharedKey), signedPreKeySecret, theirRatchetKey)
}

/** What every ratchet starts from: the key that X3DH agreed on is the first root key. */
function initial(rootKey: Bytes): RatchetBase {
  return { rootKey, previousCounter: 0, skipped: noSkippedKeys }
}

/** Makes a ratchet key and turns the root with theirs: a new sending chain. */
function* turnSending(
  protocol: Protocol,
  { rootKey, previousCounter, skipped }: RatchetBase,
  receiving: ReceivingChain | undefined,
  theirRatchetKey: Bytes,
  random: Random,
): CurveStep<SendingRatchet> {
  const secret = Uint8Array.from(random(SECRET_KEY_LENGTH))
  const ours = { secret, publicKey: yield* publicKey(secret) }
  const turned = turnRoot(rootKey, yield* sharedSecret(secret, theirRatchetKey), protocol.info.rootChain)
  return {
    state: 'sending',
    rootKey: turned.rootKey,
    ours,
    sending: { chainKey: turned.chainKey, next: 0 },
    receiving,
    previousCounter,
    skipped,
  }
}

/** Turns the root with their new ratchet key: a new receiving chain. */
function* turnReceiving(
  protocol: Protocol,
  { rootKey, previousCounter, skipped }: RatchetBase,
  ourSecret: Bytes,
  theirRatchetKey: Bytes,
): CurveStep<WaitingRatchet> {
  const turned = turnRoot(rootKey, yield* sharedSecret(ourSecret, theirRatchetKey), protocol.info.rootChain)
  return {
    state: 'waiting',
    rootKey: turned.rootKey,
    receiving: { ratchetKey: theirRatchetKey, chainKey: turned.chainKey, next: 0 },
    previousCounter,
    skipped,
  }
}

/**
 * RatchetEncrypt.
 * @returns the authenticated message, encoded
 * @throws RangeError at the end of the chain, after 2³² − 1 messages without an answer
 */
export function* encryptRatchet(
  protocol: Protocol,
  ratchet: Ratchet,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
  random: Random,
): CurveStep<{ readonly ratchet: Ratchet; readonly message: Bytes }> {
  const ready =
    ratchet.state === 'sending'
      ? ratchet
      : yield* turnSending(protocol, ratchet, ratchet.receiving, ratchet.receiving.ratchetKey, random)
  const { chainKey, next } = ready.sending
  if (next > MAX_COUNTER) throw new RangeError('sending chain: 2³² − 1 messages without an answer')
  const keys = deriveCipherKeys(messageKeyAt(chainKey), protocol.info.messageKeys)
  const message = protocol.wire.encodeRatchetMessage({
    counter: next,
    previousCounter: ready.previousCounter,
    ratchetKey: ready.ours.publicKey,
    ciphertext: aesCbc.encrypt(keys.encryptionKey, keys.iv, plaintext),
  })
  const mac = macOf(protocol, keys, associatedData, message)
  return {
    ratchet: { ...ready, sending: { chainKey: nextChainKey(chainKey), next: next + 1 } },
    message: protocol.wire.encodeAuthenticated({ mac, message }),
  }
}

/**
 * RatchetDecrypt.
 * @param encoded an authenticated message
 * @returns `late` when the message was overtaken by others
 * @throws OmemoError `message-malformed`, `version-unsupported`, `message-duplicate`, `message-gap-too-big`,
 *   `message-authentication-failed`, `key-invalid`
 */
export function* decryptRatchet(
  protocol: Protocol,
  ratchet: Ratchet,
  encoded: Uint8Array,
  associatedData: Uint8Array,
): CurveStep<{ readonly ratchet: Ratchet; readonly plaintext: Bytes; readonly late: boolean }> {
  const { mac, message } = protocol.wire.decodeAuthenticated(encoded)
  const header = protocol.wire.decodeRatchetMessage(message)
  const open = (messageKey: Bytes): Bytes =>
    openMessage(protocol, messageKey, associatedData, message, mac, header.ciphertext)

  const skippedKey = findSkipped(ratchet.skipped, header.ratchetKey, header.counter)
  if (skippedKey !== undefined) {
    const plaintext = open(skippedKey)
    const skipped = dropSkipped(ratchet.skipped, header.ratchetKey, header.counter)
    return { ratchet: { ...ratchet, skipped }, plaintext, late: true }
  }
  const { turned, ended } = yield* receivingRatchet(protocol, ratchet, header)
  const { ratchetKey, next } = turned.receiving
  const chainKeys = chainKeysTo(turned.receiving, header.counter)
  const chainKey = chainKeys.at(-1) as Bytes
  const plaintext = open(messageKeyAt(chainKey))
  // Authentic from here on: what the counters say was left out is worth keeping.
  const before =
    ended === undefined ? turned.skipped : endChain(turned.skipped, ended, header.previousCounter)
  const passed = keysOf(chainKeys.slice(0, -1), next)
  const skipped = passed.length === 0 ? before : addSkipped(before, ratchetKey, passed, header.counter + 1)
  const receiving = { ratchetKey, chainKey: nextChainKey(chainKey), next: header.counter + 1 }
  return { ratchet: { ...turned, receiving, skipped }, plaintext, late: false }
}

/** Whether their chain has come far without an answer of ours: the ratchet should turn, send an empty message. */
export function needsHeartbeat(ratchet: Ratchet): boolean {
  return ratchet.state === 'waiting' && ratchet.receiving.next > HEARTBEAT_COUNTER
}

/** The ratchet whose receiving chain the message belongs to, turned if its ratchet key is new, and what that ended. */
function* receivingRatchet(
  protocol: Protocol,
  ratchet: Ratchet,
  header: RatchetMessage,
): CurveStep<{
  readonly turned: Ratchet & { readonly receiving: ReceivingChain }
  readonly ended: ReceivingChain | undefined
}> {
  const { receiving, skipped } = ratchet
  if (receiving !== undefined && sameBytes(receiving.ratchetKey, header.ratchetKey)) {
    if (header.counter < receiving.next) throw duplicate()
    assertGap(header.counter - receiving.next)
    return { turned: { ...ratchet, receiving }, ended: undefined }
  }
  if (wasPassed(skipped, header.ratchetKey, header.counter)) throw duplicate()
  if (ratchet.state === 'waiting')
    throw new OmemoError('message-authentication-failed', 'message: of a chain that is not known')
  assertGap(header.counter)
  const base = { rootKey: ratchet.rootKey, previousCounter: ratchet.sending.next, skipped }
  const turned = yield* turnReceiving(protocol, base, ratchet.ours.secret, header.ratchetKey)
  return { turned, ended: receiving }
}

/** Asked before anything is computed: a counter far ahead costs nothing. */
function assertGap(ahead: number): void {
  if (ahead > MAX_MESSAGE_GAP)
    throw new OmemoError(
      'message-gap-too-big',
      `message: ${ahead} messages ahead, at most ${MAX_MESSAGE_GAP}`,
    )
}

/**
 * Keeps the keys of a chain that has ended. Its length as the peer tells it is a count, or, in the libsignal
 * family, the index of the last message: one more key is kept so that the last message is never lost. A chain
 * that was longer than the gap allows keeps its first keys, and the turn goes on.
 */
function endChain(skipped: SkippedKeys, chain: ReceivingChain, theirCount: number): SkippedKeys {
  const last = Math.min(theirCount, chain.next + MAX_MESSAGE_GAP - 1)
  const keys = last < chain.next ? [] : keysOf(chainKeysTo(chain, last), chain.next)
  return addSkipped(skipped, chain.ratchetKey, keys, Math.max(theirCount, chain.next))
}

/** The chain keys from the next place of a chain to the one at a counter, which is not before it. */
function chainKeysTo(chain: SendingChain, counter: number): readonly Bytes[] {
  const keys = [chain.chainKey]
  for (let place = chain.next; place < counter; place++) keys.push(nextChainKey(keys.at(-1) as Bytes))
  return keys
}

/** The message keys at consecutive places of a chain. */
function keysOf(chainKeys: readonly Bytes[], first: number): readonly SkippedKey[] {
  return chainKeys.map((chainKey, i) => ({ counter: first + i, messageKey: messageKeyAt(chainKey) }))
}

/** MAC first, over the bytes as received, then CBC. A wrong padding under a right MAC looks no different. */
function openMessage(
  protocol: Protocol,
  messageKey: Uint8Array,
  associatedData: Uint8Array,
  message: Uint8Array,
  mac: Uint8Array,
  ciphertext: Uint8Array,
): Bytes {
  const keys = deriveCipherKeys(messageKey, protocol.info.messageKeys)
  const authentic = equalBytes(macOf(protocol, keys, associatedData, message), mac)
  const plaintext = authentic ? aesCbc.decrypt(keys.encryptionKey, keys.iv, ciphertext) : undefined
  if (plaintext === undefined)
    throw new OmemoError('message-authentication-failed', 'message: does not belong to this session')
  return plaintext
}

function macOf(protocol: Protocol, keys: CipherKeys, associatedData: Uint8Array, message: Uint8Array): Bytes {
  const mac = hmacSha256(keys.authenticationKey, concatBytes(associatedData, message))
  return mac.slice(0, protocol.wire.macLength)
}

function duplicate(): OmemoError {
  return new OmemoError('message-duplicate', 'message: was opened before')
}
