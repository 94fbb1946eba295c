/**
 * What may not be in the content of an envelope: elements that servers interpret or vouch for (XEP-0420 §9). They
 * stay outside when sending and are dropped when receiving.
 */
import type { Element } from '@xmpp-e2e/xml'
import { AXOLOTL, OMEMO_2 } from './protocol.ts'

/** By namespace; where names are given, only those. */
const FORBIDDEN: ReadonlyMap<string, readonly string[] | undefined> = new Map([
  // The table of §9: hints, stanza ids (but not `origin-id`), extended addresses, encryption hints.
  ['urn:xmpp:hints', undefined],
  ['urn:xmpp:sid:0', ['stanza-id']],
  ['http://jabber.org/protocol/address', undefined],
  ['urn:xmpp:eme:0', undefined],
  // "Non-exhaustive": what servers vouch for by writing it, which is time of delivery, carbons and archive results.
  ['urn:xmpp:delay', undefined],
  ['urn:xmpp:carbons:2', undefined],
  ['urn:xmpp:mam:2', undefined],
  // Opened again, these would have the provenance of this message (§10). Opting out of OMEMO happens in content.
  ['urn:xmpp:sce:1', undefined],
  [AXOLOTL, undefined],
  [OMEMO_2, ['encrypted']],
])

/** Whether an element may be encrypted, and read after decrypting. All others are for the stanza itself. */
export function isAllowedContent({ name, ns }: Element): boolean {
  // §10: a body is one of `jabber:client`. Readers that do not look at namespaces would show any.
  if (name === 'body' && ns !== 'jabber:client') return false
  if (!FORBIDDEN.has(ns)) return true
  const names = FORBIDDEN.get(ns)
  return names !== undefined && !names.includes(name)
}
