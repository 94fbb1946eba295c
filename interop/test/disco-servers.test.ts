/**
 * Two servers as judges of capability hashes: ejabberd believes features only if their hash is right, so whether an
 * event arrives says whether it is. And the servers' own claims, held against what they answer.
 */
import {
  CAPS_NAMESPACE,
  caps,
  claimsOf,
  type Disco,
  type DiscoOptions,
  disco,
  INFO_NAMESPACE,
  type Info,
  infoQuery,
  sha1,
  sha256,
  verify,
} from '@xmpp-e2e/disco'
import { items } from '@xmpp-e2e/disco/items'
import { notify, onEvents, type PepEvent, publish } from '@xmpp-e2e/disco/pep'
import { schemeSupport } from '@xmpp-e2e/disco/schemes'
import { memoryStore } from '@xmpp-e2e/store'
import { type BareJid, bare, type Connection, child, type Element, element, StanzaError } from '@xmpp-e2e/xml'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { announce, presence } from '../src/announce.ts'
import { arrival, befriend, fence, settled } from '../src/arrival.ts'
import { type Client, connect } from '../src/client.ts'
import { startEjabberd } from '../src/ejabberd.ts'
import { startProsody } from '../src/prosody.ts'
import type { Server } from '../src/server.ts'

const NODE = 'https://xmpp-e2e.example/tested'
const IDENTITY = { category: 'client', type: 'pc', name: 'Tested é', lang: 'en' }

