/** Two façades on Prosody, whose stanzas, copies, archives and streams are a real server's. */
import { type BareJid, bareJid, child, type Element, element, text } from '@xmpp-e2e/xml'
import { clock } from '@xmpp-e2e/xml/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { arrival, fence } from '../src/arrival.ts'
import { makeFriends } from '../src/friends.ts'
import { OtrClient, type OtrClientOptions, summary } from '../src/otr-live.ts'
import { startProsody } from '../src/prosody.ts'
import type { Account, Server } from '../src/server.ts'

/** Each test takes new ones. */
const NAMES = Array.from({ length: 40 }, (_, i) => `user${i}`)
let server: Server
let taken = 0
const open: OtrClient[] = []
beforeAll(async () => {
  server = await startProsody({ accounts: NAMES })
})
afterAll(async () => {
  await Promise.all(open.map((each) => each.close({ silently: true })))
  await server?.stop()
})

const jidOf = ({ jid }: Account): BareJid => bareJid.decode(jid) as BareJid

async function ours(account: Account, options: OtrClientOptions = {}): Promise<OtrClient> {
  const made = await OtrClient.open(server, account, options)
  open.push(made)
  return made
}

/** Two accounts that see each other's presence, and a client of each. */
async function scene(romeosOptions: OtrClientOptions = {}, julietsOptions: OtrClientOptions = {}) {
  const accounts = [server.account(NAMES[taken++] ?? ''), server.account(NAMES[taken++] ?? '')] as const
  await makeFriends(server, ...accounts)
  const romeo = await ours(accounts[0], romeosOptions)
  const juliet = await ours(accounts[1], julietsOptions)
  return { accounts, romeo, juliet, r: jidOf(accounts[0]), j: jidOf(accounts[1]) }
}

/** The same, with a session that Romeo has asked for. */
async function couple(romeosOptions: OtrClientOptions = {}, julietsOptions: OtrClientOptions = {}) {
  const both = await scene(romeosOptions, julietsOptions)
  await session(both.romeo, both.juliet)
  return both
}

async function session(asks: OtrClient, other: OtrClient, jid: string = other.account): Promise<void> {
  const seen = [asks.events.length, other.events.length]
  await asks.otr.query(jid)
  await Promise.all(
    [asks, other].map((one, i) =>
      one.event('session', ({ session: { state } }) => state === 'encrypted', seen[i]),
    ),
  )
}

/** What `from` says is what `to` reads next. */
async function says(from: OtrClient, to: OtrClient, body: string, more: readonly Element[] = []) {
  await from.send(to.account, body, more)
  const came = await to.next()
  expect(summary(came)).toStrictEqual({ body, from: from.jid, level: 'blind', warnings: [], channel: 'live' })
  return came
}

test('version 3: a query to the bare JID, and messages both ways', async () => {
  const { romeo, juliet, j } = await couple()
  expect(romeo.otr.sessions(j)).toMatchObject([
    { jid: juliet.jid, instance: juliet.otr.instanceTag, session: { version: 3 }, selected: true },
  ])
  for (const body of ['one', 'two']) await says(romeo, juliet, body)
  for (const body of ['three', 'four']) await says(juliet, romeo, body)
})

test('with two clients of the contact each has a session; messages go to the one that wrote last', async () => {
  const { accounts, romeo, juliet, j } = await scene()
  const other = await ours(accounts[1], { store: juliet.store })
  await romeo.otr.query(j)
  for (const one of [juliet, other]) await one.event('session')
  await romeo.until('both', () => romeo.states(j).length === 2)
  expect(romeo.states(j)).toStrictEqual(['encrypted', 'encrypted'])
  await says(juliet, romeo, 'from one')
  await says(romeo, juliet, 'to one')
  await says(other, romeo, 'from the other')
  await says(romeo, other, 'to the other')
  for (const one of [juliet, other]) {
    await fence(romeo.connection, one.connection)
    // Of what is no OTR there are copies.
    expect(one.came.some(({ received }) => received.channel === 'carbon')).toBe(one === other)
    await fence(one.connection, romeo.connection)
  }
  expect([juliet, other].flatMap(copiesOfOtr)).toStrictEqual([])
})

test('with another key, the other client gets nothing until it is selected', async () => {
  const { accounts, romeo, juliet, j } = await scene()
  await session(romeo, juliet)
  const other = await ours(accounts[1])
  const seen = romeo.events.length
  await other.otr.query(romeo.account)
  const told = await romeo.event('session', () => true, seen)
  expect(told).toMatchObject({ jid: other.jid, keyChanged: true, selected: false })
  await says(romeo, juliet, 'to one')
  await other.until('a session', () => other.states(romeo.account).includes('encrypted'))
  await other.send(romeo.account, 'it is me')
  expect(summary(await romeo.next())).toMatchObject({ body: 'it is me', warnings: ['key-changed'] })
  await says(romeo, juliet, 'still to one')
  await romeo.otr.select(other.jid, other.otr.instanceTag, other.otr.fingerprint)
  await says(romeo, other, 'to the other')
  expect(juliet.states(romeo.account)).toStrictEqual(['encrypted'])
  expect(accounts[1].jid).toBe(j)
})

