/** What in an envelope is for this package and not for people. */
import { child, type Element, text } from '@xmpp-e2e/xml'
import { OMEMO_2 } from '../protocol.ts'

const TRUST_MESSAGES = 'urn:xmpp:tm:1'

/** @internal XEP-0434. */
export function isTrustMessage({ name, ns }: Element): boolean {
  return name === 'trust-message' && ns === TRUST_MESSAGES
}

/** @internal XEP-0384 §5.7. */
export function isOptOut({ name, ns }: Element): boolean {
  return name === 'opt-out' && ns === OMEMO_2
}

/** @internal */
export function isControl(el: Element): boolean {
  return isTrustMessage(el) || isOptOut(el)
}

/** @internal */
export function reasonOf(optOut: Element): string | undefined {
  const reason = child(optOut, 'reason')
  return reason && text(reason).slice(0, MAX_REASON)
}

/** UTF-16 units of a reason that are kept. */
const MAX_REASON = 1000
