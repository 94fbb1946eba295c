/** What a stranger or a server sends must never come out of `decrypt`, `encrypt` or `listen` as an exception. */
import { bare, element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { decrypt } from '../src/message/receiving.ts'
import { MAX_PAYLOAD_LENGTH, payloadCiphers } from '../src/payload.ts'
import { encodeBody } from '../src/payload-body.ts'
import { AXOLOTL } from '../src/protocol.ts'
import { audienceOf } from '../src/room.ts'
import { bareAccount } from './bare-account.ts'
import { seen } from './outcomes.ts'
import { BOTH, givePreKeys, live, Peer } from './peer.ts'

/** RFC 7622 §3: the longest there is. */
const longest = bare(
  `${'l'.repeat(1023)}@${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(61)}`,
)

describe.each(BOTH)('%s', (namespace) => {
  test('the longest address there is: read, and what it causes is queued', async () => {
    const juliet = bareAccount()
    await givePreKeys(juliet)
    const stranger = new Peer(longest, 7)
    const stanza = await stranger.write(juliet, namespace, 'hello')
    expect(seen(await decrypt(juliet, live(juliet, stanza)))).toBe('hello')
    await stranger.hear(juliet, namespace)
    const next = await stranger.write(juliet, namespace, 'no session')
    const another = bareAccount({ seed: 'another' })
    expect(seen(await decrypt(another, live(another, { ...next, attrs: { ...next.attrs } })))).toMatch(/^\(/)
  })

  test('a message without a session, from the longest address there is', async () => {
    const before = bareAccount({ seed: 'before' })
    await givePreKeys(before)
    const juliet = bareAccount()
    const juliets = { ...before, store: juliet.store }
    const stranger = new Peer(longest, 7)
    await decrypt(before, live(before, await stranger.write(before, namespace, 'first')))
    await stranger.hear(before, namespace)
    const second = live(before, await stranger.write(before, namespace, 'second'))
    expect(seen(await decrypt(juliets, second))).toBe('(session-missing)')
  })
})

test.each(['\u4e2d', '"', '\\', '\u00e9', '\u{1f600}', '&'])(
  'the largest payload, and beside it as much as is kept, of %s: given, and given again',
  async (character) => {
    const juliet = bareAccount()
    await givePreKeys(juliet)
    const peer = new Peer(bare('romeo@montague.lit'), 7)
    const sealed = payloadCiphers[AXOLOTL].seal(encodeBody('x'.repeat(MAX_PAYLOAD_LENGTH)))
    const outside = [
      element('urn:example', 'x', {}, character.repeat(Math.floor(120_000 / character.length))),
    ]
    const received = live(juliet, await peer.write(juliet, AXOLOTL, 'x', { sealed, outside }))
    const opened = await decrypt(juliet, received)
    expect(opened.kind).toBe('message')
    expect((await decrypt(juliet, received)).kind).toBe('message')
  },
)

test('a room that lists a thousand of the longest addresses is refused', async () => {
  const juliet = bareAccount()
  const item = (i: number) =>
    element('http://jabber.org/protocol/muc#admin', 'item', {
      affiliation: 'member',
      jid: `${'l'.repeat(1019)}${1000 + i}@${longest.slice(1024)}`,
    })
  const info = element('http://jabber.org/protocol/disco#info', 'query', {}, [
    ...['http://jabber.org/protocol/muc', 'muc_nonanonymous', 'muc_membersonly'].map((name) =>
      element('http://jabber.org/protocol/disco#info', 'feature', { var: name }),
    ),
  ])
  const members = element(
    'http://jabber.org/protocol/muc#admin',
    'query',
    {},
    Array.from({ length: 999 }, (_, i) => item(i)),
  )
  const connection = {
    ...juliet.connection,
    request: async (iq: { readonly children: readonly unknown[] }) => {
      const asked = JSON.stringify(iq.children)
      const answer = asked.includes('disco#info')
        ? info
        : asked.includes('"member"')
          ? members
          : element('http://jabber.org/protocol/muc#admin', 'query')
      return element('jabber:client', 'iq', { type: 'result' }, answer)
    },
  }
  const audience = await audienceOf({ ...juliet, connection }, bare('room@conference.lit'))
  expect(audience).toEqual({ kind: 'refused', code: 'recipients-too-many' })
})
