import { memoryStore, type Store } from '@xmpp-e2e/store'
import { type BareJid, bare, type Element, element, type Received, vouch } from '@xmpp-e2e/xml'
import { beforeEach, describe, expect, test } from 'vitest'
import { verificationString } from '../src/caps.ts'
import { disco } from '../src/disco.ts'
import { MAX_ASKED } from '../src/evidence.ts'
import { sha1 } from '../src/hash.ts'
import { readInfo } from '../src/info.ts'
import { PROTOCOLS, SCHEMES, type Scheme } from '../src/scheme.ts'
import { MAX_HEARD, type RegressionEvent, type SchemeSupport, schemeSupport } from '../src/scheme-support.ts'
import { features, queryOf, verOf } from './read.ts'
import { client, JULIET, type Reply, settled, type World, world } from './world.ts'

const ROMEO = 'romeo@montague.lit'
const PHONE = `${ROMEO}/phone`
const PUBSUB = 'http://jabber.org/protocol/pubsub'

let w: World
let store: Store
let support: SchemeSupport
let published: Record<string, Reply>

const open = (): SchemeSupport => {
  const options = { store, identities: [{ category: 'client', type: 'pc' }], node: 'urn:us' } as const
  return schemeSupport(w.connection, { store, disco: disco(w.connection, options) })
}

beforeEach(() => {
  w = world()
  store = memoryStore()
  support = open()
  published = {}
  w.peers.set(ROMEO, () => published[w.requests.at(-1)?.[2] ?? ''] ?? 'item-not-found')
})

const items = (node: string, ...payloads: readonly Element[]): Element =>
  element(
    PUBSUB,
    'pubsub',
    {},
    element(
      PUBSUB,
      'items',
      { node },
      payloads.map((one, i) => element(PUBSUB, 'item', { id: i === 0 ? 'current' : `${i}` }, one)),
    ),
  )

function list(scheme: Scheme, count: number): Element {
  const { namespace, keyNode: { list, entry } = { list: '', entry: '' } } = PROTOCOLS[scheme]
  const entries = Array.from({ length: count }, (_, i) => element(namespace, entry, { id: i + 1 }))
  return element(namespace, list, {}, entries)
}

const answers = async (contact = ROMEO) => {
  const all = await support.of(contact)
  return Object.fromEntries(SCHEMES.map((scheme) => [scheme, all[scheme].answer]))
}

const otr = (...names: readonly string[]) => {
  const query = queryOf(features('urn:z', ...names))
  return () => query
}

describe.each<Scheme>(['omemo:2', 'omemo', 'ox'])('%s', (scheme) => {
  const { namespace: protocol, keyNode: { node } = { node: '' } } = PROTOCOLS[scheme]

  test.each<[string, () => Reply, string, object]>([
    ['a list with one', () => items(node, list(scheme, 1)), 'yes', { kind: 'published', node, count: 1 }],
    ['a list with three', () => items(node, list(scheme, 3)), 'yes', { kind: 'published', node, count: 3 }],
    ['an empty list', () => items(node, list(scheme, 0)), 'no', { kind: 'published', node, count: 0 }],
    ['no item', () => items(node), 'no', { kind: 'published', node, count: 0 }],
    [
      'an empty list behind one with two',
      () => items(node, list(scheme, 2), list(scheme, 0)),
      'yes',
      { kind: 'published', node, count: 2 },
    ],
    [
      'an empty list beside something else',
      () => items(node, element('urn:other', 'list'), list(scheme, 0)),
      'unknown',
      { kind: 'failed', of: node, code: 'malformed' },
    ],
    ['no node', () => 'item-not-found', 'no', { kind: 'not-published', node }],
    ...[
      'forbidden',
      'not-authorized',
      'service-unavailable',
      'remote-server-not-found',
      'remote-server-timeout',
      'feature-not-implemented',
      'internal-server-error',
      'recipient-unavailable',
      'policy-violation',
      'gone',
    ].map((code): [string, () => Reply, string, object] => [
      code,
      () => code,
      'unknown',
      { kind: 'failed', of: node, code },
    ]),
    [
      'something else',
      () => items(node, element('urn:other', 'list')),
      'unknown',
      { kind: 'failed', of: node, code: 'malformed' },
    ],
    [
      'an item without payload',
      () =>
        element(
          PUBSUB,
          'pubsub',
          {},
          element(PUBSUB, 'items', { node }, element(PUBSUB, 'item', { id: 'a' })),
        ),
      'unknown',
      { kind: 'failed', of: node, code: 'malformed' },
    ],
    [
      'another answer',
      () => element('urn:other', 'x'),
      'unknown',
      { kind: 'failed', of: node, code: 'malformed' },
    ],
  ])('%s', async (_name, reply, answer, evidence) => {
    published[node] = reply()
    const found = (await support.of(ROMEO))[scheme]
    expect(found).toEqual({
      scheme,
      protocol,
      answer,
      evidence: [evidence],
      remembered: answer === 'yes',
      regressed: false,
    })
  })

  test('no answer in time, and a session that ended', async () => {
    for (const [end, code] of [
      [() => w.pass(60_000), 'timeout'],
      [() => w.session('lost'), 'lost'],
    ] as const) {
      w.peers.set(ROMEO, () => undefined)
      const asked = support.of(ROMEO)
      await settled()
      end()
      const found = (await asked)[scheme]
      expect(found).toMatchObject({ answer: 'unknown', evidence: [{ kind: 'failed', of: node, code }] })
    }
  })
})

