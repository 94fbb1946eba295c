/**
 * XEP-0060 §16.4.4, the fields of a node's configuration that matter to end-to-end encryption:
 *
 *     pubsub#access_model  pubsub#persist_items  pubsub#max_items  pubsub#send_last_published_item
 */

import { bool, type Element, uint } from '@xmpp-e2e/xml'
import { type DataForm, dataForm, formType, submission } from '../data-form.ts'
import { malformed } from './error.ts'

const ACCESS = ['open', 'presence', 'roster', 'whitelist', 'authorize'] as const
const SEND_LAST = ['never', 'on_sub', 'on_sub_and_presence'] as const

/** §4.5: who may read: all, those who see the owner's presence, groups of its roster, those it lists, those it lets. */
export type Access = (typeof ACCESS)[number]
/** When the last item is sent without anything having been published. */
export type SendLast = (typeof SEND_LAST)[number]

/** What is wanted of a node, or known of it; absent is whatever the service has. */
export interface NodeConfig {
  readonly access?: Access | undefined
  /** Whether items are kept. */
  readonly persist?: boolean | undefined
  /** How many are kept; `max` is as many as the service can keep. What is wanted is room for so many or more. */
  readonly maxItems?: number | 'max' | undefined
  readonly sendLast?: SendLast | undefined
}

const FIELDS = {
  access: 'pubsub#access_model',
  persist: 'pubsub#persist_items',
  maxItems: 'pubsub#max_items',
  sendLast: 'pubsub#send_last_published_item',
} as const

export const NODE_CONFIG = 'http://jabber.org/protocol/pubsub#node_config'
export const PUBLISH_OPTIONS = 'http://jabber.org/protocol/pubsub#publish-options'

const count = uint(2 ** 32 - 1)

/**
 * The form to submit.
 *
 * @throws {RangeError} when a value is none of its type: what a service does with that is anybody's guess
 */
export function configForm(type: typeof NODE_CONFIG | typeof PUBLISH_OPTIONS, config: NodeConfig): Element {
  const { access, persist, maxItems, sendLast } = config
  oneOf('access', ACCESS, access)
  oneOf('persist', [true, false], persist)
  if (maxItems !== 'max' && !isCount(maxItems ?? 1))
    throw new RangeError('maxItems: expected `max` or 1 to 4294967295')
  oneOf('sendLast', SEND_LAST, sendLast)
  const values: Record<string, string> = {}
  if (persist !== undefined) values[FIELDS.persist] = String(persist)
  if (access !== undefined) values[FIELDS.access] = access
  if (maxItems !== undefined) values[FIELDS.maxItems] = String(maxItems)
  if (sendLast !== undefined) values[FIELDS.sendLast] = sendLast
  return dataForm.encode(submission(type, values))
}

const isCount = (n: number) => Number.isInteger(n) && n >= 1 && n < 2 ** 32

function oneOf<T>(name: string, values: readonly T[], value: T | undefined): void {
  if (value !== undefined && !values.includes(value))
    throw new RangeError(`${name}: expected ${values.join(', ')}`)
}

/**
 * Reads the form of an owner, or of a notification. What is missing, unknown or there twice is left out.
 *
 * @throws {PepError | ShapeError} when it is no form of a node's configuration
 */
export function readConfigForm(el: Element): NodeConfig {
  const form = dataForm.decode(el)
  const type = formType(form)
  if (type !== NODE_CONFIG) throw malformed('a form that is no configuration')
  const persist = bool.decode(theValue(form, FIELDS.persist))
  const maxItems = theValue(form, FIELDS.maxItems)
  return {
    access: ACCESS.find((known) => known === theValue(form, FIELDS.access)),
    persist,
    maxItems: maxItems === 'max' ? maxItems : count.decode(maxItems),
    sendLast: SEND_LAST.find((known) => known === theValue(form, FIELDS.sendLast)),
  }
}

// No field has an empty value that means something.
function theValue(form: DataForm, name: string): string {
  const values = form.fields.filter((field) => field.name === name).flatMap((field) => field.values)
  return values.length === 1 ? (values[0] ?? '') : ''
}

export const KEYS = ['access', 'persist', 'maxItems', 'sendLast'] as const

/** Whether nothing is wanted. */
export function isEmpty(config: NodeConfig): boolean {
  return KEYS.every((key) => config[key] === undefined)
}

/** What of `wanted` is not so in `held`; in the order of `KEYS`. */
export function unmetOf(held: NodeConfig, wanted: NodeConfig): readonly (keyof NodeConfig)[] {
  return KEYS.filter((key) => {
    if (wanted[key] === undefined) return false
    return key === 'maxItems' ? !hasRoom(held, wanted.maxItems) : held[key] !== wanted[key]
  })
}

/** More is as good: a client that asks for less must not take room away that others have asked for. */
export function hasRoom(held: NodeConfig, wanted: NodeConfig['maxItems'] = 0): boolean {
  return held.maxItems === 'max' || (wanted !== 'max' && (held.maxItems ?? 0) >= wanted)
}
