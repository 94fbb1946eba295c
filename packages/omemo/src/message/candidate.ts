/**
 * What in a message may be meant for this device, and who may have sent it: all that can be said before anything is
 * opened. Pure.
 *
 * | the sender is            | tried                                                  | how it is reported     |
 * | ------------------------ | ------------------------------------------------------ | ---------------------- |
 * | told by stream or room   | that account                                           |                        |
 * | one of candidates        | those                                                  | `sender-by-session`    |
 * | an occupant, nobody else | accounts with a device of that id, at most `MAX_SENDERS` | `sender-by-session`    |
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { type BareJid, type Element, parseJid, type Received } from '@xmpp-e2e/xml'
import { OmemoError } from '../error.ts'
import { AXOLOTL, type Namespace } from '../protocol.ts'
import { type Encrypted, type EncryptedKey, encryptedFormats, keysFor } from '../stanza/encrypted.ts'
import { encryptedElements } from '../stanza/message.ts'
import { ByteWriter } from '../state-bytes.ts'

/**
 * Accounts that are tried for a message of a room that does not say who sent it: each costs at most
 * `MAX_KEYS_TRIED` × 9 sessions. Two devices of one id among 1000 contacts are rare, and 16 of them are an attack.
 */
export const MAX_SENDERS = 16

/** @internal One `<encrypted/>` as it was read. */
export interface ReadElement {
  readonly namespace: Namespace
  readonly encrypted: Encrypted
}

/** @internal One `<key/>` that may be this device's. */
export interface Candidate extends ReadElement {
  readonly key: EncryptedKey
}

/** @internal */
export interface Reading {
  /** What could be read, omemo:2 first; of each namespace the first element only. */
  readonly elements: readonly ReadElement[]
  readonly candidates: readonly Candidate[]
  /** Of an element that could not be read. */
  readonly failure: OmemoError | undefined
}

/** @internal */
export interface Recipient {
  readonly jid: BareJid
  readonly deviceId: number
  readonly namespaces: readonly Namespace[]
}

/** @internal The `<encrypted/>` children of an element, and the keys in them for this device. */
export function readElements(parent: Element, recipient: Recipient): Reading {
  const elements: ReadElement[] = []
  const seen = new Set<Namespace>()
  let failure: OmemoError | undefined
  for (const { namespace, element } of encryptedElements(parent)) {
    if (seen.has(namespace)) continue
    seen.add(namespace)
    try {
      elements.push({ namespace, encrypted: encryptedFormats[namespace].decode(element) })
    } catch (error) {
      if (!(error instanceof OmemoError)) throw error
      failure ??= error
    }
  }
  const candidates = elements
    .filter(({ namespace }) => recipient.namespaces.includes(namespace))
    .flatMap((element) => keysFor(element.encrypted, recipient).map((key) => ({ ...element, key })))
  return { elements, candidates, failure }
}

/** @internal Who sent it as far as the message was vouched for: nobody for an occupant who is not known. */
export function statedSenders({ sender }: Received): readonly BareJid[] {
  if (sender.known !== 'no') return [parseJid(sender.jid).bare]
  return [...new Set(sender.candidates)].slice(0, MAX_SENDERS)
}

/**
 * @internal Whether this device has sent the element itself. Then it holds no key for it: one that names this account
 * too is `forged`. In 0.3 a key names no account, and a contact's device may have our id.
 */
export function isOwnEcho(
  { namespace, encrypted }: ReadElement,
  sender: BareJid,
  recipient: Recipient,
): 'own' | 'forged' | undefined {
  if (sender !== recipient.jid || encrypted.sid !== recipient.deviceId) return undefined
  return namespace !== AXOLOTL && keysFor(encrypted, recipient).length > 0 ? 'forged' : 'own'
}

/** Of 32 bytes of SHA-256 so many: 128 bits. */
const REF_LENGTH = 16

/** @internal Names a message of a sender in a chat, the same each time its stanza comes in, by any way. */
export function refOf({ namespace, encrypted, key }: Candidate, sender: BareJid, chat: BareJid): string {
  const writer = new ByteWriter()
  const parts = [namespace, sender, chat].map((text) => utf8ToBytes(text))
  for (const part of [...parts, key.data, encrypted.payload ?? new Uint8Array()])
    writer.varint(part.length).bytes(part)
  const digest = sha256(writer.varint(encrypted.sid).finish())
  return bytesToHex(digest.subarray(0, REF_LENGTH))
}

/** @internal */
export function isRef(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text)
}
