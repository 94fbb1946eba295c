import { child, type Element, element, elements, text } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { type Item, items, MAX_ITEMS, PAGE_ITEMS } from '../src/items.ts'
import { type Responder, world } from './world.ts'

const ITEMS = 'http://jabber.org/protocol/disco#items'
const RSM = 'http://jabber.org/protocol/rsm'
const SERVICE = 'chat.lit'

async function read(list: AsyncIterable<Item>): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { jid } of list) found.push(jid)
  return found
}

const room = (i: number): Element => element(ITEMS, 'item', { jid: `r${i}@${SERVICE}`, name: `Room ${i}` })

const asked = (iq: Element) => {
  const set = child(elements(iq)[0] ?? iq, 'set', RSM)
  const after = set && child(set, 'after')
  return { max: Number(set && text(child(set, 'max') ?? set)), after: after && text(after) }
}

const set = (...children: Element[]) => element(RSM, 'set', {}, children)
const rsm = (name: string, content: string | number, attrs = {}) => element(RSM, name, attrs, String(content))

/** Pages through so many rooms, and says how many if `counts`. */
const pages =
  (total: number, counts: boolean): Responder =>
  (iq) => {
    const { max, after } = asked(iq)
    const from = after === undefined ? 0 : Number(after.slice(1)) + 1
    const rooms = Array.from({ length: Math.max(0, Math.min(max, total - from)) }, (_, i) => room(from + i))
    const [first, last] = [`r${from}`, `r${from + rooms.length - 1}`]
    const page =
      rooms.length > 0
        ? set(
            rsm('first', first, counts ? { index: from } : {}),
            rsm('last', last),
            ...(counts ? [rsm('count', total)] : []),
          )
        : set(rsm('count', total))
    return element(ITEMS, 'query', {}, rooms, page)
  }

describe('XEP-0030 §4 items', () => {
  test('a list that is not paged is one question', async () => {
    const w = world()
    w.peers.set(SERVICE, () =>
      element(ITEMS, 'query', { node: 'n' }, [
        room(1),
        element(ITEMS, 'item', { jid: 'B@Chat.lit/x', node: 'm' }),
      ]),
    )
    const found: Item[] = []
    for await (const item of items(w.connection, 'CHAT.lit', { node: 'n' })) found.push(item)
    expect(found).toEqual([
      { jid: `r1@${SERVICE}`, name: 'Room 1' },
      { jid: 'b@chat.lit/x', node: 'm' },
    ])
    expect(w.requests).toEqual([[SERVICE, ITEMS, 'n']])
  })

  test('an item without an address is left out, and the others are not', async () => {
    const w = world()
    w.peers.set(SERVICE, () =>
      element(ITEMS, 'query', {}, element(ITEMS, 'item', { jid: 'a b@' }), element(ITEMS, 'item'), room(1)),
    )
    expect(await read(items(w.connection, SERVICE))).toEqual([`r1@${SERVICE}`])
  })

  test.each([
    ['a refusal', 'forbidden', { name: 'StanzaError', condition: 'forbidden' }],
    ['another node', element(ITEMS, 'query', { node: 'x' }), { name: 'DiscoError', code: 'wrong-node' }],
    ['another payload', element('urn:other', 'query'), { name: 'DiscoError', code: 'malformed' }],
  ])('%s is an error', async (_name, reply, expected) => {
    const w = world()
    w.peers.set(SERVICE, () => reply)
    await expect(read(items(w.connection, SERVICE))).rejects.toThrow(expect.objectContaining(expected))
  })
})

describe('XEP-0059 §2.2 paging forwards', () => {
  test.each([
    [0, true, 1],
    [PAGE_ITEMS, true, 1],
    [PAGE_ITEMS + 1, true, 2],
    [PAGE_ITEMS, false, 2],
    [2 * PAGE_ITEMS + 50, false, 4],
    [2 * PAGE_ITEMS + 50, true, 3],
  ])('%i items, counted: %s, are %i questions', async (total, counts, questions) => {
    const w = world()
    w.peers.set(SERVICE, pages(total, counts))
    const found = await read(items(w.connection, SERVICE))
    expect(found).toEqual(Array.from({ length: total }, (_, i) => `r${i}@${SERVICE}`))
    expect(w.requests.length).toBe(questions)
  })

  test('who stops reading asks no further', async () => {
    const w = world()
    w.peers.set(SERVICE, pages(1000, true))
    for await (const item of items(w.connection, SERVICE)) if (item.jid === `r120@${SERVICE}`) break
    expect(w.requests.length).toBe(2)
  })

  test('a page that comes again is an error', async () => {
    const w = world()
    w.peers.set(SERVICE, () => element(ITEMS, 'query', {}, room(1), set(rsm('first', 'a'), rsm('last', 'b'))))
    const refused = read(items(w.connection, SERVICE))
    await expect(refused).rejects.toThrow(expect.objectContaining({ code: 'paging-loop' }))
    expect(w.requests.length).toBe(2)
  })

  test('an empty page is the end, whatever it says', async () => {
    const w = world()
    w.peers.set(SERVICE, () =>
      w.requests.length > 5
        ? 'policy-violation'
        : element(ITEMS, 'query', {}, set(rsm('last', w.requests.length))),
    )
    expect(await read(items(w.connection, SERVICE))).toEqual([])
    expect(w.requests.length).toBe(1)
  })

  test('a loop of pages is an error, too', async () => {
    const w = world()
    const next: Record<string, string> = { start: 'a', a: 'b', b: 'c', c: 'a' }
    w.peers.set(SERVICE, (iq) =>
      element(
        ITEMS,
        'query',
        {},
        room(1),
        set(rsm('first', 'x'), rsm('last', next[asked(iq).after ?? 'start'] ?? '')),
      ),
    )
    const refused = read(items(w.connection, SERVICE))
    await expect(refused).rejects.toThrow(expect.objectContaining({ code: 'paging-loop' }))
    expect(w.requests.length).toBe(4)
  })

  test.each([
    [MAX_ITEMS, true],
    [MAX_ITEMS + 1, false],
  ])('a list of %i items ends: %s', async (total, ends) => {
    const w = world()
    w.peers.set(SERVICE, pages(total, true))
    const list = read(items(w.connection, SERVICE))
    if (ends) expect((await list).length).toBe(total)
    else await expect(list).rejects.toThrow(expect.objectContaining({ code: 'too-many-items' }))
  })
})
