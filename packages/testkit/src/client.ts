/** One client: what a host library would be. What sends without waiting throws an `Error` while it is offline. */

import {
  type Connection,
  child,
  type Element,
  element,
  type FullJid,
  guard,
  type Listener,
  type Wire,
} from '@xmpp-e2e/xml'
import { capsHash } from './caps.ts'
import type { Clock } from './clock.ts'
import { infoElement } from './disco.ts'
import { CAPS, CLIENT, INFO, MUC } from './namespaces.ts'
import type { Random } from './random.ts'

export interface PresenceOptions {
  /** From -128 to 127 (RFC 6121 §4.7.2.3); negative: no messages that are for the account. */
  readonly priority?: number
  /** Announced with a hash (XEP-0115); the client answers the server's question for them by itself. */
  readonly features?: readonly string[]
  readonly children?: readonly Element[]
}

export interface Client {
  readonly jid: FullJid
  /** With replies matched by `guard` of xml. */
  readonly connection: Connection
  /** What `guard` was given; also carries what no connection would let pass. */
  readonly wire: Wire
  /** Whether stanzas can be sent now. */
  readonly online: boolean
  /** `<stream:features/>`, with the caps of the server. */
  readonly streamFeatures: Element
  /**
   * Becomes available, or changes its presence; does not wait for anybody to hear of it.
   *
   * @throws {RangeError} on a feature that is there twice
   */
  presence(options?: PresenceOptions): void
  unavailable(): void
  /** Enters a room (XEP-0045 §7.2); does not wait for its answer. */
  join(room: string, nick: string): void
  /** The connection breaks; the server notices nothing until the session is resumed, replaced or too old. */
  disconnect(): void
  /** Goes on with the same session, if the server still has it; else there is a new one. */
  resume(): 'resumed' | 'new'
  /** Starts a new session of the same resource. Whatever was under way is lost. */
  reconnect(): void
  /** Ends the session in good order. */
  close(): void
}

/** What a client needs of the network. */
export interface Link {
  readonly jid: FullJid
  readonly online: boolean
  transmit(stanza: Element): void
  disconnect(): void
  resume(): 'resumed' | 'new'
  reconnect(): void
  close(): void
}

export interface ClientParts {
  readonly client: Client
  /** Hands the client what has arrived. */
  receive(stanza: Element): void
  session(state: 'new' | 'resumed' | 'lost'): void
}

export interface ClientOptions {
  readonly link: Link
  readonly random: Random
  readonly clock: Clock
  readonly streamFeatures: Element
  failed(error: unknown): void
}

/** What the client calls itself in caps; not an address. */
const CAPS_NODE = 'https://xmpp-e2e.example/client'

export function newClient({ link, random, clock, streamFeatures, failed }: ClientOptions): ClientParts {
  const listeners = new Set<Listener>()
  const tell = (call: (listener: Listener) => void): void => {
    for (const listener of [...listeners]) {
      if (!listeners.has(listener)) continue
      try {
        call(listener)
      } catch (error) {
        failed(error)
      }
    }
  }
  const wire: Wire = {
    get jid() {
      return link.online ? link.jid : undefined
    },
    async send(stanza) {
      link.transmit(stanza)
    },
    subscribe(listener) {
      // Its own object, so that subscribing twice is heard twice.
      const own: Listener = {
        stanza: (stanza) => listener.stanza?.(stanza),
        session: (state) => listener.session?.(state),
      }
      listeners.add(own)
      return () => void listeners.delete(own)
    },
  }
  // Answers are found by id and sender, as for any host library: a test of forged replies needs no client of its own.
  const connection = guard(wire, { random: random.bytes, clock })
  // By `node#ver`: what was announced before can still be asked for.
  const infos = new Map<string, Element>()
  connection.answer(INFO, (iq) => {
    const info = infos.get(child(iq, 'query', INFO)?.attrs.node ?? '')
    return info && Promise.resolve(element(CLIENT, 'iq', { type: 'result' }, info))
  })
  return {
    receive: (stanza) => tell((listener) => listener.stanza?.(stanza)),
    session: (state) => tell((listener) => listener.session?.(state)),
    client: {
      get jid() {
        return link.jid
      },
      get online() {
        return link.online
      },
      connection,
      wire,
      streamFeatures,
      presence({ priority, features, children = [] } = {}) {
        const content: Element[] = []
        if (priority !== undefined) content.push(element(CLIENT, 'priority', {}, String(priority)))
        if (features) {
          const describe = (node?: string) => infoElement(node, ['client', 'pc', 'testkit'], features)
          const ver = capsHash(describe(), 'sha-1')
          if (ver === undefined) throw new RangeError('features: the same twice')
          infos.set(`${CAPS_NODE}#${ver}`, describe(`${CAPS_NODE}#${ver}`))
          content.push(element(CAPS, 'c', { hash: 'sha-1', node: CAPS_NODE, ver }))
        }
        link.transmit(element(CLIENT, 'presence', {}, content, children))
      },
      unavailable: () => link.transmit(element(CLIENT, 'presence', { type: 'unavailable' })),
      join: (room, nick) =>
        link.transmit(element(CLIENT, 'presence', { to: `${room}/${nick}` }, element(MUC, 'x'))),
      disconnect: () => link.disconnect(),
      resume: () => link.resume(),
      reconnect: () => link.reconnect(),
      close: () => link.close(),
    },
  }
}
