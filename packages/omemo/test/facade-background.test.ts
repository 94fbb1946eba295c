/** What nobody waits for: failures of it are told, and one of them does not keep the rest from being tried. */
import { type Connection, ConnectionError } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { chat, world } from './world.ts'

/** Romeo has written to Juliet, who owes his device an empty message; her connection can be broken. */
async function owing() {
  const { service, device } = world()
  const client = service.connect('juliet', { resource: 'broken' })
  client.presence()
  const { connection } = client
  const broken = { send: true, request: false }
  const failure = () => Promise.reject(new ConnectionError('lost', 'broken'))
  const wrapped: Connection = {
    get jid() {
      return connection.jid
    },
    send: (stanza) => (broken.send ? failure() : connection.send(stanza)),
    request: (iq, options) => (broken.request ? failure() : connection.request(iq, options)),
    subscribe: (listener) => connection.subscribe(listener),
    answer: (namespace, respond) => connection.answer(namespace, respond),
  }
  const juliet = await device('juliet', { connection: wrapped })
  const romeo = await device('romeo')
  const { stanzas } = (await service.finish(
    romeo.omemo.encrypt(chat(juliet.account, 'hi'), [juliet.account]),
  )) as { readonly stanzas: readonly Parameters<Connection['send']>[0][] }
  juliet.omemo.listen(() => {})
  for (const stanza of stanzas) await romeo.client.connection.send(stanza)
  await service.settle()
  const waiting = () =>
    juliet.events.flatMap((event) => (event.kind === 'follow-up-failed' ? [event.what] : []))
  return { service, juliet, broken, waiting }
}

test('what fails when `tick` tries it again is told, too', async () => {
  const { service, juliet, waiting } = await owing()
  expect(waiting()).toEqual(['send-stanza'])
  await service.advance(3_600_000)
  await service.finish(juliet.omemo.tick())
  expect(waiting()).toEqual(['send-stanza', 'send-stanza'])
})

test('what waits is tried again by `start` even if nothing can be published', async () => {
  const { service, juliet, broken, waiting } = await owing()
  expect(waiting()).toEqual(['send-stanza'])
  const found = async () => {
    const { findings } = await service.finish(juliet.omemo.diagnose(service.account('romeo')))
    return findings.map(({ code }) => code)
  }
  expect(await found()).toContain('follow-ups-waiting')
  broken.send = false
  broken.request = true
  await expect(service.finish(juliet.omemo.start())).rejects.toThrow()
  await service.settle()
  broken.request = false
  expect(await found()).not.toContain('follow-ups-waiting')
})
