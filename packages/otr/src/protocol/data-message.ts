/**
 * The message that carries data (Data Message), and its MAC.
 *
 *     header ‖ BYTE flags ‖ INT sender's key id ‖ INT recipient's key id ‖ MPI next D-H key ‖ CTR
 *            ‖ DATA AES-128-CTR(plaintext) ‖ MAC ‖ DATA old MAC keys
 *
 *     MAC = HMAC-SHA-1 over everything before it, instance tags included      counter block = CTR ‖ 0, 16 bytes
 */

import { ctr } from '@noble/ciphers/aes.js'
import { concatBytes } from '@noble/ciphers/utils.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha1 } from '@noble/hashes/legacy.js'
import type { Bytes } from '../wire/bytes.ts'
import { bytesToInteger, integerToBytes } from '../wire/integer.ts'
import type { Reader } from '../wire/reader.ts'
import { byte, data, int, mpi } from '../wire/writer.ts'
import { encodeHeader, type Header } from './header.ts'

/** The only flag: who cannot read the message need not tell its user or the sender. */
const IGNORE_UNREADABLE = 1

export interface DataFields {
  readonly ignoreUnreadable: boolean
  readonly senderKeyId: number
  readonly recipientKeyId: number
  /** Whose turn it is next: the key after the one that `senderKeyId` names, or that one. */
  readonly nextDh: bigint
  /** From 1. An unsigned number of 64 bits, beyond what a `number` counts. */
  readonly counter: bigint
  readonly encrypted: Bytes
}

export interface DataMessage extends DataFields {
  readonly mac: Bytes
  /** What the MAC is over, as received. */
  readonly authenticated: Uint8Array
}

/** `revealed` are old MAC keys of 20 bytes, with which anybody can forge what was said under them. */
export function encodeDataMessage(
  header: Header,
  fields: DataFields,
  macKey: Uint8Array,
  revealed: readonly Uint8Array[],
): Bytes {
  const authenticated = concatBytes(
    encodeHeader(header),
    byte(fields.ignoreUnreadable ? IGNORE_UNREADABLE : 0),
    int(fields.senderKeyId),
    int(fields.recipientKeyId),
    mpi(fields.nextDh),
    integerToBytes(fields.counter, 8),
    data(fields.encrypted),
  )
  return concatBytes(authenticated, dataMac(macKey, authenticated), data(concatBytes(...revealed)))
}

/**
 * `input` reads `message` and stands behind the header. What the old MAC keys are does not matter to who gets them.
 *
 * @throws OtrError `message-malformed`
 */
export function readDataMessage(message: Uint8Array, input: Reader): DataMessage {
  const ignoreUnreadable = (input.byte() & IGNORE_UNREADABLE) !== 0
  const senderKeyId = input.int()
  const recipientKeyId = input.int()
  const nextDh = input.mpi()
  const counter = bytesToInteger(input.ctr())
  const encrypted = input.data()
  const authenticated = message.subarray(0, input.offset)
  const mac = input.mac()
  input.data()
  input.end()
  return { ignoreUnreadable, senderKeyId, recipientKeyId, nextDh, counter, encrypted, authenticated, mac }
}

export function dataMac(macKey: Uint8Array, authenticated: Uint8Array): Bytes {
  return hmac(sha1, macKey, authenticated)
}

/** Encrypts and decrypts. A key and a counter together must never be used for two messages. */
export function dataCipher(key: Uint8Array, counter: bigint, bytes: Uint8Array): Bytes {
  const block = concatBytes(integerToBytes(counter, 8), new Uint8Array(8))
  return Uint8Array.from(ctr(key, block).encrypt(bytes))
}
