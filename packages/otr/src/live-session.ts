/** Which of the sessions with a contact is meant: its clients may have several, also under keys that nobody expects. */
import { type BareJid, parseJid } from '@xmpp-e2e/xml'
import type { Conversations } from './conversations.ts'
import { findInstance } from './protocol/conversation.ts'
import type { Smp } from './protocol/smp.ts'

/** Which of a peer's sessions; the events have it. */
export interface AtInstance {
  /** The instance tag of the peer's client; 0 in version 2. Without it, the session that messages go to. */
  readonly instance?: number | undefined
}

/** @internal Of a contact, and of one of its clients if that is meant. */
export interface Recipient {
  readonly contact: BareJid
  readonly address: string | undefined
}

/** @internal @throws {JidError} */
export function addressOf(jid: string): Recipient {
  const { bare, full } = parseJid(jid)
  return { contact: bare, address: full }
}

/** @internal */
export interface LiveSession {
  readonly address: string
  readonly tag: number
  readonly fingerprint: string
  readonly smp: Smp['state']
}

/** Who was silent for longest comes first. */
function liveSessions(conversations: Conversations, { contact, address }: Recipient): readonly LiveSession[] {
  const addresses = address === undefined ? conversations.addressesOf(contact) : [address]
  return addresses.flatMap((at) =>
    (conversations.get(at)?.instances ?? []).flatMap(({ tag, session }) =>
      session.state === 'encrypted'
        ? [{ address: at, tag, fingerprint: session.fingerprint, smp: session.smp.state }]
        : [],
    ),
  )
}

/**
 * @internal The session with an instance; or, of those that `suits` is true for, the one that messages go to, else the
 * only one. Of several none: what is secret is not for whoever came last.
 */
export function findSession(
  conversations: Conversations,
  to: Recipient,
  { instance }: AtInstance,
  suits: (session: LiveSession) => boolean,
): LiveSession | undefined {
  const usual = to.address ?? conversations.selected(to.contact)
  const tag = instance ?? (usual === undefined ? undefined : conversations.get(usual)?.active)
  const fitting = liveSessions(conversations, to).filter((one) =>
    instance === undefined ? suits(one) : one.tag === instance,
  )
  const found = fitting.find((one) => one.address === usual && one.tag === tag)
  return found ?? (fitting.length === 1 ? fitting[0] : undefined)
}

/**
 * @internal Fingerprints of live sessions under other keys, where the session at an address is over: nothing that goes on
 * there would reach anybody, so that a person has to look at them.
 */
export function successorsOf(
  conversations: Conversations,
  contact: BareJid,
  address: string,
): readonly string[] {
  const conversation = conversations.get(address)
  const session = conversation && findInstance(conversation, conversation.active)?.session
  if (session?.state !== 'finished') return []
  const meant = conversations.expected(contact) ?? session.fingerprint
  const live = liveSessions(conversations, { contact, address: undefined })
  const isElsewhere = live.some(({ fingerprint }) => fingerprint === meant)
  const others = live.filter((one) => one.fingerprint !== meant && (!isElsewhere || one.address === address))
  return [...new Set(others.map(({ fingerprint }) => fingerprint))]
}
