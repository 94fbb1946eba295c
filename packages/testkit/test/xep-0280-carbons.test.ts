import { bareJid, element, receive } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { testService } from '../src/index.ts'
import { body, c, chat, inbox, set, words } from './support.ts'

const CARBONS = 'urn:xmpp:carbons:2'
const hint = (name: string) => element('urn:xmpp:hints', name)

async function world() {
  const service = testService()
  const juliet = service.connect('juliet')
  const desk = service.connect('romeo', { resource: 'desk' })
  const phone = service.connect('romeo', { resource: 'phone' })
  for (const client of [juliet, desk, phone]) client.presence()
  await set(phone, undefined, element(CARBONS, 'enable'))
  await service.settle()
  return { service, juliet, desk, phone, copies: inbox(phone, 'message'), got: inbox(desk, 'message') }
}

describe('6.1 what is copied', () => {
  test.each([
    ['chat', chat('', 'x'), 1],
    ['normal with a body', c('message', {}, body('x')), 1],
    ['normal without', c('message', {}, element('urn:xmpp:omemo:2', 'encrypted')), 0],
    ['a receipt', c('message', {}, element('urn:xmpp:receipts', 'received', { id: 'x' })), 1],
    ['a headline', c('message', { type: 'headline' }, body('x')), 0],
    ['a private one', chat('', 'x', element(CARBONS, 'private')), 0],
    ['one not to be copied', chat('', 'x', hint('no-copy')), 0],
  ])('%s', async (_name, message, count) => {
    for (const direction of ['received', 'sent'] as const) {
      const { service, juliet, desk, copies } = await world()
      const [from, to] = direction === 'sent' ? [desk, juliet] : [juliet, desk]
      await from.connection.send(
        element(message.ns, message.name, { ...message.attrs, to: to.jid }, message.children),
      )
      await service.settle()
      expect(copies.length, direction).toBe(count)
    }
  })
})

test('copies are what `receive` of xml accepts', async () => {
  const { service, juliet, desk, copies } = await world()
  await juliet.connection.send(chat(desk.jid, 'in'))
  await service.settle()
  await desk.connection.send(chat(juliet.jid, 'out'))
  await service.settle()
  const account = bareJid.decode('romeo@capulet.example')!
  const received = copies.map((copy) => receive(copy, { account }))
  expect(received).toMatchObject([
    { kind: 'message', channel: 'carbon', own: false, chat: 'juliet@capulet.example' },
    { kind: 'message', channel: 'carbon', own: true, chat: 'juliet@capulet.example' },
  ])
})

test('nobody gets a message and its copy', async () => {
  const { service, juliet, copies, got } = await world()
  await juliet.connection.send(chat('romeo@capulet.example', 'both'))
  await service.settle()
  expect([words(copies), words(got)]).toEqual([['both'], ['both']])
})

test('5 disabled, there are none', async () => {
  const { service, juliet, desk, phone, copies } = await world()
  await set(phone, undefined, element(CARBONS, 'disable'))
  await juliet.connection.send(chat(desk.jid, 'x'))
  await service.settle()
  expect(copies.length).toBe(0)
})

test('9 the mark does not reach the recipient', async () => {
  const { service, juliet, desk, got } = await world()
  await juliet.connection.send(chat(desk.jid, 'x', element(CARBONS, 'private')))
  await service.settle()
  expect(JSON.stringify(got)).not.toContain('private')
})
