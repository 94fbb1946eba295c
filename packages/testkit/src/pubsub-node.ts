/** XEP-0060 nodes as XEP-0163 has them: configuration, items, affiliations and explicit subscriptions. */

import type { BareJid, Element } from '@xmpp-e2e/xml'
import { type Field, formOf, readForm } from './data-form.ts'
import type { Quirks } from './quirks.ts'
import { refusal } from './stanza.ts'

export const NODE_CONFIG_FORM = 'http://jabber.org/protocol/pubsub#node_config'

export type Affiliation = 'owner' | 'publisher' | 'publish-only' | 'member' | 'none' | 'outcast'

/** What was published under one id. */
export interface PubsubItem {
  readonly id: string
  readonly payload: Element | undefined
}

export interface PubsubNode {
  readonly name: string
  config: ReadonlyMap<string, string>
  /** Oldest first; what is published again is the last one, or stays where it was (`replacedItem`). */
  readonly items: Map<string, PubsubItem>
  /** The id that was published last, which is the last of `items` unless that one stayed. */
  latest: string | undefined
  /** Of others than the owner. */
  readonly affiliations: Map<BareJid, Affiliation>
  /** Explicit ones, by the JID that gets the notifications (§6.1). */
  readonly subscriptions: Map<string, { readonly id: string; readonly state: 'subscribed' | 'pending' }>
}

/** What a field may be, and is unless somebody says otherwise. */
interface Option {
  readonly type: 'boolean' | 'list-single' | 'text-single'
  readonly initial: string
  readonly options?: readonly string[]
  valid(value: string): boolean
}

const flag = (initial: '0' | '1'): Option => ({
  type: 'boolean',
  initial,
  valid: (value) => /^(?:0|1|true|false)$/.test(value),
})

const choice = (initial: string, ...others: readonly string[]): Option => {
  const options = [initial, ...others]
  return { type: 'list-single', initial, options, valid: (value) => options.includes(value) }
}

const free = (initial: string, form: RegExp): Option => ({
  type: 'text-single',
  initial,
  valid: (value) => form.test(value),
})

/**
 * The fields of the configuration (§17.4.4) that the service knows. What a new node has by default: access model,
 * notifications and last items as XEP-0163 §5 demands; one item that is kept and told of when it goes, as Prosody does.
 */
export const FIELDS: ReadonlyMap<string, Option> = new Map([
  ['pubsub#title', free('', /^/)],
  ['pubsub#type', free('', /^/)],
  ['pubsub#access_model', choice('presence', 'open', 'whitelist', 'authorize', 'roster')],
  ['pubsub#publish_model', choice('publishers', 'subscribers', 'open')],
  ['pubsub#persist_items', flag('1')],
  ['pubsub#max_items', free('1', /^(?:max|[1-9][0-9]{0,8})$/)],
  ['pubsub#deliver_payloads', flag('1')],
  ['pubsub#deliver_notifications', flag('1')],
  ['pubsub#notify_retract', flag('1')],
  ['pubsub#notify_delete', flag('1')],
  ['pubsub#notify_config', flag('0')],
  ['pubsub#send_last_published_item', choice('on_sub_and_presence', 'on_sub', 'never')],
])

/** Items that a node keeps at `max`. The number is arbitrary; servers have such a limit, too. */
export const MAX_ITEMS = 1000

/** A node of that configuration; what it does not name is as the service has it. */
export function newNode(name: string, config: ReadonlyMap<string, string>, quirks: Quirks): PubsubNode {
  return {
    name,
    config: new Map([...defaultConfig(quirks), ...config]),
    items: new Map(),
    latest: undefined,
    affiliations: new Map(),
    subscriptions: new Map(),
  }
}

/** What a node is like that nobody has configured. */
export function defaultConfig(quirks: Quirks): ReadonlyMap<string, string> {
  return new Map([...FIELDS].map(([name, { initial }]) => [name, quirks.initial[name] ?? initial]))
}

export function isOn(node: PubsubNode, field: string): boolean {
  return same(node.config.get(field) ?? '', '1')
}

/** Whether two values of a field mean the same: booleans are written in two ways (XEP-0004 §3.3). */
export function same(a: string, b: string): boolean {
  const words: Readonly<Record<string, string>> = { true: '1', false: '0' }
  return (words[a] ?? a) === (words[b] ?? b)
}

/** Adds an item, or replaces it, and drops the oldest above what the node keeps. */
export function keep(node: PubsubNode, item: PubsubItem, quirks: Quirks): void {
  if (quirks.replacedItem === 'moves') node.items.delete(item.id)
  node.items.set(item.id, item)
  node.latest = item.id
  trim(node)
}

/** What was published last, and is there. */
export function latestItem({ items, latest }: PubsubNode): PubsubItem | undefined {
  return items.get(latest ?? '') ?? [...items.values()].at(-1)
}

/** Drops the oldest items above what the node keeps. */
export function trim(node: PubsubNode): void {
  for (const id of node.items.keys()) {
    if (node.items.size <= capacity(node)) return
    node.items.delete(id)
  }
}

function capacity(node: PubsubNode): number {
  if (!isOn(node, 'pubsub#persist_items')) return 0
  const max = node.config.get('pubsub#max_items') ?? '1'
  return max === 'max' ? MAX_ITEMS : Math.min(Number(max), MAX_ITEMS)
}

/** The form with a configuration, and what each field may be. */
export function configForm(config: ReadonlyMap<string, string>): Element {
  const fields = [...FIELDS].map(
    ([name, { type, options, initial }]): Field => ({
      var: name,
      type,
      values: [config.get(name) ?? initial],
      ...(options && { options }),
    }),
  )
  return formOf('form', NODE_CONFIG_FORM, fields)
}

/**
 * What a submitted form says of the fields that are known; others are passed over.
 *
 * @throws {StanzaError} `bad-request` on a form of another type; `not-acceptable` on a value that a field cannot have
 */
export function readConfig(iq: Element, form: Element, formType: string): ReadonlyMap<string, string> {
  const values = readForm(form, formType)
  if (!values) throw refusal(iq, 'bad-request')
  const config = new Map<string, string>()
  for (const [name, [value, ...others]] of values) {
    const option = FIELDS.get(name)
    if (!option) continue
    if (value === undefined || others.length > 0 || !option.valid(value)) throw refusal(iq, 'not-acceptable')
    config.set(name, value)
  }
  return config
}
