/**
 * Messages that were opened and not settled. What is kept is the plaintext as it was decrypted, and what of the stanza
 * belongs to it: the answer is made of that, the first time too, so that it is the same each time. JSON, version 1.
 */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Reader } from '@xmpp-e2e/store'
import type { Key, KeyRef } from '@xmpp-e2e/trust'
import {
  type BareJid,
  base64,
  type Element,
  element,
  elements,
  isAllowedContent,
  parse,
  serialize,
  withContent,
  XmlError,
} from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import { decodeEnvelope } from '../envelope.ts'
import { OmemoError } from '../error.ts'
import {
  decodeRecord,
  encodeRecord,
  isFlag,
  isJid,
  isList,
  isMaybe,
  isObject,
  isOneOf,
  isText,
  isTime,
  isWhole,
  malformed,
  type Shape,
} from '../json-record.ts'
import { keysOf } from '../keyring.ts'
import type { DecryptedMessage, DeviceRef, WarningCode } from '../outcome.ts'
import { decodeBody } from '../payload-body.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../protocol.ts'
import { records } from '../record.ts'
import { MAX_FOREIGN_ID } from '../stanza/device-id.ts'
import { isRef } from './candidate.ts'
import { isControl } from './control.ts'

/**
 * Bytes of XML, in UTF-8, that are kept of what stands outside of the payload: 128 KiB, which may double in JSON. With a payload of
 * 512 KiB, 683 KiB in base64, that stays below the MiB of a record. Elements above it are left out.
 */
export const MAX_KEPT_OUTSIDE = 131_072

/** Messages settled in one commit. */
const SETTLED_AT_ONCE = 256

/** @internal */
export interface KeptMessage {
  readonly protocol: Namespace
  readonly sender: DeviceRef
  readonly fingerprint: string
  readonly chat: BareJid
  readonly own: boolean
  readonly sentAt: number | undefined
  /** When it was opened, milliseconds since 1970. */
  readonly openedAt: number
  /** Of the ratchet message: two can be opened in one millisecond. */
  readonly counter: number
  readonly warnings: readonly WarningCode[]
  /** The decrypted payload: an envelope, or a body. */
  readonly plaintext: Bytes
  /** The stanza without content, see `withContent`. */
  readonly shell: Element
  readonly unauthenticated: readonly Element[]
}

/**
 * @internal The stanza as it is kept: what of it can be written and read again, up to `MAX_KEPT_OUTSIDE`. A host can hand
 * over trees that no parser would give.
 */
export function outsideOf(
  stanza: Element,
  unauthenticated: readonly Element[],
): Pick<KeptMessage, 'shell' | 'unauthenticated'> {
  const shell = withContent(stanza, [])
  let room = MAX_KEPT_OUTSIDE
  const fits = (el: Element): boolean => {
    const length = lengthOf(el)
    if (length === undefined || length > room) return false
    room -= length
    return true
  }
  const attrs = fits({ ...shell, children: [] }) ? shell.attrs : {}
  return {
    shell: element('jabber:client', 'message', attrs, elements(shell).filter(fits)),
    unauthenticated: unauthenticated.filter(fits),
  }
}

function lengthOf(el: Element): number | undefined {
  try {
    const text = serialize(el)
    parse(text)
    return utf8ToBytes(text).length
  } catch (error) {
    if (error instanceof XmlError || error instanceof TypeError) return undefined
    throw error
  }
}

/** @internal What a plaintext says. @throws OmemoError `envelope-malformed`, `message-malformed` */
export function contentOf(protocol: Namespace, plaintext: Uint8Array): readonly Element[] {
  if (protocol === AXOLOTL) return [bodyElement(decodeBody(plaintext))]
  const { content } = decodeEnvelope(plaintext)
  return content.filter((el) => isAllowedContent(el) && !isControl(el))
}

function bodyElement(body: string): Element {
  try {
    return element('jabber:client', 'body', {}, body)
  } catch (cause) {
    if (!(cause instanceof XmlError)) throw cause
    const path = 'encrypted/payload'
    throw new OmemoError('message-malformed', 'the decrypted body is no text of XML', { path, cause })
  }
}

/** @internal The message as the application gets it, with the key as it is now. */
export function messageOf(ref: string, kept: KeptMessage, key: Key): DecryptedMessage {
  const { protocol, sender, chat, own, sentAt, warnings, plaintext, shell, unauthenticated } = kept
  const content = contentOf(protocol, plaintext)
  const undecided: readonly WarningCode[] = key.level === 'undecided' ? ['key-undecided'] : []
  return {
    kind: 'message',
    ref,
    content,
    stanza: withContent(shell, content),
    unauthenticated,
    protocol,
    sender,
    key,
    authenticated: true,
    chat,
    own,
    ...(sentAt !== undefined && { sentAt: new Date(sentAt) }),
    warnings: [...undecided, ...warnings],
  }
}

