import { bareJid, element, receive } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import {
  type Client,
  ejabberd,
  ROOM_HISTORY,
  type RoomOptions,
  type TestService,
  testService,
} from '../src/index.ts'
import {
  all,
  body,
  c,
  form,
  get,
  INFO,
  ITEMS,
  inbox,
  MAM,
  MUC_ADMIN,
  MUC_OWNER,
  MUC_USER,
  refusalOf,
  set,
  words,
} from './support.ts'

const OCCUPANT_ID = 'urn:xmpp:occupant-id:0'
const admin = (attrs: Record<string, string>) =>
  element(MUC_ADMIN, 'query', {}, element(MUC_ADMIN, 'item', attrs))

let service: TestService
let juliet: Client
let romeo: Client
let room: string

async function make(options: RoomOptions = {}) {
  service = testService()
  room = service.room('garden', { owners: ['juliet'], ...options })
  juliet = service.connect('juliet', { resource: 'j' })
  romeo = service.connect('romeo', { resource: 'r' })
  juliet.join(room, 'Juliet')
  await service.settle()
}

async function joined(options: RoomOptions = {}) {
  await make(options)
  romeo.join(room, 'Romeo')
  await service.settle()
  return { juliet: inbox(juliet), romeo: inbox(romeo) }
}

const codes = (el: ReturnType<typeof c>) => all(el, 'status').map(({ attrs }) => Number(attrs.code))
const say = (client: Client, text: string) =>
  client.connection.send(c('message', { type: 'groupchat', to: room, id: text }, body(text)))
const errorOf = (list: readonly ReturnType<typeof c>[]) =>
  all(list.find(({ attrs }) => attrs.type === 'error')!, 'error')[0]?.children.map(
    (el) => (el as { name: string }).name,
  )

