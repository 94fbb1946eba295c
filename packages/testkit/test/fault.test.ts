import { element } from '@xmpp-e2e/xml'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Client, type FaultRule, type TestService, testService } from '../src/index.ts'
import { body, c, chat, get, inbox, ping, refusalOf, words } from './support.ts'

let service: TestService
let juliet: Client
let romeo: Client
let got: ReturnType<typeof inbox>

beforeEach(() => {
  service = testService()
  juliet = service.connect('juliet', { resource: 'j' })
  romeo = service.connect('romeo', { resource: 'r' })
  got = inbox(romeo, 'message')
})

async function say(...texts: readonly string[]) {
  for (const text of texts) await juliet.connection.send(chat(romeo.jid, text))
  await service.settle()
  return words(got)
}

const to = { client: 'romeo@capulet.example/r', direction: 'received' } as const

describe('what goes wrong', () => {
  test('drop', async () => {
    service.fault({ fault: { kind: 'drop' }, ...to, nth: 2 })
    expect(await say('1', '2', '3')).toEqual(['1', '3'])
  })

  test('delay', async () => {
    service.fault({ fault: { kind: 'delay', ms: 500 }, ...to, nth: 1 })
    expect(await say('1', '2')).toEqual(['2'])
    await service.advance(499)
    expect(words(got)).toEqual(['2'])
    await service.advance(1)
    expect(words(got)).toEqual(['2', '1'])
  })

  test('delay past the end of the session is loss', async () => {
    service.fault({ fault: { kind: 'delay', ms: 500 }, ...to })
    await say('1')
    romeo.reconnect()
    await service.advance(500)
    expect(words(got)).toEqual([])
  })

  test.each([
    [1, ['2', '1', '3', '4']],
    [2, ['2', '3', '1', '4']],
    [9, ['2', '3', '4', '1']],
  ])('reorder by %i', async (by, order) => {
    service.fault({ fault: { kind: 'reorder', by }, ...to, nth: 1 })
    expect(await say('1', '2', '3', '4')).toEqual(order)
  })

  test('duplicate', async () => {
    service.fault({ fault: { kind: 'duplicate', times: 3 }, ...to, nth: 1 })
    expect(await say('1', '2')).toEqual(['1', '1', '1', '2'])
  })

  test('tamper', async () => {
    const change = (stanza: ReturnType<typeof c>) =>
      element(stanza.ns, stanza.name, stanza.attrs, body('forged'))
    const undo = service.fault({ fault: { kind: 'tamper', change }, direction: 'sent' })
    expect(await say('1')).toEqual(['forged'])
    undo()
    service.fault({ fault: { kind: 'tamper', change: () => undefined } })
    expect(await say('2')).toEqual(['forged'])
  })

  test('error: a request is not carried out, or its answer is another', async () => {
    const undo = service.fault({
      fault: { kind: 'error', condition: 'internal-server-error' },
      direction: 'sent',
    })
    expect(await refusalOf(get(juliet, undefined, ping))).toBe('internal-server-error')
    undo()
    const details = [element('urn:example:errors', 'busy')]
    service.fault({
      fault: { kind: 'error', condition: 'resource-constraint', details },
      direction: 'received',
    })
    expect(await refusalOf(get(juliet, undefined, ping))).toBe('resource-constraint busy')
  })

  test('error: a message comes back', async () => {
    const back = inbox(juliet, 'message')
    service.fault({ fault: { kind: 'error', condition: 'recipient-unavailable' }, ...to })
    expect(await say('1')).toEqual([])
    expect(back.map(({ attrs }) => [attrs.type, attrs.from])).toEqual([['error', romeo.jid]])
  })
})

describe('disconnect in the middle of a request', () => {
  test.each([
    ['sent', 'before', 0],
    ['sent', 'after', 1],
    ['received', 'before', 1],
    ['received', 'after', 1],
  ] as const)('%s, %s it arrives', async (direction, when, handled) => {
    let count = 0
    romeo.connection.answer('urn:xmpp:ping', async () => {
      count++
      return c('iq')
    })
    service.fault({ fault: { kind: 'disconnect', when }, client: juliet.jid, direction, nth: 1 })
    const states: string[] = []
    juliet.connection.subscribe({ session: (state) => states.push(state) })
    let answered = 0
    const answer = get(juliet, romeo.jid, ping).finally(() => answered++)
    await service.settle()
    expect(count).toBe(handled)
    expect(juliet.online).toBe(false)
    expect([states, answered]).toEqual([[], direction === 'received' && when === 'after' ? 1 : 0])
    expect(juliet.resume()).toBe('resumed')
    expect((await answer).attrs.type).toBe('result')
    expect([count, states]).toEqual([1, ['resumed']])
  })

  test('a new session gets no answer', async () => {
    service.fault({
      fault: { kind: 'disconnect', when: 'after' },
      client: juliet.jid,
      direction: 'sent',
      nth: 1,
    })
    const answer = get(juliet, undefined, ping).catch(({ code }: { code: string }) => code)
    await service.settle()
    const late = inbox(juliet, 'iq')
    juliet.reconnect()
    expect(await answer).toBe('lost')
    await service.settle()
    expect(late).toEqual([])
  })
})

