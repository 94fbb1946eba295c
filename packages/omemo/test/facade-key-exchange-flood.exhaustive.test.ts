/** Row 8: key exchanges cost their sender nothing. What nobody authenticates must cost us no prekey and no publication. */
import { memoryStore } from '@xmpp-e2e/store'
import type { TestService } from '@xmpp-e2e/testkit'
import { type Element, element, receive } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import {
  decodePreKeys,
  encryptedFormats,
  generateIdentity,
  type Namespace,
  protocols,
} from '../src/primitives.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { seeded } from './support.ts'
import { chat, world } from './world.ts'

/** In each namespace, of two. */
const GARBAGE = 5_000

/**
 * One in a hundred names a prekey that is there: its secrets are computed before its MAC is found to be wrong. As many
 * name one that never was; the others are cut off.
 */
const kindOf = (i: number) => (['plausible', 'unknown'] as const)[i % 100] ?? 'cut'

function publications({ transcript }: TestService): number {
  return transcript.filter(
    (entry) => entry.kind === 'stanza' && entry.direction === 'sent' && isPublication(entry.stanza),
  ).length
}

const isPublication = (stanza: Element) => JSON.stringify(stanza.children).includes('"publish"')

test.each([OMEMO_2, AXOLOTL] as const)(`row 8: ${GARBAGE} garbage key exchanges in %s`, async (namespace) => {
  const { service, device } = world()
  const inner = memoryStore()
  let writes = 0
  const store = {
    ...inner,
    commit(...args: Parameters<typeof inner.commit>) {
      if ((args[1].put?.length ?? 0) + (args[1].delete?.length ?? 0) > 0) writes++
      return inner.commit(...args)
    },
  }
  const juliet = await device('juliet', { store })
  const tybalt = service.account('tybalt')
  const preKeys = async () => {
    const [found] = await store.read([`omemo/${juliet.account}/pre-keys/${namespace}`])
    return decodePreKeys(found?.value as Uint8Array)
  }
  const before = { preKeys: await preKeys(), publications: publications(service), writes }
  const garbage = garbageOf(namespace, juliet.omemo.deviceId, juliet.account)
  for (let i = 0; i < GARBAGE; i++) {
    const stanza = {
      ...garbage(i),
      attrs: { from: `${tybalt}/x`, to: juliet.account, type: 'chat', id: `${i}` },
    }
    const received = receive(stanza, { account: juliet.account })
    if (received.kind !== 'message') throw new Error(received.kind)
    const outcome = await juliet.omemo.decrypt(received)
    if (outcome.kind !== 'unreadable') throw new Error(outcome.kind)
  }
  await service.settle()
  expect({ preKeys: await preKeys(), publications: publications(service), writes }).toEqual(before)
  // And the genuine one works.
  const romeo = await device('romeo')
  const sent = await service.finish(romeo.omemo.encrypt(chat(juliet.account, 'hi'), [juliet.account]))
  if (sent.kind !== 'encrypted') throw new Error(sent.code)
  await romeo.client.connection.send(sent.stanzas[0])
  await service.settle()
  const [message] = juliet.arrived()
  expect(message && (await juliet.omemo.decrypt(message)).kind).toBe('message')
  await service.settle()
  expect(publications(service)).toBeGreaterThan(before.publications)
  expect(writes).toBeGreaterThan(before.writes)
})

function garbageOf(namespace: Namespace, rid: number, jid: string): (i: number) => Element {
  const { wire, identityBytes } = protocols[namespace]
  const random = seeded('garbage')
  const identityKey = identityBytes(generateIdentity(random))
  const point = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 9 : 0))
  return (i) => {
    const message = wire.encodeAuthenticated({
      mac: random(wire.macLength),
      message: wire.encodeRatchetMessage({
        counter: 0,
        previousCounter: 0,
        ratchetKey: point,
        ciphertext: random(64),
      }),
    })
    const kind = kindOf(i)
    const exchange = {
      preKeyId: kind === 'plausible' ? 1 + i / 100 : 1000 + i,
      signedPreKeyId: 1,
      identityKey,
      ephemeralKey: point,
      message,
    }
    const whole = wire.encodeKeyExchange(exchange, 666)
    const data = kind === 'cut' ? whole.slice(0, 5 + (i % (whole.length - 5))) : whole
    const key = { rid, keyExchange: true, data }
    const encrypted = { sid: 666, keys: [namespace === OMEMO_2 ? { ...key, jid } : key], payload: random(32) }
    const el = encryptedFormats[namespace].encode(
      namespace === OMEMO_2 ? encrypted : { ...encrypted, iv: random(12) },
    )
    return element('jabber:client', 'message', {}, [el])
  }
}
