import { EventEmitter } from 'node:events'
import { client, xml } from '@xmpp/client'
// Defines the WebSocket that Node 20 has not.
import 'strophe.js'
import { describe, expect, test } from 'vitest'
import { element, ns } from '../src/element.ts'
import { fromLtx } from '../src/ltx.ts'
import { connection, type XmppJs } from '../src/xmppjs.ts'
import { startServer } from './hosts/server.ts'
import { guardOptions, hostSuite, type MakeClient } from './hosts/suite.ts'

const make: MakeClient = (service, options) => {
  const xmpp = client({ service, domain: 'example.org' })
  xmpp.reconnect.delay = 0
  xmpp.timeout = 200
  xmpp.on('error', () => undefined)
  return {
    connection: connection(xmpp, { ...options, xml }),
    connect: () => void xmpp.start(),
    reconnect: () => undefined,
    stop: () => void xmpp.stop(),
    hasNoticed: () => xmpp.status !== 'online',
    closeSocket: () => xmpp.socket?.end(),
  }
}

describe('TCP', () => hostSuite(make, 'tcp'))

describe('WebSocket', () => hostSuite(make))

test('XEP-0198 §3: the session begins when stream management is on, since xmpp.js counts wrongly before', async () => {
  const server = await startServer({ framing: 'tcp' })
  let enable = (): void => undefined
  server.enables = new Promise((resolve) => {
    enable = resolve
  })
  const xmpp = client({ service: server.url, domain: 'example.org' })
  xmpp.reconnect.stop()
  xmpp.timeout = 200
  xmpp.on('error', () => undefined)
  const made = connection(xmpp, { ...guardOptions().options, xml })
  const told: unknown[] = []
  made.subscribe({ session: (state) => told.push([state, made.jid]) })
  await xmpp.start()
  expect([made.jid, told]).toEqual([undefined, []])
  await expect(made.send(element('jabber:client', 'presence'))).rejects.toMatchObject({ code: 'lost' })
  enable()
  await server.session()
  while (told.length === 0) await new Promise(setImmediate)
  expect(told).toEqual([['new', 'me@example.org/1']])
  await xmpp.stop()
  await server.stop()
})

test('XEP-0114 §2: a stanza and its children are in the namespace of the stream; what is below them stays', async () => {
  const COMPONENT = 'jabber:component:accept'
  const component = new EventEmitter()
  const sent: ReturnType<typeof xml>[] = []
  const host: XmppJs<ReturnType<typeof xml>> = {
    status: 'online',
    jid: 'service.example.org',
    NS: COMPONENT,
    middleware: { use: () => undefined },
    on: (event, listener) => component.on(event, listener),
    send: async (stanza) => void sent.push(stanza),
  }
  const made = connection(host, { ...guardOptions().options, xml })
  const inside = (own: string) =>
    element(own, 'message', {}, [
      element(own, 'body', {}, ['a', element(COMPONENT, 'b')]),
      element('urn:x', 'x', {}, element('jabber:client', 'body')),
    ])
  await made.send(inside('jabber:client'))
  expect(sent.map((stanza) => fromLtx(stanza))).toEqual([inside(COMPONENT)])
  const heard: unknown[] = []
  made.subscribe({ stanza: (stanza) => heard.push(stanza) })
  component.emit('stanza', sent[0])
  expect(heard).toEqual([inside('jabber:client')])
})

test('iqCallee: handlers from before the connection go first, later ones get what it leaves; each request has one reply', async () => {
  const server = await startServer({ framing: 'tcp', resumable: false })
  const xmpp = client({ service: server.url, domain: 'example.org' })
  xmpp.reconnect.stop()
  xmpp.timeout = 200
  xmpp.iqCallee.get('urn:example:ask', 'before', () => xml('host', { xmlns: 'urn:example:ask' }))
  const made = connection(xmpp, { ...guardOptions().options, xml })
  xmpp.iqCallee.get('urn:example:ask', 'after', () => xml('host', { xmlns: 'urn:example:ask' }))
  xmpp.iqCallee.get('urn:example:ask', 'left', () => xml('host', { xmlns: 'urn:example:ask' }))
  const iq = ns('jabber:client')
  made.answer('urn:example:ask', ({ children: [payload] }) =>
    typeof payload === 'object' && payload.name !== 'left'
      ? Promise.resolve(iq('iq', {}, element('urn:example:ask', 'ours')))
      : undefined,
  )
  await xmpp.start()
  const stream = await server.session()
  const names = []
  for (const name of ['before', 'after', 'left']) {
    stream.send(
      iq('iq', { type: 'get', id: name, from: 'x@example.org/x' }, element('urn:example:ask', name)),
    )
    const { attrs, children } = await stream.next()
    names.push([attrs.id, typeof children[0] === 'object' && children[0].name])
  }
  expect(names).toEqual([
    ['before', 'host'],
    ['after', 'ours'],
    ['left', 'host'],
  ])
  await xmpp.stop()
  await server.stop()
})

test('options are checked before anything of the host is changed', () => {
  const changed = () => {
    throw new Error('changed')
  }
  const host: XmppJs<ReturnType<typeof xml>> = {
    status: 'offline',
    middleware: { use: changed },
    on: changed,
    send: changed,
  }
  const { options } = guardOptions()
  const wrong: [object | undefined, string][] = [
    [undefined, 'connection: expected `random`'],
    [{ ...options, random: undefined, xml }, 'connection: expected `random`'],
    [{ ...options, clock: undefined, xml }, 'connection: expected `clock.after`'],
    [options, 'connection: expected `xml` of @xmpp/client'],
  ]
  for (const [given, message] of wrong)
    expect(() => connection(host, given as Parameters<typeof connection<ReturnType<typeof xml>>>[1])).toThrow(
      new TypeError(message),
    )
})

test.each(['tcp', 'websocket'] as const)(
  'the features of the stream, as HOSTS.md reads them: %s',
  async (framing) => {
    const server = await startServer({ framing })
    const xmpp = client({ service: server.url, domain: 'example.org' })
    xmpp.reconnect.stop()
    xmpp.timeout = 200
    const seen: string[] = []
    xmpp.on('nonza', (el) => {
      if (el.name !== 'stream:features') return
      const { name, ns: namespace, children } = fromLtx(el)
      seen.push(name, namespace, ...children.map((child) => (typeof child === 'string' ? child : child.ns)))
    })
    await xmpp.start()
    const [sasl, bind] = ['urn:ietf:params:xml:ns:xmpp-sasl', 'urn:ietf:params:xml:ns:xmpp-bind']
    const head = ['features', 'http://etherx.jabber.org/streams']
    expect(seen).toEqual([...head, sasl, ...head, bind, 'urn:xmpp:sm:3'])
    await xmpp.stop()
    await server.stop()
  },
)
