/**
 * XEP-0380, explicit message encryption: a mark that says how a message is encrypted.
 *
 *     <encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:omemo:2'/>
 *
 * The mark is optional and unprotected, so `encryptionOf` looks at the payload first.
 */

import { attr, type Codec, codec, optional } from './codec.ts'
import { child, type Element, elements, text } from './element.ts'

export const EME_NAMESPACE = 'urn:xmpp:eme:0'

export interface Encryption {
  /** Which mechanism. */
  readonly namespace: string
  /** For namespaces without an `encryptionName`; from the sender, or anybody on the way. */
  readonly name?: string | undefined
}

/** `<encryption/>`; leave out `name` for the listed namespaces (§3.2). */
export const encryption: Codec<Encryption> = codec(EME_NAMESPACE, 'encryption', {
  namespace: attr('namespace'),
  name: optional(attr('name')),
})

// §3.2
const NAMES: ReadonlyMap<string, string> = new Map([
  ['urn:xmpp:otr:0', 'OTR'],
  ['jabber:x:encrypted', 'Legacy OpenPGP'],
  ['urn:xmpp:openpgp:0', 'OpenPGP for XMPP'],
  ['eu.siacs.conversations.axolotl', 'OMEMO'],
  ['urn:xmpp:omemo:1', 'OMEMO 1'],
  ['urn:xmpp:omemo:2', 'OMEMO 2'],
])

// Which element carries the ciphertext.
const PAYLOADS: ReadonlyMap<string, string> = new Map([
  ['jabber:x:encrypted', 'x'],
  ['urn:xmpp:openpgp:0', 'openpgp'],
  ['eu.siacs.conversations.axolotl', 'encrypted'],
  ['urn:xmpp:omemo:1', 'encrypted'],
  ['urn:xmpp:omemo:2', 'encrypted'],
])

/** The name that XEP-0380 §3.2 gives a namespace. */
export function encryptionName(namespace: string): string | undefined {
  return NAMES.get(namespace)
}

/**
 * How a message is encrypted: by what it carries, or else by what it says; `undefined` when neither tells.
 * OTR is told by encoded messages and fragments (`?OTR:`, `?OTR,`, `?OTR|`); a query (`?OTRv23?`) is plain text.
 */
export function encryptionOf(message: Element): Encryption | undefined {
  for (const el of elements(message)) if (PAYLOADS.get(el.ns) === el.name) return named(el.ns)
  const body = child(message, 'body')
  if (body && /^\s*\?OTR[:,|]/.test(text(body))) return named('urn:xmpp:otr:0')
  for (const el of elements(message))
    if (encryption.is(el) && el.attrs.namespace) return named(el.attrs.namespace, el.attrs.name)
  return undefined
}

// "MUST NOT use the 'name' attribute if … they already have a name associated with it" (§4).
function named(namespace: string, given?: string): Encryption {
  const name = NAMES.get(namespace) ?? given
  return name === undefined ? { namespace } : { namespace, name }
}
