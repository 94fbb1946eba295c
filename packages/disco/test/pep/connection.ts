/** A connection to a PEP service that says what a test has written down, or that is one, with the faults asked for. */
import {
  type Connection,
  type Element,
  guard,
  type Listener,
  parse,
  type Signal,
  serialize,
} from '@xmpp-e2e/xml'
import { type NodeConfig, PepError } from '../../src/pep.ts'

export const ACCOUNT = 'juliet@capulet.lit'
export const PUBSUB = 'http://jabber.org/protocol/pubsub'

/** What is in the `<iq/>` of an answer; an `<error/>` makes it one. `undefined` is no answer. */
export type Answer = string | undefined

/** A connection whose requests are answered by `answer`, at once or when `turn` resolves. */
export function connected(
  answer: (request: Element, count: number) => Answer,
  turn?: () => Promise<unknown>,
) {
  const listeners = new Set<Listener>()
  const timers = new Set<() => void>()
  const requests: Element[] = []
  let drawn = 0
  const arrive = (stanza: Element): void => {
    for (const listener of [...listeners]) listener.stanza?.(stanza)
  }
  const wire = {
    jid: `${ACCOUNT}/balcony` as string | undefined,
    async send(iq: Element) {
      requests.push(iq)
      await turn?.()
      const children = answer(iq, requests.length)
      if (children === undefined) return
      const type = /^\s*<error/.test(children) ? 'error' : 'result'
      const from = iq.attrs.to ?? ACCOUNT
      arrive(
        parse(`<iq xmlns='jabber:client' type='${type}' id='${iq.attrs.id}' from='${from}'>${children}</iq>`),
      )
    },
    subscribe(listener: Listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const connection: Connection = guard(wire, {
    random: (length) => new Uint8Array(length).map((_, i) => (i === 0 ? ++drawn : drawn >> 8)),
    clock: {
      after(_, run) {
        timers.add(run)
        return () => timers.delete(run)
      },
    },
  })
  return {
    connection,
    wire,
    requests,
    listeners,
    arrive,
    /** Everything that waits for time to pass. */
    elapse: () => {
      for (const run of [...timers]) run()
    },
    lose: () => {
      for (const listener of [...listeners]) listener.session?.('lost')
    },
    /** The payloads of the requests, as they are written. */
    sent: () =>
      requests.map((iq) => iq.children.map((el) => (typeof el === 'string' ? el : serialize(el))).join('')),
  }
}

/** Answers each request with the next of these, and none after the last. */
export function scripted(...answers: readonly Answer[]) {
  return connected((_, count) => answers[count - 1])
}

/** As the serializer writes it, without the white space between elements. */
export function written(xml: string): string {
  return serialize(parse(xml.replace(/>\s+</g, '><').trim()))
}

/** How a promise ends that should not be kept: a code, or the error itself. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error instanceof PepError ? error.code : error
  }
  return 'no failure'
}

/** A signal, and how to abort it. */
export function abortable(): Signal & { abort(): void } {
  const listeners = new Set<() => void>()
  let aborted = false
  return {
    get aborted() {
      return aborted
    },
    addEventListener: (_, listener) => void listeners.add(listener),
    removeEventListener: (_, listener) => void listeners.delete(listener),
    abort() {
      aborted = true
      for (const listener of [...listeners]) listener()
    },
  }
}

export const error = (type: string, condition: string, detail = '', feature = ''): string =>
  `<error type='${type}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>${
    detail && `<${detail} xmlns='${PUBSUB}#errors' ${feature && `feature='${feature}'`}/>`
  }</error>`

export const FEATURES = (...names: readonly string[]): string =>
  `<query xmlns='http://jabber.org/protocol/disco#info'><identity category='pubsub' type='pep'/>${names
    .map((name) => `<feature var='${PUBSUB}#${name}'/>`)
    .join('')}</query>`

const FIELD = {
  access: 'access_model',
  persist: 'persist_items',
  maxItems: 'max_items',
  sendLast: 'send_last_published_item',
}

/** `<x/>` with these fields. */
export function form(type: string, about: string, config: NodeConfig): string {
  const fields = Object.entries(config).filter(([, value]) => value !== undefined)
  return `<x xmlns='jabber:x:data' type='${type}'><field var='FORM_TYPE' type='hidden'><value>${PUBSUB}#${about}</value></field>${fields
    .map(
      ([key, value]) =>
        `<field var='pubsub#${FIELD[key as keyof NodeConfig]}'><value>${value}</value></field>`,
    )
    .join('')}</x>`
}

/** What an owner gets who asks how a node is configured. */
export const configured = (node: string, config: NodeConfig): string =>
  `<pubsub xmlns='${PUBSUB}#owner'><configure node='${node}'>${form('form', 'node_config', config)}</configure></pubsub>`
