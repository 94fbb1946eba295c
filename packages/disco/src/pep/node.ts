/** XEP-0060 §8.1, §8.2 and §8.4: nodes of the own account. */

import { type Connection, child, element, ns } from '@xmpp-e2e/xml'
import { DATA_FORM_NAMESPACE } from '../data-form.ts'
import { malformed } from './error.ts'
import { checkName } from './item.ts'
import { configForm, isEmpty, NODE_CONFIG, type NodeConfig, readConfigForm } from './node-config.ts'
import { ask, done, type PepOptions, PUBSUB, PUBSUB_OWNER } from './request.ts'

const owner = ns(PUBSUB_OWNER)

/**
 * How a node is configured.
 *
 * @throws {PepError} `not-found` when there is no such node
 */
export async function configuration(
  connection: Connection,
  node: string,
  options: PepOptions = {},
): Promise<NodeConfig> {
  checkName('node', node)
  const children = [owner('configure', { node })]
  return ask(connection, { type: 'get', ns: PUBSUB_OWNER, node, children }, options, (answer) => {
    const configure = answer && child(answer, 'configure')
    const form = configure && child(configure, 'x', DATA_FORM_NAMESPACE)
    if (!form || configure.attrs.node !== node)
      throw malformed('an answer without the configuration of the node')
    return readConfigForm(form)
  })
}

/**
 * Changes the fields that are given, and only these: another client of the account may be changing others.
 *
 * @throws {PepError} `not-found` when there is no such node, `refused` when the service will not have it so
 * @throws {RangeError} when `config` has a value that is none
 */
export async function configure(
  connection: Connection,
  node: string,
  config: NodeConfig,
  options: PepOptions = {},
): Promise<void> {
  checkName('node', node)
  if (isEmpty(config)) throw new TypeError('config: expected something to change')
  const children = [owner('configure', { node }, configForm(NODE_CONFIG, config))]
  return ask(connection, { type: 'set', ns: PUBSUB_OWNER, node, children }, options, done)
}

/**
 * Makes a node. A service may ignore `config` (§8.1.3): read the configuration where it matters. Publishing makes nodes
 * by itself.
 *
 * @throws {PepError} `exists`
 * @throws {RangeError} when `config` has a value that is none
 */
export async function createNode(
  connection: Connection,
  node: string,
  config: NodeConfig = {},
  options: PepOptions = {},
): Promise<void> {
  checkName('node', node)
  const children = [element(PUBSUB, 'create', { node })]
  if (!isEmpty(config)) children.push(element(PUBSUB, 'configure', {}, configForm(NODE_CONFIG, config)))
  return ask(connection, { type: 'set', ns: PUBSUB, node, children }, options, done)
}

/**
 * Deletes a node with all its items, also those of other clients of the account.
 *
 * @throws {PepError} `not-found` when there is no such node
 */
export async function deleteNode(
  connection: Connection,
  node: string,
  options: PepOptions = {},
): Promise<void> {
  checkName('node', node)
  const children = [owner('delete', { node })]
  return ask(connection, { type: 'set', ns: PUBSUB_OWNER, node, children }, options, done)
}
