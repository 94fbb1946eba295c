import { type Element, ns } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { MAX_NODE_NAME, MAX_PUBLISH_REQUESTS, type NodeConfig, PepError, publish } from '../../src/pep.ts'
import {
  abortable,
  configured,
  error,
  FEATURES,
  failure,
  form,
  PUBSUB,
  scripted,
  written,
} from './connection.ts'

const NODE = 'urn:xmpp:omemo:2:bundles'
const OPTIONS = FEATURES('auto-create', 'publish-options')
const payload: Element = ns('urn:xmpp:omemo:2')('bundle')
const item = { id: '31415', payload }
const wanted = { access: 'open', persist: true, maxItems: 'max' } as const
const published = `<pubsub xmlns='${PUBSUB}'><publish node='${NODE}'><item id='31415'/></publish></pubsub>`

const asks = (options = ''): string =>
  written(
    `<pubsub xmlns='${PUBSUB}'><publish node='${NODE}'><item id='31415'><bundle xmlns='urn:xmpp:omemo:2'/></item></publish>${
      options && `<publish-options>${options}</publish-options>`
    }</pubsub>`,
  )
const reads = written(`<pubsub xmlns='${PUBSUB}#owner'><configure node='${NODE}'/></pubsub>`)
const sets = (config: NodeConfig): string =>
  written(
    `<pubsub xmlns='${PUBSUB}#owner'><configure node='${NODE}'>${form('submit', 'node_config', config)}</configure></pubsub>`,
  )
const creates = (config = ''): string =>
  written(
    `<pubsub xmlns='${PUBSUB}'><create node='${NODE}'/>${config && `<configure>${config}</configure>`}</pubsub>`,
  )
const created = creates(form('submit', 'node_config', { persist: true, access: 'open', maxItems: 'max' }))
const options = (config: NodeConfig): string => form('submit', 'publish-options', config)
const all = options({ persist: true, access: 'open', maxItems: 'max' })
const access = options({ access: 'open' })
const info = written(`<query xmlns='http://jabber.org/protocol/disco#info'/>`)

