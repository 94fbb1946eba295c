/**
 * xmpp.js: `@xmpp/client` 0.14, over TCP or WebSocket, and `@xmpp/component`. It matches replies by `id` alone, keeps
 * what was written until it is acknowledged and writes that again when it resumes, and refuses requests that none of
 * its middlewares has answered.
 */

import { type Connection, type GuardOptions, guard } from './connection.ts'
import { type Element, element, elements } from './element.ts'
import { CLIENT_NAMESPACE } from './forwarded.ts'
import { hostSession, isClosed, readable, unwritten } from './host-session.ts'
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
  /** Missing in components. An emitter that has an `id` while there is something to resume; published types lack that. */
  readonly streamManagement?: object | undefined
  on(event: string, listener: (stanza: E) => void): unknown
  send(stanza: E): Promise<unknown>
}

interface StreamManagement {
  readonly id?: string | undefined
  on?(event: 'resumed', listener: () => void): unknown
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
 *
 * @throws {TypeError} without `random`, `clock` or `xml`
 */
export function connection<E extends LtxElement>(xmpp: XmppJs<E>, options: XmppJsOptions<E>): Connection {
  const streamManagement: StreamManagement | undefined = xmpp.streamManagement
  const streamNs = xmpp.NS ?? CLIENT_NAMESPACE
  const session = hostSession(options)
  if (typeof options.xml !== 'function') throw new TypeError('connection: expected `xml` of @xmpp/client')
  const read = (stanza: E) => readable(() => renamed(fromLtx(stanza, streamNs), streamNs, CLIENT_NAMESPACE))
  const write = (stanza: Element) => toLtx(renamed(stanza, CLIENT_NAMESPACE, streamNs), options.xml)
  const opened = (resumed: boolean) => session.opened(String(xmpp.jid), resumed)

  // Until stream management is on, xmpp.js counts what comes in wrongly, and a server that asks for the count then may
  // close the stream. Nothing comes in as long as nothing is sent: the session begins afterwards.
  let [managed, pending] = [false, false]
  xmpp.on('nonza', (el) => {
    if (el.name === 'stream:features') managed = offersManagement(el)
    else if (pending && el.attrs.xmlns === SM_NAMESPACE) {
      pending = false
      opened(false)
    }
  })
  if (xmpp.status === 'online') opened(false)
  xmpp.on('online', () => {
    pending = managed
    if (!pending) opened(false)
  })
  streamManagement?.on?.('resumed', () => opened(true))
  xmpp.on('disconnect', () => {
    pending = false
    session.dropped(Boolean(streamManagement?.id))
  })
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

  const send = async (stanza: Element) => {
    const el = write(stanza)
    session.assertLive(!ENDING.has(xmpp.status) && !isClosed(innerSocket(xmpp.socket)))
    try {
      await xmpp.send(el)
    } catch (cause) {
      throw unwritten(cause)
    }
  }
  return guard(session.wire(send), options)
}

// When a stream ends, in this order. xmpp.js does not tell when a resumed one is `online`.
const ENDING = new Set(['closing', 'close', 'disconnecting', 'disconnect', 'offline'])

function innerSocket(socket: unknown): unknown {
  return typeof socket === 'object' && socket !== null && 'socket' in socket ? socket.socket : undefined
}

/** A stanza in another namespace, with those of its children that are in the same: components have their own (XEP-0114 §2). */
function renamed(stanza: Element, from: string, to: string): Element {
  if (from === to) return stanza
  const rename = (el: Element, children: Element['children']) =>
    el.ns === from ? element(to, el.name, el.attrs, children) : el
  return rename(
    stanza,
    stanza.children.map((child) => (typeof child === 'string' ? child : rename(child, child.children))),
  )
}

/** Whether these are features with stream management. */
function offersManagement({ children }: LtxElement): boolean {
  const namespaces = children.map((child) => (child as Partial<LtxElement> | null | undefined)?.attrs?.xmlns)
  return namespaces.includes(SM_NAMESPACE)
}

const SM_NAMESPACE = 'urn:xmpp:sm:3'
