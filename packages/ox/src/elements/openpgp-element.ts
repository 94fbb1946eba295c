/** `<openpgp xmlns='urn:xmpp:openpgp:0'>base64 of an OpenPGP message</openpgp>` (XEP-0373 §3). */
import { base64, children, type Element, element, elements, text } from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'
import { OxError } from '../error.ts'
import { OX_NAMESPACE } from './content.ts'

/** Bytes of an OpenPGP message that is looked at at all. */
export const MAX_MESSAGE_BYTES = 262_144
/** Four characters for three bytes, and as much again for white space. */
const MAX_CHARACTERS = (MAX_MESSAGE_BYTES / 3) * 8

const encoded = base64()

/** `<openpgp/>` around an OpenPGP message in binary form. */
export function openpgpElement(message: Uint8Array): Element {
  return element(OX_NAMESPACE, 'openpgp', {}, encoded.encode(message as Bytes))
}

/** Whether a stanza has an `<openpgp/>`, or several. */
export function hasOpenpgp(stanza: Element): boolean {
  return children(stanza, 'openpgp', OX_NAMESPACE).length > 0
}

/** The one child of a stanza that is an `<openpgp/>`; of several, nobody can say which is meant. */
export function openpgpOf(stanza: Element): Element | undefined {
  const [found, ...more] = children(stanza, 'openpgp', OX_NAMESPACE)
  return more.length === 0 ? found : undefined
}

/** White space in the base64 is skipped. @throws {OxError} `message-malformed`, `message-too-big` */
export function decodeOpenpgp(openpgp: Element): Bytes {
  const written = text(openpgp)
  if (written.length > MAX_CHARACTERS) throw tooBig()
  const bytes = elements(openpgp).length > 0 ? undefined : encoded.decode(written)
  if (bytes === undefined || bytes.length === 0)
    throw new OxError('message-malformed', 'openpgp: expected base64, and nothing else')
  if (bytes.length > MAX_MESSAGE_BYTES) throw tooBig()
  return bytes
}

function tooBig(): OxError {
  return new OxError('message-too-big', `openpgp: longer than ${MAX_MESSAGE_BYTES} bytes`)
}
