/**
 * A failed decryption leaves the state byte-identical: one bit changed at every offset of every kind of message.
 * What opens all the same is listed bit by bit; nothing authenticates those, and the plaintext is the same.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { run } from '../src/curve.ts'
import { OmemoError } from '../src/error.ts'
import { type PayloadCipher, payloadCiphers } from '../src/payload.ts'
import { axolotl, type Protocol } from '../src/protocol.ts'
import { encryptMessage } from '../src/session-list.ts'
import { type EncryptedFormat, encryptedFormats } from '../src/stanza/encrypted.ts'
import { nodeCurve } from './node-curve.ts'
import {
  attempt,
  type Device,
  device,
  failure,
  flipped,
  initiated,
  received,
  seeded,
  sent,
  snapshot,
  versions,
} from './support.ts'

const alice = device('alice', 1)
const bob = device('bob', 2)

interface Kind {
  readonly to: Device
  readonly data: Uint8Array
  readonly text: string
}

/** Every kind of message, with the device that it is for as it was when the message arrived. */
function kinds(protocol: Protocol): Readonly<Record<string, Kind>> {
  const first = sent(initiated(protocol, alice, bob), 'first')
  const second = sent(first.device, 'second')
  const accepted = received(protocol, bob, first.message.data).device
  const completion = sent(accepted, '')
  const completed = received(protocol, second.device, completion.message.data).device
  const late = sent(completed, 'late')
  const plain = sent(late.device, 'plain')
  const after = received(protocol, completion.device, plain.message.data).device
  const next = sent(plain.device, 'next')
  return {
    'key exchange': { to: bob, data: first.message.data, text: 'first' },
    'key exchange, repeated': { to: accepted, data: second.message.data, text: 'second' },
    completion: { to: second.device, data: completion.message.data, text: '' },
    'plain, of a new chain': { to: completion.device, data: plain.message.data, text: 'plain' },
    'plain, late': { to: after, data: late.message.data, text: 'late' },
    'plain, of the chain': { to: after, data: next.message.data, text: 'next' },
  }
}

const bits = (offset: number, ...list: readonly number[]): readonly string[] =>
  list.map((bit) => `${offset}.${bit}`)
const SEVEN = [0, 1, 2, 3, 4, 5, 6]

/**
 * 0.3: 33 ‖ 28 registrationId ‖ 08 preKeyId ‖ 30 signedPreKeyId ‖ …; omemo:2: 08 pk_id ‖ 10 spk_id ‖ …
 *
 * - The low nibble of the outer version byte is not read.
 * - registrationId is not read: its value may be any, its tag that of an unknown field.
 * - The ids of prekeys say nothing more in an exchange that is repeated, where the one-time one may be missing.
 */
const tolerated: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'eu.siacs.conversations.axolotl': {
    'key exchange': [...bits(0, 0, 1, 2, 3), ...bits(1, 4, 6), ...bits(2, ...SEVEN)],
    'key exchange, repeated': [
      ...bits(0, 0, 1, 2, 3),
      ...bits(1, 4, 6),
      ...bits(2, ...SEVEN),
      ...bits(3, 6),
      ...bits(4, ...SEVEN),
      ...bits(6, ...SEVEN),
    ],
  },
  'urn:xmpp:omemo:2': {
    'key exchange, repeated': [...bits(0, 6), ...bits(1, ...SEVEN), ...bits(3, ...SEVEN)],
  },
}

/** The first key exchange is costly: one bit of each byte, another for each, but all of the first bytes. */
const ALL_BITS_UNTIL = 16

