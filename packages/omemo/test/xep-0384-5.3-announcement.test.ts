/** Being found: bundles and lists of both namespaces on services that differ, among siblings, and with failures. */
import { configuration, configure, createNode, deleteNode, fetchItems, publish } from '@xmpp-e2e/disco/pep'
import { memoryStore } from '@xmpp-e2e/store'
import { ejabberd, modern, prosody, type TestService } from '@xmpp-e2e/testkit'
import { child, type Element, element, elements, equal } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { run } from '../src/curve.ts'
import { announce } from '../src/device/announcement.ts'
import { encodeDevice } from '../src/device/own-device.ts'
import { MAX_REANNOUNCEMENTS, REANNOUNCE_JITTER_MS, REANNOUNCE_WINDOW_MS } from '../src/device/own-events.ts'
import { fingerprint } from '../src/identity-key.ts'
import {
  type Bundle,
  bundles,
  currentItem,
  type DeviceList,
  deviceLists,
  type Namespace,
  omemo2,
  protocols,
  TARGET_PRE_KEYS,
  verifiedLabel,
  verifyBundle,
} from '../src/primitives.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { deviceAccount, fastCurve } from './device-account.ts'
import { world } from './world.ts'

const BOTH = [OMEMO_2, AXOLOTL] as const
const fast = { curve: fastCurve }

/** Somebody who shares nothing with juliet. */
function stranger(service: TestService) {
  const { connection } = service.connect('stranger@elsewhere.example', { resource: 'x' })
  return connection
}

async function listOf(service: TestService, name: string, namespace: Namespace): Promise<DeviceList> {
  const owner = service.account(name)
  const items = await fetchItems(stranger(service), deviceLists[namespace].node, { owner })
  const item = currentItem(items.map((item) => ({ ...item, id: item.id ?? '' })))
  return item?.payload ? deviceLists[namespace].decode(item.payload) : []
}

async function bundleOf(
  service: TestService,
  name: string,
  namespace: Namespace,
  id: number,
): Promise<Bundle | undefined> {
  const { node } = bundles[namespace].location(id)
  const items = await fetchItems(stranger(service), node, { owner: service.account(name) }).catch(() => [])
  const item = bundles[namespace].itemOf(
    items.map((item) => ({ ...item, id: item.id ?? '' })),
    id,
  )
  return item?.payload && bundles[namespace].decode(item.payload)
}

const idsOf = (devices: DeviceList) => devices.map(({ id }) => id)

/** How many items were published in all. */
const publications = ({ transcript }: TestService) =>
  transcript.filter(
    (entry) => entry.kind === 'stanza' && entry.direction === 'sent' && publishedNode(entry.stanza),
  ).length

function publishedNode(stanza: Element): string | undefined {
  const pubsub = child(stanza, 'pubsub', 'http://jabber.org/protocol/pubsub')
  return pubsub && child(pubsub, 'publish')?.attrs.node
}

