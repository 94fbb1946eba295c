/**
 * What any PEP service must do for end-to-end encryption, written against `@xmpp-e2e/disco/pep`. It runs unchanged on
 * every service and through every host library; `DIFFERENCES` says what may differ.
 */
import {
  configuration,
  configure,
  createNode,
  deleteNode,
  fetchItems,
  type Item,
  type NodeConfig,
  notify,
  PepError,
  publish,
  retract,
  subscribe,
  unsubscribe,
} from '@xmpp-e2e/disco/pep'
import {
  type BareJid,
  bare,
  bareJid,
  type Connection,
  type Element,
  element,
  ns,
  StanzaError,
} from '@xmpp-e2e/xml'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { announce } from './announce.ts'
import { befriend, fence, settled } from './arrival.ts'
import { DIFFERENCES, type Service } from './pep-differences.ts'
import { collect } from './pep-events.ts'

export interface Session {
  readonly connection: Connection
  close(): Promise<void>
}

/** What the suite runs on. */
export interface Subject {
  readonly name: string
  readonly service: Service
  /** A new session of `alice`, `bob` or `carol`, with a resource of its own, which has not sent presence yet. */
  connect(user: string): Promise<Session>
}

const OPEN: NodeConfig = { access: 'open', persist: true, maxItems: 'max' }
const NOTE = 'urn:example:note'
const note = (text: string): Element => element(NOTE, 'note', {}, text)

