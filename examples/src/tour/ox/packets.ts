/** What bytes of OpenPGP consist of (RFC 9580 §4.2), and what is in them for who has the key. */
import { createRequire } from 'node:module'
import { fact } from '../fact.ts'

export interface Packet {
  readonly tag: number
  readonly body: Uint8Array
  /** Bytes, its head included. */
  readonly size: number
}

export const SESSION_KEY = 1
export const SIGNATURE = 2
export const PUBLIC_KEY = 6
export const LITERAL = 11
export const USER_ID = 13
export const SUBKEY = 14
export const ENCRYPTED = 18

/** Heads are one byte for the tag, and one, two or five for the length. */
export function packetsOf(bytes: Uint8Array): readonly Packet[] {
  const packets: Packet[] = []
  for (let at = 0; at < bytes.length; ) {
    const [head = 0, first = 0, second = 0] = bytes.subarray(at)
    fact(head >= 0xc0 && (first < 224 || first === 255), 'a packet has a tag and a length')
    const [start, length] =
      first < 192
        ? [2, first]
        : first < 224
          ? [3, (first - 192) * 256 + second + 192]
          : [6, new DataView(bytes.buffer, bytes.byteOffset + at + 2).getUint32(0)]
    packets.push({
      tag: head & 0x3f,
      body: bytes.subarray(at + start, at + start + length),
      size: start + length,
    })
    at += start + length
  }
  return packets
}

/** As much of openpgp as is needed to take a message apart by hand. */
interface Openpgp {
  readMessage(options: { readonly binaryMessage: Uint8Array }): Promise<Message>
  readPrivateKey(options: { readonly binaryKey: Uint8Array }): Promise<object>
  readKey(options: { readonly binaryKey: Uint8Array }): Promise<object>
}
interface Message {
  decrypt(keys: readonly object[]): Promise<Message>
  encrypt(keys: readonly object[]): Promise<Message>
  write(): Uint8Array
  readonly packets: { push(packet: object): void; readonly stream: Reading | undefined }
}
/** Those that have not been read yet. */
interface Reading {
  getReader(): { read(): Promise<{ readonly value?: object; readonly done: boolean }> }
}

/** The one that `@xmpp-e2e/ox` depends on. */
const resolve = createRequire(import.meta.url).resolve('@xmpp-e2e/ox')
const openpgp = createRequire(resolve)('openpgp') as Openpgp

async function opened(message: Uint8Array, secretKey: Uint8Array): Promise<Message> {
  const key = await openpgp.readPrivateKey({ binaryKey: secretKey })
  const inside = await (await openpgp.readMessage({ binaryMessage: message })).decrypt([key])
  const reader = inside.packets.stream?.getReader()
  for (;;) {
    const { value } = (await reader?.read()) ?? {}
    if (value === undefined) return inside
    inside.packets.push(value)
  }
}

/** The packets that are encrypted: what was signed, and its signature. */
export async function insideOf(message: Uint8Array, secretKey: Uint8Array): Promise<readonly Packet[]> {
  return packetsOf((await opened(message, secretKey)).write())
}

/** A literal is a byte for its format, a name with its length, and four bytes for a date; then comes what it is about. */
export function contentOf({ body }: Packet): Uint8Array {
  return body.subarray(2 + body[1]! + 4)
}

/** What a reader can do: open it, leave the signature as it is, and encrypt all of that to somebody else. */
export async function passedOn(
  message: Uint8Array,
  secretKey: Uint8Array,
  certificate: Uint8Array,
): Promise<Uint8Array> {
  const reader = await openpgp.readKey({ binaryKey: certificate })
  return (await (await opened(message, secretKey)).encrypt([reader])).write()
}
