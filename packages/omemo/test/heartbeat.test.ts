/** XEP-0384 §6: a chain that came to counter 53 without an answer asks for an empty message, until one leaves. */
import { describe, expect, test } from 'vitest'
import { HEARTBEAT_COUNTER } from '../src/double-ratchet.ts'
import { type Device, device, initiated, received, sent, versions } from './support.ts'

const bob = device('bob', 2)

/** Messages of one chain, which has so many. */
function chainOf(
  length: number,
  from: Device,
): { readonly from: Device; readonly chain: readonly Uint8Array[] } {
  let sender = from
  const chain = Array.from({ length }, (_, i) => {
    const { device: next, message } = sent(sender, `${i}`)
    sender = next
    return message.data
  })
  return { from: sender, chain }
}

describe.each(versions)('$namespace', (protocol) => {
  const start = initiated(protocol, device('alice', 1), bob)
  const { from: alice, chain } = chainOf(HEARTBEAT_COUNTER + 3, start)
  const at = (counter: number): Uint8Array => chain[counter] as Uint8Array

  test('at counter 53, not before', () => {
    expect(HEARTBEAT_COUNTER).toBe(53)
    const before = received(protocol, bob, at(HEARTBEAT_COUNTER - 1))
    expect(before.opened).toMatchObject({ heartbeat: false, completion: true })
    expect(received(protocol, before.device, at(HEARTBEAT_COUNTER)).opened.heartbeat).toBe(true)
  })

  test('by the counter: those that were lost count too, in a first message as well', () => {
    expect(received(protocol, bob, at(HEARTBEAT_COUNTER)).opened).toMatchObject({
      heartbeat: true,
      completion: true,
    })
  })

  test('again with each message until we send, late ones too', () => {
    const first = received(protocol, bob, at(HEARTBEAT_COUNTER))
    const second = received(protocol, first.device, at(HEARTBEAT_COUNTER + 1))
    expect(second.opened.heartbeat).toBe(true)
    expect(received(protocol, second.device, at(0)).opened.heartbeat).toBe(true)
  })

  test('not any more once we have sent, though they have not seen it', () => {
    const due = received(protocol, bob, at(HEARTBEAT_COUNTER)).device
    const heartbeat = sent(due, '')
    const after = received(protocol, heartbeat.device, at(HEARTBEAT_COUNTER + 1))
    expect(after.opened.heartbeat).toBe(false)
    // It turns their ratchet: the next chain starts from zero.
    const turned = received(protocol, alice, heartbeat.message.data).device
    const { chain: next } = chainOf(HEARTBEAT_COUNTER + 1, turned)
    let to = after.device
    const due2 = next.map((data) => {
      const { device: later, opened } = received(protocol, to, data)
      to = later
      return opened.heartbeat
    })
    expect(due2.indexOf(true)).toBe(HEARTBEAT_COUNTER)
  })
})
