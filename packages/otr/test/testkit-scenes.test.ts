/** Two people on a service in memory: what a server does with what is OTR, and what it means for sessions. */
import { bare, child, type Element, element, text } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { chat } from './facade.ts'
import { clock, side } from './sides.ts'
import {
  areTogether,
  compare,
  type Person,
  person,
  say,
  smpResults,
  untilRetried,
  verona,
} from './testkit-scene.ts'

const bodyOf = (stanza: Element): string => {
  const body = child(stanza, 'body')
  return body === undefined ? '' : text(body)
}
const states = ({ otr }: Person) => otr.sessions().map(({ session }) => session.state)
const isOtr = (stanza: Element) => bodyOf(stanza).startsWith('?OTR')

describe.each([2, 3] as const)('version %s', (version) => {
  const otr = { versions: [version] }

  async function couple(seed: number) {
    const service = verona(seed)
    const romeo = await person(service, 'romeo', { otr })
    const juliet = await person(service, 'juliet', { otr })
    await romeo.otr.query(juliet.account)
    await service.settle()
    return { service, romeo, juliet }
  }

  test('a query, messages both ways, a comparison, an end, and a second session', async () => {
    const { service, romeo, juliet } = await couple(1)
    expect(await areTogether(service, romeo, juliet)).toBe(true)
    await compare(service, juliet, romeo)
    expect([smpResults(romeo), smpResults(juliet)]).toStrictEqual([['match'], ['match']])
    await romeo.otr.end(juliet.account)
    await service.settle()
    expect([states(romeo), states(juliet)]).toStrictEqual([[], ['finished']])
    expect(await say(juliet, romeo, 'no')).toMatchObject({ code: 'finished' })
    await juliet.otr.query(romeo.account)
    await service.settle()
    expect(await areTogether(service, romeo, juliet)).toBe(true)
  })

  test('XEP-0198: a resumed stream keeps the session, a new one ends it on both sides', async () => {
    const { service, romeo, juliet } = await couple(2)
    juliet.client.disconnect()
    await say(romeo, juliet, 'meanwhile')
    await service.settle()
    await expect(say(juliet, romeo, 'no')).rejects.toThrow()
    expect(juliet.client.resume()).toBe('resumed')
    await service.settle()
    expect(juliet.read()).toStrictEqual(['meanwhile'])
    expect(await areTogether(service, romeo, juliet)).toBe(true)
    juliet.client.reconnect()
    juliet.client.presence()
    await service.settle()
    expect([states(romeo), states(juliet)]).toStrictEqual([['finished'], ['finished']])
    await romeo.otr.query(juliet.account)
    await service.settle()
    expect(await areTogether(service, romeo, juliet)).toBe(true)
  })

  test.each(['session', 'none'] as const)(
    'XEP-0198, XEP-0203: with a mark of delay, and %s',
    async (what) => {
      const { service, romeo, juliet } = await couple(3)
      const { account } = juliet
      if (what === 'none') {
        juliet.client.reconnect()
        juliet.client.presence()
      }
      const held = element('urn:xmpp:delay', 'delay', { from: account, stamp: '2030-01-01T00:00:00Z' })
      service.fault({
        fault: { kind: 'tamper', change: (el) => element(el.ns, el.name, el.attrs, [...el.children, held]) },
        client: account,
        direction: 'received',
        match: isOtr,
      })
      const seen = juliet.decrypted.length
      await say(romeo, juliet, 'held back')
      await service.settle()
      const [came] = juliet.decrypted.slice(seen)
      expect(came).toMatchObject(
        what === 'session' ? { kind: 'message' } : { kind: 'silent', why: 'ignored' },
      )
      // Nobody is asked again what is not there any more.
      expect(states(juliet)).toStrictEqual(what === 'session' ? ['encrypted'] : ['finished'])
    },
  )

  test('XEP-0364 §4: copies and archives have none of it, and what was kept is ignored', async () => {
    const service = verona(4)
    const romeo = await person(service, 'romeo', { otr })
    const juliet = await person(service, 'juliet', { otr })
    const other = await person(service, 'juliet', { otr, resource: 'laptop', store: juliet.store })
    const carbons = element('urn:xmpp:carbons:2', 'enable')
    await other.client.connection.request(element('jabber:client', 'iq', { type: 'set' }, carbons))
    await juliet.otr.query(romeo.account)
    await service.settle()
    expect(await areTogether(service, romeo, juliet)).toBe(true)
    expect(other.decrypted).toStrictEqual([])
    await juliet.client.connection.send(chat(romeo.jid, 'plain'))
    await service.settle()
    expect(other.decrypted).toMatchObject([{ kind: 'plain' }])
  })

  test('a peer that goes offline, a session that it ends, and one that is closed: nothing goes out', async () => {
    for (const leave of [
      ({ client }: Person) => client.close(),
      ({ client }: Person) => client.unavailable(),
      ({ otr }: Person) => otr.close(),
    ]) {
      const { service, romeo, juliet } = await couple(5)
      await leave(juliet)
      await service.settle()
      expect(states(romeo)).toStrictEqual(['finished'])
      expect(await say(romeo, juliet, 'no')).toMatchObject({ kind: 'refused', code: 'finished' })
    }
  })

  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])('both start again after %s stanzas', async (count) => {
    const service = verona(6)
    const stores = await Promise.all(
      ['romeo', 'juliet'].map(async (name) => (await person(service, name, { otr })).store),
    )
    const options = (i: number) => ({ otr, ...(stores[i] && { store: stores[i] }) })
    const before = [
      await person(service, 'romeo', options(0)),
      await person(service, 'juliet', options(1)),
    ] as const
    let passed = 0
    const stop = service.fault({
      fault: { kind: 'drop' },
      direction: 'sent',
      match: (el) => isOtr(el) && ++passed > count,
    })
    await before[0].otr.query(before[1].account)
    await service.settle()
    for (const one of before)
      await say(one, one === before[0] ? before[1] : before[0], 'early').catch(() => {})
    if (before[0].isEncrypted()) await before[0].otr.compare(before[1].account, 'tiger')
    await service.settle()
    stop()
    const romeo = await person(service, 'romeo', options(0))
    const juliet = await person(service, 'juliet', options(1))
    expect(romeo.otr.sessions()).toStrictEqual([])
    await juliet.otr.query(romeo.account)
    await untilRetried(service)
    expect(await areTogether(service, romeo, juliet)).toBe(true)
    await compare(service, romeo, juliet)
    expect(smpResults(romeo)).toStrictEqual(['match'])
  })
})

