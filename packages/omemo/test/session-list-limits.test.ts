/** What a message that nobody sent may cost a device with as many sessions as are kept: the work is counted. */
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import { run, type SyncCurve } from '../src/curve.ts'
import { MAX_COUNTER, MAX_MESSAGE_GAP } from '../src/double-ratchet.ts'
import { decryptMessage, MAX_ARCHIVED_SESSIONS } from '../src/session-list.ts'
import { nodeCurve } from './node-curve.ts'
import { list } from './session-pair.ts'
import { type Device, device, failure, initiated, live, received, seeded, sent, versions } from './support.ts'

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

beforeEach(() => Object.assign(work, none))

const SESSIONS = MAX_ARCHIVED_SESSIONS + 1
const alice = device('alice', 1, 16)
const bob = device('bob', 2, 16)

describe.each(versions)('$namespace', (protocol) => {
  const { wire } = protocol

  /** Bob has started or answered every session, so that each may be turned by a ratchet key that is new. */
  function answered(): Device {
    let [a, b] = [alice, bob]
    for (let i = 0; i < SESSIONS; i++) {
      const offered = { ...b, preKeys: { ...b.preKeys, oneTime: b.preKeys.oneTime.slice(0, 1) } }
      const first = sent(initiated(protocol, a, offered, seeded(`session ${i}`)), 'hello')
      b = received(protocol, b, first.message.data).device
      const answer = sent(b, 'answer')
      a = received(protocol, first.device, answer.message.data).device
      // Their chain has messages that did not come: an authentic turn would keep their keys.
      b = answer.device
    }
    return b
  }

  const to = answered()

  function forged(counter: number, ratchetKey: Bytes): Bytes {
    const ciphertext = new Uint8Array(16)
    const header = { counter, previousCounter: MAX_COUNTER, ratchetKey, ciphertext }
    const mac = new Uint8Array(wire.macLength)
    return wire.encodeAuthenticated({ mac, message: wire.encodeRatchetMessage(header) })
  }

  const cost = (data: Uint8Array): unknown => {
    Object.assign(work, none)
    const { code } = failure(() => run(decryptMessage(protocol, to, data, live), counted))
    return { code, ...work }
  }

  const unknown = nodeCurve.publicKey(seeded('unknown')(32))

  test(`${SESSIONS} sessions: a Diffie-Hellman, MAX_MESSAGE_GAP steps and a message key for each`, () => {
    expect([list(to).current, ...list(to).archived].map(({ ratchet }) => ratchet.state)).toEqual(
      Array.from({ length: SESSIONS }, () => 'sending'),
    )
    const data = forged(MAX_MESSAGE_GAP, unknown)
    expect(data.length).toBeLessThanOrEqual(81)
    expect(cost(data)).toEqual({
      code: 'message-authentication-failed',
      steps: SESSIONS * MAX_MESSAGE_GAP,
      keys: SESSIONS,
      curve: SESSIONS,
    })
  })

  test('further ahead it costs nothing', () => {
    expect(cost(forged(MAX_MESSAGE_GAP + 1, unknown))).toEqual({ code: 'message-gap-too-big', ...none })
  })

  test('nor with a ratchet key of small order', () => {
    const zero = cost(forged(MAX_MESSAGE_GAP, new Uint8Array(32)))
    expect(zero).toEqual({ code: 'key-invalid', ...none })
  })

  test('in a chain that is known it costs the steps once, and the turns of the other sessions', () => {
    const { receiving } = list(to).current.ratchet
    if (receiving === undefined) throw new Error('answered')
    expect(cost(forged(MAX_MESSAGE_GAP, receiving.ratchetKey))).toEqual({
      code: 'message-authentication-failed',
      steps: SESSIONS * MAX_MESSAGE_GAP - receiving.next,
      keys: SESSIONS,
      curve: SESSIONS - 1,
    })
  })
})
