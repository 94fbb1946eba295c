/** The façade on Prosody, with devices of python-omemo in both namespaces beside it and across from it. */
import { configuration, configure, fetchItems, publish } from '@xmpp-e2e/disco/pep'
import { type BareJid, bareJid, element } from '@xmpp-e2e/xml'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../src/client.ts'
import { Facade, type FacadeOptions, summary } from '../src/facade.ts'
import { startProsody } from '../src/prosody.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/python-omemo.ts'
import { makeRoom } from '../src/room.ts'
import type { Server } from '../src/server.ts'
import { Slixmpp, type SlixmppDevice, type SlixmppMessage } from '../src/slixmpp.ts'

/** Each test takes new ones. */
const NAMES = Array.from({ length: 30 }, (_, i) => `user${i}`)

let server: Server
let python: Slixmpp
let taken = 0
const open: { close(): Promise<void> }[] = []
beforeAll(async () => {
  ;[server, python] = await Promise.all([startProsody({ accounts: NAMES }), Slixmpp.start()])
})
afterAll(async () => {
  await Promise.all(open.map((each) => each.close()))
  await python?.stop()
  await server?.stop()
})

const newAccount = () => server.account(NAMES[taken++]!)
const jidOf = ({ jid }: { readonly jid: string }): BareJid => bareJid.decode(jid) as BareJid

async function ours(account = newAccount(), options: FacadeOptions = {}): Promise<Facade> {
  const facade = await Facade.open(server, account, options)
  open.push(facade)
  return facade
}

const theirs = (
  namespaces: readonly [Namespace, ...Namespace[]],
  account = newAccount(),
): Promise<SlixmppDevice> => python.connect(server, account, { namespaces, preKeys: 5 })

/** What became of the message with that id; of empty ones, which have others, it may not read all after a crossing. */
async function outcome(device: SlixmppDevice, id: string): Promise<SlixmppMessage> {
  for (const passed: SlixmppMessage[] = []; ; ) {
    const message = await device.message().catch((error: Error) => {
      throw new Error(`${error.message}; passed over ${JSON.stringify(passed)}`)
    })
    if (message.id === id) return message
    passed.push(message)
  }
}

/** The next message is this one, and it was read. */
async function reads(device: SlixmppDevice, expected: Partial<SlixmppMessage>): Promise<void> {
  const message = await device.message()
  expect(message, JSON.stringify(message)).toMatchObject({ kind: 'message', ...expected })
}

/**
 * It may keep the session that we give up when both have opened one. Three messages of theirs in a row tell us, so two of
 * ours may go astray.
 */
const MAX_LOST = 2

const BOTH = [OMEMO_2, AXOLOTL] as const

describe.each<Namespace>([OMEMO_2, AXOLOTL])('1:1 in %s', (namespace) => {
  test('we write first', async () => {
    const [alice, bob] = [await ours(), await theirs([namespace])]
    const sent = await alice.send(jidOf(bob), 'one')
    expect(sent.reached.map(({ device, protocol }) => [device.id, protocol])).toEqual([
      [bob.deviceId, namespace],
    ])
    await reads(bob, { body: 'one', namespace, deviceId: alice.deviceId })
    await bob.send(alice.account, 'two')
    const from = { protocol: namespace, from: bob.jid, device: bob.deviceId, chat: bob.jid }
    expect(summary(await alice.next())).toEqual({ ...from, body: 'two', own: false, channel: 'live' })
    await alice.send(jidOf(bob), 'three')
    await reads(bob, { body: 'three', via: 'live' })
  })

  test('they write first, several times before we answer', async () => {
    const [alice, bob] = [await ours(), await theirs([namespace])]
    for (const body of ['one', 'two', 'three']) {
      await bob.send(alice.account, body)
      expect(summary(await alice.next())).toMatchObject({ body, protocol: namespace, device: bob.deviceId })
    }
    await alice.send(jidOf(bob), 'four')
    await reads(bob, { body: 'four' })
    await bob.send(alice.account, 'five')
    expect(summary(await alice.next())).toMatchObject({ body: 'five' })
  })

  test('both write first at the same time, and go on', async () => {
    const [alice, bob] = [await ours(), await theirs([namespace])]
    await Promise.all([alice.send(jidOf(bob), 'from us'), bob.send(alice.account, 'from them')])
    expect(summary(await alice.next())).toMatchObject({ body: 'from them' })
    expect(await outcome(bob, 'from us')).toMatchObject({ kind: 'message', body: 'from us' })
    let lost = 0
    for (let round = 0, read = 0; read < 4; round++) {
      await bob.send(alice.account, `theirs ${round}`)
      expect(summary(await alice.next())).toMatchObject({ body: `theirs ${round}` })
      await alice.send(jidOf(bob), `ours ${round}`)
      const { kind } = await outcome(bob, `ours ${round}`)
      if (kind === 'message') read++
      else lost++
    }
    expect(lost).toBeLessThanOrEqual(MAX_LOST)
  })
})