const notMet = error('cancel', 'conflict', 'precondition-not-met')
const notMetEjabberd = `<error type='cancel'><precondition-not-met xmlns='${PUBSUB}#errors'/><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
const unknownField = `<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>Unknown field 'pubsub#max_items' of type 'http://jabber.org/protocol/pubsub#publish-options'</text></error>`
const missing = error('cancel', 'item-not-found')
const failed = error('wait', 'internal-server-error')
const refused = error('modify', 'not-acceptable')
const open: NodeConfig = { access: 'open', persist: true, maxItems: 'max', sendLast: 'never' }
const standard: NodeConfig = {
  access: 'presence',
  persist: true,
  maxItems: 1,
  sendLast: 'on_sub_and_presence',
}
const config = (held: NodeConfig): string => configured(NODE, held)

describe('§7.1.5, XEP-0163 §6.1: options, where the account announces them', () => {
  test('two requests, and one when the host knows', async () => {
    const { connection, sent, requests } = scripted(OPTIONS, published, published)
    expect(await publish(connection, NODE, item, wanted)).toEqual({
      id: '31415',
      steps: ['features', 'publish'],
      held: wanted,
      unmet: [],
    })
    expect(requests[0]?.attrs).toMatchObject({ type: 'get', to: 'juliet@capulet.lit' })
    const again = await publish(connection, NODE, item, wanted, { announcesOptions: true })
    expect(again.steps).toEqual(['publish'])
    expect(sent()).toEqual([info, asks(all), asks(all)])
    expect(requests[1]?.attrs).toEqual({ type: 'set', id: requests[1]?.attrs.id })
  })

  test('every field is written as registered (§16.4.4)', async () => {
    const { connection, sent } = scripted(published)
    const config: NodeConfig = { sendLast: 'on_sub', maxItems: 7, access: 'whitelist', persist: false }
    await publish(connection, NODE, item, config, { announcesOptions: true })
    const { access, persist, maxItems, sendLast } = config
    expect(sent()).toEqual([asks(options({ persist, access, maxItems, sendLast }))])
  })

  test('nothing is asked that is not wanted', async () => {
    const { connection, sent } = scripted(published)
    const result = await publish(connection, NODE, item, { access: undefined })
    expect(result).toEqual({ id: '31415', steps: ['publish'], held: { access: undefined }, unmet: [] })
    expect(sent()).toEqual([asks()])
  })
})

describe('the repair ladder', () => {
  // Each row: the answers of a service, and the requests that must come of them.
  test.each<[string, answers: string[], requests: string[], result: object]>([
    [
      'Prosody: the node is as clients make it that want no more than the default',
      [
        OPTIONS,
        notMet,
        config(standard),
        '',
        config({ ...standard, access: 'open', maxItems: 'max' }),
        published,
      ],
      [info, asks(all), reads, sets({ access: 'open', maxItems: 'max' }), reads, asks(access)],
      { steps: ['features', 'publish', 'read', 'configure', 'read', 'publish'], unmet: [] },
    ],
    [
      'ejabberd: the children of the error are the other way round',
      [OPTIONS, notMetEjabberd, config(standard), '', config(open), published],
      [info, asks(all), reads, sets({ access: 'open', maxItems: 'max' }), reads, asks(access)],
      { held: open, unmet: [] },
    ],
    [
      'ejabberd 23.01: options know no `pubsub#max_items`; a new node is made with it',
      [OPTIONS, unknownField, missing, '', config(open), published],
      [info, asks(all), reads, created, reads, asks(access)],
      { steps: ['features', 'publish', 'read', 'create', 'read', 'publish'], held: open, unmet: [] },
    ],
    [
      'ejabberd 23.01: a node that is right already is left alone',
      [OPTIONS, unknownField, config(open), published],
      [info, asks(all), reads, asks(access)],
      { steps: ['features', 'publish', 'read', 'publish'], unmet: [] },
    ],
    [
      'no `max`, as before XEP-0060 1.20: the largest number that is accepted',
      [
        OPTIONS,
        refused,
        config({ ...standard, maxItems: 10 }),
        refused,
        refused,
        '',
        config({ ...open, maxItems: 100 }),
        published,
      ],
      [
        info,
        asks(all),
        reads,
        sets({ access: 'open', maxItems: 'max' }),
        sets({ access: 'open', maxItems: 1000 }),
        sets({ access: 'open', maxItems: 100 }),
        reads,
        asks(access),
      ],
      { held: { ...open, maxItems: 100 }, unmet: ['maxItems'] },
    ],
    [
      'no room to be had: the access model alone, and what is missing is said; 10 items are there and not asked for',
      [
        OPTIONS,
        refused,
        config({ ...standard, maxItems: 10 }),
        refused,
        refused,
        refused,
        '',
        config({ ...standard, access: 'open' }),
        published,
      ],
      [
        info,
        asks(all),
        reads,
        sets({ access: 'open', maxItems: 'max' }),
        sets({ access: 'open', maxItems: 1000 }),
        sets({ access: 'open', maxItems: 100 }),
        sets({ access: 'open' }),
        reads,
        asks(access),
      ],
      { unmet: ['maxItems'] },
    ],
    [
      'no automatic creation (§7.1.4), and no configuration while creating (§8.1.3)',
      [OPTIONS, missing, missing, '', config(standard), '', config(open), published],
      [
        info,
        asks(all),
        reads,
        created,
        reads,
        sets({ access: 'open', maxItems: 'max' }),
        reads,
        asks(access),
      ],
      { unmet: [] },
    ],
    [
      'another client creates the node at the same time',
      [OPTIONS, missing, missing, error('cancel', 'conflict'), config(open), published],
      [info, asks(all), reads, created, reads, asks(access)],
      { unmet: [] },
    ],
    [
      'ejabberd: another client makes the node by publishing at the same time',
      [OPTIONS, failed, config(open), published],
      [info, asks(all), reads, asks(access)],
      { unmet: [] },
    ],
    [
      'ejabberd: another client creates the node at the same time',
      [OPTIONS, unknownField, missing, failed, config(open), published],
      [info, asks(all), reads, created, reads, asks(access)],
      { unmet: [] },
    ],
    [
      'ejabberd: another client configures the node at the same time',
      [OPTIONS, notMetEjabberd, config(standard), failed, config(open), published],
      [info, asks(all), reads, sets({ access: 'open', maxItems: 'max' }), reads, asks(access)],
      { unmet: [] },
    ],
    [
      'the node is refused as wanted, and made in the standard way',
      [OPTIONS, refused, missing, refused, '', config(standard), '', config(open), published],
      [
        info,
        asks(all),
        reads,
        created,
        creates(),
        reads,
        sets({ access: 'open', maxItems: 'max' }),
        reads,
        asks(access),
      ],
      { unmet: [] },
    ],
    [
      'options are not announced: the node is made right before anything is published',
      [FEATURES('publish'), config(standard), '', config(open), published],
      [info, reads, sets({ access: 'open', maxItems: 'max' }), reads, asks()],
      { steps: ['features', 'read', 'configure', 'read', 'publish'], unmet: [] },
    ],
    [
      'no features are told: as if there were none',
      [error('cancel', 'service-unavailable'), config(open), published],
      [info, reads, asks()],
      { unmet: [] },
    ],
  ])('%s', async (_, answers, requests, result) => {
    const { connection, sent } = scripted(...answers)
    expect(await publish(connection, NODE, item, wanted)).toMatchObject({ id: '31415', ...result })
    expect(sent()).toEqual(requests)
    expect(requests.length).toBeLessThanOrEqual(MAX_PUBLISH_REQUESTS)
  })

  test.each([
    ['Prosody: max_items: out of bounds', error('modify', 'bad-request')],
    ['as for any form (XEP-0060 §6.3.6.2)', error('modify', 'bad-request', 'invalid-options')],
    ['more than it keeps', error('modify', 'not-acceptable')],
    ['ejabberd', error('wait', 'resource-constraint')],
  ])('options are refused: %s', async (_, refusal) => {
    const { connection, sent } = scripted(refusal, config(open), published)
    await publish(connection, NODE, item, wanted, { announcesOptions: true })
    expect(sent()).toEqual([asks(all), reads, asks(access)])
  })

  test('a number that is too big is lowered, not raised or given up', async () => {
    const { connection, sent } = scripted(
      config(standard),
      refused,
      '',
      config({ ...open, maxItems: 100 }),
      published,
    )
    const result = await publish(
      connection,
      NODE,
      item,
      { access: 'open', maxItems: 500 },
      { announcesOptions: false },
    )
    expect(result.unmet).toEqual(['maxItems'])
    expect(sent().slice(1, 3)).toEqual([
      sets({ access: 'open', maxItems: 500 }),
      sets({ access: 'open', maxItems: 100 }),
    ])
  })

  test('room that others have asked for is not taken away', async () => {
    const { connection, sent } = scripted(config({ ...open, maxItems: 50 }), published)
    await publish(connection, NODE, item, { access: 'open', maxItems: 1 }, { announcesOptions: false })
    expect(sent()).toEqual([reads, asks()])
  })

  test('a node without demands is created where the service does not', async () => {
    const { connection, sent } = scripted(missing, missing, '', config(standard), published)
    expect((await publish(connection, NODE, item, {})).held).toEqual(standard)
    expect(sent()).toEqual([asks(), reads, creates(), reads, asks()])
  })

  test('without demands, a refusal to create is not asked for twice', async () => {
    const { connection, sent } = scripted(missing, missing, refused)
    expect(await failure(publish(connection, NODE, item, { access: undefined }))).toBe('refused')
    expect(sent()).toEqual([asks(), reads, creates()])
  })

  test.each([
    ['refused', refused],
    ['refused', unknownField],
    ['unavailable', failed],
  ])('without demands there is nothing to repair: %s', async (code, answer) => {
    const { connection, sent } = scripted(answer)
    expect(await failure(publish(connection, NODE, item, {}))).toBe(code)
    expect(sent()).toEqual([asks()])
  })

  test('a service that refuses all it can takes the most requests', async () => {
    const { connection, sent } = scripted(
      ...[OPTIONS, refused, missing, refused, '', config({})],
      ...[refused, refused, refused, refused, '', config({ access: 'open' }), published],
    )
    const result = await publish(connection, NODE, item, wanted)
    expect(result.unmet).toEqual(['persist', 'maxItems'])
    expect(sent().length).toBe(MAX_PUBLISH_REQUESTS)
    expect(result.steps.length).toBe(MAX_PUBLISH_REQUESTS)
  })
})

