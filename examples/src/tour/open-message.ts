/** Decrypting one message: everything is checked before anything is stored, and stored before it is shown. */
import {
  checkAffixes,
  consumePreKey,
  decodeBody,
  decodeEnvelope,
  decodeIdentity,
  decodePreKeys,
  decryptMessage,
  type Encrypted,
  type EncryptedKey,
  encodePreKeys,
  encryptedElements,
  encryptedFormats,
  keysFor,
  MIN_PRE_KEYS,
  type Namespace,
  OmemoError,
  type PreKeys,
  payloadCiphers,
  protocols,
  refillPreKeys,
  run,
} from '@xmpp-e2e/omemo/primitives'
import { type Put, type Store, update } from '@xmpp-e2e/store'
import { type BareJid, parseJid, type Received, text } from '@xmpp-e2e/xml'
import type { Reading } from './device.ts'
import { answerKey, loadSessions, preKeysKey, saveSessions } from './records.ts'

const CONTENT: Readonly<
  Record<Namespace, (plaintext: Uint8Array, received: Received, from: BareJid) => string>
> = {
  'eu.siacs.conversations.axolotl': (plaintext) => decodeBody(plaintext),
  'urn:xmpp:omemo:2': (plaintext, { account, chat }, sender) =>
    checkAffixes(decodeEnvelope(plaintext), { kind: 'chat', account, chat, sender, sentAt: new Date() })
      .content.map(text)
      .join(),
}

/** A refused message has changed nothing: the update throws, so it has nothing to commit. */
export async function openMessage(
  store: Store,
  reader: { readonly jid: BareJid; readonly deviceId: number },
  namespaces: readonly Namespace[],
  received: Received,
): Promise<Reading> {
  if (received.sender.known === 'no') return { kind: 'refused', code: 'sender-unknown' }
  const from = parseJid(received.sender.jid).bare
  try {
    for (const { namespace, element } of encryptedElements(received.stanza)) {
      const encrypted = encryptedFormats[namespace].decode(element)
      const [key] = keysFor(encrypted, reader)
      if (key !== undefined && namespaces.includes(namespace))
        return await open(store, reader.deviceId, namespace, encrypted, key, from, received)
    }
    return { kind: 'refused', code: 'not-for-this-device' }
  } catch (error) {
    if (error instanceof OmemoError) return { kind: 'refused', code: error.code }
    throw error
  }
}

function open(
  store: Store,
  deviceId: number,
  namespace: Namespace,
  encrypted: Encrypted,
  key: EncryptedKey,
  from: BareJid,
  received: Received,
): Promise<Reading> {
  const peer = { jid: from, deviceId: encrypted.sid, namespace }
  return update(store, ['identity', preKeysKey(namespace)], async ([identity, stored], reader) => {
    const self = { identity: decodeIdentity(identity!), deviceId }
    const preKeys = decodePreKeys(stored!)
    const sessions = await loadSessions(reader, peer)
    const arrival = { channel: 'live', sentAt: Date.now() } as const
    const opened = run(decryptMessage(protocols[namespace], { self, preKeys, sessions }, key.data, arrival))

    const { payload, iv } = encrypted
    const result: Reading =
      payload === undefined
        ? { kind: 'empty', namespace }
        : {
            kind: 'message',
            namespace,
            body: CONTENT[namespace](
              payloadCiphers[namespace].open({ payload, keyMaterial: opened.plaintext, iv }),
              received,
              from,
            ),
          }
    const put: Put[] = [...saveSessions(peer, opened.sessions)]
    if (opened.usedPreKeyId !== undefined)
      put.push([preKeysKey(namespace), encodePreKeys(renewed(preKeys, opened.usedPreKeyId))])
    if (opened.completion) put.push([answerKey(peer), opened.ephemeralKey])
    return { put, result }
  })
}

/** Without the prekey that was used, which would let the message be replayed; and with a new one in its place. */
function renewed(preKeys: PreKeys, usedPreKeyId: number): PreKeys {
  return run(refillPreKeys(consumePreKey(preKeys, usedPreKeyId), MIN_PRE_KEYS))
}
