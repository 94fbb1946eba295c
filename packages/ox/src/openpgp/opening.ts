/** Opening a message that came in, and saying what is wrong with it (RFC 9580 §10.3). */
import {
  type AnyPacket,
  enums,
  type KeyID,
  Message,
  PacketList,
  readMessage,
  type SignaturePacket,
} from 'openpgp'
import type { Bytes } from '../bytes.ts'
import { MAX_CONTENT_BYTES } from '../elements/content.ts'
import { MAX_MESSAGE_BYTES } from '../elements/openpgp-element.ts'
import type { UnreadableCode } from '../outcome.ts'
import type { Certificate } from './certificate.ts'
import { hasCrypto, LENIENT, STRICT, UNSUPPORTED } from './config.ts'
import { hasKey } from './packets.ts'
import type { SecretKey } from './secret-key.ts'
import { type Signature, verifySignatures } from './verification.ts'

export type { Signature } from './verification.ts'

/** Signatures that are looked at: one is usual, and a rotated key may sign beside the old one. Each costs half a millisecond. */
export const MAX_SIGNATURES = 16

/**
 * Packets of session keys that are tried: those for our keys, then those that say not whose they are, which all of our keys are
 * tried with. Each try costs half a millisecond, or 15 with RSA: a second at most for an account that has an old key.
 */
export const MAX_SESSION_KEYS = 64

/** Packets of RSA that are tried for one key, or for none in particular: each costs one operation for each cipher. */
export const MAX_RSA_SESSION_KEYS = 4

/** @internal */
export type OpenedMessage =
  | {
      readonly kind: 'opened'
      readonly encrypted: boolean
      /** The best of all: one valid signature by the sender suffices. */
      readonly signature: Signature
      readonly plaintext: Bytes
    }
  | { readonly kind: 'locked'; readonly fingerprints: readonly string[] }
  | { readonly kind: 'failed'; readonly code: FailureCode }

type FailureCode = Extract<
  UnreadableCode,
  | 'message-malformed'
  | 'message-too-big'
  | 'message-damaged'
  | 'not-for-us'
  | 'algorithm-refused'
  | 'crypto-unavailable'
>

/**
 * @internal Opens a message with whichever of our keys it is for, and looks at its signatures by the certificates of the
 * sender, and by no others. `isArchived` lets a signature count that is older than its key's present binding.
 */
export async function openMessage(
  bytes: Uint8Array,
  own: readonly SecretKey[],
  sender: readonly Certificate[],
  { now, isArchived }: { readonly now: number; readonly isArchived: boolean },
): Promise<OpenedMessage> {
  if (!hasCrypto()) return failed('crypto-unavailable')
  if (bytes.length > MAX_MESSAGE_BYTES) return failed('message-too-big')
  let message: Message<Uint8Array>
  try {
    message = await readMessage({ binaryMessage: bytes, config: STRICT })
  } catch (error) {
    return failed(codeOf(error, 'message-malformed'))
  }
  const opened = isEncrypted(message) ? await decrypted(message, own, now) : message
  if (!(opened instanceof Message)) return opened
  const readers = own.map(({ certificate }) => certificate.fingerprint)
  return read(opened, message !== opened, sender, { now, isArchived, readers })
}

function failed(code: FailureCode): OpenedMessage {
  return { kind: 'failed', code }
}

const { packet } = enums
const ENCRYPTED = [
  packet.symmetricallyEncryptedData,
  packet.symEncryptedIntegrityProtectedData,
  packet.aeadEncryptedData,
  packet.publicKeyEncryptedSessionKey,
  packet.symEncryptedSessionKey,
]

function isEncrypted({ packets }: Message<Uint8Array>): boolean {
  return packets.filterByTag(...ENCRYPTED).length > 0
}

/** The packets of keys that are ours, or may be, and the data. */
interface Candidates {
  readonly packets: PacketList<AnyPacket>
  readonly keys: readonly SecretKey[]
  /** Whether none of them says that it is ours. */
  readonly areHidden: boolean
}

async function decrypted(
  message: Message<Uint8Array>,
  own: readonly SecretKey[],
  now: number,
): Promise<Message<Uint8Array> | OpenedMessage> {
  const { packets } = message
  // Integrity protection is not optional: whoever can change what is decrypted learns of it by what happens (EFAIL).
  if (packets.findPacket(packet.symmetricallyEncryptedData) !== undefined) return failed('message-damaged')
  const data = packets.filterByTag(packet.symEncryptedIntegrityProtectedData, packet.aeadEncryptedData)[0]
  if (data === undefined) return failed('message-malformed')
  const candidates = candidatesFor(message, data, own)
  if (candidates === undefined) return failed('not-for-us')
  const unlocked = candidates.keys.filter(({ isLocked }) => !isLocked)
  const locked = candidates.keys.filter(({ isLocked }) => isLocked)
  const others: OpenedMessage | undefined =
    locked.length === 0
      ? undefined
      : { kind: 'locked', fingerprints: locked.map(({ certificate }) => certificate.fingerprint) }
  if (unlocked.length === 0 && others !== undefined) return others
  try {
    const decryptable = new Message<Uint8Array>(candidates.packets)
    const keys = unlocked.map(({ key }) => key)
    return (await decryptable.decrypt(
      keys,
      undefined,
      undefined,
      new Date(now),
      LENIENT,
    )) as Message<Uint8Array>
  } catch (error) {
    const code = codeOf(error, 'message-damaged')
    if (code !== 'message-damaged' || !isNoSessionKey(error)) return failed(code)
    return others ?? failed(candidates.areHidden ? 'not-for-us' : code)
  }
}

