/** Messages of rooms (XEP-0384 §5.8), and private ones through rooms. */
import { type Element, element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { OMEMO_2 } from '../src/protocol.ts'
import { nodeCurve as curve } from './node-curve.ts'
import { refused, rids, send, sent } from './sending-support.ts'
import { chat, world } from './world.ts'

const body = (text: string): Element => element('jabber:client', 'body', {}, text)
const say = (room: string, text: string): Element =>
  element('jabber:client', 'message', { to: room, type: 'groupchat', id: text }, body(text))

const CLOSED = { membersOnly: true, anonymous: 'non' } as const

async function cast(config: Parameters<ReturnType<typeof world>['service']['room']>[1]) {
  const here = world()
  const { service, device } = here
  const [juliet, nurse, romeo] = [
    await device('juliet', { curve }),
    await device('nurse', { curve }),
    await device('romeo', { curve }),
  ]
  const room = service.room('balcony', { owners: ['juliet'], members: ['nurse', 'romeo'], ...config })
  for (const [one, nick] of [
    [juliet, 'J'],
    [nurse, 'N'],
    [romeo, 'R'],
  ] as const)
    one.client.join(room, nick)
  await service.settle()
  for (const one of [juliet, nurse, romeo]) one.arrived()
  return { ...here, juliet, nurse, romeo, room }
}

test('a message goes to the devices of all members', async () => {
  const { service, juliet, nurse, romeo, room } = await cast(CLOSED)
  const { stanzas, reached } = await send(service, juliet, say(room, 'good night'), [])
  expect(stanzas[0].attrs).toMatchObject({ to: room, type: 'groupchat' })
  expect(reached.map(({ device }) => device.jid).sort()).toEqual([nurse.account, romeo.account].sort())
  expect([...rids(stanzas[0])[OMEMO_2]].sort()).toEqual([nurse.omemo.deviceId, romeo.omemo.deviceId].sort())
})

test('or to those that are named', async () => {
  const { service, juliet, romeo, room } = await cast(CLOSED)
  const { reached } = await send(service, juliet, say(room, 'good night'), [romeo.account, juliet.account])
  expect(reached.map(({ device }) => device.jid)).toEqual([romeo.account])
})

test('one member who cannot be reached does not silence the others', async () => {
  const { service, juliet, nurse, romeo, room } = await cast({
    ...CLOSED,
    members: ['nurse', 'romeo', 'paris'],
  })
  const { reached, skipped } = await send(service, juliet, say(room, 'good night'), [])
  expect(reached.map(({ device }) => device.jid).sort()).toEqual([nurse.account, romeo.account].sort())
  expect(skipped).toEqual([{ owner: service.account('paris'), code: 'devices-missing' }])
})

test('row 16: who hears of another audience can stop the message before it is encrypted', async () => {
  const { service, juliet, romeo, room } = await cast(CLOSED)
  await send(service, juliet, say(room, 'one'), [romeo.account])
  const stop = new AbortController()
  juliet.omemo.on(({ kind }) => void (kind === 'audience-changed' && stop.abort(new Error('who is that?'))))
  const before = (await juliet.store.list('')).entries.filter(([key]) => key.includes('/session/'))
  const nurse = service.account('nurse')
  const aborted = juliet.omemo.encrypt(say(room, 'two'), [romeo.account, nurse], { signal: stop.signal })
  await expect(service.finish(aborted)).rejects.toThrow('who is that?')
  expect((await juliet.store.list('')).entries.filter(([key]) => key.includes('/session/'))).toEqual(before)
  expect(juliet.events.filter(({ kind }) => kind === 'audience-changed')).toEqual([
    { kind: 'audience-changed', room, added: [nurse], removed: [] },
  ])
})

describe('refused are', () => {
  test('rooms that hide who is there', async () => {
    const { service, juliet, romeo, room } = await cast({ membersOnly: true, anonymous: 'semi' })
    for (const to of [[], [romeo.account]])
      expect(refused(await service.finish(juliet.omemo.encrypt(say(room, 'hi'), to))).code).toBe(
        'room-anonymous',
      )
  })

  test('rooms that anybody may join, unless it is said to whom', async () => {
    const { service, juliet, romeo, room } = await cast({ membersOnly: false, anonymous: 'non' })
    expect(refused(await service.finish(juliet.omemo.encrypt(say(room, 'hi'), []))).code).toBe('room-open')
    const named = sent(await service.finish(juliet.omemo.encrypt(say(room, 'hi'), [romeo.account])))
    expect(named.reached.map(({ device }) => device.jid)).toEqual([romeo.account])
  })

  test('rooms that are none', async () => {
    const { service, juliet } = await cast(CLOSED)
    expect(
      refused(await service.finish(juliet.omemo.encrypt(say('nowhere@rooms.example', 'hi'), []))).code,
    ).toBe('room-unreachable')
  })

  test('private messages through a room, by their mark or because the room is known', async () => {
    const { service, juliet, romeo, room } = await cast(CLOSED)
    const marked = element('jabber:client', 'message', { to: `${room}/R`, type: 'chat' }, [
      body('psst'),
      element('http://jabber.org/protocol/muc#user', 'x'),
    ])
    expect(refused(await juliet.omemo.encrypt(marked, [room])).code).toBe('room-private-message')
    await send(service, juliet, say(room, 'hello'), [])
    expect(refused(await juliet.omemo.encrypt(chat(`${room}/R`, 'psst'), [room])).code).toBe(
      'room-private-message',
    )
    await send(service, juliet, chat(romeo.account, 'psst'), [romeo.account])
  })

  test('the room itself as a recipient, which is a mistake', async () => {
    const { juliet, room } = await cast(CLOSED)
    await expect(juliet.omemo.encrypt(say(room, 'hi'), [room])).rejects.toThrow(RangeError)
  })
})