describe('7.2 entering', () => {
  test('others first, then oneself with 110, history, and the subject last', async () => {
    await make({ anonymous: 'non' })
    await say(juliet, 'before')
    await service.settle()
    const got = inbox(romeo)
    romeo.join(room, 'Romeo')
    await service.settle()
    expect(got.map(({ name, attrs }) => `${name} ${attrs.from}`)).toEqual([
      `presence ${room}/Juliet`,
      `presence ${room}/Romeo`,
      `message ${room}/Juliet`,
      `message ${room}`,
    ])
    expect(codes(got[1]!)).toEqual([110, 100, 170])
    expect(all(got[2]!, 'delay')[0]?.attrs.from).toBe(room)
    expect(all(got[3]!, 'subject').length).toBe(1)
  })

  test('real JIDs are for everybody, or for moderators only', async () => {
    const jids = async (anonymous: 'non' | 'semi') => {
      await make({ anonymous })
      const [hers, his] = [inbox(juliet), inbox(romeo)]
      romeo.join(room, 'Romeo')
      await service.settle()
      return [hers, his].map((list) =>
        list.flatMap((el) => all(el, 'item').map(({ attrs }) => attrs.jid ?? '-')),
      )
    }
    const [j, r] = ['juliet@capulet.example/j', 'romeo@capulet.example/r']
    expect(await jids('non')).toEqual([[r], [j, r]])
    expect(await jids('semi')).toEqual([[r], ['-', r]])
  })

  test.each([
    ['members only', { membersOnly: true }, 'Romeo', 'registration-required'],
    ['outcasts', { outcasts: ['romeo'] }, 'Romeo', 'forbidden'],
    ['a nickname that is taken', {}, 'Juliet', 'conflict'],
  ])('is refused: %s', async (_name, options, nick, refusal) => {
    await make(options)
    const got = inbox(romeo)
    romeo.join(room, nick)
    await service.settle()
    expect(got.length).toBe(1)
    expect(errorOf(got)).toEqual([refusal])
  })

  test('members may enter', async () => {
    await make({ membersOnly: true, members: ['romeo'] })
    const got = inbox(romeo)
    romeo.join(room, 'Romeo')
    await service.settle()
    expect(codes(got[1]!)).toContain(110)
  })

  test.each<[Record<string, string>, readonly string[]]>([
    [{}, ['1', '2', '3', '']],
    [{ maxstanzas: '1' }, ['3', '']],
    [{ maxstanzas: '0' }, ['']],
    [{ maxchars: '0' }, ['']],
    [{ seconds: '1' }, ['2', '3', '']],
    [{ since: '2030-01-01T00:00:02Z' }, ['3', '']],
  ])('7.2.14: with the history that is asked for, %j', async (attrs, expected) => {
    await make()
    for (const text of ['1', '2', '3']) {
      await say(juliet, text)
      await service.settle()
      if (text !== '3') await service.advance(1000)
    }
    const got = inbox(romeo, 'message')
    const history = element('http://jabber.org/protocol/muc', 'history', attrs)
    await romeo.connection.send(
      c('presence', { to: `${room}/Romeo` }, element('http://jabber.org/protocol/muc', 'x', {}, history)),
    )
    await service.settle()
    expect(words(got)).toEqual(expected)
  })

  test('7.2.13: with no more history than there is by default', async () => {
    await make()
    for (let i = 0; i <= ROOM_HISTORY; i++) await say(juliet, `${i}`)
    await service.settle()
    const got = inbox(romeo, 'message')
    romeo.join(room, 'Romeo')
    await service.settle()
    expect([got.length - 1, words(got)[0]]).toEqual([ROOM_HISTORY, '1'])
  })

  test('7.2.18: without <x/> is answered with a kick', async () => {
    await make()
    const got = inbox(romeo)
    await romeo.connection.send(c('presence', { to: `${room}/Romeo` }))
    await service.settle()
    expect(got.map(({ attrs }) => [attrs.from, attrs.type])).toEqual([[`${room}/Romeo`, 'unavailable']])
    expect(codes(got[0]!)).toEqual([110, 307, 333])
  })

  test('with a second client shares the nickname', async () => {
    const seen = await joined()
    const phone = service.connect('romeo', { resource: 'phone' })
    const got = inbox(phone, 'message')
    phone.join(room, 'Romeo')
    await service.settle()
    await say(juliet, 'hello')
    await service.settle()
    expect(words(got)).toEqual(['', 'hello'])
    seen.juliet.length = 0
    phone.close()
    await service.settle()
    expect(seen.juliet.filter(({ attrs }) => attrs.type === 'unavailable')).toEqual([])
    romeo.close()
    await service.settle()
    expect(seen.juliet.filter(({ attrs }) => attrs.type === 'unavailable').length).toBe(1)
  })
})

