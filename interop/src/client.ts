/**
 * A client with nothing in it: XMPP over WebSocket (RFC 7395), SASL PLAIN, a resource. It shows what host libraries
 * hide, the features of the stream, and adds nothing of its own to what is sent.
 */
import { randomBytes } from 'node:crypto'
import {
  type Connection,
  child,
  type Element,
  element,
  type GuardOptions,
  guard,
  type Listener,
  ns,
  parse,
  serialize,
  text,
} from '@xmpp-e2e/xml'
import { WebSocket } from 'ws'
import type { Account, Server } from './server.ts'

export interface Client {
  readonly connection: Connection
  /** `<stream:features/>` of the stream after authentication. */
  readonly features: Element
  close(): Promise<void>
}

/** What `guard` needs, from Node. */
export const GUARD: GuardOptions = {
  random: (length) => Uint8Array.from(randomBytes(length)),
  clock: {
    after(ms, f) {
      const timer = setTimeout(f, ms)
      return () => clearTimeout(timer)
    },
  },
}

const framing = ns('urn:ietf:params:xml:ns:xmpp-framing')
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
const BIND = 'urn:ietf:params:xml:ns:xmpp-bind'

/** @throws {Error} when it is not let in, or the connection ends before */
export async function connect(
  server: Server,
  { jid, password }: Account,
  resource?: string,
): Promise<Client> {
  const socket = new WebSocket(server.websocket, 'xmpp')
  const inbox: Element[] = []
  let wake: (() => void) | undefined
  let closed = false
  let receive = (el: Element): void => {
    inbox.push(el)
    wake?.()
  }
  const ended = new Promise<void>((resolve) => {
    socket.on('error', () => undefined)
    socket.on('close', () => {
      closed = true
      wake?.()
      resolve()
    })
  })
  socket.on('message', (data) => receive(parse(String(data))))
  const write = (el: Element) => socket.send(serialize(el))
  const next = async (): Promise<Element> => {
    while (inbox.length === 0) {
      if (closed) throw new Error(`${server.name} closed the stream of ${jid}`)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return inbox.shift()!
  }
  // Skips <open/>, which says nothing that is needed.
  const features = async (): Promise<Element> => {
    write(framing('open', { to: server.domain, version: '1.0' }))
    await next()
    return next()
  }
  const expected = async (name: string): Promise<Element> => {
    const el = await next()
    if (el.name !== name) throw new Error(`expected <${name}/>, got ${serialize(el)}`)
    return el
  }

  await new Promise<void>((resolve) => {
    socket.once('open', resolve)
    socket.once('close', resolve)
  })
  await features()
  const credentials = Buffer.from(`\0${jid.split('@')[0]}\0${password}`).toString('base64')
  write(element(SASL, 'auth', { mechanism: 'PLAIN' }, credentials))
  await expected('success')
  const offered = await features()
  const wanted = resource !== undefined && element(BIND, 'resource', {}, resource)
  write(element('jabber:client', 'iq', { type: 'set', id: 'bind' }, element(BIND, 'bind', {}, wanted)))
  const bound = child(await expected('iq'), 'bind', BIND)
  const name = bound && child(bound, 'jid')

  const listeners = new Set<Listener>()
  receive = (el) => {
    for (const listener of [...listeners]) listener.stanza?.(el)
  }
  const full = name && text(name)
  const connection = guard(
    {
      get jid() {
        return closed ? undefined : full
      },
      send: (stanza) =>
        new Promise((resolve, reject) =>
          socket.send(serialize(stanza), (error) => (error ? reject(error) : resolve())),
        ),
      subscribe(listener) {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
    },
    GUARD,
  )
  void ended.then(() => {
    for (const listener of [...listeners]) listener.session?.('lost')
  })
  return {
    connection,
    features: offered,
    async close() {
      if (!closed) write(framing('close'))
      socket.close()
      await ended
    },
  }
}
