/**
 * How much of what others cause is kept in memory, for all conversations of one account together.
 *
 *     pieces of messages      8 MiB; the oldest unfinished message goes first
 *     without a session       32 addresses, of at most 50 KiB besides
 *     not talked to           1000 addresses of as much, forgotten whole
 *     talked to               1000 live sessions; of more, keys go, and what stays is about 1 KiB until `end`
 */
import type { BareJid } from '@xmpp-e2e/xml'
import { type Conversation, isEncrypted, isPrivate } from './protocol/conversation.ts'
import type { Assembly } from './protocol/fragment.ts'

/**
 * Addresses without a session of which something is remembered: that an error went out, or pieces of a message. One more,
 * and the one that was silent for longest is forgotten.
 */
export const MAX_STRANGERS = 32
/**
 * Addresses with a session, live or finished, that the application does not talk to: one more, and the one that was silent
 * for longest is forgotten. Of those that it talks to as many live sessions: one more, and the one that was silent for
 * longest is finished. It is never forgotten: with it would go which key its messages are meant for, and that they are
 * private.
 */
export const MAX_PEERS = 1000
/** Unfinished messages of everybody together, in bytes: 32 of the longest, as four peers with eight instances may begin. */
export const MAX_ASSEMBLED_BYTES = 8_388_608

/** @internal An address, and what is going on there. */
export interface Peer {
  readonly contact: BareJid
  readonly conversation: Conversation
  /** When time has something to do here, in milliseconds. */
  readonly due: number | undefined
}

type Table = ReadonlyMap<string, Peer>

/** @internal Who is to be forgotten, and whose session is to be finished. Who was silent for longest comes first. */
export function excessOf(
  table: Table,
  isTalkedTo: (address: string, contact: BareJid) => boolean,
): { readonly forgotten: readonly string[]; readonly lost: readonly (readonly [string, Peer])[] } {
  if (table.size <= MAX_STRANGERS) return { forgotten: [], lost: [] }
  const strangers: string[] = []
  const idle: string[] = []
  const live: (readonly [string, Peer])[] = []
  for (const [address, peer] of table) {
    if (!isPrivate(peer.conversation)) strangers.push(address)
    else if (!isTalkedTo(address, peer.contact)) idle.push(address)
    else if (isEncrypted(peer.conversation)) live.push([address, peer])
  }
  return {
    forgotten: [...strangers.slice(0, -MAX_STRANGERS), ...idle.slice(0, -MAX_PEERS)],
    lost: live.slice(0, -MAX_PEERS),
  }
}

/** @internal Conversations that lose unfinished messages, so that all others together are within the bound. */
export function withoutOldest(table: Table): readonly (readonly [string, Conversation])[] {
  const assemblies = [...table.values()]
    .flatMap(({ conversation }) => conversation.assemblies)
    .reverse()
    .sort((a, b) => b.at - a.at)
  let bytes = 0
  const excess = new Set<Assembly>()
  for (const assembly of assemblies) {
    bytes += assembly.parts.reduce((sum, { length }) => sum + length, 0)
    if (bytes > MAX_ASSEMBLED_BYTES) excess.add(assembly)
  }
  if (excess.size === 0) return []
  return [...table].flatMap(([address, { conversation }]) => {
    const kept = conversation.assemblies.filter((assembly) => !excess.has(assembly))
    return kept.length === conversation.assemblies.length
      ? []
      : [[address, { ...conversation, assemblies: kept }] as const]
  })
}
