/**
 * RFC 6120 §8.3, stanza errors:
 *
 *     <iq type='error' …> <error type='cancel'> <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
 *                                               <app-specific xmlns='…'/> </error> </iq>
 */

import { child, type Element, element, elements } from './element.ts'

export const STANZA_ERROR_NAMESPACE = 'urn:ietf:params:xml:ns:xmpp-stanzas'

const TYPES = ['auth', 'cancel', 'continue', 'modify', 'wait'] as const

/** What may help (§8.3.2): credentials, nothing, going on, another request, or the same one later. */
export type StanzaErrorType = (typeof TYPES)[number]

/** Another entity's answer that it will not; or one's own, thrown where a request is answered. */
export class StanzaError extends Error {
  override readonly name = 'StanzaError'
  readonly type: StanzaErrorType
  /** One of §8.3.3, such as `item-not-found`; `undefined-condition` where the reply names none. */
  readonly condition: string
  /** Application-specific conditions (§8.3.4), in their own namespaces. */
  readonly details: readonly Element[]
  /** The reply that says so, or the request that is refused. */
  readonly stanza: Element

  constructor(stanza: Element, type: StanzaErrorType, condition: string, details: readonly Element[] = []) {
    super(`stanza error: ${condition}`)
    this.type = type
    this.condition = condition
    this.details = details
    this.stanza = stanza
  }
}

/** Reads a stanza of type `error`; what is missing or unknown becomes `cancel` and `undefined-condition`. */
export function stanzaErrorOf(stanza: Element): StanzaError {
  const error = child(stanza, 'error')
  // Servers differ in the order of the children.
  const all = error ? elements(error) : []
  const condition = all.find((el) => el.ns === STANZA_ERROR_NAMESPACE && el.name !== 'text')
  const details = all.filter((el) => el.ns !== STANZA_ERROR_NAMESPACE)
  const type = TYPES.find((known) => known === error?.attrs.type)
  return new StanzaError(stanza, type ?? 'cancel', condition?.name ?? 'undefined-condition', details)
}

/** The reply that refuses a request; its `id` and `to` are those of the request. */
export function errorReply(iq: Element, error: StanzaError): Element {
  const { id, from } = iq.attrs
  const condition = element(STANZA_ERROR_NAMESPACE, error.condition)
  const payload = element(iq.ns, 'error', { type: error.type }, condition, error.details)
  return element(iq.ns, 'iq', { type: 'error', id, to: from }, payload)
}
