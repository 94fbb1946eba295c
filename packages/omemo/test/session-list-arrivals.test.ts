/** What arrives from an archive, when it arrives, and what nothing opens: `session-list.ts`. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import { MAX_MESSAGE_GAP } from '../src/double-ratchet.ts'
import { decodeSessions, encodeSessions } from '../src/session-codec.ts'
import { type Arrival, MAX_ARCHIVED_SESSIONS, type SessionList } from '../src/session-list.ts'
import { crossed, currentKey, list, pass } from './session-pair.ts'
import {
  type Device,
  device,
  failure,
  initiated,
  live,
  received,
  seeded,
  sent,
  snapshot,
  versions,
} from './support.ts'

const alice = device('alice', 1, 16)
const bob = device('bob', 2, 16)

describe.each(versions)('$namespace', (protocol) => {
  describe('from an archive', () => {
    const at = (sentAt: number): Arrival => ({ channel: 'archive', sentAt })

    /** Bob has a session stamped 2000; another key exchange is read from the archive. */
    function archived(sentAt: number): {
      readonly from: Device
      readonly to: Device
      readonly completion: boolean
      readonly before: Device
    } {
      const before = received(
        protocol,
        bob,
        sent(initiated(protocol, alice, bob), 'live').message.data,
      ).device
      const from = initiated(protocol, alice, before, seeded('archived'))
      const { device: to, opened } = received(protocol, before, sent(from, 'read').message.data, at(sentAt))
      return { from, to, before, completion: opened.completion }
    }

    test.each([
      ['newer than the current session', 2001],
      ['as new', 2000],
    ])('a key exchange %s becomes current, and is completed', (_name, sentAt) => {
      const { from, to, completion } = archived(sentAt)
      expect(currentKey(to)).toBe(currentKey(from))
      expect(completion).toBe(true)
    })

    test('an older one only decrypts, and is not completed', () => {
      const { from, to, before, completion } = archived(1999)
      expect(currentKey(to)).toBe(currentKey(before))
      expect(list(to).archived.map((s) => bytesToHex(s.ephemeralKey))).toEqual([currentKey(from)])
      expect(list(to).rival).toEqual(list(before).rival)
      expect(completion).toBe(false)
      expect(to.preKeys.oneTime.length).toBe(before.preKeys.oneTime.length - 1)
    })

    test('an older one when the archive of sessions is full', () => {
      const { to } = archived(1999)
      const full = Array.from(
        { length: MAX_ARCHIVED_SESSIONS },
        () => list(to).archived[0] as SessionList['current'],
      )
      const before: Device = { ...to, sessions: { ...list(to), archived: full } }
      const older = initiated(protocol, alice, to, seeded('older'))
      const after = received(protocol, before, sent(older, 'read').message.data, at(1)).device
      expect(list(after).archived.length).toBe(MAX_ARCHIVED_SESSIONS)
      expect(bytesToHex(list(after).archived[0]?.ephemeralKey ?? new Uint8Array())).toBe(currentKey(older))
    })

    test('the first key exchange of a device, however old, is its session', () => {
      const from = initiated(protocol, alice, bob)
      const { device: to, opened } = received(protocol, bob, sent(from, 'read').message.data, at(1))
      expect(currentKey(to)).toBe(currentKey(from))
      expect([opened.completion, list(to).current.stamp]).toEqual([true, 1])
    })

    test('messages neither switch nor count', () => {
      const { a, b } = crossed(protocol, alice, bob, 'higher')
      const first = sent(a, 'first')
      const b1 = received(protocol, b, first.message.data, at(3000)).device
      expect(currentKey(b1)).toBe(currentKey(b))
      expect(list(b1).rival).toEqual(list(b).rival)
      expect(currentKey(received(protocol, b1, sent(first.device, 'live').message.data).device)).toBe(
        currentKey(a),
      )
    })
  })

  describe('what is reported when nothing opens a message', () => {
    /** Bob has an old session, confirmed, and a current one. */
    function withOld(): { readonly a: Device; readonly b: Device; readonly old: Bytes } {
      const [a1, b1] = pass(protocol, initiated(protocol, alice, bob, seeded('old')), bob, 'hello')
      const [b2, a2] = pass(protocol, b1, a1, 'answer')
      const [a3, b3] = pass(protocol, initiated(protocol, a2, b2, seeded('new')), b2, 'renewed')
      return { a: a3, b: b3, old: list(a2).current.ephemeralKey }
    }

    test('a duplicate on an archived session is a duplicate', () => {
      const { a, b, old } = withOld()
      const { message } = sent(a, 'once', seeded('1'), old)
      const after = received(protocol, b, message.data).device
      expect(failure(() => received(protocol, after, message.data)).code).toBe('message-duplicate')
    })

    test('a duplicate on the current session is one too, whatever archived sessions say', () => {
      const { a, b } = withOld()
      const { message } = sent(received(protocol, a, sent(b, 'answer').message.data).device, 'once')
      const after = received(protocol, sent(b, 'answer').device, message.data).device
      expect(list(after).archived.length).toBe(1)
      expect(failure(() => received(protocol, after, message.data)).code).toBe('message-duplicate')
    })

    test('too far ahead on an archived session is too far ahead', () => {
      const { a, b, old } = withOld()
      let from = a
      for (let i = 0; i < 3; i++) from = sent(from, `${i}`, seeded(`${i}`), old).device
      const { data } = sent(from, 'ahead', seeded('ahead'), old).message
      const { wire } = protocol
      const authenticated = wire.decodeAuthenticated(data)
      const header = { ...wire.decodeRatchetMessage(authenticated.message), counter: MAX_MESSAGE_GAP + 9 }
      const ahead = wire.encodeAuthenticated({ ...authenticated, message: wire.encodeRatchetMessage(header) })
      expect(failure(() => received(protocol, b, ahead)).code).toBe('message-gap-too-big')
    })

    test('otherwise it belongs to no session', () => {
      const { b } = withOld()
      const stranger = device('stranger', 7)
      const [s1, b1] = pass(
        protocol,
        initiated(protocol, stranger, bob),
        { ...bob, sessions: undefined },
        'x',
      )
      const [, s2] = pass(protocol, b1, s1, 'y')
      expect(failure(() => received(protocol, b, sent(s2, 'z').message.data)).code).toBe(
        'message-authentication-failed',
      )
    })
  })

  test('a live key exchange becomes current, however old it says it is', () => {
    const before = received(protocol, bob, sent(initiated(protocol, alice, bob), 'first').message.data).device
    const from = initiated(protocol, alice, before, seeded('delayed'))
    const { data } = sent(from, 'delayed').message
    const { device: to, opened } = received(protocol, before, data, { channel: 'live', sentAt: 1 })
    expect([currentKey(to), opened.completion]).toEqual([currentKey(from), true])
  })

  describe('stamps that a stranger wrote', () => {
    const { data } = sent(initiated(protocol, alice, bob), 'hello').message
    const LAST = 8.64e15

    test.each([
      [Date.parse('0001-01-01T00:00:00Z'), 0],
      [-1, 0],
      [-0.5, 0],
      [Number.NEGATIVE_INFINITY, 0],
      [0, 0],
      [1.9, 1],
      [LAST, LAST],
      [LAST + 1, LAST],
      [2 ** 53, LAST],
      [Number.POSITIVE_INFINITY, LAST],
    ])('%d is kept as %d, and can be stored', (sentAt, stamp) => {
      for (const channel of ['live', 'archive'] as const) {
        const { sessions } = received(protocol, bob, data, { channel, sentAt }).opened
        expect(sessions.current.stamp).toBe(stamp)
        expect(decodeSessions(encodeSessions(sessions))).toEqual(sessions)
      }
      expect(list(initiated(protocol, alice, bob, seeded('now'), sentAt)).current.stamp).toBe(stamp)
    })

    test('no number at all is a mistake of the caller, and changes nothing', () => {
      const before = snapshot(bob)
      const arrival = { channel: 'archive', sentAt: Number.NaN } as const
      expect(() => received(protocol, bob, data, arrival)).toThrow(RangeError)
      expect(() => initiated(protocol, alice, bob, seeded('now'), Number.NaN)).toThrow(RangeError)
      expect(snapshot(bob)).toBe(before)
    })
  })

  test('live arrivals are stamped with what they say', () => {
    const { message } = sent(initiated(protocol, alice, bob), 'hello')
    expect(list(received(protocol, bob, message.data, { ...live, sentAt: 77 }).device).current.stamp).toBe(77)
  })
})
