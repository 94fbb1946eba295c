import { expect, test } from 'vitest'
import { bodyOf, chat, world } from './world.ts'

test('XEP-0374 §2: a message is read by the contact, by its sender, and by nobody else', async () => {
  const { client, finish, settle } = world()
  const juliet = await client('juliet')
  const romeo = await client('romeo')
  const encrypted = await finish(juliet.ox.encrypt(chat(romeo.account, 'Wherefore?'), [romeo.account]))
  if (encrypted.kind !== 'encrypted') throw new Error(JSON.stringify(encrypted))
  expect(encrypted.keys.map(({ owner }) => owner).sort()).toEqual([juliet.account, romeo.account].sort())
  await juliet.client.connection.send(encrypted.stanzas[0])
  await settle()
  const [received] = romeo.arrived()
  if (received === undefined) throw new Error('nothing came')
  const message = await finish(romeo.ox.decrypt(received))
  if (message.kind !== 'message') throw new Error(JSON.stringify(message))
  expect(message).toMatchObject({ as: 'signcrypt', authenticated: true, encrypted: true, warnings: [] })
  expect(bodyOf(message.content)).toBe('Wherefore?')
  await romeo.ox.settle([message.ref])
  expect(await finish(romeo.ox.decrypt(received))).toEqual({ kind: 'silent', why: 'duplicate' })
})