describe('several devices of both accounts', () => {
  test('all read what is sent to them, and what their own account sends elsewhere', async () => {
    const [a, b] = [newAccount(), newAccount()]
    const alice = await ours(a)
    const aliceOld = await theirs([AXOLOTL], a)
    const aliceNew = await theirs([OMEMO_2], a)
    const bob = await ours(b)
    const bobBoth = await theirs(BOTH, b)

    await bobBoth.send(alice.account, 'from their device')
    expect(summary(await alice.next())).toMatchObject({
      body: 'from their device',
      own: false,
      channel: 'live',
    })
    for (const each of [aliceOld, aliceNew]) await reads(each, { body: 'from their device' })
    expect(summary(await bob.next())).toMatchObject({
      body: 'from their device',
      own: true,
      channel: 'carbon',
    })

    const sent = await alice.send(bob.account, 'from ours')
    expect(sent.skipped).toEqual([])
    expect(sent.reached.map(({ device, protocol }) => [device.id, protocol]).sort()).toEqual(
      [
        [aliceOld.deviceId, AXOLOTL],
        [aliceNew.deviceId, OMEMO_2],
        [bob.deviceId, OMEMO_2],
        [bobBoth.deviceId, OMEMO_2],
      ].sort(),
    )
    expect(summary(await bob.next())).toMatchObject({ body: 'from ours', device: alice.deviceId })
    await reads(bobBoth, { body: 'from ours', namespace: OMEMO_2 })
    for (const each of [aliceOld, aliceNew]) await reads(each, { body: 'from ours', via: 'carbon-sent' })

    // What a sibling in 0.3 sends.
    await aliceOld.send(bob.account, 'from the other')
    const about = { body: 'from the other', protocol: AXOLOTL, device: aliceOld.deviceId, chat: b.jid }
    expect(summary(await alice.next())).toMatchObject({ ...about, own: true, channel: 'carbon' })
    expect(summary(await bob.next())).toMatchObject({ body: 'from the other', own: false })
  })
})

describe('a room of three', () => {
  test('each writes, and the others read, in whatever they speak', async () => {
    const [a, b, c] = [newAccount(), newAccount(), newAccount()]
    const room = `room${taken}@${server.rooms}` as BareJid
    const alice = await ours(a)
    await makeRoom(alice.connection, room, [jidOf(b), jidOf(c)])
    await alice.join(room, 'alice')
    const [bob, carol] = [await theirs([AXOLOTL], b), await theirs(BOTH, c)]
    await bob.join(room, 'bob')
    await carol.join(room, 'carol')

    const audience = await alice.omemo.audience(room)
    expect(audience).toMatchObject({ kind: 'members', jids: expect.arrayContaining([b.jid, c.jid]) })
    if (audience.kind !== 'members') return
    await alice.send(room, 'hello all', audience.jids)
    await reads(bob, { body: 'hello all', sender: a.jid, namespace: AXOLOTL })
    await reads(carol, { body: 'hello all', sender: a.jid, namespace: OMEMO_2 })

    await bob.send(room, 'bob here', { recipients: [a.jid, c.jid] })
    expect(summary(await alice.next())).toMatchObject({
      body: 'bob here',
      from: b.jid,
      chat: room,
      protocol: AXOLOTL,
    })
    await reads(carol, { body: 'bob here', sender: b.jid })
    await carol.send(room, 'carol here', { recipients: [a.jid, b.jid] })
    expect(summary(await alice.next())).toMatchObject({ body: 'carol here', from: c.jid, protocol: OMEMO_2 })
    await reads(bob, { body: 'carol here', sender: c.jid })
  })
})

