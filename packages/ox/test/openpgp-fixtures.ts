/** Keys of three people, messages that are made packet by packet, and what other programs have written. */
import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import {
  type AnyPacket,
  CompressedDataPacket,
  createMessage,
  enums,
  Message,
  PacketList,
  type SecretKeyPacket,
  type SecretSubkeyPacket,
  SignaturePacket,
  sign,
} from 'openpgp'
import type { Certificate } from '../src/openpgp/certificate.ts'
import { LENIENT } from '../src/openpgp/config.ts'
import { type OpenedMessage, openMessage, type Signature } from '../src/openpgp/message.ts'
import { generateSecretKey, readSecretKeys, type SecretKey } from '../src/openpgp/secret-key.ts'
import { utf8, utf8Text } from '../src/utf8.ts'
import vectors from './vectors/openpgp-peers.json' with { type: 'json' }

export { vectors }

export const NOW = Date.UTC(2026, 0, 1)
export const LATER = Date.UTC(2026, 11, 1)
export const MINUTE = 60_000

export function bytes(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'))
}

export function address(text: string): BareJid {
  const jid = bareJid.decode(text)
  if (jid === undefined) throw new TypeError(text)
  return jid
}

export const [juliet, romeo, mallory] = (await Promise.all(
  ['juliet@capulet.lit', 'romeo@montague.lit', 'mallory@example.org'].map((jid) =>
    generateSecretKey(address(jid), NOW),
  ),
)) as [SecretKey, SecretKey, SecretKey]

/** To whom the messages of other programs are encrypted. */
export const [reader] = (await readSecretKeys(bytes(vectors.juliet.secret), NOW)) as [SecretKey]

export const HELLO = utf8('hello')

/** What comes of a message to juliet from romeo, unless it says otherwise. */
export async function open(
  message: Uint8Array,
  {
    own = [juliet],
    sender = [romeo.certificate],
    now = NOW,
    isArchived = false,
  }: {
    own?: readonly SecretKey[]
    sender?: readonly Certificate[]
    now?: number
    isArchived?: boolean
  } = {},
): Promise<OpenedMessage> {
  return openMessage(message, own, sender, { now, isArchived })
}

export function textOf(opened: OpenedMessage): string | undefined {
  return opened.kind === 'opened' ? utf8Text(opened.plaintext) : undefined
}

export function signatureOf(opened: OpenedMessage): Signature | undefined {
  return opened.kind === 'opened' ? opened.signature : undefined
}

export function valid(
  signer: SecretKey | Certificate,
  signedAt: number,
  warnings: readonly string[] = [],
): unknown {
  const { fingerprint } = 'certificate' in signer ? signer.certificate : signer
  return { kind: 'valid', fingerprint, signedAt: new Date(signedAt), warnings }
}

export async function literal(text: string): Promise<AnyPacket> {
  const { packets } = await createMessage({ binary: utf8(text), date: new Date(NOW) })
  return packets[0] as AnyPacket
}

/** A one-pass signature, the text, and the signature. */
export async function signedPackets(text: string, by: SecretKey, at = NOW): Promise<readonly AnyPacket[]> {
  const message = await createMessage({ binary: utf8(text), date: new Date(at) })
  const options = { signingKeys: by.key, date: new Date(at), format: 'object', config: LENIENT } as const
  const signed = await sign({ message, ...options })
  return PacketList.from(signed.packets) as readonly AnyPacket[]
}

export function packetsOf(...packets: readonly AnyPacket[]): PacketList<AnyPacket> {
  const list = new PacketList<AnyPacket>()
  list.push(...packets)
  return list
}

export function compressed(...packets: readonly AnyPacket[]): AnyPacket {
  return Object.assign(new CompressedDataPacket(), {
    packets: packetsOf(...packets),
    algorithm: enums.compression.zip,
  })
}

export function messageOf(...packets: readonly AnyPacket[]): Uint8Array {
  return packetsOf(...packets).write()
}

export async function encryptedTo(
  { certificate }: SecretKey,
  packets: readonly AnyPacket[],
  { wildcard = false } = {},
): Promise<Uint8Array> {
  const message = new Message(packetsOf(...packets))
  const date = new Date(NOW)
  const encrypted = await message.encrypt(
    [certificate.key],
    undefined,
    undefined,
    wildcard,
    [],
    date,
    [],
    LENIENT,
  )
  return encrypted.packets.write()
}

/** Typed without the configuration, which it does take, and for other data. */
interface Signing {
  sign(
    key: SecretKeyPacket | SecretSubkeyPacket,
    data: object,
    date: Date,
    detached: boolean,
    config: typeof LENIENT,
  ): Promise<void>
}

/** A signature packet with whatever properties. */
export async function signature(
  data: object,
  by: SecretKeyPacket | SecretSubkeyPacket,
  at: number,
  properties: object,
): Promise<SignaturePacket> {
  const packet = new SignaturePacket()
  Object.assign(packet, {
    signatureType: enums.signature.binary,
    publicKeyAlgorithm: by.algorithm,
    hashAlgorithm: enums.hash.sha512,
    ...properties,
  })
  const signing: Signing = packet
  const config = { ...LENIENT, nonDeterministicSignaturesViaNotation: false }
  await signing.sign(by, data, new Date(at), false, config)
  return packet
}

/** A packet with any tag below 64 (RFC 9580 §4.2.1). */
export function rawPacket(tag: number, body: Uint8Array): Uint8Array {
  const length = body.length
  const header =
    length < 192
      ? [length]
      : length < 8384
        ? [((length - 192) >> 8) + 192, (length - 192) & 255]
        : [255, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255]
  return Uint8Array.from([0xc0 | tag, ...header, ...body])
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)))
}

export function primaryOf({ key }: SecretKey): SecretKeyPacket {
  return key.keyPacket as SecretKeyPacket
}

export interface Raw {
  readonly tag: number
  readonly body: Uint8Array
  readonly whole: Uint8Array
}

/** The packets of what we have written. Those that openpgp has read it does not write again as they were. */
export function rawPackets(message: Uint8Array): readonly Raw[] {
  const packets: Raw[] = []
  for (let at = 0; at < message.length; ) {
    const [tag = 0, first = 0, second = 0] = message.subarray(at)
    if (tag < 0xc0 || first >= 224) throw new TypeError('expected a short packet of the new format')
    const [header, length] = first < 192 ? [2, first] : [3, ((first - 192) << 8) + second + 192]
    const end = at + header + length
    packets.push({ tag: tag & 63, body: message.slice(at + header, end), whole: message.slice(at, end) })
    at = end
  }
  return packets
}