const WARNINGS: readonly WarningCode[] = [
  'from-missing',
  'to-missing',
  'time-skew',
  'key-undecided',
  'namespace-downgraded',
  'device-unlisted',
  'sender-by-session',
]

const isXml: Shape<Element> = (value, at) => {
  try {
    return parse(isText(value, at))
  } catch (error) {
    if (error instanceof XmlError) throw malformed(at, 'XML')
    throw error
  }
}

const isBytes: Shape<Bytes> = (value, at) => {
  const bytes = base64().decode(isText(value, at))
  if (bytes === undefined) throw malformed(at, 'base64')
  return bytes
}

const keptMessage = isObject({
  protocol: isOneOf<Namespace>([OMEMO_2, AXOLOTL]),
  jid: isJid,
  id: isWhole(1, MAX_FOREIGN_ID),
  fingerprint: isText,
  chat: isJid,
  own: isFlag,
  sentAt: isMaybe(isTime),
  openedAt: isTime,
  counter: isWhole(),
  warnings: isList(isOneOf(WARNINGS)),
  plaintext: isBytes,
  shell: isXml,
  unauthenticated: isList(isXml),
})

/** @internal */
export function encodeKept(kept: KeptMessage): Bytes {
  const { sender, plaintext, shell, unauthenticated, ...same } = kept
  return encodeRecord({
    ...same,
    ...sender,
    plaintext: base64().encode(plaintext),
    shell: serialize(shell),
    unauthenticated: unauthenticated.map((el) => serialize(el)),
  })
}

/** @internal @throws OmemoError `state-malformed`, `state-version-unknown` */
export function decodeKept(bytes: Uint8Array): KeptMessage {
  const { jid, id, ...same } = decodeRecord(bytes, 'kept message', keptMessage)
  return { ...same, sender: { jid, id } }
}

/** @internal Those of these refs that are kept, within a change. */
export async function readKept(
  reader: Reader,
  refs: readonly string[],
): Promise<readonly (KeptMessage | undefined)[]> {
  const values = refs.length > 0 ? await reader.read(refs.map(records.kept)) : []
  return values.map((value) => value && decodeKept(value))
}

/** @internal @throws RangeError for what is no `ref` */
export async function settle(account: Account, refs: readonly string[]): Promise<void> {
  for (const [i, ref] of refs.entries()) if (!isRef(ref)) throw new RangeError(`refs[${i}]: not a ref`)
  const unique = [...new Set(refs)]
  for (let i = 0; i < unique.length; i += SETTLED_AT_ONCE) {
    const keys = unique.slice(i, i + SETTLED_AT_ONCE).map(records.kept)
    await change(account, keys, (values) => ({
      delete: keys.filter((_, i) => values[i] !== undefined),
      result: undefined,
    }))
  }
}

/** @internal By the time they were sent, the oldest first; each with its key as it is now; without those that the policy does not show. */
export async function unsettled(account: Account): Promise<readonly DecryptedMessage[]> {
  const { entries } = await account.store.list(records.allKept)
  const all = entries.map(([name, value]) => [name.slice(records.allKept.length), decodeKept(value)] as const)
  const keys = new Map((await keysOf(account, undefined)).map((key) => [nameOf(key), key]))
  return [...all]
    .sort(inOrder)
    .map(([ref, kept]) => messageOf(ref, kept, keys.get(nameOf(keyRefOf(kept))) ?? unknownKey(account, kept)))
    .filter(({ key }) => account.policy.mayShow(key.level))
}

/** @internal */
export function keyRefOf({ sender, fingerprint }: KeptMessage): KeyRef {
  return { owner: sender.jid, fingerprint }
}

function nameOf({ owner, fingerprint }: KeyRef): string {
  return `${owner}\n${fingerprint}`
}

/** Nobody forgets keys that messages came from; if somebody has, nothing is known. */
function unknownKey({ jid }: Account, kept: KeptMessage): Key {
  const ref = keyRefOf(kept)
  return { ...ref, protocol: OMEMO_2, level: 'undecided', own: ref.owner === jid }
}

type Entry = readonly [ref: string, kept: KeptMessage]

function inOrder([a, one]: Entry, [b, other]: Entry): number {
  const sent = (one.sentAt ?? one.openedAt) - (other.sentAt ?? other.openedAt)
  return sent || one.openedAt - other.openedAt || one.counter - other.counter || (a < b ? -1 : 1)
}
