import { type BareJid, type Element, parse, receive } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { eventsOf, MAX_NODE_ITEMS, MAX_NODE_NAME, onEvents, type PepEvent } from '../../src/pep.ts'
import { ACCOUNT, connected, form, PUBSUB } from './connection.ts'

const NODE = 'urn:xmpp:omemo:2:devices'
const romeo = 'romeo@montague.lit'

const event = (children: string): string => `<event xmlns='${PUBSUB}#event'>${children}</event>`
const message = (children: string, attributes = `from='${romeo}' type='headline'`): Element =>
  parse(`<message xmlns='jabber:client' to='${ACCOUNT}/balcony' id='foo' ${attributes}>${children}</message>`)
const items = event(
  `<items node='${NODE}'><item id='current'><devices xmlns='urn:xmpp:omemo:2'/></item></items>`,
)
const of = (children: string): readonly PepEvent[] => eventsOf(message(event(children)))

describe('what is told', () => {
  test.each<[string, string, object[]]>([
    [
      '§7.1.2.1: items with payload and publisher',
      `<items node='${NODE}'><item id='a' publisher='${romeo}'><x xmlns='urn:example'/></item><item id='b'/></items>`,
      [
        {
          kind: 'items',
          items: [
            { id: 'a', payload: { name: 'x', ns: 'urn:example' }, publisher: romeo },
            { id: 'b', payload: undefined, publisher: undefined },
          ],
        },
      ],
    ],
    [
      '§7.1.2.2: without payload',
      `<items node='${NODE}'><item id='a'/></items>`,
      [{ kind: 'items', items: [{ id: 'a' }] }],
    ],
    [
      'XEP-0163 §4.3.4: without ID',
      `<items node='${NODE}'><item/></items>`,
      [{ kind: 'items', items: [{ id: undefined }] }],
    ],
    ['a node that has only events', `<items node='${NODE}'/>`, [{ kind: 'items', items: [] }]],
    [
      '§7.2.2.1: deleted items, once each',
      `<items node='${NODE}'><retract id='a'/><retract id='b'/><retract id='a'/></items>`,
      [{ kind: 'retracted', ids: ['a', 'b'] }],
    ],
    [
      'both',
      `<items node='${NODE}'><retract id='a'/><item id='b'/></items>`,
      [
        { kind: 'items', items: [{ id: 'b' }] },
        { kind: 'retracted', ids: ['a'] },
      ],
    ],
    ['§8.5.2: all items deleted', `<purge node='${NODE}'/>`, [{ kind: 'purged' }]],
    [
      '§8.4.2: the node deleted, wherever it is said to be now',
      `<delete node='${NODE}'><redirect uri='xmpp:mallory@denmark.lit?;node=blog'/></delete>`,
      [{ kind: 'deleted' }],
    ],
    ['§8.2.5.3: configured', `<configuration node='${NODE}'/>`, [{ kind: 'configured', config: {} }]],
    [
      '§8.2.5.3: configured, and how',
      `<configuration node='${NODE}'>${form('result', 'node_config', { access: 'open', maxItems: 10 })}</configuration>`,
      [{ kind: 'configured', config: { access: 'open', maxItems: 10 } }],
    ],
  ])('%s', (_, children, expected) => {
    expect(of(children)).toMatchObject(expected.map((event) => ({ owner: romeo, node: NODE, ...event })))
    expect(of(children).length).toBe(expected.length)
  })

  test('the last item, with when it was published, and white space (XEP-0163 §4.3.4)', () => {
    const delay = `\n<delay xmlns='urn:xmpp:delay' stamp='2003-12-13T23:58:37Z'/>\n`
    expect(eventsOf(message(`\n${items}${delay}`)).length).toBe(1)
  })
})

describe('XEP-0163 §4.3.1: who may tell', () => {
  const account = ACCOUNT as BareJid
  const heard = (attributes: string, own?: BareJid) =>
    eventsOf(message(items, attributes), own).map(({ owner }) => owner)

  test.each<[string, string, string[]]>([
    ['an account, of itself', `from='${romeo}'`, [romeo]],
    ['in another spelling', `from='Romeo@Montague.LIT'`, [romeo]],
    ['of any type that a client may show', `from='${romeo}' type='normal'`, [romeo]],
    ['the own account', `from='${ACCOUNT}'`, [ACCOUNT]],
    ['the own account, without saying so', '', [ACCOUNT]],
    ['one of its clients, which anybody who is logged in there can be', `from='${romeo}/orchard'`, []],
    ['a client of the own account', `from='${ACCOUNT}/chamber'`, []],
    ['a service that is no account', `from='pubsub.montague.lit'`, []],
    ['nobody there can be', `from='@'`, []],
    ['nobody', `from=''`, []],
    ['an occupant of a room', `from='verona@chat.montague.lit/romeo' type='groupchat'`, []],
    ['a room', `from='verona@chat.montague.lit' type='groupchat'`, []],
    ['an error that quotes a notification', `from='${romeo}' type='error'`, []],
  ])('%s', (_, attributes, expected) => {
    expect(heard(attributes, account)).toEqual(expected)
  })

  test('whose the own account is must be known', () => {
    expect(heard('')).toEqual([])
  })
})

