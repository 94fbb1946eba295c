/** Opting out (XEP-0384 §5.7): said and heard in envelopes of omemo:2, until a person goes on regardless. */
import { child, element } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { nodeCurve as curve } from './node-curve.ts'
import { read, refused, rids, send, sent } from './sending-support.ts'
import { bodyOf, chat, world } from './world.ts'

async function pair() {
  const { service, device } = world()
  const [juliet, romeo] = [await device('juliet', { curve }), await device('romeo', { curve })]
  return { service, device, juliet, romeo }
}

test('a contact who opts out is told of, and gets nothing until the person goes on', async () => {
  const { service, juliet, romeo } = await pair()
  const { stanzas } = sent(await service.finish(romeo.omemo.optOut(juliet.account, 'for the record')))
  expect(stanzas[0].attrs).toMatchObject({ to: juliet.account, type: 'chat' })
  expect(child(stanzas[0], 'body')).toBeUndefined()
  await romeo.client.connection.send(stanzas[0])
  await service.settle()
  expect(await read(service, juliet)).toEqual([])
  expect(juliet.events).toContainEqual({ kind: 'opted-out', jid: romeo.account, reason: 'for the record' })

  const message = chat(romeo.account, 'secret')
  expect(refused(await service.finish(juliet.omemo.encrypt(message, [romeo.account]))).code).toBe('opted-out')
  // Sessions remain, and what they say is still read.
  await send(service, romeo, chat(juliet.account, 'still there'), [juliet.account])
  expect((await read(service, juliet)).map(({ content }) => bodyOf(content))).toEqual(['still there'])

  await juliet.omemo.optIn(romeo.account)
  await juliet.omemo.optIn(romeo.account)
  await send(service, juliet, message, [romeo.account])
  expect((await read(service, romeo)).map(({ content }) => bodyOf(content))).toEqual(['secret'])
})

test('it is said in omemo:2 alone', async () => {
  const { service, device, juliet } = await pair()
  const old = await device('nurse', { curve, namespaces: [AXOLOTL] })
  expect(refused(await service.finish(juliet.omemo.optOut(old.account)))).toMatchObject({
    code: 'recipients-unreachable',
    skipped: [{ code: 'content-needs-omemo2' }],
  })
  const recent = await device('nurse', { curve })
  await service.advance(3_700_000)
  const { stanzas } = sent(await service.finish(juliet.omemo.optOut(old.account)))
  expect(rids(stanzas[0])).toEqual({ [OMEMO_2]: [recent.omemo.deviceId], [AXOLOTL]: [] })
})

test('row 18: one in the clear, or beside a payload, is nothing', async () => {
  const { service, juliet, romeo } = await pair()
  const plain = element(
    'jabber:client',
    'message',
    { to: juliet.account, type: 'chat' },
    element(OMEMO_2, 'opt-out'),
  )
  await romeo.client.connection.send(plain)
  const { stanzas } = sent(
    await service.finish(romeo.omemo.encrypt(chat(juliet.account, 'hi'), [juliet.account])),
  )
  const beside = element('jabber:client', 'message', stanzas[0].attrs, [
    ...stanzas[0].children,
    element(OMEMO_2, 'opt-out'),
  ])
  await romeo.client.connection.send(beside)
  await service.settle()
  expect((await read(service, juliet)).map(({ content }) => bodyOf(content))).toEqual(['hi'])
  await send(service, juliet, chat(romeo.account, 'still encrypted'), [romeo.account])
})