describe('otr', () => {
  test('nobody there says nothing', async () => {
    expect((await support.of(ROMEO)).otr).toEqual({
      scheme: 'otr',
      protocol: 'urn:xmpp:otr:0',
      answer: 'unknown',
      evidence: [],
      remembered: false,
      regressed: false,
    })
  })

  test('one client with the feature is enough', async () => {
    w.presence(PHONE)
    w.presence(`${ROMEO}/desk`)
    w.peers.set(PHONE, otr('urn:xmpp:otr:0'))
    expect((await support.of(ROMEO)).otr).toMatchObject({
      answer: 'yes',
      evidence: [
        { kind: 'feature', jid: PHONE, has: true },
        { kind: 'failed', of: `${ROMEO}/desk`, code: 'service-unavailable' },
      ],
    })
  })

  test('all have to be without it', async () => {
    w.presence(PHONE)
    w.presence(`${ROMEO}/desk`)
    w.peers.set(PHONE, otr())
    expect((await answers()).otr).toBe('unknown')
    w.peers.set(`${ROMEO}/desk`, otr())
    expect((await answers()).otr).toBe('no')
  })

  test('what a hash says is a yes, but no no', async () => {
    const claim = (query: Element) =>
      `<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:n' ver='${verOf(verificationString(readInfo(query)) ?? '', sha1)}'/>`
    const [plain, able] = [otr()(), otr('urn:xmpp:otr:0')()]
    for (const [contact, query] of [
      [ROMEO, plain],
      ['paris@capulet.lit', able],
    ] as const) {
      w.presence(`${contact}/phone`, claim(query))
      w.peers.set(`${contact}/phone`, () => query)
      await support.of(contact)
    }
    const before = w.requests.length
    expect((await answers('paris@capulet.lit')).otr).toBe('yes')
    expect(w.requests.slice(before).filter(([to]) => to.includes('/'))).toEqual([])
    w.peers.set(PHONE, () => 'service-unavailable')
    expect((await answers()).otr).toBe('unknown')
  })

  test.each([
    [MAX_ASKED, 'no'],
    [MAX_ASKED + 1, 'unknown'],
  ])('%i clients without it: %s', async (count, answer) => {
    for (let i = 0; i < count; i++) {
      w.presence(`${ROMEO}/${i}`)
      w.peers.set(`${ROMEO}/${i}`, otr())
    }
    expect((await answers()).otr).toBe(answer)
    expect(w.requests.filter(([to]) => to.includes('/')).length).toBe(MAX_ASKED)
  })
})

test('where clients have been forgotten, those who are known prove nothing', async () => {
  const info = { identities: [], features: [], forms: [] }
  const resources = [{ jid: PHONE as BareJid, claims: [], signed: false }]
  const asked = { info: async () => info, resources: () => resources }
  for (const [all, answer] of [
    [true, 'no'],
    [false, 'unknown'],
  ] as const) {
    const options = { store: memoryStore(), disco: { ...asked, hasAll: () => all } }
    expect((await schemeSupport(w.connection, options).of(ROMEO)).otr.answer).toBe(answer)
  }
})

describe('pgp', () => {
  test('a signed presence is a yes, and its absence no no', async () => {
    w.presence(PHONE)
    expect((await answers()).pgp).toBe('unknown')
    w.presence(PHONE, "<x xmlns='jabber:x:signed'>iQ</x>")
    expect((await support.of(`${ROMEO}/any`)).pgp).toMatchObject({
      answer: 'yes',
      evidence: [{ kind: 'signed-presence', jid: PHONE }],
    })
    w.presence(PHONE, '', 'unavailable')
    expect((await support.of(ROMEO)).pgp).toMatchObject({
      answer: 'unknown',
      remembered: true,
      regressed: false,
    })
  })
})

