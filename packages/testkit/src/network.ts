/**
 * The streams between clients and the server, and how sessions end (XEP-0198 §5):
 *
 *     client ── sent ──►  lane  ──► fault? ──► transcript ──► dispatch    ┐ server
 *     client ◄─ transcript ◄── fault? ◄──  lane  ◄── received ── transmit ┘
 *
 *     online ── disconnect ──► suspended ── resume ──► online            both lanes as they were
 *        │                         │─────── reconnect ──► online         a new session; the old one ends
 *        └── lose ──► offline ◄────┴─────── RESUMPTION_MS
 *
 * A client that is suspended is told nothing, as by host libraries. For the server a session that is suspended or lost
 * goes on until it is replaced or too old: then others hear of the end, and lanes are emptied.
 */

import {
  bare,
  ConnectionError,
  type Element,
  element,
  type FullJid,
  parseJid,
  type StanzaError,
} from '@xmpp-e2e/xml'
import type { ClientParts, Link } from './client.ts'
import type { Delivery, Lane } from './delivery.ts'
import { dispatch, isStanza } from './dispatch.ts'
import type { Fault, Faults } from './fault.ts'
import { faultEffects } from './fault-effect.ts'
import { CLIENT } from './namespaces.ts'
import { becomeUnavailable } from './presence.ts'
import { deliver } from './routing.ts'
import { type Account, findSession, type Server, type Session } from './server.ts'
import { bounce, refusal } from './stanza.ts'
import type { Direction, Entry } from './transcript.ts'

/** Milliseconds for which the server keeps a session whose connection is lost: five minutes, as servers do. */
export const RESUMPTION_MS = 300_000

/** One client's connection; its sessions follow each other. */
interface Stream {
  readonly jid: FullJid
  readonly account: Account
  /** What the server has of it; none once that has ended. */
  session: Session | undefined
  /** As the client has it: it sends and hears; it may do so again in the same session; or in a new one only. */
  state: 'online' | 'suspended' | 'offline'
  /** From the client, and to it; what is in them when the connection breaks is there when it is resumed. */
  readonly sent: Lane
  readonly received: Lane
  /** None only while it is being made. */
  client: ClientParts | undefined
  /** Stops the timer that would end a session that is lost. */
  cancel(): void
}

export interface Network {
  /** Gives a new stream and its session; `join` makes the client that uses it. */
  connect(account: Account, jid: FullJid, join: (link: Link) => ClientParts): ClientParts
  transmit(session: Session, stanza: Element): void
  /** Lets go of stanzas that wait to be overtaken; whether there were any. */
  release(): boolean
  /** Ends all sessions, so that nothing is under way any more. */
  cut(): void
}

export interface NetworkOptions {
  readonly server: Server
  readonly delivery: Delivery
  readonly faults: Faults
  log(entry: Entry): void
}

