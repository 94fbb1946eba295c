/**
 * `xmpp:juliet@example.org`: the user ID by which a certificate names an address (XEP-0373 §4.3). Most write the address as
 * it is; some as an IRI (RFC 5122), which escapes what is rare in addresses.
 */
import type { BareJid } from '@xmpp-e2e/xml'

/** The user IDs to give a key of the account: one, or two where the forms differ; the plain one first. */
export function userIdsOf(_account: BareJid): readonly [string, ...string[]] {
  throw new Error('to be written')
}

/** Whether a user ID names the address, in either form, also as `Name <xmpp:…>`. */
export function namesAccount(_userId: string, _account: BareJid): boolean {
  throw new Error('to be written')
}