describe.each(versions)('$namespace', (protocol) => {
  describe.each(Object.entries(kinds(protocol)))('%s', (name, { to, data, text }) => {
    test('one bit changed, at every offset', () => {
      const before = snapshot(to)
      const opened: string[] = []
      for (let offset = 0; offset < data.length; offset++)
        for (let bit = 0; bit < 8; bit++) {
          if (name === 'key exchange' && offset >= ALL_BITS_UNTIL && bit !== offset % 8) continue
          const changed = flipped(data, offset, bit)
          const result = attempt(() => received(protocol, to, changed))
          expect(snapshot(to), `${offset}.${bit}`).toBe(before)
          if (result instanceof OmemoError) continue
          opened.push(`${offset}.${bit}`)
          expect(result.text).toBe(text)
        }
      expect(opened).toEqual(tolerated[protocol.namespace]?.[name] ?? [])
      expect(received(protocol, to, data).text).toBe(text)
    })

    test('cut short anywhere, or longer', () => {
      const before = snapshot(to)
      for (let length = 0; length < data.length; length++) {
        failure(() => received(protocol, to, data.subarray(0, length)))
        expect(snapshot(to)).toBe(before)
      }
      failure(() => received(protocol, to, Uint8Array.of(...data, 0)))
      expect(received(protocol, to, data).text).toBe(text)
    })
  })

  describe('with a payload', () => {
    const cipher: PayloadCipher = payloadCiphers[protocol.namespace]
    const format: EncryptedFormat = encryptedFormats[protocol.namespace]
    const body = new TextEncoder().encode('What is said')

    /** Encrypts for bob and takes it through its element. */
    function stanza(from: Device): ReturnType<EncryptedFormat['decode']> {
      if (from.sessions === undefined) throw new Error('no session')
      const { payload, keyMaterial, iv } = cipher.seal(body, seeded('payload'))
      const { message } = run(
        encryptMessage(from.self, from.sessions, keyMaterial, { random: seeded('message') }),
        nodeCurve,
      )
      const key = { jid: 'bob@example.org', rid: bob.self.deviceId, ...message }
      return format.decode(
        format.encode({ sid: from.self.deviceId, keys: [key], payload, ...(iv && { iv }) }),
      )
    }

    /** Ratchet, then payload; the device as it is to be stored, only if both are good. */
    function receive(
      to: Device,
      encrypted: ReturnType<typeof stanza>,
    ): { readonly device: Device; readonly body: string } {
      const [key] = encrypted.keys
      const { payload, iv } = encrypted
      if (key === undefined || payload === undefined) throw new Error('incomplete')
      const { device: after, opened } = received(protocol, to, key.data)
      const plaintext = cipher.open({ payload, iv, keyMaterial: opened.plaintext })
      return { device: after, body: new TextDecoder().decode(plaintext) }
    }

    const first = sent(initiated(protocol, alice, bob), 'first')
    const accepted = received(protocol, bob, first.message.data).device
    const encrypted = stanza(first.device)

    test.each(['payload', 'iv'] as const)('one bit of the %s changed, at every offset', (part) => {
      const bytes = encrypted[part]
      expect(bytes === undefined).toBe(part === 'iv' && protocol !== axolotl)
      const before = snapshot(accepted)
      for (let offset = 0; offset < (bytes?.length ?? 0); offset++)
        for (let bit = 0; bit < 8; bit++) {
          const changed = { ...encrypted, [part]: flipped(bytes ?? new Uint8Array(), offset, bit) }
          expect(failure(() => receive(accepted, changed)).code).toBe('payload-authentication-failed')
          expect(snapshot(accepted)).toBe(before)
        }
      const { device: after, body: read } = receive(accepted, encrypted)
      expect(read).toBe('What is said')
      expect(snapshot(after)).not.toBe(before)
    })

    test('a key exchange with another payload uses no prekey', () => {
      const exchange = stanza(initiated(protocol, alice, bob))
      const changed = { ...exchange, payload: flipped(exchange.payload ?? new Uint8Array(), 0, 0) }
      const before = snapshot(bob)
      expect(failure(() => receive(bob, changed)).code).toBe('payload-authentication-failed')
      expect(snapshot(bob)).toBe(before)
      expect(receive(bob, exchange).device.preKeys.oneTime.length).toBe(bob.preKeys.oneTime.length - 1)
    })

    test('payloads of two messages, exchanged', () => {
      const from = sent(initiated(protocol, alice, bob), 'other').device
      const other = { ...stanza(from), payload: cipher.seal(body, seeded('other')).payload }
      expect(failure(() => receive(bob, other)).code).toBe('payload-authentication-failed')
    })
  })

  test('what is given is never written to', () => {
    for (const { to, data } of Object.values(kinds(protocol))) {
      const before = bytesToHex(data)
      const state = structuredClone(to)
      received(protocol, to, data)
      expect(bytesToHex(data)).toBe(before)
      expect(to).toEqual(state)
    }
  })
})
