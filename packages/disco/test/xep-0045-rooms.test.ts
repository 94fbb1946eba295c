/** Whose messages a room's are to be (XEP-0045 §6.4, §9.5, §10.5, §10.8): asked of the room in memory, and of one that answers otherwise. */
import { testService } from '@xmpp-e2e/testkit'
import { bareJid, type Connection, ConnectionError, type Element, element, StanzaError } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { roomMembers } from '../src/rooms.ts'

const ROOM = bareJid.decode('court@rooms.example')
if (ROOM === undefined) throw new Error('no JID')
const room = ROOM

test('a room that is members-only and not anonymous names its members, who is offline included', async () => {
  const service = testService()
  const [juliet, nurse] = [service.account('juliet'), service.account('nurse')]
  const court = service.room('court', {
    owners: ['juliet'],
    members: ['nurse'],
    membersOnly: true,
    anonymous: 'non',
  })
  const { connection } = service.connect('juliet')
  const found = await service.finish(roomMembers(connection, court))
  expect(found).toEqual({ kind: 'members', jids: [juliet, nurse], hidden: [] })
})

interface Answers {
  readonly features?: readonly string[]
  readonly lists?: Readonly<Record<string, readonly string[] | StanzaError>>
  readonly error?: Error
}

const FEATURES = ['http://jabber.org/protocol/muc', 'muc_nonanonymous', 'muc_membersonly']

function answering({ features = FEATURES, lists = {}, error }: Answers): Connection {
  return {
    jid: 'juliet@capulet.example/balcony',
    send: () => Promise.reject(new Error('not here')),
    subscribe: () => () => {},
    answer: () => () => {},
    async request(iq: Element) {
      if (error) throw error
      const [query] = iq.children
      if (typeof query !== 'object') throw new Error('no query')
      if (query.ns.endsWith('#info'))
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
      const affiliation = (typeof item === 'object' && item.attrs.affiliation) || ''
      const list = lists[affiliation] ?? []
      if (list instanceof Error) throw list
      return element(
        'jabber:client',
        'iq',
        {},
        element(
          query.ns,
          'query',
          {},
          list.map((jid) => element(query.ns, 'item', { jid, affiliation })),
        ),
      )
    },
  }
}

const forbidden = new StanzaError(element('jabber:client', 'iq', { type: 'error' }), 'auth', 'forbidden')

test.each([
  ['room-unreachable', { features: [] }],
  ['room-anonymous', { features: [FEATURES[0] ?? '', 'muc_membersonly'] }],
  ['room-open', { features: [FEATURES[0] ?? '', 'muc_nonanonymous'] }],
  ['room-forbidden', { error: forbidden }],
  ['room-unreachable', { error: new ConnectionError('timeout', 'no answer') }],
] as const)('%s', async (code, answers) => {
  expect(await roomMembers(answering(answers), room)).toEqual({ kind: 'refused', code })
})

test('a list that is not shown is said to be hidden, what is no address is left out, and nobody is named twice', async () => {
  const lists = {
    owner: ['juliet@capulet.example', 'no@@jid'],
    admin: forbidden,
    member: ['juliet@capulet.example/x'],
  }
  expect(await roomMembers(answering({ lists }), room)).toEqual({
    kind: 'members',
    jids: ['juliet@capulet.example'],
    hidden: ['admin'],
  })
})
