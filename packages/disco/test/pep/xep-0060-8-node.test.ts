import { describe, expect, test } from 'vitest'
import { configuration, configure, createNode, deleteNode, type NodeConfig } from '../../src/pep.ts'
import { configured, error, failure, form, PUBSUB, scripted, written } from './connection.ts'

const NODE = 'princely_musings'

const field = (name: string, ...values: string[]): string =>
  `<field var='pubsub#${name}'>${values.map((value) => `<value>${value}</value>`).join('')}</field>`
const answer = (fields: string, type = 'node_config', hidden = "type='hidden'"): string =>
  `<pubsub xmlns='${PUBSUB}#owner'><configure node='${NODE}'><x xmlns='jabber:x:data' type='form'>
     <field var='FORM_TYPE' ${hidden}><value>${PUBSUB}#${type}</value></field>${fields}</x></configure></pubsub>`

const read = (xml: string): Promise<NodeConfig> => configuration(scripted(xml).connection, NODE)

describe('§8.2.2: reading a configuration', () => {
  test('the request', async () => {
    const { connection, sent, requests } = scripted(configured(NODE, { access: 'open' }))
    await configuration(connection, NODE)
    expect(sent()).toEqual([written(`<pubsub xmlns='${PUBSUB}#owner'><configure node='${NODE}'/></pubsub>`)])
    expect(requests[0]?.attrs.type).toBe('get')
  })

  test.each<[string, string, Partial<NodeConfig>]>([
    ['access_model', 'open', { access: 'open' }],
    ['access_model', 'presence', { access: 'presence' }],
    ['access_model', 'roster', { access: 'roster' }],
    ['access_model', 'whitelist', { access: 'whitelist' }],
    ['access_model', 'authorize', { access: 'authorize' }],
    ['access_model', 'Open', {}],
    ['access_model', '', {}],
    ['persist_items', '1', { persist: true }],
    ['persist_items', 'true', { persist: true }],
    ['persist_items', '0', { persist: false }],
    ['persist_items', 'false', { persist: false }],
    ['persist_items', 'yes', {}],
    ['max_items', 'max', { maxItems: 'max' }],
    ['max_items', '1', { maxItems: 1 }],
    ['max_items', '4294967295', { maxItems: 4294967295 }],
    ['max_items', '4294967296', {}],
    ['max_items', '-1', {}],
    ['max_items', '1e3', {}],
    ['max_items', '', {}],
    ['send_last_published_item', 'never', { sendLast: 'never' }],
    ['send_last_published_item', 'on_sub', { sendLast: 'on_sub' }],
    ['send_last_published_item', 'on_sub_and_presence', { sendLast: 'on_sub_and_presence' }],
    ['send_last_published_item', 'sometimes', {}],
    ['max_payload_size', '9216', {}],
  ])('pubsub#%s is %s', async (name, value, expected) => {
    expect(await read(answer(field(name, value)))).toEqual(expected)
  })

  test('what is there twice, or has two values, is not known', async () => {
    expect(await read(answer(field('access_model', 'open') + field('access_model', 'presence')))).toEqual({})
    expect(await read(answer(field('access_model', 'open', 'presence')))).toEqual({})
    expect(await read(answer('<field/>'))).toEqual({})
  })

  test.each([
    ['no payload', ''],
    ['of another node', answer(field('access_model', 'open')).replace(NODE, 'other')],
    ['of no node', answer(field('access_model', 'open')).replace(`node='${NODE}'`, '')],
    ['no form', `<pubsub xmlns='${PUBSUB}#owner'><configure node='${NODE}'/></pubsub>`],
    ['another form', answer(field('access_model', 'open'), 'subscribe_options')],
    ['a form that does not say what it is about', answer(field('access_model', 'open'), 'node_config', '')],
    [
      'a value with elements',
      answer("<field var='pubsub#access_model'><value><b xmlns=''/></value></field>"),
    ],
    ['another namespace', configured(NODE, {}).replace('#owner', '')],
  ])('malformed: %s', async (_, xml) => {
    expect(await failure(read(xml))).toBe('malformed')
  })

  test('§8.2.3: what is refused', async () => {
    expect(await failure(read(error('cancel', 'item-not-found')))).toBe('not-found')
    expect(await failure(read(error('auth', 'forbidden')))).toBe('forbidden')
    expect(
      await failure(read(error('cancel', 'feature-not-implemented', 'unsupported', 'config-node'))),
    ).toBe('not-supported')
    expect(await failure(read(error('cancel', 'not-allowed')))).toBe('refused')
  })
})