describe.each([
  // Prosody believes whatever is answered, under the hash of the answer.
  { name: 'prosody', start: startProsody, checksHashes: false },
  { name: 'ejabberd', start: startEjabberd, checksHashes: true },
])('$name', ({ start, checksHashes }) => {
  let server: Server
  let clients: Client[] = []
  let alice: Connection
  let owner: BareJid
  let nodes = 0

  const login = async (user: string): Promise<Client> => {
    const client = await connect(server, server.account(user))
    clients.push(client)
    return client
  }
  const session = async (user: string): Promise<Connection> => (await login(user)).connection
  const newNode = (): string => {
    nodes += 1
    return `urn:example:disco:${nodes}`
  }
  const tested = (connection: Connection, options: Partial<DiscoOptions> = {}): Disco =>
    disco(connection, { store: memoryStore(), identities: [IDENTITY], node: NODE, ...options })

  beforeAll(async () => {
    server = await start()
    const bob = await session('bob')
    alice = await session('alice')
    owner = bare(alice.jid ?? '')
    await Promise.all([announce(alice, []), announce(bob, [])])
    await befriend(alice, bob)
    await bob.send(presence({ type: 'unavailable' }))
    clients = clients.filter(({ connection }) => connection !== alice)
  })
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()))
    clients = []
  })
  afterAll(() => server.stop())

  /** Whether the event of a publication arrives, once everything has that was before it. */
  async function hears(contact: Connection, node: string): Promise<boolean> {
    const events: PepEvent[] = []
    onEvents(contact, [node], (event) => events.push(event))
    // A contact whose features are as they should be, so that it is known when the event has been sent.
    const control = await session('bob')
    const heard = new Promise<void>((resolve) => onEvents(control, [node], () => resolve()))
    await announce(control, [notify(node)])
    await settled(control)
    await publish(alice, node, { id: 'current', payload: element(node, 'note') }, { access: 'presence' })
    await heard
    await fence(control, contact)
    return events.length > 0
  }

  test('XEP-0115 5.1: the hash of what is announced is right, with a form and a name that is not ASCII', async () => {
    const node = newNode()
    const bob = await session('bob')
    const own = tested(bob, {
      features: [notify(node), 'urn:xmpp:omemo:2:devices+notify'],
      forms: [
        {
          type: 'result',
          tabular: false,
          fields: [
            { name: 'FORM_TYPE', type: 'hidden', values: ['urn:xmpp:dataforms:softwareinfo'] },
            { name: 'software', values: ['Tested'] },
            { name: 'os', values: ['Linux', 'Ünix'] },
          ],
        },
      ],
    })
    own.answer()
    await bob.send(own.announce(presence({})))
    await settled(bob)
    expect(await hears(bob, node)).toBe(true)
  })

  test('XEP-0115 6.1: features that are added are announced again, and count', async () => {
    const node = newNode()
    const bob = await session('bob')
    const own = tested(bob)
    own.answer()
    await bob.send(own.announce(presence({})))
    await settled(bob)
    own.add({ features: [notify(node)] })
    await settled(bob)
    expect(await hears(bob, node)).toBe(true)
  })

  test.each([
    ['right', (ver: string) => ver, true],
    ['wrong', (ver: string) => ver.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')), !checksHashes],
  ])('XEP-0115 5.4: features with a %s hash', async (_, change, arrives) => {
    const node = newNode()
    const bob = await session('bob')
    const info: Info = { identities: [IDENTITY], features: [INFO_NAMESPACE, notify(node)], forms: [] }
    const { attrs } = caps(info, NODE)
    bob.answer(INFO_NAMESPACE, async (iq) => {
      const asked = child(iq, 'query', INFO_NAMESPACE)?.attrs.node
      return element('jabber:client', 'iq', {}, infoQuery(info, asked))
    })
    const claim = element(CAPS_NAMESPACE, 'c', { ...attrs, ver: change(attrs.ver ?? '') })
    await bob.send(presence({}, claim))
    await settled(bob)
    const events: PepEvent[] = []
    onEvents(bob, [node], (event) => events.push(event))
    // Prosody sends what one resource wants to all of them: so there is no other one here.
    await publish(alice, node, { id: 'current', payload: element(node, 'note') }, { access: 'presence' })
    await fence(alice, bob)
    await settled(bob)
    expect(events.length > 0).toBe(arrives)
  })

  test('XEP-0115 6.3: the claim of the server in its stream features is borne out', async () => {
    const { connection, features } = await login('bob')
    const [claim] = claimsOf(features) ?? []
    expect(claim).toMatchObject({ xep: '0115', algorithm: 'sha-1' })
    const ask = element(
      'jabber:client',
      'iq',
      { type: 'get', to: server.domain },
      infoQuery(undefined, claim?.node),
    )
    const answer = await connection.request(ask)
    const query = child(answer, 'query', INFO_NAMESPACE)!
    expect(verify(query, claim!, [sha256, sha1])).toMatchObject({ kind: 'verified' })
    const wrong = { ...claim!, hash: `A${claim?.hash.slice(1)}` }
    expect(verify(query, wrong, [sha256, sha1])).toMatchObject({ kind: 'mismatch' })
  })

  test('XEP-0115 6.3: what a server claims is asked for once', async () => {
    const { connection, features } = await login('bob')
    const counted = counting(connection)
    const store = memoryStore()
    const first = tested(counted, { store })
    first.streamFeatures(features, server.domain)
    const info = await first.info(server.domain)
    expect(info.features).toContain('http://jabber.org/protocol/disco#info')
    expect(info.identities).toContainEqual(expect.objectContaining({ category: 'server', type: 'im' }))
    expect(counted.requests).toBe(1)
    const second = tested(counted, { store })
    second.streamFeatures(features, server.domain)
    expect(await second.info(server.domain)).toEqual(info)
    expect(counted.requests).toBe(1)
    await second.info(server.domain, { fresh: true })
    expect(counted.requests).toBe(2)
  })

  test('XEP-0030 3.1: the account has PEP, and the server has its services as items', async () => {
    const bob = await session('bob')
    const asking = tested(bob)
    const account = await asking.info(bare(bob.jid ?? ''))
    expect(account.identities).toContainEqual(expect.objectContaining({ category: 'pubsub', type: 'pep' }))
    const found: string[] = []
    for await (const item of items(bob, server.domain)) found.push(item.jid)
    expect(found).toContain(server.rooms)
    const rooms = await asking.info(server.rooms)
    expect(rooms.features).toContain('http://jabber.org/protocol/muc')
  })

  test('XEP-0045 6.4: a new room is for members, who see each other', async () => {
    const bob = await session('bob')
    const room = `garden@${server.rooms}`
    const joined = arrival(bob, ({ name, attrs }) => name === 'presence' && attrs.from === `${room}/bob`)
    await bob.send(presence({ to: `${room}/bob` }, element('http://jabber.org/protocol/muc', 'x')))
    await joined
    const info = await tested(bob).info(room)
    expect(info.features).toEqual(expect.arrayContaining(['muc_membersonly', 'muc_nonanonymous']))
    expect(info.features).toContain('urn:xmpp:mam:2')
  })

  test('XEP-0115 6.2 and 8.2: one resource of a contact answers for another that claims the same', async () => {
    const [one, two] = [await session('bob'), await session('bob')]
    const asked: string[] = []
    const reader = await session('alice')
    const reading = tested(reader)
    await reader.send(reading.announce(presence({})))
    for (const connection of [one, two]) {
      const own = tested(connection, { features: ['urn:example:one'] })
      own.answer()
      connection.subscribe({
        stanza: ({ attrs }) => {
          if (attrs.from === reader.jid && attrs.type === 'get') asked.push(connection.jid ?? '')
        },
      })
      await connection.send(own.announce(presence({})))
      await fence(connection, reader)
    }
    const bob = bare(one.jid ?? '')
    expect(
      reading
        .resources(bob)
        .map(({ jid }) => jid)
        .sort(),
    ).toEqual([one.jid, two.jid].sort())
    const infos = [await reading.info(one.jid ?? ''), await reading.info(two.jid ?? '')]
    expect(infos[0]?.features).toContain('urn:example:one')
    expect(infos[1]).toEqual(infos[0])
    expect(asked).toEqual([one.jid])
  })

  test('XEP-0030 and XEP-0115 6.2: questions without node, with the announced one, and with another', async () => {
    const bob = await session('bob')
    const own = tested(bob, { features: ['urn:example:mine'] })
    own.answer()
    const sent = own.announce(presence({}))
    await bob.send(sent)
    const ask = (node?: string) => {
      const query = infoQuery(undefined, node)
      return alice.request(element('jabber:client', 'iq', { type: 'get', to: bob.jid }, query))
    }
    for (const claim of claimsOf(sent) ?? []) {
      const answer = await ask(claim.node)
      const query = child(answer, 'query', INFO_NAMESPACE)!
      expect(query.attrs.node).toBe(claim.node)
      expect(verify(query, claim, [sha256, sha1], answer.attrs['xml:lang'])).toMatchObject({
        kind: 'verified',
        shareable: true,
      })
    }
    expect(child(await ask(), 'query', INFO_NAMESPACE)?.attrs).toEqual({})
    const refusal = await ask(`${NODE}#other`).catch((error: unknown) => error)
    expect(refusal instanceof StanzaError && refusal.condition).toBe('item-not-found')
  })

  test('which schemes a contact supports: what it publishes, and proof that it publishes nothing else', async () => {
    const bob = await session('bob')
    const list = element('urn:xmpp:omemo:2', 'devices', {}, element('urn:xmpp:omemo:2', 'device', { id: 1 }))
    await publish(alice, 'urn:xmpp:omemo:2:devices', { id: 'current', payload: list }, { access: 'open' })
    const reading = tested(bob)
    await bob.send(reading.announce(presence({})))
    await settled(bob)
    const schemes = schemeSupport(bob, { disco: reading, store: memoryStore() })
    const found = await schemes.of(owner)
    const answers = Object.fromEntries(Object.values(found).map(({ scheme, answer }) => [scheme, answer]))
    // Signed presence would be evidence for XEP-0027; that there is none is no proof.
    expect(answers).toEqual({ 'omemo:2': 'yes', omemo: 'no', ox: 'no', otr: 'no', pgp: 'unknown' })
  })
})

/** The same connection, with a count of its requests. */
function counting(connection: Connection): Connection & { requests: number } {
  return {
    requests: 0,
    get jid() {
      return connection.jid
    },
    send: (stanza: Element) => connection.send(stanza),
    subscribe: (listener) => connection.subscribe(listener),
    answer: (namespace, respond) => connection.answer(namespace, respond),
    request(iq, options) {
      this.requests += 1
      return connection.request(iq, options)
    },
  }
}
