// Alice writes to Bob, who is offline; later he answers. What crosses the network is `bundle` and the two `message.data`.
import {
  consumePreKey,
  decryptMessage,
  encryptMessage,
  fingerprint,
  generateIdentity,
  generatePreKeys,
  initiateSession,
  omemo2,
  publishedBundle,
  run,
  verifyBundle,
  withInitiated,
} from '@xmpp-e2e/omemo/primitives'

const utf8 = new TextEncoder()
const text = new TextDecoder()

const alice = { identity: generateIdentity(), deviceId: 1 }
const bob = { identity: generateIdentity(), deviceId: 2 }
const alicesKeys = run(generatePreKeys())
const bobsKeys = run(generatePreKeys())

// Bob has published a bundle. Alice verifies it, and decides whether she trusts the key in it.
const bundle = run(verifyBundle(omemo2, publishedBundle(omemo2, bob.identity, bobsKeys)))
console.log('Bob is', fingerprint(bundle.identityKey))

// Every step is pure: it returns the next state, to be stored before anything is sent or shown.
const session = run(initiateSession(omemo2, alice, bundle, Date.now()))
const sent = run(encryptMessage(alice, withInitiated(undefined, session), utf8.encode('Are you there?')))

// Bob comes online. One message is enough to open his side of the session; its one-time prekey is used up.
const live = { channel: 'live', sentAt: Date.now() } as const
const bobs = { self: bob, preKeys: bobsKeys, sessions: undefined }
const read = run(decryptMessage(omemo2, bobs, sent.message.data, live))
const bobsNextKeys = consumePreKey(bobsKeys, read.usedPreKeyId!)
console.log('It was written by', fingerprint(omemo2.readIdentity(read.theirIdentity)))
console.log('Bob reads:', text.decode(read.plaintext), `(${bobsNextKeys.oneTime.length} prekeys left)`)

const answer = run(encryptMessage(bob, read.sessions, utf8.encode('I am now.')))
const alices = { self: alice, preKeys: alicesKeys, sessions: sent.sessions }
const answered = run(decryptMessage(omemo2, alices, answer.message.data, live))
console.log('Alice reads:', text.decode(answered.plaintext))
