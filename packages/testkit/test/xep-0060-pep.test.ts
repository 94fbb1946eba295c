import { child, element, StanzaError } from '@xmpp-e2e/xml'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  type Client,
  ejabberd,
  MAX_ITEMS,
  modern,
  prosody,
  type TestService,
  testService,
} from '../src/index.ts'
import { all, configure, FORM, fetchIds, form, get, inbox, o, p, publish, refusalOf, set } from './support.ts'

const NODE = 'urn:example:node'
let service: TestService
let juliet: Client
let romeo: Client
const owner = 'juliet@capulet.example'

beforeEach(() => {
  service = testService()
  juliet = service.connect('juliet')
  romeo = service.connect('romeo')
})

describe('7.1 publish', () => {
  test('creates the node, keeps the item and answers with its id', async () => {
    const result = await publish(juliet, { node: NODE, id: 'current' })
    expect(all(result, 'item').map(({ attrs }) => attrs.id)).toEqual(['current'])
    expect(await fetchIds(juliet, undefined, p('items', { node: NODE }))).toEqual(['current'])
  })

  test('makes an id where none is given', async () => {
    const first = await publish(juliet, { node: NODE })
    const second = await publish(juliet, { node: NODE })
    const [a, b] = [first, second].map((result) => all(result, 'item')[0]?.attrs.id)
    expect(a).toBeTruthy()
    expect(a).not.toBe(b)
  })

  test.each([
    ['no node', p('publish', {}, p('item')), 'bad-request nodeid-required'],
    ['no item', p('publish', { node: NODE }), 'bad-request item-required'],
    ['two items', p('publish', { node: NODE }, p('item'), p('item')), 'bad-request max-items-exceeded'],
    [
      'two payloads',
      p('publish', { node: NODE }, p('item', {}, p('a'), p('b'))),
      'bad-request invalid-payload',
    ],
    ['an action that is not known', p('frobnicate', { node: NODE }), 'feature-not-implemented unsupported'],
    ['no action', undefined, 'bad-request'],
  ])('refuses %s, and nothing changes', async (_name, action, refusal) => {
    expect(await refusalOf(set(juliet, undefined, p('pubsub', {}, action)))).toBe(refusal)
    expect(await refusalOf(fetchIds(juliet, undefined, p('items', { node: NODE })))).toBe('item-not-found')
  })

  test('is for the owner, unless the node says otherwise', async () => {
    expect(await refusalOf(publish(romeo, { node: NODE, to: owner }))).toBe('forbidden')
    await publish(juliet, { node: NODE, options: { 'pubsub#access_model': 'open' } })
    expect(await refusalOf(publish(romeo, { node: NODE, to: owner }))).toBe('forbidden')
    await configure(juliet, NODE, { 'pubsub#publish_model': 'open' })
    await publish(romeo, { node: NODE, to: owner, id: 'his' })
    expect(await fetchIds(juliet, undefined, p('items', { node: NODE }))).toEqual(['his'])
  })
})

