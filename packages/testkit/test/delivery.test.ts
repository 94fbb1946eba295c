import { element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { type Client, MAX_DELIVERIES, TestkitError, testService } from '../src/index.ts'
import { c, chat, get, inbox, words } from './support.ts'

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof TestkitError ? error.code : error),
  )

describe('settle', () => {
  test('is not needed for a request', async () => {
    const client = testService().connect('juliet')
    expect((await get(client, undefined, element('urn:xmpp:ping', 'ping'))).attrs.type).toBe('result')
  })

  test('waits for what clients do next', async () => {
    const service = testService()
    const [juliet, romeo] = [service.connect('juliet'), service.connect('romeo')]
    const got = inbox(juliet, 'message')
    romeo.connection.subscribe({
      async stanza() {
        for (let i = 0; i < 300; i++) await undefined
        await romeo.connection.send(chat(juliet.jid, 'late'))
      },
    })
    await juliet.connection.send(chat(romeo.jid, 'x'))
    await service.settle()
    expect(words(got)).toEqual(['late'])
  })

  test('waits for more than promises when told how', async () => {
    const idle = () => new Promise((done) => setImmediate(done))
    const service = testService({ idle })
    const [juliet, romeo] = [service.connect('juliet'), service.connect('romeo')]
    const got = inbox(juliet, 'message')
    romeo.connection.subscribe({
      async stanza() {
        await idle()
        await romeo.connection.send(chat(juliet.jid, 'late'))
      },
    })
    await juliet.connection.send(chat(romeo.jid, 'x'))
    await service.settle()
    expect(words(got)).toEqual(['late'])
  })

  test('reports what listeners threw, once, and the others heard it', async () => {
    const service = testService()
    const [juliet, romeo] = [service.connect('juliet'), service.connect('romeo')]
    romeo.connection.subscribe({
      stanza() {
        throw new Error('broken')
      },
    })
    const got = inbox(romeo, 'message')
    await juliet.connection.send(chat(romeo.jid, 'x'))
    expect(await codeOf(service.settle())).toBe('listener-failed')
    expect(got.length).toBe(1)
    await service.settle()
  })

  // Each message is two deliveries: to the service, and to the other client.
  test.each([
    [10, 5, undefined],
    [10, 6, 'restless'],
  ])(
    'ends a conversation without end: at most %i stanzas, for %i messages',
    async (maxDeliveries, count, code) => {
      const service = testService({ maxDeliveries })
      const [juliet, romeo] = [service.connect('juliet'), service.connect('romeo')]
      let left = count
      const talk = (client: Client, other: Client) => {
        if (left-- > 0) void client.connection.send(c('message', { to: other.jid, type: 'headline' }))
      }
      juliet.connection.subscribe({ stanza: () => talk(juliet, romeo) })
      romeo.connection.subscribe({ stanza: () => talk(romeo, juliet) })
      talk(juliet, romeo)
      expect(await codeOf(service.settle())).toBe(code)
      expect(juliet.online).toBe(code === undefined)
      await service.settle()
      expect(juliet.resume()).toBe(code === undefined ? 'resumed' : 'new')
    },
  )

  test('lets a hundred thousand stanzas pass unless told otherwise', () => {
    expect(MAX_DELIVERIES).toBeGreaterThanOrEqual(100_000)
    for (const maxDeliveries of [0, 1.5]) expect(() => testService({ maxDeliveries })).toThrow(RangeError)
  })
})

describe('the clock', () => {
  test('moves only when told, timer by timer, in order', async () => {
    const service = testService({ now: 1000 })
    const called: string[] = []
    const at = (name: string) => () => called.push(`${name} ${service.clock.now()}`)
    service.clock.after(20, at('c'))
    service.clock.after(10, at('a'))
    service.clock.after(10, at('b'))
    const cancel = service.clock.after(15, at('never'))
    service.clock.after(10, () => service.clock.after(5, at('nested')))
    cancel()
    await service.settle()
    expect([called, service.clock.now()]).toEqual([[], 1000])
    await service.advance(19)
    expect(called).toEqual(['a 1010', 'b 1010', 'nested 1015'])
    await service.advance(1)
    expect(called.at(-1)).toBe('c 1020')
  })

  test('makes requests time out', async () => {
    const service = testService()
    const client = service.connect('juliet')
    service.fault({ fault: { kind: 'drop' }, direction: 'sent' })
    const answer = get(client, undefined, element('urn:xmpp:ping', 'ping')).catch(
      (error: { code: string }) => error.code,
    )
    await service.advance(60_000)
    expect(await answer).toBe('timeout')
  })
})