describe('when', () => {
  const drop = { kind: 'drop' } as const

  test('all conditions hold', async () => {
    service.fault({
      fault: drop,
      client: 'romeo@capulet.example',
      direction: 'received',
      match: (s) => words([s])[0] === '2',
    })
    expect(await say('1', '2', '3')).toEqual(['1', '3'])
  })

  test.each([
    ['romeo@capulet.example/r', true],
    ['romeo/r', true],
    ['Romeo', true],
    ['romeo@capulet.exampl', false],
    ['rom', false],
    ['romeo/R', false],
    ['romeo/r/r', false],
  ])('a client is named as for `account`, with its resource or without: %s', async (client, hit) => {
    const stop = service.fault({ fault: drop, client, direction: 'received' })
    expect([await say('1'), stop.hits]).toEqual(hit ? [[], 1] : [['1'], 0])
  })

  test('hits are counted, and not what only came into question', async () => {
    const stop = service.fault({ fault: drop, ...to, nth: 2 })
    await say('1', '2', '3')
    expect(stop.hits).toBe(1)
    stop()
    await say('4')
    expect(stop.hits).toBe(1)
  })

  test('not with what a fault has made', async () => {
    const back = inbox(juliet, 'message')
    const stop = service.fault({ fault: { kind: 'error', condition: 'gone' } })
    expect(await say('1')).toEqual([])
    expect([back.map(({ attrs }) => attrs.type), stop.hits]).toEqual([['error'], 1])
  })

  test('by chance, which the seed decides', async () => {
    const lost = async (seed: number, probability: number) => {
      service = testService({ seed })
      juliet = service.connect('juliet')
      romeo = service.connect('romeo')
      got = inbox(romeo, 'message')
      service.fault({ fault: drop, direction: 'received', probability })
      return (await say(...Array.from({ length: 100 }, (_, i) => `${i}`))).join()
    }
    const some = await lost(1, 0.5)
    expect(some.split(',').length).toBeGreaterThan(20)
    expect(some.split(',').length).toBeLessThan(80)
    expect(await lost(1, 0.5)).toBe(some)
    expect(await lost(2, 0.5)).not.toBe(some)
    expect([(await lost(1, 0)).split(',').length, await lost(1, 1)]).toEqual([100, ''])
  })

  test('until undone', async () => {
    const undo = service.fault({ fault: drop, ...to })
    await say('1')
    undo()
    expect(await say('2')).toEqual(['2'])
  })

  test.each<FaultRule>([
    { fault: drop, nth: 0 },
    { fault: drop, nth: 1.5 },
    { fault: drop, probability: 1.1 },
    { fault: drop, probability: Number.NaN },
    { fault: { kind: 'reorder', by: 0 } },
    { fault: { kind: 'duplicate', times: 1 } },
    { fault: { kind: 'delay', ms: -1 } },
  ])('not with numbers that make no sense: %j', (rule) => {
    expect(() => service.fault(rule)).toThrow(RangeError)
  })

  test.each<[string, unknown]>([
    ['fault', {}],
    ['fault', { fault: 'drop' }],
    ['kind', { fault: { kind: 'explode' } }],
    ['ms', { fault: { kind: 'delay' } }],
    ['by', { fault: { kind: 'reorder' } }],
    ['change', { fault: { kind: 'tamper' } }],
    ['condition', { fault: { kind: 'error' } }],
    ['condition', { fault: { kind: 'error', condition: 'constructor' } }],
    ['condition', { fault: { kind: 'error', condition: 'closed-node' } }],
    ['when', { fault: { kind: 'disconnect' } }],
    ['direction', { fault: drop, direction: 'send' }],
    ['match', { fault: drop, match: 'iq' }],
    ['account', { fault: drop, client: 'a@b@c' }],
    ['client', { fault: drop, client: 'romeo/' }],
  ])('not with what does not exist or is missing: %s', (label, rule) => {
    expect(() => service.fault(rule as FaultRule)).toThrow(TypeError)
    expect(() => service.fault(rule as FaultRule)).toThrow(label)
  })
})
