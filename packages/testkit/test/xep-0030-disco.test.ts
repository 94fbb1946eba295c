import { element } from '@xmpp-e2e/xml'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Client, ejabberd, type TestService, testService } from '../src/index.ts'
import { all, get, INFO, ITEMS, PUBSUB, p, publish, refusalOf } from './support.ts'

const RSM = 'http://jabber.org/protocol/rsm'
const OWNER = 'juliet@capulet.example'
let service: TestService
let juliet: Client

beforeEach(() => {
  service = testService()
  juliet = service.connect('juliet')
})

const info = (client: Client, to?: string, node?: string) => get(client, to, element(INFO, 'query', { node }))
const items = (client: Client, to?: string, node?: string) =>
  get(client, to, element(ITEMS, 'query', { node }))
const featuresOf = (result: Awaited<ReturnType<typeof info>>) =>
  all(result, 'feature').map(({ attrs }) => attrs.var)
const set = (children: Record<string, string>) =>
  element(
    RSM,
    'set',
    {},
    Object.entries(children).map(([name, text]) => element(RSM, name, {}, text)),
  )

describe('3 info', () => {
  test('of the server, its room service, an account', async () => {
    expect(featuresOf(await info(juliet, service.domain))).toContain('urn:xmpp:carbons:2')
    expect(featuresOf(await info(juliet, 'muc.capulet.example'))).toContain('urn:xmpp:occupant-id:0')
    const own = await info(juliet)
    expect(featuresOf(own)).toContain(`${PUBSUB}#publish-options`)
    expect(all(own, 'identity').map(({ attrs }) => `${attrs.category}/${attrs.type}`)).toEqual([
      'pubsub/pep',
      'account/registered',
    ])
  })

  test('of an account names what is there: no commands (XEP-0060 8.7)', async () => {
    expect(featuresOf(await info(juliet))).not.toContain(`${PUBSUB}#get-pending`)
  })

  test('of an account at another domain, and its server', async () => {
    const romeo = service.connect('romeo@montague.example')
    expect(featuresOf(await info(romeo, 'montague.example'))).toContain('urn:xmpp:carbons:2')
    service.subscribeBoth('juliet', 'romeo@montague.example')
    expect(featuresOf(await info(juliet, 'romeo@montague.example'))).toContain(`${PUBSUB}#publish`)
  })

  test('of ejabberd says nothing of max', async () => {
    const max = `${PUBSUB}#config-node-max`
    expect(featuresOf(await info(juliet))).toContain(max)
    expect(featuresOf(await info(testService({ quirks: ejabberd }).connect('juliet')))).not.toContain(max)
  })

  test.each([
    ['a node of the server', 'capulet.example', 'urn:example:none', 'item-not-found'],
    ['a node of the account', OWNER, 'urn:example:none', 'item-not-found'],
    ['a stranger', 'romeo@capulet.example', undefined, 'service-unavailable'],
    ['nobody', 'nobody@capulet.example', undefined, 'service-unavailable'],
    ['a room', 'none@muc.capulet.example', undefined, 'item-not-found'],
  ])('%s that is not there or not for everybody', async (_name, to, node, refusal) => {
    service.account('romeo')
    expect(await refusalOf(info(juliet, to, node))).toBe(refusal)
  })
})

describe('4 items', () => {
  test('of an account are the nodes that one may see, of a node its items', async () => {
    await publish(juliet, { node: 'urn:example:open', id: 'a', options: { 'pubsub#access_model': 'open' } })
    await publish(juliet, { node: 'urn:example:closed', options: { 'pubsub#access_model': 'whitelist' } })
    const nodes = async (client: Client) =>
      all(await items(client, OWNER), 'item').map(({ attrs }) => attrs.node)
    expect(await nodes(juliet)).toEqual(['urn:example:open', 'urn:example:closed'])
    service.subscribeBoth('juliet', 'romeo')
    expect(await nodes(service.connect('romeo'))).toEqual(['urn:example:open'])
    const listed = await items(juliet, OWNER, 'urn:example:open')
    expect(all(listed, 'query')[0]?.attrs.node).toBe('urn:example:open')
    expect(all(listed, 'item').map(({ attrs }) => attrs.name)).toEqual(['a'])
  })

  test('XEP-0059: come by page where that is asked for', async () => {
    for (const name of ['a', 'b', 'c']) service.room(name)
    const page = async (children: Record<string, string>) => {
      const result = await get(juliet, 'muc.capulet.example', element(ITEMS, 'query', {}, set(children)))
      return {
        rooms: all(result, 'item')
          .map(({ attrs }) => attrs.jid?.[0])
          .join(''),
        last: all(result, 'last')[0]?.children.join(''),
      }
    }
    const first = await page({ max: '2' })
    expect(first.rooms).toBe('ab')
    expect((await page({ max: '2', after: first.last! })).rooms).toBe('c')
    expect((await page({ max: '2', before: '' })).rooms).toBe('bc')
    expect(await refusalOf(page({ after: 'none' }))).toBe('item-not-found')
    expect(await refusalOf(page({ max: 'x' }))).toBe('bad-request')
  })

  test('XEP-0060 6.5.4: also those of a node', async () => {
    for (const id of ['a', 'b', 'c'])
      await publish(juliet, { node: 'urn:example:node', id, options: { 'pubsub#max_items': '9' } })
    const result = await get(
      juliet,
      undefined,
      p('pubsub', {}, p('items', { node: 'urn:example:node' }), set({ max: '2', after: 'a' })),
    )
    expect(all(result, 'item').map(({ attrs }) => attrs.id)).toEqual(['b', 'c'])
    expect(all(result, 'count')[0]?.children).toEqual(['3'])
  })
})
