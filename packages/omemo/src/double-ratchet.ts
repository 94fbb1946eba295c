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
import { type CurveStep, publicKeys, SECRET_KEY_LENGTH, sharedSecrets } from './curve.ts'
import { OmemoError } from './error.ts'
import { deriveKey, hmacSha256, stepChain, turnRoot } from './kdf.ts'
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

/** XEP-0384 §4.3: message keys derived for one message at most; 1000 × 2 HMACs take about 10 ms. */
export const MAX_MESSAGE_GAP = 1000

/** A sending chain ends here: 2³² − 1 is the highest counter a uint32 can carry. */
export const MAX_COUNTER = 0xffff_ffff

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
export type Ratchet =
  | (RatchetBase & {
      readonly state: 'sending'
      readonly ours: KeyPair
      readonly sending: SendingChain
      readonly receiving: ReceivingChain | undefined
    })
  | (RatchetBase & { readonly state: 'waiting'; readonly receiving: ReceivingChain })

/** The initiator's ratchet: their signed prekey stands for their first ratchet key. */
export function* startRatchet(
  protocol: Protocol,
  sharedKey: Bytes,
  theirSignedPreKey: Bytes,
  random: Random,
): CurveStep<Ratchet> {
  return yield* turnSending(protocol, sharedKey, theirSignedPreKey, undefined, 0, noSkippedKeys, random)
}

/** The responder's ratchet once the initiator's first ratchet key is there, which nothing has authenticated yet. */
export function* answerRatchet(
  protocol: Protocol,
  sharedKey: Bytes,
  signedPreKeySecret: Uint8Array,
  theirRatchetKey: Bytes,
): CurveStep<Ratchet> {
  return yield* turnReceiving(protocol, sharedKey, signedPreKeySecret, theirRatchetKey, 0, noSkippedKeys)
}

function* turnSending(
  protocol: Protocol,
  rootKey: Bytes,
  theirRatchetKey: Bytes,
  receiving: ReceivingChain | undefined,
  previousCounter: number,
  skipped: SkippedKeys,
  random: Random,
): CurveStep<Extract<Ratchet, { state: 'sending' }>> {
  const secret = Uint8Array.from(random(SECRET_KEY_LENGTH))
  const [publicKey] = yield* publicKeys([secret])
  const [shared] = yield* sharedSecrets([[secret, theirRatchetKey]])
  const turned = turnRoot(rootKey, shared as Bytes, protocol.info.rootChain)
  return {
    state: 'sending',
    rootKey: turned.rootKey,
    ours: { secret, publicKey: publicKey as Bytes },
    sending: { chainKey: turned.chainKey, next: 0 },
    receiving,
    previousCounter,
    skipped,
  }
}

function* turnReceiving(
  protocol: Protocol,
  rootKey: Bytes,
  ourSecret: Uint8Array,
  theirRatchetKey: Bytes,
  previousCounter: number,
  skipped: SkippedKeys,
): CurveStep<Extract<Ratchet, { state: 'waiting' }>> {
  const [shared] = yield* sharedSecrets([[ourSecret, theirRatchetKey]])
  const turned = turnRoot(rootKey, shared as Bytes, protocol.info.rootChain)
  return {
    state: 'waiting',
    rootKey: turned.rootKey,
    receiving: { ratchetKey: theirRatchetKey, chainKey: turned.chainKey, next: 0 },
    previousCounter,
    skipped,
  }
}

