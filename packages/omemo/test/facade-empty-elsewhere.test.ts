import { expect, test } from 'vitest'
import { chat, world } from './world.ts'

test('XEP-0384 5.5.3: an empty message for another device of the account is nothing to show here', async () => {
  const { device, service } = world()
  const [alice, phone, desk] = [await device('alice'), await device('bob'), await device('bob')]
  const sent = await service.finish(phone.omemo.encrypt(chat(alice.account, 'hello'), [alice.account]))
  if (sent.kind !== 'encrypted') throw new Error(sent.code)
  await phone.client.connection.send(sent.stanzas[0])
  await service.settle()
  const [received] = alice.arrived()
  if (!received) throw new Error('nothing came')
  // Its key exchange is answered with an empty message, which the service gives to both of them.
  expect(await service.finish(alice.omemo.decrypt(received))).toMatchObject({ kind: 'message' })
  await service.settle()
  const came = desk
    .arrived()
    .filter((each) => each.sender.known !== 'no' && each.sender.jid === alice.client.jid)
  expect(came.length).toBeGreaterThan(0)
  for (const each of came) expect(await desk.omemo.decrypt(each)).toEqual({ kind: 'silent', why: 'control' })
})
