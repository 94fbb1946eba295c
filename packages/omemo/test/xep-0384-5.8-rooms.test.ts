import { ejabberd, modern, prosody, type RoomOptions } from '@xmpp-e2e/testkit'
import { bare, type Element, element, StanzaError } from '@xmpp-e2e/xml'
import { beforeEach, describe, expect, test } from 'vitest'
import { change } from '../src/account.ts'
import { AUDIENCE_MS, type Audience, type OmemoEvent } from '../src/index.ts'
import { audienceOf, compareAudience, MAX_AUDIENCE } from '../src/room.ts'
import { type BareAccount, bareAccount } from './bare-account.ts'
import { chat, type TestDevice, type World, world } from './world.ts'

const NAMES = { owners: ['juliet'], admins: ['nurse'], members: ['romeo', 'benvolio'], outcasts: ['tybalt'] }
const SECRET: RoomOptions = { ...NAMES, membersOnly: true, anonymous: 'non' }

const MUC_ADMIN = 'http://jabber.org/protocol/muc#admin'

let w: World
let juliet: TestDevice

beforeEach(async () => {
  w = world()
  juliet = await w.device('juliet')
})

const jidsOf = (audience: Audience) =>
  audience.kind === 'members' ? [...audience.jids].sort() : audience.code
const account = (name: string) => w.service.account(name)

describe.each([modern, prosody, ejabberd])('on $name', (quirks) => {
  test('the audience are members, admins and owners, without outcasts and oneself', async () => {
    const w = world({ quirks })
    const juliet = await w.device('juliet')
    const room = w.service.room('garden', SECRET)
    const audience = await w.service.finish(juliet.omemo.audience(room))
    expect(audience).toMatchObject({ kind: 'members', room, hidden: [] })
    expect(jidsOf(audience)).toEqual(['benvolio', 'nurse', 'romeo'].map((name) => w.service.account(name)))
  })
})

describe('rooms', () => {
  test.each<[string, RoomOptions, string]>([
    ['semi-anonymous', { ...SECRET, anonymous: 'semi' }, 'room-anonymous'],
    ['open and semi-anonymous', { ...NAMES, anonymous: 'semi' }, 'room-anonymous'],
    ['open', { ...NAMES, anonymous: 'non' }, 'room-open'],
  ])('that are %s are refused', async (_, options, code) => {
    const room = w.service.room('garden', options)
    expect(await w.service.finish(juliet.omemo.audience(room))).toEqual({ kind: 'refused', code })
  })

  test('that are none, or do not answer are unreachable', async () => {
    const refused = { kind: 'refused', code: 'room-unreachable' }
    expect(await w.service.finish(juliet.omemo.audience(account('romeo')))).toEqual(refused)
    const room = w.service.room('garden', SECRET)
    juliet.client.lose()
    expect(await w.service.finish(juliet.omemo.audience(room))).toEqual(refused)
    juliet.client.reconnect()
    expect(await w.service.finish(juliet.omemo.audience(room))).toMatchObject({ kind: 'members' })
  })

  test.each(['forbidden', 'registration-required', 'item-not-found'])(
    'that answer %s are forbidden, and asked again the next time',
    async (condition) => {
      const room = w.service.room('garden', SECRET)
      const stop = w.service.fault({
        fault: { kind: 'error', condition },
        client: juliet.client.jid,
        direction: 'sent',
        match: ({ attrs }) => attrs.to === room,
      })
      const refused = { kind: 'refused', code: 'room-forbidden' }
      expect(await w.service.finish(juliet.omemo.audience(room))).toEqual(refused)
      stop()
      expect(await w.service.finish(juliet.omemo.audience(room))).toMatchObject({ kind: 'members' })
    },
  )

  test('that are not there are forbidden', async () => {
    const nowhere = bare(`nowhere@muc.${w.service.domain}`)
    const refused = { kind: 'refused', code: 'room-forbidden' }
    expect(await w.service.finish(juliet.omemo.audience(nowhere))).toEqual(refused)
  })

  test('are asked once in AUDIENCE_MS, unless told to ask again', async () => {
    const room = w.service.room('garden', SECRET)
    const requests = () =>
      w.service.transcript.filter(
        (entry) => entry.kind === 'stanza' && entry.direction === 'sent' && entry.stanza.attrs.to === room,
      ).length
    await w.service.finish(juliet.omemo.audience(room))
    expect(requests()).toBe(4)
    await w.service.advance(AUDIENCE_MS - 1)
    await w.service.finish(juliet.omemo.audience(room))
    expect(requests()).toBe(4)
    await w.service.finish(juliet.omemo.audience(room, { fresh: true }))
    expect(requests()).toBe(8)
    await w.service.advance(AUDIENCE_MS)
    await w.service.finish(juliet.omemo.audience(room))
    expect(requests()).toBe(12)
  })

  test('row 16: say of their own accord who comes and goes, and are asked again then', async () => {
    const room = w.service.room('garden', SECRET)
    const nurse = w.service.connect('nurse')
    nurse.presence()
    for (const client of [juliet.client, nurse]) client.join(room, client.jid.split('@')[0] as string)
    await w.service.settle()
    const set = async (name: string, affiliation: string) => {
      const item = element(MUC_ADMIN, 'item', { jid: account(name), affiliation })
      const query = element(MUC_ADMIN, 'query', {}, item)
      await nurse.connection.request(element('jabber:client', 'iq', { type: 'set', to: room }, query))
      await w.service.settle()
    }
    expect(jidsOf(await w.service.finish(juliet.omemo.audience(room)))).toHaveLength(3)
    await set('rosaline', 'member')
    expect(jidsOf(await w.service.finish(juliet.omemo.audience(room)))).toContain(account('rosaline'))
    await set('romeo', 'none')
    expect(jidsOf(await w.service.finish(juliet.omemo.audience(room)))).not.toContain(account('romeo'))
    w.service.room('garden', { anonymous: 'semi' })
    await w.service.settle()
    expect(await w.service.finish(juliet.omemo.audience(room))).toMatchObject({ code: 'room-anonymous' })
  })

  test('count who is present, for lists that they hide', async () => {
    const room = w.service.room('garden', SECRET)
    const present = [account('paris'), account('juliet'), account('romeo')]
    const audience = await w.service.finish(juliet.omemo.audience(room, { present }))
    expect(jidsOf(audience)).toEqual(['benvolio', 'nurse', 'paris', 'romeo'].map(account))
  })
})

