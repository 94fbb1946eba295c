/** The façade on Prosody, with devices of python-omemo in both namespaces beside it and across from it. */
import { manual } from '@xmpp-e2e/trust'
import { type BareJid, element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { summary } from '../src/facade.ts'
import type { HostName } from '../src/hosts.ts'
import { jidOf, liveScene, reads } from '../src/live-scene.ts'
import { liveSuite } from '../src/live-suite.ts'
import { startProsody } from '../src/prosody.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/python-omemo.ts'
import { makeRoom } from '../src/room.ts'

const scene = liveScene(startProsody)
const { newAccount, ours, theirs } = scene
const BOTH = [OMEMO_2, AXOLOTL] as const
const body = (text: string) => element('jabber:client', 'body', {}, text)

liveSuite(scene)

describe.each<HostName>(['xmppjs-websocket', 'strophe', 'stanza'])('through %s', (host) => {
  test('we write first, and read', async () => {
    const [alice, bob] = [await ours(newAccount(), { host }), await theirs([AXOLOTL])]
    await alice.send(jidOf(bob), 'one')
    await reads(bob, { body: 'one' })
    await bob.send(alice.account, 'two')
    expect(summary(await alice.next())).toMatchObject({ body: 'two', channel: 'live' })
  })
})

describe('people decide about keys', () => {
  test('on our side', async () => {
    const [alice, bob] = [await ours(newAccount(), { policy: manual }), await theirs(BOTH)]
    const message = element('jabber:client', 'message', { to: bob.jid, type: 'chat' }, body('secret'))
    const refused = await alice.omemo.send(message, [jidOf(bob)])
    if (refused.kind !== 'refused') throw new Error('it was sent')
    const [key] = refused.ask
    expect([refused.code, refused.ask.length, key?.owner]).toEqual(['keys-undecided', 1, bob.jid])
    await alice.omemo.decide(key!, 'verified', 'compare')
    expect(await alice.omemo.send(message, [jidOf(bob)])).toMatchObject({
      kind: 'encrypted',
      keys: [{ level: 'verified' }],
    })
    await reads(bob, { body: 'secret' })
  })

  test('on theirs, who see one device in both namespaces', async () => {
    const [alice, bob] = [await ours(), await theirs(BOTH, newAccount(), 'undecided')]
    await expect(bob.send(alice.account, 'secret')).rejects.toMatchObject({ code: 'StillUndecided' })
    const [device, ...others] = await bob.devices(alice.account)
    expect(others).toEqual([])
    expect(device).toMatchObject({ deviceId: alice.deviceId, trust: 'undecided' })
    expect([...device!.namespaces].sort()).toEqual([...BOTH].sort())
    await bob.trust(alice.account, alice.deviceId, 'trusted')
    await bob.send(alice.account, 'secret')
    expect(summary(await alice.next())).toMatchObject({ body: 'secret', protocol: OMEMO_2 })
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
    const room = `three@${scene.server.rooms}` as BareJid
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

describe('the past of a room', () => {
  test.each<Namespace>([OMEMO_2, AXOLOTL])(
    "says nobody's address, and is read nevertheless, %s",
    async (namespace) => {
      const [a, b] = [newAccount(), newAccount()]
      const room = `past-${a.jid.split('@')[0]}@${scene.server.rooms}` as BareJid
      const first = await ours(a)
      await makeRoom(first.connection, room, [jidOf(b)])
      await first.join(room, 'alice')
      const bob = await theirs([namespace], b)
      await bob.join(room, 'bob')
      await bob.send(room, 'seen', { recipients: [a.jid] })
      expect(summary(await first.next())).toMatchObject({ body: 'seen', from: b.jid })
      await first.close()
      await bob.send(room, 'missed', { recipients: [a.jid] })
      const again = await ours(a, { store: first.store })
      await again.join(room, 'alice')
      const came = await again.next()
      expect(summary(came)).toMatchObject({ body: 'missed', from: b.jid, chat: room, channel: 'offline' })
      expect(came.arrived).toMatchObject({ warnings: expect.arrayContaining(['sender-by-session']) })
      // Its archive says it all once more.
      expect(await again.readBackwards(room, 3)).toBeGreaterThan(0)
      await bob.send(room, 'now', { recipients: [a.jid] })
      expect(summary(await again.next())).toMatchObject({ body: 'now', channel: 'live' })
    },
  )
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
