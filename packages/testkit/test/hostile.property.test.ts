import { type Element, element } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ejabberd, modern, testService, written } from '../src/index.ts'
import { chat, inbox, words } from './support.ts'

const NAMESPACES = [
  'jabber:client',
  'jabber:iq:roster',
  'jabber:x:data',
  'http://jabber.org/protocol/caps',
  'http://jabber.org/protocol/disco#info',
  'http://jabber.org/protocol/disco#items',
  'http://jabber.org/protocol/pubsub',
  'http://jabber.org/protocol/pubsub#owner',
  'http://jabber.org/protocol/muc',
  'http://jabber.org/protocol/muc#user',
  'http://jabber.org/protocol/muc#admin',
  'http://jabber.org/protocol/muc#owner',
  'http://jabber.org/protocol/rsm',
  'urn:xmpp:mam:2',
  'urn:xmpp:carbons:2',
  'urn:xmpp:sid:0',
  'urn:xmpp:hints',
  'urn:xmpp:ping',
]
const NAMES =
  'pubsub publish items item retract create subscribe unsubscribe configure delete purge affiliations affiliation subscriptions subscription publish-options query x field value set max before after index destroy invite history enable body subject priority c stanza-id private store error ping default metadata flip-page'.split(
    ' ',
  )
const JIDS = [
  'juliet@capulet.example',
  'romeo@capulet.example/r',
  'capulet.example',
  'muc.capulet.example',
  'garden@muc.capulet.example',
  'garden@muc.capulet.example/Romeo',
  'new@muc.capulet.example/x',
  'nobody@capulet.example',
  'x@elsewhere.example',
  'a@b@c',
  '',
]
const VALUES = [
  '1',
  '-1',
  'max',
  'open',
  'whitelist',
  'owner',
  'none',
  'outcast',
  '__proto__',
  'constructor',
  'a',
  '',
  'sha-1',
  ...JIDS,
]
const VARS = [
  'FORM_TYPE',
  'pubsub#access_model',
  'pubsub#max_items',
  'with',
  'start',
  'ids',
  'muc#roomconfig_whois',
  '__proto__',
]
const TYPES = [
  'http://jabber.org/protocol/pubsub#publish-options',
  'http://jabber.org/protocol/pubsub#node_config',
  'urn:xmpp:mam:2',
  'http://jabber.org/protocol/muc#roomconfig',
]

const attrs = fc.dictionary(
  fc.constantFrom(
    'node',
    'id',
    'jid',
    'to',
    'type',
    'affiliation',
    'role',
    'nick',
    'max_items',
    'hash',
    'ver',
    'subscription',
    'by',
  ),
  fc.constantFrom(...VALUES),
  { maxKeys: 4 },
)
const field = fc
  .record({ name: fc.constantFrom(...VARS), value: fc.constantFrom(...VALUES, ...TYPES) })
  .map(({ name, value }) =>
    element(
      'jabber:x:data',
      'field',
      { var: name, type: 'hidden' },
      element('jabber:x:data', 'value', {}, value),
    ),
  )
const dataForm = fc
  .tuple(fc.constantFrom(...TYPES), fc.array(field, { maxLength: 3 }))
  .map(([type, fields]) =>
    element('jabber:x:data', 'x', { type: 'submit' }, [
      element(
        'jabber:x:data',
        'field',
        { var: 'FORM_TYPE', type: 'hidden' },
        element('jabber:x:data', 'value', {}, type),
      ),
      ...fields,
    ]),
  )

const { tree } = fc.letrec<{ tree: Element; node: Element | string }>((tie) => ({
  tree: fc
    .record({
      ns: fc.constantFrom(...NAMESPACES),
      name: fc.constantFrom(...NAMES),
      attrs,
      children: fc.array(tie('node'), { maxLength: 3, depthIdentifier: 'tree' }),
    })
    .map(({ ns, name, attrs: kept, children }) => element(ns, name, kept, sameNamespace(ns, children))),
  node: fc.oneof({ depthIdentifier: 'tree', maxDepth: 4 }, fc.constantFrom(...VALUES), dataForm, tie('tree')),
}))

// Half of the children speak the language of their parent, so that requests get further than the first check.
function sameNamespace(ns: string, children: readonly (Element | string)[]) {
  return children.map((node, i) =>
    typeof node === 'string' || i % 2 > 0 || node.ns === 'jabber:x:data'
      ? node
      : element(ns, node.name, node.attrs, node.children),
  )
}

const stanza = fc
  .record({
    name: fc.constantFrom('iq', 'iq', 'iq', 'message', 'presence'),
    type: fc.constantFrom(
      'get',
      'set',
      'set',
      'result',
      'error',
      'chat',
      'groupchat',
      'normal',
      'subscribe',
      'subscribed',
      'unsubscribe',
      'unavailable',
      undefined,
    ),
    to: fc.constantFrom(undefined, ...JIDS),
    id: fc.constantFrom('1', '2', undefined),
    children: fc.array(tree, { maxLength: 2 }),
  })
  .map(({ name, children, ...rest }) => element('jabber:client', name, rest, children))

test('whatever a client sends, the service goes on, the same way each time, and serves others', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(stanza, { minLength: 1, maxLength: 30 }),
      fc.integer(),
      fc.boolean(),
      async (stanzas, seed, other) => {
        const run = async () => {
          const service = testService({ seed, quirks: other ? ejabberd : modern })
          service.room('garden', { owners: ['juliet'] })
          const [juliet, romeo, nurse] = ['juliet', 'romeo', 'nurse'].map((name) =>
            service.connect(name, { resource: name[0]! }),
          )
          juliet!.presence()
          for (const [i, one] of stanzas.entries()) {
            const client = i % 3 > 0 ? juliet! : romeo!
            if (client.online) await client.wire.send(one)
          }
          await service.settle()
          const got = inbox(nurse!, 'message')
          await nurse!.connection.send(chat(nurse!.jid, 'alive'))
          await service.advance(600_000)
          expect(words(got)).toEqual(['alive'])
          return written(service.transcript)
        }
        expect(await run()).toBe(await run())
      },
    ),
    { numRuns: 200 },
  )
})

test('what it sends is never beside the rules: an answer for each request, with its id, once', async () => {
  const request = stanza.filter(
    ({ name, attrs: { type, id } }) =>
      name === 'iq' && (type === 'get' || type === 'set') && id !== undefined,
  )
  await fc.assert(
    fc.asyncProperty(request, async (iq) => {
      const service = testService()
      const client = service.connect('juliet')
      service.account('romeo')
      service.room('garden', { owners: ['juliet'] })
      const got = inbox(client, 'iq')
      await client.wire.send(iq)
      await service.settle()
      const answers = got.filter(
        ({ attrs: { type, id } }) => id === iq.attrs.id && (type === 'result' || type === 'error'),
      )
      expect(answers.length).toBe(1)
    }),
    { numRuns: 500 },
  )
})
