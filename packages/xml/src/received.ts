/**
 * Who sent a message, to which chat, and how that is known. Every scheme takes its messages in this form, so that
 * nobody has to guess from `from` what has been checked.
 */

import { delaysOf, hasTooManyDelays } from './delay.ts'
import { child, children, type Element } from './element.ts'
import { CLIENT_NAMESPACE, type ForgedCode, type Opened, open } from './forwarded.ts'
import { type BareJid, bareJid, type Jid, jid, parseJid, readJid } from './jid.ts'
import { MUC_USER_NAMESPACE, PUBSUB_EVENT_NAMESPACE, SID_NAMESPACE } from './server-processed.ts'

/**
 * Who sent a message.
 *
 * - `stream`: the account's server says so; `jid` is as in the message, usually a full JID.
 * - `occupant`: the room says whose occupant it is; `jid` is the real bare JID.
 * - `no`: an occupant of a room. Candidates are known for a message that is older than what is known of the
 *   occupants: who has the nickname now need not be who had it then.
 */
export type Sender =
  | { readonly known: 'stream' | 'occupant'; readonly jid: string }
  | { readonly known: 'no'; readonly candidates: readonly BareJid[] }

/**
 * `<stanza-id/>` that are looked at; of more than these, none counts. Each entity on the way adds one (XEP-0359 §3),
 * and there are two or three; what it costs to read their addresses, see `MAX_DELAYS`.
 */
export const MAX_STANZA_IDS = 16

/** Milliseconds since 1970. Jabber was announced in January 1999: no message is older. */
export const EARLIEST_SENT = Date.UTC(1999, 0)

const CHANNELS = ['live', 'carbon', 'archive', 'offline'] as const

/**
 * - `live`: as it was sent.
 * - `carbon`: a copy of what another client of the account sent or got.
 * - `archive`: a result of a query.
 * - `offline`: held back by the account's server, or what a room shows of its past on joining. Only a mark says so,
 *   and servers do not remove one that the sender has written: a live message can pass for a late one.
 */
export type Channel = (typeof CHANNELS)[number]

/** A message with its provenance; plain frozen data. */
export interface Received {
  readonly kind: 'message'
  /** The message itself, without what it was forwarded in. */
  readonly stanza: Element
  readonly account: BareJid
  /** The contact or the room, also for the account's own messages. */
  readonly chat: BareJid
  readonly sender: Sender
  readonly channel: Channel
  /** Whether the account sent it. */
  readonly own: boolean
  /**
   * Of a carbon or archive result, what the account's server or the archive says. Of others, what a mark says in the
   * name of the account, its server or the room; the sender may have written it (XEP-0203 §5), so it is no more than
   * the sender's word. Never before `EARLIEST_SENT`.
   */
  readonly sentAt?: Date
  /**
   * Unique in the archive of the account or, of a groupchat message, of the room. Except in archive results it is
   * from `<stanza-id/>`: believe it only if the archive announces `urn:xmpp:sid:0` (XEP-0359 §6).
   */
  readonly archiveId?: string
  readonly checkedBy: 'xml' | 'host'
}

/** A stanza that must not be processed as a message. */
export type NotReceived =
  | { readonly kind: 'forged'; readonly code: ForgedCode }
  | { readonly kind: 'not-a-message' }

export interface ReceiveOptions {
  readonly account: BareJid
  /** Open archive queries: their `queryid`, and the archive asked, which is the account or a room. */
  readonly queries?: ReadonlyMap<string, BareJid>
  /** The real bare JID of who is in a room under that occupant JID *now*, from the room's presence. */
  occupant?(roomJid: string): BareJid | undefined
  /**
   * Whether a room has sent its subject since it was joined, which ends the history (XEP-0045 §7.2.15). A stamp of the
   * room on what comes later was written by an occupant and does not count. Without this, any occupant can make
   * its own messages look like history, from a sender that is not known.
   */
  joined?(room: BareJid): boolean
}

/**
 * Establishes who sent a message, opening a carbon or an archive result. Presence, IQs and errors are no messages,
 * nor are notifications of XEP-0060: out of a forwarded stanza, they could replace a contact's keys.
 */
