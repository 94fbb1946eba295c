/**
 * What is signed and encrypted (XEP-0373 §3.1):
 *
 *                  to            time          rpad       payload
 *     signcrypt    at least one  exactly one   SHOULD     exactly one
 *     sign         at least one  exactly one   OPTIONAL   exactly one
 *     crypt        OPTIONAL      exactly one   SHOULD     exactly one
 */
import {
  attr,
  type BareJid,
  type Codec,
  codec,
  type Element,
  element,
  elements,
  many,
  one,
  parse,
  parseJid,
  type Scalar,
  ShapeError,
  serialize,
  text,
  XmlError,
} from '@xmpp-e2e/xml'
import type { Bytes, Random } from '../bytes.ts'
import { OxError } from '../error.ts'
import type { ContentKind } from '../outcome.ts'
import { utf8 } from '../utf8.ts'
import { padding } from './padding.ts'
import { stamp } from './stamp.ts'

/** Of all elements of XEP-0373 that are not in a payload; also what keys of OpenPGP are filed under, `Key.protocol`. */
export const OX_NAMESPACE = 'urn:xmpp:openpgp:0'

/**
 * Bytes of a content element, its padding included: what a stanza of 256 KiB, which most servers take, can carry in base64
 * beside the packets for the recipients' keys.
 */
export const MAX_CONTENT_BYTES = 131_072
/** Addressees of one content element: a room is one. */
export const MAX_ADDRESSEES = 1000

/** A content element, without its padding. */
export interface Content {
  readonly kind: ContentKind
  /** For whom it was written: recipients compare it with where the message comes in (XEP-0373 §3.2). */
  readonly to: readonly BareJid[]
  /** When it was written, to the second. */
  readonly time: Date
  /** Smack reads the payload up to the first child that it does not know: a body comes first. */
  readonly payload: readonly Element[]
}

/** Read with or without a resource: what counts is whose it is. */
const address: Scalar<BareJid> = {
  expected: 'an XMPP address',
  decode(written) {
    try {
      return parseJid(written).bare
    } catch {
      return undefined
    }
  },
  encode: (jid) => jid,
}

const to = codec(OX_NAMESPACE, 'to', { jid: attr('jid', address) })
const time = codec(OX_NAMESPACE, 'time', { stamp: attr('stamp', stamp) })

const payloadOf: Codec<readonly Element[]> = {
  name: 'payload',
  ns: OX_NAMESPACE,
  is: (node): node is Element =>
    typeof node === 'object' && node.name === 'payload' && node.ns === OX_NAMESPACE,
  decode(el, at = 'payload') {
    if (hasText(el)) throw new ShapeError('invalid', at, 'expected elements')
    return elements(el).map(ofClient)
  },
  encode: (content) => element(OX_NAMESPACE, 'payload', {}, content),
}

/** Beside elements, which pretty printers set apart. */
function hasText(el: Element): boolean {
  return /[^\t\n\r ]/.test(text(el))
}

/** "Recipients MUST accept both" (XEP-0374 §2.2): what is of a stanza among servers is of one of clients here. */
function ofClient(el: Element): Element {
  return el.ns === 'jabber:server' ? element('jabber:client', el.name, el.attrs, el.children) : el
}

const fields = { time: one(time), payload: one(payloadOf) }
const addressed = { to: many(to, { min: 1, max: MAX_ADDRESSEES }), ...fields }
const unaddressed = { to: many(to, { max: MAX_ADDRESSEES }), ...fields }

const codecs = {
  signcrypt: codec(OX_NAMESPACE, 'signcrypt', addressed),
  sign: codec(OX_NAMESPACE, 'sign', addressed),
  crypt: codec(OX_NAMESPACE, 'crypt', unaddressed),
} as const

const kinds = ['signcrypt', 'sign', 'crypt'] as const satisfies readonly ContentKind[]

/** UTF-8 of the element; what is encrypted is padded. @throws {RangeError} beyond `MAX_CONTENT_BYTES`, or without addressee */
export function encodeContent({ kind, to, time, payload }: Content, random: Random): Bytes {
  const written = codecs[kind].encode({
    to: to.map((jid) => ({ jid })),
    time: { stamp: time },
    payload: bodyFirst(payload),
  })
  const bytes = utf8(serialize(kind === 'sign' ? written : padded(written, random)))
  if (bytes.length > MAX_CONTENT_BYTES)
    throw new RangeError(`payload: longer than ${MAX_CONTENT_BYTES} bytes`)
  return bytes
}

/** Its place is before the payload. */
function padded(content: Element, random: Random): Element {
  const before = content.children.slice(0, -1)
  const withPadding = (rpad: string): Element =>
    element(
      content.ns,
      content.name,
      content.attrs,
      before,
      element(OX_NAMESPACE, 'rpad', {}, rpad),
      content.children.slice(-1),
    )
  return withPadding(padding(utf8(serialize(withPadding('-'))).length - 1, random))
}

function bodyFirst(payload: readonly Element[]): readonly Element[] {
  return [...payload.filter(isBody), ...payload.filter((el) => !isBody(el))]
}

function isBody({ ns, name }: Element): boolean {
  return name === 'body' && ns === 'jabber:client'
}

/** @throws {OxError} `message-malformed` for what is no content element */
export function decodeContent(bytes: Uint8Array): Content {
  if (bytes.length > MAX_CONTENT_BYTES) throw malformed(`longer than ${MAX_CONTENT_BYTES} bytes`)
  try {
    const el = parse(bytes, { bytes: MAX_CONTENT_BYTES })
    const kind = kinds.find((one) => codecs[one].is(el))
    if (kind === undefined) throw malformed('expected <signcrypt/>, <sign/> or <crypt/>')
    if (hasText(el)) throw malformed('text beside the elements')
    const content = codecs[kind].decode(el)
    return { kind, to: content.to.map(({ jid }) => jid), time: content.time.stamp, payload: content.payload }
  } catch (error) {
    if (error instanceof XmlError || error instanceof ShapeError) throw malformed(error.message, error)
    throw error
  }
}

function malformed(message: string, cause?: Error): OxError {
  return new OxError('message-malformed', `content: ${message}`, { cause })
}
