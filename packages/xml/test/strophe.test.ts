/// <reference lib="dom" />
import { Strophe } from 'strophe.js'
import { describe } from 'vitest'
import { connection } from '../src/strophe.ts'
import { hostSuite, type MakeClient } from './hosts/suite.ts'

const make: MakeClient = (url, options) => {
  const strophe = new Strophe.Connection(url, { enableStreamManagement: true })
  const connect = () => strophe.connect('me@example.org', 'secret')
  return {
    connection: connection(strophe, { ...options, document: globalThis.document }),
    connect,
    reconnect() {
      // As hosts do: after the loss has been told.
      const wait = () => {
        if (strophe.connected) setTimeout(wait, 0)
        else connect()
      }
      wait()
    },
    stop: () => strophe.disconnect('stop'),
    hasNoticed: () => !strophe.connected,
    closeSocket: () => (strophe._proto as unknown as { socket: WebSocket }).socket.close(),
  }
}

Strophe.setLogLevel(Strophe.LogLevel.FATAL)

describe('WebSocket', () => hostSuite(make))