test('XEP-0364 §4.3: neither archives nor copies have any of it', async () => {
  const { accounts, romeo, juliet, r, j } = await couple()
  const others = [await ours(accounts[0]), await ours(accounts[1])]
  await says(romeo, juliet, 'secret')
  await romeo.otr.compare(j, 'tiger')
  await juliet.event('smp-asked')
  await juliet.otr.answer(r, 'tiger')
  await romeo.event('smp-ended')
  await fence(romeo.connection, juliet.connection)
  await fence(juliet.connection, romeo.connection)
  expect(others.flatMap(copiesOfOtr)).toStrictEqual([])
  for (const one of [romeo, juliet, ...others]) {
    await one.readArchive()
    const archived = () => one.came.filter(({ received }) => received.channel === 'archive')
    // The queries had the bare JID, and the fences are plain text.
    await one.until('what is archived', () => archived().length >= 2)
    expect(copiesOfOtr(one)).toStrictEqual([])
  }
})

test('what a server kept is ignored if it is OTR, and shown if not', async () => {
  const { accounts, romeo, juliet, j } = await couple()
  const sent = await romeo.otr.encrypt(chat(juliet.jid, 'kept'), [j])
  if (sent.kind !== 'encrypted') throw new Error(sent.code)
  await juliet.close()
  const body = child(sent.stanzas[0], 'body') as Element
  // Without the hints, and to the bare JID, as other programs do.
  await romeo.connection.send(element('jabber:client', 'message', { to: j, type: 'chat' }, [body]))
  await romeo.connection.send(chat(j, 'plain'))
  await romeo.connection.send(chat(j, '?OTRv3?'))
  const again = await ours(accounts[1], { store: juliet.store })
  await again.readArchive()
  await again.until('all', () => again.came.length >= 6)
  expect(again.came.map(summary)).toStrictEqual(
    (['offline', 'archive'] as const).flatMap((channel) => [
      { silent: 'ignored', channel },
      { plain: 'plain', unexpected: false, channel },
      { silent: 'ignored', channel },
    ]),
  )
  expect(again.events).toStrictEqual([])
})

test('XEP-0198: a stream that is resumed keeps the session, and what was sent meanwhile is read', async () => {
  const { romeo, juliet } = await couple()
  await says(romeo, juliet, 'before')
  await juliet.host.drop()
  for (const body of ['one', 'two']) await romeo.send(juliet.account, body)
  await expect(juliet.send(romeo.account, 'no')).rejects.toThrow()
  await juliet.host.resume()
  expect(juliet.host.states.at(-1)).toBe('resumed')
  for (const body of ['one', 'two'])
    expect(summary(await juliet.next())).toMatchObject({ body, warnings: [] })
  await says(juliet, romeo, 'three')
  await says(romeo, juliet, 'four')
})

test('XEP-0198: a key exchange that a resumed stream interrupts ends well', async () => {
  const { romeo, juliet, j } = await scene()
  await juliet.host.drop()
  await romeo.otr.query(juliet.jid)
  await juliet.host.resume()
  // An old query is no reason to begin; a new one is.
  await romeo.otr.query(j)
  await romeo.until('a session', () => romeo.states(j).includes('encrypted'))
  await says(romeo, juliet, 'one')
  await says(juliet, romeo, 'two')
})

test('a new stream ends sessions on both sides, and nothing goes out until there is another', async () => {
  const { romeo, juliet, r, j } = await couple()
  await says(romeo, juliet, 'before')
  const seen = romeo.events.length
  await juliet.host.drop()
  await juliet.host.reconnect()
  expect(juliet.host.states.at(-1)).toBe('new')
  expect(juliet.states(r)).toStrictEqual(['finished'])
  expect(await juliet.trySend(r, 'no')).toMatchObject({ code: 'finished' })
  await juliet.announce()
  await romeo.event('session', ({ session }) => session.state === 'finished', seen)
  expect(await romeo.trySend(j, 'no')).toMatchObject({ code: 'finished' })
  await session(juliet, romeo)
  await says(romeo, juliet, 'after')
  await says(juliet, romeo, 'and after')
})

test.each(['with a word', 'silently'] as const)('a peer that goes %s finishes the session', async (how) => {
  const { romeo, juliet, j } = await couple()
  const seen = romeo.events.length
  await juliet.close({ silently: how === 'silently' })
  await romeo.event('session', ({ session }) => session.state === 'finished', seen)
  expect(await romeo.trySend(j, 'no')).toMatchObject({ code: 'finished' })
  await romeo.otr.end(j)
  expect(await romeo.trySend(j, 'no')).toMatchObject({ code: 'not-encrypted' })
})

