/**
 * A recorded conversation of two Profanity clients (XEP-0384 0.3.0), opened from their raw keys: stanza, ratchet,
 * payload. The ends go on from their own state wherever the keys allow, and from the record where not.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { bare, type Element, elements, parse } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { pickPreKey, verifyBundle } from '../src/bundle.ts'
import type { Bytes } from '../src/bytes.ts'
import { run } from '../src/curve.ts'
import type { KeyPair } from '../src/double-ratchet.ts'
import { fingerprint, importCurve25519 } from '../src/identity-key.ts'
import { axolotlPayload } from '../src/payload.ts'
import { decodeBody } from '../src/payload-body.ts'
import type { PreKeys } from '../src/pre-keys.ts'
import { axolotl } from '../src/protocol.ts'
import { encryptSession, type Session } from '../src/session.ts'
import { decodeSessions, encodeSessions } from '../src/session-codec.ts'
import { bundles } from '../src/stanza/bundle.ts'
import { encryptedFormats, keysFor } from '../src/stanza/encrypted.ts'
import { encryptedElements } from '../src/stanza/message.ts'
import { backends, nodeCurve } from './node-curve.ts'
import { type Device, failure, flipped, received } from './support.ts'
import vectors from './vectors/profanity.json' with { type: 'json' }

type Name = 'alice' | 'bob'
const peerOf = { alice: 'bob', bob: 'alice' } as const

interface StoredSession {
  readonly initiator: string
  readonly baseKey: string
  readonly rootKey: string
  readonly ratchet: { readonly secret: string | null; readonly public: string }
  readonly sending: { readonly chainKey: string; readonly n: number } | null
  readonly previousSendingLength: number
  readonly receiving: readonly {
    readonly ratchetKey: string
    readonly chainKey: string
    readonly n: number
  }[]
}

/** 05 ‖ u → u */
const key = (hex: string): Bytes => hexToBytes(hex.slice(2))

function keyPair(pair: { readonly secret: string; readonly public: string }): KeyPair {
  return { secret: hexToBytes(pair.secret), publicKey: key(pair.public) }
}

function preKeysOf(
  name: Name,
  replaced: readonly { id: number; secret: string; public: string }[] = [],
): PreKeys {
  const { signedPreKeys, preKeys } = vectors.accounts[name]
  const [signed] = signedPreKeys
  if (signed === undefined) throw new Error('no signed prekey')
  const current = preKeys.map((preKey) => replaced.find(({ id }) => id === preKey.id) ?? preKey)
  return {
    signed: { id: signed.id, ...keyPair(signed) },
    previousSigned: undefined,
    oneTime: current.map((preKey) => ({ id: preKey.id, ...keyPair(preKey) })),
    nextId: 1,
  }
}

function deviceOf(name: Name): Device {
  const { identitySecret, deviceId } = vectors.accounts[name]
  const identity = importCurve25519(hexToBytes(identitySecret))
  return { self: { identity, deviceId }, preKeys: preKeysOf(name), sessions: undefined }
}

/** The client's record as a session of ours. A secret that is not known is zero: nothing needs it then. */
function sessionOf(owner: Name, stored: StoredSession, exchange: Session['exchange']): Session {
  const last = stored.receiving.at(-1)
  const receiving = last && {
    ratchetKey: key(last.ratchetKey),
    chainKey: hexToBytes(last.chainKey),
    next: last.n,
  }
  const base = {
    rootKey: hexToBytes(stored.rootKey),
    previousCounter: stored.previousSendingLength,
    skipped: [],
  }
  const ours = keyPair({ public: stored.ratchet.public, secret: stored.ratchet.secret ?? '00'.repeat(32) })
  const { sending } = stored
  if (sending === null && receiving === undefined) throw new Error('a session without a chain')
  return {
    namespace: axolotl.namespace,
    role: stored.initiator === owner ? 'initiator' : 'responder',
    ephemeralKey: key(stored.baseKey),
    theirIdentity: key(vectors.accounts[peerOf[owner]].identityPublic),
    stamp: 0,
    exchange,
    ratchet:
      sending === null && receiving !== undefined
        ? { ...base, state: 'waiting', receiving }
        : {
            ...base,
            state: 'sending',
            ours,
            sending: { chainKey: hexToBytes(sending?.chainKey ?? ''), next: sending?.n ?? 0 },
            receiving,
          },
  }
}

const withSession = (device: Device, current: Session): Device => ({
  ...device,
  sessions: { current, archived: [], rival: undefined },
})

