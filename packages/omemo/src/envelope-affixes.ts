/**
 * What a received envelope must say about its stanza (XEP-0420 §4; XEP-0384 §5.5.1).
 *
 * |               | chat, received | chat, own copy | group chat |
 * | ------------- | -------------- | -------------- | ---------- |
 * | `from`        | sender         | own account    | sender     |
 * | `to`          | own account    | contact        | room       |
 * | `from` absent | warning        | warning        | warning    |
 * | `to` absent   | warning        | warning        | refused    |
 */
import { type BareJid, type Element, isAllowedContent, parseJid } from '@xmpp-e2e/xml'
import type { Envelope } from './envelope.ts'
import { OmemoError } from './error.ts'

/**
 * How far `<time/>` may be from the time of the stanza, in milliseconds: ten minutes, because two clocks are compared
 * and each may be off by the five that Kerberos (RFC 4120 §8.2) tolerates.
 */
export const TIME_TOLERANCE = 10 * 60 * 1000

/** Where a message was found, as established by who received it. */
export interface AffixContext {
  readonly kind: 'chat' | 'groupchat'
  /** Our account. */
  readonly account: BareJid
  /** The contact or the room, also for own copies. */
  readonly chat: BareJid
  /** Who sent it: our account for own copies, never the room. */
  readonly sender: BareJid
  /** When the stanza was sent as far as it says so; now for live messages. */
  readonly sentAt?: Date | undefined
}

/**
 * - `from-missing`: nothing but the session says who wrote this.
 * - `to-missing`: nothing says for whom it was meant. A server can move it to another chat of the same sender, and
 *   whoever publishes our keys as their own can pass on to us what was written to them.
 * - `time-skew`: a clock is wrong, or an old message is delivered as new.
 */
export type AffixWarning = 'from-missing' | 'to-missing' | 'time-skew'

/**
 * Checks the affixes and gives the content that is allowed there. JIDs are compared bare: XEP-0450 shows full ones.
 *
 * @throws OmemoError `envelope-affix-mismatch` with the path of the affix
 */
export function checkAffixes(
  envelope: Envelope,
  context: AffixContext,
): { readonly content: readonly Element[]; readonly warnings: readonly AffixWarning[] } {
  checkJid('from', envelope.from, context.sender)
  checkJid('to', envelope.to, addressee(context))
  // Without it the server could pass a message to the room off as a private one, and the other way round.
  if (context.kind === 'groupchat' && envelope.to === undefined)
    throw mismatch('to', 'missing in a group chat')
  const warnings: AffixWarning[] = []
  if (envelope.from === undefined) warnings.push('from-missing')
  if (envelope.to === undefined) warnings.push('to-missing')
  if (isSkewed(envelope.time, context.sentAt)) warnings.push('time-skew')
  return { content: envelope.content.filter(isAllowedContent), warnings }
}

function addressee({ kind, account, chat, sender }: AffixContext): BareJid {
  return kind === 'groupchat' || sender === account ? chat : account
}

function checkJid(name: 'from' | 'to', written: string | undefined, expected: BareJid): void {
  if (written !== undefined && bareOf(written) !== expected)
    throw mismatch(name, `not the ${name === 'from' ? 'sender' : 'recipient'} of the stanza`)
}

function bareOf(jid: string): BareJid | undefined {
  try {
    return parseJid(jid).bare
  } catch {
    return undefined
  }
}

function mismatch(name: string, message: string): OmemoError {
  const path = `envelope/${name}`
  return new OmemoError('envelope-affix-mismatch', `${path}: ${message}`, { path })
}

function isSkewed(time: Date | undefined, sentAt: Date | undefined): boolean {
  return time !== undefined && sentAt !== undefined && Math.abs(+time - +sentAt) > TIME_TOLERANCE
}
