import { client, xml } from '@xmpp/client'
// Defines the WebSocket that Node 20 has not.
import 'strophe.js'
import { describe } from 'vitest'
import { connection } from '../src/xmppjs.ts'
import { hostSuite, type MakeClient } from './hosts/suite.ts'

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
