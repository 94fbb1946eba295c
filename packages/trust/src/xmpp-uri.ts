/**
 * `xmpp:` URIs and IRIs: RFC 5122 §2.2, of which this is what can name an account.
 *
 *     xmpp: [ local "@" ] domain [ "?" [ type ] *( ";" key "=" value ) ] [ "#" fragment ]
 *
 * The grammar has a type at the beginning of a query. URIs in use leave it out and begin with a pair; both are read.
 * The form `xmpp://account@server/…` is refused: it says whom to log in as, and reads like an address.
 */

import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import { TrustError } from './error.ts'

/**
 * A QR code holds 2953 bytes. Links are not scanned: 64 claims of 86 characters (`;omemo-sid-2147483647=` and 64
 * digits) are 5504, which with `xmpp:` leaves 491 for the address.
 */
export const MAX_URI_LENGTH = 6000

export interface XmppUri {
  readonly jid: BareJid
  /** What the URI asks for, as in `?message`; `''` when there is no query or it begins with a pair. */
  readonly type: string
  readonly pairs: readonly (readonly [key: string, value: string])[]
}

/**
 * Reads an `xmpp:` URI or IRI that names an account or a server. A fragment is left out.
 *
 * @throws {TrustError} `uri-malformed`
 */
export function parseXmppUri(text: string): XmppUri {
  if (text.length > MAX_URI_LENGTH) throw malformed(`longer than ${MAX_URI_LENGTH} characters`)
  const [uri, path = '', query] = /^xmpp:([^?#]*)(?:\?([^#]*))?(?:#.*)?$/is.exec(text) ?? []
  if (uri === undefined) throw malformed('not of the scheme xmpp:')
  const jid = parsePath(path)
  const [first = '', ...rest] = query === undefined ? [] : query.split(';')
  const hasType = !first.includes('=')
  return {
    jid,
    type: hasType ? decode(first, 'type') : '',
    pairs: (hasType ? rest : [first, ...rest]).map(parsePair),
  }
}

/**
 * Writes a URI that every reader of RFC 5122 understands.
 *
 * @throws {RangeError} when it would be longer than `MAX_URI_LENGTH`, or is nothing that can be read again
 */
export function formatXmppUri({ jid, type, pairs }: XmppUri): string {
  const at = jid.indexOf('@')
  const local = at < 0 ? '' : `${encode(jid.slice(0, at))}@`
  // The brackets of an IPv6 address belong to the domain.
  const domain = encode(jid.slice(at + 1))
    .replaceAll('%5B', '[')
    .replaceAll('%5D', ']')
  const query = [encode(type), ...pairs.map(([key, value]) => `${encode(key)}=${encode(value)}`)]
  if (type === '') query.shift()
  const uri = `xmpp:${local}${domain}${query.length > 0 ? `?${query.join(';')}` : ''}`
  if (uri.length > MAX_URI_LENGTH) throw new RangeError(`uri: longer than ${MAX_URI_LENGTH} characters`)
  if (bareJid.decode(jid) !== jid) throw new RangeError('jid: expected a canonical bare JID')
  if (pairs.some(([key]) => key === '')) throw new RangeError('pairs: a key is empty')
  return uri
}

/** Splits before decoding: `%40` and `%2F` are characters of a part, which may not have them, and never separators. */
function parsePath(path: string): BareJid {
  const at = path.indexOf('@')
  const parts = at < 0 ? [path] : [path.slice(0, at), path.slice(at + 1)]
  const decoded = parts.map((part) => decode(part, 'address'))
  if (decoded.some((part) => part === '' || /[@/]/.test(part)))
    throw malformed('its address is not that of an account or a server')
  const jid = bareJid.decode(decoded.join('@'))
  if (jid === undefined) throw malformed('its address is not that of an account or a server')
  return jid
}

function parsePair(text: string): readonly [string, string] {
  const equals = text.indexOf('=')
  if (equals < 1) throw malformed('a part of its query is no pair of key and value')
  return [decode(text.slice(0, equals), 'key'), decode(text.slice(equals + 1), 'value')]
}

// Beside the characters of the grammar: all others of RFC 3986's pchar and query, which URIs in use have unescaped, and
// what an IRI may have (RFC 3987 §2.2). Space, quotes and angle brackets end a URI in text.
const ALLOWED = /^(?:[^\0-\x20"<>\x7f-\x9f\u2028\u2029\ufffe\uffff]*)$/

function decode(text: string, what: string): string {
  if (!ALLOWED.test(text)) throw malformed(`its ${what} has characters that it may not have`)
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw malformed(`its ${what} is not UTF-8, percent-encoded`, { cause })
  }
}

// RFC 3986 has `:` in a query unescaped and XEP-0434 §9.1.1 writes it so; some readers compare text.
const encode = (text: string): string => {
  try {
    return encodeURIComponent(text)
      .replaceAll('%3A', ':')
      .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
  } catch {
    throw new RangeError('uri: a lone surrogate')
  }
}

export function malformed(message: string, options?: ErrorOptions): TrustError {
  return new TrustError('uri-malformed', `uri: ${message}`, options)
}