test('version 2 to the bare JID: one of our clients has the session, and the other does not take it away', async () => {
  const service = verona(7)
  const otr = { versions: [2] as const }
  const ours = [
    await person(service, 'juliet', { otr, seed: 1 }),
    await person(service, 'juliet', { otr, seed: 1, resource: 'laptop' }),
  ] as const
  // As in Profanity, one conversation with all of them.
  const peer = side(3, [2])
  const { connection, jid } = service.connect('romeo', { resource: 'terminal' })
  const flush = async (): Promise<void> => {
    for (const words of peer.out.splice(0)) await connection.send(chat(bare(ours[0].jid), words))
  }
  connection.subscribe({
    stanza(stanza) {
      if (stanza.name !== 'message') return
      clock.now = service.clock.now()
      peer.tick()
      peer.receive(bodyOf(stanza))
      void flush()
    },
  })
  await connection.send(element('jabber:client', 'presence'))
  await connection.send(chat(ours[0].account, '?OTRv2?'))
  await untilRetried(service)
  expect(ours.map(states).sort()).toStrictEqual([[], ['encrypted']])
  const [winner, loser] = ours[0].isEncrypted() ? ours : [ours[1], ours[0]]
  peer.send('to one of you')
  await flush()
  await service.settle()
  expect(winner.read()).toStrictEqual(['to one of you'])
  // Nothing is said about what is not for it.
  expect(loser.decrypted.at(-1)).toMatchObject({ kind: 'unreadable', code: 'session-missing' })
  expect(peer.events.some(({ type }) => type === 'peer-error')).toBe(false)
  await winner.otr.send(chat(jid, 'and back'), [bare(jid)])
  await service.settle()
  expect(peer.read()).toStrictEqual(['and back'])
  // The user of the other one asks for it.
  await loser.otr.query(jid)
  await untilRetried(service)
  await loser.otr.send(chat(jid, 'from me'), [bare(jid)])
  await service.settle()
  expect(peer.read()).toStrictEqual(['and back', 'from me'])
})
