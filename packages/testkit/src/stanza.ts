/** Answers to stanzas: RFC 6120 §8.2 and §8.3. */

import {
  type Child,
  type Element,
  element,
  elements,
  type FullJid,
  type Jid,
  type Node,
  parseJid,
  STANZA_ERROR_NAMESPACE,
  StanzaError,
  type StanzaErrorType,
} from '@xmpp-e2e/xml'
import { CLIENT } from './namespaces.ts'
import type { Quirks } from './quirks.ts'

/** The type that RFC 6120 §8.3.3 gives a condition; where it gives a choice, what servers send. */
const TYPES: Readonly<Record<string, StanzaErrorType>> = {
  'bad-request': 'modify',
  conflict: 'cancel',
  'feature-not-implemented': 'cancel',
  forbidden: 'auth',
  gone: 'cancel',
  'internal-server-error': 'cancel',
  'item-not-found': 'cancel',
  'jid-malformed': 'modify',
  'not-acceptable': 'modify',
  'not-allowed': 'cancel',
  'not-authorized': 'auth',
  'policy-violation': 'modify',
  'recipient-unavailable': 'wait',
  redirect: 'modify',
  'registration-required': 'auth',
  'remote-server-not-found': 'cancel',
  'remote-server-timeout': 'wait',
  'resource-constraint': 'wait',
  'service-unavailable': 'cancel',
  'subscription-required': 'auth',
  'undefined-condition': 'cancel',
  'unexpected-request': 'wait',
}

/** To be thrown where a request is handled. */
export function refusal(stanza: Element, condition: string, details: readonly Element[] = []): StanzaError {
  return new StanzaError(stanza, errorType(condition), condition, details)
}

/** Whether RFC 6120 §8.3.3 has such a condition. */
export function isCondition(name: string): boolean {
  return Object.hasOwn(TYPES, name)
}

/** The type that goes with a condition. */
function errorType(condition: string): StanzaErrorType {
  return TYPES[condition] ?? 'cancel'
}

/** The same stanza with other attributes; `undefined` removes one. */
export function withAttrs(stanza: Element, attrs: Readonly<Record<string, string | undefined>>): Element {
  const kept: Record<string, string> = Object.assign(Object.create(null), stanza.attrs)
  let changed = false
  for (const [name, value] of Object.entries(attrs)) {
    if (kept[name] === value) continue
    changed = true
    if (value === undefined) delete kept[name]
    else kept[name] = value
  }
  return changed ? copy(stanza, kept, stanza.children) : stanza
}

/** The same stanza with other children. */
export function replaceChildren(stanza: Element, children: readonly Node[]): Element {
  return copy(stanza, stanza.attrs, children)
}

/** The same stanza with more at its end. */
export function withChildren(stanza: Element, ...more: readonly Element[]): Element {
  return copy(stanza, stanza.attrs, [...stanza.children, ...more])
}

// What comes in has been checked when it was made, and each stanza is copied several times: `element` would check it
// again each time.
function copy({ name, ns }: Element, attrs: Element['attrs'], children: readonly Node[]): Element {
  return Object.freeze({ name, ns, attrs: Object.freeze(attrs), children: Object.freeze(children) })
}

/** The answer to a request, back the way it came: whoever was asked answers in its own name, which clients check. */
export function resultOf(iq: Element, children: readonly Child[]): Element {
  const { id, from, to } = iq.attrs
  return element(CLIENT, 'iq', { type: 'result', id, from: to, to: from }, children)
}

/** The stanza of type `error` that answers one; `undefined` for what must not be answered (§8.3.1, §8.2.3). */
export function bounce(stanza: Element, error: StanzaError, quirks: Quirks): Element | undefined {
  const { type, id, from, to } = stanza.attrs
  if (type === 'error' || (stanza.name === 'iq' && type === 'result')) return undefined
  const condition = element(STANZA_ERROR_NAMESPACE, error.condition)
  const order = quirks.detailsFirst ? [error.details, condition] : [condition, error.details]
  const payload = element(CLIENT, 'error', { type: error.type }, order)
  return element(CLIENT, stanza.name, { type: 'error', id, from: to, to: from }, payload)
}

/** The payload of a request: exactly one element (§8.2.3). */
export function payloadOf(iq: Element): Element {
  const [payload, ...others] = elements(iq)
  if (!payload || others.length > 0) throw refusal(iq, 'bad-request')
  return payload
}

/** As `parseJid`; `undefined` for what is none. */
export function readJid(text: string | undefined): Jid | undefined {
  if (text === undefined) return undefined
  try {
    return parseJid(text)
  } catch {
    return undefined
  }
}

export function isFull(jid: Jid): jid is Jid & { readonly full: FullJid } {
  return jid.full !== undefined
}
