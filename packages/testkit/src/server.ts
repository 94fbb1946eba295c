/** What the parts of the service share: its data, and how stanzas leave it. */

import type { BareJid, Element, FullJid, Jid } from '@xmpp-e2e/xml'
import type { Archive } from './archive.ts'
import type { Clock } from './clock.ts'
import type { PubsubNode } from './pubsub-node.ts'
import type { Quirks } from './quirks.ts'
import type { Room } from './room.ts'
import type { RosterItem } from './roster.ts'

/** One bound stream, or one whose connection is lost but that may still be resumed (XEP-0198). */
export interface Session {
  readonly jid: FullJid
  readonly account: Account
  /** The last presence without `to`, while available. */
  presence: Element | undefined
  priority: number
  /** Whether copies are wanted (XEP-0280 §4). */
  carbons: boolean
  /** Whether the roster has been asked for, so that pushes are wanted (RFC 6121 §2.1.6). */
  interested: boolean
  /** What presence was sent to directly, so that it hears of the end (RFC 6121 §4.6.3). */
  readonly directed: Map<string, Jid>
  /** Features of verified caps; none until then. */
  features: ReadonlySet<string>
}

export interface Account {
  readonly jid: BareJid
  readonly roster: Map<BareJid, RosterItem>
  /** What it is taken to be interested in itself, whichever of its clients is (`filtersByResource`). */
  features: ReadonlySet<string>
  /** By full JID. */
  readonly sessions: Map<FullJid, Session>
  readonly nodes: Map<string, PubsubNode>
  readonly archive: Archive
  /** Messages that wait for a resource (XEP-0160). */
  readonly offline: Element[]
  /** Requests for subscription that wait for an answer, by who asks (RFC 6121 §3.1.3). */
  readonly requests: Map<BareJid, Element>
}

/** Of somebody who has no contacts and was never here. */
export function newAccount(jid: BareJid): Account {
  return {
    jid,
    features: new Set(),
    roster: new Map(),
    sessions: new Map(),
    nodes: new Map(),
    archive: [],
    offline: [],
    requests: new Map(),
  }
}

export interface Server {
  readonly domain: string
  /** That one, and those of accounts made elsewhere: as if several servers were one process. */
  readonly domains: Set<string>
  readonly quirks: Quirks
  readonly clock: Clock
  readonly accounts: Map<BareJid, Account>
  readonly rooms: Map<BareJid, Room>
  /** Features by hash function and hash, of hashes that were verified (XEP-0115 §5.4). */
  readonly caps: Map<string, ReadonlySet<string>>
  /** Requests of the server itself that wait for an answer, by id. */
  readonly asked: Map<string, (reply: Element) => void>
  /** An id that is not used twice. */
  newId(): string
  /** Hands a stanza to the stream of a session. */
  transmit(session: Session, stanza: Element): void
  /** Sends a stanza that has `from` and `to` on its way. */
  route(stanza: Element, sender: Session): void
}

/** Whether there may be accounts or services of that domain. */
export function serves(server: Server, domain: string): boolean {
  return server.domains.has(domain) || domain === mucDomain(server)
}

export function mucDomain(server: Pick<Server, 'domain'>): string {
  return `muc.${server.domain}`
}

/** Sessions that have sent presence (RFC 6121 §4.2): the available resources. */
export function available(account: Account): readonly Session[] {
  return [...account.sessions.values()].filter((session) => session.presence !== undefined)
}

export function findSession(server: Server, jid: Jid): Session | undefined {
  return jid.full && server.accounts.get(jid.bare)?.sessions.get(jid.full)
}
