/**
 * Stanza Content Encryption: what a payload of omemo:2 says, with affixes that tie it to its stanza (XEP-0420 0.5.0;
 * the profile of OMEMO is XEP-0384 §5.5.1).
 *
 *     <envelope xmlns='urn:xmpp:sce:1'>
 *       <content><body xmlns='jabber:client'>Hello World!</body></content>
 *       <from jid='romeo@montague.lit'/>
 *       <to jid='juliet@capulet.lit'/>
 *       <time stamp='2026-11-24T07:00:00Z'/>
 *       <rpad>C1DHN9HK-9A25tSmwK4hU_Jji9</rpad>
 *     </envelope>
 */
import { randomBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import {
  attr,
  type BareJid,
  codec,
  dateTime,
  type Element,
  element,
  inside,
  isAllowedContent,
  optional,
  parse,
  payload,
  serialize,
  XmlError,
} from '@xmpp-e2e/xml'
import { type Bytes, type Random, randomBelow } from './bytes.ts'
import { OmemoError } from './error.ts'
import { MAX_PAYLOAD_LENGTH } from './payload.ts'
import { decodeAs } from './stanza/reading.ts'

const SCE = 'urn:xmpp:sce:1'

/**
 * Envelopes are padded to this many bytes, not counting the 13 of `<rpad></rpad>`, before the random part. With two
 * JIDs of 20 characters 200 bytes are around the text of a body, and 204 when the time has milliseconds, so that
 * messages of up to 307 bytes look alike.
 */
export const MIN_ENVELOPE_LENGTH = 512

/** XEP-0420 §4: then 0 to 200 characters are added. */
export const MAX_RANDOM_PADDING = 200

/** Elements within one another: half of what a stanza may have, since most of the other half is around this. */
export const MAX_ENVELOPE_DEPTH = 32

/** Not yet checked against the stanza: see `checkAffixes`. */
export interface Envelope {
  /** The elements of `<content/>`, as the sender put them there. */
  readonly content: readonly Element[]
  /** JIDs as written, which should be bare. */
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly time?: Date | undefined
}

// Without `rpad`, which says nothing: reading ignores it like any affix that is not named here.
const envelope = codec(SCE, 'envelope', {
  content: inside('content', payload()),
  from: optional(inside('from', attr('jid'))),
  to: optional(inside('to', attr('jid'))),
  time: optional(inside('time', attr('stamp', dateTime))),
})

/**
 * Writes an envelope with all four affixes, padded at random, in UTF-8.
 *
 * @param affixes.from The sender's account.
 * @param affixes.to The room of a group chat, the contact otherwise.
 * @throws RangeError when it is longer than a payload may be; TypeError for an element that belongs outside, see
 *   `isAllowedContent`; XmlError for content that XML cannot carry
 */
export function encodeEnvelope(
  elements: readonly Element[],
  affixes: { readonly from: BareJid; readonly to: BareJid; readonly time: Date },
  random: Random = randomBytes,
): Bytes {
  for (const el of elements)
    if (!isAllowedContent(el)) throw new TypeError(`content: <${el.name}/> may not be encrypted`)
  const plain = envelope.encode({ content: elements, ...affixes })
  const missing = Math.max(0, MIN_ENVELOPE_LENGTH - utf8ToBytes(serialize(plain)).length)
  const rpad = element(
    SCE,
    'rpad',
    {},
    padding(missing + randomBelow(MAX_RANDOM_PADDING + 1, random), random),
  )
  const bytes = utf8ToBytes(serialize(element(SCE, 'envelope', {}, plain.children, rpad)))
  if (bytes.length >= MAX_PAYLOAD_LENGTH)
    throw new RangeError(`envelope: expected less than ${MAX_PAYLOAD_LENGTH} bytes, got ${bytes.length}`)
  return bytes
}

/**
 * Reads a decrypted envelope. It has never passed a server's parser, so it is refused whole for anything that XMPP
 * does not allow.
 *
 * @throws OmemoError `envelope-malformed`, with the place or the `XmlError` that says where
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  return decodeAs('envelope-malformed', () => envelope.decode(parsed(bytes)))
}

function parsed(bytes: Uint8Array): Element {
  try {
    return parse(bytes, { bytes: MAX_PAYLOAD_LENGTH, depth: MAX_ENVELOPE_DEPTH })
  } catch (cause) {
    if (!(cause instanceof XmlError)) throw cause
    throw new OmemoError('envelope-malformed', `envelope: ${cause.condition}`, { path: 'envelope', cause })
  }
}

// 64 characters, so that six bits of a random byte choose one without favour.
const PADDING = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

function padding(length: number, random: Random): string {
  return Array.from(random(length), (byte) => PADDING.charAt(byte & 63)).join('')
}
