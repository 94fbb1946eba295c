import { element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { ejabberd, modern, prosody, testService } from '../src/index.ts'
import { all, c, configure, EVENT, inbox, o, p, publish, set } from './support.ts'

const NODE = 'urn:example:node'
const NOTIFY = `${NODE}+notify`
const CAPS = 'http://jabber.org/protocol/caps'

const idsOf = (got: readonly ReturnType<typeof c>[]) =>
  got.flatMap((stanza) => all(stanza, 'item').map(({ attrs }) => attrs.id))

async function world(options: Parameters<typeof testService>[0] = {}) {
  const service = testService(options)
  service.subscribeBoth('juliet', 'romeo')
  const juliet = service.connect('juliet')
  const romeo = service.connect('romeo', { resource: 'r' })
  const events = inbox(romeo, 'message')
  juliet.presence()
  await service.settle()
  return { service, juliet, romeo, events }
}

describe('4.3 filtered notifications', () => {
  test('go to contacts that announce interest, from the bare JID of the owner', async () => {
    const { service, juliet, romeo, events } = await world()
    romeo.presence({ features: [NOTIFY] })
    await service.settle()
    await publish(juliet, { node: NODE, id: 'a' })
    await service.settle()
    expect(events.length).toBe(1)
    const [event] = events
    expect(event?.attrs).toMatchObject({ from: 'juliet@capulet.example', to: romeo.jid, type: 'headline' })
    expect(all(event!, 'items')[0]).toMatchObject({ ns: EVENT, attrs: { node: NODE } })
    expect(all(event!, 'x').length).toBe(1)
  })

  test('do not go to who announces nothing, or is no contact, or has gone', async () => {
    const { service, juliet, romeo, events } = await world()
    romeo.presence({ features: ['urn:example:other+notify'] })
    const nurse = service.connect('nurse')
    const strange = inbox(nurse, 'message')
    nurse.presence({ features: [NOTIFY] })
    await service.settle()
    await publish(juliet, { node: NODE, id: 'a', options: { 'pubsub#access_model': 'open' } })
    await service.settle()
    expect([events.length, strange.length]).toEqual([0, 0])
    romeo.presence({ features: [NOTIFY] })
    await service.settle()
    romeo.unavailable()
    await service.settle()
    events.length = 0
    await publish(juliet, { node: NODE, id: 'b' })
    await service.settle()
    expect(events.length).toBe(0)
  })

  test('go to the other clients of the owner, and to the one that publishes', async () => {
    const { service, juliet } = await world()
    const other = service.connect('juliet', { resource: 'other' })
    const [own, others] = [inbox(juliet, 'message'), inbox(other, 'message')]
    for (const client of [juliet, other]) client.presence({ features: [NOTIFY] })
    await service.settle()
    await publish(juliet, { node: NODE, id: 'a' })
    await service.settle()
    expect([idsOf(own), idsOf(others)]).toEqual([['a'], ['a']])
  })

  test('do not pass a whitelist', async () => {
    const { service, juliet, romeo, events } = await world()
    romeo.presence({ features: [NOTIFY] })
    await service.settle()
    await publish(juliet, { node: NODE, id: 'a', options: { 'pubsub#access_model': 'whitelist' } })
    await service.settle()
    expect(events.length).toBe(0)
  })

  test('come without payload where the node says so', async () => {
    const { service, juliet, romeo, events } = await world()
    romeo.presence({ features: [NOTIFY] })
    await publish(juliet, { node: NODE, id: 'a', options: { 'pubsub#deliver_payloads': '0' } })
    await service.settle()
    expect(events.map((event) => [all(event, 'item').length, all(event, 'x').length])).toEqual([[1, 0]])
  })

  test('tell of retracted items, purged and deleted nodes, and configuration', async () => {
    const { service, juliet, romeo, events } = await world()
    romeo.presence({ features: [NOTIFY] })
    await service.settle()
    await publish(juliet, { node: NODE, id: 'a' })
    await set(juliet, undefined, p('pubsub', {}, p('retract', { node: NODE }, p('item', { id: 'a' }))))
    await configure(juliet, NODE, { 'pubsub#notify_config': '1' })
    await set(juliet, undefined, o('pubsub', {}, o('purge', { node: NODE })))
    await set(juliet, undefined, o('pubsub', {}, o('delete', { node: NODE })))
    await service.settle()
    const names = events.map((event) =>
      all(event, 'event')[0]?.children.map((el) => (el as { name: string }).name),
    )
    expect(names).toEqual([['items'], ['items'], ['configuration'], ['purge'], ['delete']])
    expect(all(events[1]!, 'retract')[0]?.attrs.id).toBe('a')
  })

  test('of explicit subscribers need no presence, and come once', async () => {
    const { service, juliet, romeo, events } = await world()
    await publish(juliet, { node: NODE, id: 'a', options: { 'pubsub#access_model': 'open' } })
    romeo.presence({ features: [NOTIFY] })
    await service.settle()
    events.length = 0
    const subscribe = p('subscribe', { node: NODE, jid: 'romeo@capulet.example' })
    await set(romeo, 'juliet@capulet.example', p('pubsub', {}, subscribe))
    await publish(juliet, { node: NODE, id: 'b' })
    await service.settle()
    expect(idsOf(events)).toEqual(['a', 'b'])
  })
})

describe('as servers do', () => {
  const retract = p('pubsub', {}, p('retract', { node: NODE, notify: 'true' }, p('item', { id: 'a' })))
  const subscribe = p('pubsub', {}, p('subscribe', { node: NODE, jid: 'nurse@capulet.example' }))

  test('ejabberd tells contacts of items only; subscribers hear of what is retracted, too', async () => {
    const { service, juliet, romeo, events } = await world({ quirks: ejabberd })
    const nurse = service.connect('nurse')
    const subscribed = inbox(nurse, 'message')
    romeo.presence({ features: [NOTIFY] })
    nurse.presence()
    await service.settle()
    await publish(juliet, { node: NODE, id: 'a', options: { 'pubsub#access_model': 'open' } })
    await set(nurse, 'juliet@capulet.example', subscribe)
    await set(juliet, undefined, retract)
    await set(juliet, undefined, o('pubsub', {}, o('delete', { node: NODE })))
    await service.settle()
    expect([events.length, idsOf(events)]).toEqual([1, ['a']])
    expect(subscribed.flatMap((stanza) => all(stanza, 'retract')).map(({ attrs }) => attrs.id)).toEqual(['a'])
    expect([...events, ...subscribed].flatMap((stanza) => all(stanza, 'delete'))).toEqual([])
  })

  test.each([
    ['modern', modern, [], ['r']],
    ['Prosody', prosody, [''], ['r', '']],
  ])('%s: what one client was asked counts for its account, or not', async (_name, quirks, deaf, hears) => {
    const { service, juliet, romeo, events } = await world({ quirks })
    const other = service.connect('romeo', { resource: 'other' })
    const others = inbox(other, 'message')
    other.presence({ features: ['urn:example:other+notify'] })
    await service.settle()
    romeo.presence({ features: [NOTIFY] })
    await service.settle()
    await publish(juliet, { node: NODE, id: 'a' })
    await service.settle()
    const resources = (got: typeof events) => got.map(({ attrs }) => attrs.to?.split('/')[1] ?? '')
    expect([resources(others), resources(events)]).toEqual([deaf, hears])
    // Another of the same hash is not asked, and one of another hash is.
    service.connect('romeo').presence({ features: ['urn:example:third+notify'] })
    await service.settle()
    await publish(juliet, { node: NODE, id: 'b' })
    await service.settle()
    expect([resources(others), resources(events)]).toEqual([deaf, [...hears, 'r']])
  })
})

describe('4.3.4 the last item', () => {
  test('comes with the first presence, once', async () => {
    const { service, juliet, romeo, events } = await world()
    await publish(juliet, { node: NODE, id: 'a' })
    romeo.presence({ features: [NOTIFY] })
    romeo.presence({ features: [NOTIFY], priority: 1 })
    await service.settle()
    expect(idsOf(events)).toEqual(['a'])
    romeo.presence({ features: [NOTIFY, 'urn:example:more'] })
    await service.settle()
    expect(idsOf(events)).toEqual(['a'])
  })

  test('comes when interest is new', async () => {
    const { service, juliet, romeo, events } = await world()
    await publish(juliet, { node: NODE, id: 'a' })
    romeo.presence({ features: ['urn:example:other'] })
    await service.settle()
    romeo.presence({ features: ['urn:example:other', NOTIFY] })
    await service.settle()
    expect(idsOf(events)).toEqual(['a'])
  })

  test.each(['never', 'on_sub'])('does not come from a node that sends it %s', async (when) => {
    const { service, juliet, romeo, events } = await world()
    await publish(juliet, { node: NODE, options: { 'pubsub#send_last_published_item': when } })
    romeo.presence({ features: [NOTIFY] })
    await service.settle()
    expect(events.length).toBe(0)
  })
})

describe('XEP-0115 5.4: a hash that does not fit', () => {
  const announced = (ver: string) =>
    c('presence', {}, element(CAPS, 'c', { hash: 'sha-1', node: 'urn:example:me', ver }))

  test('gives no notifications', async () => {
    const { service, juliet, romeo, events } = await world()
    romeo.connection.answer('http://jabber.org/protocol/disco#info', async (iq) => {
      const query = iq.children[0] as ReturnType<typeof c>
      return c(
        'iq',
        {},
        element(query.ns, 'query', query.attrs, element(query.ns, 'feature', { var: NOTIFY })),
      )
    })
    // The hash of something else; the second is that of what is answered: the last item, and the next.
    for (const [ver, count] of [
      ['AAAAAAAAAAAAAAAAAAAAAAAAAAA=', 0],
      ['lIRpB1uOEr1mBRVwKkwj1fSO464=', 2],
    ] as const) {
      await romeo.connection.send(announced(ver))
      await service.settle()
      await publish(juliet, { node: NODE, id: 'a' })
      await service.settle()
      expect(events.length, ver).toBe(count)
    }
  })

  test('ends those that there were', async () => {
    for (const hash of ['sha-1', 'md5']) {
      const { service, juliet, romeo, events } = await world()
      romeo.presence({ features: [NOTIFY] })
      await service.settle()
      const wrong = element(CAPS, 'c', { hash, node: 'urn:example:me', ver: 'AAAA' })
      await romeo.connection.send(c('presence', {}, wrong))
      await service.settle()
      await publish(juliet, { node: NODE, id: 'a' })
      await service.settle()
      expect(events.length, hash).toBe(0)
    }
  })

  test('that nobody explains gives none either', async () => {
    const { service, juliet, romeo, events } = await world()
    await romeo.connection.send(announced('AAAAAAAAAAAAAAAAAAAAAAAAAAA='))
    await service.settle()
    await publish(juliet, { node: NODE, id: 'a' })
    await service.settle()
    expect(events.length).toBe(0)
  })
})
