import { type BareJid, element, StanzaError } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { fetchItems, PepError, publish, subscribe } from '../../src/pep.ts'
import { abortable, connected, error, failure, scripted } from './connection.ts'

const romeo = 'romeo@montague.lit' as BareJid
const juliet = 'juliet@capulet.lit' as BareJid

// RFC 6120 §8.3.3 and XEP-0060 §6.5.9; the rows of Prosody and ejabberd are what they send.
test.each([
  ['cancel', 'item-not-found', '', 'not-found'],
  ['auth', 'forbidden', '', 'forbidden'],
  ['cancel', 'not-allowed', 'closed-node', 'forbidden'],
  ['auth', 'not-authorized', 'presence-subscription-required', 'forbidden'],
  ['auth', 'not-authorized', 'not-in-roster-group', 'forbidden'],
  ['auth', 'not-authorized', 'not-subscribed', 'forbidden'],
  ['auth', 'not-authorized', '', 'forbidden'],
  ['auth', 'payment-required', '', 'forbidden'],
  ['auth', 'registration-required', '', 'forbidden'],
  ['auth', 'subscription-required', '', 'forbidden'],
  ['cancel', 'not-allowed', '', 'refused'],
  ['cancel', 'feature-not-implemented', 'unsupported', 'not-supported'],
  ['cancel', 'feature-not-implemented', '', 'not-supported'],
  ['cancel', 'remote-server-not-found', '', 'unavailable'],
  ['wait', 'remote-server-timeout', '', 'unavailable'],
  ['wait', 'recipient-unavailable', '', 'unavailable'],
  ['wait', 'internal-server-error', '', 'unavailable'],
  ['cancel', 'conflict', '', 'exists'],
  ['cancel', 'conflict', 'precondition-not-met', 'precondition-not-met'],
  ['cancel', 'conflict', 'node-full', 'refused'],
  ['cancel', 'unexpected-request', 'not-subscribed', 'not-found'],
  ['modify', 'unexpected-request', '', 'refused'],
  ['modify', 'bad-request', 'subid-required', 'refused'],
  ['wait', 'resource-constraint', '', 'refused'],
  ['cancel', 'gone', '', 'refused'],
  ['cancel', 'undefined-condition', '', 'refused'],
])('%s/%s %s is %s', async (type, condition, detail, code) => {
  const outcome = await fetchItems(scripted(error(type, condition, detail)).connection, 'node').catch(
    (e) => e,
  )
  expect(outcome).toBeInstanceOf(PepError)
  const message = `pep: node of juliet@capulet.lit: ${condition}`
  expect(outcome).toMatchObject({ name: 'PepError', code, message, found: undefined })
  expect(outcome.cause).toBeInstanceOf(StanzaError)
})

test('a condition of another namespace is none of XEP-0060', async () => {
  const reply = error('cancel', 'not-allowed', 'closed-node').replace('pubsub#errors', 'other')
  expect(await failure(fetchItems(scripted(reply).connection, 'node'))).toBe('refused')
})

test('service-unavailable proves something only about the own account (RFC 6121 §8.5.1, XEP-0191 §3.3)', async () => {
  const unavailable = error('cancel', 'service-unavailable')
  const { connection } = scripted(unavailable, unavailable, unavailable)
  expect(await failure(fetchItems(connection, 'node'))).toBe('not-supported')
  expect(await failure(fetchItems(connection, 'node', { owner: juliet }))).toBe('not-supported')
  expect(await failure(fetchItems(connection, 'node', { owner: romeo }))).toBe('unavailable')
})

test('no answer', async () => {
  const { connection, elapse, lose } = connected(() => undefined)
  const signal = abortable()
  const outcomes = [{}, { signal }].map((options) => failure(fetchItems(connection, 'node', options)))
  signal.abort()
  expect(await outcomes[1]).toBe('aborted')
  elapse()
  expect(await outcomes[0]).toBe('timeout')
  const lost = failure(fetchItems(connection, 'node'))
  lose()
  expect(await lost).toBe('lost')
})

test('a stanza that cannot be written is lost, with the reason of the host', async () => {
  const broken = new Error('no stream')
  const { connection } = connected(() => {
    throw broken
  })
  const outcome = await fetchItems(connection, 'node').catch((e) => e)
  expect(outcome).toMatchObject({ code: 'lost', cause: { code: 'lost', cause: broken } })
})

test('messages name the node and its owner', async () => {
  const malformed = '<pubsub/>'
  const { connection, wire } = scripted(malformed, error('cancel', 'gone'), undefined)
  const messageOf = (promise: Promise<unknown>) => promise.catch((e) => e.message)
  expect(await messageOf(fetchItems(connection, 'node', { owner: romeo }))).toBe(
    'pep: node of romeo@montague.lit: an answer without items of the node',
  )
  const item = { payload: element('urn:example', 'x') }
  expect(await messageOf(publish(connection, 'node', item))).toBe('pep: node of juliet@capulet.lit: gone')
  const signal = abortable()
  const asking = messageOf(publish(connection, 'node', item, { access: 'open' }, { signal }))
  signal.abort()
  expect(await asking).toBe('pep: the features of juliet@capulet.lit: the request was aborted')
  wire.jid = undefined
  expect(await messageOf(subscribe(connection, romeo, 'node'))).toBe(
    'pep: node of romeo@montague.lit: there is no session',
  )
})

test('mistakes of the caller keep their kind', async () => {
  const { connection } = scripted()
  expect(await failure(fetchItems(connection, 'node', { owner: '@' as BareJid }))).toBeInstanceOf(TypeError)
})