describe('what is no notification', () => {
  const forwarded = `<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='${romeo}' to='${ACCOUNT}/balcony' type='headline'>${items}</message></forwarded>`

  test.each([
    ['forwarded (XEP-0297)', forwarded, `from='mallory@montague.lit'`],
    [
      'in a carbon of the own account',
      `<received xmlns='urn:xmpp:carbons:2'>${forwarded}</received>`,
      `from='${ACCOUNT}'`,
    ],
    ['in a carbon of anybody', `<sent xmlns='urn:xmpp:carbons:2'>${forwarded}</sent>`, `from='${romeo}'`],
    [
      'in a result of an archive',
      `<result xmlns='urn:xmpp:mam:2' queryid='q' id='1'>${forwarded}</result>`,
      `from='${ACCOUNT}'`,
    ],
    ['in something else', `<x xmlns='urn:example'>${items}</x>`, `from='${romeo}'`],
    ['two', items + items, `from='${romeo}'`],
    ['two actions', event(`<purge node='${NODE}'/><delete node='${NODE}'/>`), `from='${romeo}'`],
    ['none', event(''), `from='${romeo}'`],
    ['in another namespace', items.replaceAll('#event', ''), `from='${romeo}'`],
    ['an action of another namespace', event(`<purge xmlns='${PUBSUB}' node='${NODE}'/>`), `from='${romeo}'`],
    ['an action that is not known', event(`<collection node='${NODE}'/>`), `from='${romeo}'`],
    [
      '§12.14: about a subscription',
      event(`<subscription node='${NODE}' subscription='none'/>`),
      `from='${romeo}'`,
    ],
  ])('%s', (_, children, attributes) => {
    expect(eventsOf(message(children, attributes), ACCOUNT as BareJid)).toEqual([])
  })

  test('no message, or one of another kind of stream', () => {
    const stanza = message(items)
    expect(eventsOf({ ...stanza, name: 'presence' })).toEqual([])
    expect(eventsOf({ ...stanza, name: 'iq' })).toEqual([])
    expect(eventsOf({ ...stanza, ns: 'jabber:server' })).toEqual([])
    expect(eventsOf(stanza).length).toBe(1)
  })

  test('what `receive` opens is none either, so that no host feeds it back', () => {
    const carbon = message(
      `<received xmlns='urn:xmpp:carbons:2'>${forwarded}</received>`,
      `from='${ACCOUNT}'`,
    )
    expect(receive(carbon, { account: ACCOUNT as BareJid }).kind).toBe('not-a-message')
  })
})

describe('malformed ones are ignored', () => {
  test.each([
    ['no node', '<purge/>'],
    ['an empty node', `<purge node=''/>`],
    ['a node name that is too long', `<purge node='${'x'.repeat(MAX_NODE_NAME + 1)}'/>`],
    ['an item with two payloads', `<items node='${NODE}'><item><a/><b/></item></items>`],
    [
      'an item name that is too long',
      `<items node='${NODE}'><item id='${'x'.repeat(MAX_NODE_NAME + 1)}'/></items>`,
    ],
    ['too many items', `<items node='${NODE}'>${'<item/>'.repeat(MAX_NODE_ITEMS + 1)}</items>`],
    ['a deleted item without a name', `<items node='${NODE}'><retract/></items>`],
    [
      'a deleted item with a name that is too long',
      `<items node='${NODE}'><retract id='${'x'.repeat(MAX_NODE_NAME + 1)}'/></items>`,
    ],
    [
      'too many deleted items',
      `<items node='${NODE}'>${`<retract id='a'/>`.repeat(MAX_NODE_ITEMS + 1)}</items>`,
    ],
    ['another form', `<configuration node='${NODE}'>${form('result', 'meta-data', {})}</configuration>`],
    ['a form of no kind', `<configuration node='${NODE}'><x xmlns='jabber:x:data'/></configuration>`],
  ])('%s', (_, children) => {
    expect(of(children)).toEqual([])
  })

  test('at the limits', () => {
    expect(of(`<purge node='${'x'.repeat(MAX_NODE_NAME)}'/>`).length).toBe(1)
    expect(of(`<items node='${NODE}'>${'<item/>'.repeat(MAX_NODE_ITEMS)}</items>`)[0]).toMatchObject({
      kind: 'items',
    })
    expect(of(`<items node='${NODE}'>${`<retract id='a'/>`.repeat(MAX_NODE_ITEMS)}</items>`)).toMatchObject([
      { ids: ['a'] },
    ])
  })
})

describe('onEvents', () => {
  test('tells of the nodes that are asked for, until stopped', () => {
    const { connection, arrive, listeners } = connected(() => undefined)
    const heard: string[] = []
    const stop = onEvents(connection, [NODE, 'other'], ({ kind, owner, node }) =>
      heard.push(`${kind} ${owner} ${node}`),
    )
    arrive(message(items))
    arrive(message(event(`<purge node='other'/>`), ''))
    arrive(message(event(`<purge node='third'/>`)))
    arrive(message(event(`<purge node='${NODE}'/>`), `from='${romeo}/orchard'`))
    stop()
    arrive(message(items))
    expect(heard).toEqual([`items ${romeo} ${NODE}`, `purged ${ACCOUNT} other`])
    expect(listeners.size).toBe(0)
  })

  test('between sessions, an account that does not say who it is is nobody', () => {
    const { connection, arrive, wire } = connected(() => undefined)
    const heard: PepEvent[] = []
    onEvents(connection, [NODE], (event) => heard.push(event))
    // One that today's rules do not have, too.
    for (const jid of [undefined, 'juliet@capulet.lit/\u0378']) {
      wire.jid = jid
      arrive(message(items, ''))
      arrive(message(items))
    }
    expect(heard.length).toBe(2)
  })
})