describe('§8.2.4: changing it', () => {
  test('only what is given is sent', async () => {
    const { connection, sent, requests } = scripted('')
    const config: NodeConfig = { access: 'whitelist', maxItems: 10, sendLast: undefined }
    expect(await configure(connection, NODE, config)).toBe(undefined)
    expect(sent()).toEqual([
      written(
        `<pubsub xmlns='${PUBSUB}#owner'><configure node='${NODE}'>${form('submit', 'node_config', config)}</configure></pubsub>`,
      ),
    ])
    expect(requests[0]?.attrs.type).toBe('set')
  })

  test('refused, or not there', async () => {
    const { connection } = scripted(error('modify', 'not-acceptable'), error('cancel', 'item-not-found'))
    expect(await failure(configure(connection, NODE, { access: 'open' }))).toBe('refused')
    expect(await failure(configure(connection, NODE, { access: 'open' }))).toBe('not-found')
  })

  test('bad arguments are refused before anything is sent', async () => {
    const { connection, requests } = scripted()
    expect(await failure(configure(connection, NODE, {}))).toBeInstanceOf(TypeError)
    expect(await failure(configure(connection, NODE, { access: undefined }))).toBeInstanceOf(TypeError)
    expect(await failure(configure(connection, NODE, { maxItems: 0 }))).toBeInstanceOf(RangeError)
    expect(await failure(configure(connection, '', { access: 'open' }))).toBeInstanceOf(RangeError)
    expect(await failure(configuration(connection, ''))).toBeInstanceOf(RangeError)
    expect(requests).toEqual([])
  })
})

describe('§8.1, §8.4: making and deleting', () => {
  test('§8.1.2: in the standard way', async () => {
    const { connection, sent } = scripted('')
    expect(await createNode(connection, NODE)).toBe(undefined)
    expect(sent()).toEqual([written(`<pubsub xmlns='${PUBSUB}'><create node='${NODE}'/></pubsub>`)])
  })

  test('§8.1.3: configured, in that order, and without a second name', async () => {
    const { connection, sent } = scripted('')
    await createNode(connection, NODE, { access: 'open', maxItems: 'max' })
    const x = form('submit', 'node_config', { access: 'open', maxItems: 'max' })
    expect(sent()).toEqual([
      written(`<pubsub xmlns='${PUBSUB}'><create node='${NODE}'/><configure>${x}</configure></pubsub>`),
    ])
  })

  test('§8.1.1: it is there', async () => {
    const { connection } = scripted(error('cancel', 'conflict'), error('auth', 'registration-required'))
    expect(await failure(createNode(connection, NODE))).toBe('exists')
    expect(await failure(createNode(connection, NODE))).toBe('forbidden')
  })

  test('§8.4', async () => {
    const { connection, sent } = scripted('', error('cancel', 'item-not-found'))
    expect(await deleteNode(connection, NODE)).toBe(undefined)
    expect(sent()).toEqual([written(`<pubsub xmlns='${PUBSUB}#owner'><delete node='${NODE}'/></pubsub>`)])
    expect(await failure(deleteNode(connection, NODE))).toBe('not-found')
  })

  test('bad arguments are refused before anything is sent', async () => {
    const { connection, requests } = scripted()
    expect(await failure(createNode(connection, ''))).toBeInstanceOf(RangeError)
    expect(await failure(createNode(connection, NODE, { maxItems: 0.5 }))).toBeInstanceOf(RangeError)
    expect(await failure(deleteNode(connection, ''))).toBeInstanceOf(RangeError)
    expect(requests).toEqual([])
  })
})