describe('7.4 messages', () => {
  test('come back to everybody with the same id, an archive id and an occupant id', async () => {
    const seen = await joined()
    await say(romeo, 'hello')
    await service.settle()
    for (const list of [seen.juliet, seen.romeo]) {
      expect(list.map(({ attrs }) => [attrs.id, attrs.from])).toEqual([['hello', `${room}/Romeo`]])
      expect(all(list[0]!, 'stanza-id')[0]?.attrs.by).toBe(room)
      expect(all(list[0]!, 'occupant-id').length).toBe(1)
    }
  })

  test('in a moderated room need a voice', async () => {
    const seen = await joined({ moderated: true })
    await say(romeo, 'hello')
    await service.settle()
    expect(errorOf(seen.romeo)).toEqual(['forbidden'])
    await set(juliet, room, admin({ nick: 'Romeo', role: 'participant' }))
    await say(romeo, 'hello')
    await service.settle()
    expect(words(seen.juliet.filter(({ name }) => name === 'message'))).toEqual(['hello'])
  })

  test('of who is not there are refused', async () => {
    await make()
    const got = inbox(romeo)
    await say(romeo, 'hello')
    await service.settle()
    expect(errorOf(got)).toEqual(['not-acceptable'])
  })

  test.each([
    ['moderators', 'juliet', {}, true],
    ['nobody else', 'romeo', {}, false],
    ['participants of a room that says so', 'romeo', { openSubject: true }, true],
    ['no visitors', 'romeo', { openSubject: true, moderated: true }, false],
  ])('8.1 a subject is for %s', async (_name, who, options, allowed) => {
    const seen = await joined(options)
    const client = who === 'juliet' ? juliet : romeo
    await client.connection.send(c('message', { type: 'groupchat', to: room }, c('subject', {}, 'new')))
    await service.settle()
    if (allowed) expect(all(seen.romeo.at(-1)!, 'subject')[0]?.children).toEqual(['new'])
    else expect([errorOf(seen.romeo), seen.juliet]).toEqual([['forbidden'], []])
  })

  test('7.5 to one occupant come from the occupant, marked', async () => {
    const seen = await joined()
    await romeo.connection.send(c('message', { type: 'chat', to: `${room}/Juliet` }, body('psst')))
    await service.settle()
    const [whisper] = seen.juliet
    expect(whisper?.attrs.from).toBe(`${room}/Romeo`)
    expect(all(whisper!, 'x')[0]?.ns).toBe(MUC_USER)
    const account = bareJid.decode('juliet@capulet.example')!
    expect(
      receive(whisper!, { account, occupant: () => bareJid.decode('romeo@capulet.example') }),
    ).toMatchObject({
      sender: { known: 'occupant', jid: 'romeo@capulet.example' },
    })
    await romeo.connection.send(c('message', { type: 'chat', to: `${room}/Nobody` }, body('psst')))
    await service.settle()
    expect(errorOf(seen.romeo)).toEqual(['item-not-found'])
  })

  test('7.8.2 an invitation makes a member of who is invited', async () => {
    await make({ membersOnly: true })
    const got = inbox(romeo)
    romeo.presence()
    const invite = element(MUC_USER, 'x', {}, element(MUC_USER, 'invite', { to: 'romeo@capulet.example' }))
    await juliet.connection.send(c('message', { to: room }, invite))
    await service.settle()
    expect(all(got.at(-1)!, 'invite')[0]?.attrs.from).toBe('juliet@capulet.example')
    romeo.join(room, 'Romeo')
    await service.settle()
    expect(got.some((el) => codes(el).includes(110))).toBe(true)
  })

  test('7.8.2 others hear of the member that an invitation makes, where they may know him', async () => {
    for (const anonymous of ['non', 'semi'] as const) {
      const seen = await joined({ membersOnly: true, members: ['romeo'], anonymous })
      const invite = element(MUC_USER, 'x', {}, element(MUC_USER, 'invite', { to: 'nurse@capulet.example' }))
      await juliet.connection.send(c('message', { to: room }, invite))
      await service.settle()
      const told = seen.romeo.flatMap((el) =>
        all(el, 'item').map(({ attrs }) => [attrs.jid, attrs.affiliation]),
      )
      expect(told).toEqual(anonymous === 'non' ? [['nurse@capulet.example', 'member']] : [])
    }
  })
})

describe('XEP-0421 4.1', () => {
  test('an id is the same for an account, another elsewhere, and never what a client writes', async () => {
    const seen = await joined()
    const forged = element(OCCUPANT_ID, 'occupant-id', { id: 'forged' })
    await romeo.connection.send(c('message', { type: 'groupchat', to: room }, body('1'), forged))
    await service.settle()
    const idOf = (list: typeof seen.juliet) =>
      list.flatMap((el) => all(el, 'occupant-id').map(({ attrs }) => attrs.id))
    const [first, ...more] = idOf(seen.juliet)
    expect([first === 'forged', more.length]).toEqual([false, 0])
    romeo.reconnect()
    seen.juliet.length = 0
    romeo.join(room, 'Montague')
    await service.settle()
    expect(new Set(idOf(seen.juliet))).toEqual(new Set([first]))
    const other = service.room('orchard', {})
    juliet.join(other, 'Juliet')
    romeo.join(other, 'Romeo')
    seen.juliet.length = 0
    await service.settle()
    expect(idOf(seen.juliet)).not.toContain(first)
  })

  test('ejabberd had none', async () => {
    service = testService({ quirks: ejabberd })
    juliet = service.connect('juliet')
    room = service.room('garden')
    const got = inbox(juliet)
    juliet.join(room, 'Juliet')
    await service.settle()
    expect(got.flatMap((el) => all(el, 'occupant-id'))).toEqual([])
  })
})

