/**
 * What is signed and encrypted (XEP-0373 §3.1):
 *
 *                  to            time          rpad       payload
 *     signcrypt    at least one  exactly one   SHOULD     exactly one
 *     sign         at least one  exactly one   OPTIONAL   exactly one
 *     crypt        OPTIONAL      exactly one   SHOULD     exactly one
 */
import type { BareJid, Element } from '@xmpp-e2e/xml'
import type { Bytes, Random } from '../bytes.ts'
import type { ContentKind } from '../outcome.ts'

export const OX_NAMESPACE = 'urn:xmpp:openpgp:0'

/**
 * Bytes of a content element, its padding included: what a stanza of 256 KiB, which most servers take, can carry in base64
 * beside the certificates' packets.
 */
export const MAX_CONTENT_BYTES = 131_072

export interface Content {
  readonly kind: ContentKind
  readonly to: readonly BareJid[]
  readonly time: Date
  readonly payload: readonly Element[]
}

/** UTF-8 of the element, padded. @throws {RangeError} beyond `MAX_CONTENT_BYTES` */
export function encodeContent(_content: Content, _random: Random): Bytes {
  throw new Error('to be written')
}

/** @throws {OxError} `message-malformed` for what is no content element */
export function decodeContent(_bytes: Uint8Array): Content {
  throw new Error('to be written')
}
