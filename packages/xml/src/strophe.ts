/**
 * strophe.js 4 and 5, in browsers, on Node, and inside Converse. It matches replies by `id` alone, queues what is sent
 * without a stream, forgets all handlers when a stream ends, and refuses requests that no handler has matched.
 */

import { type Connection, type GuardOptions, guard } from './connection.ts'
import { type DomDocument, type DomElement, type DomTarget, fromDom, toDom } from './dom.ts'
import type { Element } from './element.ts'
import { CLIENT_NAMESPACE } from './forwarded.ts'
import { hostSession, isClosed, readable, unwritten } from './host-session.ts'

/** What is used of a `Strophe.Handler`. */
export interface StropheHandler {
  readonly ns: string | null
  isMatch(el: DomElement): boolean
}

/** What is used of a `Strophe.Connection`; `E` are its elements. */
export interface StropheConnection<E> {
  readonly jid: string
  readonly authenticated: boolean
  readonly disconnecting: boolean
  readonly paused: boolean
  readonly handlers: readonly StropheHandler[]
  readonly addHandlers: readonly StropheHandler[]
  /** Since strophe.js 5; before that in Converse. */
  hasResumed?(): boolean
  readonly sm?: { hasResumableState(): boolean } | undefined
  readonly _proto: object
  _data: readonly unknown[]
  _changeConnectStatus(status: number, condition?: string | null, el?: E): void
  addHandler(handler: () => boolean, ns: null, name: null, type: null): StropheHandler
  send(stanza: E): void
}

export interface StropheOptions<E, T> extends GuardOptions {
  /** `document` of the browser; on Node the one that strophe.js defines, or one of `@xmldom/xmldom`. */
  readonly document: {
    readonly implementation: { createDocument(ns: string | null, name: string | null): DomDocument<E, T> }
  }
}

/**
 * Makes a connection of a strophe.js connection, best before it is connected. A request that matches a handler of the
 * host for some namespace, in whatever depth, is left to that handler: two would give two replies.
 *
 * A session counts as lost when it cannot be resumed, or when the host disconnects. Between a broken stream and its
 * resumption, `send` rejects, and requests go on waiting. Stanzas that cannot be read are left out. Over BOSH, `send`
 * resolves when strophe.js has got the stanza, which it repeats until the server has it.
 *
 * @throws {TypeError} without `random`, `clock` or `document`
 */
export function connection<E extends DomTarget<E | T>, T>(
  strophe: StropheConnection<NoInfer<E>>,
  options: StropheOptions<E, T>,
): Connection {
  const session = hostSession(options)
  const { implementation } = (options.document as StropheOptions<E, T>['document'] | undefined) ?? {}
  if (!implementation) throw new TypeError('connection: expected `document`')
  // A document of its own: HTML documents write some names in capitals.
  const document = implementation.createDocument(null, null)
  let resumable = Boolean(strophe.sm?.hasResumableState())
  let hook: StropheHandler | undefined

  const send = async (stanza: Element) => {
    const el = toDom(stanza, document)
    const { authenticated, disconnecting, paused } = strophe
    session.assertLive(authenticated && !disconnecting && !paused && !isClosed(socketOf(strophe._proto)))
    let cause: unknown
    try {
      strophe.send(el)
    } catch (thrown) {
      cause = thrown
    }
    // Over a WebSocket, what is still queued was not written, and must not be later; BOSH writes from its queue.
    const isQueued = 'socket' in strophe._proto && strophe._data.includes(el)
    if (isQueued) strophe._data = strophe._data.filter((queued) => queued !== el)
    if (isQueued || cause !== undefined) throw unwritten(cause)
  }

  // As a handler that matches nothing, so that strophe.js goes on refusing what nobody has taken.
  const attach = () => {
    if (hook && (strophe.handlers.includes(hook) || strophe.addHandlers.includes(hook))) return
    hook = strophe.addHandler(() => true, null, null, null)
    hook.isMatch = (el) => {
      const stanza = readable(() => fromDom(el))
      return stanza !== undefined && heard(stanza, el)
    }
  }
  const heard = (stanza: Element, el: DomElement): boolean => {
    if (stanza.ns === SM_NAMESPACE && stanza.name === 'enabled')
      resumable = /^(?:true|1)$/.test(stanza.attrs.resume ?? '')
    if (stanza.ns !== CLIENT_NAMESPACE || !STANZAS.has(stanza.name)) return false
    session.heard(stanza)
    const others = strophe.handlers.some((other) => other.ns !== null && other.isMatch(el))
    const reply = others ? undefined : session.take(stanza)
    reply?.then(send).catch(() => undefined)
    return reply !== undefined
  }
  const changed = (status: number) => {
    attach()
    if (status === CONNECTED || status === ATTACHED) {
      const resumed = strophe.hasResumed?.() ?? false
      resumable &&= resumed
      session.opened(strophe.jid, resumed)
    } else if (status === DISCONNECTING || status === AUTHFAIL) {
      resumable = false
      session.dropped(false)
    } else if (status === DISCONNECTED) session.dropped(resumable)
  }

  const { _changeConnectStatus } = strophe
  strophe._changeConnectStatus = (status, condition, el) => {
    changed(status)
    _changeConnectStatus.call(strophe, status, condition, el)
  }
  attach()
  if (strophe.authenticated && !strophe.disconnecting) session.opened(strophe.jid, false)
  return guard(session.wire(send), options)
}

const SM_NAMESPACE = 'urn:xmpp:sm:3'
const STANZAS = new Set(['iq', 'message', 'presence'])

// `Strophe.Status`.
const AUTHFAIL = 4
const CONNECTED = 5
const DISCONNECTED = 6
const DISCONNECTING = 7
const ATTACHED = 8

function socketOf(transport: object): unknown {
  return 'socket' in transport ? transport.socket : undefined
}
