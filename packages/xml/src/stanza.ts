/**
 * stanza 12, the agent of stanza.js. It knows stanzas only as JSON of what it has definitions for: one more field of
 * `message`, `presence` and `iq` carries the element itself. It queues what is sent without a stream, resolves when
 * that has failed, and refuses requests that it has no definition or listener for.
 */

import { type Connection, type GuardOptions, guard } from './connection.ts'
import type { Element } from './element.ts'
import { CLIENT_NAMESPACE } from './forwarded.ts'
import { hostSession, isClosed, readable, unwritten } from './host-session.ts'
import { fromJxt, type JxtElement, type JxtJson, toJxt } from './jxt.ts'

/** What is used of an `Agent`, as `createClient` makes it. */
export interface StanzaAgent {
  readonly jid: string
  readonly transport?: object | undefined
  readonly sessionStarted?: boolean | undefined
  readonly sessionTerminating?: boolean | undefined
  /** `unacked` are pairs of kind and JSON. */
  readonly sm: { readonly resumable: boolean; readonly unacked: object[][] | [string, object][] }
  readonly stanzas: {
    define(definition: StanzaDefinition): void
    export(kind: string, json: Record<string, unknown>): { toString(): string } | undefined
  }
  prependListener<A>(event: string, listener: (argument: A) => void): unknown
  send(kind: string, json: Record<string, unknown>): Promise<void>
}

/** An `XMLElement` of stanza, as importers and exporters get it. */
export interface StanzaElement extends JxtElement {
  readonly parent?: StanzaElement | undefined
  attributes: Record<string, string | undefined>
  children: (StanzaElement | string)[]
}

/** A definition for the registry of stanza. */
export interface StanzaDefinition {
  element: string
  namespace: string
  path: string
  fields: Record<string, StanzaField>
}

export interface StanzaField {
  importOrder: number
  exportOrder: number
  importer(xml: StanzaElement): Element | undefined
  exporter(xml: StanzaElement, el: Element): void
}

type Json = Record<string, unknown> & { readonly [FIELD]?: Element }

/**
 * Makes a connection of an agent, best before it is connected. Requests that `answer` takes do not come to the
 * agent's own listeners; others do.
 *
 * A session counts as lost when it cannot be resumed, or when the host disconnects. Between a broken stream and its
 * resumption, `send` rejects, and requests go on waiting. Stanzas that cannot be read are left out.
 *
 * @throws {TypeError} without `random` or `clock`
 */
export function connection(agent: StanzaAgent, options: GuardOptions): Connection {
  const session = hostSession(options)
  const sending = new Set<{ readonly text: string; written: boolean }>()
  for (const kind of KINDS)
    agent.stanzas.define({
      element: kind,
      namespace: CLIENT_NAMESPACE,
      path: kind,
      fields: { [FIELD]: field },
    })

  const send = async (stanza: Element) => {
    const { id, to, type } = stanza.attrs
    const json = { id, to, type, [FIELD]: stanza }
    const text = agent.stanzas.export(stanza.name, json)?.toString()
    if (text === undefined) throw new TypeError('send: expected a stanza')
    const { transport } = agent
    const socket = transport && 'socket' in transport ? transport.socket : undefined
    session.assertLive(transport !== undefined && !agent.sessionTerminating && !isClosed(socket))
    const outcome = { text, written: false }
    let cause: unknown
    sending.add(outcome)
    try {
      await agent.send(stanza.name, json)
    } catch (thrown) {
      cause = thrown
    } finally {
      sending.delete(outcome)
    }
    if (outcome.written) return
    // Otherwise it would be sent when the session is resumed, long after the caller has been told that it was not.
    const at = agent.sm.unacked.findIndex(([, queued]) => queued === json)
    if (at >= 0) agent.sm.unacked.splice(at, 1)
    throw unwritten(cause)
  }

  const on: StanzaAgent['prependListener'] = (event, listener) => agent.prependListener(event, listener)
  // Hosts copy what they have received into what they send: the field must not be copied with it.
  on('stream:data', (json: Json) => {
    if (json[FIELD]) Object.defineProperty(json, FIELD, { enumerable: false })
  })
  on('stanza', ({ [FIELD]: stanza }: Json) => {
    if (stanza) session.heard(stanza)
  })
  on('iq', (json: Json) => {
    const stanza = json.payloadType === TAKEN ? undefined : json[FIELD]
    const reply = stanza && session.take(stanza)
    if (!reply) return
    json.payloadType = TAKEN
    reply.then(send).catch(() => undefined)
  })
  for (const type of ['get', 'set']) on(`iq:${type}:${TAKEN}`, () => undefined)

  on('session:started', () => session.opened(agent.jid, false))
  on('stream:management:resumed', () => session.opened(agent.jid, true))
  on('--transport-disconnected', () => session.dropped(agent.sm.resumable && !agent.sessionTerminating))
  on('raw:outgoing', (data: string) => {
    // One at a time; BOSH has a body around it.
    const sent = [...sending].find(
      ({ text, written }) => !written && (data === text || data.endsWith(`${text}</body>`)),
    )
    if (sent) sent.written = true
  })

  if (agent.sessionStarted) session.opened(agent.jid, false)
  return guard(session.wire(send), options)
}

/**
 * The element that a message, presence or IQ came as, out of what the agent tells its listeners; `undefined` where it
 * was beyond `LIMITS`, or came before there was a connection of the agent. Those inside of carbons have none.
 */
export function elementOf(json: object): Element | undefined {
  return (json as Json)[FIELD]
}

const KINDS = ['message', 'presence', 'iq']

// The same for all connections: two of one agent define it twice, and stanzas kept by the host survive a reload.
const FIELD = '@xmpp-e2e/xml'

// In place of the name of a payload: no listener of the agent has it.
const TAKEN = '@xmpp-e2e/xml'

const field: StanzaField = {
  // After `payloadType`, which counts fields, and after `error`: the last in both directions.
  importOrder: -20_000,
  exportOrder: 300_000,
  // Not those in carbons and archive results. BOSH has a parent around each stanza.
  importer: (xml) => (xml.parent?.parent ? undefined : readable(() => fromJxt(xml))),
  exporter(xml, el) {
    const { name, attributes, children } = toJxt(el)
    const Made: new (
      name: string,
      attributes: JxtJson['attributes'],
      children: JxtJson['children'],
    ) => StanzaElement = Object.getPrototypeOf(xml).constructor
    const made = new Made(name, attributes, children)
    xml.attributes = made.attributes
    xml.children = made.children
  },
}
