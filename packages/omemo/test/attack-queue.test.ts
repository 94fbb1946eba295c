/** What waits for servers that do not answer must not hold up what is to be sent to others. */
import { element, vouch } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { OMEMO_2 } from '../src/protocol.ts'
import { encryptedFormats } from '../src/stanza/encrypted.ts'
import { nodeCurve as curve } from './node-curve.ts'
import { send } from './sending-support.ts'
import { chat, world } from './world.ts'

const idle = () => new Promise((done) => setImmediate(done))

test('strangers whose servers are silent, and a contact who writes meanwhile: the contact is answered at once', async () => {
  const { service, device } = world({ idle })
  const juliet = await device('juliet', { curve })
  const romeo = await device('romeo', { curve })
  service.fault({
    fault: { kind: 'drop' },
    match: ({ attrs }) => attrs.to?.includes('@silent.example') ?? false,
  })
  const encrypted = encryptedFormats[OMEMO_2].encode({
    sid: 7,
    keys: [
      {
        jid: juliet.account,
        rid: juliet.omemo.deviceId,
        keyExchange: false,
        data: Uint8Array.of(10, 1, 0, 18, 1, 0),
      },
    ],
    payload: new Uint8Array(32),
  })
  for (let i = 0; i < 30; i++) {
    const chat = service.account(`u${i}@silent.example`)
    const stanza = element(
      'jabber:client',
      'message',
      { to: juliet.account, from: chat, type: 'chat' },
      encrypted,
    )
    const sender = { known: 'stream', jid: chat } as const
    const received = vouch({ stanza, account: juliet.account, chat, sender, channel: 'live', own: false })
    await juliet.omemo.decrypt(received)
  }
  await service.settle()
  await send(service, romeo, chat(juliet.account, 'hello'), [juliet.account])
  for (const received of juliet.arrived()) await juliet.omemo.decrypt(received)
  romeo.arrived()
  await service.settle()
  expect(romeo.arrived()).toHaveLength(1)
})
