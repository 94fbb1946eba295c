/**
 * Puts decrypted content where the ciphertext was. What a server or relay can write outside and what a sender
 * can write inside are kept apart: nothing that counts as the message comes from outside, and nothing that only
 * servers may say comes from inside (XEP-0420 §5; the injection of `<replace/>` beside OMEMO ciphertext).
 */

import { DELAY_NAMESPACE } from './delay.ts'
import { type Element, element, elements } from './element.ts'
import { EME_NAMESPACE } from './eme.ts'
import { HINTS_NAMESPACE } from './hints.ts'

export const SID_NAMESPACE = 'urn:xmpp:sid:0'

/**
 * May stand outside: they say how a message travelled, never what it says. Namespace to names.
 * Not among them, for they change what is shown, where an answer goes or what it belongs to: `<body/>`,
 * `<subject/>`, `<thread/>`, XEP-0308 corrections, replies, reactions, receipts, markers, chat states, addresses
 * (XEP-0033), XEP-0066 links, `<x/>` of XEP-0045.
 */
const OUTSIDE: ReadonlyMap<string, RegExp> = new Map([
  [DELAY_NAMESPACE, /^delay$/],
  ['jabber:x:delay', /^x$/],
  [SID_NAMESPACE, /^(?:stanza|origin)-id$/],
  ['urn:xmpp:occupant-id:0', /^occupant-id$/],
  [HINTS_NAMESPACE, /^(?:store|no-store|no-copy|no-permanent-store)$/],
  [EME_NAMESPACE, /^encryption$/],
])

/** Never in content: only servers say it (carbons, archives, addressing), or it would hide another message. */
const NEVER_INSIDE: ReadonlySet<string> = new Set([
  'urn:xmpp:carbons:2',
  'urn:xmpp:mam:2',
  'urn:xmpp:forward:0',
  'http://jabber.org/protocol/address',
  'http://jabber.org/protocol/muc#user',
])

const ATTRIBUTES = ['id', 'from', 'to', 'type', 'xml:lang']

/** Whether a child says only how a message travelled. */
export function isHarmless(el: Element): boolean {
  return OUTSIDE.get(el.ns)?.test(el.name) ?? false
}

/**
 * The message as its sender meant it: the content, in the stanza it came in. Of the outer stanza are kept the
 * attributes `id`, `from`, `to`, `type` and `xml:lang`, and of its children those of XEP-0203, XEP-0091, XEP-0359,
 * XEP-0421, XEP-0334 and XEP-0380. Of the content are left out the same (XEP-0420 §5: "MUST discard"), except for
 * `<origin-id/>`, which replaces one outside; and forwarded stanzas, carbons, archive results, addresses and `<x/>`
 * of XEP-0045.
 */
export function withContent(outer: Element, content: readonly Element[]): Element {
  const inside = content.filter((el) => isOriginId(el) || !(isHarmless(el) || NEVER_INSIDE.has(el.ns)))
  const replaced = inside.some(isOriginId)
  const kept = elements(outer).filter((el) => isHarmless(el) && !(replaced && isOriginId(el)))
  const attrs = Object.fromEntries(ATTRIBUTES.map((name) => [name, outer.attrs[name]]))
  return element(outer.ns, outer.name, attrs, inside, kept)
}

function isOriginId(el: Element): boolean {
  return el.ns === SID_NAMESPACE && el.name === 'origin-id'
}
