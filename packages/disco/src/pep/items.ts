/** XEP-0060 §6.5, retrieving items, and §7.2, deleting one. */

import { type BareJid, type Connection, child, element, ns } from '@xmpp-e2e/xml'
import { malformed } from './error.ts'
import { checkName, type Item, MAX_NODE_ITEMS, readItems } from './item.ts'
import { ask, done, type PepOptions, PUBSUB } from './request.ts'

export interface FetchOptions extends PepOptions {
  /** Whose node; the own account's unless given. */
  readonly owner?: BareJid | undefined
  /** Only the items of these IDs, at most `MAX_NODE_ITEMS`; not with `max`. */
  readonly ids?: readonly string[] | undefined
  /** Asks for the most recent ones, so many; at most `MAX_NODE_ITEMS`. A service may not heed it. */
  readonly max?: number | undefined
}

const pubsub = ns(PUBSUB)

/**
 * The items of a node; those that are not there are left out. They are in the order of the answer, which should be that
 * of publication (§12.1); ejabberd has an item that was replaced in its old place, also where `max` is counted. Services
 * may leave some out of a long answer (§6.5.4): ask for few, or by ID.
 *
 * @throws {PepError} `not-found` when there is no such node
 */
export async function fetchItems(
  connection: Connection,
  node: string,
  options: FetchOptions = {},
): Promise<readonly Item[]> {
  const { owner, ids, max } = options
  checkName('node', node)
  if (ids && max !== undefined) throw new TypeError('fetchItems: expected `ids` or `max`')
  if (ids && (ids.length === 0 || ids.length > MAX_NODE_ITEMS))
    throw new RangeError(`ids: expected 1 to ${MAX_NODE_ITEMS}`)
  for (const id of ids ?? []) checkName('ids', id)
  if (max !== undefined && !(Number.isInteger(max) && max >= 1 && max <= MAX_NODE_ITEMS))
    throw new RangeError(`max: expected 1 to ${MAX_NODE_ITEMS}`)
  const asked = pubsub(
    'items',
    { node, max_items: max },
    ids?.map((id) => pubsub('item', { id })),
  )
  return ask(connection, { type: 'get', ns: PUBSUB, node, children: [asked], owner }, options, (answer) => {
    const items = answer && child(answer, 'items')
    if (items?.attrs.node !== node) throw malformed('an answer without items of the node')
    const found = readItems(items)
    // Only nodes that keep nothing have such, and of those there is nothing to fetch.
    if (found.some(({ id }) => id === undefined)) throw malformed('an item without a name')
    if (!ids) return found
    // Not every service heeds what it is asked for.
    const wanted = new Set<string | undefined>(ids)
    return found.filter(({ id }) => wanted.has(id))
  })
}

export interface RetractOptions extends PepOptions {
  /** Whether subscribers are told; they are unless `false`. */
  readonly notify?: boolean | undefined
}

/**
 * Deletes an item of the own account.
 *
 * @throws {PepError} `not-found` when there is no such node or item
 */
export async function retract(
  connection: Connection,
  node: string,
  id: string,
  options: RetractOptions = {},
): Promise<void> {
  checkName('node', node)
  checkName('id', id)
  const { notify = true } = options
  const item = element(PUBSUB, 'item', { id })
  const children = [pubsub('retract', { node, notify: notify ? true : undefined }, item)]
  return ask(connection, { type: 'set', ns: PUBSUB, node, children }, options, done)
}