const isMessage = (row: (typeof vectors.cases)[number]) => row.kind === 'message'

/** What the file says of a message, with its keys and payload taken from the stanza by our own codecs. */
const messages = vectors.cases.filter(isMessage).map((row) => {
  const { sender, recipient, expected, session, senderSession, replacedPreKeys } = row
  if (
    (sender !== 'alice' && sender !== 'bob') ||
    (recipient !== 'alice' && recipient !== 'bob') ||
    !expected?.keyMaterial ||
    !senderSession
  )
    throw new Error(row.name)
  const decoded = (text: string) => {
    const [found] = encryptedElements(parse(text))
    if (found === undefined) throw new Error('not encrypted')
    return encryptedFormats[found.namespace].decode(found.element)
  }
  const encrypted = decoded(row.stanza)
  const { jid, deviceId } = vectors.accounts[recipient]
  const keys = keysFor(encrypted, { jid: bare(jid), deviceId }).map(({ data }) => data)
  const written = decoded(row.sent ?? '').keys.filter(({ rid }) => rid === deviceId)
  const exchange: Session['exchange'] = expected.keyExchange
    ? {
        state: 'pending',
        preKeyId: expected.keyExchange.preKeyId,
        signedPreKeyId: expected.keyExchange.signedPreKeyId,
      }
    : { state: 'confirmed' }
  return {
    name: row.name,
    sender,
    recipient,
    encrypted,
    keys,
    written: written.map(({ data }) => data),
    exchange,
    record: session ?? undefined,
    senderRecord: senderSession,
    replaced: replacedPreKeys ?? [],
    registrationId: expected.keyExchange?.registrationId ?? 0,
    previousCounter: expected.previousCounter ?? 0,
    counters: expected.counters ?? [],
    keyMaterial: hexToBytes(expected.keyMaterial),
    plaintext: expected.plaintext,
  } as const
})

type Message = (typeof messages)[number]

/** The bundle in a publish request or a result, which nest alike. */
function bundleIn(stanza: string): Element {
  let el: Element | undefined = parse(stanza)
  while (el !== undefined && el.name !== 'bundle') el = elements(el)[0]
  if (el === undefined) throw new Error('no bundle')
  return el
}

/** Opens every key of the message, one after the other, and the payload with what they give. */
function open(message: Message, device: Device): { readonly device: Device; readonly body: string } {
  let to = device
  for (const data of message.keys) {
    const result = received(axolotl, to, data)
    expect(bytesToHex(result.opened.plaintext)).toBe(bytesToHex(message.keyMaterial))
    // As a store would keep it.
    const sessions = decodeSessions(encodeSessions(result.opened.sessions))
    expect(sessions).toEqual(result.opened.sessions)
    to = { ...result.device, sessions }
  }
  const { payload, iv } = message.encrypted
  if (payload === undefined) throw new Error('no payload')
  const body = axolotlPayload.open({ payload, iv, keyMaterial: message.keyMaterial })
  return { device: to, body: decodeBody(body) }
}

test('the file has eight messages, two of them in a room', () => {
  expect(messages.map(({ name }) => name)).toEqual([
    'message 1, alice to bob',
    'message 2, alice to bob',
    'message 3, bob to alice',
    'message 4, alice to bob',
    'message 5, bob to alice',
    'message 6, alice to bob',
    'group message 1, alice to bob',
    'group message 2, bob to alice',
  ])
})

describe.each(messages)('$name', (message) => {
  test('opens from the keys and the record of its recipient', () => {
    const { recipient, record, replaced, keys, counters, plaintext } = message
    expect(keys.length).toBe(counters.length)
    const device = { ...deviceOf(recipient), preKeys: preKeysOf(recipient, replaced) }
    const state = record?.initiator === recipient ? message.exchange : ({ state: 'accepted' } as const)
    const to = record === undefined ? device : withSession(device, sessionOf(recipient, record, state))
    expect(open(message, to).body).toBe(plaintext)
  })

  test('is written byte by byte from the record of its sender', () => {
    const { sender, senderRecord, exchange, registrationId, previousCounter, written } = message
    const { self } = deviceOf(sender)
    // This client writes its registration id, and counts the previous chain from zero.
    const from = { ...self, deviceId: registrationId }
    let session = sessionOf(sender, senderRecord, exchange)
    session = { ...session, ratchet: { ...session.ratchet, previousCounter } }
    for (const data of written) {
      const sent = run(encryptSession(from, session, message.keyMaterial), nodeCurve)
      expect(sent.message.keyExchange).toBe(exchange.state === 'pending')
      // The fields of a key exchange come in another order here; all that is authenticated is the same.
      const compared = sent.message.keyExchange
        ? [sent.message.data, data].map((bytes) => axolotl.wire.decodeKeyExchange(bytes))
        : [bytesToHex(sent.message.data), bytesToHex(data)]
      expect(compared[0]).toEqual(compared[1])
      expect(sent.message.data.length).toBe(data.length)
      session = sent.session
    }
  })

  test('a bit of its payload changed, and nothing opens', () => {
    const { payload, iv } = message.encrypted
    if (payload === undefined) throw new Error('no payload')
    for (let at = 0; at < payload.length; at++) {
      const sealed = { payload: flipped(payload, at, at % 8), iv, keyMaterial: message.keyMaterial }
      expect(failure(() => axolotlPayload.open(sealed)).code).toBe('payload-authentication-failed')
    }
  })
})

