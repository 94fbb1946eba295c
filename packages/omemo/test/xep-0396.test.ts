/** Keys of Jingle transports (XEP-0396), for all devices of the peer and no others. */
import { element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { JET_CIPHER, type TransportedKey } from '../src/index.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { encryptedFormats } from '../src/stanza/encrypted.ts'
import { nodeCurve as curve } from './node-curve.ts'
import { read, send } from './sending-support.ts'
import { bodyOf, chat, world } from './world.ts'

const key = Uint8Array.from({ length: 16 }, (_, i) => i)
const iv = Uint8Array.from({ length: 12 }, (_, i) => 100 + i)

function encrypted(outcome: TransportedKey) {
  if (outcome.kind !== 'encrypted') throw new Error(JSON.stringify(outcome))
  return outcome
}

async function pair() {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  const laptop = await device('juliet', { curve })
  const phone = await device('romeo', { curve })
  const tablet = await device('romeo', { curve })
  return { service, juliet, laptop, phone, tablet }
}

test('a key for every device of the peer, none for our own, and no payload', async () => {
  const { service, juliet, phone, tablet } = await pair()
  const {
    element: el,
    type,
    reached,
  } = encrypted(await service.finish(juliet.omemo.encryptKey(phone.account, key, iv)))
  expect(type).toBe(AXOLOTL)
  expect(JET_CIPHER).toBe('urn:xmpp:ciphers:aes-128-gcm-nopadding:0')
  const { keys, payload, iv: sentIv } = encryptedFormats[AXOLOTL].decode(el)
  expect([payload, sentIv]).toEqual([undefined, iv])
  expect(keys.map(({ rid }) => rid).sort()).toEqual([phone.omemo.deviceId, tablet.omemo.deviceId].sort())
  expect(reached).toHaveLength(2)
  for (const { omemo } of [phone, tablet])
    expect(await service.finish(omemo.decryptKey(el, juliet.account))).toMatchObject({
      kind: 'key',
      key,
      iv,
      sender: { jid: juliet.account, id: juliet.omemo.deviceId },
      senderKey: { fingerprint: juliet.omemo.fingerprint, level: 'blind' },
    })
  // Its session is one for messages as well, and was completed.
  await service.settle()
  await read(service, juliet)
  await send(service, juliet, chat(phone.account, 'sent it'), [phone.account])
  expect((await read(service, phone)).map(({ content }) => bodyOf(content))).toEqual(['sent it'])
})

describe('what cannot be', () => {
  test('a second time', async () => {
    const { service, juliet, phone } = await pair()
    const { element: el } = encrypted(await service.finish(juliet.omemo.encryptKey(phone.account, key, iv)))
    await service.finish(phone.omemo.decryptKey(el, juliet.account))
    expect(await service.finish(phone.omemo.decryptKey(el, juliet.account))).toEqual({
      kind: 'unreadable',
      code: 'message-duplicate',
    })
  })

  test('for another device, from somebody else, or a message', async () => {
    const { service, juliet, laptop, phone } = await pair()
    const { element: el } = encrypted(await service.finish(juliet.omemo.encryptKey(phone.account, key, iv)))
    expect(await service.finish(laptop.omemo.decryptKey(el, juliet.account))).toMatchObject({
      code: 'not-for-this-device',
    })
    const { stanzas } = await send(service, juliet, chat(phone.account, 'a message'), [phone.account])
    await expect(phone.omemo.decryptKey(stanzas[0], juliet.account)).rejects.toThrow(TypeError)
    const other = element(OMEMO_2, 'encrypted')
    await expect(phone.omemo.decryptKey(other, juliet.account)).rejects.toThrow(TypeError)
  })

  test('keys of other lengths', async () => {
    const { juliet, phone } = await pair()
    await expect(juliet.omemo.encryptKey(phone.account, new Uint8Array(32), iv)).rejects.toThrow(RangeError)
    await expect(juliet.omemo.encryptKey(phone.account, key, new Uint8Array(13))).rejects.toThrow(RangeError)
  })

  test('devices of omemo:2 alone', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { curve })
    const romeo = await device('romeo', { curve, namespaces: [OMEMO_2] })
    expect(await service.finish(juliet.omemo.encryptKey(romeo.account, key, iv))).toMatchObject({
      kind: 'refused',
      code: 'recipients-unreachable',
    })
  })
})
