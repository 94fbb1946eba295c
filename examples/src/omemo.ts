// Romeo writes a whole OMEMO message stanza; Juliet opens it. Both keep their state in a store, as bytes, and commit
// before anything is sent or shown. What crosses the network is `published` and `stanza`.
import {
  bundles,
  checkAffixes,
  consumePreKey,
  decodeEnvelope,
  decodeIdentity,
  decodePreKeys,
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
} from '@xmpp-e2e/omemo'
import { memoryStore, scoped, update } from '@xmpp-e2e/store'
import { bareJid, element, parse, serialize, text } from '@xmpp-e2e/xml'

const romeo = { jid: bareJid.decode('romeo@montague.lit')!, deviceId: 27183 }
const juliet = { jid: bareJid.decode('juliet@capulet.lit')!, deviceId: 31415 }
const { namespace } = omemo2
const romeosStore = scoped(memoryStore(), romeo.jid) // use a durable store in an application
const julietsStore = scoped(memoryStore(), juliet.jid)

// Juliet makes her keys once, stores them, and publishes the bundle in her PEP node `bundles[namespace].location(31415)`.
const published = await update(julietsStore, [], () => {
  const identity = generateIdentity()
  const preKeys = run(generatePreKeys())
  const bundle = bundles[namespace].encode(publishedBundle(omemo2, identity, preKeys))
  return {
    put: [
      ['identity', encodeIdentity(identity)],
      ['prekeys', encodePreKeys(preKeys)],
    ],
    result: serialize(bundle),
  }
})

// Romeo has fetched it. He verifies it, looks whether he trusts its key, and opens a session.
const bundle = run(verifyBundle(omemo2, bundles[namespace].decode(parse(published))))
console.log(`Juliet's key: ${fingerprint(bundle.identityKey)}`)

const stanza = await update(romeosStore, [], () => {
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
  const { current, archived } = encodeSessions(sessions)
  return {
    put: [
      ['identity', encodeIdentity(identity)],
      [`session/${juliet.jid}/${juliet.deviceId}`, current],
      [`archived/${juliet.jid}/${juliet.deviceId}`, archived],
    ],
    result: serialize(
      element('jabber:client', 'message', { to: juliet.jid, type: 'chat' }, messageChildren([encrypted])),
    ),
  }
})
console.log(
  `${stanza.length} characters leave, and none of them is the message: ${!stanza.includes('light')}`,
)

// Juliet's client receives the stanza, and has made sure that it comes from Romeo.
const received = parse(stanza)
const content = await update(julietsStore, ['identity', 'prekeys'], ([identityBytes, preKeyBytes]) => {
  const self = { identity: decodeIdentity(identityBytes!), deviceId: juliet.deviceId }
  const preKeys = decodePreKeys(preKeyBytes!)
  const [found] = encryptedElements(received)
  const encrypted = encryptedFormats[namespace].decode(found!.element)
  const [key] = keysFor(encrypted, juliet)
  const arrival = { channel: 'live', sentAt: Date.now() } as const
  const opened = run(decryptMessage(omemo2, self, preKeys, undefined, key!.data, arrival))

  const envelope = payloadCiphers[namespace].open({
    payload: encrypted.payload!,
    keyMaterial: opened.plaintext,
  })
  const { content } = checkAffixes(decodeEnvelope(envelope), {
    kind: 'chat',
    account: juliet.jid,
    chat: romeo.jid,
    sender: romeo.jid,
    sentAt: new Date(arrival.sentAt),
  })
  const { current, archived } = encodeSessions(opened.sessions)
  return {
    put: [
      ['prekeys', encodePreKeys(consumePreKey(preKeys, opened.usedPreKeyId!))],
      [`session/${romeo.jid}/${encrypted.sid}`, current],
      [`archived/${romeo.jid}/${encrypted.sid}`, archived],
    ],
    result: content,
  }
})
console.log(`Juliet reads: ${content.map(text).join()}`)
