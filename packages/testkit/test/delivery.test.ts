import { element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { MAX_DELIVERIES, TestkitError, testService } from '../src/index.ts'
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

  test('ends a conversation without end', async () => {
    const service = testService()
    const [juliet, romeo] = [service.connect('juliet'), service.connect('romeo')]
    for (const [client, other] of [
      [juliet, romeo],
      [romeo, juliet],
    ] as const)
      client.connection.subscribe({
        stanza: () => {
          if (client.online)
            client.connection.send(c('message', { to: other.jid, type: 'headline' })).catch(() => {})
        },
      })
    await juliet.connection.send(c('message', { to: romeo.jid, type: 'headline' }))
    expect(await codeOf(service.settle())).toBe('restless')
    expect(service.transcript.length).toBeGreaterThanOrEqual(MAX_DELIVERIES)
    expect([juliet.online, romeo.online]).toEqual([false, false])
    await service.settle()
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
