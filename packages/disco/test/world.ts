/** A connection to peers that say what a test tells them to, without waiting and without a network. */
import { type Connection, type Element, element, elements, guard, type Listener, parse } from '@xmpp-e2e/xml'

/** What becomes of a request: the payload of a result, the condition of an error, or nothing for ever. */
export type Reply = Element | string | undefined
export type Responder = (iq: Element) => Reply | Promise<Reply>

export const JULIET = 'juliet@capulet.lit/balcony'

export interface World {
  readonly connection: Connection
  /** Requests that were sent: to whom, namespace and node. */
  readonly requests: (readonly [to: string, ns: string, node: string | undefined])[]
  /** Everything else that was sent. */
  readonly sent: Element[]
  /** Who answers under which address; others do not exist. */
  readonly peers: Map<string, Responder>
  /** Whether what is sent arrives. */
  online: boolean
  receive(stanza: Element | string): void
  presence(from: string, inner?: string, type?: string): void
  message(from: string, inner: string, type?: string): void
  session(state: 'new' | 'resumed' | 'lost'): void
  /** Lets time pass. */
  pass(ms: number): void
  listeners(): number
}

export const client = (xml: string): Element => parse(xml.replace(/^<[a-z]+/, "$& xmlns='jabber:client'"))

const attribute = (name: string, value: string | undefined) =>
  value === undefined ? '' : ` ${name}='${value}'`

export function world(): World {
  const listeners = new Set<Listener>()
  const timers = new Set<{ readonly at: number; readonly f: () => void }>()
  let now = 0
  let random = 0

  const receive = (stanza: Element | string) => {
    const el = typeof stanza === 'string' ? client(stanza) : stanza
    for (const listener of [...listeners]) listener.stanza?.(el)
  }

  async function answer(iq: Element): Promise<void> {
    const { to = '', id } = iq.attrs
    const reply = await (self.peers.get(to)?.(iq) ?? (self.peers.has(to) ? undefined : 'service-unavailable'))
    if (reply === undefined) return
    const refused = typeof reply === 'string'
    const payload = refused
      ? element(
          'jabber:client',
          'error',
          { type: 'cancel' },
          element('urn:ietf:params:xml:ns:xmpp-stanzas', reply),
        )
      : reply
    receive(element('jabber:client', 'iq', { type: refused ? 'error' : 'result', id, from: to }, payload))
  }

  const connection = guard(
    {
      jid: JULIET,
      async send(stanza) {
        if (!self.online) throw new Error('offline')
        const isRequest = stanza.name === 'iq' && (stanza.attrs.type === 'get' || stanza.attrs.type === 'set')
        if (!isRequest) {
          self.sent.push(stanza)
          return
        }
        const [payload] = elements(stanza)
        const asked = payload?.attrs.node ?? (payload && elements(payload)[0]?.attrs.node)
        self.requests.push([stanza.attrs.to ?? '', payload?.ns ?? '', asked])
        void answer(stanza)
      },
      subscribe(listener) {
        listeners.add(listener)
        return () => {
          listeners.delete(listener)
        }
      },
    },
    {
      random(length) {
        const bytes = new Uint8Array(length)
        new DataView(bytes.buffer).setUint32(0, ++random)
        return bytes
      },
      clock: {
        after(ms, f) {
          const timer = { at: now + ms, f }
          timers.add(timer)
          return () => {
            timers.delete(timer)
          }
        },
      },
    },
  )

  const self: World = {
    connection,
    requests: [],
    sent: [],
    peers: new Map(),
    online: true,
    receive,
    presence: (from, inner = '', type) =>
      receive(`<presence${attribute('from', from)}${attribute('type', type)}>${inner}</presence>`),
    message: (from, inner, type) =>
      receive(`<message${attribute('from', from)}${attribute('type', type)}>${inner}</message>`),
    session(state) {
      for (const listener of [...listeners]) listener.session?.(state)
    },
    pass(ms) {
      now += ms
      for (const timer of [...timers]) if (timer.at <= now && timers.delete(timer)) timer.f()
    },
    listeners: () => listeners.size,
  }
  return self
}

/** Until all that can go on without time or replies has. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 200; i++) await Promise.resolve()
}
