/**
 * XEP-0420 §9: what servers interpret or vouch for stands outside of encrypted content and nowhere else; everything
 * else stands inside and nowhere else. Both lists are here, so that nothing is kept twice or lost.
 */

import { DELAY_NAMESPACE, LEGACY_DELAY_NAMESPACE } from './delay.ts'
import type { Element } from './element.ts'
import { EME_NAMESPACE } from './eme.ts'
import { HINTS_NAMESPACE } from './hints.ts'

export const CARBONS_NAMESPACE = 'urn:xmpp:carbons:2'
export const MAM_NAMESPACE = 'urn:xmpp:mam:2'
export const MUC_USER_NAMESPACE = 'http://jabber.org/protocol/muc#user'
export const PUBSUB_EVENT_NAMESPACE = 'http://jabber.org/protocol/pubsub#event'
export const SID_NAMESPACE = 'urn:xmpp:sid:0'

const OCCUPANT_ID_NAMESPACE = 'urn:xmpp:occupant-id:0'

/**
 * They say how a message travelled, never what it says. Namespace to names. Not among them, for they change what is
 * shown, where an answer goes or what it belongs to: `<body/>`, `<subject/>`, `<thread/>`, XEP-0308 corrections,
 * replies, reactions, receipts, markers, chat states, addresses (XEP-0033), XEP-0066 links, `<x/>` of XEP-0045.
 */
const OUTSIDE: ReadonlyMap<string, RegExp> = new Map([
  [DELAY_NAMESPACE, /^delay$/],
  [LEGACY_DELAY_NAMESPACE, /^x$/],
  [SID_NAMESPACE, /^(?:stanza|origin)-id$/],
  [OCCUPANT_ID_NAMESPACE, /^occupant-id$/],
  [HINTS_NAMESPACE, /^(?:store|no-store|no-copy|no-permanent-store)$/],
  [EME_NAMESPACE, /^encryption$/],
])

const ANY = /(?:)/

/** Namespace to names. What is of all versions of a specification is in `NEVER_INSIDE_VERSIONS`. */
const NEVER_INSIDE: ReadonlyMap<string, RegExp> = new Map([
  // The table of §9; a sender may give its own id.
  [HINTS_NAMESPACE, ANY],
  [SID_NAMESPACE, /^stanza-id$/],
  ['http://jabber.org/protocol/address', ANY],
  [EME_NAMESPACE, ANY],
  // "Non-exhaustive": what servers, rooms and services say in their own name.
  [DELAY_NAMESPACE, ANY],
  [LEGACY_DELAY_NAMESPACE, ANY],
  [OCCUPANT_ID_NAMESPACE, ANY],
  [MUC_USER_NAMESPACE, ANY],
  [PUBSUB_EVENT_NAMESPACE, ANY],
  // Stanzas are routed, and an error is a server's answer to one.
  ['jabber:client', /^(?:message|iq|presence|error)$/],
  ['jabber:server', ANY],
  // Opened again, it would have the provenance of this message. Opting out of OMEMO happens in content.
  ['eu.siacs.conversations.axolotl', ANY],
  ['urn:xmpp:omemo:1', /^encrypted$/],
  ['urn:xmpp:omemo:2', /^encrypted$/],
  ['urn:xmpp:openpgp:0', ANY],
  ['jabber:x:encrypted', ANY],
  ['jabber:x:signed', ANY],
])

/** Copies and archive results, which only servers make, and envelopes in envelopes (§10). */
const NEVER_INSIDE_VERSIONS = /^urn:xmpp:(?:carbons|mam|sce):/

/** Whether an element says only how a message travelled. */
export function mayStandOutside({ name, ns }: Element): boolean {
  return OUTSIDE.get(ns)?.test(name) ?? false
}

/**
 * Whether an element may be encrypted, and be read after decrypting (XEP-0420 §9). All others are for the stanza
 * itself. `<forwarded/>` of XEP-0297 may: servers do not interpret it, so forwarding a message is as sensitive as
 * any content (§7). It proves nothing of who wrote what is in it (XEP-0297 §6); carbons and archive results, which
 * would, are not allowed.
 */
export function isAllowedContent({ name, ns }: Element): boolean {
  // §10: a body is one of `jabber:client`. Readers that do not look at namespaces would show any.
  if (name === 'body' && ns !== 'jabber:client') return false
  return !(NEVER_INSIDE_VERSIONS.test(ns) || NEVER_INSIDE.get(ns)?.test(name))
}
