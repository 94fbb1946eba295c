/** Messages of rooms, as Gajim has them: members-only, real addresses, addressed to the room. */
import { ejabberd, modern, prosody, type RoomOptions } from '@xmpp-e2e/testkit'
import { type BareJid, type Element, element, receive } from '@xmpp-e2e/xml'
import { beforeEach, describe, expect, test } from 'vitest'
import { MAX_RECIPIENT_KEYS } from '../src/message/recipients.ts'
import { body, shown, summary } from './message-support.ts'
import { bodyOf, type TestClient, type World, world } from './world.ts'

const CLOSED = {
  membersOnly: true,
  anonymous: 'non',
  owners: ['juliet'],
  members: ['romeo'],
  outcasts: ['tybalt'],
} as const satisfies RoomOptions

const say = (room: BareJid, words: string): Element =>
  element('jabber:client', 'message', { to: room, type: 'groupchat', id: words }, body(words))

let here: World
let juliet: TestClient
let romeo: TestClient

beforeEach(async () => {
  here = world()
  juliet = await here.client('juliet')
  romeo = await here.client('romeo')
})

const encrypt = (message: Element, to: readonly BareJid[] = [], signal?: AbortSignal) =>
  here.finish(juliet.ox.encrypt(message, to, signal ? { signal } : {}))

async function sent(message: Element, to: readonly BareJid[] = []) {
  const encrypted = await encrypt(message, to)
  if (encrypted.kind !== 'encrypted') throw new Error(JSON.stringify(encrypted))
  return encrypted
}

describe.each([modern, prosody, ejabberd])('on $name', (quirks) => {
  test('the audience are members, admins and owners, without outcasts and oneself', async () => {
    here = world({ quirks })
    juliet = await here.client('juliet')
    const room = here.service.room('garden', { ...CLOSED, admins: ['nurse'], members: ['romeo', 'benvolio'] })
    const audience = await here.finish(juliet.ox.audience(room))
    const jids = ['benvolio', 'nurse', 'romeo'].map((name) => here.service.account(name))
    expect(audience.kind === 'members' ? { ...audience, jids: [...audience.jids].sort() } : audience).toEqual(
      { kind: 'members', room, jids, hidden: [] },
    )
  })
})

test('a message goes to all members, is addressed to the room, and comes back to who has sent it', async () => {
  const room = here.service.room('balcony', CLOSED)
  juliet.client.join(room, 'J')
  romeo.client.join(room, 'R')
  await here.settle()
  const came = new Map<TestClient, Element>()
  for (const one of [juliet, romeo])
    one.client.connection.subscribe({
      stanza: (stanza) => void (one.ox.claims(stanza) && came.set(one, stanza)),
    })
  const { stanzas, keys } = await sent(say(room, 'Good night'))
  expect(keys.map(({ owner }) => owner).sort()).toEqual([juliet.account, romeo.account])
  await juliet.client.connection.send(stanzas[0])
  await here.settle()
  const occupant = (address: string) => (address.endsWith('/J') ? juliet.account : romeo.account)
  const decrypted = await Promise.all(
    [romeo, juliet].map((one) => {
      const received = receive(came.get(one) ?? say(room, 'nothing'), {
        account: one.account,
        occupant,
        joined: () => true,
      })
      if (received.kind !== 'message') throw new Error(received.kind)
      return here.finish(one.ox.decrypt(received))
    }),
  )
  expect(decrypted.map(summary)).toEqual(['message: Good night', 'silent: own'])
  const found = shown(decrypted[0] ?? { kind: 'silent', why: 'ignored' })
  expect(found).toMatchObject({
    chat: room,
    to: [room],
    sender: { jid: juliet.account },
    own: false,
    authenticated: true,
  })
  expect(bodyOf(found.content)).toBe('Good night')
})

test('or to those that are named; one who cannot be reached does not silence the others', async () => {
  const room = here.service.room('balcony', { ...CLOSED, members: ['romeo', 'paris', 'nurse'] })
  const { skipped, keys } = await sent(say(room, 'Good night'))
  expect(skipped.map(({ owner, code }) => `${owner} ${code}`).sort()).toEqual([
    'nurse@capulet.example keys-missing',
    'paris@capulet.example keys-missing',
  ])
  expect(keys).toHaveLength(2)
  expect((await sent(say(room, 'Good night'), [romeo.account, juliet.account])).skipped).toEqual([])
})

