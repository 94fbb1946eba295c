/** One client: what a host library would be. */

import {
  type BareJid,
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
import { modern } from './quirks.ts'
import type { Random } from './random.ts'
import { bounce, refusal } from './stanza.ts'

export interface PresenceOptions {
  /** From -128 to 127 (RFC 6121 §4.7.2.3); negative: no messages that are for the account. */
  readonly priority?: number
  /** Announced with a hash (XEP-0115); the client answers the server's question for them by itself. */
  readonly features?: readonly string[]
  readonly children?: readonly Element[]
}

export interface Client {
  readonly jid: FullJid
  /**
   * With replies matched by `guard` of xml. Requests that nobody takes with `answer` are refused (RFC 6120 §8.2.3), as
   * by host libraries; `presence({ features })` takes those for disco#info.
   */
  readonly connection: Connection
  /** What is below that: refuses nothing, nor does `connection` as long as somebody listens here. */
  readonly wire: Wire
  /** Whether stanzas can be sent now. */
  readonly online: boolean
  /** `<stream:features/>`, with the caps of the server. */
  readonly streamFeatures: Element
  /**
   * Becomes available, or changes its presence; does not wait for anybody to hear of it.
   *
   * @throws {RangeError} on a feature that is there twice
   * @throws {ConnectionError} `lost`, while it is not online
   */
  presence(options?: PresenceOptions): void
  /** @throws {ConnectionError} `lost`, while it is not online */
  unavailable(): void
  /**
   * Enters a room (XEP-0045 §7.2), which is named as for `room`; does not wait for its answer.
   *
   * @throws {TypeError} on what is not the name of a room
   * @throws {ConnectionError} `lost`, while it is not online
   */
  join(room: string, nick: string): void
  /**
   * The connection breaks, and may be resumed (XEP-0198 §5): nothing is told, requests wait, and what is sent rejects
   * with `lost`. After `RESUMPTION_MS` the session is `lost`.
   */
  disconnect(): void
  /**
   * The connection breaks, and the client does not resume: the session is `lost` for it. The server goes on with it
   * for `RESUMPTION_MS`, or until the client has a new one.
   */
  lose(): void
  /** Goes on with the same session if it is not lost; else there is a new one. */
  resume(): 'resumed' | 'new'
  /** Starts a new session of the same resource. Whatever was under way is lost. */
  reconnect(): void
  /** Ends the session in good order: the server and others know at once. */
  close(): void
}

/** What a client needs of the network. */
export interface Link {
  readonly jid: FullJid
  readonly online: boolean
  /** Whether there is a session, which may be suspended. */
  readonly bound: boolean
  /** @throws {ConnectionError} `lost` */
  transmit(stanza: Element): void
  disconnect(): void
  lose(): void
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
  /** @throws {TypeError} on what is not the name of a room */
  roomJid(name: string): BareJid
  failed(error: unknown): void
}

type Take = (iq: Element) => Promise<Element> | undefined

/** What the client calls itself in caps; not an address. */
const CAPS_NODE = 'https://xmpp-e2e.example/client'

export function newClient({
  link,
  random,
  clock,
  streamFeatures,
  roomJid,
  failed,
}: ClientOptions): ClientParts {
  const own = new Set<Listener>()
  const onWire = new Set<Listener>()
  const tell = (call: (listener: Listener) => void): void => {
    for (const listener of [...own, ...onWire]) {
      if (!own.has(listener) && !onWire.has(listener)) continue
      try {
        call(listener)
      } catch (error) {
        failed(error)
      }
    }
  }
  const wireOf = (listeners: Set<Listener>): Wire => ({
    get jid() {
      return link.bound ? link.jid : undefined
    },
    async send(stanza) {
      link.transmit(stanza)
    },
    subscribe(listener) {
      // Its own object, so that subscribing twice is heard twice.
      const entry: Listener = {
        stanza: (stanza) => listener.stanza?.(stanza),
        session: (state) => listener.session?.(state),
      }
      listeners.add(entry)
      return () => void listeners.delete(entry)
    },
  })
  const takers = new Set<{ readonly take: Take }>()
  const intercept = (take: Take) => {
    const entry = { take }
    takers.add(entry)
    return () => void takers.delete(entry)
  }
  const respond = (iq: Element): void => {
    for (const { take } of [...takers]) {
      const reply = take(iq)
      // Who asked notices when there is no answer, because the connection is gone.
      if (reply) return void reply.then(link.transmit).catch(() => {})
    }
    if (onWire.size > 0 || !link.online) return
    const refused = bounce(iq, refusal(iq, 'service-unavailable'), modern)
    if (refused) link.transmit(refused)
  }
  const wire = wireOf(onWire)
  // Answers are found by id and sender, as for any host library: a test of forged replies needs no client of its own.
  const connection = guard(Object.assign(wireOf(own), { intercept }), { random: random.bytes, clock })
  // By `node#ver`, because what was announced before can still be asked for; what holds now is by nothing, too.
  const infos = new Map<string, Element>()
  connection.answer(INFO, (iq) => {
    const info = infos.get(child(iq, 'query', INFO)?.attrs.node ?? '')
    return info && Promise.resolve(element(CLIENT, 'iq', { type: 'result' }, info))
  })
  return {
    receive(stanza) {
      tell((listener) => listener.stanza?.(stanza))
      if (isRequest(stanza)) respond(stanza)
    },
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
          infos.set('', describe())
          content.push(element(CAPS, 'c', { hash: 'sha-1', node: CAPS_NODE, ver }))
        }
        link.transmit(element(CLIENT, 'presence', {}, content, children))
      },
      unavailable: () => link.transmit(element(CLIENT, 'presence', { type: 'unavailable' })),
      join: (room, nick) =>
        link.transmit(element(CLIENT, 'presence', { to: `${roomJid(room)}/${nick}` }, element(MUC, 'x'))),
      disconnect: () => link.disconnect(),
      lose: () => link.lose(),
      resume: () => link.resume(),
      reconnect: () => link.reconnect(),
      close: () => link.close(),
    },
  }
}

function isRequest({ name, attrs: { type } }: Element): boolean {
  return name === 'iq' && (type === 'get' || type === 'set')
}