/** RatchetEncrypt. @returns the authenticated message, encoded @throws RangeError at the end of the chain, 2³² messages */
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
      : yield* turnSending(
          protocol,
          ratchet.rootKey,
          ratchet.receiving.ratchetKey,
          ratchet.receiving,
          ratchet.previousCounter,
          ratchet.skipped,
          random,
        )
  const { chainKey, next } = ready.sending
  if (next > MAX_COUNTER) throw new RangeError('sending chain: 2³² messages without an answer')
  const step = stepChain(chainKey)
  const keys = messageKeys(protocol, step.messageKey)
  const message = protocol.wire.encodeMessage({
    counter: next,
    previousCounter: ready.previousCounter,
    ratchetKey: ready.ours.publicKey,
    ciphertext: aesCbc.encrypt(keys.encryption, keys.iv, plaintext),
  })
  const mac = hmacSha256(keys.authentication, concatBytes(associatedData, message)).slice(
    0,
    protocol.macLength,
  )
  return {
    ratchet: { ...ready, sending: { chainKey: step.chainKey, next: next + 1 } },
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
  const header = protocol.wire.decodeMessage(message)
  const open = (messageKey: Bytes): Bytes =>
    openMessage(protocol, messageKey, associatedData, message, mac, header.ciphertext)

  const skippedKey = findSkipped(ratchet.skipped, header.ratchetKey, header.counter)
  if (skippedKey !== undefined) {
    const plaintext = open(skippedKey)
    const skipped = dropSkipped(ratchet.skipped, header.ratchetKey, header.counter)
    return { ratchet: { ...ratchet, skipped }, plaintext, late: true }
  }
  const turned = yield* receivingRatchet(protocol, ratchet, header)
  const reached = skipTo(turned.receiving, header.counter)
  const plaintext = open(reached.messageKey)
  const { ratchetKey } = turned.receiving
  const { skippedKeys, chain } = reached
  const skipped =
    skippedKeys.length === 0
      ? turned.skipped
      : addSkipped(turned.skipped, ratchetKey, skippedKeys, chain.next)
  return { ratchet: { ...turned, receiving: chain, skipped }, plaintext, late: false }
}

type Receiving = Ratchet & { readonly receiving: ReceivingChain }

/** The ratchet whose receiving chain the message belongs to, turned if its ratchet key is new. */
function* receivingRatchet(
  protocol: Protocol,
  ratchet: Ratchet,
  header: RatchetMessage,
): CurveStep<Receiving> {
  const { receiving, skipped } = ratchet
  if (receiving !== undefined && sameBytes(receiving.ratchetKey, header.ratchetKey)) {
    if (header.counter < receiving.next) throw duplicate()
    assertGap(header.counter - receiving.next)
    return { ...ratchet, receiving }
  }
  if (wasPassed(skipped, header.ratchetKey, header.counter)) throw duplicate()
  if (ratchet.state === 'waiting')
    throw new OmemoError('message-authentication-failed', 'message: of a chain that is not known')
  assertGap(header.counter)
  return yield* turnReceiving(
    protocol,
    ratchet.rootKey,
    ratchet.ours.secret,
    header.ratchetKey,
    ratchet.sending.next,
    receiving === undefined ? skipped : endChain(skipped, receiving, header.previousCounter),
  )
}

/** Asked before anything is computed: a counter made up costs nothing. */
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
  const keys = last < chain.next ? [] : [...skip(chain, last + 1).keys]
  return addSkipped(skipped, chain.ratchetKey, keys, Math.max(theirCount, chain.next))
}

/** Steps a chain up to a counter, which it does not reach. */
function skip(
  chain: SendingChain,
  counter: number,
): { readonly chainKey: Bytes; readonly keys: readonly SkippedKey[] } {
  const keys: SkippedKey[] = []
  let { chainKey } = chain
  for (let index = chain.next; index < counter; index++) {
    const step = stepChain(chainKey)
    keys.push({ counter: index, messageKey: step.messageKey })
    chainKey = step.chainKey
  }
  return { chainKey, keys }
}

/** The message key at a counter, the chain after it, and the keys that were passed. */
function skipTo(
  chain: ReceivingChain,
  counter: number,
): {
  readonly messageKey: Bytes
  readonly chain: ReceivingChain
  readonly skippedKeys: readonly SkippedKey[]
} {
  const { chainKey, keys } = skip(chain, counter)
  const step = stepChain(chainKey)
  return {
    messageKey: step.messageKey,
    chain: { ...chain, chainKey: step.chainKey, next: counter + 1 },
    skippedKeys: keys,
  }
}

function messageKeys(
  protocol: Protocol,
  messageKey: Uint8Array,
): { readonly encryption: Bytes; readonly authentication: Bytes; readonly iv: Bytes } {
  const derived = deriveKey(messageKey, protocol.info.messageKeys, 80)
  return { encryption: derived.slice(0, 32), authentication: derived.slice(32, 64), iv: derived.slice(64) }
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
  const keys = messageKeys(protocol, messageKey)
  const expected = hmacSha256(keys.authentication, concatBytes(associatedData, message))
  const authentic = equalBytes(expected.subarray(0, protocol.macLength), mac)
  const plaintext = authentic ? aesCbc.decrypt(keys.encryption, keys.iv, ciphertext) : undefined
  if (plaintext === undefined)
    throw new OmemoError('message-authentication-failed', 'message: does not belong to this session')
  return plaintext
}

function duplicate(): OmemoError {
  return new OmemoError('message-duplicate', 'message: was opened before')
}
