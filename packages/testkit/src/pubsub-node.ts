/** XEP-0060 nodes as XEP-0163 has them: configuration, items, affiliations and explicit subscriptions. */

import type { BareJid, Element } from '@xmpp-e2e/xml'
import { type Field, formOf } from './data-form.ts'

export type Affiliation = 'owner' | 'publisher' | 'publish-only' | 'member' | 'none' | 'outcast'

/** What was published under one id. */
export interface PubsubItem {
  readonly id: string
  readonly payload: Element | undefined
}

export interface PubsubNode {
  readonly name: string
  config: ReadonlyMap<string, string>
  /** In order of publication: publishing an id again moves it to the end. */
  readonly items: Map<string, PubsubItem>
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

/** The fields of `pubsub#node_config` (§16.4.4) that the service knows. Defaults are those of XEP-0163 §4. */
export const NODE_CONFIG: ReadonlyMap<string, Option> = new Map([
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

/** Items that a node keeps at `max`; servers have a limit, too. */
export const MAX_ITEMS = 1000

const DEFAULTS: ReadonlyMap<string, string> = new Map(
  [...NODE_CONFIG].map(([name, { initial }]) => [name, initial]),
)

/** A node of that configuration; what it does not name is as XEP-0163 has it. */
export function newNode(name: string, config: ReadonlyMap<string, string>): PubsubNode {
  return {
    name,
    config: new Map([...DEFAULTS, ...config]),
    items: new Map(),
    affiliations: new Map(),
    subscriptions: new Map(),
  }
}

export function isOn(node: PubsubNode, field: string): boolean {
  return same(node.config.get(field) ?? '', '1')
}

/** Whether two values of a field mean the same. */
export function same(a: string, b: string): boolean {
  const words: Readonly<Record<string, string>> = { true: '1', false: '0' }
  return (words[a] ?? a) === (words[b] ?? b)
}

/** How many items the node keeps. */
export function capacity(node: PubsubNode): number {
  if (!isOn(node, 'pubsub#persist_items')) return 0
  const max = node.config.get('pubsub#max_items') ?? '1'
  return max === 'max' ? MAX_ITEMS : Math.min(Number(max), MAX_ITEMS)
}

/** Adds an item, or replaces it, and drops the oldest above what the node keeps. */
export function keep(node: PubsubNode, item: PubsubItem): void {
  node.items.delete(item.id)
  node.items.set(item.id, item)
  trim(node)
}

/** Drops the oldest items above what the node keeps. */
export function trim(node: PubsubNode): void {
  for (const id of node.items.keys()) {
    if (node.items.size <= capacity(node)) return
    node.items.delete(id)
  }
}

/** The form with a configuration, or with that of a new node. */
export function configForm(config: ReadonlyMap<string, string> = DEFAULTS): Element {
  const fields = [...NODE_CONFIG].map(
    ([name, { type, options, initial }]): Field => ({
      var: name,
      type,
      values: [config.get(name) ?? initial],
      ...(options && { options }),
    }),
  )
  return formOf('form', 'http://jabber.org/protocol/pubsub#node_config', fields)
}
