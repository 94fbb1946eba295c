/**
 * Why a request to an account's PEP service failed. XEP-0060 spreads that over a condition of RFC 6120 §8.3.3 and one
 * of its own, in either order and not always both; what to do depends on few of them.
 */

import { ConnectionError, ShapeError, StanzaError } from '@xmpp-e2e/xml'
import type { NodeConfig } from './node-config.ts'

/**
 * - `not-found`: there is no such node or item, or no subscription to end: the only proof that something is absent.
 *   ejabberd says so of accounts that do not exist, too.
 * - `forbidden`: the access model, or not being the owner, is in the way. Prosody says so to strangers of whatever is not
 *   there, too.
 * - `not-supported`: the service cannot do this, or the own account has none.
 * - `unavailable`: another server cannot be reached, or it does not say whether there is such an account, whether it has
 *   a service, and whether it has blocked this one: for all three the condition is `service-unavailable`
 *   (RFC 6121 §8.5.1, XEP-0191 §3.3). Ask again later.
 * - `exists`: a node of that name is there already.
 * - `precondition-not-met`: the node is not configured as wanted, and could not be; see `found`.
 * - `refused`: any other error; `cause` is the `StanzaError`.
 * - `malformed`: the answer is not as XEP-0060 says, or exceeds a limit.
 * - `timeout`: no answer in time. Whether the request was carried out is not known.
 * - `lost`: there is no session, or it ended before an answer. As with `timeout`.
 * - `aborted`: the caller's signal. As with `timeout`.
 */
export type PepErrorCode =
  | 'not-found'
  | 'forbidden'
  | 'not-supported'
  | 'unavailable'
  | 'exists'
  | 'precondition-not-met'
  | 'refused'
  | 'malformed'
  | 'timeout'
  | 'lost'
  | 'aborted'

export interface PepErrorOptions extends ErrorOptions {
  readonly found?: NodeConfig | undefined
}

/** Every failure of this subpath that is not a mistake of the caller. */
export class PepError extends Error {
  override readonly name = 'PepError'
  readonly code: PepErrorCode
  /** With `precondition-not-met`, where it could be read: how the node is configured. */
  readonly found: NodeConfig | undefined

  constructor(code: PepErrorCode, message: string, options?: PepErrorOptions) {
    super(message, options)
    this.code = code
    this.found = options?.found
  }
}

export const PUBSUB_ERRORS = 'http://jabber.org/protocol/pubsub#errors'

/** Whether a condition of XEP-0060 is among those of an error. */
export function hasDetail(error: StanzaError, name: string): boolean {
  return error.details.some((el) => el.name === name && el.ns === PUBSUB_ERRORS)
}

/** An answer that is not as it should be. `ask` adds what it is about. */
export function malformed(what: string): PepError {
  return new PepError('malformed', what)
}

/**
 * Puts what a connection or a reader has thrown under a code, and what it is about into the message. `own` is whether
 * the own account was asked. Mistakes of the caller stay what they are.
 */
export function pepError(error: unknown, about: string, own: boolean): unknown {
  const as = (code: PepErrorCode, what: string, cause: unknown = error) =>
    new PepError(code, `pep: ${about}: ${what}`, { cause })
  if (error instanceof StanzaError) return as(codeOf(error, own), error.condition)
  if (error instanceof ConnectionError) return as(error.code, error.message)
  if (error instanceof ShapeError) return as('malformed', 'the answer is malformed')
  if (error instanceof PepError) return as(error.code, error.message, error.cause)
  return error
}

function codeOf(error: StanzaError, own: boolean): PepErrorCode {
  switch (error.condition) {
    case 'item-not-found':
      return 'not-found'
    case 'forbidden':
    case 'not-authorized':
    case 'payment-required':
    case 'registration-required':
    case 'subscription-required':
      return 'forbidden'
    case 'not-allowed':
      return hasDetail(error, 'closed-node') ? 'forbidden' : 'refused'
    case 'feature-not-implemented':
      return 'not-supported'
    case 'service-unavailable':
      // The own server answers for the own account, which exists.
      return own ? 'not-supported' : 'unavailable'
    case 'remote-server-not-found':
    case 'remote-server-timeout':
    case 'recipient-unavailable':
    case 'internal-server-error':
      return 'unavailable'
    case 'conflict':
      if (hasDetail(error, 'precondition-not-met')) return 'precondition-not-met'
      return error.details.length === 0 ? 'exists' : 'refused'
    case 'unexpected-request':
      return hasDetail(error, 'not-subscribed') ? 'not-found' : 'refused'
    default:
      return 'refused'
  }
}
