/**
 * The authenticated key exchange as a state machine (The protocol state machine, Receiving a D-H Commit … Signature
 * message). x belongs to who commits, y to who answers.
 *
 *     state                    Commit                          Key                     Reveal       Signature
 *     none                     Key → reveal-signature          –                       –            –
 *     awaiting-dh-key          own hash greater: Commit again  Reveal → signature      –            –
 *                              else Key → reveal-signature
 *     awaiting-reveal-sig…     the same Key, keeping the new   –                       Signature,   –
 *                              commit                                                  result
 *     awaiting-signature       new Key → reveal-signature      same g^y: Reveal again  –            result
 *
 * Where two commits cross, the greater hash wins and its sender stays where it is: libotr, otr3 and potr move, and
 * stand still then. Nothing here touches a session that runs; one that verifies replaces it at the end.
 */

import { assertGroupElement, type DhKeyPair, type Group } from '../arithmetic/group.ts'
import type { DsaPrivateKey, DsaPublicKey } from '../dsa/dsa.ts'
import { type Bytes, equalBytes, type Random } from '../wire/bytes.ts'
import type { Reader } from '../wire/reader.ts'
import { mpi } from '../wire/writer.ts'
import {
  type Commit,
  commitTo,
  encodeCommit,
  encodeReveal,
  encodeSealed,
  openCommit,
  readCommit,
  readReveal,
  readSealed,
  type Signer,
  seal,
  unseal,
} from './ake-messages.ts'
import type { MessageType } from './header.ts'
import { type AkeKeys, akeKeys } from './keys.ts'

export type Ake =
  | { readonly state: 'none' }
  | {
      readonly state: 'awaiting-dh-key'
      /** r, 16 bytes. */
      readonly revealed: Bytes
      readonly dh: DhKeyPair
      readonly commit: Commit
    }
  | {
      readonly state: 'awaiting-reveal-signature'
      readonly dh: DhKeyPair
      readonly commit: Commit
      /** The hash of our own commit that was given up for theirs, to know it if it comes back. */
      readonly given: Bytes | undefined
    }
  | {
      readonly state: 'awaiting-signature'
      readonly dh: DhKeyPair
      readonly theirs: bigint
      readonly keys: AkeKeys
      /** The hash of our commit, to know it if it comes back. */
      readonly hash: Bytes
      /** The Reveal Signature message, to be sent again. */
      readonly reveal: Bytes
    }

export interface AkeMeans {
  readonly key: DsaPrivateKey
  readonly group: Group
  readonly random: Random
}

/** A message without its header. */
export interface AkeMessage {
  readonly type: Exclude<MessageType, 'data'>
  readonly body: Bytes
}

/** What a session begins with. Ours is key 1 by our count. */
export interface AkeResult {
  readonly theirKey: DsaPublicKey
  readonly theirDh: bigint
  readonly theirKeyId: number
  readonly ourDh: DhKeyPair
  /** 8 bytes. */
  readonly ssid: Bytes
  /** Which half of the id this side shows in bold, so that two people on the telephone read different halves. */
  readonly boldHalf: 'first' | 'second'
}

export interface AkeStep {
  readonly ake: Ake
  readonly reply?: AkeMessage
  readonly result?: AkeResult
  /**
   * - `unexpected`: not what this state waits for, or a repetition.
   * - `unauthentic`: a commitment, MAC or signature that does not fit.
   * - `reflected`: our own message.
   */
  readonly ignored?: 'unexpected' | 'unauthentic' | 'reflected'
}

/** What was committed to, and the message that says so. */
export interface AkeStart {
  readonly ake: Extract<Ake, { state: 'awaiting-dh-key' }>
  readonly reply: AkeMessage
}

export const NO_AKE: Ake = { state: 'none' }
/** By our count, of the Diffie-Hellman key in an exchange. */
export const FIRST_KEY_ID = 1

/** Begins, or begins again: always with a fresh x, whatever was before. */
export function startAke({ group, random }: Pick<AkeMeans, 'group' | 'random'>): AkeStart {
  const revealed = Uint8Array.from(random(16))
  const dh = group.generateDh(random)
  const commit = commitTo(dh.publicKey, revealed)
  return { ake: { state: 'awaiting-dh-key', revealed, dh, commit }, reply: commitMessage(commit) }
}

/**
 * What a message of the peer's leads to. `input` stands behind the header. A step that throws or ignores changes
 * nothing.
 *
 * @throws OtrError `message-malformed`, `group-element-invalid`, `dsa-key-invalid`
 */
export function receiveAke(ake: Ake, type: AkeMessage['type'], input: Reader, means: AkeMeans): AkeStep {
  switch (type) {
    case 'commit':
      return receiveCommit(ake, readCommit(input), means)
    case 'key':
      return receiveKey(ake, input, means)
    case 'reveal':
      return receiveReveal(ake, input, means)
    case 'signature':
      return receiveSignature(ake, input)
  }
}

