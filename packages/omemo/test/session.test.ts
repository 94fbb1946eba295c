/** XEP-0384 §4.3 and §5.5: one session, from the key exchange to its confirmation, and the prekeys it uses. */
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { type Bytes, sameBytes } from '../src/bytes.ts'
import { run } from '../src/curve.ts'
import { toEdwards } from '../src/identity-key.ts'
import { forgetPreviousSignedPreKey, rotateSignedPreKey } from '../src/pre-keys.ts'
import { axolotl } from '../src/protocol.ts'
import {
  acceptSession,
  decryptRepeatedExchange,
  decryptSession,
  initiateSession,
  type Session,
} from '../src/session.ts'
import type { KeyExchange } from '../src/wire/wire.ts'
import { nodeCurve } from './node-curve.ts'
import {
  type Device,
  device,
  failure,
  initiated,
  received,
  seeded,
  sent,
  snapshot,
  verifiedBundle,
  versions,
} from './support.ts'

const alice = device('alice', 1)
const bob = device('bob', 2)
const mallory = device('mallory', 3)

function session(of: Device): Session {
  if (of.sessions === undefined) throw new Error('no session')
  return of.sessions.current
}

describe.each(versions)('$namespace', (protocol) => {
  const { wire } = protocol
  const start = initiated(protocol, alice, bob)

  /** A key exchange with some of its fields changed. */
  const changed = (data: Uint8Array, fields: Partial<KeyExchange>): Bytes => {
    const exchange = { ...wire.decodeKeyExchange(data), ...fields }
    return wire.encodeKeyExchange({ ...exchange, preKeyId: exchange.preKeyId ?? 0 }, 1)
  }
  const refusal = (to: Device, data: Uint8Array): string => {
    const before = snapshot(to)
    const { code } = failure(() => received(protocol, to, data))
    expect(snapshot(to)).toBe(before)
    return code
  }

  test('initiating sends nothing and uses no prekey', () => {
    const opened = session(start)
    expect(opened).toMatchObject({ role: 'initiator', stamp: 1000, namespace: protocol.namespace })
    expect(opened.exchange).toMatchObject({ state: 'pending', signedPreKeyId: bob.preKeys.signed.id })
    expect(bob.preKeys.oneTime.length).toBe(4)
  })

  test('§4.3: every message is the key exchange, with the same ids, until an answer comes', () => {
    let from = start
    const ids = new Set<string>()
    for (const text of ['one', 'two', 'three']) {
      const { device: next, message } = sent(from, text)
      const { preKeyId, signedPreKeyId, ephemeralKey, identityKey } = wire.decodeKeyExchange(message.data)
      ids.add([preKeyId, signedPreKeyId, ephemeralKey].join())
      expect(message.keyExchange).toBe(true)
      expect(wire.isKeyExchange(message.data)).toBe(true)
      expect(identityKey).toEqual(protocol.identityBytes(alice.self.identity))
      expect(next.sessions?.current.exchange).toEqual(session(start).exchange)
      from = next
    }
    expect(ids.size).toBe(1)
  })

  test('accepting uses the one-time prekey, and asks for one completion', () => {
    const { message } = sent(start, 'hello')
    const { opened, text, device: after } = received(protocol, bob, message.data)
    expect(text).toBe('hello')
    expect(opened).toMatchObject({
      completion: true,
      usedPreKeyId: wire.decodeKeyExchange(message.data).preKeyId,
    })
    expect(opened.ephemeralKey).toEqual(session(start).ephemeralKey)
    expect(session(after)).toMatchObject({ role: 'responder', exchange: { state: 'accepted' }, stamp: 2000 })
    expect(session(after).theirIdentity).toEqual(protocol.identityBytes(alice.self.identity))
    expect(after.preKeys.oneTime.length).toBe(3)
  })

  test('completion: an answer ends the key exchanges, a plain message confirms the answerer', () => {
    const first = sent(start, 'hello')
    const accepted = received(protocol, bob, first.message.data).device
    const completion = sent(accepted, '')
    expect(completion.message.keyExchange).toBe(false)
    const completed = received(protocol, first.device, completion.message.data)
    expect(completed.opened).toMatchObject({ completion: false, usedPreKeyId: undefined })
    expect(session(completed.device).exchange).toEqual({ state: 'confirmed' })
    const second = sent(completed.device, 'second')
    expect(second.message.keyExchange).toBe(false)
    const confirmed = received(protocol, completion.device, second.message.data)
    expect(session(confirmed.device).exchange).toEqual({ state: 'confirmed' })
    expect(confirmed.opened.completion).toBe(false)
  })

  test('a key exchange repeated opens its message, and changes nothing else', () => {
    const first = sent(start, 'one')
    const second = sent(first.device, 'two')
    const accepted = received(protocol, bob, first.message.data).device
    const again = received(protocol, accepted, second.message.data)
    expect(again.text).toBe('two')
    expect(again.opened).toMatchObject({ completion: false, usedPreKeyId: undefined })
    expect(session(again.device).exchange).toEqual({ state: 'accepted' })
    expect(again.device.preKeys).toBe(accepted.preKeys)
  })

  test('the second of two key exchanges may arrive first', () => {
    const first = sent(start, 'one')
    const second = sent(first.device, 'two')
    const accepted = received(protocol, bob, second.message.data)
    expect(accepted.opened.completion).toBe(true)
    expect(received(protocol, accepted.device, first.message.data)).toMatchObject({
      text: 'one',
      opened: { completion: false, usedPreKeyId: undefined },
    })
  })

  test('a key exchange delivered twice is a duplicate', () => {
    const { message } = sent(start, 'hello')
    expect(refusal(received(protocol, bob, message.data).device, message.data)).toBe('message-duplicate')
  })

  test('a plain message without a session', () => {
    const accepted = received(protocol, bob, sent(start, 'hello').message.data).device
    expect(refusal(alice, sent(accepted, 'answer').message.data)).toBe('session-missing')
  })

  test('a message for another session', () => {
    const accepted = received(protocol, bob, sent(start, 'hello').message.data).device
    const other = initiated(protocol, alice, bob, seeded('other'))
    expect(refusal(other, sent(accepted, 'answer').message.data)).toBe('message-authentication-failed')
  })

  describe('identities', () => {
    test('the same ephemeral key with another identity key', () => {
      const first = sent(start, 'one')
      const accepted = received(protocol, bob, first.message.data).device
      const { data } = sent(first.device, 'two').message
      const identityKey = protocol.identityBytes(mallory.self.identity)
      expect(refusal(accepted, changed(data, { identityKey }))).toBe('identity-mismatch')
    })

    test('our own ephemeral key, sent back', () => {
      expect(refusal(start, sent(start, 'reflected').message.data)).toBe('identity-mismatch')
    })

    test('an ephemeral key used again for another peer or device of ours', () => {
      const { data } = sent(start, 'hello').message
      // Another device has other prekeys under the same ids.
      expect(refusal(mallory, data)).toBe('message-authentication-failed')
      // For another peer the one-time prekey is gone.
      const { preKeys } = received(protocol, bob, data).device
      expect(refusal({ ...bob, preKeys, sessions: undefined }, data)).toBe('pre-key-unknown')
    })

    test('an identity key put in place of the sender’s', () => {
      const { data } = sent(start, 'hello').message
      const identityKey = protocol.identityBytes(mallory.self.identity)
      expect(refusal(bob, changed(data, { identityKey }))).toBe('message-authentication-failed')
    })

    test('keys of small order', () => {
      const { data } = sent(start, 'hello').message
      for (const u of [0, 1]) {
        const key = Uint8Array.of(u, ...new Uint8Array(31))
        expect(refusal(bob, changed(data, { identityKey: key }))).toBe('key-invalid')
        expect(refusal(bob, changed(data, { ephemeralKey: key }))).toBe('key-invalid')
      }
    })

    test('an ephemeral key of mixed order, which agrees on the same secrets under another name', () => {
      const { data } = sent(start, 'hello').message
      const point = ed25519.Point.fromBytes(toEdwards(wire.decodeKeyExchange(data).ephemeralKey, 0))
      for (const torsion of ED25519_TORSION_SUBGROUP.slice(1)) {
        const mixed = point.add(ed25519.Point.fromHex(torsion)).toBytes()
        const ephemeralKey = ed25519.utils.toMontgomery(mixed)
        expect(refusal(bob, changed(data, { ephemeralKey }))).toBe('key-invalid')
      }
    })

    test('an ephemeral key of mixed order, after the true one was accepted and the prekey was kept', () => {
      const { data } = sent(start, 'hello').message
      const { device: after } = received(protocol, bob, data)
      const kept = { ...after, preKeys: bob.preKeys }
      const point = ed25519.Point.fromBytes(toEdwards(wire.decodeKeyExchange(data).ephemeralKey, 0))
      const torsion = ed25519.Point.fromHex(ED25519_TORSION_SUBGROUP[1] as string)
      const ephemeralKey = ed25519.utils.toMontgomery(point.add(torsion).toBytes())
      expect(refusal(kept, changed(data, { ephemeralKey }))).toBe('key-invalid')
      expect(refusal(kept, data)).toBe('message-duplicate')
    })

    test('an ephemeral key on the twist', () => {
      const { data } = sent(start, 'hello').message
      const ephemeralKey = Uint8Array.of(2, ...new Uint8Array(31))
      expect(refusal(bob, changed(data, { ephemeralKey }))).toBe('key-invalid')
    })

    test('keys that are not canonical', () => {
      const { data } = sent(start, 'hello').message
      const key = new Uint8Array(32).fill(0xff)
      expect(refusal(bob, changed(data, { identityKey: key }))).toBe('key-invalid')
      expect(refusal(bob, changed(data, { ephemeralKey: key }))).toBe('key-invalid')
    })

    test('another device of the account has another identity', () => {
      const second = device('second', 9)
      const from = initiated(protocol, alice, second)
      const { device: to, text } = received(protocol, second, sent(from, 'note').message.data)
      expect(text).toBe('note')
      expect(received(protocol, from, sent(to, 'read').message.data).text).toBe('read')
    })

    test('no session with our own identity: not with a bundle, nor with a key exchange', () => {
      const { identity } = alice.self
      expect(failure(() => initiated(protocol, alice, alice)).code).toBe('identity-mismatch')
      // Made as if for somebody else, the key exchange itself is good.
      const disguised = { identity: { ...identity, montgomery: bob.self.identity.montgomery }, deviceId: 9 }
      const bundle = verifiedBundle(protocol, alice)
      const made = run(initiateSession(protocol, disguised, bundle, 1, seeded('own')), nodeCurve)
      const sessions = { current: made, archived: [], rival: undefined }
      expect(refusal(alice, sent({ ...alice, sessions }, 'to myself').message.data)).toBe('identity-mismatch')
    })
  })

  describe('prekeys', () => {
    const { data } = sent(start, 'hello').message
    const { preKeyId } = wire.decodeKeyExchange(data)

    test('missing, in bytes that are still taken for a key exchange', () => {
      const at = protocol === axolotl ? '33 28 01'.split(' ').length : 0
      expect(data[at]).toBe(0x08)
      const without = Uint8Array.of(...data.subarray(0, at), ...data.subarray(at + 2))
      expect(wire.decodeKeyExchange(without)).toEqual({
        ...wire.decodeKeyExchange(data),
        preKeyId: undefined,
      })
      expect(refusal(bob, without)).toBe('pre-key-missing')
      const earlier = sent(initiated(protocol, alice, bob, seeded('earlier')), 'x').message
      const known = received(protocol, bob, earlier.data).device
      expect(refusal(known, without)).toBe('pre-key-missing')
    })

    test('unknown', () => {
      expect(refusal(bob, changed(data, { preKeyId: 99 }))).toBe('pre-key-unknown')
      expect(refusal(bob, changed(data, { preKeyId: 0 }))).toBe('pre-key-unknown')
    })

    test('used', () => {
      const { preKeys } = received(protocol, bob, data).device
      expect(refusal({ ...bob, preKeys }, data)).toBe('pre-key-unknown')
    })

    test('another of ours', () => {
      const other = bob.preKeys.oneTime.find(({ id }) => id !== preKeyId)
      expect(refusal(bob, changed(data, { preKeyId: other?.id }))).toBe('message-authentication-failed')
    })

    test('a signed prekey that is not ours', () => {
      expect(refusal(bob, changed(data, { signedPreKeyId: 99 }))).toBe('signed-pre-key-unknown')
    })

    test('the signed prekey before the present one, by its id, until it is forgotten', () => {
      const rotate = (of: Device): Device => ({
        ...of,
        preKeys: run(rotateSignedPreKey(of.preKeys, seeded('rotated')), nodeCurve),
      })
      const once = rotate(bob)
      expect(received(protocol, once, data).text).toBe('hello')
      const forgotten = { ...once, preKeys: forgetPreviousSignedPreKey(once.preKeys) }
      expect(refusal(forgotten, data)).toBe('signed-pre-key-unknown')
      expect(refusal(rotate(once), data)).toBe('signed-pre-key-unknown')
      const renewed = sent(initiated(protocol, alice, once), 'renewed').message
      expect(received(protocol, once, renewed.data).text).toBe('renewed')
      expect(wire.decodeKeyExchange(renewed.data).signedPreKeyId).not.toBe(bob.preKeys.signed.id)
    })

    test('garbage with a good id uses no prekey', () => {
      const message = wire.decodeKeyExchange(data).message.map((byte, i) => (i > 50 ? byte ^ 1 : byte))
      expect(refusal(bob, changed(data, { message: Uint8Array.from(message) }))).toMatch(/^message-/)
      expect(received(protocol, bob, data).text).toBe('hello')
    })
  })

  test('deciding needs the secret of the identity only: no scalar, no prefix', () => {
    const { secret, montgomery, edwards } = bob.self.identity
    const self = { identity: { secret, montgomery, edwards }, deviceId: 2 }
    const exchange = wire.decodeKeyExchange(sent(start, 'hello').message.data)
    const accepted = run(acceptSession(protocol, self, bob.preKeys, exchange, 1), nodeCurve)
    expect(accepted.plaintext).toEqual(utf8ToBytes('hello'))
  })

  test('decryptSession and decryptRepeatedExchange refuse what is not theirs', () => {
    const accepted = received(protocol, bob, sent(start, 'hello').message.data).device
    const exchange = wire.decodeKeyExchange(sent(sent(start, 'hello').device, 'two').message.data)
    const repeat = (of: Session) => run(decryptRepeatedExchange(bob.self, of, exchange), nodeCurve)
    expect(repeat(session(accepted)).plaintext).toEqual(utf8ToBytes('two'))
    expect(failure(() => repeat({ ...session(accepted), role: 'initiator' })).code).toBe('identity-mismatch')
    const foreign = new Uint8Array(40)
    expect(failure(() => run(decryptSession(bob.self, session(accepted), foreign), nodeCurve)).code).toMatch(
      /^(message-malformed|version-unsupported)$/,
    )
  })
})

test('the two namespaces never open each other’s sessions', () => {
  for (const protocol of versions) {
    const other = versions.find((version) => version !== protocol) ?? axolotl
    const { data } = sent(initiated(protocol, alice, bob), 'hello').message
    expect(failure(() => received(other, bob, data)).code).toMatch(
      /^(message-malformed|version-unsupported|session-missing)$/,
    )
  }
  const [first, second] = versions.map((protocol) => session(initiated(protocol, alice, bob)))
  expect(first && second && sameBytes(first.ratchet.rootKey, second.ratchet.rootKey)).toBe(false)
})