/** `alice` publishes; `bob` sees her presence, `carol` does not. */
export function pepSuite(subject: Subject): void {
  const differs = DIFFERENCES[subject.service]
  const sessions: Session[] = []
  let nodes = 0
  let alice: Connection
  let bob: Connection
  let carol: Connection
  let owner: BareJid

  const connect = async (user: string): Promise<Connection> => {
    const session = await subject.connect(user)
    sessions.push(session)
    return session.connection
  }
  const newNode = (): string => {
    nodes += 1
    return `urn:example:node:${nodes}`
  }

  beforeAll(async () => {
    alice = await connect('alice')
    bob = await connect('bob')
    carol = await connect('carol')
    owner = bare(alice.jid ?? '')
    for (const connection of [alice, bob, carol]) await announce(connection, [])
    await befriend(alice, bob)
  })
  afterAll(() => Promise.all(sessions.map((session) => session.close())))

  describe(`PEP on ${subject.name}`, () => {
    test('XEP-0060 6.5: items come by id, by count and all together, as they were published', async () => {
      const node = newNode()
      const payload = element(NOTE, 'note', { kind: 'a "b" <c>', '{urn:example:other}d': 'é' }, [
        'text &',
        element('urn:example:other', 'deep', {}, element(NOTE, 'note'), ' '),
      ])
      await publish(alice, node, { id: 'one', payload }, OPEN)
      await publish(alice, node, { id: 'two', payload: note('2') }, OPEN)
      await publish(alice, node, { id: 'three', payload: note('3') }, OPEN)
      const all = await fetchItems(alice, node)
      expect(all.map(({ id }) => id).sort()).toEqual(['one', 'three', 'two'])
      expect(all.find(({ id }) => id === 'one')?.payload).toEqual(payload)
      expect(ids(await fetchItems(alice, node, { max: 1 }))).toEqual(['three'])
      expect(ids(await fetchItems(alice, node, { ids: ['two'] }))).toEqual(['two'])
      expect(ids(await fetchItems(alice, node, { ids: ['two', 'nobody'] }))).toEqual(['two'])
    })

    test('XEP-0060 6.5: the order is that of publication; what is published again differs', async () => {
      const node = newNode()
      for (const id of ['a', 'b', 'a']) await publish(alice, node, { id, payload: note(id) }, OPEN)
      const order = ids(await fetchItems(alice, node))
      expect(order).toEqual(differs.replacedItem === 'moves' ? ['b', 'a'] : ['a', 'b'])
    })

    test('XEP-0060 6.5.9: what is not there is told apart from what is closed', async () => {
      const node = newNode()
      expect(await codeOf(fetchItems(alice, node))).toBe('not-found')
      expect(await codeOf(fetchItems(carol, node, { owner }))).toBe(differs.absentToStranger)
      const nobody = bareJid.decode(`nobody@${owner.split('@')[1]}`)
      expect(await codeOf(fetchItems(alice, node, { owner: nobody }))).toBe(differs.absentAccount)
      expect(await codeOf(configuration(alice, node))).toBe('not-found')
      expect(await codeOf(deleteNode(alice, node))).toBe('not-found')
      expect(await codeOf(retract(alice, node, 'one'))).toBe('not-found')
    })

    test('XEP-0060 7.1.5: a first publication makes the node as it is wanted', async () => {
      const node = newNode()
      const done = await publish(alice, node, { id: 'one', payload: note('1') }, OPEN)
      expect(done.id).toBe('one')
      expect(done.steps).toEqual(differs.firstPublication)
      expect(await configuration(alice, node)).toMatchObject({ access: 'open', persist: true })
      const again = await publish(alice, node, { id: 'two', payload: note('2') }, { access: 'open' })
      expect(again.steps).toEqual(['features', 'publish'])
      expect(await fetchItems(alice, node)).toHaveLength(2)
    })

    test('XEP-0060 7.1.2: a service that is given no id makes one up and says which', async () => {
      const node = newNode()
      const { id } = await publish(alice, node, { payload: note('1') }, OPEN)
      expect(id).toEqual(expect.any(String))
      expect(ids(await fetchItems(alice, node))).toEqual([id])
    })

    test.each<[string, NodeConfig]>([
      ['a whitelist', { access: 'whitelist' }],
      ['presence and room for one item', { access: 'presence', maxItems: 1 }],
    ])('XEP-0060 7.1.5: a node made with %s is repaired, and strangers can read it', async (_, before) => {
      const node = newNode()
      await createNode(alice, node, before)
      await publish(alice, node, { id: 'old', payload: note('old') }, {})
      expect(await codeOf(fetchItems(carol, node, { owner }))).toBe('forbidden')
      const done = await publish(alice, node, { id: 'new', payload: note('new') }, OPEN)
      expect(done.steps).toContain('configure')
      expect(done.held.access).toBe('open')
      expect(done.unmet.filter((key) => key !== 'maxItems')).toEqual([])
      expect(ids(await fetchItems(carol, node, { owner })).sort()).toEqual(['new', 'old'])
    })

    test('XEP-0060 8.2: one field changes, and the others stay', async () => {
      const node = newNode()
      await publish(alice, node, { id: 'one', payload: note('1') }, OPEN)
      const before = await configuration(alice, node)
      await configure(alice, node, { access: 'whitelist' })
      expect(await configuration(alice, node)).toEqual({ ...before, access: 'whitelist' })
    })

    test('XEP-0060 7.1: of as many items as a node has room for, none is lost; one more pushes out the oldest', async () => {
      const node = newNode()
      await createNode(alice, node)
      await configure(alice, node, { maxItems: 2, access: 'open' })
      for (const id of ['a', 'b']) await publish(alice, node, { id, payload: note(id) }, {})
      expect(ids(await fetchItems(alice, node)).sort()).toEqual(['a', 'b'])
      await publish(alice, node, { id: 'c', payload: note('c') }, {})
      expect(ids(await fetchItems(alice, node)).sort()).toEqual(['b', 'c'])
    })

    test('XEP-0163 5: a node that nobody configured keeps one item and is for contacts', async () => {
      const node = newNode()
      for (const id of ['a', 'b']) await publish(alice, node, { id, payload: note(id) }, {})
      expect(ids(await fetchItems(bob, node, { owner }))).toEqual(['b'])
      expect(await codeOf(fetchItems(carol, node, { owner }))).toBe('forbidden')
    })

    test('XEP-0060 8.1: a node is made once', async () => {
      const node = newNode()
      await createNode(alice, node, { access: 'open' })
      expect(await codeOf(createNode(alice, node))).toBe('exists')
      expect(await fetchItems(alice, node)).toEqual([])
    })

    test('XEP-0060 4.5: open is for all, presence for contacts, a whitelist for nobody else', async () => {
      for (const [access, contact, stranger] of [
        ['open', 'reads', 'reads'],
        ['presence', 'reads', 'forbidden'],
        ['whitelist', 'forbidden', 'forbidden'],
      ] as const) {
        const node = newNode()
        await publish(alice, node, { id: 'one', payload: note(access) }, { access, persist: true })
        const outcome = (reader: Connection) => codeOf(fetchItems(reader, node, { owner }))
        expect([access, await outcome(bob), await outcome(carol)]).toEqual([access, contact, stranger])
        expect(await outcome(alice)).toBe('reads')
      }
    })

    test('XEP-0060 6.5.9.7: how a whitelist refuses', async () => {
      const node = newNode()
      await publish(alice, node, { id: 'one', payload: note('1') }, { access: 'whitelist' })
      const error = await fetchItems(carol, node, { owner }).catch((error: unknown) => error)
      const cause = error instanceof PepError ? error.cause : undefined
      expect(cause instanceof StanzaError && cause.condition).toBe(differs.closedNode)
    })

    test('XEP-0060 7.2 and 8.4: what is retracted or deleted is gone, and subscribers hear of it', async () => {
      const node = newNode()
      for (const id of ['a', 'b']) await publish(alice, node, { id, payload: note(id) }, OPEN)
      await subscribe(carol, owner, node)
      const events = collect(carol, node)
      await retract(alice, node, 'a')
      expect(await events.find('retracted')).toEqual({ kind: 'retracted', owner, node, ids: ['a'] })
      expect(ids(await fetchItems(carol, node, { owner }))).toEqual(['b'])
      expect(await codeOf(retract(alice, node, 'a'))).toBe('not-found')
      await deleteNode(alice, node)
      if (differs.tellsOfDeletion)
        expect(await events.find('deleted')).toEqual({ kind: 'deleted', owner, node })
      expect(await codeOf(fetchItems(alice, node))).toBe('not-found')
      await fence(alice, carol)
      expect(events.events.some(({ kind }) => kind === 'deleted')).toBe(differs.tellsOfDeletion)
    })

    test('XEP-0060 6.1: a stranger subscribes to an open node, and hears until it unsubscribes', async () => {
      const node = newNode()
      await publish(alice, node, { id: 'one', payload: note('1') }, OPEN)
      const events = collect(carol, node)
      expect((await subscribe(carol, owner, node)).state).toBe('subscribed')
      expect((await subscribe(carol, owner, node)).state).toBe('subscribed')
      await publish(alice, node, { id: 'two', payload: note('2') }, OPEN)
      expect(await events.item('two')).toMatchObject({ id: 'two', payload: note('2') })
      await unsubscribe(carol, owner, node)
      await publish(alice, node, { id: 'three', payload: note('3') }, OPEN)
      await fence(alice, carol)
      expect(events.items().filter(({ id }) => id === 'three')).toEqual([])
      expect(await codeOf(unsubscribe(carol, owner, node))).toBe('not-found')
    })

    test('XEP-0060 6.1.3: a whitelist, and presence that is not seen, refuse subscribers', async () => {
      for (const access of ['whitelist', 'presence'] as const) {
        const node = newNode()
        await publish(alice, node, { id: 'one', payload: note('1') }, { access })
        expect(await codeOf(subscribe(carol, owner, node))).toBe('forbidden')
      }
    })

    test('XEP-0163 4: a contact that announces +notify hears of a node, another resource without it does not', async () => {
      const node = newNode()
      const [hears, deaf, other] = [await connect('bob'), await connect('bob'), await connect('alice')]
      const [heard, unheard, own] = [collect(hears, node), collect(deaf, node), collect(other, node)]
      await announce(hears, [notify(node)])
      await announce(deaf, [notify(newNode())])
      await announce(other, [notify(node)])
      await Promise.all([hears, deaf, other].map(settled))
      await publish(alice, node, { id: 'one', payload: note('1') }, { access: 'presence', persist: true })
      expect(await heard.item('one')).toMatchObject({ id: 'one', payload: note('1') })
      expect(await own.item('one')).toMatchObject({ id: 'one', payload: note('1') })
      await fence(hears, deaf)
      if (differs.filtersByResource) expect(unheard.events).toEqual([])
      await retract(alice, node, 'one')
      if (differs.tellsContactsOfRetraction)
        expect(await heard.find('retracted')).toEqual({ kind: 'retracted', owner, node, ids: ['one'] })
      await fence(alice, hears)
      expect(heard.events.some(({ kind }) => kind === 'retracted')).toBe(differs.tellsContactsOfRetraction)
    })

    test('XEP-0163 4: nobody hears of a node with a whitelist', async () => {
      const [secret, open] = [newNode(), newNode()]
      const contact = await connect('bob')
      const [unheard, heard] = [collect(contact, secret), collect(contact, open)]
      await announce(contact, [notify(secret), notify(open)])
      await settled(contact)
      await publish(alice, secret, { id: 'one', payload: note('1') }, { access: 'whitelist' })
      await publish(alice, open, { id: 'one', payload: note('1') }, { access: 'open' })
      await heard.item('one')
      await fence(alice, contact)
      expect(unheard.events).toEqual([])
    })

    test('XEP-0060 4.3: a node that delivers no payloads still says which item there is', async () => {
      const node = newNode()
      await createNode(alice, node)
      await configure(alice, node, { access: 'open' })
      await deliverNoPayloads(alice, node)
      await subscribe(carol, owner, node)
      const events = collect(carol, node)
      await publish(alice, node, { id: 'one', payload: note('1') }, {})
      expect(await events.item('one')).toMatchObject({ id: 'one', payload: undefined })
      expect(await fetchItems(carol, node, { owner })).toMatchObject([{ id: 'one', payload: note('1') }])
    })

    test('XEP-0163 4.3.4: the last item comes with the presence of a contact', async () => {
      const node = newNode()
      const sendLast = 'on_sub_and_presence'
      await createNode(alice, node)
      await configure(alice, node, { access: 'presence', sendLast })
      await publish(alice, node, { id: 'one', payload: note('1') }, {})
      // Once while the server does not know the features yet, and once when it does.
      for (let i = 0; i < 2; i += 1) {
        const contact = await connect('bob')
        const events = collect(contact, node)
        await announce(contact, [notify(node)])
        expect(await events.item('one')).toMatchObject({ id: 'one', payload: note('1') })
      }
    })

    test('XEP-0384 5.3: a hundred bundles, each to be had alone by a stranger', async () => {
      const [devices, bundles] = ['urn:xmpp:omemo:2:devices', 'urn:xmpp:omemo:2:bundles']
      const numbers = Array.from({ length: 100 }, (_, i) => 1000 + i)
      const options = { announcesOptions: true }
      await publish(
        alice,
        devices,
        { id: 'current', payload: deviceList(numbers) },
        { access: 'open', persist: true },
      )
      const made = await publish(alice, bundles, { id: 'first', payload: bundle(0) }, OPEN)
      expect(made.unmet.filter((key) => key !== 'maxItems')).toEqual([])
      for (const id of numbers)
        await publish(alice, bundles, { id: String(id), payload: bundle(id) }, { access: 'open' }, options)
      const [one] = await fetchItems(carol, bundles, { owner, ids: ['1042'] })
      expect(one?.payload).toEqual(bundle(1042))
      expect(await fetchItems(carol, bundles, { owner })).toHaveLength(101)
      const [list] = await fetchItems(carol, devices, { owner, max: 1 })
      expect(list).toMatchObject({ id: 'current', payload: deviceList(numbers) })
      await deleteNode(alice, bundles)
      await deleteNode(alice, devices)
    })

    test.each<[string, NodeConfig | undefined]>([
      ['that is not there', undefined],
      ['that must be repaired', { access: 'whitelist' }],
    ])('XEP-0060 7.1: two clients of one account publish at a node %s at once', async (_, before) => {
      const node = newNode()
      const other = await connect('alice')
      if (before) await createNode(alice, node, before)
      const publishers = [alice, other, alice, other]
      const done = await Promise.all(
        publishers.map((connection, i) =>
          publish(connection, node, { id: `${i}`, payload: note('x') }, OPEN),
        ),
      )
      expect(done.map(({ held }) => held.access)).toEqual(['open', 'open', 'open', 'open'])
      expect(ids(await fetchItems(carol, node, { owner })).sort()).toEqual(['0', '1', '2', '3'])
    })
  })
}

