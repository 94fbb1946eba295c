/** Double Ratchet §3: sending, losing, overtaking, and what a MAC covers; without sessions around it. */
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import { run } from '../src/curve.ts'
import { decryptRatchet, MAX_COUNTER, MAX_MESSAGE_GAP } from '../src/double-ratchet.ts'
import { MAX_ENDED_CHAINS } from '../src/skipped-keys.ts'
import { nodeCurve } from './node-curve.ts'
import { type End, forged, headerOf, pair } from './ratchet-pair.ts'
import { failure, flipped, versions } from './support.ts'

describe.each(versions)('$namespace', (protocol) => {
  describe('§3.4, order', () => {
    test('in order, in turns, many times', () => {
      const { alice, bob } = pair(protocol)
      for (let round = 0; round < 10; round++) {
        for (const message of alice.sendAll(3, `a${round}.`)) expect(bob.receive(message)).toMatch(/^a/)
        for (const message of bob.sendAll(2, `b${round}.`)) expect(alice.receive(message)).toMatch(/^b/)
      }
      expect(bob.receive(alice.send('last'))).toBe('last')
    })

    test('out of order within a chain', () => {
      const { alice, bob } = pair(protocol)
      const messages = alice.sendAll(5)
      const order = [3, 0, 4, 2, 1]
      expect(order.map((i) => bob.receive(messages[i] as Bytes))).toEqual([
        'm3',
        'm0, late',
        'm4',
        'm2, late',
        'm1, late',
      ])
      expect(bob.kept).toBe(0)
    })

    test('lost messages cost nothing but their keys', () => {
      const { alice, bob } = pair(protocol)
      alice.lose(7)
      expect(bob.receive(alice.send('eighth'))).toBe('eighth')
      expect(bob.kept).toBe(7)
      expect(alice.receive(bob.send('answer'))).toBe('answer')
      expect(bob.receive(alice.send('next'))).toBe('next')
    })

    test('late from the previous chain', () => {
      const { alice, bob } = pair(protocol)
      const [first, second, third] = alice.sendAll(3) as [Bytes, Bytes, Bytes]
      expect(bob.receive(first)).toBe('m0')
      alice.receive(bob.send('answer'))
      expect(bob.receive(alice.send('new chain'))).toBe('new chain')
      expect(bob.receive(third)).toBe('m2, late')
      expect(bob.receive(second)).toBe('m1, late')
      expect(bob.receive(alice.send('go on'))).toBe('go on')
    })

    test('an answer before the first message of a chain arrived', () => {
      const { alice, bob } = pair(protocol)
      const [first, second] = alice.sendAll(2) as [Bytes, Bytes]
      expect(bob.receive(second)).toBe('m1')
      alice.receive(bob.send('answer'))
      expect(bob.receive(alice.send('new chain'))).toBe('new chain')
      expect(bob.receive(first)).toBe('m0, late')
    })

    test('receiving the same from the same state gives the same', () => {
      const { alice, bob } = pair(protocol)
      const message = alice.send('twice')
      const before = bob.ratchet
      bob.receive(message)
      const after = bob.ratchet
      bob.ratchet = before
      bob.receive(message)
      expect(bob.ratchet).toEqual(after)
    })
  })

  describe('§3.2, pn: how many messages the previous chain had', () => {
    /** Three messages of which the last is lost, an answer, and the first of a new chain that says `pn`. */
    function afterThree(pn: number): { readonly alice: End; readonly bob: End; readonly last: Bytes } {
      const { alice, bob } = pair(protocol)
      const [first, second, last] = alice.sendAll(3) as [Bytes, Bytes, Bytes]
      bob.receive(first)
      bob.receive(second)
      alice.receive(bob.send('answer'))
      alice.ratchet = { ...alice.ratchet, previousCounter: pn }
      expect(bob.receive(alice.send('new chain'))).toBe('new chain')
      return { alice, bob, last }
    }

    test('is sent as the count', () => {
      const { alice, bob } = pair(protocol)
      for (const message of alice.sendAll(3)) bob.receive(message)
      alice.receive(bob.send('answer'))
      expect(headerOf(protocol, alice.send('next')).previousCounter).toBe(3)
    })

    test.each([
      ['the count, as the specification says', 3],
      ['the index of the last message, as the libsignal family says', 2],
    ])('read as %s: the last message is not lost', (_name, pn) => {
      const { bob, last } = afterThree(pn)
      expect(bob.receive(last)).toBe('m2, late')
      expect(bob.refuse(last)).toBe('message-duplicate')
    })

    test('the index of a last message that has arrived: again, it is a duplicate', () => {
      const { alice, bob } = pair(protocol)
      const messages = alice.sendAll(3)
      for (const message of messages) bob.receive(message)
      alice.receive(bob.send('answer'))
      alice.ratchet = { ...alice.ratchet, previousCounter: 2 }
      bob.receive(alice.send('new chain'))
      expect(messages.map((message) => bob.refuse(message))).toEqual(messages.map(() => 'message-duplicate'))
    })

    test('below what was received', () => {
      const { alice, bob, last } = afterThree(0)
      expect(bob.kept).toBe(0)
      expect(bob.refuse(last)).toBe('message-authentication-failed')
      expect(bob.receive(alice.send('go on'))).toBe('go on')
    })

    test.each([MAX_MESSAGE_GAP, MAX_MESSAGE_GAP + 1, MAX_COUNTER - 2])(
      'a gap of %d before the new chain: the first keys are kept, and the turn goes on',
      (gap) => {
        const { alice, bob, last } = afterThree(2 + gap)
        expect(bob.kept).toBe(MAX_MESSAGE_GAP)
        expect(bob.receive(last)).toBe('m2, late')
        alice.receive(bob.send('answer'))
        expect(bob.receive(alice.send('go on'))).toBe('go on')
      },
    )
  })

  describe('duplicates', () => {
    test('in the current chain', () => {
      const { alice, bob } = pair(protocol)
      const [late, first] = alice.sendAll(2) as [Bytes, Bytes]
      bob.receive(first)
      expect(bob.refuse(first)).toBe('message-duplicate')
      bob.receive(late)
      expect(bob.refuse(late)).toBe('message-duplicate')
    })

    test('in chains that ended, as long as they are remembered', () => {
      const { alice, bob } = pair(protocol)
      const firsts: Bytes[] = []
      for (let chain = 0; chain <= MAX_ENDED_CHAINS + 1; chain++) {
        const message = alice.send(`chain ${chain}`)
        firsts.push(message)
        bob.receive(message)
        alice.receive(bob.send('answer'))
      }
      // The last of them is the current chain.
      const codes = [...firsts.map((message) => bob.refuse(message))]
      expect(codes).toEqual([
        'message-authentication-failed',
        ...Array.from({ length: MAX_ENDED_CHAINS + 1 }, () => 'message-duplicate'),
      ])
    })

    test('a chain that holds a key is remembered longer, and its extra key is not', () => {
      const { alice, bob } = pair(protocol)
      const lost = alice.send('lost')
      bob.receive(alice.send('second'))
      const keys = (): readonly number[] => bob.ratchet.skipped[0]?.keys.map(({ counter }) => counter) ?? []
      alice.receive(bob.send('answer'))
      for (let chain = 0; chain < MAX_ENDED_CHAINS; chain++) {
        bob.receive(alice.send(`chain ${chain}`))
        alice.receive(bob.send('answer'))
      }
      expect(keys(), 'the lost one and the extra one').toEqual([0, 2])
      bob.receive(alice.send('one chain more'))
      expect(keys()).toEqual([0])
      expect(bob.ratchet.skipped.length).toBe(MAX_ENDED_CHAINS + 1)
      expect(bob.receive(lost)).toBe('lost, late')
      expect(bob.ratchet.skipped.length).toBe(MAX_ENDED_CHAINS)
      expect(bob.refuse(lost)).toBe('message-authentication-failed')
    })
  })

  describe('authentication', () => {
    test('covers the associated data, every field of the header, and each byte of the MAC', () => {
      const { alice, bob } = pair(protocol)
      const message = alice.send('first')
      expect(
        failure(() => run(decryptRatchet(protocol, bob.ratchet, message, utf8ToBytes('other')), nodeCurve))
          .code,
      ).toBe('message-authentication-failed')
      const { mac, message: inner } = protocol.wire.decodeAuthenticated(message)
      expect(mac.length).toBe(protocol.wire.macLength)
      for (const header of [{ counter: 1 }, { previousCounter: 1 }, { ciphertext: new Uint8Array(16) }])
        expect(bob.refuse(forged(protocol, message, header))).toBe('message-authentication-failed')
      for (let at = 0; at < mac.length; at++) {
        const changed = protocol.wire.encodeAuthenticated({ mac: flipped(mac, at, 0), message: inner })
        expect(bob.refuse(changed)).toBe('message-authentication-failed')
      }
      expect(bob.receive(message)).toBe('first')
    })

    test('plaintexts of every length around a block', () => {
      const { alice, bob } = pair(protocol)
      for (const length of [0, 1, 15, 16, 17, 31, 32, 33, 48]) {
        const text = 'x'.repeat(length)
        expect(bob.receive(alice.send(text))).toBe(text)
      }
    })

    test.each([0, 1])('a ratchet key that gives an all-zero secret, u = %d', (u) => {
      const { alice, bob } = pair(protocol)
      bob.receive(alice.send('first'))
      const ratchetKey = Uint8Array.of(u, ...new Uint8Array(31))
      expect(alice.refuse(forged(protocol, bob.send('answer'), { ratchetKey }))).toBe('key-invalid')
    })
  })

  test('no message key and no ratchet key is used twice', () => {
    const { alice, bob } = pair(protocol)
    const positions = new Set<string>()
    let sent = 0
    for (let round = 0; round < 5; round++)
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const)
        for (const message of from.sendAll(3)) {
          const { ratchetKey, counter } = headerOf(protocol, message)
          positions.add(`${bytesToHex(ratchetKey)}/${counter}`)
          to.receive(message)
          sent++
        }
    expect(positions.size).toBe(sent)
  })
})
