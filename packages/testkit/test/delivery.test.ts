import { describe, expect, test } from 'vitest'
import { type Client, FINISH_MS, MAX_DELIVERIES, TestkitError, testService } from '../src/index.ts'
import { c, chat, get, inbox, ping, words } from './support.ts'

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof TestkitError ? error.code : error),
  )

describe('settle', () => {
  test('is not needed for a request', async () => {
    const client = testService().connect('juliet')
    expect((await get(client, undefined, ping)).attrs.type).toBe('result')
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
    await expect(service.settle()).rejects.toMatchObject({
      code: 'listener-failed',
      message: 'a listener of a client threw: broken',
      cause: { errors: [new Error('broken')] },
    })
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
    const answer = get(client, undefined, ping).catch((error: { code: string }) => error.code)
    await service.advance(60_000)
    expect(await answer).toBe('timeout')
  })
})

describe('finish', () => {
  test('moves the clock to one timer after another, and no further than is needed', async () => {
    const service = testService({ now: 0 })
    const sleep = (ms: number) => new Promise<void>((done) => service.clock.after(ms, done))
    service.clock.after(9000, () => expect.unreachable())
    const program = async () => {
      await sleep(1000)
      await sleep(2000)
      return 'done'
    }
    expect([await service.finish(program()), service.clock.now()]).toEqual(['done', 3000])
  })

  test('does not move it for what ends by itself', async () => {
    const service = testService({ now: 0 })
    const client = service.connect('juliet')
    service.clock.after(1, () => expect.unreachable())
    await service.finish(get(client, undefined, ping))
    await expect(service.finish(Promise.reject(new Error('own')))).rejects.toThrow('own')
  })

  test('gives up when nothing can happen, and when there is only a timer that is set again and again', async () => {
    const service = testService({ now: 0 })
    const never = new Promise(() => {})
    expect([await codeOf(service.finish(never)), service.clock.now()]).toEqual(['unfinished', 0])
    const again = () => void service.clock.after(FINISH_MS / 4, again)
    again()
    expect([await codeOf(service.finish(never)), service.clock.now()]).toEqual(['unfinished', FINISH_MS])
  })

  test.each([
    [FINISH_MS, undefined],
    [FINISH_MS + 1, 'unfinished'],
  ])('of a timer in %i ms: %s', async (ms, code) => {
    const { clock, finish } = testService()
    expect(await codeOf(finish(new Promise<void>((done) => clock.after(ms, done))))).toBe(code)
  })
})
