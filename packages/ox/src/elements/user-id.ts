/**
 * `xmpp:juliet@example.org`: the user ID by which a certificate names an address (XEP-0373 §7). Most write the address as
 * it is; some as an IRI (RFC 5122), which escapes what is rare in addresses.
 */
import { type BareJid, bareJid } from '@xmpp-e2e/xml'

/** RFC 5122 §2.2 `inodeallow`, what need not be escaped before the `@`; characters beyond ASCII need not either. */
const UNESCAPED = /[A-Za-z0-9\-._~!$()*+,;=\u{80}-\u{10ffff}]/u

/** The user IDs to give a key of the account: one, or two where the forms differ; the plain one first. */
export function userIdsOf(account: BareJid): readonly [string, ...string[]] {
  const at = account.indexOf('@')
  const start = Math.max(0, at)
  const iri = Array.from(account.slice(0, start), escaped).join('') + account.slice(start)
  return iri === account ? [`xmpp:${account}`] : [`xmpp:${account}`, `xmpp:${iri}`]
}

function escaped(character: string): string {
  if (UNESCAPED.test(character)) return character
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

/** Whether a user ID names the address, in either form, also as `Name <xmpp:…>`. */
export function namesAccount(userId: string, account: BareJid): boolean {
  const uri = /<(xmpp:[^<>]*)>\s*$/i.exec(userId)?.[1] ?? userId
  if (!/^xmpp:/i.test(uri)) return false
  const written = uri.slice('xmpp:'.length)
  return bareJid.decode(written) === account || bareJid.decode(unescaped(written)) === account
}

function unescaped(written: string): string {
  try {
    return decodeURIComponent(written)
  } catch {
    return written
  }
}
