/**
 * Who belongs to a room, for those who encrypt to its members (XEP-0384 §5.8, XEP-0373 for rooms):
 *
 *     disco#info  → muc_nonanonymous, muc_membersonly          XEP-0045 §6.4, §15.3
 *     muc#admin   → members (§9.5), admins (§10.8), owners (§10.5), by real address, who is offline included
 *
 * The room's server says both and could lie about either: tell people of every change. An anonymous room is refused, since
 * nobody in it can say whose keys to use; so is one that anybody may join, since its lists do not say who reads it.
 */
import {
  type BareJid,
  type Connection,
  ConnectionError,
  child,
  children,
  type Element,
  element,
  parseJid,
  type Signal,
  StanzaError,
} from '@xmpp-e2e/xml'

export type Affiliation = 'owner' | 'admin' | 'member'

/**
 * - `room-anonymous`: real addresses are not disclosed to everybody. `room-open`: anybody may join.
 * - `room-forbidden`: it answers the account nothing at all, as one that is not there: join it.
 * - `room-unreachable`: it did not answer, or is no room.
 */
export type RoomRefusal = 'room-anonymous' | 'room-open' | 'room-forbidden' | 'room-unreachable'

export type RoomMembers =
  | {
      readonly kind: 'members'
      /** Real addresses, each once, the account's own among them. As many as the room says: check before use. */
      readonly jids: readonly BareJid[]
      /** Lists that the room does not show to the account: who is on no other is not among `jids`. */
      readonly hidden: readonly Affiliation[]
    }
  | { readonly kind: 'refused'; readonly code: RoomRefusal }

const LISTS: readonly Affiliation[] = ['owner', 'admin', 'member']
const INFO = 'http://jabber.org/protocol/disco#info'
const MUC = 'http://jabber.org/protocol/muc'
const MUC_ADMIN = 'http://jabber.org/protocol/muc#admin'

/** Four requests. @throws the signal's reason */
export async function roomMembers(
  connection: Connection,
  room: BareJid,
  { signal }: { readonly signal?: Signal | undefined } = {},
): Promise<RoomMembers> {
  const ask = async (query: Element): Promise<Element> => {
    const iq = element('jabber:client', 'iq', { type: 'get', to: room }, query)
    const reply = await connection.request(iq, { signal })
    return child(reply, 'query', query.ns) ?? element(query.ns, 'query')
  }
  try {
    const info = await ask(element(INFO, 'query'))
    const features = new Set(children(info, 'feature').map(({ attrs }) => attrs.var))
    if (!features.has(MUC)) return refused('room-unreachable')
    if (!features.has('muc_nonanonymous')) return refused('room-anonymous')
    if (!features.has('muc_membersonly')) return refused('room-open')
    const lists = await Promise.all(LISTS.map((affiliation) => listOf(ask, affiliation)))
    const jids = [...new Set(lists.flatMap((list) => list ?? []))]
    return { kind: 'members', jids, hidden: LISTS.filter((_, i) => lists[i] === undefined) }
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    if (error instanceof StanzaError && NOT_LET_IN.includes(error.condition)) return refused('room-forbidden')
    if (error instanceof StanzaError || error instanceof ConnectionError) return refused('room-unreachable')
    throw error
  }
}

function refused(code: RoomRefusal): RoomMembers {
  return { kind: 'refused', code }
}

/** XEP-0045 §7.2.5, §7.2.6 and RFC 6120 §8.3.3: what a room says to those who are not in it, or a service of no room. */
const NOT_LET_IN: readonly string[] = ['forbidden', 'registration-required', 'item-not-found']

const NOT_SHOWN: readonly string[] = ['forbidden', 'not-allowed', 'not-authorized', 'feature-not-implemented']

/** Nothing for a list that is not shown to the account; servers show them to members, or to admins only. */
async function listOf(
  ask: (query: Element) => Promise<Element>,
  affiliation: Affiliation,
): Promise<readonly BareJid[] | undefined> {
  try {
    const query = await ask(element(MUC_ADMIN, 'query', {}, element(MUC_ADMIN, 'item', { affiliation })))
    return children(query, 'item').flatMap(({ attrs }) =>
      // Some say all that they have: an outcast is on no list of ours.
      attrs.affiliation === undefined || attrs.affiliation === affiliation ? (bareOf(attrs.jid) ?? []) : [],
    )
  } catch (error) {
    if (error instanceof StanzaError && NOT_SHOWN.includes(error.condition)) return undefined
    throw error
  }
}

function bareOf(text: string | undefined): BareJid | undefined {
  try {
    return text === undefined ? undefined : parseJid(text).bare
  } catch {
    return undefined
  }
}