export function receive(raw: Element, options: ReceiveOptions): Received | NotReceived {
  if (!isMessage(raw)) return NOT_A_MESSAGE
  const { account } = options
  const opened = open(raw, account, options.queries)
  if (typeof opened === 'string') return forged(opened)
  const { stanza, from: source } = opened
  const { type } = stanza.attrs
  if (!isMessage(stanza) || child(stanza, 'event', PUBSUB_EVENT_NAMESPACE)) return NOT_A_MESSAGE
  if (source !== 'stream' && type === 'headline') return NOT_A_MESSAGE
  if (source !== 'stream' && source !== 'archive' && type === 'groupchat') return forged('groupchat-carbon')
  const parties = partiesOf(opened, account)
  if (typeof parties === 'string') return forged(parties)

  const { from, chat } = parties
  const groupchat = type === 'groupchat'
  const history = groupchat && !options.joined?.(chat)
  const stamps = stampsOf(stanza, account, history ? chat : undefined)
  const late = source === 'stream' && stamps.late
  const sentAt = [opened.sentAt ?? stamps.sentAt].find((date) => date && +date >= EARLIEST_SENT)
  const archiveId = opened.archiveId ?? stanzaId(stanza, groupchat ? chat : account)
  // What the server holds back of a room keeps its place among the room's presence; history does not, nor do
  // private messages that waited for another session.
  const sender = senderOf(opened, from, groupchat ? !stamps.byRoom : !late, options)
  return Object.freeze({
    kind: 'message',
    stanza,
    account,
    chat,
    sender,
    channel: late ? 'offline' : CHANNEL_OF[source],
    own: from.bare === account || (sender.known === 'occupant' && sender.jid === account),
    ...(sentAt && { sentAt }),
    ...(archiveId !== undefined && { archiveId }),
    checkedBy: 'xml',
  })
}

/**
 * For hosts that have opened and checked carbons and archive results themselves.
 *
 * @throws {TypeError} when a field is not as `Received` says
 */
export function vouch(received: Omit<Received, 'kind' | 'checkedBy'>): Received {
  const { stanza, account, chat, sender, channel, own, sentAt, archiveId } = received
  if (!isMessage(stanza)) throw new TypeError('stanza: expected a <message/>, not of type error')
  if (!isBare(account)) throw new TypeError('account: expected a canonical bare JID')
  if (!isBare(chat)) throw new TypeError('chat: expected a canonical bare JID')
  if (!CHANNELS.includes(channel)) throw new TypeError(`channel: expected one of ${CHANNELS.join(', ')}`)
  if (typeof own !== 'boolean') throw new TypeError('own: expected a boolean')
  if (sentAt && Number.isNaN(sentAt.getTime())) throw new TypeError('sentAt: expected a valid date')
  return Object.freeze({
    kind: 'message',
    stanza,
    account,
    chat,
    sender: checkedSender(sender),
    channel,
    own,
    ...(sentAt && { sentAt }),
    ...(archiveId !== undefined && { archiveId }),
    checkedBy: 'host',
  })
}

function checkedSender(sender: Sender): Sender {
  if (sender.known === 'no') {
    if (!sender.candidates.every(isBare))
      throw new TypeError('sender.candidates: expected canonical bare JIDs')
    return Object.freeze({ known: 'no', candidates: Object.freeze([...sender.candidates]) })
  }
  const found = jid.decode(sender.jid)
  if (found === undefined || (sender.known === 'occupant' && !isBare(found)))
    throw new TypeError('sender.jid: expected a JID, of an occupant the real bare one')
  return Object.freeze({ known: sender.known, jid: found })
}

function isBare(text: string): boolean {
  return bareJid.decode(text) === text
}

const NOT_A_MESSAGE: NotReceived = Object.freeze({ kind: 'not-a-message' })

function forged(code: ForgedCode): NotReceived {
  return Object.freeze({ kind: 'forged', code })
}

const CHANNEL_OF: Readonly<Record<Opened['from'], Channel>> = {
  stream: 'live',
  sent: 'carbon',
  received: 'carbon',
  archive: 'archive',
}

