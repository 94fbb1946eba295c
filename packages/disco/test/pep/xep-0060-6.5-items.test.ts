import { type BareJid, parse } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { fetchItems, MAX_NODE_ITEMS, MAX_NODE_NAME, retract } from '../../src/pep.ts'
import { connected, error, failure, PUBSUB, scripted, written } from './connection.ts'

const NODE = 'princely_musings'
const romeo = 'romeo@montague.lit' as BareJid

const answer = (items: string, node = NODE): string =>
  `<pubsub xmlns='${PUBSUB}'><items node='${node}'>${items}</items></pubsub>`
const entry = (id: string, title = id): string =>
  `<item id='${id}'><entry xmlns='http://www.w3.org/2005/Atom'><title>${title}</title></entry></item>`

const many = (count: number): string => Array.from({ length: count }, (_, i) => `<item id='${i}'/>`).join('')

describe('§6.5: what is asked', () => {
  test.each([
    ['all of the own account (§6.5.2)', {}, undefined, `<items node='${NODE}'/>`],
    ['all of another', { owner: romeo }, romeo, `<items node='${NODE}'/>`],
    ['the most recent (§6.5.7)', { max: 2 }, undefined, `<items node='${NODE}' max_items='2'/>`],
    [
      'some by ID (§6.5.8)',
      { owner: romeo, ids: ['368866411b877c30064a5f62b917cffe', '4e30f35051b7b8b42abe083742187228'] },
      romeo,
      `<items node='${NODE}'><item id='368866411b877c30064a5f62b917cffe'/><item id='4e30f35051b7b8b42abe083742187228'/></items>`,
    ],
  ])('%s', async (_, options, to, items) => {
    const { connection, sent, requests } = scripted(answer(''))
    expect(await fetchItems(connection, NODE, options)).toEqual([])
    expect(sent().map(written)).toEqual([written(`<pubsub xmlns='${PUBSUB}'>${items}</pubsub>`)])
    expect(requests[0]?.attrs.to).toBe(to)
    expect(requests[0]?.attrs.type).toBe('get')
  })

  test('bad arguments are refused before anything is sent', async () => {
    const { connection, requests } = scripted()
    const ids = Array.from({ length: MAX_NODE_ITEMS + 1 }, (_, i) => String(i))
    for (const options of [
      { max: 0 },
      { max: 1.5 },
      { max: MAX_NODE_ITEMS + 1 },
      { ids: [] },
      { ids: [''] },
      { ids },
    ])
      expect(await failure(fetchItems(connection, NODE, options))).toBeInstanceOf(RangeError)
    expect(await failure(fetchItems(connection, ''))).toBeInstanceOf(RangeError)
    expect(await failure(fetchItems(connection, 'x'.repeat(MAX_NODE_NAME + 1)))).toBeInstanceOf(RangeError)
    expect(await failure(fetchItems(connection, NODE, { max: 1, ids: ['a'] }))).toBeInstanceOf(TypeError)
    expect(requests).toEqual([])
  })

  test('as many as there may be', async () => {
    const { connection } = scripted(answer(''), answer(''))
    const ids = Array.from({ length: MAX_NODE_ITEMS }, (_, i) => String(i))
    expect(await fetchItems(connection, NODE, { ids })).toEqual([])
    expect(await fetchItems(connection, NODE, { max: MAX_NODE_ITEMS })).toEqual([])
  })
})