describe('7.6 nicknames, 7.14 leaving', () => {
  test('a change is 303 and then presence', async () => {
    const seen = await joined()
    await romeo.connection.send(c('presence', { to: `${room}/Montague` }))
    await service.settle()
    expect(seen.juliet.map(({ attrs }) => [attrs.from, attrs.type])).toEqual([
      [`${room}/Romeo`, 'unavailable'],
      [`${room}/Montague`, undefined],
    ])
    expect(codes(seen.juliet[0]!)).toEqual([303])
    expect(all(seen.juliet[0]!, 'item')[0]?.attrs).toMatchObject({ nick: 'Montague', role: 'participant' })
    await romeo.connection.send(c('presence', { to: `${room}/Juliet` }))
    await service.settle()
    expect(errorOf(seen.romeo)).toEqual(['conflict'])
  })

  test('who leaves, closes or is lost for too long is gone', async () => {
    for (const how of ['leave', 'close', 'lost'] as const) {
      const seen = await joined()
      if (how === 'leave')
        await romeo.connection.send(c('presence', { to: `${room}/Romeo`, type: 'unavailable' }))
      if (how === 'close') romeo.close()
      if (how === 'lost') romeo.disconnect()
      await service.settle()
      expect(seen.juliet.length, how).toBe(how === 'lost' ? 0 : 1)
      await service.advance(300_000)
      expect(
        seen.juliet.map(({ attrs }) => attrs.type),
        how,
      ).toEqual(['unavailable'])
      expect(all(seen.juliet[0]!, 'item')[0]?.attrs.role).toBe('none')
    }
  })
})