describe('messages to rooms', () => {
  const message = (to: string, body: string): Element => ({
    ...chat(to, body),
    attrs: { to, type: 'groupchat', id: body },
  })

  test('row 16: who was added since the last message is told of before anything is encrypted to them', async () => {
    const romeo = await w.device('romeo')
    const nurse = await w.device('nurse')
    const room = w.service.room('garden', {
      owners: ['juliet'],
      members: ['romeo'],
      membersOnly: true,
      anonymous: 'non',
    })
    for (const { client } of [juliet, romeo, nurse]) client.join(room, client.jid.split('@')[0] as string)
    const send = async (body: string) => w.service.finish(juliet.omemo.encrypt(message(room, body), []))
    const first = await send('one')
    expect(first).toMatchObject({ kind: 'encrypted', reached: [{ device: { jid: romeo.account } }] })
    const changes = () => juliet.events.filter(({ kind }) => kind === 'audience-changed')
    expect(changes()).toEqual([])

    w.service.room('garden', { members: ['nurse'] })
    await w.service.settle()
    const order: string[] = []
    const stop = juliet.omemo.on(({ kind }: OmemoEvent) => order.push(kind))
    const second = await send('two')
    stop()
    expect(second).toMatchObject({ kind: 'encrypted' })
    expect(changes()).toEqual([{ kind: 'audience-changed', room, added: [nurse.account], removed: [] }])
    expect(order.indexOf('audience-changed')).toBeLessThan(order.indexOf('session'))
    expect(order[0]).toBe('audience-changed')

    w.service.room('garden', { outcasts: ['romeo'] })
    await w.service.settle()
    const third = await send('three')
    expect(changes()[1]).toEqual({ kind: 'audience-changed', room, added: [], removed: [romeo.account] })
    expect(third.kind === 'encrypted' && third.reached.map(({ device }) => device.jid)).toEqual([
      nurse.account,
    ])
    await send('four')
    expect(changes()).toHaveLength(2)
  })

  test.each<[string, RoomOptions, string]>([
    ['anonymous', { ...SECRET, anonymous: 'semi' }, 'room-anonymous'],
    ['open', { ...NAMES, anonymous: 'non' }, 'room-open'],
  ])('that are %s are refused', async (_, options, code) => {
    await w.device('romeo')
    const room = w.service.room('garden', options)
    expect(await w.service.finish(juliet.omemo.encrypt(message(room, 'one'), []))).toMatchObject({
      kind: 'refused',
      code,
    })
  })
})

