import { EventEmitter } from 'node:events'
import { guard, type Wire } from '@xmpp-e2e/xml'
import { fromLtx, type LtxElement, toLtx } from '@xmpp-e2e/xml/ltx'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { type Client, testService } from '../src/index.ts'
import { c, chat, inbox, ping, words } from './support.ts'

describe('names', () => {
  test('are canonical, wherever they come from', () => {
    const service = testService({ domain: 'montague.example' })
    expect(service.account('Romeo')).toBe('romeo@montague.example')
    expect(service.account('juliet@capulet.example')).toBe('juliet@capulet.example')
    expect(service.room('Garden')).toBe('garden@muc.montague.example')
    expect(service.connect('ROMEO', { resource: 'Orchard' }).jid).toBe('romeo@montague.example/Orchard')
  })

  test.each<[string, () => unknown]>([
    ['domain', () => testService({ domain: 'Capulet.example' })],
    ['account', () => testService().account('a@b@c')],
    ['account', () => testService().account('romeo@capulet.example/orchard')],
    ['room', () => testService().room('garden@elsewhere.example')],
    ['room', () => testService().connect('romeo').join('garden@elsewhere.example', 'Romeo')],
    ['resource', () => testService().connect('romeo', { resource: '' })],
  ])('that are none are refused: %s', (label, call) => {
    expect(call).toThrow(TypeError)
    expect(call).toThrow(label)
  })

  test('of features twice are refused', () => {
    const client = testService().connect('juliet')
    expect(() => client.presence({ features: ['urn:a', 'urn:a'] })).toThrow(RangeError)
  })
})

test('random bytes and ids differ from each other, and depend on the seed', () => {
  const [a, b, c] = [testService({ seed: 1 }), testService({ seed: 1 }), testService({ seed: 2 })]
  const first = a.random(16)
  expect(first).toEqual(b.random(16))
  expect(first).not.toEqual(c.random(16))
  expect(first).not.toEqual(a.random(16))
  expect(a.random(0).length).toBe(0)
})

test('domains reach each other', async () => {
  const service = testService()
  const [juliet, romeo] = [service.connect('juliet'), service.connect('romeo@montague.example')]
  const got = inbox(romeo, 'message')
  await juliet.connection.send(chat(romeo.jid, 'hello'))
  await service.settle()
  expect(words(got)).toEqual(['hello'])
})

test('clock, random and wire fit the ports of xml', () => {
  const service = testService()
  const client = service.connect('juliet')
  expectTypeOf<Client['wire']>().toExtend<Wire>()
  expect(guard(client.wire, { random: service.random, clock: service.clock }).jid).toBe(client.jid)
})

test('a client of xmpp.js is stood in for by the lines of the README', async () => {
  const xml = (name: string, attrs: object, ...children: (LtxElement | string)[]): LtxElement => ({
    name,
    attrs: { ...attrs },
    children,
  })
  const service = testService()
  const [client, romeo] = [service.connect('juliet'), service.connect('romeo')]
  const xmpp = Object.assign(new EventEmitter(), {
    jid: client.jid,
    send: async (el: LtxElement) => client.wire.send(fromLtx(el)),
    iqCaller: {
      request: async (el: LtxElement) => toLtx(await client.connection.request(fromLtx(el)), xml),
    },
  })
  client.wire.subscribe({
    stanza: (stanza) => xmpp.emit('stanza', toLtx(stanza, xml)),
    session: (state) => state !== 'resumed' && xmpp.emit(state === 'lost' ? 'offline' : 'online'),
  })
  const events: string[] = []
  xmpp.on('stanza', ({ name, attrs }: LtxElement) => events.push(`${name} ${attrs.type}`))
  for (const event of ['online', 'offline']) xmpp.on(event, () => events.push(event))
  const got = inbox(romeo, 'message')
  await xmpp.send(toLtx(chat(romeo.jid, 'hello'), xml))
  await xmpp.iqCaller.request(toLtx(c('iq', { type: 'get' }, ping), xml))
  await romeo.connection.send(chat(client.jid, 'hello'))
  await service.settle()
  client.disconnect()
  client.resume()
  client.reconnect()
  expect([words(got), events]).toEqual([['hello'], ['iq result', 'message chat', 'offline', 'online']])
})