const HIDDEN = '0'.repeat(16)

/** Passwords are for backups: what derives keys from them costs as much as its sender likes, and is left out. */
function candidatesFor(
  message: Message<Uint8Array>,
  data: AnyPacket,
  own: readonly SecretKey[],
): Candidates | undefined {
  const addressed = message.packets.filterByTag(packet.publicKeyEncryptedSessionKey)
  const keyIds = message.getEncryptionKeyIDs()
  const isOurs = (id: KeyID) => own.some(({ key }) => hasKey(key, id))
  const ours = addressed.filter((_, index) => keyIds[index] !== undefined && isOurs(keyIds[index]))
  const algorithms = algorithmsOf(own)
  const hidden = addressed.filter(
    (packet, index) => keyIds[index]?.toHex() === HIDDEN && algorithms.has(algorithmOf(packet)),
  )
  if (ours.length + hidden.length === 0) return undefined
  const packets = new PacketList<AnyPacket>()
  packets.push(
    ...triable([...ours, ...hidden], (packet) => keyIds[addressed.indexOf(packet)]?.toHex()).slice(
      0,
      MAX_SESSION_KEYS,
    ),
    data,
  )
  const keys = own.filter((one) => hidden.length > 0 || keyIds.some((id) => hasKey(one.key, id)))
  return { packets, keys, areHidden: ours.length === 0 }
}

/** What does not fit one of them costs an operation all the same. */
function algorithmsOf(own: readonly SecretKey[]): ReadonlySet<number | undefined> {
  return new Set(own.flatMap(({ key }) => key.getKeys().map(({ keyPacket }) => keyPacket.algorithm)))
}

const RSA: ReadonlySet<number | undefined> = new Set([
  enums.publicKey.rsaEncryptSign,
  enums.publicKey.rsaEncrypt,
])

/** Without the RSA packets that are too many for their key. */
function triable(
  packets: readonly AnyPacket[],
  idOf: (packet: AnyPacket) => string | undefined,
): readonly AnyPacket[] {
  const counts = new Map<string | undefined, number>()
  return packets.filter((packet) => {
    if (!RSA.has(algorithmOf(packet))) return true
    const id = idOf(packet)
    const count = (counts.get(id) ?? 0) + 1
    counts.set(id, count)
    return count <= MAX_RSA_SESSION_KEYS
  })
}

/**
 * RFC 9580 §5.1:
 *
 *     version 3: 3, id (8 bytes), algorithm, …
 *     version 6: 6, length of the next two, version, fingerprint, algorithm, …
 */
function algorithmOf(packet: AnyPacket): number | undefined {
  const bytes = packet.write()
  return bytes[0] === 3 ? bytes[9] : bytes[2 + (bytes[1] ?? 0)]
}

async function read(
  message: Message<Uint8Array>,
  encrypted: boolean,
  sender: readonly Certificate[],
  options: Parameters<typeof verifySignatures>[3],
): Promise<OpenedMessage> {
  let signatures: readonly SignaturePacket[]
  try {
    signatures = await signaturesOf(message)
  } catch (error) {
    return failed(codeOf(error, 'message-malformed'))
  }
  const literal = message.unwrapCompressed().packets.findPacket(packet.literalData)
  const plaintext = message.getLiteralData()
  if (literal === undefined || plaintext === null || signatures.length > MAX_SIGNATURES)
    return failed('message-malformed')
  if (plaintext.length > MAX_CONTENT_BYTES) return failed('message-too-big')
  const signature = await verifySignatures(literal, signatures, sender, options)
  return { kind: 'opened', encrypted, signature, plaintext: plaintext as Bytes }
}

/** Throws when there is not one literal packet. */
async function signaturesOf(message: Message<Uint8Array>): Promise<readonly SignaturePacket[]> {
  const results = await message.verify([], new Date(0), STRICT)
  const signatures = await Promise.all(results.map(({ signature }) => signature))
  return signatures.flatMap(({ packets }) => packets.slice())
}

/** What openpgp throws has a text and nothing else; everything that is not said here is the code that is given. */
function codeOf(error: unknown, otherwise: FailureCode): FailureCode {
  const text = error instanceof Error ? error.message : ''
  if (/decompressed message size/i.test(text)) return 'message-too-big'
  if (UNSUPPORTED.test(text)) return 'algorithm-refused'
  if (
    /unexpected packet|not allowed in this context|trailing signature|missing trailing|OPS following/i.test(
      text,
    )
  )
    return 'message-malformed'
  return otherwise
}

/** Whether it failed before anything of the data was decrypted. */
function isNoSessionKey(error: unknown): boolean {
  return !/modification detected/i.test(error instanceof Error ? error.message : '')
}
