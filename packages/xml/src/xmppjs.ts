/**
 * xmpp.js: `@xmpp/client` 0.14, over TCP or WebSocket, and `@xmpp/component`. It matches replies by `id` alone, keeps
 * what was written until it is acknowledged and writes that again when it resumes, and refuses requests that none of
 * its middlewares has answered.
 */

import { type Connection, ConnectionError, type GuardOptions, guard } from './connection.ts'
import { type Element, element, elements } from './element.ts'
import { CLIENT_NAMESPACE } from './forwarded.ts'
import { hostSession, isClosed, readable } from './host-session.ts'
import { fromLtx, type LtxElement, toLtx } from './ltx.ts'

/** What is used of a client or component; `E` are its elements. */
export interface XmppJs<E> {
  readonly jid?: { toString(): string } | null | undefined
  readonly status: string
  /** The namespace of its stanzas. */
  readonly NS?: string | undefined
  readonly socket?: unknown
  readonly middleware: {
    use(f: (context: { readonly stanza: E }, next: () => Promise<unknown>) => Promise<unknown>): unknown
  }
  /** Missing in components. */
  readonly streamManagement?:
    | { readonly id?: string | undefined; on(event: string, listener: () => void): unknown }
    | undefined
  on(event: string, listener: (stanza: E) => void): unknown
  send(stanza: E): Promise<unknown>
}

export interface XmppJsOptions<E> extends GuardOptions {
  /** `xml` of `@xmpp/client`. */
  xml(name: string, attrs: Record<string, string>, ...children: (E | string)[]): E
}

/**
 * Makes a connection of a client, best before it is started: then requests that `answer` takes come to it before
 * `iqCallee` and later middlewares. Those that it does not take go on to them.
 *
 * A session counts as lost when it cannot be resumed, or when the client has been stopped. Between a broken stream
 * and its resumption, `send` rejects, and requests go on waiting. Stanzas that cannot be read are left out.
 */
export function connection<E extends LtxElement>(xmpp: XmppJs<E>, options: XmppJsOptions<E>): Connection {
  const { streamManagement } = xmpp
  const streamNs = xmpp.NS ?? CLIENT_NAMESPACE
  const session = hostSession()
  const read = (stanza: E) => readable(() => renamed(fromLtx(stanza, streamNs), streamNs, CLIENT_NAMESPACE))
  const write = (stanza: Element) => toLtx(renamed(stanza, CLIENT_NAMESPACE, streamNs), options.xml)
  const opened = (resumed: boolean) => session.opened(String(xmpp.jid), resumed)

  if (xmpp.status === 'online') opened(false)
  xmpp.on('online', () => opened(false))
  streamManagement?.on('resumed', () => opened(true))
  xmpp.on('disconnect', () => session.dropped(Boolean(streamManagement?.id)))
  xmpp.on('offline', () => session.dropped(false))
  xmpp.on('stanza', (stanza) => {
    const el = read(stanza)
    if (el) session.heard(el)
  })
  xmpp.middleware.use(async ({ stanza }, next) => {
    const iq = stanza.name === 'iq' ? read(stanza) : undefined
    const answer = iq && session.take(iq)
    if (!answer) return next()
    // The rest of the reply is made by `iqCallee`. `true` is an answer without a payload.
    const reply = await answer
    const [payload] = elements(reply).filter(({ name }) => reply.attrs.type !== 'error' || name === 'error')
    return payload ? write(payload) : true
  })

  const wire = {
    get jid() {
      return session.jid
    },
    subscribe: session.subscribe,
    intercept: session.intercept,
    async send(stanza: Element) {
      const el = write(stanza)
      session.assertLive(!ENDING.has(xmpp.status) && !isClosed(innerSocket(xmpp.socket)))
      try {
        await xmpp.send(el)
      } catch (cause) {
        throw new ConnectionError('lost', 'the stanza was not written', { cause })
      }
    },
  }
  return guard(wire, options)
}

// When a stream ends, in this order. xmpp.js does not tell when a resumed one is `online`.
const ENDING = new Set(['closing', 'close', 'disconnecting', 'disconnect', 'offline'])

function innerSocket(socket: unknown): unknown {
  return typeof socket === 'object' && socket !== null && 'socket' in socket ? socket.socket : undefined
}

/** The same in another namespace, down to what is in a third one: components have their own (XEP-0114 §2). */
function renamed(el: Element, from: string, to: string): Element {
  if (el.ns !== from || from === to) return el
  const children = el.children.map((child) => (typeof child === 'string' ? child : renamed(child, from, to)))
  return element(to, el.name, el.attrs, children)
}