describe.each([modern, prosody, ejabberd])('on $name', (quirks) => {
  test('strangers can read both lists and both bundles of two devices', async () => {
    const { service, device } = world({ quirks })
    const devices = [await device('juliet'), await device('juliet')]
    await service.advance(REANNOUNCE_JITTER_MS)
    for (const namespace of BOTH) {
      const ids = devices.map(({ omemo }) => omemo.deviceId)
      expect(idsOf(await listOf(service, 'juliet', namespace))).toEqual(ids)
      for (const { omemo } of devices) {
        const bundle = await bundleOf(service, 'juliet', namespace, omemo.deviceId)
        const { identityKey, preKeys } = run(verifyBundle(protocols[namespace], bundle as Bundle))
        expect(fingerprint(identityKey)).toBe(omemo.fingerprint)
        expect(preKeys.map(({ id }) => id)).toEqual(Array.from({ length: TARGET_PRE_KEYS }, (_, i) => i + 1))
      }
    }
    expect(devices[0]?.events.filter(({ kind }) => kind === 'devices-changed')).toEqual([
      {
        kind: 'devices-changed',
        jid: 'juliet@capulet.example',
        added: [devices[1]?.omemo.deviceId],
        removed: [],
      },
    ])
  })

  test('what is there is not published again', async () => {
    const { service, device } = world({ quirks })
    const { omemo } = await device('juliet', fast)
    const before = publications(service)
    await service.finish(omemo.start())
    await service.advance(REANNOUNCE_JITTER_MS)
    expect([before, publications(service) - before]).toEqual([publications(service), 0])
  })

  test.each(['presence', 'whitelist'] as const)(
    'nodes that are there with access %s are opened',
    async (access) => {
      const { service, device } = world({ quirks })
      const { connection } = service.connect('juliet', { resource: 'other' })
      for (const namespace of BOTH) {
        await createNode(connection, deviceLists[namespace].node, { access })
        await publish(connection, deviceLists[namespace].node, {
          id: 'current',
          payload: deviceLists[namespace].encode([{ id: 7 }]),
        })
      }
      await createNode(connection, bundles[OMEMO_2].location(1).node, { access, maxItems: 1 })
      const { omemo } = await device('juliet', fast)
      for (const namespace of BOTH) {
        expect(idsOf(await listOf(service, 'juliet', namespace))).toEqual([7, omemo.deviceId])
        expect(await bundleOf(service, 'juliet', namespace, omemo.deviceId)).toBeDefined()
      }
      const { maxItems } = await configuration(connection, bundles[OMEMO_2].location(1).node)
      expect(maxItems === 'max' || Number(maxItems) >= 10).toBe(true)
    },
  )

  test('an access model that is changed under what is published is mended by the next session', async () => {
    const { service, device } = world({ quirks })
    const { omemo, client } = await device('juliet', fast)
    const nodes = BOTH.flatMap((namespace) => [
      deviceLists[namespace].node,
      bundles[namespace].location(omemo.deviceId).node,
    ])
    for (const node of nodes) await configure(client.connection, node, { access: 'whitelist' })
    await service.finish(omemo.start())
    for (const node of nodes) expect((await configuration(client.connection, node)).access).toBe('open')
    // A node that keeps one item would lose the bundles of siblings.
    const { node } = bundles[OMEMO_2].location(omemo.deviceId)
    await configure(client.connection, node, { maxItems: 1 })
    await service.finish(omemo.start())
    expect((await configuration(client.connection, node)).maxItems).not.toBe(1)
  })
})

test('an access model that is said to have changed is mended at once', async () => {
  const { service, device } = world()
  const { client } = await device('juliet', fast)
  const { node } = deviceLists[OMEMO_2]
  const owner = (children: Element[]) =>
    element('jabber:client', 'iq', { type: 'set' }, [
      element('http://jabber.org/protocol/pubsub#owner', 'pubsub', {}, children),
    ])
  const form = [
    field('FORM_TYPE', 'http://jabber.org/protocol/pubsub#node_config'),
    field('pubsub#notify_config', '1'),
    field('pubsub#access_model', 'whitelist'),
  ]
  const submitted = element('jabber:x:data', 'x', { type: 'submit' }, form)
  await client.connection.request(
    owner([element('http://jabber.org/protocol/pubsub#owner', 'configure', { node }, [submitted])]),
  )
  await service.settle()
  expect((await configuration(client.connection, node)).access).toBe('whitelist')
  await service.advance(REANNOUNCE_JITTER_MS)
  expect((await configuration(client.connection, node)).access).toBe('open')
})

function field(name: string, value: string): Element {
  return element('jabber:x:data', 'field', { var: name }, [element('jabber:x:data', 'value', {}, value)])
}

