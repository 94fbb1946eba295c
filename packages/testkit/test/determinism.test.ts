import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Client, testService, written } from '../src/index.ts'
import { body, c, chat, fetchIds, inbox, p, publish } from './support.ts'

const NODE = 'urn:example:node'

/** Four clients that do several things at once, with faults; `turns` more of waiting in one of them. */
async function world(seed: number | string, turns = 0): Promise<string> {
  const service = testService({ seed })
  service.subscribeBoth('juliet', 'romeo')
  const room = service.room('garden', { anonymous: 'non' })
  const clients = ['juliet', 'juliet', 'romeo', 'nurse'].map((name) => service.connect(name))
  const [juliet, phone, romeo, nurse] = clients as [Client, Client, Client, Client]
  service.fault({ fault: { kind: 'duplicate' }, probability: 0.1 })
  service.fault({
    fault: { kind: 'reorder', by: 1 },
    probability: 0.1,
    direction: 'received',
    match: ({ name }) => name === 'message',
  })
  for (const client of clients) client.presence({ features: [`${NODE}+notify`] })
  juliet.join(room, 'Juliet')
  romeo.join(room, 'Romeo')
  romeo.connection.subscribe({
    stanza(stanza) {
      if (stanza.name === 'message' && stanza.attrs.type === 'chat')
        void romeo.connection.send(chat(juliet.jid, 'ack'))
    },
  })
  const publishing = async (client: Client, ids: readonly string[]) => {
    for (const id of ids) {
      await publish(client, { node: NODE, id })
      if (client === phone) for (let i = 0; i < turns; i++) await undefined
    }
  }
  await Promise.all([
    publishing(juliet, ['a', 'b', 'c']),
    publishing(phone, ['x', 'y', 'z']),
    fetchIds(romeo, 'juliet@capulet.example', p('items', { node: NODE })).catch(() => []),
    nurse.connection.send(chat('romeo@capulet.example', 'hello')),
    juliet.connection.send(c('message', { type: 'groupchat', to: room }, body('all'))),
  ])
  await service.advance(1000)
  return written(service.transcript)
}

describe('the same seed', () => {
  test('gives the same transcript, byte for byte', async () => {
    const runs = [await world(7), await world(7)]
    expect(runs[0]!.length).toBeGreaterThan(5000)
    expect(runs[1]).toBe(runs[0])
  })

  test('also when worlds run at the same time', async () => {
    const alone = [await world(1), await world(2)]
    expect(await Promise.all([world(1), world(2)])).toEqual(alone)
  })

  test('does so whatever the seed, and however many turns a client takes, below the limit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 20 }), async (seed, turns) => {
        expect(await world(seed, turns)).toBe(await world(seed))
      }),
      { numRuns: 20 },
    )
  })
})

test('other seeds give other orders; a number and its text are different seeds', async () => {
  const runs = await Promise.all([0, 1, 2, 3, '0', 'x'].map((seed) => world(seed)))
  expect(new Set(runs).size).toBe(runs.length)
})

test('two clients at once come in either order, and each in its own', async () => {
  const orders = new Set<string>()
  for (let seed = 0; seed < 40; seed++) {
    const service = testService({ seed })
    const [a, b, romeo] = [service.connect('a'), service.connect('b'), service.connect('romeo')]
    romeo.presence()
    await service.settle()
    const got = inbox(romeo, 'message')
    for (const text of ['1', '2']) {
      await a.connection.send(chat(romeo.jid, `a${text}`))
      await b.connection.send(chat(romeo.jid, `b${text}`))
    }
    await service.settle()
    orders.add(got.map((message) => (message.children[0] as typeof message).children.join('')).join(' '))
  }
  expect([...orders].sort()).toEqual([
    'a1 a2 b1 b2',
    'a1 b1 a2 b2',
    'a1 b1 b2 a2',
    'b1 a1 a2 b2',
    'b1 a1 b2 a2',
    'b1 b2 a1 a2',
  ])
})

test('each stanza arrives once: 2000 messages cost 4000 deliveries', async () => {
  const service = testService()
  const [juliet, romeo] = [service.connect('juliet'), service.connect('romeo')]
  for (let i = 0; i < 2000; i++) await juliet.connection.send(chat(romeo.jid, `${i}`))
  await service.settle()
  expect(service.transcript.filter(({ kind }) => kind === 'stanza').length).toBe(4000)
})