describe('7.1.5 publish-options', () => {
  const options = { 'pubsub#access_model': 'open', 'pubsub#max_items': 'max' }

  test('configure a node that is made', async () => {
    await publish(juliet, { node: NODE, id: 'a', options })
    await publish(juliet, { node: NODE, id: 'b', options })
    expect(await fetchIds(romeo, owner, p('items', { node: NODE }))).toEqual(['a', 'b'])
  })

  test('are preconditions for a node that is there', async () => {
    await publish(juliet, { node: NODE, id: 'a' })
    expect(await refusalOf(publish(juliet, { node: NODE, id: 'b', options }))).toBe(
      'conflict precondition-not-met',
    )
    expect(await fetchIds(juliet, undefined, p('items', { node: NODE }))).toEqual(['a'])
    await configure(juliet, NODE, options)
    await publish(juliet, { node: NODE, id: 'b', options })
  })

  test('write booleans in both ways', async () => {
    await publish(juliet, { node: NODE, options: { 'pubsub#persist_items': 'true' } })
    await publish(juliet, { node: NODE, options: { 'pubsub#persist_items': '1' } })
  })

  test.each([
    ['a field that is not known', { 'pubsub#frobnicate': '1' }, 'bad-request'],
    ['a value that is not known', { 'pubsub#access_model': 'everybody' }, 'not-acceptable'],
    ['no number', { 'pubsub#max_items': '-1' }, 'not-acceptable'],
  ])('with %s are refused', async (_name, bad, refusal) => {
    expect(await refusalOf(publish(juliet, { node: NODE, options: bad }))).toBe(refusal)
  })

  test('of ejabberd know two fields', async () => {
    juliet = testService({ quirks: ejabberd }).connect('juliet')
    expect(await refusalOf(publish(juliet, { node: NODE, options }))).toBe('resource-constraint')
    await publish(juliet, { node: NODE, options: { 'pubsub#access_model': 'open' } })
  })

  test.each([
    [prosody, ['conflict', 'precondition-not-met']],
    [ejabberd, ['precondition-not-met', 'conflict']],
  ])('are refused in the order of $name', async (quirks, order) => {
    const client = testService({ quirks }).connect('juliet')
    const got: string[][] = []
    client.wire.subscribe({
      stanza: (stanza) =>
        got.push((child(stanza, 'error')?.children ?? []).map((el) => (el as { name: string }).name)),
    })
    await publish(client, { node: NODE })
    await refusalOf(publish(client, { node: NODE, options: { 'pubsub#access_model': 'open' } }))
    expect(got.at(-1)).toEqual(order)
  })
})

describe('6.5 items', () => {
  beforeEach(async () => {
    for (const id of ['a', 'b', 'c', 'a'])
      await publish(juliet, { node: NODE, id, options: { 'pubsub#max_items': '10' } })
  })

  test('are in the order of publication; publishing again moves to the end', async () => {
    expect(await fetchIds(juliet, undefined, p('items', { node: NODE }))).toEqual(['b', 'c', 'a'])
  })

  test('by count are the latest', async () => {
    expect(await fetchIds(juliet, undefined, p('items', { node: NODE, max_items: 2 }))).toEqual(['c', 'a'])
    expect(await refusalOf(fetchIds(juliet, undefined, p('items', { node: NODE, max_items: 'x' })))).toBe(
      'bad-request',
    )
  })

  test('by id are those that are there', async () => {
    const wanted = p('items', { node: NODE }, p('item', { id: 'b' }), p('item', { id: 'z' }))
    expect(await fetchIds(juliet, undefined, wanted)).toEqual(['b'])
  })

  test('above the limit of the node are dropped, the oldest first', async () => {
    await configure(juliet, NODE, { 'pubsub#max_items': '2' })
    expect(await fetchIds(juliet, undefined, p('items', { node: NODE }))).toEqual(['c', 'a'])
  })

  test('of an absent node are not found', async () => {
    expect(await refusalOf(fetchIds(juliet, undefined, p('items', { node: 'urn:example:none' })))).toBe(
      'item-not-found',
    )
    expect(await refusalOf(fetchIds(juliet, 'nobody@capulet.example', p('items', { node: NODE })))).toBe(
      'service-unavailable',
    )
  })

  test('are at most as many as the service keeps', async () => {
    await configure(juliet, NODE, { 'pubsub#max_items': 'max' })
    for (let i = 0; i <= MAX_ITEMS; i++) await publish(juliet, { node: NODE, id: `${i}` })
    const ids = await fetchIds(juliet, undefined, p('items', { node: NODE }))
    expect([ids.length, ids[0], ids.at(-1)]).toEqual([MAX_ITEMS, '1', `${MAX_ITEMS}`])
  })

  test('are not kept by a node that does not persist them', async () => {
    await publish(juliet, { node: 'urn:example:transient', options: { 'pubsub#persist_items': '0' } })
    expect(await fetchIds(juliet, undefined, p('items', { node: 'urn:example:transient' }))).toEqual([])
  })
})