test('another audience is told of before anything is encrypted, and whoever hears of it can stop it', async () => {
  const room = here.service.room('balcony', CLOSED)
  await sent(say(room, 'one'), [romeo.account])
  const heard = () => juliet.events.filter(({ kind }) => kind === 'audience-changed')
  expect(heard()).toEqual([])
  const nurse = here.service.account('nurse')
  // Her keys are known not to be there: nobody is asked, who could notice it.
  await here.finish(juliet.ox.certificates(nurse, { refresh: true }))
  const stop = new AbortController()
  const off = juliet.ox.on(
    ({ kind }) => void (kind === 'audience-changed' && stop.abort(new Error('who is that?'))),
  )
  await expect(encrypt(say(room, 'two'), [romeo.account, nurse], stop.signal)).rejects.toThrow('who is that?')
  off()
  const added = { kind: 'audience-changed', room, added: [nurse], removed: [] }
  expect(heard()).toEqual([added])
  await sent(say(room, 'three'), [romeo.account, nurse])
  expect(heard()).toEqual([added])
  await sent(say(room, 'four'), [nurse, juliet.account]).catch(() => {})
  expect(heard()).toEqual([added, { kind: 'audience-changed', room, added: [], removed: [romeo.account] }])
})

describe('refused are', () => {
  test.each<[string, Partial<RoomOptions>, string]>([
    ['rooms that hide who is there', { anonymous: 'semi' }, 'room-anonymous'],
    ['rooms that anybody may join', { membersOnly: false }, 'room-open'],
  ])('%s', async (_, options, code) => {
    const room = here.service.room('garden', { ...CLOSED, ...options })
    expect(await here.finish(juliet.ox.audience(room))).toEqual({ kind: 'refused', code })
    expect(await encrypt(say(room, 'Hello.'))).toMatchObject({ kind: 'refused', code })
    const named = await encrypt(say(room, 'Hello.'), [romeo.account])
    // Of an open room, it can be said who reads it.
    expect(named.kind).toBe(code === 'room-open' ? 'encrypted' : 'refused')
  })

  test('what is no room, what does not let us in, and what does not answer', async () => {
    expect(await encrypt(say(romeo.account, 'Hello.'))).toMatchObject({ code: 'room-unreachable' })
    const room = here.service.room('garden', CLOSED)
    const match = ({ attrs }: Element) => attrs.to === room
    for (const [condition, code] of [
      ['forbidden', 'room-forbidden'],
      ['remote-server-timeout', 'room-unreachable'],
    ] as const) {
      const stop = here.service.fault({
        fault: { kind: 'error', condition },
        client: 'juliet',
        direction: 'sent',
        match,
      })
      expect(await encrypt(say(room, 'Hello.'))).toMatchObject({ code })
      stop()
    }
    juliet.client.lose()
    expect(await encrypt(say(room, 'Hello.'))).toMatchObject({ code: 'room-unreachable' })
  })

  test('rooms that show nobody any list', async () => {
    const room = here.service.room('garden', { ...CLOSED, owners: ['nurse'] })
    here.service.fault({
      fault: { kind: 'error', condition: 'forbidden' },
      client: 'juliet',
      direction: 'sent',
      match: ({ attrs, children }) =>
        attrs.to === room && children.some((el) => typeof el !== 'string' && el.ns.endsWith('#admin')),
    })
    expect(await here.finish(juliet.ox.audience(room))).toEqual({ kind: 'refused', code: 'room-forbidden' })
  })

  test('too many', async () => {
    const members = Array.from({ length: MAX_RECIPIENT_KEYS + 1 }, (_, i) => here.service.account(`m${i}`))
    const room = here.service.room('garden', { ...CLOSED, members })
    expect(await here.finish(juliet.ox.audience(room))).toEqual({
      kind: 'refused',
      code: 'recipients-too-many',
    })
    const small = here.service.room('balcony', CLOSED)
    expect(await encrypt(say(small, 'Hello.'), members)).toMatchObject({ code: 'recipients-too-many' })
  })

  test('private messages, once the room is known', async () => {
    const room = here.service.room('garden', CLOSED)
    const whisper = element('jabber:client', 'message', { to: `${room}/R`, type: 'chat' }, body('psst'))
    expect(await encrypt(whisper, [room])).toMatchObject({ code: 'recipients-unreachable' })
    await sent(say(room, 'Hello.'))
    expect(await encrypt(whisper, [room])).toMatchObject({ code: 'room-private-message' })
  })

  test('the room among its readers', async () => {
    const room = here.service.room('garden', CLOSED)
    await expect(juliet.ox.encrypt(say(room, 'Hello.'), [room])).rejects.toThrow(RangeError)
  })
})
