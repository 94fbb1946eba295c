/// <reference lib="dom" />
/** Sessions through the host libraries, whose streams break when they are told to. */
import { readFile } from 'node:fs/promises'
import tls from 'node:tls'
import { client, xml } from '@xmpp/client'
import { type Connection, element, type GuardOptions } from '@xmpp-e2e/xml'
import { connection as stanzaConnection } from '@xmpp-e2e/xml/stanza'
import { connection as stropheConnection } from '@xmpp-e2e/xml/strophe'
import { connection as xmppjsConnection } from '@xmpp-e2e/xml/xmppjs'
import { createClient } from 'stanza'
// On Node it defines WebSocket, which xmpp.js uses, too.
import { Strophe } from 'strophe.js'
import { GUARD } from './client.ts'
import type { Account, Server } from './server.ts'

export const HOSTS = ['xmppjs-tcp', 'xmppjs-websocket', 'strophe', 'stanza'] as const
export type HostName = (typeof HOSTS)[number]

/** One client of a library. */
export interface Host {
  readonly connection: Connection
  /** What the connection has said of its session, from the start. */
  readonly states: readonly ('new' | 'resumed' | 'lost')[]
  /** Cuts the stream, as a broken network does, and resolves when the library knows. */
  drop(): Promise<void>
  /** Connects after a drop, and resolves when there is a session: the same if the server allows. */
  resume(): Promise<void>
  /** The same, but with a wrong name for the session, so that the server refuses to resume it. */
  reconnect(): Promise<void>
  /** Ends the session, and resolves when it is lost. */
  close(): Promise<void>
}

/** What differs between the libraries. */
interface Client {
  readonly connection: Connection
  connect(): void
  cut(): void
  /** Whether there is no stream. */
  offline(): boolean
  /** Makes the library resume a session that there is not. */
  forget(): void
  disconnect(): void
}

/** Resolves when there is a session. */
export async function connectHost(host: HostName, server: Server, account: Account): Promise<Host> {
  const made = await MAKE[host](server, account, GUARD)
  const states: ('new' | 'resumed' | 'lost')[] = []
  let wake: (() => void)[] = []
  made.connection.subscribe({
    session(state) {
      states.push(state)
      for (const resolve of wake) resolve()
      wake = []
    },
  })
  const said = async (known: number) => {
    while (states.length <= known) await new Promise<void>((resolve) => wake.push(resolve))
  }
  const connect = async () => {
    const known = states.length
    made.connect()
    await said(known)
    // Then stream management, if it follows, is there too: a server handles what it reads in order.
    if (made.connection.jid !== undefined) await made.connection.request(question)
  }
  await connect()
  return {
    connection: made.connection,
    states,
    async drop() {
      made.cut()
      while (!made.offline()) await new Promise(setImmediate)
    },
    resume: connect,
    async reconnect() {
      made.forget()
      await connect()
    },
    async close() {
      if (states.at(-1) === 'lost') return
      const known = states.length
      made.disconnect()
      await said(known)
    },
  }
}

const question = element(
  'jabber:client',
  'iq',
  { type: 'get' },
  element('http://jabber.org/protocol/disco#info', 'query'),
)

const MAKE: Readonly<
  Record<HostName, (server: Server, account: Account, options: GuardOptions) => Promise<Client>>
> = {
  'xmppjs-tcp': (server, account, options) =>
    xmppjs(`xmpp://127.0.0.1:${server.ports.c2s}`, server, account, options),
  'xmppjs-websocket': (server, account, options) => xmppjs(server.websocket, server, account, options),
  strophe: async (server, account, options) => strophe(server, account, options),
  stanza: async (server, account, options) => stanza(server, account, options),
}

async function xmppjs(
  service: string,
  { domain, ca }: Server,
  { jid, password }: Account,
  options: GuardOptions,
): Promise<Client> {
  trust(await readFile(ca, 'utf8'))
  const username = jid.split('@')[0]
  // Its SCRAM computes for more than half a second at each login.
  const xmpp = client({
    service,
    domain,
    credentials: (authenticate) => authenticate({ username, password }, 'PLAIN'),
  })
  // It can miss the header of a stream, and says so when this is over, though everything works: never, here.
  xmpp.timeout = 600_000
  xmpp.on('error', () => undefined)
  xmpp.reconnect.stop()
  let started = false
  return {
    connection: xmppjsConnection(xmpp, { ...options, xml }),
    connect() {
      // After its delay: the socket below TLS closes later than TLS, and takes a new one with it.
      if (started) xmpp.reconnect.scheduleReconnect()
      else void xmpp.start()
      started = true
    },
    cut() {
      const { socket } = xmpp
      const inner = socket?.socket ?? socket
      if (inner && 'terminate' in inner) inner.terminate?.()
      else inner?.destroy?.()
    },
    offline: () => xmpp.status === 'disconnect',
    forget() {
      xmpp.streamManagement.id = 'forgotten'
    },
    disconnect() {
      xmpp.timeout = 2000
      void xmpp.stop()
    },
  }
}

const trusted = new Set<string>()

// xmpp.js takes no certificate authority, and each server has its own. Nor does it write without delay: each
// stanza that is followed by a request to acknowledge it would wait 40 ms for the other side.
function trust(ca: string): void {
  if (trusted.size === 0) {
    const { connect } = tls
    tls.connect = ((options: tls.ConnectionOptions) =>
      connect({ ...options, ca: [...trusted] }).setNoDelay()) as typeof connect
  }
  trusted.add(ca)
}

function strophe(server: Server, { jid, password }: Account, options: GuardOptions): Client {
  Strophe.setLogLevel(Strophe.LogLevel.FATAL)
  const stored = new Map<string, string>()
  let forgotten = false
  const connection = new Strophe.Connection(server.websocket, {
    enableStreamManagement: true,
    streamManagement: {
      storage: {
        load(key: string) {
          const text = stored.get(key)
          const state = text === undefined ? null : JSON.parse(text)
          if (state && forgotten) state.id = 'forgotten'
          forgotten = false
          return state
        },
        save: (key: string, state: object) => void stored.set(key, JSON.stringify(state)),
        clear: (key: string) => void stored.delete(key),
      },
    },
  })
  return {
    connection: stropheConnection(connection, { ...options, document: globalThis.document }),
    connect: () => connection.connect(jid, password),
    cut: () => socketOf(connection._proto)?.terminate(),
    offline: () => !connection.connected,
    forget() {
      forgotten = true
    },
    disconnect: () => connection.disconnect('done'),
  }
}

function stanza(server: Server, { jid, password }: Account, options: GuardOptions): Client {
  const agent = createClient({ jid, password, transports: { websocket: server.websocket, bosh: false } })
  return {
    connection: stanzaConnection(agent, options),
    connect: () => void agent.connect(),
    cut: () => socketOf(agent.transport)?.terminate(),
    offline: () => agent.transport === undefined,
    forget() {
      agent.sm.id = 'forgotten'
    },
    disconnect: () => void agent.disconnect(),
  }
}

/** The socket of a transport, which is one of `ws`. */
function socketOf(transport: object | undefined): { terminate(): void } | undefined {
  return (transport as { socket?: { terminate(): void } } | undefined)?.socket
}