describe('4.5 access models', () => {
  const items = p('items', { node: NODE })
  const make = (model: string) =>
    publish(juliet, { node: NODE, id: 'a', options: { 'pubsub#access_model': model } })
  const affiliate = (affiliation: string) =>
    set(
      juliet,
      undefined,
      o(
        'pubsub',
        {},
        o('affiliations', { node: NODE }, o('affiliation', { jid: romeo.jid.split('/')[0], affiliation })),
      ),
    )

  test('open: everybody but outcasts', async () => {
    await make('open')
    expect(await fetchIds(romeo, owner, items)).toEqual(['a'])
    await affiliate('outcast')
    expect(await refusalOf(fetchIds(romeo, owner, items))).toBe('forbidden')
  })

  test('presence: who may see the presence of the owner', async () => {
    await make('presence')
    expect(await refusalOf(fetchIds(romeo, owner, items))).toBe(
      'not-authorized presence-subscription-required',
    )
    service.subscribeBoth('romeo', 'juliet')
    expect(await fetchIds(romeo, owner, items)).toEqual(['a'])
  })

  test.each([
    [undefined, 'not-allowed closed-node'],
    [prosody, 'forbidden'],
    [ejabberd, 'not-allowed closed-node'],
  ])('whitelist: members', async (quirks, refusal) => {
    service = testService(quirks && { quirks })
    juliet = service.connect('juliet')
    romeo = service.connect('romeo')
    service.subscribeBoth('romeo', 'juliet')
    await make('whitelist')
    expect(await refusalOf(fetchIds(romeo, owner, items))).toBe(refusal)
    await affiliate('member')
    expect(await fetchIds(romeo, owner, items)).toEqual(['a'])
  })

  test('authorize: whom the owner has approved', async () => {
    await make('authorize')
    const subscribe = p('subscribe', { node: NODE, jid: 'romeo@capulet.example' })
    const pending = await set(romeo, owner, p('pubsub', {}, subscribe))
    expect(all(pending, 'subscription')[0]?.attrs.subscription).toBe('pending')
    expect(await refusalOf(fetchIds(romeo, owner, items))).toBe('not-authorized not-subscribed')
    const approval = o('subscription', { jid: 'romeo@capulet.example', subscription: 'subscribed' })
    await set(juliet, undefined, o('pubsub', {}, o('subscriptions', { node: NODE }, approval)))
    expect(await fetchIds(romeo, owner, items)).toEqual(['a'])
  })
})

describe('4.1 affiliations and publishing', () => {
  // Whether somebody who is that, and has subscribed or not, may publish to an open node, and fetch from it.
  test.each([
    ['publishers', 'none', false, 'forbidden', 'reads'],
    ['publishers', 'none', true, 'forbidden', 'reads'],
    ['publishers', 'member', false, 'forbidden', 'reads'],
    ['publishers', 'publisher', false, 'publishes', 'reads'],
    ['publishers', 'publish-only', false, 'publishes', 'forbidden'],
    ['publishers', 'owner', false, 'publishes', 'reads'],
    ['subscribers', 'none', false, 'forbidden', 'reads'],
    ['subscribers', 'none', true, 'publishes', 'reads'],
    ['open', 'none', false, 'publishes', 'reads'],
    ['open', 'outcast', false, 'forbidden', 'forbidden'],
  ])('%s: %s, subscribed %s: %s, %s', async (model, affiliation, subscribed, publishes, reads) => {
    const options = { 'pubsub#access_model': 'open', 'pubsub#publish_model': model }
    await publish(juliet, { node: NODE, id: 'a', options })
    const romeoIs = o('affiliation', { jid: 'romeo@capulet.example', affiliation })
    await set(juliet, undefined, o('pubsub', {}, o('affiliations', { node: NODE }, romeoIs)))
    const subscribe = p('subscribe', { node: NODE, jid: 'romeo@capulet.example' })
    if (subscribed) await set(romeo, owner, p('pubsub', {}, subscribe))
    const outcome = (answer: Promise<unknown>, word: string) =>
      answer.then(
        () => word,
        (error: unknown) => (error instanceof StanzaError ? error.condition : error),
      )
    expect(await outcome(publish(romeo, { node: NODE, to: owner, id: 'b' }), 'publishes')).toBe(publishes)
    expect(await outcome(fetchIds(romeo, owner, p('items', { node: NODE })), 'reads')).toBe(reads)
  })
})