describe('9 affiliations', () => {
  test('a member that is made is told of, and one that is unmade leaves a members-only room with 321', async () => {
    const seen = await joined({ membersOnly: true, members: ['romeo'], anonymous: 'non' })
    await set(juliet, room, admin({ jid: 'nurse@capulet.example', affiliation: 'member' }))
    await service.settle()
    expect(all(seen.romeo.at(-1)!, 'item')[0]?.attrs).toMatchObject({
      jid: 'nurse@capulet.example',
      affiliation: 'member',
    })
    await set(juliet, room, admin({ jid: 'romeo@capulet.example', affiliation: 'none' }))
    await service.settle()
    expect(codes(seen.romeo.at(-1)!)).toEqual([110, 321])
  })

  test('8.2 kicked is 307, 9.1 banned is 301', async () => {
    const seen = await joined()
    await set(juliet, room, admin({ nick: 'Romeo', role: 'none' }))
    await service.settle()
    expect(codes(seen.romeo.at(-1)!)).toEqual([110, 307])
    romeo.join(room, 'Romeo')
    await service.settle()
    await set(juliet, room, admin({ jid: 'romeo@capulet.example', affiliation: 'outcast' }))
    await service.settle()
    expect(
      seen.juliet
        .filter(({ name }) => name === 'presence')
        .map(codes)
        .at(-1),
    ).toEqual([301])
    romeo.join(room, 'Romeo')
    await service.settle()
    expect(errorOf(seen.romeo)).toEqual(['forbidden'])
  })

  test.each([
    ['a member bans', 'romeo', { jid: 'nurse@capulet.example', affiliation: 'outcast' }, 'forbidden'],
    ['a member kicks', 'romeo', { nick: 'Juliet', role: 'none' }, 'forbidden'],
    ['the last owner goes', 'juliet', { jid: 'juliet@capulet.example', affiliation: 'none' }, 'conflict'],
    ['somebody who is not there is kicked', 'juliet', { nick: 'Nobody', role: 'none' }, 'item-not-found'],
    [
      'an affiliation that is none',
      'juliet',
      { jid: 'romeo@capulet.example', affiliation: 'x' },
      'bad-request',
    ],
    ['no JID', 'juliet', { jid: '@', affiliation: 'member' }, 'bad-request'],
  ])('refused: %s', async (_name, who, item, refusal) => {
    await joined({ members: ['romeo'] })
    expect(await refusalOf(set(who === 'juliet' ? juliet : romeo, room, admin(item)))).toBe(refusal)
  })

  test('9.5 lists are for members of rooms without secrets', async () => {
    const lists = async (options: RoomOptions) => {
      await joined({ members: ['romeo'], ...options })
      const list = (affiliation: string) => get(romeo, room, admin({ affiliation }))
      return Promise.all(
        ['owner', 'admin', 'member', 'outcast'].map((affiliation) =>
          list(affiliation).then(
            (result) => all(result, 'item').map(({ attrs }) => attrs.jid),
            () => 'refused',
          ),
        ),
      )
    }
    const open = [['juliet@capulet.example'], [], ['romeo@capulet.example'], 'refused']
    expect(await lists({ anonymous: 'non', membersOnly: true })).toEqual(open)
    expect(await lists({ anonymous: 'semi', membersOnly: true })).toEqual([
      'refused',
      'refused',
      'refused',
      'refused',
    ])
  })
})

describe('10 owners', () => {
  const config = (values: Record<string, string>) =>
    element(MUC_OWNER, 'query', {}, form('http://jabber.org/protocol/muc#roomconfig', values))

  test('10.1 a room that somebody enters is made, and locked until configured', async () => {
    await make()
    const [hers, his] = [inbox(juliet), inbox(romeo)]
    const made = 'balcony@muc.capulet.example'
    juliet.join(made, 'Juliet')
    await service.settle()
    expect(codes(hers[0]!)).toContain(201)
    romeo.join(made, 'Romeo')
    await service.settle()
    expect(errorOf(his)).toEqual(['item-not-found'])
    await set(
      juliet,
      made,
      element(MUC_OWNER, 'query', {}, element('jabber:x:data', 'x', { type: 'submit' })),
    )
    romeo.join(made, 'Romeo')
    await service.settle()
    expect(codes(his.find((el) => codes(el).includes(110))!)).toContain(110)
    for (const client of [juliet, romeo]) client.close()
    await service.settle()
    expect(await refusalOf(get(service.connect('nurse'), made, element(INFO, 'query')))).toBe(
      'item-not-found',
    )
  })

  test('10.2 what is changed is told', async () => {
    const seen = await joined()
    const changes = { whois: 'anyone', membersonly: '1', changesubject: '1' }
    const named = Object.entries(changes).map(([name, value]) => [`muc#roomconfig_${name}`, value])
    await set(juliet, room, config(Object.fromEntries(named)))
    await service.settle()
    expect(seen.romeo.map(codes)).toEqual([
      [104, 172],
      [110, 322],
    ])
    const info = await get(juliet, room, element(INFO, 'query'))
    const features = all(info, 'feature').map(({ attrs }) => attrs.var)
    expect(features).toContain('muc_nonanonymous')
    expect(features).toContain('muc_membersonly')
    const now = await get(juliet, room, element(MUC_OWNER, 'query'))
    const values = all(now, 'field').map((field) => [
      field.attrs.var,
      all(field, 'value')[0]?.children.join(''),
    ])
    for (const entry of named) expect(values).toContainEqual(entry)
    expect(await refusalOf(set(romeo, room, config({})))).toBe('forbidden')
    expect(await refusalOf(set(juliet, room, config({ 'muc#roomconfig_whois': 'x' })))).toBe('not-acceptable')
  })

  test('10.9 destroyed: each occupant is told once, with the other place and the reason', async () => {
    const seen = await joined()
    const jid = 'other@muc.capulet.example'
    const reason = element(MUC_OWNER, 'reason', {}, 'Macbeth doth come.')
    const password = element(MUC_OWNER, 'password', {}, 'cauldronburn')
    const destroy = element(MUC_OWNER, 'destroy', { jid }, reason, password, element(MUC_OWNER, 'else'))
    await set(juliet, room, element(MUC_OWNER, 'query', {}, destroy))
    await service.settle()
    const content = element(
      MUC_USER,
      'destroy',
      { jid },
      element(MUC_USER, 'reason', {}, 'Macbeth doth come.'),
      element(MUC_USER, 'password', {}, 'cauldronburn'),
    )
    for (const [list, nick] of [
      [seen.juliet.filter(({ name }) => name === 'presence'), 'Juliet'],
      [seen.romeo, 'Romeo'],
    ] as const) {
      expect(list.map(({ attrs }) => [attrs.from, attrs.type])).toEqual([[`${room}/${nick}`, 'unavailable']])
      expect(all(list[0]!, 'destroy')).toEqual([content])
      expect(all(list[0]!, 'item')[0]?.attrs).toMatchObject({ affiliation: 'none', role: 'none' })
    }
    expect(await refusalOf(get(juliet, room, element(INFO, 'query')))).toBe('item-not-found')
  })
})

