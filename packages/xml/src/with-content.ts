/**
 * Puts decrypted content where the ciphertext was. What a server or relay can write outside and what a sender
 * can write inside are kept apart: nothing that counts as the message comes from outside, and nothing that only
 * servers may say comes from inside (XEP-0420 §8, §9; the injection of `<replace/>` beside OMEMO ciphertext).
 */

import { type Element, element, elements } from './element.ts'
import { isAllowedContent, mayStandOutside, SID_NAMESPACE } from './server-processed.ts'

const ATTRIBUTES = ['id', 'from', 'to', 'type', 'xml:lang']

/**
 * The message as its sender meant it: the content, in the stanza it came in. Of the outer stanza are kept the
 * attributes `id`, `from`, `to`, `type` and `xml:lang`, and of its children those of XEP-0203, XEP-0091, XEP-0359,
 * XEP-0421, XEP-0334 and XEP-0380; an `<origin-id/>` of the content replaces one outside. Of the content are left
 * out those that are not `isAllowedContent` (XEP-0420 §9: "MUST discard").
 */
export function withContent(outer: Element, content: readonly Element[]): Element {
  const inside = content.filter(isAllowedContent)
  const replaced = inside.some(isOriginId)
  const kept = elements(outer).filter((el) => mayStandOutside(el) && !(replaced && isOriginId(el)))
  const attrs = Object.fromEntries(ATTRIBUTES.map((name) => [name, outer.attrs[name]]))
  return element(outer.ns, outer.name, attrs, inside, kept)
}

function isOriginId(el: Element): boolean {
  return el.ns === SID_NAMESPACE && el.name === 'origin-id'
}
