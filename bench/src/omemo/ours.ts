/** The contender of this project: a device over `@xmpp-e2e/omemo/primitives`, whose state is bytes in a map. */
import { OwnDevice } from '@xmpp-e2e/interop/own-device'
import {
  bundles,
  decodeSessions,
  encodeSessions,
  encryptedFormats,
  encryptMessage,
  generateIdentity,
  initiateSession,
  payloadCiphers,
  protocols,
  run,
  verifyBundle,
  withInitiated,
} from '@xmpp-e2e/omemo/primitives'
import { parse, serialize } from '@xmpp-e2e/xml'
import { serve } from '../contender.ts'

const OMEMO_2 = 'urn:xmpp:omemo:2'
const TEXT = 'a'.repeat(200)
const PAGE = 50
const DEVICES = 1000
/** A session takes one away; both sides keep few, since making them is no part of any row. */
const PRE_KEYS = 1

const deviceOf = (name: string) =>
  new OwnDevice({ jid: `${name}@example.org`, namespaces: [OMEMO_2], preKeys: PRE_KEYS })
const peerOf = ({ jid, deviceId }: OwnDevice) => ({ jid, deviceId, namespace: OMEMO_2 }) as const

function read(by: OwnDevice, from: OwnDevice, xml: string): void {
  const read = by.decrypt(from.jid, OMEMO_2, xml)
  if (read.kind !== 'message' || read.body !== TEXT) throw new Error('another text was read than was sent')
}

function say(from: OwnDevice, to: OwnDevice): void {
  read(to, from, from.encrypt(peerOf(to), TEXT))
}

function pair(): readonly [OwnDevice, OwnDevice] {
  const [alice, bob] = [deviceOf('alice'), deviceOf('bob')]
  alice.open(peerOf(bob), bob.published(OMEMO_2).bundle)
  say(alice, bob)
  say(bob, alice)
  return [alice, bob]
}

function times(count: number, work: () => void): () => void {
  return () => {
    for (let i = 0; i < count; i++) work()
  }
}

/** One message for many devices, with sessions that nobody has answered on yet. */
function fanOut() {
  const protocol = protocols[OMEMO_2]
  const self = { identity: generateIdentity(), deviceId: 1 }
  const bundle = run(
    verifyBundle(protocol, bundles[OMEMO_2].decode(parse(deviceOf('bob').published(OMEMO_2).bundle))),
  )
  const stored = Array.from({ length: DEVICES }, (_, i) => {
    const session = run(initiateSession(protocol, self, bundle, Date.now()))
    return { rid: i + 1, bytes: encodeSessions(withInitiated(undefined, session)) }
  })
  return () => {
    const sealed = payloadCiphers[OMEMO_2].seal(new TextEncoder().encode(TEXT))
    const keys = stored.map((device) => {
      const { sessions, message } = run(
        encryptMessage(self, decodeSessions(device.bytes), sealed.keyMaterial),
      )
      device.bytes = encodeSessions(sessions)
      const { keyExchange, data } = message
      return { jid: 'bob@example.org', rid: device.rid, keyExchange, data }
    })
    return serialize(encryptedFormats[OMEMO_2].encode({ sid: 1, keys, payload: sealed.payload }))
  }
}

let toMany: (() => string) | undefined

await serve({
  session(count) {
    const alice = deviceOf('alice')
    const peers = Array.from({ length: count }, () => deviceOf('bob'))
    const published = peers.map((peer) => peer.published(OMEMO_2).bundle)
    return () => {
      for (const [i, peer] of peers.entries()) {
        alice.open(peerOf(peer), published[i] ?? '')
        say(alice, peer)
      }
    }
  },
  message(count) {
    const [alice, bob] = pair()
    return times(count, () => say(alice, bob))
  },
  'ping-pong'(count) {
    const [alice, bob] = pair()
    return times(count, () => {
      say(alice, bob)
      say(bob, alice)
    })
  },
  page(count) {
    const [alice, bob] = pair()
    const messages = Array.from({ length: PAGE * count }, () => alice.encrypt(peerOf(bob), TEXT))
    return () => {
      for (const message of messages) read(bob, alice, message)
    }
  },
  'fan-out'(count) {
    toMany ??= fanOut()
    return times(count, toMany)
  },
})