describe('answers that are odd', () => {
  const room = bare('garden@muc.capulet.lit')
  const info = ['http://jabber.org/protocol/muc', 'muc_nonanonymous', 'muc_membersonly']

  type Lists = Readonly<Record<string, readonly Element[] | 'forbidden'>>

  function asking(lists: Lists, features: readonly string[] = info): BareAccount {
    const account = bareAccount()
    return Object.assign(account, {
      connection: {
        ...account.connection,
        jid: 'juliet@capulet.lit/balcony',
        request: async (iq: Element) => {
          const [query] = iq.children
          if (typeof query === 'string' || query === undefined) throw new Error('no query')
          if (query.ns !== MUC_ADMIN)
            return element(
              'jabber:client',
              'iq',
              {},
              element(
                query.ns,
                'query',
                {},
                features.map((name) => element(query.ns, 'feature', { var: name })),
              ),
            )
          const [item] = query.children
          const list = typeof item === 'object' ? lists[item.attrs.affiliation ?? ''] : undefined
          if (list === 'forbidden') throw new StanzaError(iq, 'auth', 'forbidden')
          return element('jabber:client', 'iq', {}, element(MUC_ADMIN, 'query', {}, [...(list ?? [])]))
        },
      },
    })
  }

  const item = (jid: string, affiliation = 'member') => element(MUC_ADMIN, 'item', { jid, affiliation })

  test('count each address once, bare, and leave out what is none and who is outcast', async () => {
    const account = asking({
      member: [
        item('Romeo@Montague.lit/phone'),
        item('romeo@montague.lit'),
        item('@@'),
        item('tybalt@capulet.lit', 'outcast'),
        item('juliet@capulet.lit'),
        element(MUC_ADMIN, 'item', { nick: 'nobody' }),
      ],
      owner: [element(MUC_ADMIN, 'item', { jid: 'nurse@capulet.lit' })],
    })
    expect(jidsOf(await audienceOf(account, room))).toEqual(['nurse@capulet.lit', 'romeo@montague.lit'])
  })

  test('that are refused are named, and all of them leave nobody', async () => {
    const some = asking({ member: [item('romeo@montague.lit')], admin: 'forbidden', owner: 'forbidden' })
    expect(await audienceOf(some, room)).toMatchObject({
      jids: ['romeo@montague.lit'],
      hidden: ['owner', 'admin'],
    })
    const none = asking({ member: 'forbidden', admin: 'forbidden', owner: 'forbidden' })
    expect(await audienceOf(none, room)).toEqual({ kind: 'refused', code: 'room-forbidden' })
    const present = [bare('romeo@montague.lit')]
    expect(await audienceOf(none, room, { present })).toMatchObject({ jids: present })
  })

  test('are no room without the feature of one', async () => {
    const account = asking({}, ['muc_nonanonymous', 'muc_membersonly'])
    expect(await audienceOf(account, room)).toEqual({ kind: 'refused', code: 'room-unreachable' })
  })

  test.each([
    [MAX_AUDIENCE, 'members'],
    [MAX_AUDIENCE + 1, 'refused'],
  ])('with %i members', async (count, kind) => {
    const members = Array.from({ length: count }, (_, i) => item(`user${i}@montague.lit`))
    expect((await audienceOf(asking({ member: members }), room)).kind).toBe(kind)
  })

  test('an abort is its reason, and remembers nothing', async () => {
    const account = asking({ member: [item('romeo@montague.lit')] })
    const abort = new AbortController()
    abort.abort(new Error('enough'))
    const refusing = Object.assign(account, {
      connection: {
        ...account.connection,
        request: () => Promise.reject(new StanzaError(element('', 'iq'), 'wait', 'x')),
      },
    })
    await expect(audienceOf(refusing, room, { signal: abort.signal })).rejects.toThrow('enough')
    expect((await account.store.list('')).entries).toEqual([])
  })

  test('the own account is nobody who comes or goes', async () => {
    const account = bareAccount()
    const compare = (jids: readonly string[]) =>
      change(account, [], async (_, reader) => ({
        ...(await compareAudience(account, reader, room, jids.map(bare))),
        result: undefined,
      }))
    await compare(['romeo@montague.lit', 'juliet@capulet.lit'])
    await compare(['romeo@montague.lit'])
    expect(account.events).toEqual([])
    await compare(['nurse@capulet.lit', 'juliet@capulet.lit'])
    expect(account.events).toEqual([
      { kind: 'audience-changed', room, added: ['nurse@capulet.lit'], removed: ['romeo@montague.lit'] },
    ])
  })
})
