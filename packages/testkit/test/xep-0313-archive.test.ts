import { bareJid, type Element, element, receive } from '@xmpp-e2e/xml'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  type Client,
  ejabberd,
  MAX_PAGE_SIZE,
  PAGE_SIZE,
  type TestService,
  testService,
} from '../src/index.ts'
import { all, body, c, chat, form, get, inbox, MAM, refusalOf, set, words } from './support.ts'

const RSM = 'http://jabber.org/protocol/rsm'
const JULIET = bareJid.decode('juliet@capulet.example')!
let service: TestService
let juliet: Client
let romeo: Client
let got: Element[]

beforeEach(() => {
  service = testService()
  juliet = service.connect('juliet')
  romeo = service.connect('romeo', { resource: 'orchard' })
  got = inbox(juliet, 'message')
})

async function say(count: number) {
  for (let i = 1; i <= count; i++) {
    await romeo.connection.send(chat('juliet@capulet.example', `${i}`))
    await service.advance(1000)
  }
}

interface Query {
  readonly max?: number
  readonly before?: string
  readonly after?: string
  readonly filter?: Record<string, string>
  readonly flip?: boolean
}

async function query(client: Client, { max, before, after, filter, flip }: Query, to?: string) {
  got.length = 0
  const set_ = element(RSM, 'set', {}, [
    max !== undefined && element(RSM, 'max', {}, `${max}`),
    before !== undefined && element(RSM, 'before', {}, before),
    after !== undefined && element(RSM, 'after', {}, after),
  ])
  const payload = element(
    MAM,
    'query',
    { queryid: 'q' },
    filter && form(MAM, filter),
    set_,
    flip && element(MAM, 'flip-page'),
  )
  const result = await set(client, to, payload)
  const text = (name: string) => all(result, name)[0]?.children.join('')
  return {
    words: words(got),
    complete: all(result, 'fin')[0]?.attrs.complete === 'true',
    first: text('first'),
    last: text('last'),
    count: text('count'),
  }
}

describe('4 queries', () => {
  test('page forwards', async () => {
    await say(5)
    const one = await query(juliet, { max: 2 })
    expect(one).toMatchObject({ words: ['1', '2'], complete: false, count: '5' })
    const two = await query(juliet, { max: 2, after: one.last! })
    expect(two).toMatchObject({ words: ['3', '4'], complete: false })
    expect(await query(juliet, { max: 2, after: two.last! })).toMatchObject({ words: ['5'], complete: true })
  })

  test('page backwards from the end, each page in order', async () => {
    await say(5)
    const one = await query(juliet, { max: 2, before: '' })
    expect(one).toMatchObject({ words: ['4', '5'], complete: false })
    const two = await query(juliet, { max: 2, before: one.first! })
    expect(two).toMatchObject({ words: ['2', '3'], complete: false })
    expect(await query(juliet, { max: 2, before: two.first! })).toMatchObject({
      words: ['1'],
      complete: true,
    })
    expect((await query(juliet, { max: 2, before: '', flip: true })).words).toEqual(['5', '4'])
  })

  test('of a page that ends where the archive ends are complete', async () => {
    await say(2)
    expect(await query(juliet, { max: 2 })).toMatchObject({ complete: true })
    expect(await query(juliet, { max: 2, before: '' })).toMatchObject({ complete: true })
    expect(await query(juliet, { max: 0 })).toMatchObject({ words: [], complete: false, count: '2' })
    expect(await query(service.connect('nurse'), {})).toMatchObject({ complete: true, count: '0' })
  })

  test('give a page of so many, and never more than the limit', async () => {
    for (let i = 0; i <= MAX_PAGE_SIZE; i++) await romeo.connection.send(chat(JULIET, `${i}`))
    await service.settle()
    expect((await query(juliet, {})).words.length).toBe(PAGE_SIZE)
    expect((await query(juliet, { max: MAX_PAGE_SIZE })).words.length).toBe(MAX_PAGE_SIZE)
    expect((await query(juliet, { max: MAX_PAGE_SIZE + 1 })).words.length).toBe(MAX_PAGE_SIZE)
  })

  test('results are what `receive` of xml accepts, from an open query', async () => {
    await say(1)
    await query(juliet, {})
    const queries = new Map([['q', JULIET]])
    expect(receive(got[0]!, { account: JULIET, queries })).toMatchObject({
      channel: 'archive',
      chat: 'romeo@capulet.example',
      sentAt: new Date('2030-01-01T00:00:00Z'),
    })
  })

  test('the mark on the message is the id in the archive', async () => {
    juliet.presence()
    await say(1)
    const mark = all(got[0]!, 'stanza-id')[0]?.attrs
    const { first } = await query(juliet, {})
    expect(mark).toMatchObject({ by: JULIET, id: first })
  })

  test('XEP-0359 3: a mark that somebody else wrote in that name is removed', async () => {
    juliet.presence()
    const forged = element('urn:xmpp:sid:0', 'stanza-id', { by: JULIET, id: 'forged' })
    await romeo.connection.send(chat(JULIET, 'x', forged))
    await service.settle()
    expect(all(got[0]!, 'stanza-id').map(({ attrs }) => attrs.id)).not.toContain('forged')
    expect(all(got[0]!, 'stanza-id').length).toBe(1)
  })

  test('are for the owner', async () => {
    expect(await refusalOf(query(romeo, {}, JULIET))).toBe('forbidden')
  })
})

