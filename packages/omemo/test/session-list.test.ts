/** Which session of a device is current: the rules in the header of `session-list.ts`. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { type Bytes, compareBytes } from '../src/bytes.ts'
import { fingerprint } from '../src/identity-key.ts'
import { MAX_ARCHIVED_SESSIONS } from '../src/session-list.ts'
import { crossed, currentKey, list, ordered, pass } from './session-pair.ts'
import {
  type Device,
  device,
  failure,
  initiated,
  received,
  seeded,
  sent,
  snapshot,
  versions,
} from './support.ts'

const alice = device('alice', 1, 16)
const bob = device('bob', 2, 16)

describe.each(versions)('$namespace', (protocol) => {
  describe('a session initiated by us', () => {
    test('becomes current, and what was current only decrypts', () => {
      const first = initiated(protocol, alice, bob)
      const second = initiated(protocol, first, bob, seeded('second'))
      expect(list(second).archived).toEqual([list(first).current])
      expect(list(second).rival).toBeUndefined()
      expect(currentKey(sent(second, 'hello').device)).toBe(currentKey(second))
    })

    test(`MAX_ARCHIVED_SESSIONS: ${MAX_ARCHIVED_SESSIONS} are kept, the oldest goes first`, () => {
      let from = initiated(protocol, alice, bob, seeded('0'))
      const first = currentKey(from)
      const keys = (): readonly string[] => list(from).archived.map((s) => bytesToHex(s.ephemeralKey))
      for (let i = 1; i <= MAX_ARCHIVED_SESSIONS; i++) from = initiated(protocol, from, bob, seeded(`${i}`))
      expect(keys().length).toBe(MAX_ARCHIVED_SESSIONS)
      expect(keys().at(-1)).toBe(first)
      from = initiated(protocol, from, bob, seeded('one more'))
      expect(keys().length).toBe(MAX_ARCHIVED_SESSIONS)
      expect(keys()).not.toContain(first)
    })

    test('the same for key exchanges that arrive: the ninth session before can no longer be answered', () => {
      let to = bob
      const opened: Device[] = []
      for (let i = 0; i <= MAX_ARCHIVED_SESSIONS + 1; i++) {
        // Each with a prekey of its own.
        const fresh = { ...bob, preKeys: { ...bob.preKeys, oneTime: bob.preKeys.oneTime.slice(i, i + 1) } }
        const own = sent(initiated(protocol, alice, fresh, seeded(`own ${i}`)), `${i}`)
        to = received(protocol, to, own.message.data).device
        opened.push(own.device)
      }
      expect(list(to).archived.length).toBe(MAX_ARCHIVED_SESSIONS)
      const [gone, kept] = opened as [Device, Device]
      expect(received(protocol, to, sent(kept, 'kept').message.data).text).toBe('kept')
      expect(failure(() => received(protocol, to, sent(gone, 'gone').message.data)).code).toBe(
        'pre-key-unknown',
      )
    })
  })

  describe('one list is of one identity', () => {
    const [alice2, bob2] = pass(protocol, initiated(protocol, alice, bob), bob, 'hello')

    test(`${MAX_ARCHIVED_SESSIONS + 1} key exchanges of strangers evict nothing`, () => {
      const before = snapshot(bob2)
      for (let i = 0; i <= MAX_ARCHIVED_SESSIONS; i++) {
        const fresh = { ...bob2, preKeys: { ...bob2.preKeys, oneTime: bob2.preKeys.oneTime.slice(i, i + 1) } }
        // It says that it is the same device.
        const stranger = initiated(protocol, device(`stranger ${i}`, 1), fresh, seeded(`${i}`))
        const { data } = sent(stranger, 'believe me').message
        expect(failure(() => received(protocol, bob2, data)).code).toBe('identity-mismatch')
        expect(snapshot(bob2)).toBe(before)
        // Alone it would have been accepted.
        expect(received(protocol, { ...bob2, sessions: undefined }, data).text).toBe('believe me')
      }
      expect(list(bob2).current.theirIdentity).toEqual(protocol.identityBytes(alice.self.identity))
      expect(received(protocol, bob2, sent(alice2, 'still here').message.data).text).toBe('still here')
    })

    test('a key exchange of a stranger read from an archive does not join it either', () => {
      const { data } = sent(initiated(protocol, device('stranger', 1), bob2), 'believe me').message
      const arrival = { channel: 'archive', sentAt: 1 } as const
      expect(failure(() => received(protocol, bob2, data, arrival)).code).toBe('identity-mismatch')
    })

    test('nor does a session of ours with another identity', () => {
      const other = device('other', 2)
      const before = snapshot(alice2)
      expect(failure(() => initiated(protocol, alice2, other)).code).toBe('identity-mismatch')
      expect(snapshot(alice2)).toBe(before)
      expect(list(initiated(protocol, alice2, bob, seeded('again'))).archived.length).toBe(1)
    })

    test('theirIdentity says who wrote, in every message', () => {
      const { device: to, opened } = received(
        protocol,
        bob,
        sent(initiated(protocol, alice, bob), 'x').message.data,
      )
      expect(opened.theirIdentity).toEqual(protocol.identityBytes(alice.self.identity))
      expect(fingerprint(protocol.readIdentity(opened.theirIdentity))).toBe(fingerprint(alice.self.identity))
      const answer = sent(to, 'answer').message.data
      const { opened: answered } = received(protocol, initiated(protocol, alice, bob), answer)
      expect(answered.theirIdentity).toEqual(protocol.identityBytes(bob.self.identity))
    })
  })

  test('a list of the other namespace is a mistake of the caller', () => {
    const other = versions.find((version) => version !== protocol) as typeof protocol
    const [a, b] = pass(other, initiated(other, alice, bob), bob, 'hello')
    const before = snapshot(b)
    const exchange = sent(initiated(protocol, device('third', 3), bob), 'x').message.data
    for (const data of [exchange, sent(a, 'plain').message.data, new Uint8Array()])
      expect(() => received(protocol, b, data)).toThrow(TypeError)
    expect(snapshot(b)).toBe(before)
  })

  describe('encrypting', () => {
    test('on the current session, or on the one given', () => {
      const first = initiated(protocol, alice, bob, seeded('first'))
      const second = initiated(protocol, first, bob, seeded('second'))
      const given = list(first).current.ephemeralKey
      const { device: after, message } = sent(second, 'hello', seeded('r'), given)
      expect(protocol.wire.decodeKeyExchange(message.data).ephemeralKey).toEqual(given)
      expect(list(after).current).toBe(list(second).current)
      expect(list(after).archived[0]?.ratchet).not.toEqual(list(second).archived[0]?.ratchet)
    })

    test('on a session that is no longer kept', () => {
      const from = initiated(protocol, alice, bob)
      const before = snapshot(from)
      expect(failure(() => sent(from, 'hello', seeded('r'), new Uint8Array(32))).code).toBe('session-missing')
      expect(snapshot(from)).toBe(before)
    })
  })

  describe('a new key exchange', () => {
    test('becomes current; the session before is its rival, not crossed if it was answered', () => {
      const [a, b] = pass(protocol, initiated(protocol, alice, bob), bob, 'hello')
      const [b2, a2] = pass(protocol, b, a, 'answer')
      const renewed = initiated(protocol, a2, bob, seeded('renewed'))
      const { device: b3, opened } = received(protocol, b2, sent(renewed, 'again').message.data)
      expect(currentKey(b3)).toBe(currentKey(renewed))
      expect(opened.completion).toBe(true)
      expect(list(b3).rival).toEqual({
        ephemeralKey: list(b2).current.ephemeralKey,
        crossed: false,
        streak: 0,
      })
    })

    test('crosses our own that is not answered', () => {
      const a = initiated(protocol, alice, bob)
      const b = initiated(protocol, bob, alice, seeded('b'))
      const { device: a2 } = received(protocol, a, sent(b, 'hello').message.data)
      expect(list(a2).rival).toEqual({ ephemeralKey: list(a).current.ephemeralKey, crossed: true, streak: 0 })
      expect(list(a2).archived).toEqual([list(a).current])
    })
  })

  describe('rule 1: crossed, and nothing but key exchanges on the current session', () => {
    test('the first message on the rival switches', () => {
      const { a, b } = crossed(protocol, alice, bob, 'higher')
      // Alice now sends on bob's session, which is the rival to him.
      const { device: b2, opened } = received(protocol, b, sent(a, 'hello').message.data)
      expect(currentKey(b2)).toBe(currentKey(a))
      expect(opened.completion).toBe(false)
      expect(list(b2).rival).toEqual({
        ephemeralKey: list(b).current.ephemeralKey,
        crossed: true,
        streak: 0,
      })
    })

    test('a repeated key exchange on the current session does not confirm it', () => {
      const { a, b } = crossed(protocol, alice, bob, 'higher')
      const archived = list(a).archived[0]?.ephemeralKey as Bytes
      const { message } = sent(a, 'repeated', seeded('r'), archived)
      expect(message.keyExchange).toBe(true)
      const b2 = received(protocol, b, message.data).device
      expect(list(b2).current.exchange.state).toBe('accepted')
      expect(currentKey(received(protocol, b2, sent(a, 'hello').message.data).device)).toBe(currentKey(a))
    })
  })

  describe('rule 2: crossed, and both are confirmed', () => {
    /** Bob's current session is alice's, confirmed by `confirm`; then she writes on the rival, his own. */
    function onRival(aliceIs: 'lower' | 'higher'): { readonly before: Device; readonly after: Device } {
      const { a, b } = crossed(protocol, alice, bob, aliceIs)
      const own = list(a).archived[0]?.ephemeralKey as Bytes
      // Bob's answer on her session lets her write plainly there, which confirms it to him.
      const answered = sent(b, 'answer')
      const a2 = received(protocol, a, answered.message.data).device
      const confirm = sent(a2, 'confirm', seeded('r'), own)
      expect(confirm.message.keyExchange).toBe(false)
      const before = received(protocol, answered.device, confirm.message.data).device
      expect(list(before).current.exchange.state).toBe('confirmed')
      const rival = list(before).rival?.ephemeralKey
      const message = sent(confirm.device, 'on the rival', seeded('s'), rival)
      return { before, after: received(protocol, before, message.message.data).device }
    }

    test('the rival with the lower ephemeral key becomes current', () => {
      const { before, after } = onRival('higher')
      expect(list(after).current.ephemeralKey).toEqual(list(before).rival?.ephemeralKey)
    })

    test('the rival with the higher one does not, at once', () => {
      const { before, after } = onRival('lower')
      expect(currentKey(after)).toBe(currentKey(before))
      expect(list(after).rival?.streak).toBe(1)
    })
  })

  describe('rule 3: the peer no longer uses the current session', () => {
    /** Bob has two confirmed sessions of alice's, not crossed: she writes on the older one. */
    function twoSessions(newer: 'lower' | 'higher'): {
      readonly a: Device
      readonly b: Device
      readonly old: Bytes
    } {
      const [a1, b1] = pass(protocol, initiated(protocol, alice, bob, seeded('old')), bob, 'hello')
      const [b2, a2] = pass(protocol, b1, a1, 'answer')
      const old = list(a2).current.ephemeralKey
      const random = ordered(protocol, a2, b2, old, newer)
      const [a3, b3] = pass(protocol, initiated(protocol, a2, b2, random), b2, 'renewed')
      const [b4, a4] = pass(protocol, b3, a3, 'answer again')
      return { a: a4, b: b4, old }
    }

    test.each([
      ['lower', 2],
      ['higher', 3],
    ] as const)('the rival is the %s one: %d in a row', (rival, needed) => {
      let { a, b, old } = twoSessions(rival === 'lower' ? 'higher' : 'lower')
      for (let count = 1; count <= needed; count++) {
        const { device: sender, message } = sent(a, `message ${count}`, seeded(`${count}`), old)
        a = sender
        b = received(protocol, b, message.data).device
        expect(bytesToHex(old) === currentKey(b), `after ${count}`).toBe(count === needed)
        if (count < needed) expect(list(b).rival?.streak).toBe(count)
      }
      expect(list(b).rival).toMatchObject({ crossed: false, streak: 0 })
    })

    test('a message on the current session starts the count again', () => {
      const { a, b, old } = twoSessions('higher')
      const onOld = sent(a, 'old', seeded('1'), old)
      const b1 = received(protocol, b, onOld.message.data).device
      expect(list(b1).rival?.streak).toBe(1)
      const onCurrent = sent(onOld.device, 'current')
      const b2 = received(protocol, b1, onCurrent.message.data).device
      expect(list(b2).rival?.streak).toBe(0)
      const again = sent(onCurrent.device, 'old again', seeded('2'), old)
      const b3 = received(protocol, b2, again.message.data).device
      expect(currentKey(b3)).toBe(currentKey(a))
    })

    test('a message that was overtaken does not count, on either session', () => {
      const { a, b, old } = twoSessions('higher')
      const late = sent(a, 'late', seeded('1'), old)
      const overtook = sent(late.device, 'overtook', seeded('2'), old)
      const b1 = received(protocol, b, overtook.message.data).device
      expect(list(b1).rival?.streak).toBe(1)
      const b2 = received(protocol, b1, late.message.data).device
      expect(list(b2).rival?.streak).toBe(1)
      expect(currentKey(b2)).toBe(currentKey(b))
      const lateCurrent = sent(overtook.device, 'late on the current')
      const overtookCurrent = sent(lateCurrent.device, 'overtook it')
      const b3 = received(protocol, b1, overtookCurrent.message.data).device
      const onOld = received(
        protocol,
        b3,
        sent(overtookCurrent.device, 'old', seeded('3'), old).message.data,
      ).device
      expect(list(onOld).rival?.streak).toBe(1)
      expect(list(received(protocol, onOld, lateCurrent.message.data).device).rival?.streak).toBe(1)
    })

    test('any archived session becomes the rival with its first message, and current as the one before would', () => {
      const { a, b, old } = twoSessions('higher')
      const third = sent(initiated(protocol, a, b, seeded('third')), 'third')
      let from = third.device
      let to = received(protocol, b, third.message.data).device
      const needed = compareBytes(old, list(to).current.ephemeralKey) < 0 ? 2 : 3
      expect(bytesToHex(list(to).rival?.ephemeralKey as Bytes)).not.toBe(bytesToHex(old))
      for (let count = 1; count <= needed; count++) {
        const { device: sender, message } = sent(from, `${count}`, seeded(`${count}`), old)
        from = sender
        to = received(protocol, to, message.data).device
        if (count === 1) expect(list(to).rival).toEqual({ ephemeralKey: old, crossed: false, streak: 1 })
        expect(currentKey(to) === bytesToHex(old), `after ${count}`).toBe(count === needed)
      }
    })

    test('our own key exchange without an answer gives way to five in a row only', () => {
      const { a, b, old } = twoSessions('higher')
      let from = a
      let to = initiated(protocol, b, a, seeded('renewed again'))
      const mine = currentKey(to)
      for (let count = 1; count <= 5; count++) {
        const { device: sender, message } = sent(from, `${count}`, seeded(`${count}`), old)
        from = sender
        to = received(protocol, to, message.data).device
        expect(currentKey(to), `after ${count}`).toBe(count < 5 ? mine : bytesToHex(old))
      }
    })

    test('switching drops no archived session', () => {
      const { a, b, old } = twoSessions('higher')
      const pads = Array.from({ length: MAX_ARCHIVED_SESSIONS - 1 }, (_, i) => ({
        ...list(b).current,
        ephemeralKey: seeded(`pad ${i}`)(32) as Bytes,
      }))
      let to: Device = { ...b, sessions: { ...list(b), archived: [...list(b).archived, ...pads] } }
      const kept = (of: Device): readonly string[] =>
        [list(of).current, ...list(of).archived].map((s) => bytesToHex(s.ephemeralKey)).sort()
      const before = kept(to)
      expect(before.length).toBe(MAX_ARCHIVED_SESSIONS + 1)
      let from = a
      for (let i = 0; i < 2; i++) {
        const { device: sender, message } = sent(from, `${i}`, seeded(`${i}`), old)
        from = sender
        to = received(protocol, to, message.data).device
      }
      expect(currentKey(to)).toBe(bytesToHex(old))
      expect(kept(to)).toEqual(before)
    })
  })
})
