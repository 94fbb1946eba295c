import { element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { testService } from '../src/index.ts'
import { all, body, c, chat, inbox, words } from './support.ts'

const ROMEO = 'romeo@capulet.example'
const hint = (name: string) => element('urn:xmpp:hints', name)

describe('messages for nobody', () => {
  test('wait for a client, in order, with the time', async () => {
    const service = testService()
    const juliet = service.connect('juliet')
    service.account('romeo')
    await juliet.connection.send(chat(ROMEO, 'one'))
    await service.advance(60_000)
    await juliet.connection.send(chat(`${ROMEO}/gone`, 'two'))
    await service.settle()
    const romeo = service.connect('romeo')
    const got = inbox(romeo, 'message')
    romeo.presence({ priority: -1 })
    await service.settle()
    expect(words(got)).toEqual([])
    romeo.presence()
    await service.settle()
    expect(words(got)).toEqual(['one', 'two'])
    expect(got.map((message) => all(message, 'delay')[0]?.attrs)).toMatchObject([
      { from: ROMEO, stamp: '2030-01-01T00:00:00Z' },
      { from: ROMEO, stamp: '2030-01-01T00:01:00Z' },
    ])
    romeo.reconnect()
    romeo.presence()
    await service.settle()
    expect(got.length).toBe(2)
  })

  test.each([
    ['a headline', c('message', { type: 'headline', to: ROMEO }, body('x')), 0],
    ['what must not be stored', chat(ROMEO, 'x', hint('no-store')), 0],
    [
      'a chat state alone',
      c(
        'message',
        { type: 'chat', to: ROMEO },
        element('http://jabber.org/protocol/chatstates', 'composing'),
      ),
      0,
    ],
    [
      'an encrypted one',
      c('message', { type: 'chat', to: ROMEO }, element('urn:xmpp:omemo:2', 'encrypted')),
      1,
    ],
    ['what must not be archived', chat(ROMEO, 'x', hint('no-permanent-store')), 1],
  ])('%s', async (_name, message, count) => {
    const service = testService()
    const juliet = service.connect('juliet')
    service.account('romeo')
    await juliet.connection.send(message)
    await service.settle()
    const romeo = service.connect('romeo')
    const got = inbox(romeo, 'message')
    romeo.presence()
    await service.settle()
    expect(got.length).toBe(count)
  })
})