describe('XEP-0313 for rooms', () => {
  const query = (client: Client) => set(client, room, element(MAM, 'query', { queryid: 'q' }))

  test('keeps each message once, and says who it was where everybody may know', async () => {
    const seen = await joined({ anonymous: 'non' })
    await say(romeo, 'hello')
    await service.settle()
    seen.juliet.length = 0
    await query(juliet)
    expect(words(seen.juliet.filter(({ name }) => name === 'message'))).toEqual(['hello'])
    const account = bareJid.decode('juliet@capulet.example')!
    const queries = new Map([['q', bareJid.decode(room)!]])
    expect(receive(seen.juliet[0]!, { account, queries })).toMatchObject({
      channel: 'archive',
      chat: room,
      sender: { known: 'occupant', jid: 'romeo@capulet.example' },
    })
  })

  test('is for who may enter', async () => {
    await make({ membersOnly: true })
    expect(await refusalOf(query(romeo))).toBe('forbidden')
    await make({})
    await query(romeo)
  })
})

describe('IQs', () => {
  const ping = element('urn:xmpp:ping', 'ping')

  test('17.4 pass between occupants, with their occupant JIDs', async () => {
    await joined()
    romeo.connection.answer('urn:xmpp:ping', async (iq) => {
      expect(iq.attrs.from).toBe(`${room}/Juliet`)
      return c('iq')
    })
    expect((await get(juliet, `${room}/Romeo`, ping)).attrs.from).toBe(`${room}/Romeo`)
    expect(await refusalOf(get(juliet, `${room}/Nobody`, ping))).toBe('item-not-found')
  })

  test('XEP-0410: the room answers who pings oneself', async () => {
    await joined()
    await get(romeo, `${room}/Romeo`, ping)
    romeo.reconnect()
    expect(await refusalOf(get(romeo, `${room}/Romeo`, ping))).toBe('not-acceptable')
  })

  test('6.3 rooms that are public are listed', async () => {
    await make()
    service.room('secret', { listed: false })
    const result = await get(juliet, 'muc.capulet.example', element(ITEMS, 'query'))
    expect(all(result, 'item').map(({ attrs }) => attrs.jid)).toEqual([room])
  })
})
