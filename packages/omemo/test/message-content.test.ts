/** What of a message goes where: into an envelope, into the body of 0.3, beside it, or nowhere. */
import { type Element, element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { isExposable } from '../src/index.ts'
import { namesOf, partsOf } from '../src/message/content.ts'

const el = (ns: string, name: string, text = ''): Element => element(ns, name, {}, text)
const client = (name: string, text = ''): Element => el('jabber:client', name, text)

const body = client('body', 'Meet at nine')
const replace = el('urn:xmpp:message-correct:0', 'replace')
const reaction = el('urn:xmpp:reactions:0', 'reactions')

function parts(children: readonly Element[], expose = isExposable) {
  const { content, exposed, withheld, outside, body } = partsOf(
    element('jabber:client', 'message', { to: 'romeo@montague.lit' }, children),
    expose,
  )
  return {
    content: namesOf(content),
    exposed: namesOf(exposed),
    withheld: namesOf(withheld),
    outside: namesOf(outside),
    body,
  }
}

test('row 33: of a whole message, what each version encrypts, leaves readable and withholds', () => {
  const message = [
    body,
    client('subject', 'secret'),
    client('thread', 't1'),
    replace,
    reaction,
    el('urn:xmpp:receipts', 'request'),
    el('http://jabber.org/protocol/chatstates', 'active'),
    el('urn:xmpp:chat-markers:0', 'markable'),
    el('urn:xmpp:sid:0', 'origin-id'),
    el('jabber:x:oob', 'x', 'https://montague.lit/secret.jpg'),
    el('urn:xmpp:hints', 'no-copy'),
    el('urn:xmpp:sid:0', 'stanza-id'),
    el('urn:xmpp:eme:0', 'encryption'),
    el('http://jabber.org/protocol/address', 'addresses'),
    el('urn:xmpp:carbons:2', 'private'),
    el('urn:xmpp:delay', 'delay'),
  ]
  expect(parts(message)).toMatchInlineSnapshot(`
    {
      "body": "Meet at nine",
      "content": [
        "{jabber:client}body",
        "{jabber:client}subject",
        "{jabber:client}thread",
        "{urn:xmpp:message-correct:0}replace",
        "{urn:xmpp:reactions:0}reactions",
        "{urn:xmpp:receipts}request",
        "{http://jabber.org/protocol/chatstates}active",
        "{urn:xmpp:chat-markers:0}markable",
        "{urn:xmpp:sid:0}origin-id",
        "{jabber:x:oob}x",
      ],
      "exposed": [
        "{jabber:client}thread",
        "{urn:xmpp:message-correct:0}replace",
        "{urn:xmpp:receipts}request",
        "{http://jabber.org/protocol/chatstates}active",
        "{urn:xmpp:chat-markers:0}markable",
        "{urn:xmpp:sid:0}origin-id",
      ],
      "outside": [
        "{urn:xmpp:hints}no-copy",
        "{http://jabber.org/protocol/address}addresses",
        "{urn:xmpp:carbons:2}private",
      ],
      "withheld": [
        "{jabber:client}subject",
        "{urn:xmpp:reactions:0}reactions",
        "{jabber:x:oob}x",
      ],
    }
  `)
})

test('an application may decide otherwise, but not about bodies', () => {
  const german = element('jabber:client', 'body', { 'xml:lang': 'de' }, 'Um neun')
  expect(parts([german, body, reaction, replace], ({ name }) => name !== 'replace')).toMatchObject({
    body: 'Meet at nine',
    exposed: ['{urn:xmpp:reactions:0}reactions'],
    withheld: ['{jabber:client}body', '{urn:xmpp:message-correct:0}replace'],
  })
})

describe('the body of 0.3', () => {
  test.each([
    [
      'of two, the one in the language of the stanza',
      [element('jabber:client', 'body', { 'xml:lang': 'de' }, 'b'), client('body', 'a')],
      'a',
    ],
    ['the first otherwise', [element('jabber:client', 'body', { 'xml:lang': 'de' }, 'b')], 'b'],
    ['none without text', [client('body')], undefined],
    [
      'none of another namespace',
      [el('jabber:server', 'body', 'a'), el('urn:example', 'body', 'b')],
      undefined,
    ],
  ])('%s', (_, children, text) => {
    expect(parts(children).body).toBe(text)
  })
})

test.each([
  ['urn:xmpp:message-correct:0', 'replace', true],
  ['urn:xmpp:receipts', 'received', true],
  ['urn:xmpp:chat-markers:0', 'displayed', true],
  ['http://jabber.org/protocol/chatstates', 'composing', true],
  ['jabber:client', 'thread', true],
  ['urn:xmpp:sid:0', 'origin-id', true],
  ['jabber:client', 'subject', false],
  ['urn:xmpp:reactions:0', 'reactions', false],
  ['jabber:x:oob', 'x', false],
  ['urn:xmpp:reply:0', 'reply', false],
  ['urn:example', 'replace', false],
])('{%s}%s stays readable beside 0.3 by default: %s', (ns, name, may) => {
  expect(isExposable(el(ns, name))).toBe(may)
})