describe('§6.5: what is read', () => {
  const fetched = async (xml: string, options = {}) => fetchItems(scripted(xml).connection, NODE, options)

  test('items with ID, payload and publisher, in the order of the answer', async () => {
    const items = `${entry('b')}<item id='a' publisher='Hamlet@denmark.lit/Elsinore'/><item id='c' publisher='@'/>`
    expect(await fetched(answer(items))).toMatchObject([
      { id: 'b', payload: { name: 'entry', ns: 'http://www.w3.org/2005/Atom' }, publisher: undefined },
      { id: 'a', payload: undefined, publisher: 'hamlet@denmark.lit/Elsinore' },
      { id: 'c', publisher: undefined },
    ])
  })

  test('others than asked for are left out, for services that send all', async () => {
    const all = answer([entry('a'), entry('b'), entry('c')].join(''))
    expect((await fetched(all, { ids: ['c', 'missing', 'a'] })).map(({ id }) => id)).toEqual(['a', 'c'])
  })

  test('of two items of one ID the later (§12.1: the older one is dropped, the newer one is last)', async () => {
    const found = await fetched(answer([entry('a', 'old'), entry('b'), entry('a', 'new')].join('')))
    expect(found.map(({ id }) => id)).toEqual(['b', 'a'])
    expect(JSON.stringify(found[1])).toContain('new')
  })

  test('white space, and what else is in the answer, does not matter', async () => {
    const rsm = `<set xmlns='http://jabber.org/protocol/rsm'><count>19</count></set>`
    const xml = `<pubsub xmlns='${PUBSUB}'>\n<items node='${NODE}'>\n ${entry('a')}\n</items>\n${rsm}</pubsub>`
    expect((await fetched(xml)).length).toBe(1)
  })

  test.each([
    ['no payload at all', ''],
    ['no items', `<pubsub xmlns='${PUBSUB}'/>`],
    ['in another namespace', `<pubsub xmlns='${PUBSUB}#owner'><items node='${NODE}'/></pubsub>`],
    ['of another node', answer(entry('a'), 'other')],
    ['of no node', `<pubsub xmlns='${PUBSUB}'><items>${entry('a')}</items></pubsub>`],
    ['an item with two payloads', answer(`<item id='a'><x xmlns='a'/><x xmlns='b'/></item>`)],
    ['a name that is too long', answer(`<item id='${'x'.repeat(MAX_NODE_NAME + 1)}'/>`)],
    ['an item without a name', answer(`${entry('a')}<item/>`)],
    ['too many items', answer(many(MAX_NODE_ITEMS + 1))],
  ])('malformed: %s', async (_, xml) => {
    expect(await failure(fetched(xml))).toBe('malformed')
  })

  test('at the limits', async () => {
    expect((await fetched(answer(many(MAX_NODE_ITEMS)))).length).toBe(MAX_NODE_ITEMS)
    expect((await fetched(answer(`<item id='${'x'.repeat(MAX_NODE_NAME)}'/>`))).length).toBe(1)
  })
})

test('an answer from a wrong sender with the right ID is none', async () => {
  const { connection, arrive, requests, wire, elapse } = connected(() => undefined)
  const outcome = failure(fetchItems(connection, NODE, { owner: romeo }))
  await Promise.resolve()
  const id = requests[0]?.attrs.id
  for (const from of ['mallory@montague.lit', `${romeo}/orchard`, 'montague.lit', wire.jid])
    arrive(
      parse(`<iq xmlns='jabber:client' type='result' id='${id}' from='${from}'>${answer(entry('a'))}</iq>`),
    )
  elapse()
  expect(await outcome).toBe('timeout')
})

describe('§7.2: deleting an item', () => {
  const asked = async (options = {}) => {
    const { connection, sent, requests } = scripted('')
    expect(await retract(connection, NODE, 'ae890ac52d0df67ed7cfdf51b644e901', options)).toBe(undefined)
    expect(requests[0]?.attrs.type).toBe('set')
    return sent().map(written)
  }
  const request = (notify: string) =>
    written(
      `<pubsub xmlns='${PUBSUB}'><retract ${notify} node='${NODE}'><item id='ae890ac52d0df67ed7cfdf51b644e901'/></retract></pubsub>`,
    )

  test('subscribers are told unless it is not wanted', async () => {
    const [notified] = await asked()
    expect(notified).toContain(`notify="true"`)
    expect((await asked({ notify: false }))[0]).toBe(request(''))
  })

  test('what is not there', async () => {
    const { connection } = scripted(error('cancel', 'item-not-found'))
    expect(await failure(retract(connection, NODE, 'a'))).toBe('not-found')
  })

  test('bad arguments', async () => {
    const { connection, requests } = scripted()
    expect(await failure(retract(connection, NODE, ''))).toBeInstanceOf(RangeError)
    expect(await failure(retract(connection, '', 'a'))).toBeInstanceOf(RangeError)
    expect(requests).toEqual([])
  })
})
