import type { BareJid } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { MAX_NODE_NAME, notify, subscribe, unsubscribe } from '../../src/pep.ts'
import { error, failure, PUBSUB, scripted, written } from './connection.ts'

const NODE = 'urn:xmpp:omemo:2:devices'
const romeo = 'romeo@montague.lit' as BareJid

const answer = (attributes: string): string =>
  `<pubsub xmlns='${PUBSUB}'><subscription node='${NODE}' jid='juliet@capulet.lit' ${attributes}/></pubsub>`

describe('§6.1: subscribing', () => {
  test('by the bare JID, at the account itself', async () => {
    const { connection, sent, requests } = scripted(answer(`subscription='subscribed' subid='ba49'`))
    expect(await subscribe(connection, romeo, NODE)).toEqual({ state: 'subscribed', id: 'ba49' })
    expect(sent()).toEqual([
      written(`<pubsub xmlns='${PUBSUB}'><subscribe node='${NODE}' jid='juliet@capulet.lit'/></pubsub>`),
    ])
    expect(requests[0]?.attrs).toMatchObject({ type: 'set', to: romeo })
  })

  test.each(['pending', 'unconfigured'])('it is not one yet: %s', async (state) => {
    const { connection } = scripted(answer(`subscription='${state}'`))
    expect(await subscribe(connection, romeo, NODE)).toEqual({ state, id: undefined })
  })

  test.each([
    '',
    answer(''),
    answer(`subscription='none'`),
    `<pubsub xmlns='${PUBSUB}'/>`,
    answer(`subscription='subscribed'`).replace(NODE, 'urn:other'),
    answer(`subscription='subscribed'`).replace('juliet', 'mallory'),
    answer(`subscription='subscribed'`).replace("jid='juliet@capulet.lit'", ''),
    answer(`subscription='subscribed' subid='${'x'.repeat(MAX_NODE_NAME + 1)}'`),
  ])('malformed: %.200s', async (xml) => {
    expect(await failure(subscribe(scripted(xml).connection, romeo, NODE))).toBe('malformed')
  })

  test('a service with one node need not repeat its name, and names may be long', async () => {
    const id = 'x'.repeat(MAX_NODE_NAME)
    const xml = answer(`subscription='subscribed' subid='${id}'`).replace(`node='${NODE}'`, '')
    expect(await subscribe(scripted(xml).connection, romeo, NODE)).toEqual({ state: 'subscribed', id })
  })

  test('an account whose JID is none by the rules of today has no session to subscribe', async () => {
    const { connection, wire, requests } = scripted()
    wire.jid = 'juliet@capulet.lit/\u0378'
    expect(await failure(subscribe(connection, romeo, NODE))).toBe('lost')
    expect(requests).toEqual([])
  })

  test.each([
    ['auth', 'not-authorized', 'presence-subscription-required', 'forbidden'],
    ['auth', 'not-authorized', 'not-in-roster-group', 'forbidden'],
    ['cancel', 'not-allowed', 'closed-node', 'forbidden'],
    ['auth', 'payment-required', '', 'forbidden'],
    ['auth', 'not-authorized', 'pending-subscription', 'forbidden'],
    ['auth', 'forbidden', '', 'forbidden'],
    ['wait', 'policy-violation', 'too-many-subscriptions', 'refused'],
    ['modify', 'bad-request', 'invalid-jid', 'refused'],
    ['cancel', 'gone', '', 'refused'],
    ['cancel', 'item-not-found', '', 'not-found'],
  ])('§6.1.3: %s/%s %s', async (type, condition, detail, code) => {
    expect(await failure(subscribe(scripted(error(type, condition, detail)).connection, romeo, NODE))).toBe(
      code,
    )
  })
})

describe('§6.2: unsubscribing', () => {
  test('all there is, or one of several', async () => {
    const { connection, sent } = scripted('', answer(`subscription='none'`))
    expect(await unsubscribe(connection, romeo, NODE)).toBe(undefined)
    expect(await unsubscribe(connection, romeo, NODE, { id: 'ba49' })).toBe(undefined)
    const attributes = `node='${NODE}' jid='juliet@capulet.lit'`
    expect(sent()).toEqual([
      written(`<pubsub xmlns='${PUBSUB}'><unsubscribe ${attributes}/></pubsub>`),
      written(`<pubsub xmlns='${PUBSUB}'><unsubscribe ${attributes} subid='ba49'/></pubsub>`),
    ])
  })

  test('§6.2.3.2: there was none, in either order of the children', async () => {
    const swapped = `<error type='wait'><not-subscribed xmlns='${PUBSUB}#errors'/><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
    const { connection } = scripted(error('cancel', 'unexpected-request', 'not-subscribed'), swapped)
    expect(await failure(unsubscribe(connection, romeo, NODE))).toBe('not-found')
    expect(await failure(unsubscribe(connection, romeo, NODE))).toBe('not-found')
  })
})

test('without a session there is nobody to subscribe', async () => {
  const { connection, wire, requests } = scripted()
  wire.jid = undefined
  expect(await failure(subscribe(connection, romeo, NODE))).toBe('lost')
  expect(await failure(unsubscribe(connection, romeo, NODE))).toBe('lost')
  expect(requests).toEqual([])
})

test('bad arguments', async () => {
  const { connection } = scripted()
  expect(await failure(subscribe(connection, romeo, ''))).toBeInstanceOf(RangeError)
  expect(await failure(unsubscribe(connection, romeo, ''))).toBeInstanceOf(RangeError)
})

test('§9.2: the feature that asks for notifications', () => {
  expect(notify(NODE)).toBe('urn:xmpp:omemo:2:devices+notify')
})
