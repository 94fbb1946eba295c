/** XEP-0364 §4 and what goes with it: which stanzas are looked at, and what they carry. */
import { bare, element, elements, type Received, receive, text, vouch } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import {
  bodyOf,
  controlStanza,
  decryptedStanza,
  encryptedStanzas,
  featuresOf,
  isOtr,
  mayHoldOtr,
  peerOf,
  withBody,
} from '../src/xmpp.ts'

const FROM = 'juliet@capulet.lit/balcony'
const account = bare('romeo@montague.lit')
const body = (words: string, attrs = {}) => element('jabber:client', 'body', attrs, words)
const message = (attrs: Record<string, string>, ...children: Parameters<typeof element>[3][]) =>
  element('jabber:client', 'message', { from: FROM, to: `${account}/orchard`, ...attrs }, children)

test.each([
  ['chat', true],
  ['normal', true],
  [undefined, true],
  ['groupchat', false],
  ['error', false],
  ['headline', false],
] as const)('a message of type %s is looked at: %s', (type, expected) => {
  const stanza = message(type === undefined ? {} : { type }, body('?OTRv3?'))
  expect(mayHoldOtr(stanza)).toBe(expected)
})

test('what has no body, or is no message, is not', () => {
  expect(mayHoldOtr(message({ type: 'chat' }))).toBe(false)
  expect(mayHoldOtr(element('jabber:client', 'iq', {}, body('?OTRv3?')))).toBe(false)
  expect(mayHoldOtr(element('jabber:server', 'message', {}, body('?OTRv3?')))).toBe(false)
  expect(mayHoldOtr(message({}, element('urn:xmpp:x', 'body', {}, '?OTRv3?')))).toBe(false)
})

const live: Omit<Received, 'kind' | 'checkedBy'> = {
  stanza: message({ type: 'chat' }, body('?OTRv3?')),
  account,
  chat: bare(FROM),
  sender: { known: 'stream', jid: FROM },
  channel: 'live',
  own: false,
}

test.each<[string, Partial<typeof live>, string | undefined]>([
  ['live', {}, FROM],
  ['a carbon', { channel: 'carbon' }, undefined],
  ['of an archive', { channel: 'archive' }, undefined],
  ['delayed', { channel: 'offline' }, undefined],
  ['of an occupant', { sender: { known: 'occupant', jid: bare(FROM) } }, undefined],
  ['of somebody in a room', { sender: { known: 'no', candidates: [] } }, undefined],
  ['of a room', { stanza: message({ type: 'groupchat' }, body('?OTRv3?')) }, undefined],
])('row 23: a message that is %s', (_what, difference, expected) => {
  expect(peerOf(vouch({ ...live, ...difference }))).toBe(expected)
})

test('row 23: what `receive` finds late, by a mark of the server, is not looked at', () => {
  const delay = element('urn:xmpp:delay', 'delay', { from: 'montague.lit', stamp: '2026-01-01T00:00:00Z' })
  const found = receive(message({ type: 'chat' }, body('?OTRv3?'), delay), { account })
  expect(found.kind === 'message' && peerOf(found)).toBe(undefined)
})

test('texts of OTR are told from texts of people', () => {
  for (const words of ['?OTRv3?', '?OTR:AAMD.', '?OTR|1|2,1,2,x,', '?OTR Error: x', ' ?OTR?'])
    expect(isOtr(words)).toBe(true)
  for (const words of ['hello', 'I like ?OTRv3?', '?OTRS is a helpdesk', '']) expect(isOtr(words)).toBe(false)
})

test('marks: a query is not encrypted, and only full JIDs have no copies', () => {
  const names = (to: string, words: string) => elements(controlStanza(to, words)).map(({ name }) => name)
  expect(names(FROM, '?OTR:AAMD.')).toStrictEqual([
    'body',
    'encryption',
    'no-copy',
    'no-permanent-store',
    'private',
  ])
  expect(names(bare(FROM), '?OTRv3?')).toStrictEqual(['body', 'no-permanent-store', 'private'])
  expect(names(FROM, '?OTR|00000100|00000200,00001,00002,x,')).toContain('encryption')
})

test('the body in the language of the stanza is read, and replaced', () => {
  const stanza = message({}, body('ciao', { 'xml:lang': 'it' }), body('hello'))
  expect(bodyOf(stanza)).toBe(elements(stanza)[1])
  expect(elements(withBody(stanza, 'hi')).map((el) => text(el))).toStrictEqual(['ciao', 'hi'])
})

test('nothing that stood outside is among what was decrypted', () => {
  const outer = message(
    { type: 'chat', id: '1' },
    body('?OTR:AAMD.'),
    element('urn:xmpp:receipts', 'request'),
    element('urn:xmpp:carbons:2', 'private'),
    element('urn:xmpp:hints', 'no-copy'),
  )
  const { content, stanza, unauthenticated } = decryptedStanza(outer, '<b>\u0001\ud800 \u{1f339}')
  expect(content.map((el) => text(el))).toStrictEqual(['<b>\ufffd\ufffd \u{1f339}'])
  expect(elements(stanza).map(({ name }) => name)).toStrictEqual(['body', 'no-copy'])
  expect(unauthenticated.map(({ name }) => name)).toStrictEqual(['request'])
})

test('of several stanzas the last has id and receipts', () => {
  const given = message({ type: 'normal', id: '7' }, body('x'), element('urn:xmpp:receipts', 'request'))
  const stanzas = encryptedStanzas(given, FROM, ['?OTR|a', '?OTR|b'])
  expect(stanzas.map(({ attrs }) => ({ ...attrs }))).toStrictEqual([
    { to: FROM, type: 'normal' },
    { to: FROM, type: 'normal', id: '7' },
  ])
  expect(stanzas.map((stanza) => elements(stanza).some(({ name }) => name === 'request'))).toStrictEqual([
    false,
    true,
  ])
})

test('XEP-0378: only version 3 is announced', () => {
  expect(featuresOf([2, 3])).toStrictEqual(['urn:xmpp:otr:0'])
  expect(featuresOf([2])).toStrictEqual([])
})
