import { client, xml } from '@xmpp/client'
// Defines the WebSocket that Node 20 has not.
import 'strophe.js'
import { describe, expect, test } from 'vitest'
import { element, ns } from '../src/element.ts'
import { connection } from '../src/xmppjs.ts'
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
