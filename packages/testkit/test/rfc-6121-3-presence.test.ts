import { element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { testService } from '../src/index.ts'
import { all, c, get, inbox, ROSTER, set } from './support.ts'

const JULIET = 'juliet@capulet.example'
const ROMEO = 'romeo@capulet.example'

function world() {
  const service = testService()
  const juliet = service.connect('juliet', { resource: 'balcony' })
  const romeo = service.connect('romeo', { resource: 'orchard' })
  const seen = { juliet: inbox(juliet, 'presence'), romeo: inbox(romeo, 'presence') }
  const state = async (client: typeof juliet) => {
    const result = await get(client, undefined, element(ROSTER, 'query'))
    return all(result, 'item').map(({ attrs }) =>
      [attrs.jid, attrs.subscription, attrs.ask].filter(Boolean).join(' '),
    )
  }
  const types = (list: typeof seen.juliet) =>
    list.splice(0).map(({ attrs }) => `${attrs.from} ${attrs.type ?? 'available'}`)
  return { service, juliet, romeo, seen, state, types }
}

describe('3 subscriptions', () => {
  test('are asked for, granted and withdrawn', async () => {
    const { service, juliet, romeo, seen, state, types } = world()
    juliet.presence()
    romeo.presence()
    await service.settle()
    types(seen.juliet)
    types(seen.romeo)
    await juliet.connection.send(c('presence', { type: 'subscribe', to: ROMEO }))
    await service.settle()
    expect(await state(juliet)).toEqual([`${ROMEO} none subscribe`])
    expect(await state(romeo)).toEqual([])
    expect(types(seen.romeo)).toEqual([`${JULIET} subscribe`])
    await romeo.connection.send(c('presence', { type: 'subscribed', to: JULIET }))
    await service.settle()
    expect(await state(juliet)).toEqual([`${ROMEO} to`])
    expect(await state(romeo)).toEqual([`${JULIET} from`])
    expect(types(seen.juliet)).toEqual([`${ROMEO} subscribed`, `${ROMEO}/orchard available`])
    await romeo.connection.send(c('presence', { type: 'unsubscribed', to: JULIET }))
    await service.settle()
    expect(types(seen.juliet)).toEqual([`${ROMEO} unsubscribed`, `${ROMEO}/orchard unavailable`])
    expect(await state(juliet)).toEqual([`${ROMEO} none`])
  })

  test('that were asked for while nobody was there wait', async () => {
    const { service, juliet, romeo, seen, types } = world()
    await juliet.connection.send(c('presence', { type: 'subscribe', to: ROMEO }))
    await service.settle()
    expect(types(seen.romeo)).toEqual([])
    romeo.presence()
    await service.settle()
    expect(types(seen.romeo)).toContain(`${JULIET} subscribe`)
  })

  test('that nobody has asked for are not granted', async () => {
    const { service, juliet, romeo, state } = world()
    await romeo.connection.send(c('presence', { type: 'subscribed', to: JULIET }))
    await service.settle()
    expect([await state(juliet), await state(romeo)]).toEqual([[], []])
  })

  test('to nobody are refused', async () => {
    const { service, juliet, seen, types } = world()
    juliet.presence()
    await juliet.connection.send(c('presence', { type: 'subscribe', to: 'nobody@capulet.example' }))
    await service.settle()
    expect(types(seen.juliet)).toContain('nobody@capulet.example unsubscribed')
  })

  test('2.5.2 end with the roster item', async () => {
    const { service, juliet, romeo, state, seen, types } = world()
    service.subscribeBoth('juliet', 'romeo')
    juliet.presence()
    romeo.presence()
    await service.settle()
    types(seen.romeo)
    await set(
      juliet,
      undefined,
      element(ROSTER, 'query', {}, element(ROSTER, 'item', { jid: ROMEO, subscription: 'remove' })),
    )
    await service.settle()
    expect([await state(juliet), await state(romeo)]).toEqual([[], [`${JULIET} none`]])
    expect(types(seen.romeo)).toContain(`${JULIET}/balcony unavailable`)
  })
})

describe('4 presence', () => {
  test('goes to who may see it and to oneself, and theirs comes with the first', async () => {
    const { service, juliet, romeo, seen, types } = world()
    service.subscribeBoth('juliet', 'romeo')
    const other = service.connect('nurse')
    const strange = inbox(other, 'presence')
    romeo.presence()
    other.presence()
    await service.settle()
    types(strange)
    juliet.presence()
    await service.settle()
    expect(types(seen.juliet).sort()).toEqual([`${JULIET}/balcony available`, `${ROMEO}/orchard available`])
    expect(types(seen.romeo).at(-1)).toBe(`${JULIET}/balcony available`)
    expect(types(strange)).toEqual([])
    juliet.close()
    await service.settle()
    expect(types(seen.romeo)).toEqual([`${JULIET}/balcony unavailable`])
  })

  test('4.6 to somebody goes there, and the end of it as well', async () => {
    const { service, juliet, romeo, seen, types } = world()
    romeo.presence()
    await service.settle()
    types(seen.romeo)
    await juliet.connection.send(c('presence', { to: romeo.jid }))
    await service.settle()
    juliet.close()
    await service.settle()
    expect(types(seen.romeo)).toEqual([`${JULIET}/balcony available`, `${JULIET}/balcony unavailable`])
  })
})