describe('the access model is right, or nothing is published', () => {
  const secret = { access: 'whitelist', persist: true } as const
  const isPublish = (xml: string) => xml.includes('<publish ')

  test.each<[string, answers: string[], found: NodeConfig | undefined, attempts: number]>([
    [
      'the service says done and does nothing',
      [OPTIONS, notMet, config(standard), '', config(standard)],
      standard,
      1,
    ],
    ['the service refuses it', [OPTIONS, notMet, config(standard), refused], standard, 1],
    ['without options, and the service refuses it', [FEATURES(), config(standard), refused], standard, 0],
    [
      'without options, and creating ignores it',
      [FEATURES(), missing, '', config(standard), refused],
      standard,
      0,
    ],
    [
      'the form does not tell',
      [FEATURES(), config({ persist: true }), '', config({ persist: true })],
      { persist: true },
      0,
    ],
    [
      'another client changes it back at once',
      [OPTIONS, notMet, config(standard), '', config({ ...standard, access: 'whitelist' }), notMet],
      { ...standard, access: 'whitelist' },
      2,
    ],
  ])('%s', async (_, answers, found, attempts) => {
    const { connection, sent } = scripted(...answers)
    const outcome = await publish(connection, NODE, item, secret).catch((error: unknown) => error)
    expect(outcome).toBeInstanceOf(PepError)
    expect(outcome).toMatchObject({ code: 'precondition-not-met', found })
    expect(sent().length).toBe(answers.length)
    expect(sent().filter(isPublish).length).toBe(attempts)
    // All attempts had the condition.
    for (const xml of sent().filter(isPublish)) expect(xml).toContain('<value>whitelist</value>')
    expect(sent().some((xml) => xml.includes('<delete'))).toBe(false)
  })

  test('the message says both models', async () => {
    const { connection } = scripted(config(standard), refused, refused)
    const outcome = publish(connection, NODE, item, secret, { announcesOptions: false })
    const models = 'to be whitelist, and was presence when last read'
    await expect(outcome).rejects.toThrow(
      `pep: ${NODE} of juliet@capulet.lit: the access model was ${models}`,
    )
  })

  test.each<[string, answers: string[], code: string]>([
    [
      'the configuration cannot be read',
      [FEATURES(), error('cancel', 'feature-not-implemented', 'unsupported', 'config-node')],
      'not-supported',
    ],
    ['it may not be read', [FEATURES(), error('auth', 'forbidden')], 'forbidden'],
    [
      'there is no PEP',
      [error('cancel', 'service-unavailable'), error('cancel', 'service-unavailable')],
      'not-supported',
    ],
    [
      'configuring is forbidden',
      [OPTIONS, notMet, config(standard), error('auth', 'forbidden')],
      'forbidden',
    ],
    [
      'nodes cannot be created',
      [OPTIONS, missing, missing, error('cancel', 'feature-not-implemented', 'unsupported', 'create-nodes')],
      'not-supported',
    ],
    ['creating is refused twice', [OPTIONS, missing, missing, refused, refused], 'refused'],
    ['the server fails again and again', [OPTIONS, failed, failed], 'unavailable'],
    ['the server fails to create it', [OPTIONS, missing, missing, failed, missing], 'unavailable'],
    ['the node is gone again', [OPTIONS, missing, missing, '', missing], 'not-found'],
    [
      'the configuration is no form',
      [FEATURES(), `<pubsub xmlns='${PUBSUB}#owner'><configure node='${NODE}'/></pubsub>`],
      'malformed',
    ],
  ])('%s', async (_, answers, code) => {
    const { connection, sent } = scripted(...answers)
    expect(await failure(publish(connection, NODE, item, secret))).toBe(code)
    expect(sent().length).toBe(answers.length)
  })

  test.each([
    ['modify', 'not-acceptable', 'payload-too-big'],
    ['modify', 'bad-request', 'invalid-payload'],
    ['auth', 'forbidden', ''],
    ['cancel', 'conflict', 'node-full'],
    ['modify', 'policy-violation', ''],
  ])('§7.1.3: %s/%s %s has nothing to do with the configuration', async (type, condition, detail) => {
    const { connection, sent } = scripted(OPTIONS, error(type, condition, detail))
    expect(await failure(publish(connection, NODE, item, secret))).toBe(
      condition === 'forbidden' ? condition : 'refused',
    )
    expect(sent().length).toBe(2)
  })
})