// An error repeats the message that it is about (RFC 6120 §8.3.1).
function isMessage(el: Element): boolean {
  return el.name === 'message' && el.ns === CLIENT_NAMESPACE && el.attrs.type !== 'error'
}

/** Who wrote to whom, as far as the account is concerned. */
function partiesOf(opened: Opened, account: BareJid): { from: Jid; chat: BareJid } | ForgedCode {
  const { stanza, archive, from: source } = opened
  // RFC 6120 §8.1.2.1: without `from` it is the account's; a client may leave it out of what it sends.
  const from = readJid(stanza.attrs.from ?? (source === 'stream' || source === 'sent' ? account : ''))
  const to = readJid(stanza.attrs.to ?? account)
  if (!from) return 'bad-address'
  if (archive !== undefined && archive !== account)
    return from.bare === archive && stanza.attrs.type === 'groupchat' ? { from, chat: archive } : 'wrong-room'
  if (source === 'stream' && from.bare !== account) return { from, chat: from.bare }
  if (!to) return 'bad-address'
  // A message to oneself has both directions.
  const allowed = {
    stream: true,
    sent: from.bare === account,
    received: to.bare === account,
    archive: from.bare === account || to.bare === account,
  }
  if (!allowed[source]) return 'wrong-direction'
  return { from, chat: from.bare === account ? to.bare : from.bare }
}

function senderOf(opened: Opened, from: Jid, current: boolean, options: ReceiveOptions): Sender {
  const { stanza, archive } = opened
  const now = from.full && from.bare !== options.account ? options.occupant?.(from.full) : undefined
  // A private message (XEP-0045 §7.5) is marked, by rooms that know the mark; the room's presence tells too.
  const inRoom = stanza.attrs.type === 'groupchat' || child(stanza, 'x', MUC_USER_NAMESPACE) || now
  if (!inRoom || !from.full || from.bare === options.account)
    return Object.freeze({ known: 'stream', jid: from.full ?? from.bare })
  const real = archive === from.bare ? disclosed(stanza) : archive === undefined && current ? now : undefined
  return real
    ? Object.freeze({ known: 'occupant', jid: real })
    : Object.freeze({ known: 'no', candidates: Object.freeze(now ? [now] : []) })
}

// XEP-0313 §6.1.2: the archive of a room strips what occupants write and adds the real JID. Live, rooms strip nothing.
function disclosed(stanza: Element): BareJid | undefined {
  const items = children(stanza, 'x', MUC_USER_NAMESPACE).flatMap((x) => children(x, 'item'))
  const found = items.length === 1 ? readJid(items[0]?.attrs.jid ?? '') : undefined
  return found?.bare
}

/** What is marked in the name of the account, its server or the room. */
function stampsOf(
  stanza: Element,
  account: BareJid,
  room: BareJid | undefined,
): { late: boolean; byRoom: boolean; sentAt: Date | undefined } {
  const server = parseJid(account).domain
  const trusted: readonly (string | undefined)[] = [account, server, room]
  const found = delaysOf(stanza).filter(({ from }) => from !== undefined && trusted.includes(from))
  // Nobody has looked at all of them, so one may be of the room.
  const tooMany = hasTooManyDelays(stanza)
  return {
    late: tooMany || found.length > 0,
    byRoom: room !== undefined && (tooMany || found.some(({ from }) => from === room)),
    // Of two, one has been written by somebody else.
    sentAt: !tooMany && found.length === 1 ? found[0]?.stamp : undefined,
  }
}

// XEP-0359 §3: at most one by the same entity, with both attributes; a second one is somebody else's.
function stanzaId(stanza: Element, by: BareJid): string | undefined {
  const ids = children(stanza, 'stanza-id', SID_NAMESPACE)
  if (ids.length > MAX_STANZA_IDS) return undefined
  let found: string | undefined
  for (const { attrs } of ids) {
    if (bareJid.decode(attrs.by ?? '') !== by) continue
    if (found !== undefined) return undefined
    found = attrs.id ?? ''
  }
  return found || undefined
}