describe('4.1 filters', () => {
  beforeEach(async () => {
    await say(3)
    await service.connect('nurse').connection.send(chat(JULIET, 'nurse'))
    await juliet.connection.send(chat('romeo@capulet.example', 'mine'))
    await service.settle()
  })

  test.each([
    [{ with: 'romeo@capulet.example' }, ['1', '2', '3', 'mine']],
    [{ with: 'romeo@capulet.example/orchard' }, ['1', '2', '3']],
    [{ with: 'nurse@capulet.example' }, ['nurse']],
    [{ start: '2030-01-01T00:00:02Z' }, ['3', 'nurse', 'mine']],
    [{ end: '2030-01-01T00:00:01Z' }, ['1', '2']],
    [{ start: '2030-01-01T00:00:01Z', end: '2030-01-01T00:00:01Z' }, ['2']],
  ])('%j', async (filter, expected) => {
    expect((await query(juliet, { filter })).words).toEqual(expected)
  })

  test('extended: between ids, and by id', async () => {
    const ids: string[] = []
    await query(juliet, {})
    for (const message of got) ids.push(all(message, 'result')[0]?.attrs.id ?? '')
    const filter = { 'after-id': ids[0]!, 'before-id': ids[3]! }
    expect((await query(juliet, { filter })).words).toEqual(['2', '3'])
    expect((await query(juliet, { filter: { ids: ids[2]! } })).words).toEqual(['3'])
    const metadata = await get(juliet, undefined, element(MAM, 'metadata'))
    expect([all(metadata, 'start')[0]?.attrs.id, all(metadata, 'end')[0]?.attrs.id]).toEqual([
      ids[0],
      ids.at(-1),
    ])
  })

  test.each([
    [{ filter: { with: 'a@b@c' } }, 'bad-request'],
    [{ filter: { start: 'yesterday' } }, 'bad-request'],
    [{ filter: { 'after-id': 'none' } }, 'item-not-found'],
    [{ filter: { frobnicate: '1' } }, 'feature-not-implemented'],
    [{ after: 'none' }, 'item-not-found'],
    [{ before: 'none' }, 'item-not-found'],
    [{ max: -1 }, 'bad-request'],
  ])('%j is refused', async (bad, refusal) => {
    expect(await refusalOf(query(juliet, bad))).toBe(refusal)
  })

  test('the form names them', async () => {
    const result = await get(juliet, undefined, element(MAM, 'query'))
    expect(all(result, 'field').map(({ attrs }) => attrs.var)).toContain('before-id')
  })
})

describe('6.1.1 what is kept', () => {
  const encrypted = element('urn:xmpp:omemo:2', 'encrypted')
  const eme = element('urn:xmpp:eme:0', 'encryption', { namespace: 'urn:xmpp:omemo:2' })
  const hint = (name: string) => element('urn:xmpp:hints', name)
  const message = (type: string, ...children: readonly Element[]) =>
    c('message', { type, to: JULIET }, children)

  test.each([
    ['a body', message('chat', body('x')), 1, 1],
    ['no body', message('chat', encrypted), 0, 0],
    ['no body, but an encryption', message('chat', encrypted, eme), 1, 0],
    ['no body, but a wish', message('chat', encrypted, hint('store')), 1, 1],
    ['a wish not to', message('chat', body('x'), hint('no-store')), 0, 0],
    ['a wish not to, for good', message('chat', body('x'), hint('no-permanent-store')), 0, 0],
    ['a headline', message('headline', body('x')), 0, 0],
  ])('%s', async (_name, sent, modern, other) => {
    for (const [quirks, expected] of [
      [undefined, modern],
      [ejabberd, other],
    ] as const) {
      service = testService(quirks && { quirks })
      juliet = service.connect('juliet')
      romeo = service.connect('romeo')
      await romeo.connection.send(sent)
      await service.settle()
      for (const client of [juliet, romeo]) expect((await query(client, {})).count).toBe(`${expected}`)
    }
  })
})
