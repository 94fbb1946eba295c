/** Double Ratchet §2.6 and §3 with the limits of XEP-0384 §4.2, without sessions around it. */
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Bytes, Random } from '../src/bytes.ts'
import { publicKeys, run, type SyncCurve } from '../src/curve.ts'
import {
  answerRatchet,
  decryptRatchet,
  encryptRatchet,
  MAX_COUNTER,
  MAX_MESSAGE_GAP,
  type Ratchet,
  startRatchet,
} from '../src/double-ratchet.ts'
import { stepChain } from '../src/kdf.ts'
import type { Protocol } from '../src/protocol.ts'
import { MAX_ENDED_CHAINS, MAX_SKIPPED_KEYS } from '../src/skipped-keys.ts'
import type { RatchetMessage } from '../src/wire/wire.ts'
import { nodeCurve } from './model/node-curve.ts'
import { failure, seeded, versions } from './support.ts'

/** What the ratchet cost: steps of chains, and operations of the curve. */
const work = { steps: 0, curve: 0 }

vi.mock('../src/kdf.ts', async (original) => {
  const kdf = await original<typeof import('../src/kdf.ts')>()
  return {
    ...kdf,
    stepChain: (chainKey: Uint8Array) => {
      work.steps++
      return kdf.stepChain(chainKey)
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

beforeEach(() => {
  work.steps = 0
  work.curve = 0
})

const associatedData = utf8ToBytes('associated data')

/** One end of a conversation, which remembers its ratchet. */
class End {
  readonly #protocol: Protocol
  readonly #random: Random
  ratchet: Ratchet

  constructor(name: string, protocol: Protocol, ratchet: Ratchet) {
    this.#random = seeded(name)
    this.#protocol = protocol
    this.ratchet = ratchet
  }

  send(text: string): Bytes {
    const step = encryptRatchet(this.#protocol, this.ratchet, utf8ToBytes(text), associatedData, this.#random)
    const { ratchet, message } = run(step, nodeCurve)
    this.ratchet = ratchet
    return message
  }

  sendAll(count: number, name = 'm'): readonly Bytes[] {
    return Array.from({ length: count }, (_, i) => this.send(`${name}${i}`))
  }

  receive(message: Uint8Array): string {
    const { ratchet, plaintext, late } = run(
      decryptRatchet(this.#protocol, this.ratchet, message, associatedData),
      counted,
    )
    this.ratchet = ratchet
    return `${new TextDecoder().decode(plaintext)}${late ? ', late' : ''}`
  }

  /** The code of the refusal, which must leave the ratchet as it was. */
  refuse(message: Uint8Array): string {
    const before = structuredClone(this.ratchet)
    const { code } = failure(() => this.receive(message))
    expect(this.ratchet).toEqual(before)
    return code
  }

  /** Sends and loses so many messages. */
  lose(count: number): void {
    const { ratchet } = this
    if (ratchet.state !== 'sending') throw new Error('not sending')
    let { chainKey, next } = ratchet.sending
    for (const end = next + count; next < end; next++) chainKey = stepChain(chainKey).chainKey
    this.ratchet = { ...ratchet, sending: { chainKey, next } }
  }

  get kept(): number {
    return this.ratchet.skipped.reduce((sum, { keys }) => sum + keys.length, 0)
  }
}

function pair(protocol: Protocol): { readonly alice: End; readonly bob: End } {
  const random = seeded('pair')
  const sharedKey = random(32) as Bytes
  const secret = random(32)
  const [signedPreKey] = run(publicKeys([secret]), nodeCurve) as [Bytes]
  const alice = new End(
    'alice',
    protocol,
    run(startRatchet(protocol, sharedKey, signedPreKey, random), nodeCurve),
  )
  if (alice.ratchet.state !== 'sending') throw new Error('an initiator sends')
  const theirs = alice.ratchet.ours.publicKey
  const bob = new End('bob', protocol, run(answerRatchet(protocol, sharedKey, secret, theirs), nodeCurve))
  return { alice, bob }
}

/** A message with another header, whose MAC is wrong by that. */
function forged(protocol: Protocol, message: Uint8Array, header: Partial<RatchetMessage>): Bytes {
  const { wire } = protocol
  const authenticated = wire.decodeAuthenticated(message)
  const changed = wire.encodeMessage({ ...wire.decodeMessage(authenticated.message), ...header })
  return wire.encodeAuthenticated({ ...authenticated, message: changed })
}

function headerOf(protocol: Protocol, message: Uint8Array): RatchetMessage {
  return protocol.wire.decodeMessage(protocol.wire.decodeAuthenticated(message).message)
}

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

  describe('MAX_MESSAGE_GAP', () => {
    test('so many messages lost, and the next arrives', () => {
      const { alice, bob } = pair(protocol)
      alice.lose(MAX_MESSAGE_GAP)
      expect(bob.receive(alice.send('here'))).toBe('here')
      expect(bob.kept).toBe(MAX_MESSAGE_GAP)
    })

    test('one more is too many, until one of those between arrives', () => {
      const { alice, bob } = pair(protocol)
      alice.lose(MAX_MESSAGE_GAP)
      const between = alice.send('between')
      const ahead = alice.send('ahead')
      expect(bob.refuse(ahead)).toBe('message-gap-too-big')
      expect(bob.receive(between)).toBe('between')
      expect(bob.receive(ahead)).toBe('ahead')
    })

    test('the same at the start of a new chain', () => {
      const { alice, bob } = pair(protocol)
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
      const { alice, bob } = pair(protocol)
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
      const { alice, bob } = pair(protocol)
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

  describe('§8.4, work for messages that nobody sent', () => {
    test.each([MAX_MESSAGE_GAP + 1, MAX_COUNTER])(
      'a counter of %d in the current chain costs nothing',
      (counter) => {
        const { alice, bob } = pair(protocol)
        const message = alice.send('first')
        work.steps = 0
        expect(bob.refuse(forged(protocol, message, { counter }))).toBe('message-gap-too-big')
        expect(work).toEqual({ steps: 0, curve: 0 })
      },
    )

    test('nor in a chain made up, whatever it says of the one before', () => {
      const { alice, bob } = pair(protocol)
      bob.receive(alice.send('first'))
      alice.receive(bob.send('answer'))
      const header = { ratchetKey: seeded('made up')(32) as Bytes, previousCounter: MAX_COUNTER }
      header.ratchetKey[31] = 0
      const message = bob.send('second')
      const refusal = (counter: number): readonly [string, number, number] => {
        work.steps = 0
        work.curve = 0
        const code = alice.refuse(forged(protocol, message, { ...header, counter }))
        return [code, work.steps, work.curve]
      }
      alice.send('so that alice may turn')
      expect(refusal(MAX_COUNTER)).toEqual(['message-gap-too-big', 0, 0])
      // One turn, the keys of the chain before, those of the new one, and the key tried.
      expect(refusal(MAX_MESSAGE_GAP)).toEqual(['message-authentication-failed', 2 * MAX_MESSAGE_GAP + 1, 1])
      expect(refusal(0)).toEqual(['message-authentication-failed', MAX_MESSAGE_GAP + 1, 1])
    })

    test('a duplicate costs nothing', () => {
      const { alice, bob } = pair(protocol)
      const message = alice.send('first')
      bob.receive(message)
      work.steps = 0
      expect(bob.refuse(message)).toBe('message-duplicate')
      expect(work).toEqual({ steps: 0, curve: 0 })
    })

    test('a chain made up while ours is not answered yet costs nothing', () => {
      const { alice, bob } = pair(protocol)
      const message = alice.send('first')
      bob.receive(message)
      work.steps = 0
      const ratchetKey = new Uint8Array(32).fill(9)
      expect(bob.refuse(forged(protocol, message, { ratchetKey }))).toBe('message-authentication-failed')
      expect(work).toEqual({ steps: 0, curve: 0 })
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
      expect(mac.length).toBe(protocol.macLength)
      for (const header of [{ counter: 1 }, { previousCounter: 1 }, { ciphertext: new Uint8Array(16) }])
        expect(bob.refuse(forged(protocol, message, header))).toBe('message-authentication-failed')
      for (let at = 0; at < mac.length; at++) {
        const bad = Uint8Array.from(mac)
        bad[at] = (bad[at] as number) ^ 1
        expect(bob.refuse(protocol.wire.encodeAuthenticated({ mac: bad, message: inner }))).toBe(
          'message-authentication-failed',
        )
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

  test('MAX_COUNTER is the last counter of a chain', () => {
    const { alice } = pair(protocol)
    if (alice.ratchet.state !== 'sending') throw new Error('an initiator sends')
    alice.ratchet = { ...alice.ratchet, sending: { ...alice.ratchet.sending, next: MAX_COUNTER } }
    expect(headerOf(protocol, alice.send('last')).counter).toBe(MAX_COUNTER)
    expect(() => alice.send('one more')).toThrow(RangeError)
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