const ids = (items: readonly Item[]) => items.map(({ id }) => id)

async function codeOf(request: Promise<unknown>): Promise<string> {
  try {
    await request
    return 'reads'
  } catch (error) {
    if (error instanceof PepError) return error.code
    throw error
  }
}

/** `pubsub#deliver_payloads`, which no scheme asks for, and contacts may have. */
async function deliverNoPayloads(connection: Connection, node: string): Promise<void> {
  const pubsub = ns('http://jabber.org/protocol/pubsub#owner')
  const x = ns('jabber:x:data')
  const field = (name: string, value: string) => x('field', { var: name }, x('value', {}, value))
  const form = x(
    'x',
    { type: 'submit' },
    field('FORM_TYPE', 'http://jabber.org/protocol/pubsub#node_config'),
    field('pubsub#deliver_payloads', 'false'),
  )
  const request = pubsub('pubsub', {}, pubsub('configure', { node }, form))
  await connection.request(element('jabber:client', 'iq', { type: 'set' }, request))
}

const omemo = ns('urn:xmpp:omemo:2')

const deviceList = (ids: readonly number[]): Element =>
  omemo(
    'devices',
    {},
    ids.map((id) => omemo('device', { id })),
  )

/** The shape and the size of a bundle with 25 prekeys: 2 kB. */
function bundle(id: number): Element {
  const key = (name: string, attrs: Record<string, number> = {}) =>
    omemo(name, attrs, `${id}`.padStart(43, 'A').concat('='))
  const prekeys = Array.from({ length: 25 }, (_, i) => key('pk', { id: i + 1 }))
  return omemo('bundle', {}, key('spk', { id: 1 }), key('spks'), key('ik'), omemo('prekeys', {}, prekeys))
}
