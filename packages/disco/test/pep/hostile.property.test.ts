import { type BareJid, type Element, element, elements, serialize } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { configuration, eventsOf, fetchItems, PepError, publish, subscribe } from '../../src/pep.ts'
import { connected, PUBSUB } from './connection.ts'

// Trees of the words that the readers look for, in the wrong places as often as in the right ones.
const namespaces = [PUBSUB, `${PUBSUB}#event`, `${PUBSUB}#owner`, 'jabber:x:data', 'jabber:client'] as const
const names = [
  ...['pubsub', 'event', 'items', 'item', 'retract', 'purge', 'delete', 'configuration', 'configure'],
  ...['x', 'field', 'value', 'publish', 'subscription'],
] as const
const attributes = fc.record(
  {
    node: fc.constantFrom('node', ''),
    id: fc.constantFrom('a', ''),
    type: fc.constantFrom('form', 'hidden', 'error'),
    var: fc.constantFrom('FORM_TYPE', 'pubsub#access_model'),
    publisher: fc.constantFrom('romeo@montague.lit', '@'),
    subscription: fc.constantFrom('subscribed', 'none'),
  },
  { requiredKeys: [] },
)

const { tree } = fc.letrec<{ tree: Element }>((tie) => ({
  tree: fc
    .tuple(
      fc.constantFrom(...namespaces),
      fc.constantFrom(...names),
      attributes,
      fc.array(fc.oneof({ maxDepth: 5 }, fc.constantFrom('', 'open', `${PUBSUB}#node_config`), tie('tree')), {
        maxLength: 3,
      }),
    )
    .map(([ns, name, attrs, children]) => element(ns, name, attrs, children)),
}))

const under = (ns: string, name: string, child: fc.Arbitrary<Element>): fc.Arbitrary<Element> =>
  child.map((el) => element(ns, name, {}, el))
const answers = fc.oneof(tree, ...namespaces.map((ns) => under(ns, 'pubsub', tree)))

test('whatever is in a message, it is read or ignored', () => {
  const messages = fc
    .oneof(tree, under(`${PUBSUB}#event`, 'event', tree))
    .map((el) => element('jabber:client', 'message', { from: 'romeo@montague.lit' }, el))
  fc.assert(
    fc.property(messages, (message) => {
      for (const event of eventsOf(message)) {
        expect(event.owner).toBe('romeo@montague.lit')
        expect(event.node).toBe('node')
        expect(elements(message)[0]?.name).toBe('event')
      }
    }),
    { numRuns: 500 },
  )
})

test('whatever is in an answer, it is read or a PepError', async () => {
  await fc.assert(
    fc.asyncProperty(answers, async (answer) => {
      const { connection } = connected(() => serialize(answer))
      for (const ask of [
        fetchItems(connection, 'node'),
        configuration(connection, 'node'),
        subscribe(connection, 'romeo@montague.lit' as BareJid, 'node'),
        publish(connection, 'node', { payload: answer }, { access: 'open' }),
      ]) {
        const outcome = await ask.catch((error: unknown) => error)
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(PepError)
      }
    }),
    { numRuns: 100 },
  )
})