describe('the archive', () => {
  test.each<Namespace>([OMEMO_2, AXOLOTL])(
    'is read after being away, the newest page first, %s',
    async (namespace) => {
      const account = newAccount()
      const first = await ours(account)
      const bob = await theirs([namespace])
      await bob.send(account.jid, 'before')
      expect(summary(await first.next())).toMatchObject({ body: 'before' })
      await first.send(jidOf(bob), 'answer')
      await bob.message()
      await first.close()

      // On the session that there is, and, from a device that is new, on one that nobody knows yet.
      const carol = await theirs([namespace])
      for (let i = 0; i < 6; i++) await bob.send(account.jid, `missed ${i}`)
      for (let i = 0; i < 6; i++) await carol.send(account.jid, `new ${i}`)
      const again = await ours(account, {
        store: first.store,
        async before(facade) {
          await facade.omemo.beginCatchUp()
          expect(await facade.readBackwards(facade.account, 4)).toBeGreaterThan(3)
        },
      })
      const wanted = [0, 1, 2, 3, 4, 5].flatMap((i) => [`missed ${i}`, `new ${i}`])
      const got = new Set<unknown>()
      while (got.size < wanted.length) {
        const came = summary(await again.next())
        expect(came).toHaveProperty('body')
        got.add(came.body)
      }
      expect([...got].sort()).toEqual(wanted.sort())
      await again.omemo.endCatchUp()
      // Offline messages say it all again; nothing is given twice.
      expect(again.take()).toEqual([])
      await again.send(jidOf(carol), 'I have read all')
      await reads(carol, { body: 'I have read all' })
      await carol.send(account.jid, 'good')
      expect(summary(await again.next())).toMatchObject({ body: 'good', channel: 'live' })
    },
  )

  test('is read by the façade itself, from where it was', async () => {
    const account = newAccount()
    const first = await ours(account)
    const bob = await theirs(BOTH)
    await first.omemo.catchUp()
    await bob.send(account.jid, 'seen')
    expect(summary(await first.next())).toMatchObject({ body: 'seen' })
    await first.omemo.catchUp()
    await first.close()
    for (let i = 0; i < 3; i++) await bob.send(account.jid, `missed ${i}`)
    const again = await ours(account, { store: first.store, before: ({ omemo }) => omemo.catchUp() })
    for (let i = 0; i < 3; i++)
      expect(summary(await again.next())).toMatchObject({ body: `missed ${i}`, channel: 'archive' })
  })
})

describe('nodes that are there already', () => {
  test.each<Namespace>([OMEMO_2, AXOLOTL])(
    'with a wrong access model are opened by `start`, %s',
    async (namespace) => {
      const account = newAccount()
      const before = await connect(server, account)
      const node = namespace === OMEMO_2 ? `${OMEMO_2}:devices` : `${AXOLOTL}.devicelist`
      const list = namespace === OMEMO_2 ? 'devices' : 'list'
      const payload = element(namespace, list, {}, element(namespace, 'device', { id: '4711' }))
      await publish(before.connection, node, { id: 'current', payload }, { access: 'whitelist' })
      if (namespace === OMEMO_2) {
        const bundle = element(namespace, 'bundle')
        await publish(
          before.connection,
          `${OMEMO_2}:bundles`,
          { id: '4711', payload: bundle },
          { access: 'whitelist', maxItems: 1 },
        )
      }
      const alice = await ours(account)
      expect(await configuration(before.connection, node)).toMatchObject({ access: 'open' })
      if (namespace === OMEMO_2)
        expect(await configuration(before.connection, `${OMEMO_2}:bundles`)).toMatchObject({ access: 'open' })
      const [item] = await fetchItems(before.connection, node)
      const ids = item?.payload?.children.map((el) => typeof el !== 'string' && el.attrs.id)
      expect(ids?.sort()).toEqual(['4711', `${alice.deviceId}`].sort())
      await before.close()
      // A stranger can write.
      const bob = await theirs([namespace])
      await bob.send(account.jid, 'found you')
      expect(summary(await alice.next())).toMatchObject({ body: 'found you' })
    },
  )

  test('that are closed later are opened again in the next session', async () => {
    const account = newAccount()
    const first = await ours(account)
    const node = `${AXOLOTL}.devicelist`
    await first.close()
    const other = await connect(server, account)
    await configure(other.connection, node, { access: 'presence' })
    const again = await ours(account, { store: first.store })
    expect(await configuration(other.connection, node)).toMatchObject({ access: 'open' })
    expect(again.deviceId).toBe(first.deviceId)
    await other.close()
  })
})