describe('messages', () => {
  const EME = (namespace: string) => `<encryption xmlns='urn:xmpp:eme:0' namespace='${namespace}'/>`

  beforeEach(() => {
    w.peers.set(ROMEO, () => 'service-unavailable')
  })

  test.each<[string, Scheme | undefined]>([
    [EME('urn:xmpp:omemo:2'), 'omemo:2'],
    [EME('eu.siacs.conversations.axolotl'), 'omemo'],
    [EME('urn:xmpp:openpgp:0'), 'ox'],
    [EME('urn:xmpp:otr:0'), 'otr'],
    [EME('jabber:x:encrypted'), 'pgp'],
    [EME('urn:xmpp:omemo:1'), undefined],
    ["<encrypted xmlns='eu.siacs.conversations.axolotl'/>", 'omemo'],
    ["<x xmlns='jabber:x:encrypted'>hQ</x>", 'pgp'],
    ['<body>?OTRv23?</body>', 'otr'],
    ['<body>?OTR?v2?</body>', 'otr'],
    ['<body>?OTR:AAM=.</body>', 'otr'],
    ['<body>Hi \t  \t\t\t\t \t \t \t    \t\t  \t </body>', 'otr'],
    ['<body>what is ?OTRv23?</body>', undefined],
    ['<body>Hi</body>', undefined],
  ])('%s shows %s', async (inner, scheme) => {
    w.message(PHONE, inner, 'chat')
    expect(await answers()).toEqual(
      Object.fromEntries(SCHEMES.map((one) => [one, one === scheme ? 'yes' : 'unknown'])),
    )
    expect(Object.values(await answers('paris@capulet.lit'))).toEqual(SCHEMES.map(() => 'unknown'))
  })

  test.each(['groupchat', 'error', 'headline'])(
    'of type %s show nothing about who is written there',
    async (type) => {
      w.message(PHONE, EME('urn:xmpp:omemo:2'), type)
      expect((await answers())['omemo:2']).toBe('unknown')
    },
  )

  test('one that the host has received otherwise counts as well', async () => {
    const message = (from: string, own: boolean, known: 'stream' | 'occupant' | 'no'): Received =>
      vouch({
        stanza: client(`<message type='chat'>${EME('urn:xmpp:openpgp:0')}</message>`),
        account: bare(JULIET),
        chat: ROMEO as BareJid,
        sender: known === 'no' ? { known, candidates: [] } : { known, jid: from },
        channel: 'archive',
        own,
      })
    support.observe(message(PHONE, false, 'no'))
    support.observe(message(JULIET, true, 'stream'))
    // A room says who that is, and it may say anything.
    support.observe(message(ROMEO, false, 'occupant'))
    expect([(await answers()).ox, (await answers(JULIET)).ox]).toEqual(['unknown', 'unknown'])
    support.observe(message(PHONE, false, 'stream'))
    expect((await answers()).ox).toBe('yes')
  })

  test.each([MAX_HEARD, MAX_HEARD + 1])(
    'of %i contacts the last are known without the store',
    async (count) => {
      // A store that forgets at once.
      const forgetful: Store = { ...store, commit: () => Promise.resolve(true) }
      const asked = { info: () => Promise.reject(new Error()), resources: () => [], hasAll: () => true }
      const heard = schemeSupport(w.connection, { store: forgetful, disco: asked })
      for (let i = 0; i < count; i++) w.message(`${i}@montague.lit/phone`, EME('urn:xmpp:otr:0'))
      expect((await heard.of('1@montague.lit')).otr.answer).toBe('yes')
      expect((await heard.of('0@montague.lit')).otr.answer).toBe(count === MAX_HEARD ? 'yes' : 'unknown')
    },
  )

  test('strangers who write put nothing into the store; asking about them does', async () => {
    w.message(PHONE, EME('urn:xmpp:otr:0'))
    await settled()
    expect((await store.list('')).entries).toEqual([])
    await answers()
    expect((await store.list('')).entries.map(([key]) => key)).toEqual([`support/${ROMEO}/otr`])
  })

  test('what is forgotten leaves room, and no other scheme goes with it', async () => {
    w.message('first@montague.lit/phone', EME('urn:xmpp:otr:0'))
    for (const scheme of ['urn:xmpp:otr:0', 'jabber:x:encrypted']) w.message(PHONE, EME(scheme))
    await settled()
    await support.forget(ROMEO, ['otr'])
    expect(await answers()).toMatchObject({ otr: 'unknown', pgp: 'yes' })
    await support.forget(ROMEO)
    for (let i = 1; i < MAX_HEARD; i++) w.message(`${i}@montague.lit/phone`, EME('urn:xmpp:otr:0'))
    expect([(await answers()).pgp, (await answers('first@montague.lit')).otr]).toEqual(['unknown', 'yes'])
  })

  test('without an address, or after closing, nothing', async () => {
    w.receive(client(`<message>${EME('urn:xmpp:omemo:2')}</message>`))
    support.close()
    w.message(PHONE, EME('urn:xmpp:omemo:2'))
    expect((await answers())['omemo:2']).toBe('unknown')
  })
})