test('the conversation, each end from its own state for as long as the keys are known', () => {
  const start = sessionOf('alice', vectors.initiatorStart, messages[0]?.exchange ?? { state: 'confirmed' })
  const ends: { alice: Device | undefined; bob: Device | undefined } = {
    alice: withSession(deviceOf('alice'), start),
    bob: deviceOf('bob'),
  }
  const log = messages.map((message) => {
    const { sender, recipient, senderRecord, keyMaterial } = message
    ends[sender] = sending(ends[sender], senderRecord, keyMaterial, message.keys.length)
    const before = ends[recipient]
    if (before === undefined) {
      const { record } = message
      if (record === undefined) throw new Error('no record')
      const device = withSession(deviceOf(recipient), sessionOf(recipient, record, { state: 'confirmed' }))
      return `${open(message, device).body} (from the record)`
    }
    const { device, body } = open(message, before)
    ends[recipient] = device
    return body
  })
  // Bob's ratchet secret of message 5 is in none of his records: his own state ends there.
  expect(log).toEqual([
    'one: key exchange ✓',
    'two: still key exchange',
    'three: answer <b>&amp;</b>',
    'four: ratchet',
    'five',
    'six (from the record)',
    'muc: from alice (from the record)',
    'muc: from bob',
  ])
})

/** The sender after its message: with the ratchet secret it drew, or nothing where that is not known. */
function sending(
  device: Device | undefined,
  record: StoredSession,
  keyMaterial: Uint8Array,
  count: number,
): Device | undefined {
  if (device?.sessions === undefined || record.ratchet.secret === null) return undefined
  const drawn = hexToBytes(record.ratchet.secret)
  let session = device.sessions.current
  for (let i = 0; i < count; i++)
    session = run(
      encryptSession(device.self, session, keyMaterial, () => drawn),
      nodeCurve,
    ).session
  expect(bytesToHex(session.ratchet.rootKey)).toBe(record.rootKey)
  return { ...device, sessions: { ...device.sessions, current: session } }
}

test('a reflected room message has no key for the device that sent it', () => {
  const reflections = vectors.cases.filter(({ kind }) => kind === 'reflection')
  expect(reflections.length).toBe(2)
  for (const { stanza, recipient } of reflections) {
    const [found] = encryptedElements(parse(stanza))
    if (found === undefined || (recipient !== 'alice' && recipient !== 'bob')) throw new Error('unreadable')
    const { jid, deviceId } = vectors.accounts[recipient]
    const encrypted = encryptedFormats[found.namespace].decode(found.element)
    expect(keysFor(encrypted, { jid: bare(jid), deviceId })).toEqual([])
  }
})

describe.each(Object.entries(backends))('bundles verify, %s', (_name, curve) => {
  test.each(vectors.cases.filter(({ kind }) => kind === 'bundle'))(
    '$name',
    ({ stanza, account, expected }) => {
      if (account !== 'alice' && account !== 'bob') throw new Error('no such account')
      const bundle = run(verifyBundle(axolotl, bundles[axolotl.namespace].decode(bundleIn(stanza))), curve)
      const identity = importCurve25519(hexToBytes(vectors.accounts[account].identitySecret))
      expect(fingerprint(bundle.identityKey)).toBe(fingerprint(identity))
      expect(`05${fingerprint(bundle.identityKey)}`).toBe(expected?.identityKey)
      expect(bundle.preKeys.length).toBe(100)
      expect(bundle.preKeys).toContain(pickPreKey(bundle))
    },
  )
})
