/**
 * XEP-0060 §7.1, publishing at a node of the own account that must be configured in a certain way.
 *
 *     features ─ announced ─► publish with options ─ done ────────────────────────────────────► Published
 *         │                       │ precondition-not-met, no such node, a field is unknown
 *         └── not announced ──────┴─► read ─ no such node ─► create ─► read
 *                                      │ not as wanted
 *                                      ├─► configure ─► read
 *                                      │ access as wanted           otherwise: precondition-not-met
 *                                      └─► publish, the access model being the only option ──► Published
 *
 * Each step is taken once, so that two clients that want different things do not go on changing the node for ever.
 * **Nothing is published before the access model is as wanted**: a service that does not know of options would publish
 * secrets to all contacts, or keys to nobody else (XEP-0223 §5, CVE-2018-6591). Nodes are never deleted: they are shared.
 * Where there are no options, another client can change the node between the last reading and the item. Nothing is read
 * after that: what was told by then is told.
 */

import { type Connection, child, children, type Element, element, ns, StanzaError } from '@xmpp-e2e/xml'
import { malformed, PepError, type PepErrorCode, pepError } from './error.ts'
import { checkName, MAX_NODE_NAME } from './item.ts'
import { configuration, configure, createNode } from './node.ts'
import { configForm, isEmpty, type NodeConfig, PUBLISH_OPTIONS, unmetOf } from './node-config.ts'
import { proposals } from './proposals.ts'
import { ask, nodeOf, ownAccount, type PepOptions, PUBSUB } from './request.ts'

export interface NewItem {
  /** The service makes one up unless given. */
  readonly id?: string | undefined
  readonly payload: Element
}

export interface PublishOptions extends PepOptions {
  /**
   * Whether the own account's disco#info has `http://jabber.org/protocol/pubsub#publish-options`. Unless given, it is
   * asked: one request more. Where it is said and not so, the first attempt publishes under whatever there is.
   */
  readonly announcesOptions?: boolean | undefined
}

/** A request: for the account's features, for the configuration; to create, to configure, to publish. */
export type PublishStep = 'features' | 'publish' | 'read' | 'create' | 'configure'

export interface Published {
  /** `undefined` when the service has made one up and does not say. */
  readonly id: string | undefined
  /** The requests it took, in order, those that were refused included. */
  readonly steps: readonly PublishStep[]
  /** How the node is configured, as far as that is known. Its `access` is what was wanted. */
  readonly held: NodeConfig
  /** What else was wanted and is not so. With `maxItems`, items of other clients may have been pushed out. */
  readonly unmet: readonly (keyof NodeConfig)[]
}

/**
 * features, publish, read, create, create with what is standard, read, configure with all, with each of three numbers,
 * with the access model alone, read, publish.
 */
export const MAX_PUBLISH_REQUESTS = 13

interface Ladder {
  readonly connection: Connection
  readonly node: string
  readonly item: NewItem
  readonly wanted: NodeConfig
  readonly options: PepOptions
  readonly steps: PublishStep[]
}

/**
 * Publishes an item, and makes or configures the node where that is needed. With an ID, publishing again after
 * `timeout` or `lost` does no harm.
 *
 * @throws {PepError} `precondition-not-met` when the access model is not as wanted and could not be changed; nothing is
 * published. Others from the request that failed.
 * @throws {RangeError} before the first request, when `config` has a value that is none
 */
export async function publish(
  connection: Connection,
  node: string,
  item: NewItem,
  config: NodeConfig = {},
  options: PublishOptions = {},
): Promise<Published> {
  checkName('node', node)
  if (item.id !== undefined) checkName('id', item.id)
  const steps: PublishStep[] = []
  const ladder: Ladder = { connection, node, item, wanted: config, options, steps }
  const demands = !isEmpty(config)
  if (demands) configForm(PUBLISH_OPTIONS, config)
  const byOptions = demands && (options.announcesOptions ?? (await announcesOptions(ladder)))
  if (byOptions || !demands) {
    try {
      return { id: await attempt(ladder, config), steps, held: config, unmet: [] }
    } catch (error) {
      if (!(demands ? isRepairable(error) : isCode(error, 'not-found'))) throw error
    }
  }
  const held = await prepare(ladder)
  try {
    const id = await attempt(ladder, byOptions ? { access: config.access } : {})
    return { id, steps, held, unmet: unmetOf(held, config) }
  } catch (error) {
    // Another client has been at it again, or the service contradicts itself.
    throw isCode(error, 'precondition-not-met') ? notMet(ladder, held, error) : error
  }
}

// Before it is made: one that is refused counts, too.
function step<T>(ladder: Ladder, name: PublishStep, request: () => Promise<T>): Promise<T> {
  ladder.steps.push(name)
  return request()
}

const INFO = 'http://jabber.org/protocol/disco#info'
const PUBLISH_OPTIONS_FEATURE = `${PUBSUB}#publish-options`

