// Romeo writes a whole OMEMO message stanza; Juliet opens it. Both keep their state in a store, as bytes, and commit
// before anything is sent or shown. What crosses the network is `published` and `stanza`.
import {
  bundles,
  checkAffixes,
  consumePreKey,
  decodeEnvelope,
  decodeIdentity,
  decodePreKeys,
  decodeSessions,
  decryptMessage,
  encodeEnvelope,
  encodeIdentity,
  encodePreKeys,
  encodeSessions,
  encryptedElements,
  encryptedFormats,
  encryptMessage,
  fingerprint,
  generateIdentity,
  generatePreKeys,
  initiateSession,
  keysFor,
  messageChildren,
  omemo2,
  payloadCiphers,
  publishedBundle,
  run,
  verifyBundle,
  withInitiated,
} from '@xmpp-e2e/omemo/primitives'
import { memoryStore, type Put, scoped, update } from '@xmpp-e2e/store'
import { bareJid, child, element, parse, serialize, text, withContent } from '@xmpp-e2e/xml'

const romeo = { jid: bareJid.decode('romeo@montague.lit')!, deviceId: 27183 }
const juliet = { jid: bareJid.decode('juliet@capulet.lit')!, deviceId: 31415 }
const { namespace } = omemo2
const romeosStore = scoped(memoryStore(), romeo.jid) // use a durable store in an application
const julietsStore = scoped(memoryStore(), juliet.jid)

// One identity serves both namespaces; prekeys and sessions are kept for each.
const preKeysKey = `prekeys/${namespace}`
const sessionKeys = (jid: string, deviceId: number) =>
  [`session/${namespace}/${jid}/${deviceId}`, `archived/${namespace}/${jid}/${deviceId}`] as const

// Juliet makes her keys once, and publishes the bundle in her PEP node `bundles[namespace].location(31415).node`.
const published = await update(julietsStore, [], () => {
  const identity = generateIdentity()
  const preKeys = run(generatePreKeys())
  const bundle = bundles[namespace].encode(publishedBundle(omemo2, identity, preKeys))
  return {
    put: [
      ['identity', encodeIdentity(identity)],
      [preKeysKey, encodePreKeys(preKeys)],
    ],
    result: serialize(bundle),
  }
})

// Romeo has fetched it. He verifies it, asks himself whether he trusts its key, and opens a session.
const bundle = run(verifyBundle(omemo2, bundles[namespace].decode(parse(published))))
console.log(`Juliet's key: ${fingerprint(bundle.identityKey)}`)

const { stanza, romeosFingerprint } = await update(romeosStore, [], () => {
  const identity = generateIdentity()
  const self = { identity, deviceId: romeo.deviceId }
  const session = run(initiateSession(omemo2, self, bundle, Date.now()))

  const body = element('jabber:client', 'body', {}, 'But, soft! what light through yonder window breaks?')
  const envelope = encodeEnvelope([body], { from: romeo.jid, to: juliet.jid, time: new Date() })
  const { payload, keyMaterial } = payloadCiphers[namespace].seal(envelope)
  const { sessions, message } = run(encryptMessage(self, withInitiated(undefined, session), keyMaterial))
  const encrypted = encryptedFormats[namespace].encode({
    sid: romeo.deviceId,
    keys: [{ jid: juliet.jid, rid: juliet.deviceId, ...message }],
    payload,
  })
  const attrs = { to: juliet.jid, type: 'chat', id: 'm1' }
  const { current, archived } = encodeSessions(sessions)
  const [currentKey, archivedKey] = sessionKeys(juliet.jid, juliet.deviceId)
  return {
    put: [
      ['identity', encodeIdentity(identity)],
      [currentKey, current],
      [archivedKey, archived],
    ],
    result: {
      stanza: serialize(element('jabber:client', 'message', attrs, messageChildren([encrypted]))),
      romeosFingerprint: fingerprint(identity),
    },
  }
})
console.log(
  `${stanza.length} characters leave, and none of them is the message: ${!stanza.includes('light')}`,
)

// Juliet's client gets the stanza, and has made sure that it comes from Romeo's account.
const received = parse(stanza)
const inboxKey = `inbox/${romeo.jid}/${received.attrs.id}`
const readKeys = ['identity', preKeysKey, inboxKey]
const content = await update(julietsStore, readKeys, async ([identity, preKeyBytes, kept], reader) => {
  // After a crash, in another tab, or when the store could not say how a commit ended: it is there already.
  if (kept !== undefined) return { result: parse(kept) }

  const [found] = encryptedElements(received)
  const encrypted = encryptedFormats[namespace].decode(found!.element)
  const [key] = keysFor(encrypted, juliet)
  if (key === undefined || encrypted.payload === undefined) throw new Error('not for this device')
  const [currentKey, archivedKey] = sessionKeys(romeo.jid, encrypted.sid)
  const [current, archived] = await reader.read([currentKey, archivedKey])

  const self = { identity: decodeIdentity(identity!), deviceId: juliet.deviceId }
  const preKeys = decodePreKeys(preKeyBytes!)
  const sessions = current && archived && decodeSessions({ current, archived })
  const arrival = { channel: 'live', sentAt: Date.now() } as const
  const opened = run(decryptMessage(omemo2, { self, preKeys, sessions }, key.data, arrival))
  // Anybody can open a session under any name. Whose key it is decides who wrote this; they have compared theirs.
  if (fingerprint(omemo2.readIdentity(opened.theirIdentity)) !== romeosFingerprint)
    throw new Error('an impostor')

  const envelope = payloadCiphers[namespace].open({
    payload: encrypted.payload,
    keyMaterial: opened.plaintext,
  })
  const checked = checkAffixes(decodeEnvelope(envelope), {
    kind: 'chat',
    account: juliet.jid,
    chat: romeo.jid,
    sender: romeo.jid,
    sentAt: new Date(arrival.sentAt),
  })
  const message = withContent(received, checked.content)
  const stored = encodeSessions(opened.sessions)
  const put: Put[] = [
    [inboxKey, new TextEncoder().encode(serialize(message))],
    [currentKey, stored.current],
    [archivedKey, stored.archived],
  ]
  if (opened.usedPreKeyId !== undefined)
    put.push([preKeysKey, encodePreKeys(consumePreKey(preKeys, opened.usedPreKeyId))])
  // What must be sent waits in the store, too: an empty message on that session.
  if (opened.completion) put.push([`completion/${romeo.jid}/${encrypted.sid}`, opened.ephemeralKey])
  return { put, result: message }
})
console.log(`Juliet reads: ${text(child(content, 'body')!)}`)
