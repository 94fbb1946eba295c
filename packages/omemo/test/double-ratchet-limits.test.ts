/** The limits of XEP-0384 §4.3 at n and n + 1, and what messages that nobody sent may cost. */
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import type { SyncCurve } from '../src/curve.ts'
import { MAX_COUNTER, MAX_MESSAGE_GAP } from '../src/double-ratchet.ts'
import { MAX_SKIPPED_KEYS } from '../src/skipped-keys.ts'
import { nodeCurve } from './node-curve.ts'
import { forged, headerOf, pair } from './ratchet-pair.ts'
import { seeded, versions } from './support.ts'

/** What the ratchet cost: steps of chains, message keys, and operations of the curve. */
const none = { steps: 0, keys: 0, curve: 0 }
const work = { ...none }

vi.mock('../src/kdf.ts', async (original) => {
  const kdf = await original<typeof import('../src/kdf.ts')>()
  return {
    ...kdf,
    nextChainKey: (chainKey: Uint8Array) => {
      work.steps++
      return kdf.nextChainKey(chainKey)
    },
    messageKeyAt: (chainKey: Uint8Array) => {
      work.keys++
      return kdf.messageKeyAt(chainKey)
    },
  }
})

const counted: SyncCurve = {
  ...nodeCurve,
  sharedSecret: (secret, publicKey) => {
    work.curve++
    return nodeCurve.sharedSecret(secret, publicKey)
  },
}

const startCounting = () => Object.assign(work, none)

beforeEach(startCounting)

describe.each(versions)('$namespace', (protocol) => {
  describe('MAX_MESSAGE_GAP', () => {
    test('so many messages lost, and the next arrives', () => {
      const { alice, bob } = pair(protocol, counted)
      alice.lose(MAX_MESSAGE_GAP)
      expect(bob.receive(alice.send('here'))).toBe('here')
      expect(bob.kept).toBe(MAX_MESSAGE_GAP)
    })

    test('one more is too many, until one of those between arrives', () => {
      const { alice, bob } = pair(protocol, counted)
      alice.lose(MAX_MESSAGE_GAP)
      const between = alice.send('between')
      const ahead = alice.send('ahead')
      expect(bob.refuse(ahead)).toBe('message-gap-too-big')
      expect(bob.receive(between)).toBe('between')
      expect(bob.receive(ahead)).toBe('ahead')
    })

    test('the same at the start of a new chain', () => {
      const { alice, bob } = pair(protocol, counted)
      bob.receive(alice.send('first'))
      alice.receive(bob.send('answer'))
      const starts = alice.send('starts')
      alice.lose(MAX_MESSAGE_GAP - 1)
      const [within, ahead] = alice.sendAll(2) as [Bytes, Bytes]
      expect(bob.refuse(ahead)).toBe('message-gap-too-big')
      expect(bob.receive(within)).toBe('m0')
      expect(bob.receive(ahead)).toBe('m1')
      expect(bob.receive(starts)).toBe('starts, late')
    })
  })

  describe('MAX_SKIPPED_KEYS', () => {
    test('the oldest key goes first, within a chain', () => {
      const { alice, bob } = pair(protocol, counted)
      const [oldest, older] = alice.sendAll(2) as [Bytes, Bytes]
      alice.lose(MAX_SKIPPED_KEYS - 2)
      bob.receive(alice.send('all kept'))
      expect(bob.kept).toBe(MAX_SKIPPED_KEYS)
      alice.lose(1)
      bob.receive(alice.send('one too many'))
      expect(bob.kept).toBe(MAX_SKIPPED_KEYS)
      expect(bob.refuse(oldest)).toBe('message-duplicate')
      expect(bob.receive(older)).toBe('m1, late')
    })

    test('the oldest chain goes first', () => {
      const { alice, bob } = pair(protocol, counted)
      const [oldest, older] = alice.sendAll(2, 'old') as [Bytes, Bytes]
      bob.receive(alice.send('third'))
      alice.receive(bob.send('answer'))
      const newer = alice.send('newer')
      // The first chain has two, and its extra one.
      alice.lose(MAX_SKIPPED_KEYS - 4)
      bob.receive(alice.send('limit'))
      expect(bob.kept).toBe(MAX_SKIPPED_KEYS)
      alice.lose(1)
      bob.receive(alice.send('beyond'))
      expect(bob.kept).toBe(MAX_SKIPPED_KEYS)
      expect(bob.refuse(oldest)).toBe('message-duplicate')
      expect(bob.receive(older)).toBe('old1, late')
      expect(bob.receive(newer)).toBe('newer, late')
    })
  })

  describe('Double Ratchet §6.4, work for messages that nobody sent', () => {
    test.each([MAX_MESSAGE_GAP + 1, MAX_COUNTER])(
      'a counter of %d in the current chain costs nothing',
      (counter) => {
        const { alice, bob } = pair(protocol, counted)
        const message = alice.send('first')
        startCounting()
        expect(bob.refuse(forged(protocol, message, { counter }))).toBe('message-gap-too-big')
        expect(work).toEqual(none)
      },
    )

    test('nor in a chain made up, whatever it says of the one before', () => {
      const { alice, bob } = pair(protocol, counted)
      bob.receive(alice.send('first'))
      alice.receive(bob.send('answer'))
      const header = { ratchetKey: seeded('made up')(32) as Bytes, previousCounter: MAX_COUNTER }
      header.ratchetKey[31] = 0
      const message = bob.send('second')
      const refusal = (counter: number): unknown => {
        startCounting()
        const code = alice.refuse(forged(protocol, message, { ...header, counter }))
        return { code, ...work }
      }
      alice.send('so that alice may turn')
      expect(refusal(MAX_COUNTER)).toEqual({ code: 'message-gap-too-big', ...none })
      // One turn, the steps of the new chain, and the key tried. The chain before waits for the MAC.
      const code = 'message-authentication-failed'
      expect(refusal(MAX_MESSAGE_GAP)).toEqual({ code, steps: MAX_MESSAGE_GAP, keys: 1, curve: 1 })
      expect(refusal(0)).toEqual({ code, steps: 0, keys: 1, curve: 1 })
    })

    test('a duplicate costs nothing', () => {
      const { alice, bob } = pair(protocol, counted)
      const message = alice.send('first')
      bob.receive(message)
      startCounting()
      expect(bob.refuse(message)).toBe('message-duplicate')
      expect(work).toEqual(none)
    })

    test('a chain made up while ours is not answered yet costs nothing', () => {
      const { alice, bob } = pair(protocol, counted)
      const message = alice.send('first')
      bob.receive(message)
      startCounting()
      const ratchetKey = new Uint8Array(32).fill(9)
      expect(bob.refuse(forged(protocol, message, { ratchetKey }))).toBe('message-authentication-failed')
      expect(work).toEqual(none)
    })
  })

  test('MAX_COUNTER is the last counter of a chain', () => {
    const { alice } = pair(protocol)
    if (alice.ratchet.state !== 'sending') throw new Error('an initiator sends')
    alice.ratchet = { ...alice.ratchet, sending: { ...alice.ratchet.sending, next: MAX_COUNTER } }
    expect(headerOf(protocol, alice.send('last')).counter).toBe(MAX_COUNTER)
    expect(() => alice.send('one more')).toThrow(RangeError)
  })
})