export function network({ server, delivery, faults, log }: NetworkOptions): Network {
  const streams = new Map<Session, Stream>()
  const { clock } = server
  const effects = faultEffects({ delivery, clock, quirks: server.quirks, answer: answerByFault })

  /** A new session for a stream. Of one resource there is one session: an older one is replaced (RFC 6120 §7.7.2.2). */
  function bind(stream: Stream): void {
    const { account, jid } = stream
    const old = account.sessions.get(jid)
    if (old) {
      const replaced = streams.get(old)
      if (replaced && replaced !== stream) lose(replaced, 'conflict')
      end(old)
    }
    const session: Session = {
      jid,
      account,
      presence: undefined,
      priority: 0,
      carbons: false,
      interested: false,
      directed: new Map(),
      features: new Set(),
    }
    account.sessions.set(jid, session)
    streams.set(session, stream)
    stream.session = session
    stream.sent.parcels.length = 0
    stream.received.parcels.length = 0
    open(stream, 'new')
  }

  function open(stream: Stream, state: 'new' | 'resumed'): void {
    stream.cancel()
    stream.state = 'online'
    stream.sent.open = true
    stream.received.open = true
    log({ kind: 'session', at: clock.now(), client: stream.jid, state })
    stream.client?.session(state)
    delivery.wake()
  }

  /** The connection breaks. The client is told nothing yet. */
  function suspend(stream: Stream): void {
    if (stream.state !== 'online') return
    stream.state = 'suspended'
    part(stream)
    log({ kind: 'session', at: clock.now(), client: stream.jid, state: 'suspended' })
  }

  /** The client has no session any more, and is told so. */
  function lose(stream: Stream, reason?: 'conflict'): void {
    const { state, jid } = stream
    if (state === 'offline') return
    stream.state = 'offline'
    if (state === 'online') part(stream)
    log({ kind: 'session', at: clock.now(), client: jid, state: 'lost', ...(reason && { reason }) })
    stream.client?.session('lost')
  }

  // Nothing passes; the server waits for a while.
  function part(stream: Stream): void {
    const { session, sent, received } = stream
    sent.open = false
    received.open = false
    if (session) stream.cancel = clock.after(RESUMPTION_MS, () => expire(stream, session))
  }

  function expire(stream: Stream, session: Session): void {
    end(session)
    lose(stream)
  }

  /** The server gives a session up: others hear of it, and what it did not get goes where it can. */
  function end(session: Session): void {
    const stream = streams.get(session)
    if (!stream) return
    stream.cancel()
    streams.delete(session)
    session.account.sessions.delete(session.jid)
    const missed = stream.received.parcels.splice(0)
    stream.sent.parcels.length = 0
    effects.forget(stream.received)
    effects.forget(stream.sent)
    stream.session = undefined
    becomeUnavailable(server, session, element(CLIENT, 'presence', { type: 'unavailable' }))
    for (const { stanza } of missed) salvage(session, stanza)
  }

  // What was for the client, not for its resource: RFC 6121 §8.5.3.2 gives messages to the others, or keeps them.
  function salvage({ account }: Session, stanza: Element): void {
    const { from, type } = stanza.attrs
    if (from === undefined || bare(from) === account.jid) return
    if (stanza.name === 'message' && type !== 'error' && type !== 'headline' && type !== 'groupchat')
      deliver(server, account, stanza, parseJid(account.jid))
    else if (stanza.name === 'iq') answer(stanza, refusal(stanza, 'service-unavailable'))
  }

  /** To a client here, in the name of whoever it was sent to. */
  function answer(stanza: Element, error: StanzaError, through = transmit): void {
    const reply = bounce(stanza, error, server.quirks)
    const session = reply && findSession(server, parseJid(reply.attrs.to ?? ''))
    if (session) through(session, reply)
  }

  // What a fault has made is out of reach of faults: one for all that is received would happen to its own answer.
  function answerByFault(stanza: Element, error: StanzaError): void {
    answer(stanza, error, (session, reply) => {
      const stream = streams.get(session)
      if (stream) put(stream, 'received', reply, () => handle(stream, 'received', reply, 'made by a fault'))
    })
  }

  function transmit(session: Session, stanza: Element): void {
    const stream = streams.get(session)
    if (stream) send(stream, 'received', stanza)
  }

  function send(stream: Stream, direction: Direction, stanza: Element): void {
    put(stream, direction, stanza, () => {
      const fault = faults.of(stream.jid, direction, stanza)
      if (fault) applyFault(stream, direction, stanza, fault)
      else handle(stream, direction, stanza)
    })
  }

  function put(stream: Stream, direction: Direction, stanza: Element, arrive: () => void): void {
    const lane = stream[direction]
    delivery.push(lane, {
      stanza,
      arrive() {
        effects.overtake(lane)
        arrive()
      },
    })
  }

  function applyFault(stream: Stream, direction: Direction, stanza: Element, fault: Fault): void {
    const { session } = stream
    effects.apply(fault, {
      client: stream.jid,
      direction,
      stanza,
      lane: stream[direction],
      arrive: (changed, what) => handle(stream, direction, changed, what),
      lose: (what) => note(stream, direction, stanza, { fault: what, lost: true }),
      isCurrent: () => stream.session === session,
      disconnect: () => suspend(stream),
    })
  }

  /** A stanza has arrived: noted, and handed on. */
  function handle(stream: Stream, direction: Direction, stanza: Element, fault?: string): void {
    const { session } = stream
    if (!session) return
    note(stream, direction, stanza, fault === undefined ? {} : { fault })
    if (direction === 'received') stream.client?.receive(stanza)
    else if (isStanza(stanza)) dispatch(server, session, stanza)
    else {
      // RFC 6120 §4.9.3.24: a stream error, which ends stream and session.
      lose(stream)
      end(session)
    }
  }

  function note(
    { jid: client }: Stream,
    direction: Direction,
    stanza: Element,
    what: { readonly fault?: string; readonly lost?: true },
  ): void {
    log({ kind: 'stanza', at: clock.now(), client, direction, stanza, ...what })
  }

  return {
    transmit,
    connect(account, jid, join) {
      const stream: Stream = {
        jid,
        account,
        session: undefined,
        state: 'offline',
        sent: delivery.lane(),
        received: delivery.lane(),
        client: undefined,
        cancel() {},
      }
      bind(stream)
      const link: Link = {
        jid,
        get online() {
          return stream.state === 'online'
        },
        get bound() {
          return stream.state !== 'offline'
        },
        transmit(stanza) {
          // Never queued: who sends has to know whether it was sent.
          if (stream.state !== 'online') throw new ConnectionError('lost', 'there is no connection')
          send(stream, 'sent', stanza)
        },
        disconnect: () => suspend(stream),
        lose: () => lose(stream),
        resume() {
          const state = stream.state === 'offline' ? 'new' : 'resumed'
          if (state === 'new') bind(stream)
          else if (stream.state === 'suspended') open(stream, state)
          return state
        },
        reconnect() {
          // Of a session that was suspended the client hears only that there is another.
          if (stream.state === 'online') lose(stream)
          bind(stream)
        },
        close() {
          const { session } = stream
          lose(stream)
          if (session) end(session)
        },
      }
      stream.client = join(link)
      return stream.client
    },
    release: effects.release,
    cut() {
      for (const stream of [...streams.values()]) {
        lose(stream)
        if (stream.session) end(stream.session)
      }
    },
  }
}