test('long messages, whole and in pieces; a correction; a receipt after it was decrypted', async () => {
  const { romeo, juliet } = await couple({}, { otr: { maxFragment: 200 } })
  const long = 'lorem ipsum ☃ '.repeat(360)
  expect(await says(romeo, juliet, long)).toMatchObject({ received: { channel: 'live' } })
  const pieces = await juliet.send(romeo.account, `${long}!`)
  expect(pieces.stanzas.length).toBeGreaterThan(20)
  expect(summary(await romeo.next())).toMatchObject({ body: `${long}!` })

  const replace = element('urn:xmpp:message-correct:0', 'replace', { id: 'first' })
  const request = element('urn:xmpp:receipts', 'request')
  await says(romeo, juliet, 'first')
  for (const [from, to] of [
    [romeo, juliet],
    [juliet, romeo],
  ] as const) {
    const { decrypted } = await says(from, to, 'corrected', [replace, request])
    if (decrypted.kind !== 'message') throw new Error(decrypted.kind)
    expect(decrypted.stanza.attrs).toMatchObject({ id: 'corrected', from: from.jid })
    // The server could have written it, so that it is not where the body is.
    const besides = decrypted.unauthenticated.map(({ name }) => name)
    expect(besides).toEqual(expect.arrayContaining(['replace', 'request']))
    // A receipt has no body, and passes by.
    const got = arrival(from.connection, (el) => child(el, 'received', 'urn:xmpp:receipts') !== undefined)
    const receipt = element('urn:xmpp:receipts', 'received', { id: decrypted.stanza.attrs.id ?? '' })
    await to.connection.send(element('jabber:client', 'message', { to: from.jid }, [receipt]))
    expect(child(await got, 'received', 'urn:xmpp:receipts')?.attrs.id).toBe('corrected')
  }
})

test('a key for something else; comparisons by either side', async () => {
  const { romeo, juliet, r, j } = await couple()
  const shared = await romeo.otr.shareKey(j, 7, Uint8Array.of(1, 2, 3))
  const told = await juliet.event('symmetric-key')
  expect(told).toMatchObject({ use: 7, data: Uint8Array.of(1, 2, 3), weInitiated: false })
  expect(shared).toStrictEqual({ kind: 'shared', key: told.key })
  for (const [asks, answers, secret, result] of [
    [romeo, juliet, 'lion', 'mismatch'],
    [romeo, juliet, 'tiger', 'match'],
    [juliet, romeo, 'tiger', 'match'],
  ] as const) {
    const seen = [asks.events.length, answers.events.length]
    await asks.otr.compare(answers.account, 'tiger')
    await answers.event('smp-asked', () => true, seen[1])
    await answers.otr.answer(asks.account, secret)
    expect(await asks.event('smp-ended', () => true, seen[0])).toMatchObject({ result, weInitiated: true })
    expect(await answers.event('smp-ended', () => true, seen[1])).toMatchObject({ result })
  }
  expect(await romeo.otr.keys(j)).toMatchObject([{ level: 'verified', by: 'smp' }])
  expect(await juliet.otr.keys(r)).toMatchObject([{ level: 'verified', by: 'smp' }])
})

test('who only reads sends a sign of life after a minute, by which old keys go', async () => {
  const time = movedClock()
  const { romeo, juliet } = await couple({}, { clock: time })
  await says(romeo, juliet, 'one')
  const beats = () => romeo.came.filter(({ decrypted }) => decrypted.kind === 'silent').length
  const before = beats()
  time.pass(59_000)
  await fence(juliet.connection, romeo.connection)
  await romeo.until('the fence', () => romeo.came.some(({ decrypted }) => decrypted.kind === 'plain'))
  expect(beats()).toBe(before)
  time.pass(1000)
  await romeo.until('a heartbeat', () => beats() === before + 1)
  await juliet.send(romeo.account, 'two')
  await romeo.until('it', () => romeo.came.some((came) => summary(came).body === 'two'))
})

const chat = (to: string, body: string): Element =>
  element('jabber:client', 'message', { to, type: 'chat' }, element('jabber:client', 'body', {}, body))

/** Texts of OTR's that came as copies, or out of an archive. */
function copiesOfOtr({ came }: OtrClient): readonly string[] {
  return came.flatMap(({ received: { stanza, channel } }) => {
    const body = child(stanza, 'body')
    const words = body === undefined ? '' : text(body)
    return channel !== 'live' && words.startsWith('?OTR') ? [words] : []
  })
}

/** Time that goes on by itself, and faster when told. */
function movedClock() {
  let moved = 0
  const timers = new Map<object, { readonly at: number; readonly f: () => void }>()
  const now = () => Date.now() + moved
  return {
    now,
    after(ms: number, f: () => void) {
      const once = () => timers.delete(timer) && f()
      const stop = clock.after(ms, once)
      const timer = {}
      timers.set(timer, { at: now() + ms, f: once })
      return () => {
        stop()
        timers.delete(timer)
      }
    },
    pass(ms: number) {
      moved += ms
      for (const { at, f } of [...timers.values()]) if (at <= now()) f()
    },
  }
}
