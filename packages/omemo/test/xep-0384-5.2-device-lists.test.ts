/** Device lists of contacts: read when they are needed, kept when they cannot be, told when they change. */
import { createNode, deleteNode, publish } from '@xmpp-e2e/disco/pep'
import { modern, prosody, type TestService, testService } from '@xmpp-e2e/testkit'
import { type BareJid, bare, type Connection, type Element, element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { change } from '../src/account.ts'
import { ASK_TIMEOUT_MS, ASKED_AT_ONCE } from '../src/device/asking.ts'
import { activeDevices, encodeContact, readContacts, withIdentity } from '../src/device/contact.ts'
import { LIST_FRESH_MS, LIST_RETRY_MS, onListEvent, refreshLists } from '../src/device/device-lists.ts'
import { type Device, deviceLists, type Namespace } from '../src/primitives.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { type DeviceAccount, deviceAccount } from './device-account.ts'

const BOTH = [OMEMO_2, AXOLOTL] as const

async function scene(options: Parameters<typeof testService>[0] = {}) {
  const service = testService(options)
  const romeo = service.connect('romeo', { resource: 'phone' })
  const juliet = await deviceAccount(service, 'juliet')
  const jid = service.account('romeo')
  const put = (namespace: Namespace, devices: readonly Device[]) =>
    publish(
      romeo.connection,
      deviceLists[namespace].node,
      { id: 'current', payload: deviceLists[namespace].encode(devices) },
      { access: 'open' },
    )
  return { service, romeo, juliet, jid, put }
}

const contactOf = async ({ account }: DeviceAccount, jid: BareJid) =>
  change(account, [], async (_, reader) => ({ result: (await readContacts(reader, [jid]))[0]! }))

const activeOf = async (juliet: DeviceAccount, jid: BareJid) =>
  activeDevices(await contactOf(juliet, jid)).map(({ id, namespaces }) => [id, namespaces])

/** Requests that juliet has made for lists. */
function requests({ transcript }: TestService): number {
  return transcript.filter(
    (entry) =>
      entry.kind === 'stanza' &&
      entry.direction === 'sent' &&
      entry.client.startsWith('juliet') &&
      entry.stanza.attrs.type === 'get',
  ).length
}

const listRequest = (namespace: Namespace) => (stanza: Element) =>
  JSON.stringify(stanza.children).includes(`"${deviceLists[namespace].node}"`)

describe('reading', () => {
  test('both lists, the devices of omemo:2 first, each once', async () => {
    const { service, juliet, jid, put } = await scene()
    await put(AXOLOTL, [{ id: 1 }, { id: 2 }])
    await put(OMEMO_2, [{ id: 2 }, { id: 3 }])
    expect(await service.finish(refreshLists(juliet.account, [jid, jid], {}))).toEqual(new Map())
    expect(await activeOf(juliet, jid)).toEqual([
      [2, [OMEMO_2, AXOLOTL]],
      [3, [OMEMO_2]],
      [1, [AXOLOTL]],
    ])
    expect(juliet.events).toEqual([])
    expect(
      juliet.progress.map((event) => event.kind === 'progress' && [event.work, event.done, event.total]),
    ).toEqual([
      ['device-lists', 1, 2],
      ['device-lists', 2, 2],
    ])
  })

  test('an hour later again, and with `fresh` at once', async () => {
    const { service, juliet, jid } = await scene()
    const refresh = (fresh = false) => service.finish(refreshLists(juliet.account, [jid], { fresh }))
    const counts: number[] = []
    for (const wait of [0, 0, LIST_FRESH_MS - 1, 1]) {
      await service.advance(wait)
      await refresh()
      counts.push(requests(service))
    }
    await refresh(true)
    expect([...counts, requests(service)]).toEqual([2, 2, 2, 4, 6])
  })

  test('of a namespace that is not spoken nothing is read', async () => {
    const { service, jid, put } = await scene()
    await put(AXOLOTL, [{ id: 1 }])
    const juliet = await deviceAccount(service, 'juliet', { namespaces: [OMEMO_2] })
    await service.finish(refreshLists(juliet.account, [jid], {}))
    expect([requests(service), await activeOf(juliet, jid)]).toEqual([1, []])
  })

  test('the own account as others', async () => {
    const { service, juliet } = await scene()
    await publish(juliet.client.connection, deviceLists[AXOLOTL].node, {
      id: 'current',
      payload: deviceLists[AXOLOTL].encode([{ id: 7 }]),
    })
    expect(await service.finish(refreshLists(juliet.account, [juliet.account.jid], {}))).toEqual(new Map())
    expect(await activeOf(juliet, juliet.account.jid)).toEqual([[7, [AXOLOTL]]])
  })

  test(`a room of forty: ${ASKED_AT_ONCE} requests at a time`, async () => {
    const service = testService()
    const [open, most] = [{ count: 0 }, { count: 0 }]
    const counted = (connection: Connection): Connection => ({
      ...connection,
      get jid() {
        return connection.jid
      },
      async request(iq, options) {
        most.count = Math.max(most.count, ++open.count)
        return connection.request(iq, options).finally(() => open.count--)
      },
    })
    const { account } = await deviceAccount(service, 'juliet', { connection: counted })
    const jids = Array.from({ length: 40 }, (_, i) => service.account(`member-${i}`))
    await service.finish(refreshLists(account, jids, {}))
    expect([most.count, requests(service)]).toEqual([ASKED_AT_ONCE, 80])
  })

  test('stopping', async () => {
    const { service, juliet, jid } = await scene()
    const stop = new AbortController()
    service.fault({ fault: { kind: 'drop' }, client: 'juliet' })
    const going = refreshLists(juliet.account, [jid], { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(service.finish(going)).rejects.toThrow('enough')
  })
})

describe('row 30: a list that cannot be read', () => {
  const failures = {
    forbidden: { kind: 'error', condition: 'forbidden' },
    unavailable: { kind: 'error', condition: 'remote-server-timeout' },
    silent: { kind: 'drop' },
    malformed: {
      kind: 'tamper',
      change: (stanza: Element) => ({ ...stanza, children: [element('urn:example', 'odd')] }),
    },
  } as const

  for (const [name, fault] of Object.entries(failures)) {
    const direction = fault.kind === 'tamper' ? 'received' : 'sent'
    const code = name === 'malformed' ? 'device-list-malformed' : 'devices-unavailable'
    const failing = (service: TestService, namespaces: readonly Namespace[]) =>
      service.fault({
        fault,
        direction,
        client: 'juliet',
        match: (stanza) =>
          direction === 'received'
            ? stanza.attrs.type === 'result'
            : namespaces.some((ns) => listRequest(ns)(stanza)),
      })

    test(`${name}, and nothing is known`, async () => {
      const { service, juliet, jid, put } = await scene()
      for (const namespace of BOTH) await put(namespace, [{ id: 1 }])
      failing(service, BOTH)
      expect(await service.finish(refreshLists(juliet.account, [jid], {}))).toEqual(new Map([[jid, code]]))
    })

    test(`${name}, and it was known before`, async () => {
      const { service, juliet, jid, put } = await scene()
      await put(OMEMO_2, [{ id: 1 }])
      await service.finish(refreshLists(juliet.account, [jid], {}))
      failing(service, BOTH)
      await service.advance(LIST_FRESH_MS)
      expect(await service.finish(refreshLists(juliet.account, [jid], {}))).toEqual(new Map())
      expect(await activeOf(juliet, jid)).toEqual([[1, [OMEMO_2]]])
      // Not at every message, and not for ever.
      const before = requests(service)
      await service.finish(refreshLists(juliet.account, [jid], {}))
      expect(requests(service)).toBe(before)
      await service.advance(name === 'unavailable' || name === 'silent' ? LIST_RETRY_MS : LIST_FRESH_MS)
      await service.finish(refreshLists(juliet.account, [jid], {}))
      expect(requests(service)).toBe(before + 2)
    })

    if (name !== 'malformed')
      test(`${name}, but the other namespace can`, async () => {
        const { service, juliet, jid, put } = await scene()
        await put(AXOLOTL, [{ id: 1 }])
        failing(service, [OMEMO_2])
        expect(await service.finish(refreshLists(juliet.account, [jid], {}))).toEqual(new Map())
        expect(await activeOf(juliet, jid)).toEqual([[1, [AXOLOTL]]])
      })
  }

  test('a payload that is no list, and a list that is there', async () => {
    const { service, juliet, jid, put, romeo } = await scene()
    await put(AXOLOTL, [{ id: 1 }])
    const payload = element(OMEMO_2, 'devicez')
    await publish(romeo.connection, deviceLists[OMEMO_2].node, { id: 'current', payload }, { access: 'open' })
    expect(await service.finish(refreshLists(juliet.account, [jid], {}))).toEqual(new Map())
    await put(AXOLOTL, [])
    await service.advance(LIST_FRESH_MS)
    expect(await service.finish(refreshLists(juliet.account, [jid], {}))).toEqual(
      new Map([[jid, 'device-list-malformed']]),
    )
  })

  test('a server that is silent holds up for one timeout, whoever else is asked', async () => {
    const { service, juliet, jid, put } = await scene()
    await put(OMEMO_2, [{ id: 1 }])
    const silent = bare('mercutio@silent.example')
    service.account(silent)
    service.fault({
      fault: { kind: 'drop' },
      direction: 'sent',
      client: 'juliet',
      match: ({ attrs }) => attrs.to === silent,
    })
    const start = service.clock.now()
    const failed = await service.finish(refreshLists(juliet.account, [silent, jid], {}))
    expect(service.clock.now() - start).toBe(ASK_TIMEOUT_MS)
    expect(failed).toEqual(new Map([[silent, 'devices-unavailable']]))
    expect(await activeOf(juliet, jid)).toEqual([[1, [OMEMO_2]]])
  })

  test('what Prosody tells strangers of what is not there is no proof of anything', async () => {
    for (const [quirks, expected] of [
      [prosody, new Map([['romeo@capulet.example', 'devices-unavailable']])],
      [modern, new Map()],
    ] as const) {
      const { service, juliet, jid } = await scene({ quirks })
      expect(await service.finish(refreshLists(juliet.account, [jid], {}))).toEqual(expected)
    }
  })
})

describe('row 11: omemo:2 is hidden', () => {
  test('that a key has spoken it is remembered, and so is the device', async () => {
    const { service, juliet, jid, put, romeo } = await scene()
    for (const namespace of BOTH) await put(namespace, [{ id: 1 }])
    await service.finish(refreshLists(juliet.account, [jid], {}))
    const edwards = new Uint8Array(32).fill(1)
    await change(juliet.account, [], async (_, reader) => {
      const [before] = await readContacts(reader, [jid])
      const { contact } = withIdentity(before!, 1, { fingerprint: 'ab'.repeat(32), edwards }, 0)
      return { put: [[records.contact(jid), encodeContact(contact)]], result: undefined }
    })
    await deleteNode(romeo.connection, deviceLists[OMEMO_2].node)
    await service.finish(refreshLists(juliet.account, [jid], { fresh: true }))
    const [active] = activeDevices(await contactOf(juliet, jid))
    expect(active).toMatchObject({ id: 1, namespaces: [AXOLOTL], identities: [{ edwards }] })
    // Over both namespaces there is no device less.
    expect(juliet.events).toEqual([])
  })
})

describe('being told', () => {
  const NODE = deviceLists[OMEMO_2].node
  const item = (devices: readonly Device[], id = 'current') =>
    ({ id, payload: deviceLists[OMEMO_2].encode(devices), publisher: undefined }) as const

  async function told() {
    const all = await scene()
    const { service, juliet, jid, put } = all
    await put(OMEMO_2, [{ id: 1 }, { id: 2 }])
    await service.finish(refreshLists(juliet.account, [jid], {}))
    let commits = 0
    const counting = {
      ...juliet.account,
      get self() {
        return juliet.account.self
      },
      store: {
        ...juliet.store,
        commit: (...args: Parameters<typeof juliet.store.commit>) => {
          if ((args[1].put?.length ?? 0) > 0) commits++
          return juliet.store.commit(...args)
        },
      },
    }
    return { ...all, account: counting, commits: () => commits }
  }

  test('a list that says something else is stored, and told', async () => {
    const { account, jid, juliet, commits } = await told()
    await onListEvent(account, {
      kind: 'items',
      owner: jid,
      node: NODE,
      items: [item([{ id: 2 }, { id: 3 }])],
    })
    expect(await activeOf(juliet, jid)).toEqual([
      [2, [OMEMO_2]],
      [3, [OMEMO_2]],
    ])
    expect(juliet.events).toEqual([{ kind: 'devices-changed', jid, added: [3], removed: [1] }])
    expect(commits()).toBe(1)
  })

  test('a list that says the same writes nothing', async () => {
    const { account, jid, juliet, commits } = await told()
    const event = { kind: 'items', owner: jid, node: NODE, items: [item([{ id: 1 }, { id: 2 }])] } as const
    for (let i = 0; i < 10; i++) await onListEvent(account, event)
    expect([commits(), juliet.events]).toEqual([0, []])
  })

  test.each(['purged', 'deleted'] as const)('%s: no devices', async (kind) => {
    const { account, jid, juliet } = await told()
    await onListEvent(account, { kind, owner: jid, node: NODE })
    expect(await activeOf(juliet, jid)).toEqual([])
    expect(juliet.events).toEqual([{ kind: 'devices-changed', jid, added: [], removed: [1, 2] }])
  })

  test('an item without payload, and one that was retracted: the list is read', async () => {
    const { account, jid, juliet, service, put } = await told()
    await put(OMEMO_2, [{ id: 9 }])
    const bareItem = { id: 'current', payload: undefined, publisher: undefined }
    await service.finish(onListEvent(account, { kind: 'items', owner: jid, node: NODE, items: [bareItem] }))
    expect(await activeOf(juliet, jid)).toEqual([[9, [OMEMO_2]]])
    await put(OMEMO_2, [{ id: 10 }])
    await service.finish(onListEvent(account, { kind: 'retracted', owner: jid, node: NODE, ids: ['old'] }))
    expect(await activeOf(juliet, jid)).toEqual([[10, [OMEMO_2]]])
  })

  test('what is malformed, or of somebody there were no dealings with, changes nothing', async () => {
    const { account, jid, juliet, commits } = await told()
    const odd = { id: 'current', payload: element('urn:example', 'odd'), publisher: undefined }
    await onListEvent(account, { kind: 'items', owner: jid, node: NODE, items: [odd] })
    const other = bare('tybalt@capulet.example')
    await onListEvent(account, { kind: 'items', owner: other, node: NODE, items: [item([{ id: 5 }])] })
    expect([commits(), await activeOf(juliet, other)]).toEqual([0, []])
    expect(await activeOf(juliet, jid)).toHaveLength(2)
  })

  test('a node that was never opened to us', async () => {
    const { account, jid, juliet, service, romeo } = await told()
    await deleteNode(romeo.connection, NODE)
    await createNode(romeo.connection, NODE, { access: 'whitelist' })
    await service.finish(
      onListEvent(account, { kind: 'retracted', owner: jid, node: NODE, ids: ['current'] }),
    )
    expect(await activeOf(juliet, jid)).toHaveLength(2)
  })
})