describe('regression', () => {
  const node = 'urn:xmpp:omemo:2:devices'
  let events: RegressionEvent[]

  beforeEach(() => {
    events = []
    support.on((event) => events.push(event))
  })

  test('a no after a yes is one, also after a restart, until it is forgotten', async () => {
    published[node] = items(node, list('omemo:2', 1))
    expect((await support.of(ROMEO))['omemo:2']).toMatchObject({ answer: 'yes', regressed: false })
    published[node] = 'forbidden'
    expect((await support.of(ROMEO))['omemo:2']).toMatchObject({
      answer: 'unknown',
      remembered: true,
      regressed: false,
    })
    expect(events).toEqual([])
    for (const reply of ['item-not-found', items(node, list('omemo:2', 0)), items(node)]) {
      published[node] = reply
      expect((await support.of(ROMEO))['omemo:2']).toMatchObject({
        answer: 'no',
        remembered: true,
        regressed: true,
      })
    }
    expect(events.map(({ jid, support }) => [jid, support.scheme])).toEqual([
      [ROMEO, 'omemo:2'],
      [ROMEO, 'omemo:2'],
      [ROMEO, 'omemo:2'],
    ])

    const later = open()
    expect((await later.of(ROMEO))['omemo:2'].regressed).toBe(true)
    expect((await later.of(ROMEO)).omemo.regressed).toBe(false)
    await later.forget(ROMEO, ['ox'])
    expect((await later.of(ROMEO))['omemo:2'].regressed).toBe(true)
    await later.forget(ROMEO)
    expect((await later.of(ROMEO))['omemo:2']).toMatchObject({
      answer: 'no',
      remembered: false,
      regressed: false,
    })
  })

  test('a message that was encrypted is a yes to remember', async () => {
    w.message(PHONE, "<encrypted xmlns='urn:xmpp:omemo:2'/>")
    await settled()
    expect((await support.of(ROMEO))['omemo:2']).toMatchObject({ answer: 'no', regressed: true })
    expect((await open().of(ROMEO))['omemo:2']).toMatchObject({ answer: 'no', regressed: true })
    await support.forget(ROMEO)
    expect((await support.of(ROMEO))['omemo:2']).toMatchObject({ answer: 'no', regressed: false })
  })

  test('OTR that was offered and is announced no more', async () => {
    w.message(PHONE, '<body>?OTRv3?</body>')
    w.presence(PHONE)
    w.peers.set(PHONE, otr())
    expect((await support.of(ROMEO)).otr).toMatchObject({ answer: 'yes', regressed: false })
    expect((await open().of(ROMEO)).otr).toMatchObject({ answer: 'unknown', remembered: true })
    const later = open()
    w.presence(PHONE)
    expect((await later.of(ROMEO)).otr).toMatchObject({ answer: 'no', regressed: true })
  })

  test('a store that fails is no answer', async () => {
    const broken: Store = { ...store, read: () => Promise.reject(new Error('disk full')) }
    const options = {
      disco: { info: () => Promise.reject(new Error()), resources: () => [], hasAll: () => true },
      store: broken,
    }
    await expect(schemeSupport(w.connection, options).of(ROMEO)).rejects.toThrow('disk full')
  })
})

test('questions at once are asked once; a signal ends the waiting of who gave it', async () => {
  w.peers.set(ROMEO, () => undefined)
  const abort = new AbortController()
  const gone = support.of(ROMEO, { signal: abort.signal })
  const stays = support.of(ROMEO)
  await settled()
  expect(w.requests.length).toBe(3)
  abort.abort()
  await expect(gone).rejects.toThrow(expect.objectContaining({ code: 'aborted' }))
  w.pass(60_000)
  expect((await stays).ox.answer).toBe('unknown')
  await expect(support.of(ROMEO, { signal: abort.signal })).rejects.toThrow(
    expect.objectContaining({ code: 'aborted' }),
  )
  expect(w.requests.length).toBe(3)
})
