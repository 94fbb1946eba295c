/**
 * What the schemes need of an XMPP client, and the part of it that must not go wrong: which reply belongs to which
 * request. Keys arrive in replies, and client libraries that match them by `id` alone take them from anybody.
 */

import { type Element, element, elements } from './element.ts'
import { CLIENT_NAMESPACE } from './forwarded.ts'
import { jid, readJid } from './jid.ts'
import { hex } from './scalar.ts'
import { errorReply, StanzaError, stanzaErrorOf } from './stanza-error.ts'

/** What is used of `AbortSignal`, which has no type where there is no DOM; `Signal` of the store is the same. */
export interface Signal {
  readonly aborted: boolean
  readonly reason?: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

export interface RequestOptions {
  readonly signal?: Signal | undefined
  /** Milliseconds; `REQUEST_TIMEOUT_MS` unless given. */
  readonly timeoutMs?: number | undefined
}

export interface Listener {
  /** Every stanza that comes in, also replies. */
  stanza?(stanza: Element): void
  /**
   * - `new`: a session has been bound; what was sent before and not answered never will be.
   * - `resumed`: the same session goes on (XEP-0198); nothing is lost.
   * - `lost`: there is no session now.
   */
  session?(state: 'new' | 'resumed' | 'lost'): void
}

/** One account's connection. */
export interface Connection {
  /** The full JID of the session; `undefined` before there is one. */
  readonly jid: string | undefined
  /**
   * Resolves when the stanza is written to a live stream, and rejects otherwise; it never queues. An element of a host
   * library is none of ours: a `TypeError`.
   */
  send(stanza: Element): Promise<void>
  /**
   * Resolves to the `<iq type='result'/>`. The `id` of the request is replaced.
   *
   * @throws {StanzaError} when the reply is an error
   * @throws {ConnectionError} when there is none
   */
  request(iq: Element, options?: RequestOptions): Promise<Element>
  /** Returns how to stop. */
  subscribe(listener: Listener): () => void
  /**
   * Answers requests whose payload is in a namespace; returns how to stop. `undefined` leaves a request to others;
   * otherwise the promise is for the `<iq type='result'/>`, whose attributes are filled in. A `StanzaError` that is
   * thrown or rejected with is sent; anything else is sent as `internal-server-error` (RFC 6120 §8.3).
   */
  answer(namespace: string, respond: (iq: Element) => Promise<Element> | undefined): () => void
}

/** What a host library offers before `guard`. `subscribe` must report replies, too. */
export interface Wire extends Pick<Connection, 'jid' | 'send' | 'subscribe'> {
  /**
   * For hosts that refuse requests nobody has taken: asks `take` before that, sends the reply that it promises, and
   * leaves the request to others where it gives `undefined`. `take` does not throw, and its promise is kept.
   */
  intercept?(take: (iq: Element) => Promise<Element> | undefined): () => void
}

export interface GuardOptions {
  /** Unpredictable bytes, as `crypto.getRandomValues` gives. */
  random(length: number): Uint8Array
  readonly clock: {
    /** Calls `f` once after so many milliseconds, unless the function returned is called before. */
    after(ms: number, f: () => void): () => void
  }
}

/**
 * Checks what has no default, before the first request needs it.
 *
 * @throws {TypeError}
 */
export function checkOptions(options: Partial<GuardOptions> | undefined): void {
  if (typeof options?.random !== 'function') throw new TypeError('connection: expected `random`')
  if (typeof options.clock?.after !== 'function') throw new TypeError('connection: expected `clock.after`')
}

/** Why there is no reply: none in time; the session ended; the caller's signal. */
export type ConnectionCode = 'timeout' | 'lost' | 'aborted'

/** A request without a reply. Whether it was carried out is not known. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  readonly code: ConnectionCode

  constructor(code: ConnectionCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Milliseconds. A server gives up on another one after about half a minute and reports that: one minute is later. */
export const REQUEST_TIMEOUT_MS = 60_000

// 128 bits: nobody can answer who has not seen the request.
const ID_BYTES = 16

interface Pending {
  readonly mayAnswer: (from: string | undefined) => boolean
  readonly ns: string
  settle(result: Element | Error): void
}

/**
 * Makes a connection of what a host library offers. A reply counts if its `id` is that of the request, which nobody
 * can guess, and if it comes from whom the request went to (RFC 6120 §8.2.3, §10.3); others are ignored, and the
 * request goes on waiting.
 *
 * @throws {TypeError} without `random` or `clock`
 */
export function guard(wire: Wire, options: GuardOptions): Connection {
  checkOptions(options)
  const pending = new Map<string, Pending>()
  let unsubscribe: (() => void) | undefined

  const listener: Listener = {
    stanza(stanza) {
      const { type, id = '', from } = stanza.attrs
      const request = pending.get(id)
      if (stanza.name !== 'iq' || stanza.ns !== request?.ns || !request.mayAnswer(from)) return
      if (type === 'result') request.settle(stanza)
      else if (type === 'error') request.settle(stanzaErrorOf(stanza))
    },
    session(state) {
      if (state === 'resumed') return
      for (const request of [...pending.values()])
        request.settle(new ConnectionError('lost', 'the session ended before a reply'))
    },
  }

  function request(iq: Element, { signal, timeoutMs = REQUEST_TIMEOUT_MS }: RequestOptions = {}) {
    return new Promise<Element>((resolve, reject) => {
      checkRequest(iq)
      const aborted = () =>
        new ConnectionError('aborted', 'the request was aborted', { cause: signal?.reason })
      if (signal?.aborted) return reject(aborted())
      const id = newId(options)
      if (pending.has(id)) throw new RangeError('random: gave the same bytes twice')
      const mayAnswer = answerers(iq.attrs.to, wire.jid)
      const settle = (result: Element | Error) => {
        if (!pending.delete(id)) return
        cancel()
        signal?.removeEventListener('abort', onAbort)
        if (pending.size === 0) {
          unsubscribe?.()
          unsubscribe = undefined
        }
        if (result instanceof Error) reject(result)
        else resolve(result)
      }
      const onAbort = () => settle(aborted())
      const cancel = options.clock.after(timeoutMs, () =>
        settle(new ConnectionError('timeout', `no reply in ${timeoutMs} ms`)),
      )
      pending.set(id, { mayAnswer, ns: iq.ns, settle })
      unsubscribe ??= wire.subscribe(listener)
      signal?.addEventListener('abort', onAbort)
      const send = async () => wire.send(element(iq.ns, iq.name, { ...iq.attrs, id }, iq.children))
      send().catch((cause: unknown) =>
        settle(new ConnectionError('lost', 'the request was not sent', { cause })),
      )
    })
  }

  return {
    get jid() {
      return wire.jid
    },
    send: (stanza) =>
      isElement(stanza) ? wire.send(stanza) : Promise.reject(new TypeError('send: expected an Element')),
    subscribe: (listener) => wire.subscribe(listener),
    request,
    answer(namespace, respond) {
      const take = (stanza: Element) => {
        const { type } = stanza.attrs
        if (stanza.name !== 'iq' || stanza.ns !== CLIENT_NAMESPACE) return undefined
        if ((type !== 'get' && type !== 'set') || elements(stanza)[0]?.ns !== namespace) return undefined
        const answer = answerOf(respond, stanza)
        return answer && finished(stanza, answer)
      }
      if (wire.intercept) return wire.intercept(take)
      return wire.subscribe({
        stanza(stanza) {
          const reply = take(stanza)
          if (reply) void sendReply(wire, reply)
        },
      })
    },
  }
}

// Host libraries have elements with a name and attributes, too.
function isElement(el: Partial<Element> | undefined): boolean {
  return typeof el?.ns === 'string' && typeof el.attrs === 'object' && Array.isArray(el.children)
}

function checkRequest(iq: Element): void {
  if (!isElement(iq)) throw new TypeError('request: expected an Element')
  if (iq.name !== 'iq' || (iq.attrs.type !== 'get' && iq.attrs.type !== 'set'))
    throw new TypeError('request: expected <iq/> of type get or set')
}

function newId({ random }: GuardOptions): string {
  const bytes = random(ID_BYTES)
  if (bytes.length !== ID_BYTES)
    throw new RangeError(`random: expected ${ID_BYTES} bytes, got ${bytes.length}`)
  return hex.encode(Uint8Array.from(bytes))
}

/**
 * Who may answer a request. For what goes to the account or its server, the server answers in either name or in
 * none (RFC 6120 §8.1.2.1, §10.3.3); anything else is answered by whom it was sent to.
 */
function answerers(
  to: string | undefined,
  ownJid: string | undefined,
): (from: string | undefined) => boolean {
  const own = ownJid === undefined ? undefined : readJid(ownJid)
  const server: readonly (string | undefined)[] = [own?.bare, own?.domain]
  const target = to === undefined ? undefined : jid.decode(to)
  if (to !== undefined && target === undefined) throw new TypeError('request: `to` is not a JID')
  if (target === undefined || server.includes(target))
    return (from) => from === undefined || (own !== undefined && server.includes(jid.decode(from)))
  return (from) => from !== undefined && jid.decode(from) === target
}

// The host's dispatcher has other listeners, which an error would keep from the stanza.
function answerOf(
  respond: (iq: Element) => Promise<Element> | undefined,
  iq: Element,
): Promise<Element> | undefined {
  try {
    return respond(iq)
  } catch (error) {
    return Promise.reject(error)
  }
}

// Nobody is told when the reply cannot be sent: who asked will notice.
async function sendReply(wire: Wire, reply: Promise<Element>): Promise<void> {
  try {
    await wire.send(await reply)
  } catch {}
}

async function finished(iq: Element, answer: Promise<Element>): Promise<Element> {
  try {
    const { children } = await answer
    return element(iq.ns, 'iq', { type: 'result', id: iq.attrs.id, to: iq.attrs.from }, children)
  } catch (error) {
    const refusal = error instanceof StanzaError
    return errorReply(iq, refusal ? error : new StanzaError(iq, 'cancel', 'internal-server-error'))
  }
}