describe('siblings', () => {
  test('are kept, with labels and signatures as they were written', async () => {
    const { service, device } = world()
    const { connection } = service.connect('juliet', { resource: 'other' })
    const label = { label: 'Ph\u00f6ne \u202e \u{1F4F1}', labelsig: btoa('x'.repeat(64)) }
    const sibling = element('urn:xmpp:omemo:2', 'device', { id: 4294967295, ...label })
    const payload = element('urn:xmpp:omemo:2', 'devices', {}, [sibling])
    await publish(connection, deviceLists[OMEMO_2].node, { id: 'current', payload }, { access: 'open' })
    await device('juliet', fast)
    const [item] = await fetchItems(connection, deviceLists[OMEMO_2].node)
    expect(equal(elements(item?.payload as Element)[0] as Element, sibling)).toBe(true)
    expect(elements(item?.payload as Element)).toHaveLength(2)
  })

  test('a node with 187 items of other ids: the last one counts, and the item is current from then on', async () => {
    const { service, device } = world()
    const { connection } = service.connect('juliet', { resource: 'other' })
    const { node, encode } = deviceLists[AXOLOTL]
    await createNode(connection, node, { access: 'open', maxItems: 1000 })
    for (let i = 1; i <= 187; i++)
      await publish(connection, node, { id: `item-${i}`, payload: encode([{ id: i }, { id: 1000 + i }]) })
    const { omemo } = await device('juliet', fast)
    expect(idsOf(await listOf(service, 'juliet', AXOLOTL))).toEqual([187, 1187, omemo.deviceId])
    const items = await fetchItems(connection, node)
    expect(items).toHaveLength(188)
    expect(items.filter(({ id }) => id === 'current')).toHaveLength(1)
  })

  test('two devices that announce themselves at once are both in both lists, a hundred times', async () => {
    for (let seed = 0; seed < 100; seed++) {
      const { service, device } = world({ seed })
      const both = [
        await device('juliet', { ...fast, isStarted: false }),
        await device('juliet', { ...fast, isStarted: false }),
      ]
      await service.finish(Promise.all(both.map(({ omemo }) => omemo.start())))
      await service.advance(10 * REANNOUNCE_JITTER_MS)
      const ids = both.map(({ omemo }) => omemo.deviceId).sort()
      for (const namespace of BOTH)
        expect(idsOf(await listOf(service, 'juliet', namespace)).sort(), `seed ${seed}`).toEqual(ids)
    }
  })
})

describe('a list without this device', () => {
  const emptied = (service: TestService, resource = 'other') => {
    const { connection } = service.connect('juliet', { resource })
    return async (namespace: Namespace) => {
      const { node, encode } = deviceLists[namespace]
      await publish(connection, node, { id: 'current', payload: encode([{ id: 7 }]) })
    }
  }

  test('gets it back after a while, beside those that are there', async () => {
    const { service, device } = world()
    const { omemo } = await device('juliet', fast)
    const empty = emptied(service)
    await empty(AXOLOTL)
    await service.settle()
    expect(idsOf(await listOf(service, 'juliet', AXOLOTL))).toEqual([7])
    await service.advance(REANNOUNCE_JITTER_MS)
    expect(idsOf(await listOf(service, 'juliet', AXOLOTL))).toEqual([7, omemo.deviceId])
    expect(idsOf(await listOf(service, 'juliet', OMEMO_2))).toEqual([omemo.deviceId])
  })

  test.each(['deleted', 'purged', 'retracted'] as const)('that is gone is made anew: %s', async (how) => {
    const { service, device } = world()
    const { omemo, client } = await device('juliet', fast)
    const { node } = deviceLists[OMEMO_2]
    if (how === 'deleted') await deleteNode(client.connection, node)
    else await client.connection.request(removal(how, node))
    await service.advance(REANNOUNCE_JITTER_MS)
    expect(idsOf(await listOf(service, 'juliet', OMEMO_2))).toEqual([omemo.deviceId])
  })

  test('and a client that takes it out each time: they do not go on for ever', async () => {
    const { service, device } = world()
    await device('juliet', fast)
    const empty = emptied(service)
    const before = publications(service)
    for (let round = 1; round <= 5 * MAX_REANNOUNCEMENTS; round++) {
      await empty(OMEMO_2)
      await service.advance(REANNOUNCE_JITTER_MS)
    }
    expect(publications(service) - before).toBe(5 * MAX_REANNOUNCEMENTS + MAX_REANNOUNCEMENTS)
    // An hour later it is allowed again.
    await service.advance(REANNOUNCE_WINDOW_MS)
    await empty(OMEMO_2)
    await service.advance(REANNOUNCE_JITTER_MS)
    expect(idsOf(await listOf(service, 'juliet', OMEMO_2))).toHaveLength(2)
  })
})

