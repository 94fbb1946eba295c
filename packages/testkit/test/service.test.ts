import { guard, type Wire } from '@xmpp-e2e/xml'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { type Client, testService } from '../src/index.ts'
import { chat, inbox, words } from './support.ts'

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
