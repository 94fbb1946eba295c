import { createServer, type Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { WebSocketServer } from 'ws'
import { type Element, element, elements, ns } from '../../src/element.ts'
import { StanzaReader } from '../../src/reader.ts'
import { serialize } from '../../src/serialize.ts'

const client = ns('jabber:client')
const sm = ns('urn:xmpp:sm:3')
const framing = ns('urn:ietf:params:xml:ns:xmpp-framing')
const sasl = ns('urn:ietf:params:xml:ns:xmpp-sasl')
const BIND = 'urn:ietf:params:xml:ns:xmpp-bind'
const STREAMS = 'http://etherx.jabber.org/streams'

export interface ServerOptions {
  readonly framing?: 'tcp' | 'websocket'
  /** Whether sessions can be resumed. */
  readonly resumable?: boolean
}

/** One stream of a client, after SASL. */
export interface Stream {
  send(stanza: Element): void
  /** The next stanza that has not been asked for, in the order of their arrival. */
  next(): Promise<Element>
  /** Cuts the connection as a broken network does. */
  drop(): void
}

/** A server for one account, that says nothing but what a session needs and what tests have it say. */
export interface ScriptedServer {
  readonly url: string
  /** Whether what is resumed is still known. */
  remembers: boolean
  /** Stream management that is asked for is on when this resolves. */
  enables: Promise<void>
  /** What a session is bound to; a number on the account unless given. */
  binds: string | undefined
  /** The next stream with a session, bound or resumed, and with stream management if there is any. */
  session(): Promise<Stream & { readonly resumed: boolean }>
  stop(): Promise<void>
}

/** What comes, for those who ask for it; either may be first. */
function queue<T>() {
  const items: T[] = []
  const waiting: ((item: T) => void)[] = []
  return {
    put(item: T) {
      const next = waiting.shift()
      if (next) next(item)
      else items.push(item)
    },
    next: () =>
      new Promise<T>((resolve) => {
        const item = items.shift()
        if (item) resolve(item)
        else waiting.push(resolve)
      }),
  }
}

export async function startServer(options: ServerOptions = {}): Promise<ScriptedServer> {
  const { framing: kind = 'websocket', resumable = true } = options
  const sessions = queue<Stream & { readonly resumed: boolean }>()
  const open = new Set<() => void>()
  const counters = { received: 0, sessions: 0 }

  /** Makes a stream of a socket; returns what reads. */
  const accept = (write: (text: string) => void, cut: () => void) => {
    let authenticated = false
    let reader = new StanzaReader({ framing: kind })
    const stanzas = queue<Element>()
    const send = (el: Element) => write(serialize(el))
    const drop = () => {
      open.delete(drop)
      cut()
    }
    open.add(drop)
    const stream = { send, next: stanzas.next, drop }

    const start = () => {
      if (kind === 'websocket') send(framing('open', { from: 'example.org', id: 's', version: '1.0' }))
      else
        write(
          `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='${STREAMS}' from='example.org' id='s' version='1.0'>`,
        )
      const offered = authenticated
        ? [element(BIND, 'bind'), ...(resumable ? [sm('sm')] : [])]
        : [sasl('mechanisms', {}, sasl('mechanism', {}, 'PLAIN'), sasl('mechanism', {}, 'ANONYMOUS'))]
      // Clients look for the prefix.
      const inner = offered.map((el) => serialize(el)).join('')
      write(`<stream:features xmlns:stream='${STREAMS}'>${inner}</stream:features>`)
    }
    const handle = async (el: Element) => {
      const [payload] = elements(el)
      if (el.ns === sasl('x').ns) {
        authenticated = true
        if (kind === 'tcp') reader = new StanzaReader()
        send(sasl('success'))
      } else if (payload?.ns === BIND) {
        counters.sessions += 1
        counters.received = 0
        const jid = element(BIND, 'jid', {}, server.binds ?? `me@example.org/${counters.sessions}`)
        send(client('iq', { type: 'result', id: el.attrs.id }, element(BIND, 'bind', {}, jid)))
        if (!resumable) sessions.put({ ...stream, resumed: false })
      } else if (el.ns === sm('x').ns) {
        if (el.name === 'enable') {
          counters.received = 0
          await server.enables
          send(sm('enabled', { id: `sm${counters.sessions}`, resume: 'true' }))
          sessions.put({ ...stream, resumed: false })
        } else if (el.name === 'r') send(sm('a', { h: counters.received }))
        else if (el.name === 'resume' && server.remembers) {
          send(sm('resumed', { previd: el.attrs.previd, h: counters.received }))
          sessions.put({ ...stream, resumed: true })
        } else if (el.name === 'resume')
          send(sm('failed', {}, element('urn:ietf:params:xml:ns:xmpp-stanzas', 'item-not-found')))
      } else if (el.ns === 'jabber:client') {
        counters.received += 1
        stanzas.put(el)
      }
    }
    return (data: string) => {
      for (const event of reader.read(data)) {
        if (event.type === 'open') start()
        else if (event.type === 'stanza') void handle(event.stanza)
        else {
          write(kind === 'websocket' ? serialize(framing('close')) : '</stream:stream>')
          drop()
        }
      }
    }
  }

  const listening = kind === 'websocket' ? websocket(accept) : tcp(accept)
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const { port } = listening.address() as AddressInfo
  const server: ScriptedServer = {
    url: kind === 'websocket' ? `ws://127.0.0.1:${port}/` : `xmpp://127.0.0.1:${port}`,
    remembers: true,
    enables: Promise.resolve(),
    binds: undefined,
    session: sessions.next,
    stop: () =>
      new Promise((resolve) => {
        for (const drop of [...open]) drop()
        listening.close(() => resolve())
      }),
  }
  return server
}

type Accept = (write: (text: string) => void, cut: () => void) => (data: string) => void

function websocket(accept: Accept): HttpServer {
  const server = createServer()
  new WebSocketServer({ server, handleProtocols: () => 'xmpp' }).on('connection', (socket) => {
    const read = accept(
      (text) => socket.send(text),
      () => socket.terminate(),
    )
    socket.on('message', (data) => read(data.toString()))
  })
  return server
}

function tcp(accept: Accept): TcpServer {
  return createTcpServer((socket) => {
    const read = accept(
      (text) => socket.write(text),
      () => socket.destroy(),
    )
    socket.setEncoding('utf8')
    socket.on('data', (data) => read(data.toString()))
    socket.on('error', () => undefined)
  })
}
