/**
 * XMPP addresses: RFC 7622.
 *
 *     jid = [ localpart "@" ] domainpart [ "/" resourcepart ]
 *
 * Two JIDs are the same when their canonical forms are the same string. The localpart follows UsernameCaseMapped
 * and the resourcepart OpaqueString of RFC 8265; how far, see `jid-characters.ts` and `jid-domain.ts`. A resource may
 * begin with a space, which §3.5 lists among what is no JID (18) without a rule against it.
 */

import { isFreeform, isIdentifier, isRightToLeft, mapWidth, obeysBidiRule } from './jid-characters.ts'
import { canonicalDomain } from './jid-domain.ts'
import type { Scalar } from './scalar.ts'

/** RFC 7622 §3.2 to §3.4: each part is 1 to 1023 octets of UTF-8, so a whole JID at most 3071. */
export const MAX_JID_PART = 1023

/** A canonical JID without a resource: an account, a room or a server. */
export type BareJid = string & { readonly '~jid': 'bare' }
/** A canonical JID with a resource: one client, or one occupant of a room. */
export type FullJid = string & { readonly '~jid': 'full' }

/** The canonical parts of a JID. */
export interface Jid {
  /** `''` for a JID without one: a server. */
  readonly local: string
  readonly domain: string
  /** `''` for a bare JID. */
  readonly resource: string
  readonly bare: BareJid
  /** `undefined` for a bare JID. */
  readonly full: FullJid | undefined
}

/** Which part of the text is not acceptable. */
export type JidCode = 'local' | 'domain' | 'resource'

/** Text that is no JID. The text itself is not in the message: it may be anything. */
export class JidError extends Error {
  override readonly name = 'JidError'
  readonly code: JidCode

  constructor(code: JidCode, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Reads a JID in any spelling and gives its canonical parts.
 *
 * @throws {JidError} when a part is empty, too long or has characters that it may not have
 */
export function parseJid(text: string): Jid {
  // §3.1: split before any mapping, since mapping may produce the separators.
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const at = address.indexOf('@')
  const local = at < 0 ? '' : part('local', address.slice(0, at), canonicalLocal)
  const domain = part('domain', address.slice(at + 1), canonicalDomain)
  const resource = slash < 0 ? '' : part('resource', text.slice(slash + 1), canonicalResource)
  const joined = (local === '' ? domain : `${local}@${domain}`) as BareJid
  return {
    local,
    domain,
    resource,
    bare: joined,
    full: resource === '' ? undefined : (`${joined}/${resource}` as FullJid),
  }
}

/**
 * The canonical bare JID of any JID.
 *
 * @throws {JidError} as `parseJid`
 */
export function bare(jid: string): BareJid {
  return parseJid(jid).bare
}

// Composition makes one unit of at most four, and that one takes three octets: 4/3 × 1023 units can still fit.
// Engines sort combining marks in quadratic time, so nothing longer is normalized.
const MAX_UNITS = 2 * MAX_JID_PART

function part(code: JidCode, text: string, canonical: (text: string) => string | undefined): string {
  const result = text.length > MAX_UNITS ? '' : canonical(text)
  if (result === undefined) throw new JidError(code, `${code}part: characters that it may not have`)
  const octets = utf8Length(result)
  if (octets === 0 || octets > MAX_JID_PART)
    throw new JidError(code, `${code}part: expected 1 to ${MAX_JID_PART} octets`)
  return result
}

const PRINTABLE_ASCII = /^[\x21-\x7e]*$/
// RFC 7622 §3.3.1, on top of IdentifierClass.
const NOT_IN_LOCAL = /["&'/:<>@]/

/** UsernameCaseMapped, RFC 8265 §3.3. */
function canonicalLocal(text: string): string | undefined {
  const local = PRINTABLE_ASCII.test(text)
    ? text.toLowerCase()
    : settle(text, (before) => {
        const wide = mapWidth(before)
        // Width mapping and the class come first (§3.3.1), then case, composition and direction (§3.3.2).
        if (!isIdentifier(wide)) return undefined
        const mapped = wide.toLowerCase().normalize('NFC')
        return isRightToLeft(mapped) && !obeysBidiRule(mapped) ? undefined : mapped
      })
  return local === undefined || NOT_IN_LOCAL.test(local) ? undefined : local
}

/** OpaqueString, RFC 8265 §4.2. */
function canonicalResource(text: string): string | undefined {
  if (/^[\x20-\x7e]*$/.test(text)) return text
  return settle(text, (before) => {
    const mapped = before.replace(/\p{Zs}/gu, ' ').normalize('NFC')
    return isFreeform(mapped) ? mapped : undefined
  })
}

/** RFC 8264 §7: applied until nothing changes, which must be after three more times. */
function settle(text: string, rules: (text: string) => string | undefined): string | undefined {
  let before: string | undefined = text
  for (let round = 0; round < 4 && before !== undefined; round++) {
    const after = rules(before)
    if (after === before) return after
    before = after
  }
  return undefined
}

function utf8Length(text: string): number {
  let octets = 0
  for (const char of text) octets += char.length > 1 ? 4 : char > '\u07ff' ? 3 : char > '\x7f' ? 2 : 1
  return octets
}

/** As `parseJid`, but `undefined` for what is none. */
export function readJid(text: string): Jid | undefined {
  try {
    return parseJid(text)
  } catch {
    return undefined
  }
}

/** For codecs: any JID, read and written in canonical form. */
export const jid: Scalar<BareJid | FullJid> = scalar('a JID', (found) => found.full ?? found.bare)

/** For codecs: a JID without a resource, read and written in canonical form. */
export const bareJid: Scalar<BareJid> = scalar('a JID without resource', (found) =>
  found.full === undefined ? found.bare : undefined,
)

// What is no JID is written as it is, and then refused by the field.
function scalar<T extends string>(expected: string, pick: (found: Jid) => T | undefined): Scalar<T> {
  const decode = (text: string): T | undefined => {
    const found = readJid(text)
    return found && pick(found)
  }
  return { expected, decode, encode: (value) => decode(value) ?? value }
}
