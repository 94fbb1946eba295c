import { element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { testService } from '../src/index.ts'
import { body, c, chat, get, inbox, refusalOf, set, words } from './support.ts'

const ROMEO = 'romeo@capulet.example'
const PING = element('urn:xmpp:ping', 'ping')

async function world() {
  const service = testService()
  const juliet = service.connect('juliet')
  const [high, low, shy] = ['high', 'low', 'shy'].map((resource) => service.connect('romeo', { resource }))
  high!.presence({ priority: 5 })
  low!.presence({ priority: 1 })
  shy!.presence({ priority: -1 })
  await service.settle()
  const got = [high, low, shy].map((client) => inbox(client!, 'message'))
  const back = inbox(juliet, 'message')
  const send = async (type: string, to: string) => {
    await juliet.connection.send(c('message', { type, to, id: 'm' }, body(type)))
    await service.settle()
    const counts = [...got, back].map((list) => list.splice(0).length)
    return counts.join('')
  }
  return { service, juliet, got, send, back }
}

// Who gets it: high, low, the one with negative priority, and an error for the sender.
describe('8.5.2.1 and 8.5.3 messages', () => {
  test.each([
    ['chat', ROMEO, '1000'],
    ['normal', ROMEO, '1000'],
    ['headline', ROMEO, '1100'],
    ['groupchat', ROMEO, '0001'],
    ['error', ROMEO, '0000'],
    ['chat', `${ROMEO}/low`, '0100'],
    ['groupchat', `${ROMEO}/low`, '0100'],
    ['chat', `${ROMEO}/shy`, '0010'],
    ['chat', `${ROMEO}/gone`, '1000'],
    ['normal', `${ROMEO}/gone`, '1000'],
    ['headline', `${ROMEO}/gone`, '0000'],
    ['groupchat', `${ROMEO}/gone`, '0001'],
    ['error', `${ROMEO}/gone`, '0000'],
    ['chat', 'nobody@capulet.example', '0001'],
    ['chat', 'somebody@elsewhere.example', '0001'],
    ['error', 'nobody@capulet.example', '0000'],
    ['chat', 'not a jid@@', '0001'],
  ])('%s to %s', async (type, to, expected) => {
    expect(await (await world()).send(type, to)).toBe(expected)
  })

  test('all clients of the highest priority get one for the account', async () => {
    const { service, juliet } = await world()
    const twin = service.connect('romeo', { resource: 'twin' })
    const got = inbox(twin, 'message')
    twin.presence({ priority: 5 })
    await service.settle()
    await juliet.connection.send(chat(ROMEO, 'hello'))
    await service.settle()
    expect(words(got)).toEqual(['hello'])
  })
})

describe('8.5.2.2 and 8.5.3.3 requests', () => {
  test('to a client are answered by it', async () => {
    const service = testService()
    const [juliet, romeo] = [service.connect('juliet'), service.connect('romeo')]
    romeo.connection.answer('urn:xmpp:ping', async (iq) => {
      expect(iq.attrs.from).toBe(juliet.jid)
      return c('iq')
    })
    expect((await get(juliet, romeo.jid, PING)).attrs).toMatchObject({
      from: romeo.jid,
      to: juliet.jid,
      type: 'result',
    })
  })

  test.each([
    ['a client that is not there', `${ROMEO}/gone`, 'service-unavailable'],
    ['an account that is not there', 'nobody@capulet.example', 'service-unavailable'],
    ['another server', 'elsewhere.example', 'remote-server-not-found'],
    ['another account, of what it does not answer', ROMEO, 'service-unavailable'],
    ['what is no JID', 'a@b@c', 'jid-malformed'],
    ['the server, of what it does not know', 'capulet.example', 'service-unavailable'],
    ['oneself, of what the account does not know', undefined, 'service-unavailable'],
  ])('to %s', async (_name, to, refusal) => {
    const { service, juliet } = await world()
    // `guard` refuses to send to what is no JID.
    const answers = inbox(juliet, 'iq')
    await juliet.wire.send(c('iq', { type: 'get', id: 'x', to }, element('urn:example:unknown', 'query')))
    await service.settle()
    const conditions = answers.map((iq) =>
      (iq.children[0] as typeof PING).children.map((el) => (el as typeof PING).name),
    )
    expect(conditions).toEqual([[refusal]])
  })

  test('without a payload, with two, or without an id are bad', async () => {
    const { juliet } = await world()
    const bad = (iq: ReturnType<typeof c>) => refusalOf(juliet.connection.request(iq))
    expect(await bad(c('iq', { type: 'get' }))).toBe('bad-request')
    expect(await bad(c('iq', { type: 'get' }, PING, PING))).toBe('bad-request')
  })
})

describe('RFC 6120 8.1.2.1', () => {
  test('whatever a client writes as its address, the server says who it is', async () => {
    const { service, juliet, got } = await world()
    await juliet.connection.send(
      c('message', { from: 'nurse@capulet.example', to: ROMEO, type: 'chat' }, body('x')),
    )
    await service.settle()
    expect(got[0]?.[0]?.attrs.from).toBe(juliet.jid)
  })

  test('what is no stanza ends the stream', async () => {
    const { service, juliet } = await world()
    const states: string[] = []
    juliet.connection.subscribe({ session: (state) => states.push(state) })
    await juliet.wire.send(element('urn:example:x', 'iq'))
    await service.settle()
    expect(states).toEqual(['lost'])
    expect(juliet.resume()).toBe('new')
  })
})

describe('2 roster', () => {
  const roster = (...children: readonly ReturnType<typeof c>[]) =>
    element('jabber:iq:roster', 'query', {}, children)
  const item = (attrs: Record<string, string>) => element('jabber:iq:roster', 'item', attrs)

  test('is kept, pushed to who has asked for it, and for the account alone', async () => {
    const service = testService()
    const [one, two, three] = [1, 2, 3].map(() => service.connect('juliet'))
    const pushes = [inbox(two!, 'iq'), inbox(three!, 'iq')]
    await get(two!, undefined, roster())
    await set(one!, undefined, roster(item({ jid: ROMEO, name: 'Romeo' })))
    await service.settle()
    expect(pushes.map((list) => list.filter(({ attrs }) => attrs.type === 'set').length)).toEqual([1, 0])
    const result = await get(one!, undefined, roster())
    expect(JSON.stringify(result)).toContain('"name":"Romeo"')
    service.account('romeo')
    expect(await refusalOf(get(one!, ROMEO, roster()))).toBe('forbidden')
    expect(await refusalOf(set(one!, undefined, roster()))).toBe('bad-request')
    expect(
      await refusalOf(
        set(one!, undefined, roster(item({ jid: 'x@capulet.example', subscription: 'remove' }))),
      ),
    ).toBe('item-not-found')
  })
})
