/**
 * XEP-0297: stanzas in stanzas, as carbons (XEP-0280) and archive results (XEP-0313) use them. Each is opened only
 * if it comes from whom its specification allows; believing others was CVE-2017-5589, CVE-2019-16235 and
 * CVE-2020-26547.
 *
 *     <message from='archive'>  <result queryid='known' id='…'>  <forwarded>  <delay/>  <message/>
 *     <message from='account'>  <sent/> or <received/>           <forwarded>            <message/>
 */

import { DELAY_NAMESPACE, delaysOf } from './delay.ts'
import { children, type Element, elements } from './element.ts'
import { type BareJid, jid } from './jid.ts'
import { CARBONS_NAMESPACE, MAM_NAMESPACE, mayStandOutside } from './server-processed.ts'

export const CLIENT_NAMESPACE = 'jabber:client'
const FORWARD = 'urn:xmpp:forward:0'

/**
 * Why a stanza is not what it pretends to be.
 *
 * - `wrong-source`: a carbon not from the account's own bare JID, or a result not from the archive that was asked
 * - `unsolicited`: an archive result for no open query
 * - `smuggled`: something beside the wrapper, or beside the message in it
 * - `malformed`: a wrapper without what must be in it
 * - `nested`: a forwarded stanza in a forwarded stanza
 * - `wrong-direction`: "sent", but not by the account; "received", but not by the account
 * - `wrong-room`: from the archive of a room, but not said in that room
 * - `groupchat-carbon`: rooms send to every client, so there is nothing to copy
 * - `bad-address`: a `from` or `to` that is missing or no JID
 */
export type ForgedCode =
  | 'wrong-source'
  | 'unsolicited'
  | 'smuggled'
  | 'malformed'
  | 'nested'
  | 'wrong-direction'
  | 'wrong-room'
  | 'groupchat-carbon'
  | 'bad-address'

/** A stanza, taken out of what it was forwarded in, and what the wrapper says about it. */
export interface Opened {
  readonly stanza: Element
  readonly from: 'stream' | 'sent' | 'received' | 'archive'
  /** Whose archive it is. */
  readonly archive?: BareJid
  readonly archiveId?: string
  readonly sentAt?: Date
}

/** Opens a carbon or an archive result; anything else is given back as it is. */
export function open(
  raw: Element,
  account: BareJid,
  queries: ReadonlyMap<string, BareJid> | undefined,
): Opened | ForgedCode {
  const [wrapper] = elements(raw).filter(isWrapper)
  if (!wrapper) return { stanza: raw, from: 'stream' }
  // XEP-0313 leaves `from` out for the account itself; XEP-0280 demands it. The server stamps what others send.
  const source = raw.attrs.from === undefined ? undefined : jid.decode(raw.attrs.from)
  if (raw.attrs.from !== undefined && source === undefined) return 'bad-address'

  let archive: BareJid | undefined
  if (wrapper.ns === MAM_NAMESPACE) {
    archive = queries?.get(wrapper.attrs.queryid ?? '')
    if (archive === undefined) return 'unsolicited'
    if ((source ?? account) !== archive) return 'wrong-source'
  } else if (source !== account) return 'wrong-source'

  if (!elements(raw).every((el) => el === wrapper || mayStandOutside(el))) return 'smuggled'
  const [forwarded] = children(wrapper, 'forwarded', FORWARD)
  if (!forwarded) return 'malformed'
  if (elements(wrapper).length > 1) return 'smuggled'
  const stamps = children(forwarded, 'delay', DELAY_NAMESPACE)
  const [stanza, ...others] = elements(forwarded).filter((el) => !stamps.includes(el))
  if (stanza?.ns !== CLIENT_NAMESPACE) return 'malformed'
  if (others.length > 0 || stamps.length > 1) return 'smuggled'
  if (elements(stanza).some((el) => isWrapper(el) || el.ns === FORWARD)) return 'nested'

  const sentAt = delaysOf(forwarded)[0]?.stamp
  const opened = { stanza, ...(sentAt && { sentAt }) }
  if (archive !== undefined) {
    if (!wrapper.attrs.id) return 'malformed'
    return { ...opened, from: 'archive', archive, archiveId: wrapper.attrs.id }
  }
  return { ...opened, from: wrapper.name === 'sent' ? 'sent' : 'received' }
}

function isWrapper(el: Element): boolean {
  return el.ns === CARBONS_NAMESPACE
    ? el.name === 'sent' || el.name === 'received'
    : el.ns === MAM_NAMESPACE && el.name === 'result'
}
