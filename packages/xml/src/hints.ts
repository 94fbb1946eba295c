/** XEP-0334, message processing hints. They are wishes: nothing may depend on a server's following them (§5). */

import { type Element, element, elements } from './element.ts'

export const HINTS_NAMESPACE = 'urn:xmpp:hints'

const HINTS = ['store', 'no-store', 'no-copy', 'no-permanent-store'] as const

/**
 * - `store`: keep it although it has no body, as an encrypted message has none (§4.4).
 * - `no-store`: keep it nowhere, not even until the recipient is online (§4.2).
 * - `no-copy`: no carbons; for messages to full JIDs only (§4.3).
 * - `no-permanent-store`: no archive (§4.1).
 */
export type Hint = (typeof HINTS)[number]

/** `<store xmlns='urn:xmpp:hints'/>` and so on. */
export function hint(name: Hint): Element {
  return element(HINTS_NAMESPACE, name)
}

/** The known hints on a message; those on an error are of the message that caused it and do not count (§5). */
export function hintsOf(message: Element): ReadonlySet<Hint> {
  const names = elements(message).flatMap((el) =>
    el.ns === HINTS_NAMESPACE ? HINTS.filter((name) => name === el.name) : [],
  )
  return new Set(message.attrs.type === 'error' ? [] : names)
}