/** XEP-0163 §6.1. */
async function announcesOptions(ladder: Ladder): Promise<boolean> {
  const { connection, options } = ladder
  const to = ownAccount(connection)
  const iq = element('jabber:client', 'iq', { type: 'get', to }, element(INFO, 'query'))
  try {
    const answer = await step(ladder, 'features', () => connection.request(iq, options))
    const info = child(answer, 'query', INFO)
    return (
      info !== undefined && children(info, 'feature').some((el) => el.attrs.var === PUBLISH_OPTIONS_FEATURE)
    )
  } catch (error) {
    // Without an answer, the long way does.
    if (error instanceof StanzaError) return false
    throw pepError(error, `the features of ${to ?? 'the own account'}`, true)
  }
}

const pubsub = ns(PUBSUB)

/** Publishes under these conditions, and gives the ID of the item. */
function attempt(ladder: Ladder, conditions: NodeConfig): Promise<string | undefined> {
  const { connection, node, item, options } = ladder
  const request = [pubsub('publish', { node }, pubsub('item', { id: item.id }, item.payload))]
  if (!isEmpty(conditions))
    request.push(pubsub('publish-options', {}, configForm(PUBLISH_OPTIONS, conditions)))
  return step(ladder, 'publish', () =>
    ask(connection, { type: 'set', ns: PUBSUB, node, children: request }, options, (answer) => {
      const published = answer && child(answer, 'publish')
      const { id = item.id } = (published && child(published, 'item')?.attrs) ?? {}
      if (id !== undefined && id.length > MAX_NODE_NAME)
        throw malformed('an item with a name that is too long')
      return id
    }),
  )
}

/**
 * Whether the configuration may be why. For a field that it does not know, a service must refuse, but with what is not
 * said: ejabberd has `resource-constraint`, Prosody `bad-request`, or `not-acceptable` for more items than it keeps.
 */
function isRepairable(error: unknown): boolean {
  if (!(error instanceof PepError)) return false
  if (error.code === 'precondition-not-met' || error.code === 'not-found') return true
  // What ejabberd says to one of two clients for which it makes the node at the same time.
  if (error.code === 'unavailable') return true
  const refusal = error.cause
  if (error.code !== 'refused' || !(refusal instanceof StanzaError)) return false
  // The other conditions of §7.1.3 are about the item.
  const aboutOptions = refusal.details.every((el) => el.name === 'invalid-options')
  return aboutOptions && ['resource-constraint', 'bad-request', 'not-acceptable'].includes(refusal.condition)
}

/** Sees to it that the node is there, and configured as wanted as far as the service lets it. */
async function prepare(ladder: Ladder): Promise<NodeConfig> {
  const { wanted } = ladder
  const before = (await readUnlessMissing(ladder)) ?? (await create(ladder))
  const held = (await reconfigure(ladder, before)) ? await read(ladder) : before
  if (unmetOf(held, wanted).includes('access')) throw notMet(ladder, held)
  return held
}

function read(ladder: Ladder): Promise<NodeConfig> {
  const { connection, node, options } = ladder
  return step(ladder, 'read', () => configuration(connection, node, options))
}

async function readUnlessMissing(ladder: Ladder): Promise<NodeConfig | undefined> {
  try {
    return await read(ladder)
  } catch (error) {
    if (isCode(error, 'not-found')) return undefined
    throw error
  }
}

/** Makes the node. That another client has been faster is as good: then ejabberd may have failed instead of refusing. */
async function create(ladder: Ladder): Promise<NodeConfig> {
  let failure: unknown
  try {
    await createUnlessThere(ladder)
  } catch (error) {
    if (!isCode(error, 'unavailable')) throw error
    failure = error
  }
  try {
    return await read(ladder)
  } catch (error) {
    throw failure && isCode(error, 'not-found') ? failure : error
  }
}

/** In the standard way where the service refuses it as wanted. */
async function createUnlessThere(ladder: Ladder): Promise<void> {
  const { connection, node, wanted, options } = ladder
  for (const config of [wanted, {}]) {
    try {
      return await step(ladder, 'create', () => createNode(connection, node, config, options))
    } catch (error) {
      if (isCode(error, 'exists')) return
      if (isEmpty(config) || !isCode(error, 'refused')) throw error
    }
  }
}

/** Changes what is not as wanted, as much of it as the service accepts; whether anything has changed. */
async function reconfigure(ladder: Ladder, held: NodeConfig): Promise<boolean> {
  const { connection, node, options } = ladder
  for (const config of proposals(held, ladder.wanted)) {
    try {
      await step(ladder, 'configure', () => configure(connection, node, config, options))
      return true
    } catch (error) {
      // ejabberd fails when another client configures the node at the same time: read what holds now.
      if (isCode(error, 'unavailable')) return true
      if (!isCode(error, 'refused')) throw error
    }
  }
  return false
}

function isCode(error: unknown, code: PepErrorCode): boolean {
  return error instanceof PepError && error.code === code
}

function notMet({ connection, node, wanted }: Ladder, found: NodeConfig, cause?: unknown): PepError {
  const models = `to be ${wanted.access}, and was ${found.access ?? 'unknown'} when last read`
  const message = `pep: ${nodeOf(connection, node)}: the access model was ${models}`
  return new PepError('precondition-not-met', message, { cause, found })
}