describe('what servers do otherwise', () => {
  const items = (node: string) => p('items', { node })

  test.each([
    [modern, 'item-not-found', 'service-unavailable', 'not-authorized presence-subscription-required', 'bca'],
    [prosody, 'forbidden', 'forbidden', 'forbidden', 'bca'],
    [ejabberd, 'item-not-found', 'item-not-found', 'not-authorized presence-subscription-required', 'abc'],
  ])('$name', async (quirks, absentNode, absentAccount, presence, order) => {
    service = testService({ quirks })
    juliet = service.connect('juliet')
    romeo = service.connect('romeo')
    const refused = (client: Client, to: string | undefined, node: string) =>
      refusalOf(fetchIds(client, to, items(node)))
    await publish(juliet, { node: NODE, id: 'a' })
    await configure(juliet, NODE, { 'pubsub#max_items': '3' })
    for (const id of ['b', 'c', 'a']) await publish(juliet, { node: NODE, id })
    expect((await fetchIds(juliet, undefined, items(NODE))).join('')).toBe(order)
    expect(await refused(romeo, owner, NODE)).toBe(presence)
    expect(await refused(romeo, owner, 'urn:example:none')).toBe(absentNode)
    expect(await refused(romeo, 'nobody@capulet.example', NODE)).toBe(absentAccount)
    // Those who see the presence of the owner are told.
    service.subscribeBoth('juliet', 'romeo')
    expect(await refused(romeo, owner, 'urn:example:none')).toBe('item-not-found')
    expect(await refused(juliet, undefined, 'urn:example:none')).toBe('item-not-found')
    // What was published last is the last item, wherever it stands.
    const got = inbox(romeo, 'message')
    romeo.presence({ features: [`${NODE}+notify`] })
    await service.settle()
    expect(got.flatMap((stanza) => all(stanza, 'item')).map(({ attrs }) => attrs.id)).toContain('a')
    expect(new Set(got.flatMap((stanza) => all(stanza, 'item')).map(({ attrs }) => attrs.id)).size).toBe(1)
  })
})

describe('7.2 retract', () => {
  const retract = (...ids: readonly string[]) =>
    set(
      juliet,
      undefined,
      p(
        'pubsub',
        {},
        p(
          'retract',
          { node: NODE },
          ids.map((id) => p('item', { id })),
        ),
      ),
    )

  test('removes items, all or none', async () => {
    for (const id of ['a', 'b', 'c'])
      await publish(juliet, { node: NODE, id, options: { 'pubsub#max_items': '3' } })
    expect(await refusalOf(retract('a', 'z'))).toBe('item-not-found')
    expect(await refusalOf(retract())).toBe('bad-request item-required')
    await retract('a', 'c')
    expect(await fetchIds(juliet, undefined, p('items', { node: NODE }))).toEqual(['b'])
  })
})

