/** `<openpgp xmlns='urn:xmpp:openpgp:0'>base64 of an OpenPGP message</openpgp>` (XEP-0373 §3). */
import type { Element } from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'

/** Bytes of an OpenPGP message that is looked at at all. */
export const MAX_MESSAGE_BYTES = 262_144

export function openpgpElement(_message: Uint8Array): Element {
  throw new Error('to be written')
}

/** The one child of a stanza that is an `<openpgp/>`. */
export function openpgpOf(_stanza: Element): Element | undefined {
  throw new Error('to be written')
}

/** White space in the base64 is skipped. @throws {OxError} `message-malformed`, also beyond `MAX_MESSAGE_BYTES` */
export function decodeOpenpgp(_openpgp: Element): Bytes {
  throw new Error('to be written')
}