function receiveCommit(ake: Ake, commit: Commit, { group, random }: AkeMeans): AkeStep {
  switch (ake.state) {
    case 'awaiting-dh-key': {
      const order = compare(ake.commit.hash, commit.hash)
      if (order === 0) return { ake, ignored: 'reflected' }
      if (order > 0) return { ake, reply: commitMessage(ake.commit) }
      return answerCommit(commit, ake.commit.hash, group.generateDh(random))
    }
    case 'awaiting-reveal-signature':
      if (ake.given !== undefined && equalBytes(ake.given, commit.hash)) return { ake, ignored: 'reflected' }
      return { ake: { ...ake, commit }, reply: keyMessage(ake.dh) }
    case 'awaiting-signature':
      if (equalBytes(ake.hash, commit.hash)) return { ake, ignored: 'reflected' }
      return answerCommit(commit, ake.hash, group.generateDh(random))
    case 'none':
      return answerCommit(commit, undefined, group.generateDh(random))
  }
}

function answerCommit(commit: Commit, given: Bytes | undefined, dh: DhKeyPair): AkeStep {
  return { ake: { state: 'awaiting-reveal-signature', dh, commit, given }, reply: keyMessage(dh) }
}

function receiveKey(ake: Ake, input: Reader, { key, group, random }: AkeMeans): AkeStep {
  const theirs = input.mpi()
  input.end()
  if (ake.state === 'awaiting-signature' && ake.theirs === theirs)
    return { ake, reply: { type: 'reveal', body: ake.reveal } }
  if (ake.state !== 'awaiting-dh-key') return { ake, ignored: 'unexpected' }
  assertGroupElement(theirs)
  const { dh, revealed, commit } = ake
  if (theirs === dh.publicKey) return { ake, ignored: 'reflected' }
  const keys = agree(dh, theirs, group)
  const sealed = seal(keys.reveal, [dh.publicKey, theirs], key, FIRST_KEY_ID, random, group)
  const reveal = encodeReveal({ revealed, ...sealed })
  return {
    ake: { state: 'awaiting-signature', dh, theirs, keys, hash: commit.hash, reveal },
    reply: { type: 'reveal', body: reveal },
  }
}

function receiveReveal(ake: Ake, input: Reader, { key, group, random }: AkeMeans): AkeStep {
  const reveal = readReveal(input)
  if (ake.state !== 'awaiting-reveal-signature') return { ake, ignored: 'unexpected' }
  const { dh, commit } = ake
  const theirs = openCommit(commit, reveal.revealed)
  if (theirs === undefined) return { ake, ignored: 'unauthentic' }
  assertGroupElement(theirs)
  if (theirs === dh.publicKey) return { ake, ignored: 'reflected' }
  const keys = agree(dh, theirs, group)
  const signer = unseal(keys.reveal, [dh.publicKey, theirs], reveal)
  if (signer === undefined) return { ake, ignored: 'unauthentic' }
  const sealed = seal(keys.signature, [dh.publicKey, theirs], key, FIRST_KEY_ID, random, group)
  return {
    ake: NO_AKE,
    reply: { type: 'signature', body: encodeSealed(sealed) },
    result: result(signer, dh, theirs, keys, 'second'),
  }
}

function receiveSignature(ake: Ake, input: Reader): AkeStep {
  const sealed = readSealed(input)
  if (ake.state !== 'awaiting-signature') return { ake, ignored: 'unexpected' }
  const { dh, theirs, keys } = ake
  const signer = unseal(keys.signature, [dh.publicKey, theirs], sealed)
  if (signer === undefined) return { ake, ignored: 'unauthentic' }
  return { ake: NO_AKE, result: result(signer, dh, theirs, keys, 'first') }
}

function agree({ secret }: DhKeyPair, theirs: bigint, group: Group): AkeKeys {
  const shared = group.sharedSecret(secret, theirs)
  const keys = akeKeys(shared)
  shared.fill(0)
  return keys
}

function result(
  { key, keyId }: Signer,
  ourDh: DhKeyPair,
  theirDh: bigint,
  { ssid }: AkeKeys,
  boldHalf: AkeResult['boldHalf'],
): AkeResult {
  return { theirKey: key, theirKeyId: keyId, theirDh, ourDh, ssid, boldHalf }
}

function commitMessage(commit: Commit): AkeMessage {
  return { type: 'commit', body: encodeCommit(commit) }
}

function keyMessage({ publicKey }: DhKeyPair): AkeMessage {
  return { type: 'key', body: mpi(publicKey) }
}

/** As 32-byte big-endian numbers; hashes are no secret. */
function compare(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, index) => byte !== b[index])
  return at < 0 ? 0 : (a[at] as number) - (b[at] as number)
}