function removal(how: 'purged' | 'retracted', node: string): Element {
  const ns = 'http://jabber.org/protocol/pubsub'
  const pubsub =
    how === 'purged'
      ? element(`${ns}#owner`, 'pubsub', {}, [element(`${ns}#owner`, 'purge', { node })])
      : element(ns, 'pubsub', {}, [
          element(ns, 'retract', { node, notify: 'true' }, [element(ns, 'item', { id: 'current' })]),
        ])
  return element('jabber:client', 'iq', { type: 'set' }, [pubsub])
}

describe('what fails', () => {
  test('an unreadable list is left alone, and the other namespace goes on', async () => {
    const { service, device } = world()
    const { connection } = service.connect('juliet', { resource: 'other' })
    const payload = element('urn:example:other', 'list')
    await publish(connection, deviceLists[OMEMO_2].node, { id: 'current', payload }, { access: 'open' })
    const { omemo } = await device('juliet', { ...fast, isStarted: false })
    await expect(service.finish(omemo.start())).rejects.toMatchObject({ code: 'device-list-malformed' })
    expect((await fetchItems(connection, deviceLists[OMEMO_2].node))[0]?.payload?.ns).toBe(
      'urn:example:other',
    )
    expect(idsOf(await listOf(service, 'juliet', AXOLOTL))).toEqual([omemo.deviceId])
  })

  test.each(BOTH)('%s cannot be published: the other one is, and the error is told', async (namespace) => {
    const { service, device } = world()
    const { omemo } = await device('juliet', { ...fast, isStarted: false })
    const stop = service.fault({
      fault: { kind: 'error', condition: 'internal-server-error' },
      direction: 'sent',
      match: (stanza) => publishedNode(stanza)?.startsWith(namespace) === true,
    })
    await expect(service.finish(omemo.start())).rejects.toMatchObject({ name: 'PepError' })
    const other = namespace === OMEMO_2 ? AXOLOTL : OMEMO_2
    expect(idsOf(await listOf(service, 'juliet', other))).toEqual([omemo.deviceId])
    stop()
    await service.finish(omemo.start())
    for (const each of BOTH) expect(idsOf(await listOf(service, 'juliet', each))).toEqual([omemo.deviceId])
  })

  test('a list is never published before the bundle', async () => {
    const { service, device } = world()
    await device('juliet', fast)
    const nodes = service.transcript.flatMap((entry) =>
      entry.kind === 'stanza' && entry.direction === 'sent' ? (publishedNode(entry.stanza) ?? []) : [],
    )
    for (const namespace of BOTH) {
      const own = nodes.filter((node) => node.startsWith(namespace))
      expect(own.at(-1)).toBe(deviceLists[namespace].node)
      expect(own.at(0)).not.toBe(deviceLists[namespace].node)
    }
  })
})