describe('§7.1.2: the ID of the item', () => {
  const longest = 'x'.repeat(MAX_NODE_NAME)
  const answer = (children: string) =>
    `<pubsub xmlns='${PUBSUB}'><publish node='${NODE}'>${children}</publish></pubsub>`

  test.each<[string, id: string | undefined, answer: string, expected: string | undefined]>([
    ['given, and not repeated', '31415', '', '31415'],
    ['given, and repeated', '31415', answer(`<item id='31415'/>`), '31415'],
    ['given, and changed', '31415', answer(`<item id='other'/>`), 'other'],
    [
      'made up',
      undefined,
      answer(`<item id='ae890ac52d0df67ed7cfdf51b644e901'/>`),
      'ae890ac52d0df67ed7cfdf51b644e901',
    ],
    ['made up and kept secret', undefined, answer(''), undefined],
    ['as long as may be', undefined, answer(`<item id='${longest}'/>`), longest],
  ])('%s', async (_, id, reply, expected) => {
    const { connection, sent } = scripted(reply)
    expect((await publish(connection, NODE, { id, payload }, {})).id).toBe(expected)
    expect(sent()[0]?.includes('<item id=')).toBe(id !== undefined)
  })

  test('too long', async () => {
    const { connection } = scripted(answer(`<item id='${longest}x'/>`))
    expect(await failure(publish(connection, NODE, { payload }, {}))).toBe('malformed')
  })
})

