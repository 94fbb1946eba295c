import { createClient } from 'stanza'
import { describe } from 'vitest'
import { connection } from '../src/stanza.ts'
import { hostSuite, type MakeClient } from './hosts/suite.ts'

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
