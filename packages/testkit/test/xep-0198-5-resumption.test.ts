import { ConnectionError } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { RESUMPTION_MS, testService } from '../src/index.ts'
import { all, c, chat, get, inbox, ping, words } from './support.ts'

async function world() {
  const service = testService()
  const juliet = service.connect('juliet', { resource: 'j' })
  const romeo = service.connect('romeo', { resource: 'r' })
  const states: string[] = []
  romeo.connection.subscribe({ session: (state) => states.push(state) })
  romeo.presence()
  await service.settle()
  return { service, juliet, romeo, states, got: inbox(romeo, 'message') }
}

const lost = expect.objectContaining({ name: 'ConnectionError', code: 'lost' })

describe('a connection that breaks', () => {
  test('is told of only when it is resumed, as by host libraries; what is sent meanwhile rejects', async () => {
    const { romeo, juliet, states } = await world()
    romeo.disconnect()
    romeo.disconnect()
    expect([romeo.connection.jid, romeo.online, states]).toEqual([romeo.jid, false, []])
    await expect(romeo.connection.send(chat(juliet.jid, 'x'))).rejects.toEqual(lost)
    await expect(get(romeo, undefined, ping)).rejects.toEqual(lost)
    for (const call of [
      () => romeo.presence(),
      () => romeo.unavailable(),
      () => romeo.join('garden', 'Romeo'),
    ])
      expect(call).toThrow(ConnectionError)
    expect([romeo.resume(), romeo.resume(), states]).toEqual(['resumed', 'resumed', ['resumed']])
  })

  test('lets requests wait, which are answered when it is resumed', async () => {
    const { service, romeo } = await world()
    const answer = get(romeo, undefined, ping)
    romeo.disconnect()
    await service.advance(1000)
    romeo.resume()
    expect((await answer).attrs.type).toBe('result')
  })

  test.each([
    ['reconnect', ['new']],
    ['close', ['lost']],
    ['lose', ['lost']],
  ] as const)('ends them with %s', async (how, told) => {
    const { romeo, states } = await world()
    const answer = get(romeo, undefined, ping)
    romeo.disconnect()
    romeo[how]()
    await expect(answer).rejects.toEqual(lost)
    expect(states).toEqual(told)
  })

  test('that is resumed loses nothing, in neither direction', async () => {
    const { service, juliet, romeo, states, got } = await world()
    const other = inbox(juliet, 'message')
    await romeo.connection.send(chat(juliet.jid, 'out'))
    romeo.disconnect()
    await juliet.connection.send(chat(romeo.jid, 'in'))
    await service.advance(RESUMPTION_MS - 1)
    expect([words(got), words(other)]).toEqual([[], []])
    expect(romeo.resume()).toBe('resumed')
    await service.settle()
    expect([words(got), words(other), states]).toEqual([['in'], ['out'], ['resumed']])
  })

  test('that is not resumed in time is the end of the session; messages wait', async () => {
    const { service, juliet, romeo, states, got } = await world()
    romeo.disconnect()
    await juliet.connection.send(chat(romeo.jid, 'in'))
    await service.advance(RESUMPTION_MS)
    expect([romeo.connection.jid, states]).toEqual([undefined, ['lost']])
    expect(romeo.resume()).toBe('new')
    await service.settle()
    expect(words(got)).toEqual([])
    romeo.presence()
    await service.settle()
    expect([words(got), states]).toEqual([['in'], ['lost', 'new']])
    // It is in the archive once: the mark is that of the first delivery.
    expect(all(got[0]!, 'stanza-id').length).toBe(1)
  })

  test('replaced by a new session: messages go to other clients, requests are answered', async () => {
    const { service, juliet, romeo } = await world()
    const phone = service.connect('romeo', { resource: 'phone' })
    const got = inbox(phone, 'message')
    phone.presence({ priority: -1 })
    phone.presence({ priority: 0 })
    await service.settle()
    romeo.disconnect()
    await juliet.connection.send(chat(romeo.jid, 'in'))
    const back = inbox(juliet, 'iq')
    await juliet.connection.send(c('iq', { type: 'get', id: 'x', to: romeo.jid }, c('query')))
    await service.settle()
    romeo.reconnect()
    await service.settle()
    expect(words(got)).toEqual(['in'])
    expect(back.map(({ attrs }) => attrs.type)).toEqual(['error'])
  })

  test('and a new client of the same resource: the older one has none', async () => {
    const { service, romeo, states } = await world()
    const twin = service.connect('romeo', { resource: 'r' })
    expect(service.transcript.at(-2)).toMatchObject({ state: 'lost', reason: 'conflict' })
    expect([romeo.online, twin.online, states]).toEqual([false, true, ['lost']])
    expect(romeo.resume()).toBe('new')
    expect(twin.online).toBe(false)
  })
})

test('a session that is lost, and not closed, goes on for the server', async () => {
  const { service, juliet, romeo, states } = await world()
  service.subscribeBoth('juliet', 'romeo')
  juliet.presence()
  await service.settle()
  const seen = inbox(juliet, 'presence')
  const answer = get(romeo, undefined, ping)
  romeo.lose()
  await expect(answer).rejects.toEqual(lost)
  expect([romeo.connection.jid, states]).toEqual([undefined, ['lost']])
  await service.advance(RESUMPTION_MS - 1)
  expect(seen).toEqual([])
  await service.advance(1)
  expect(seen.map(({ attrs }) => attrs.type)).toEqual(['unavailable'])
  expect([romeo.resume(), states]).toEqual(['new', ['lost', 'new']])
})

test('a new session in place of a live one: the old one is lost first', async () => {
  const { romeo, states } = await world()
  romeo.reconnect()
  expect(states).toEqual(['lost', 'new'])
})

test('a session that is closed cannot be resumed', async () => {
  const { romeo, states } = await world()
  romeo.close()
  expect(romeo.resume()).toBe('new')
  expect(states).toEqual(['lost', 'new'])
})
