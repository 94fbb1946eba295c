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
import { decodeSessions, encodeSessions, type Namespace, protocols, type SessionList } from '@xmpp-e2e/omemo'
import type { Put, Reader } from '@xmpp-e2e/store'
import { type BareJid, bare } from '@xmpp-e2e/xml'

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

/** Of public bytes only: it stops at the first difference. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
