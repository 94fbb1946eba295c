/** Messages that really go over the network of testkit, and what they were encrypted with. */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Element, Received } from '@xmpp-e2e/xml'
import { expect } from 'vitest'
import { protocols } from '../src/protocol.ts'
import { encryptedFormats } from '../src/stanza/encrypted.ts'
import { encryptedElements } from '../src/stanza/message.ts'
import { chat, type TestDevice, type World } from './world.ts'

/** Encrypts, sends and delivers texts. What has arrived by then. */
export async function say(
  w: World,
  from: TestDevice,
  to: TestDevice,
  ...texts: readonly string[]
): Promise<readonly Received[]> {
  for (const text of texts) {
    const outcome = await w.service.finish(from.omemo.encrypt(chat(to.account, text), [to.account]))
    if (outcome.kind !== 'encrypted') throw new Error(JSON.stringify(outcome))
    for (const stanza of outcome.stanzas) await from.client.connection.send(stanza)
  }
  await w.service.settle()
  return to.arrived()
}

/** Of each `<key/>`: which message key it used, by ratchet key and counter, and what for. */
function keysUsed(stanza: Element): readonly (readonly [messageKey: string, data: string])[] {
  return encryptedElements(stanza).flatMap(({ namespace, element }) => {
    const { wire } = protocols[namespace]
    return encryptedFormats[namespace].decode(element).keys.map(({ data }) => {
      const encoded = wire.isKeyExchange(data) ? wire.decodeKeyExchange(data).message : data
      const { ratchetKey, counter } = wire.decodeRatchetMessage(wire.decodeAuthenticated(encoded).message)
      return [`${bytesToHex(ratchetKey)} ${counter}`, bytesToHex(data)] as const
    })
  })
}

/** The same stanza may leave twice, since nobody knows whether it did; another one never with the same key. */
export function expectNoKeyTwice(sent: readonly Element[]): void {
  const used = new Map<string, string>()
  for (const [messageKey, data] of sent.flatMap(keysUsed)) {
    expect(used.get(messageKey) ?? data).toBe(data)
    used.set(messageKey, data)
  }
  expect(used.size).toBeGreaterThan(0)
}