describe('ids', () => {
  test('one that is in a list already is drawn anew before it is published', async () => {
    const { service, device } = world()
    const { omemo } = await device('juliet', { ...fast, isStarted: false })
    const { deviceId: drawn } = omemo
    const { connection } = service.connect('juliet', { resource: 'other' })
    const { node, encode } = deviceLists[AXOLOTL]
    await publish(connection, node, { id: 'current', payload: encode([{ id: drawn }]) }, { access: 'open' })
    await service.finish(omemo.start())
    expect(omemo.deviceId).not.toBe(drawn)
    expect(idsOf(await listOf(service, 'juliet', AXOLOTL))).toEqual([drawn, omemo.deviceId])
    expect(idsOf(await listOf(service, 'juliet', OMEMO_2))).toEqual([omemo.deviceId])
  })

  test('two tabs that open one store at once are one device, and announce it at once', async () => {
    const { service, device } = world()
    const store = memoryStore()
    const tabs = await Promise.all([1, 2].map(() => device('juliet', { ...fast, store, isStarted: false })))
    const [one, other] = tabs.map(({ omemo }) => omemo)
    expect(one?.fingerprint).toBe(other?.fingerprint)
    await service.finish(Promise.all(tabs.map(({ omemo }) => omemo.start())))
    expect(one?.deviceId).toBe(other?.deviceId)
    for (const namespace of BOTH)
      expect(idsOf(await listOf(service, 'juliet', namespace))).toEqual([one?.deviceId])
    expect(tabs.flatMap(({ events }) => events.filter(({ kind }) => kind !== 'progress'))).toEqual([])
  })

  test('another store with the same identity and id, and a bundle of somebody else under our id', async () => {
    const { service, device } = world()
    const { omemo, events, client } = await device('juliet', fast)
    const { account: other } = await deviceAccount(service, 'juliet', { resource: 'other' })
    other.adopt({ ...other.self, deviceId: omemo.deviceId, announced: true })
    await other.store.commit([], {
      put: [['device', encodeDevice(other.self)]],
    })
    await service.finish(announce(other, {}))
    await service.finish(omemo.start())
    expect(events.filter(({ kind }) => kind === 'cloned')).toHaveLength(1)
    const { identityKey } = (await bundleOf(service, 'juliet', OMEMO_2, omemo.deviceId)) as Bundle
    expect(fingerprint(omemo2.readIdentity(identityKey))).toBe(omemo.fingerprint)
    // They do not go on for ever.
    for (let round = 0; round < 5; round++) {
      await service.finish(announce(other, {}))
      await service.finish(omemo.start())
    }
    const last = publications(service)
    await service.finish(announce(other, {}))
    await service.finish(omemo.start())
    expect(publications(service)).toBe(last)
    expect(client.online).toBe(true)
  })
})

describe('progress', () => {
  test('two hundred prekeys are made in pieces, and told', async () => {
    const { service } = world()
    const { account, progress } = await deviceAccount(service, 'juliet')
    await service.finish(announce(account, {}))
    const told = progress.flatMap((event) => (event.kind === 'progress' ? [[event.done, event.total]] : []))
    expect(told[0]).toEqual([20, 200])
    expect(told.at(-1)).toEqual([200, 200])
    expect(told).toHaveLength(10)
  })

  test('it can be stopped, and started again', async () => {
    const { service } = world()
    const { account } = await deviceAccount(service, 'juliet')
    const stop = new AbortController()
    const going = announce(
      { ...account, emit: () => stop.abort(new Error('enough')), adopt: account.adopt },
      { signal: stop.signal },
    )
    await expect(service.finish(going)).rejects.toThrow('enough')
    expect(publications(service)).toBe(0)
    await service.finish(announce(account, {}))
    expect(idsOf(await listOf(service, 'juliet', AXOLOTL))).toEqual([account.self.deviceId])
  })
})

test('a label is signed, and in the omemo:2 list alone', async () => {
  const { service, device } = world()
  const { omemo } = await device('juliet', { ...fast, label: 'Phone' })
  const [entry] = await listOf(service, 'juliet', OMEMO_2)
  const bundle = (await bundleOf(service, 'juliet', OMEMO_2, omemo.deviceId)) as Bundle
  const identityKey = omemo2.readIdentity(bundle.identityKey)
  expect(entry && run(verifiedLabel(identityKey, entry))).toBe('Phone')
  expect(await listOf(service, 'juliet', AXOLOTL)).toEqual([{ id: omemo.deviceId }])
})
