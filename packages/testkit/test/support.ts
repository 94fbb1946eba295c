import { type AttrsInput, type Child, type Element, element, ns, StanzaError } from '@xmpp-e2e/xml'
import { expect } from 'vitest'
import type { Client } from '../src/index.ts'

export const CLIENT = 'jabber:client'
export const PUBSUB = 'http://jabber.org/protocol/pubsub'
export const OWNER = 'http://jabber.org/protocol/pubsub#owner'
export const EVENT = 'http://jabber.org/protocol/pubsub#event'
export const ERRORS = 'http://jabber.org/protocol/pubsub#errors'
export const INFO = 'http://jabber.org/protocol/disco#info'
export const ITEMS = 'http://jabber.org/protocol/disco#items'
export const MUC_USER = 'http://jabber.org/protocol/muc#user'
export const MUC_ADMIN = 'http://jabber.org/protocol/muc#admin'
export const MUC_OWNER = 'http://jabber.org/protocol/muc#owner'
export const MAM = 'urn:xmpp:mam:2'
export const FORM = 'jabber:x:data'
export const ROSTER = 'jabber:iq:roster'

export const c = ns(CLIENT)
export const p = ns(PUBSUB)
export const o = ns(OWNER)

export const ping = element('urn:xmpp:ping', 'ping')

export function body(text: string): Element {
  return c('body', {}, text)
}

export function chat(to: string, text: string, ...more: readonly Child[]): Element {
  return c('message', { type: 'chat', to }, body(text), more)
}

/** Resolves to the result, whose only child is most often what is wanted. */
export function get(client: Client, to: string | undefined, payload: Element): Promise<Element> {
  return client.connection.request(c('iq', { type: 'get', to }, payload))
}

export function set(client: Client, to: string | undefined, payload: Element): Promise<Element> {
  return client.connection.request(c('iq', { type: 'set', to }, payload))
}

export function form(type: string, values: AttrsInput): Element {
  const field = ([name, value]: readonly [string, AttrsInput[string]]) =>
    element(FORM, 'field', { var: name }, element(FORM, 'value', {}, String(value)))
  return element(FORM, 'x', { type: 'submit' }, Object.entries({ FORM_TYPE: type, ...values }).map(field))
}

export interface Publication {
  readonly node: string
  readonly id?: string
  readonly payload?: Element
  readonly options?: AttrsInput
  readonly to?: string
}

const X = element('urn:example:x', 'x')

export function publish(
  client: Client,
  { node, id, payload = X, options, to }: Publication,
): Promise<Element> {
  const more =
    options && p('publish-options', {}, form('http://jabber.org/protocol/pubsub#publish-options', options))
  return set(client, to, p('pubsub', {}, p('publish', { node }, p('item', { id }, payload)), more))
}

export async function fetchIds(
  client: Client,
  to: string | undefined,
  items: Element,
): Promise<readonly string[]> {
  const result = await get(client, to, p('pubsub', {}, items))
  return all(result, 'item').map(({ attrs }) => attrs.id ?? '')
}

export function configure(client: Client, node: string, values: AttrsInput): Promise<Element> {
  const content = form('http://jabber.org/protocol/pubsub#node_config', values)
  return set(client, undefined, o('pubsub', {}, o('configure', { node }, content)))
}

/** What a client gets from now on, of the kinds named. */
export function inbox(client: Client, ...kinds: readonly string[]): Element[] {
  const got: Element[] = []
  client.connection.subscribe({
    stanza: (stanza) => {
      if (kinds.length === 0 || kinds.includes(stanza.name)) got.push(stanza)
    },
  })
  return got
}

/** All descendants of that name, in document order, in any namespace. */
export function all(el: Element, name: string): readonly Element[] {
  return el.children.flatMap((node) =>
    typeof node === 'string' ? [] : [...(node.name === name ? [node] : []), ...all(node, name)],
  )
}

export function words(stanzas: readonly Element[]): readonly string[] {
  return stanzas.map((stanza) =>
    all(stanza, 'body')
      .map((el) => el.children.join(''))
      .join('|'),
  )
}

/** `forbidden`, or `conflict precondition-not-met`. */
export async function refusalOf(answer: Promise<unknown>): Promise<string> {
  const error = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(StanzaError)
  if (!(error instanceof StanzaError)) return ''
  return [error.condition, ...error.details.map(({ name }) => name)].join(' ')
}
