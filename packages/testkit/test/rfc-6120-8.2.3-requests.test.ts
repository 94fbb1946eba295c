import { type Element, element } from '@xmpp-e2e/xml'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Client, type TestService, testService } from '../src/index.ts'
import { all, c, get, INFO, inbox, ping, refusalOf, set } from './support.ts'

let service: TestService
let juliet: Client
let romeo: Client

beforeEach(() => {
  service = testService()
  juliet = service.connect('juliet')
  romeo = service.connect('romeo')
})

const result = async () => c('iq', { type: 'result' })

describe('a request to a client', () => {
  test('that nobody takes is refused, in its name', async () => {
    const back = inbox(juliet, 'iq')
    expect(await refusalOf(get(juliet, romeo.jid, ping))).toBe('service-unavailable')
    expect(await refusalOf(set(juliet, romeo.jid, ping))).toBe('service-unavailable')
    expect(back.map(({ attrs }) => attrs.from)).toEqual([romeo.jid, romeo.jid])
  })

  test('that somebody takes is answered once, by the first who does', async () => {
    const asked: string[] = []
    const take = (name: string, answer: Promise<Element> | undefined) => () => {
      asked.push(name)
      return answer
    }
    romeo.connection.answer('urn:xmpp:ping', take('a', undefined))
    const stop = romeo.connection.answer('urn:xmpp:ping', take('b', result()))
    romeo.connection.answer('urn:xmpp:ping', take('c', undefined))
    const back = inbox(juliet, 'iq')
    await get(juliet, romeo.jid, ping)
    await service.settle()
    expect([asked, back.length]).toEqual([['a', 'b'], 1])
    stop()
    expect(await refusalOf(get(juliet, romeo.jid, ping))).toBe('service-unavailable')
    expect(asked.slice(2)).toEqual(['a', 'c'])
  })

  test('is heard by listeners before it is refused, who may be gone by then', async () => {
    romeo.connection.subscribe({ stanza: () => romeo.disconnect() })
    const answer = refusalOf(get(juliet, romeo.jid, ping))
    await service.settle()
    romeo.reconnect()
    const back = inbox(juliet, 'iq')
    await service.settle()
    expect(back).toEqual([])
    await service.advance(60_000)
    await expect(answer).rejects.toThrow()
  })

  test('is for who listens on the wire, as long as there is somebody', async () => {
    const heard: Element[] = []
    const stop = romeo.wire.subscribe({ stanza: (stanza) => heard.push(stanza) })
    const answer = get(juliet, romeo.jid, ping).catch(({ code }: { code: string }) => code)
    expect(await service.finish(answer)).toBe('timeout')
    expect(heard.map(({ name }) => name)).toEqual(['iq'])
    stop()
    expect(await refusalOf(get(juliet, romeo.jid, ping))).toBe('service-unavailable')
  })

  test('answers are no requests, and other stanzas neither', async () => {
    const back = inbox(juliet)
    for (const type of ['result', 'error'])
      await juliet.wire.send(c('iq', { type, id: 'x', to: romeo.jid }, ping))
    await juliet.wire.send(c('message', { type: 'get', to: romeo.jid }))
    await service.settle()
    expect(back).toEqual([])
  })
})

test('disco#info is answered from the presence, with its node and without (XEP-0115 §6.2)', async () => {
  const info = (node?: string) => get(juliet, romeo.jid, element(INFO, 'query', { node }))
  expect(await refusalOf(info())).toBe('service-unavailable')
  const features = async (node?: string) => all(await info(node), 'feature').map(({ attrs }) => attrs.var)
  romeo.presence({ features: ['urn:example:a'] })
  await service.settle()
  const [caps] = service.transcript.flatMap((entry) =>
    entry.kind === 'stanza' ? all(entry.stanza, 'c').map(({ attrs }) => attrs) : [],
  )
  romeo.presence({ features: ['urn:example:b'] })
  expect(await features()).toContain('urn:example:b')
  expect(await features(`${caps?.node}#${caps?.ver}`)).toContain('urn:example:a')
  expect(await refusalOf(info('urn:example:other'))).toBe('service-unavailable')
})
