import fc from 'fast-check'
import { createClient } from 'stanza'
import { describe, expect, test, vi } from 'vitest'
import { type Element, element, ns } from '../src/element.ts'
import { fromJxt } from '../src/jxt.ts'
import { parse } from '../src/parse.ts'
import { connection, elementOf } from '../src/stanza.ts'
import { startServer } from './hosts/server.ts'
import { guardOptions, hostSuite, type MakeClient } from './hosts/suite.ts'
import { tree } from './trees.ts'

const make: MakeClient = (url, options) => {
  const agent = createClient({
    jid: 'me@example.org',
    password: 'secret',
    transports: { websocket: url, bosh: false },
  })
  const socket = () =>
    (agent.transport as { socket?: { readyState: number; close(): void } } | undefined)?.socket
  return {
    connection: connection(agent, options),
    connect: () => void agent.connect(),
    reconnect() {
      if (agent.transport) agent.once('disconnected', () => void agent.connect())
      else void agent.connect()
    },
    stop: () => void agent.disconnect(),
    hasNoticed: () => socket()?.readyState !== 1,
    closeSocket: () => socket()?.close(),
  }
}

describe('WebSocket', () => hostSuite(make))

const { options } = guardOptions()
const client = ns('jabber:client')

test('the registry carries any element there', () => {
  const agent = createClient({ jid: 'me@example.org' })
  connection(agent, options)
  connection(agent, options)
  fc.assert(
    fc.property(fc.constantFrom('message', 'presence', 'iq'), tree, (kind, el) => {
      const stanza = element('jabber:client', kind, { id: '1' }, [el, ' text ', el])
      const written = agent.stanzas.export(kind, { id: 'other', '@xmpp-e2e/xml': stanza })?.toString() ?? ''
      expect(parse(written)).toEqual(stanza)
    }),
    { seed: 1 },
  )
})

describe('beside the JSON of the host', () => {
  const start = async () => {
    const server = await startServer()
    const agent = createClient({
      jid: 'me@example.org',
      password: 'secret',
      transports: { websocket: server.url, bosh: false },
    })
    const [one, two] = [connection(agent, options), connection(agent, options)]
    void agent.connect()
    const stream = await server.session()
    return { server, agent, one, two, stream }
  }

  test('what is received can be copied: the copy is what the host has changed', async () => {
    const { server, agent, stream } = await start()
    agent.on('message', ({ body }) => void agent.sendMessage({ to: 'x@example.org', body: `${body}!` }))
    agent.on('message', (message) => void agent.sendMessage({ ...message, to: 'x@example.org', id: 'copy' }))
    stream.send(client('message', { id: 'first', to: 'me@example.org' }, client('body', {}, 'hi')))
    expect((await stream.next()).children).toContainEqual(client('body', {}, 'hi!'))
    const { attrs } = await stream.next()
    expect([attrs.id, attrs.to]).toEqual(['copy', 'x@example.org'])
    await agent.disconnect()
    await server.stop()
  })

  test('elementOf: what a chat came as, where nothing in the JSON says that it is encrypted', async () => {
    const { server, agent, stream } = await start()
    const chat = new Promise<object>((resolve) => agent.on('chat', resolve))
    const encrypted = client('message', { type: 'chat', from: 'x@example.org/x', to: 'me@example.org' }, [
      client('body', {}, 'fallback'),
      element('urn:xmpp:omemo:2', 'encrypted'),
    ])
    stream.send(encrypted)
    expect(elementOf(await chat)).toEqual(encrypted)
    expect(elementOf({ body: 'of the host' })).toBe(undefined)
    await agent.disconnect()
    await server.stop()
  })

  test('the features of the stream, as HOSTS.md reads them', async () => {
    const server = await startServer()
    const agent = createClient({
      jid: 'me@example.org',
      password: 'secret',
      transports: { websocket: server.url, bosh: false },
    })
    const seen: (Element | undefined)[] = []
    agent.on('features', (json) => {
      const features = agent.stanzas.export('features', { ...json })
      seen.push(features && fromJxt(features))
    })
    void agent.connect()
    await server.session()
    expect(seen.map((el) => `${el?.name} ${el?.ns}`)).toEqual(
      Array(2).fill('features http://etherx.jabber.org/streams'),
    )
    expect(seen[1]?.children).toContainEqual(element('urn:xmpp:sm:3', 'sm'))
    await agent.disconnect()
    await server.stop()
  })

  test('two connections of one agent hear the same, and one of them answers', async () => {
    const { server, agent, one, two, stream } = await start()
    const heard: Element[][] = [[], []]
    one.subscribe({ stanza: (el) => heard[0]?.push(el) })
    two.subscribe({ stanza: (el) => heard[1]?.push(el) })
    for (const made of [one, two])
      made.answer('http://jabber.org/protocol/disco#info', async () =>
        client('iq', {}, element('urn:a', 'a')),
      )
    const info = element('http://jabber.org/protocol/disco#info', 'query')
    for (const id of ['1', '2']) {
      stream.send(client('iq', { type: 'get', id, from: 'x@example.org/x' }, info))
      const { attrs, children } = await stream.next()
      // The agent has an answer of its own to these.
      expect([attrs.id, children]).toEqual([id, [element('urn:a', 'a')]])
    }
    const [first = [], second = []] = heard.map((all) => all.filter(({ attrs }) => attrs.type === 'get'))
    expect(first.map(({ attrs }) => attrs.id)).toEqual(['1', '2'])
    expect(second).toEqual(first)
    await agent.disconnect()
    await server.stop()
  })

  const twin = () => client('message', { to: 'x@example.org' }, client('body', {}, 'hi'))
  test.each([
    ['one that is equal', twin()],
    ['one that contains it', client('message', {}, element('urn:xmpp:forward:0', 'forwarded', {}, twin()))],
  ])('what was not written is not taken for %s', async (_, first) => {
    const { server, agent, one, stream } = await start()
    while (agent.sm.id === '') await new Promise(setImmediate)
    const { transport } = agent
    if (!transport) throw new Error('there is no stream')
    const written: string[] = []
    const send = transport.send.bind(transport)
    transport.send = async (...args: Parameters<typeof send>) => {
      if (args[0] !== 'message') return send(...args)
      if (written.push(args[0]) > 1) throw new Error('broken')
      await send(...args)
    }
    const reported = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const outcomes = await Promise.allSettled([one.send(first), one.send(twin())])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(await stream.next()).toEqual(first)
    expect(agent.sm.unacked.length).toBe(1)
    reported.mockRestore()
    await agent.disconnect()
    await server.stop()
  })

  test('what the agent throws is the cause', async () => {
    const { server, agent, one } = await start()
    while (one.jid === undefined) await new Promise(setImmediate)
    const cause = new Error('broken')
    const { send } = agent
    agent.send = () => Promise.reject(cause)
    await expect(one.send(twin())).rejects.toMatchObject({ code: 'lost', cause })
    agent.send = send
    await agent.disconnect()
    await server.stop()
  })

  test('what could not be written is not kept for a resumption', async () => {
    const { server, agent, one } = await start()
    while (agent.sm.id === '') await new Promise(setImmediate)
    const { transport } = agent
    const rejected = one.send(client('message', { id: 'kept?' }))
    // The agent writes in a later turn.
    delete agent.transport
    await expect(rejected).rejects.toMatchObject({ code: 'lost' })
    expect(agent.sm.unacked).toEqual([])
    if (transport) agent.transport = transport
    await agent.disconnect()
    await server.stop()
  })
})
