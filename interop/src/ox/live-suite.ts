/** The façade on a real server, whose nodes, copies, archives and rooms are its own. */
import { configuration, configure, fetchItems, publish } from '@xmpp-e2e/disco/pep'
import { type BareJid, bareJid, type Connection, element } from '@xmpp-e2e/xml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { settled } from '../arrival.ts'
import { connect } from '../client.ts'
import { makeFriends } from '../friends.ts'
import { makeRoom } from '../room.ts'
import type { Account, Server, ServerOptions } from '../server.ts'
import { backupOf } from './backup.ts'
import { OxClient, type OxClientOptions, summary } from './live.ts'
import { fetchFingerprints, OX } from './scene.ts'

/** Each test takes new ones. */
const NAMES = Array.from({ length: 40 }, (_, i) => `user${i}`)

const LIST = `${OX}:public-keys`
const SECRET = `${OX}:secret-key`

export function oxOn(start: (options: ServerOptions) => Promise<Server>): void {
  let server: Server
  let taken = 0
  const clients: { close(): Promise<void> }[] = []
  beforeAll(async () => {
    server = await start({ accounts: NAMES })
  })
  afterAll(async () => {
    await Promise.all(clients.map((each) => each.close()))
    await server?.stop()
  })
  const newAccount = () => server.account(NAMES[taken++] ?? '')
  const ours = async (account: Account = newAccount(), options: OxClientOptions = {}) => {
    const made = await OxClient.open(server, account, options)
    clients.push(made)
    return made
  }
  /** Of an account, with nothing of ours in it. */
  const raw = async (account: Account = newAccount()): Promise<Connection> => {
    const client = await connect(server, account)
    clients.push(client)
    return client.connection
  }
  const listed = async (connection: Connection, owner: BareJid) =>
    (await fetchFingerprints(connection, owner)).map((fingerprint) => fingerprint.toLowerCase()).sort()

  test('XEP-0373 §4: two strangers find each other, and write', async () => {
    const [romeo, juliet] = [await ours(), await ours()]
    for (const [from, to] of [
      [romeo, juliet],
      [juliet, romeo],
    ] as const) {
      const sent = await from.send(to.account, 'hello')
      expect(sent).toMatchObject({ skipped: [], exposed: expect.anything() })
      expect(summary(await to.next())).toStrictEqual({
        body: 'hello',
        chat: from.account,
        own: false,
        by: from.ox.fingerprint,
        warnings: [],
        channel: 'live',
      })
    }
  })

  test('XEP-0373 §4.3: contacts hear of a new key, and write to it', async () => {
    const accounts = [newAccount(), newAccount()] as const
    await makeFriends(server, ...accounts)
    const [romeo, juliet] = [await ours(accounts[0]), await ours(accounts[1])]
    await romeo.send(juliet.account, 'one')
    await juliet.next()
    const second = await juliet.ox.generate()
    const isAdded = () =>
      romeo.events.some((event) => event.kind === 'keys-changed' && event.added.includes(second.fingerprint))
    await romeo.until('the new key', isAdded)
    const sent = await romeo.send(juliet.account, 'two')
    if (sent.kind !== 'encrypted') throw new Error(sent.kind)
    expect(sent.keys.map(({ fingerprint }) => fingerprint)).toContain(second.fingerprint)
    expect(summary(await juliet.next())).toMatchObject({ body: 'two' })
  })

  test('XEP-0373 §4: nodes that are closed are opened by `start`, and nothing on the list is lost', async () => {
    const account = newAccount()
    const own = await raw(account)
    const first = await ours(account)
    const stranger = await raw()
    await first.close()
    const certificate = `${LIST}:${first.ox.fingerprint?.toUpperCase()}`
    for (const node of [LIST, certificate]) await configure(own, node, { access: 'presence' })
    await expect(listed(stranger, first.account)).rejects.toMatchObject({ code: 'forbidden' })
    const again = await ours(account, { store: first.store })
    const other = await ours(account)
    expect(await listed(stranger, first.account)).toEqual([again.ox.fingerprint, other.ox.fingerprint].sort())
    expect((await fetchItems(stranger, certificate, { owner: first.account })).length).toBe(1)
    for (const node of [LIST, certificate])
      expect(await configuration(own, node)).toMatchObject({ access: 'open' })
  })

  test('XEP-0373 §4.2: a key that another client takes off the list comes back', async () => {
    const account = newAccount()
    const own = await raw(account)
    const juliet = await ours(account)
    await settled(juliet.connection)
    const [item] = await fetchItems(own, LIST, { max: 1 })
    if (item?.payload === undefined) throw new Error('there is no list')
    const payload = { ...item.payload, children: [] }
    await publish(own, LIST, { id: 'current', payload }, { access: 'open', persist: true })
    const fingerprint = juliet.ox.fingerprint
    await juliet.until('it to be told', () => juliet.events.some(({ kind }) => kind === 'own-key-removed'))
    expect(juliet.events).toContainEqual({ kind: 'own-key-removed', fingerprint, announcedAgain: true })
    const isThere = async () => (await listed(own, juliet.account)).length > 0
    for (let look = 0; look < 600 && !(await isThere()); look++)
      await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await listed(own, juliet.account)).toEqual([fingerprint])
  })

  test('XEP-0373 §5: the backup is nobody else’s; another client restores it', async () => {
    const account = newAccount()
    const juliet = await ours(account)
    const { code } = await juliet.ox.createBackup()
    const own = await raw(account)
    expect(await configuration(own, SECRET)).toMatchObject({ access: 'whitelist' })
    const [friend, stranger] = [newAccount(), await raw()]
    await makeFriends(server, account, friend)
    for (const other of [await raw(friend), stranger])
      await expect(backupOf(other, juliet.account)).rejects.toMatchObject({ code: 'forbidden' })

    const another = await ours(account, { hasKey: false })
    expect(await another.ox.findBackup()).toBe(true)
    await expect(another.ox.restoreBackup('1111-1111-1111-1111-1111-1111')).rejects.toMatchObject({
      code: 'backup-code-wrong',
    })
    await another.ox.restoreBackup(code)
    expect(another.ox.fingerprint).toBe(juliet.ox.fingerprint)
    const romeo = await ours()
    await romeo.send(juliet.account, 'to both')
    for (const one of [juliet, another]) expect(summary(await one.next())).toMatchObject({ body: 'to both' })
    await juliet.ox.deleteBackup()
    expect(await another.ox.findBackup()).toBe(false)
  })

  test('XEP-0280: copies of what is received, and of what another client has sent', async () => {
    const account = newAccount()
    const first = await ours(account)
    const second = await ours(account)
    const romeo = await ours()
    await romeo.until('the keys', () => true)
    await first.send(romeo.account, 'sent')
    expect(summary(await romeo.next())).toMatchObject({ body: 'sent' })
    expect(summary(await second.next())).toMatchObject({
      body: 'sent',
      chat: romeo.account,
      own: true,
      by: first.ox.fingerprint,
      channel: 'carbon',
    })
    await romeo.send(first.account, 'received')
    for (const one of [first, second])
      expect(summary(await one.next())).toMatchObject({ body: 'received', chat: romeo.account, own: false })
  })

  test('XEP-0313: the archive, in a new client with the same key; what was read is a duplicate', async () => {
    const account = newAccount()
    const juliet = await ours(account)
    const romeo = await ours()
    for (const body of ['one', 'two']) {
      await romeo.send(juliet.account, body)
      expect(summary(await juliet.next())).toMatchObject({ body })
    }
    await juliet.send(romeo.account, 'three')
    await romeo.next()
    const { code } = await juliet.ox.createBackup()
    const fresh = await ours(account, { hasKey: false })
    await fresh.ox.restoreBackup(code)
    await fresh.readArchive()
    for (const [body, own] of [
      ['one', false],
      ['two', false],
      ['three', true],
    ] as const)
      expect(summary(await fresh.next())).toMatchObject({ body, own, warnings: [], channel: 'archive' })
    await juliet.readArchive()
    for (let i = 0; i < 2; i++)
      expect(summary(await juliet.next())).toMatchObject({ silent: 'duplicate', channel: 'archive' })
  })

  test('rooms: members write to each other; who joins later is told of, and reads', async () => {
    const [romeo, juliet, nurse] = [await ours(), await ours(), await ours()]
    const room = bareJid.decode(`balcony@${server.rooms}`) as BareJid
    const owner = await raw()
    await makeRoom(owner, room, [romeo.account, juliet.account])
    await romeo.join(room, 'romeo')
    await juliet.join(room, 'juliet')
    const audience = await romeo.ox.audience(room)
    expect(audience).toMatchObject({ kind: 'members' })
    const jids = audience.kind === 'members' ? audience.jids : []
    expect(jids).toContain(juliet.account)

    await romeo.send(room, 'in the room', { room: true })
    // What it has sent itself comes back.
    expect(summary(await romeo.next())).toMatchObject({ silent: 'own' })
    expect(summary(await juliet.next())).toMatchObject({
      body: 'in the room',
      chat: room,
      own: false,
      by: romeo.ox.fingerprint,
      warnings: [],
    })

    await makeMember(owner, room, nurse.account)
    await nurse.join(room, 'nurse')
    expect(summary(await nurse.next())).toMatchObject({ unreadable: 'not-for-us' })
    await juliet.send(room, 'with her', { room: true })
    expect(summary(await nurse.next())).toMatchObject({
      body: 'with her',
      chat: room,
      by: juliet.ox.fingerprint,
    })
    expect(summary(await romeo.next())).toMatchObject({ body: 'with her', chat: room, own: false })
    await romeo.send(room, 'all', { room: true })
    expect(romeo.events).toContainEqual(
      expect.objectContaining({ kind: 'audience-changed', room, added: [nurse.account], removed: [] }),
    )
  })
}

async function makeMember(owner: Connection, room: BareJid, jid: BareJid): Promise<void> {
  const ADMIN = 'http://jabber.org/protocol/muc#admin'
  const item = element(ADMIN, 'item', { affiliation: 'member', jid })
  await owner.request(
    element('jabber:client', 'iq', { type: 'set', to: room }, element(ADMIN, 'query', {}, item)),
  )
}