describe('8 the owner', () => {
  const ask = (action: ReturnType<typeof o>) => get(juliet, undefined, o('pubsub', {}, action))
  const order = (action: ReturnType<typeof o>) => set(juliet, undefined, o('pubsub', {}, action))

  test('8.1 creates, with a configuration', async () => {
    const content = form('http://jabber.org/protocol/pubsub#node_config', { 'pubsub#access_model': 'open' })
    const create = p('pubsub', {}, p('create', { node: NODE }), p('configure', {}, content))
    await set(juliet, undefined, create)
    expect(await fetchIds(romeo, owner, p('items', { node: NODE }))).toEqual([])
    expect(await refusalOf(set(juliet, undefined, create))).toBe('conflict')
  })

  test('8.2 reads and changes the configuration; a cancelled form changes nothing', async () => {
    await publish(juliet, { node: NODE })
    const value = async (name: string) => {
      const result = await ask(o('configure', { node: NODE }))
      const field = all(result, 'field').find(({ attrs }) => attrs.var === name)
      return field && all(field, 'value').map((el) => el.children.join(''))[0]
    }
    expect(await value('FORM_TYPE')).toBe('http://jabber.org/protocol/pubsub#node_config')
    expect(await value('pubsub#access_model')).toBe('presence')
    await configure(juliet, NODE, { 'pubsub#access_model': 'open' })
    expect(await value('pubsub#access_model')).toBe('open')
    expect(await value('pubsub#max_items')).toBe('1')
    await order(o('configure', { node: NODE }, element(FORM, 'x', { type: 'cancel' })))
    expect(await value('pubsub#access_model')).toBe('open')
    expect(await refusalOf(configure(juliet, NODE, { 'pubsub#access_model': 'x' }))).toBe('not-acceptable')
    expect(await refusalOf(configure(juliet, 'urn:example:none', {}))).toBe('item-not-found')
  })

  test('8.3 default, 8.4 delete, 8.5 purge', async () => {
    expect(all(await ask(o('default')), 'field').length).toBeGreaterThan(5)
    await publish(juliet, { node: NODE })
    await order(o('purge', { node: NODE }))
    expect(await fetchIds(juliet, undefined, p('items', { node: NODE }))).toEqual([])
    await order(o('delete', { node: NODE }))
    expect(await refusalOf(fetchIds(juliet, undefined, p('items', { node: NODE })))).toBe('item-not-found')
  })

  test('8.9 affiliations: all or none, and never those of the owner', async () => {
    await publish(juliet, { node: NODE })
    const one = (jid: string, affiliation: string) => o('affiliation', { jid, affiliation })
    const change = (...list: readonly ReturnType<typeof o>[]) =>
      order(o('affiliations', { node: NODE }, list))
    await change(one('romeo@capulet.example', 'member'))
    expect(await refusalOf(change(one('romeo@capulet.example', 'none'), one(owner, 'none')))).toBe(
      'not-acceptable',
    )
    expect(await refusalOf(change(one('romeo@capulet.example', 'none'), one('@', 'none')))).toBe(
      'bad-request',
    )
    const listed = all(await ask(o('affiliations', { node: NODE })), 'affiliation')
    expect(listed.map(({ attrs }) => [attrs.jid, attrs.affiliation])).toEqual([
      [owner, 'owner'],
      ['romeo@capulet.example', 'member'],
    ])
  })

  test('nobody else may', async () => {
    await publish(juliet, { node: NODE, options: { 'pubsub#access_model': 'open' } })
    for (const action of ['configure', 'affiliations', 'subscriptions'])
      expect(await refusalOf(get(romeo, owner, o('pubsub', {}, o(action, { node: NODE }))))).toBe('forbidden')
    for (const action of ['delete', 'purge', 'configure'])
      expect(await refusalOf(set(romeo, owner, o('pubsub', {}, o(action, { node: NODE }))))).toBe('forbidden')
  })
})

describe('6.1, 6.2, 5.6 subscriptions', () => {
  test('are made and ended by who gets the notifications', async () => {
    await publish(juliet, { node: NODE, options: { 'pubsub#access_model': 'open' } })
    const subscribe = (jid: string) => set(romeo, owner, p('pubsub', {}, p('subscribe', { node: NODE, jid })))
    expect(await refusalOf(subscribe('juliet@capulet.example'))).toBe('bad-request invalid-jid')
    expect(await refusalOf(subscribe('romeo@capulet.example/other'))).toBe('bad-request invalid-jid')
    await subscribe('romeo@capulet.example')
    const listed = await get(romeo, owner, p('pubsub', {}, p('subscriptions')))
    expect(all(listed, 'subscription').map(({ attrs }) => attrs.node)).toEqual([NODE])
    const unsubscribe = () =>
      set(romeo, owner, p('pubsub', {}, p('unsubscribe', { node: NODE, jid: 'romeo@capulet.example' })))
    await unsubscribe()
    expect(await refusalOf(unsubscribe())).toBe('unexpected-request not-subscribed')
  })
})
