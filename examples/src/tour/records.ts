/**
 * The records of a device in its store:
 *
 *     identity                      the identity key
 *     prekeys/<namespace>           prekeys of one wire version
 *     trust/<fingerprint>           nothing; the key was compared
 *     session/<peer>, archived/<peer>   all sessions with one device in one wire version
 *     answer/<peer>                 the ephemeral key of a session that the peer waits to be answered on
 *
 * `<peer>` is namespace, JID and device id with spaces between.
 */
import {
  decodeSessions,
  encodeSessions,
  type Namespace,
  protocols,
  type SessionList,
} from '@xmpp-e2e/omemo/primitives'
import type { Put, Reader } from '@xmpp-e2e/store'
import { type BareJid, bare } from '@xmpp-e2e/xml'
import type { Stored } from './device.ts'

/** One device of somebody else, in one wire version. */
export interface Peer {
  readonly jid: BareJid
  readonly deviceId: number
  readonly namespace: Namespace
}

export const preKeysKey = (namespace: Namespace): string => `prekeys/${namespace}`
export const answerKey = (peer: Peer): string => `answer/${nameOf(peer)}`

const sessionKeys = (peer: Peer) => [`session/${nameOf(peer)}`, `archived/${nameOf(peer)}`] as const
const nameOf = ({ namespace, jid, deviceId }: Peer): string => `${namespace} ${jid} ${deviceId}`

/** The peer in the key of a record. */
export function peerOf(key: string): Peer {
  const [written, jid, deviceId] = key.slice(key.indexOf('/') + 1).split(' ')
  const namespace = Object.values(protocols).find((protocol) => protocol.namespace === written)?.namespace
  if (namespace === undefined || jid === undefined) throw new Error(`not the key of a peer: ${key}`)
  return { namespace, jid: bare(jid), deviceId: Number(deviceId) }
}

export async function loadSessions(reader: Reader, peer: Peer): Promise<SessionList | undefined> {
  const [current, archived] = await reader.read(sessionKeys(peer))
  return current && archived && decodeSessions({ current, archived })
}

export function saveSessions(peer: Peer, sessions: SessionList): readonly [Put, Put] {
  const { current, archived } = encodeSessions(sessions)
  const [currentKey, archivedKey] = sessionKeys(peer)
  return [
    [currentKey, current],
    [archivedKey, archived],
  ]
}

/** What all records of a store amount to. */
export function stored(entries: readonly (readonly [key: string, value: Uint8Array])[]): Stored {
  const records = new Map(entries)
  const sessions = entries.flatMap(([key, current]) => {
    if (!key.startsWith('session/')) return []
    const archived = records.get(key.replace('session/', 'archived/'))!
    const list = decodeSessions({ current, archived })
    return [list.current, ...list.archived]
  })
  const inUse = entries.filter(([key]) => key.startsWith('session/'))
  return {
    sessions: sessions.length,
    largestSession: Math.max(0, ...inUse.map(([, value]) => value.length)),
    bytes: entries.reduce((sum, [, value]) => sum + value.length, 0),
    // The key at the end of a chain belongs to no message yet.
    missing: sessions
      .flatMap(({ ratchet }) => ratchet.skipped)
      .flatMap(({ length, keys }) => keys.filter(({ counter }) => counter < length)).length,
  }
}

/** Of public bytes only: it stops at the first difference. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
