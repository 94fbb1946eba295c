import { element } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { ejabberd, mermaid, sequence, testService, written } from '../src/index.ts'
import { chat, get, INFO, p, publish } from './support.ts'

async function transcript() {
  const service = testService({ now: 0 })
  const [juliet, romeo] = [
    service.connect('juliet', { resource: 'phone' }),
    service.connect('romeo', { resource: 'pc' }),
  ]
  service.fault({ fault: { kind: 'drop' }, direction: 'received', client: romeo.jid, nth: 2 })
  await juliet.connection.send(chat(romeo.jid, 'Wherefore art thou; <Romeo> #1?'))
  await service.advance(1500)
  await publish(juliet, { node: 'urn:example:node', id: 'a' })
  await juliet.connection.send(chat(romeo.jid, 'lost'))
  await service.settle()
  juliet.disconnect()
  return service.transcript
}

test('in columns', async () => {
  expect(sequence(await transcript())).toMatchInlineSnapshot(`
    "              service     juliet/phone    romeo/pc
        0.000         |             o             |       new
        0.000         |             |             o       new
        0.000         |<------------|             |       message chat "Wherefore art thou; <Ro…"
        0.000         |-------------|------------>|       message chat "Wherefore art thou; <Ro…"
        1.500         |<------------|             |       iq set pubsub publish urn:example:node
        1.500         |------------>|             |       iq result pubsub publish urn:example:node
        1.500         |<------------|             |       message chat "lost"
        1.500         |-------------|------------x|       message chat "lost" (dropped)
        1.500         |             x             |       suspended
    "
  `)
})

test('for Mermaid', async () => {
  expect(mermaid(await transcript())).toMatchInlineSnapshot(`
    "sequenceDiagram
      participant S as service
      participant C1 as juliet/phone
      participant C2 as romeo/pc
      Note over C1: new
      Note over C2: new
      C1->>S: message chat "Wherefore art thou#59; #60;Ro#8230;"
      S->>C2: message chat "Wherefore art thou#59; #60;Ro#8230;"
      C1->>S: iq set pubsub publish urn:example:node
      S->>C1: iq result pubsub publish urn:example:node
      C1->>S: message chat "lost"
      S-xC2: message chat "lost" (dropped)
      Note over C1: suspended
    "
  `)
})

test('as XML', async () => {
  const lines = written(await transcript()).split('\n')
  expect(lines[3]).toMatch(
    /^1970-01-01T00:00:00.000Z romeo@capulet.example\/pc <- <message type="chat" to="romeo@capulet.example\/pc"/,
  )
  expect(lines.at(-2)).toBe('1970-01-01T00:00:01.500Z juliet@capulet.example/phone -- suspended')
})

test('of nothing', () => {
  expect([sequence([]).trim(), written([])]).toEqual(['service', ''])
})

test('labels say what is asked, what was refused, and whose presence it is', async () => {
  const service = testService({ now: 0, quirks: ejabberd })
  service.subscribeBoth('juliet', 'romeo')
  const juliet = service.connect('juliet', { resource: 'phone' })
  const romeo = service.connect('romeo', { resource: 'pc' })
  const label = async (run: () => unknown) => {
    const seen = service.transcript.length
    try {
      await run()
    } catch {}
    await service.settle()
    const lines = sequence(service.transcript)
      .split('\n')
      .slice(seen + 1, -1)
    return lines.map((line) => line.slice(line.lastIndexOf('|') + 1).trim())
  }
  juliet.presence()
  await service.settle()
  expect(await label(() => romeo.presence())).toEqual([
    'presence',
    'presence from romeo/pc',
    'presence from romeo/pc',
    'presence from juliet/phone',
  ])
  expect(await label(() => juliet.join('garden', 'J'))).toContain(
    'presence to garden@muc.capulet.example/J x',
  )
  expect(await label(() => get(juliet, 'nobody@capulet.example', element(INFO, 'query')))).toEqual([
    'iq get disco#info query',
    'iq error service-unavailable',
  ])
  expect(await label(() => get(juliet, undefined, element('urn:xmpp:mam:2', 'query')))).toEqual([
    'iq get mam query',
    'iq result mam query',
  ])
  await publish(juliet, { node: 'm' })
  const options = { 'pubsub#access_model': 'open' }
  expect((await label(() => publish(juliet, { node: 'm', options }))).slice(0, 2)).toEqual([
    'iq set pubsub publish m',
    'iq error conflict precondition-not-met',
  ])
  expect(await label(() => get(juliet, undefined, p('pubsub', {}, p('items', { node: 'm' }))))).toEqual([
    'iq get pubsub items m',
    'iq result pubsub items m',
  ])
  service.fault({ fault: { kind: 'error', condition: 'gone' } })
  expect(await label(() => juliet.connection.send(chat(romeo.jid, 'x')))).toEqual([
    'message chat "x" (answered with an error)',
    'message error gone (made by a fault)',
  ])
})
