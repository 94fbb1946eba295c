/**
 * Encrypting one message: the text once in each wire version that is needed, its key once for each device.
 * Devices whose key nobody has compared, and bundles that do not hold, get none.
 */
import {
  bundles,
  decodeIdentity,
  type EncryptedKey,
  encodeBody,
  encodeEnvelope,
  encryptedFormats,
  encryptMessage,
  fingerprint,
  initiateSession,
  type Namespace,
  OmemoError,
  payloadCiphers,
  protocols,
  run,
  type SealedPayload,
  type Self,
  type VerifiedBundle,
  verifyBundle,
  withInitiated,
} from '@xmpp-e2e/omemo/primitives'
import type { Put, Reader } from '@xmpp-e2e/store'
import { type BareJid, type Element, element } from '@xmpp-e2e/xml'
import type { Directory, Written } from './device.ts'
import { loadSessions, type Peer, saveSessions } from './records.ts'

const CONTENT: Readonly<Record<Namespace, (body: string, from: BareJid, to: BareJid) => Uint8Array>> = {
  'eu.siacs.conversations.axolotl': encodeBody,
  'urn:xmpp:omemo:2': (body, from, to) =>
    encodeEnvelope([element('jabber:client', 'body', {}, body)], { from, to, time: new Date() }),
}

export async function sealMessage(
  reader: Reader,
  writer: { readonly jid: BareJid; readonly deviceId: number },
  body: string,
  to: BareJid,
  recipients: readonly Peer[],
  directory: Directory,
): Promise<{
  readonly encrypted: readonly Element[]
  readonly skipped: Written['skipped']
  readonly put: readonly Put[]
}> {
  const [identity] = await reader.read(['identity'])
  const trusted = new Set((await reader.list('trust/')).map(([key]) => key.slice('trust/'.length)))
  const self = { identity: decodeIdentity(identity!), deviceId: writer.deviceId }

  const parts = new Map<Namespace, { readonly sealed: SealedPayload; readonly keys: EncryptedKey[] }>()
  const skipped: { readonly deviceId: number; readonly code: string }[] = []
  const put: Put[] = []
  for (const peer of recipients) {
    const found = await sessionsWith(reader, self, peer, directory, trusted)
    if (typeof found === 'string') {
      skipped.push({ deviceId: peer.deviceId, code: found })
      continue
    }
    const { jid, deviceId: rid, namespace } = peer
    const part = parts.get(namespace) ?? {
      sealed: payloadCiphers[namespace].seal(CONTENT[namespace](body, writer.jid, to)),
      keys: [],
    }
    const { sessions, message } = run(encryptMessage(self, found, part.sealed.keyMaterial))
    parts.set(namespace, { ...part, keys: [...part.keys, { jid, rid, ...message }] })
    put.push(...saveSessions(peer, sessions))
  }
  const encrypted = [...parts].map(
    ([
      namespace,
      {
        sealed: { payload, iv },
        keys,
      },
    ]) => encryptedFormats[namespace].encode({ sid: writer.deviceId, keys, payload, ...(iv && { iv }) }),
  )
  return { encrypted, skipped, put }
}

/** The sessions with a device, opened if there are none; or why nothing may be sent to it. */
async function sessionsWith(
  reader: Reader,
  self: Self,
  peer: Peer,
  directory: Directory,
  trusted: ReadonlySet<string>,
) {
  const protocol = protocols[peer.namespace]
  const sessions = await loadSessions(reader, peer)
  if (sessions !== undefined) {
    const theirs = protocol.readIdentity(sessions.current.theirIdentity)
    return trusted.has(fingerprint(theirs)) ? sessions : 'key-not-compared'
  }
  try {
    const bundle = offeredBundle(peer, directory)
    if (!trusted.has(fingerprint(bundle.identityKey))) return 'key-not-compared'
    return withInitiated(undefined, run(initiateSession(protocol, self, bundle, Date.now())))
  } catch (error) {
    if (error instanceof OmemoError) return error.code
    throw error
  }
}

/** What the directory has for a device, verified. @throws OmemoError if it does not hold */
export function offeredBundle({ jid, deviceId, namespace }: Peer, directory: Directory): VerifiedBundle {
  const bundle = directory.bundle(jid, deviceId, namespace)
  if (bundle === undefined) throw new Error(`no bundle of ${jid}, device ${deviceId}`)
  return run(verifyBundle(protocols[namespace], bundles[namespace].decode(bundle)))
}