describe('faults at each step', () => {
  const answers = [
    OPTIONS,
    refused,
    missing,
    refused,
    '',
    config({ ...standard, maxItems: 10 }),
    refused,
    refused,
    '',
    config(open),
    published,
  ]
  const steps = answers.map((_, i) => i)

  test('the ladder of this section works without them', async () => {
    const { connection } = scripted(...answers)
    const { steps } = await publish(connection, NODE, item, wanted)
    expect(steps).toEqual([
      ...['features', 'publish', 'read', 'create', 'create', 'read'],
      ...['configure', 'configure', 'configure', 'read', 'publish'],
    ])
  })

  /** Until the ladder waits for an answer that does not come. */
  const settled = async (requests: readonly unknown[], count: number) => {
    for (let turn = 0; turn < 500 && requests.length < count; turn++) await Promise.resolve()
    expect(requests.length).toBe(count)
  }

  test.each(steps)('the session is lost after request %i', async (i) => {
    const service = scripted(...answers.slice(0, i))
    const outcome = failure(publish(service.connection, NODE, item, wanted))
    await settled(service.requests, i + 1)
    service.lose()
    expect(await outcome).toBe('lost')
    expect(service.requests.length).toBe(i + 1)
    expect(service.listeners.size).toBe(0)
  })

  test.each(steps)('no answer to request %i', async (i) => {
    const service = scripted(...answers.slice(0, i))
    const outcome = failure(publish(service.connection, NODE, item, wanted))
    await settled(service.requests, i + 1)
    service.elapse()
    expect(await outcome).toBe('timeout')
    expect(service.requests.length).toBe(i + 1)
  })

  test.each(steps)('aborted while waiting for answer %i', async (i) => {
    const service = scripted(...answers.slice(0, i))
    const signal = abortable()
    const outcome = failure(publish(service.connection, NODE, item, wanted, { signal }))
    await settled(service.requests, i + 1)
    signal.abort()
    expect(await outcome).toBe('aborted')
    expect(service.requests.length).toBe(i + 1)
  })

  test('aborted before', async () => {
    const service = scripted(...answers)
    const signal = abortable()
    signal.abort()
    expect(await failure(publish(service.connection, NODE, item, wanted, { signal }))).toBe('aborted')
    expect(service.requests).toEqual([])
  })
})

test('bad arguments are refused before anything is sent', async () => {
  const { connection, requests } = scripted()
  for (const maxItems of [0, -1, 1.5, Number.NaN, 2 ** 32])
    expect(await failure(publish(connection, NODE, item, { maxItems }))).toBeInstanceOf(RangeError)
  const wrong: Record<string, unknown>[] = [
    { access: 'opne' },
    { access: '' },
    { persist: 'true' },
    { maxItems: 'all' },
    { maxItems: '7' },
    { sendLast: 'always' },
  ]
  for (const config of wrong) {
    const outcome = await failure(publish(connection, NODE, item, config))
    expect(outcome).toBeInstanceOf(RangeError)
    expect(String(outcome)).toMatch(new RegExp(`: ${Object.keys(config)[0]}: expected `))
  }
  for (const node of ['', 'x'.repeat(1025)])
    expect(await failure(publish(connection, node, item, {}))).toBeInstanceOf(RangeError)
  expect(await failure(publish(connection, NODE, { id: '', payload }, {}))).toBeInstanceOf(RangeError)
  expect(requests).toEqual([])
})

test('the largest number and the longest name are fine', async () => {
  const { connection, sent } = scripted('')
  await publish(connection, 'x'.repeat(1024), item, { maxItems: 2 ** 32 - 1 }, { announcesOptions: true })
  expect(sent()[0]).toContain('<value>4294967295</value>')
})
