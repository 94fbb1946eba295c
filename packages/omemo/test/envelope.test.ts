import { utf8ToBytes } from '@noble/hashes/utils.js'
import { bare, element, equal, parse, serialize, XmlError } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeEnvelope,
  type Envelope,
  encodeEnvelope,
  MAX_ENVELOPE_DEPTH,
  MAX_RANDOM_PADDING,
  MIN_ENVELOPE_LENGTH,
} from '../src/envelope.ts'
import { type AffixContext, checkAffixes, TIME_TOLERANCE } from '../src/envelope-affixes.ts'
import { MAX_PAYLOAD_LENGTH, omemo2Payload } from '../src/payload.ts'
import { failure } from './support.ts'

const romeo = bare('romeo@montague.lit')
const juliet = bare('juliet@capulet.lit')
const room = bare('secret-room@conference.capulet.lit')
const mercutio = bare('mercutio@verona.lit')
const time = new Date('2026-11-24T07:00:00Z')
const affixes = { from: romeo, to: juliet, time }
const body = element('jabber:client', 'body', {}, 'Hello World!')
const bytes = (xml: string) => utf8ToBytes(xml)
const text = (envelope: Uint8Array) => new TextDecoder().decode(envelope)

/** The same byte for ever. */
const constant = (byte: number) => (length: number) => new Uint8Array(length).fill(byte)

describe('XEP-0384 §5.5.1: writing an envelope', () => {
  test('all four affixes, and the content as it is', () => {
    const oob = parse("<x xmlns='jabber:x:oob'><url>https://xmpp.org/</url></x>")
    const written = encodeEnvelope([body, oob], affixes, constant(0))
    expect(text(written)).toBe(
      '<envelope xmlns="urn:xmpp:sce:1"><content><body xmlns="jabber:client">Hello World!</body>' +
        '<x xmlns="jabber:x:oob"><url>https://xmpp.org/</url></x></content><from jid="romeo@montague.lit"/>' +
        '<to jid="juliet@capulet.lit"/><time stamp="2026-11-24T07:00:00Z"/>' +
        `<rpad>${text(written).match(/A+(?=<\/rpad>)/)?.[0]}</rpad></envelope>`,
    )
    expect(decodeEnvelope(written)).toEqual({ content: [body, oob], ...affixes })
  })

  test('no content is content too: a heartbeat after catching up', () => {
    expect(decodeEnvelope(encodeEnvelope([], affixes)).content).toEqual([])
  })

  test('XEP-0420 §4: at least the minimum, and up to 200 characters more', () => {
    const lengths = new Set<number>()
    for (let i = 0; i < 300; i++) lengths.add(encodeEnvelope([body], affixes).length)
    const shortest = encodeEnvelope([body], affixes, constant(0)).length
    const longest = encodeEnvelope([body], affixes, constant(255)).length
    expect(shortest).toBeGreaterThanOrEqual(MIN_ENVELOPE_LENGTH)
    expect(longest - shortest).toBe(MAX_RANDOM_PADDING)
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(shortest)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(longest)
    expect(lengths.size).toBeGreaterThan(100)
  })

  test('short messages have one length, long ones only the random part', () => {
    const length = (chars: number) =>
      encodeEnvelope([element('jabber:client', 'body', {}, 'x'.repeat(chars))], affixes, constant(0)).length
    expect(new Set([1, 10, 100, 250].map(length)).size).toBe(1)
    expect(length(2001) - length(2000)).toBe(1)
  })

  test('the arithmetic of MIN_ENVELOPE_LENGTH: JIDs of 20 characters leave 307 bytes to the text', () => {
    const jid = bare('twenty@characters.eu')
    expect(jid.length).toBe(20)
    const length = (chars: number) => {
      const content = [element('jabber:client', 'body', {}, 'x'.repeat(chars))]
      return encodeEnvelope(content, { from: jid, to: jid, time: new Date(1) }, constant(0)).length
    }
    // Nothing is missing at 308, and without any padding `<rpad/>` is six bytes shorter.
    expect([0, 1, 306, 307, 308].map(length)).toEqual([525, 525, 525, 525, 519])
  })

  test('each of the 64 characters comes from four bytes', () => {
    let next = 0
    const counting = (length: number) => Uint8Array.from({ length }, () => next++)
    // Nothing is missing to the minimum, and the first draw is 2³² − 1: 200 bytes from 0 to 199.
    let drawn = false
    const random = (length: number) => {
      if (drawn) return counting(length)
      drawn = true
      return new Uint8Array(length).fill(255)
    }
    const long = element('jabber:client', 'body', {}, 'x'.repeat(MIN_ENVELOPE_LENGTH))
    const rpad = text(encodeEnvelope([long], affixes, random)).match(/<rpad>(.*)<\/rpad>/)?.[1] ?? ''
    const alphabet = rpad.slice(0, 64)
    expect(alphabet).toMatch(/^[\w-]{64}$/)
    expect(new Set(alphabet).size).toBe(64)
    expect(rpad).toBe(alphabet.repeat(4).slice(0, MAX_RANDOM_PADDING))
  })

  test('what fits into a payload, and one byte more', () => {
    const write = (chars: number) =>
      encodeEnvelope([element('jabber:client', 'body', {}, 'x'.repeat(chars))], affixes, constant(0))
    const overhead = write(10_000).length - 10_000
    const full = write(MAX_PAYLOAD_LENGTH - 1 - overhead)
    expect(omemo2Payload.seal(full).payload.length).toBe(MAX_PAYLOAD_LENGTH)
    expect(decodeEnvelope(full).from).toBe(romeo)
    expect(() => write(MAX_PAYLOAD_LENGTH - overhead)).toThrow(RangeError)
  })

  test('a time that is none is not written', () => {
    expect(() => encodeEnvelope([body], { ...affixes, time: new Date(Number.NaN) })).toThrow(RangeError)
  })

  test('any text survives', () => {
    const characters = [
      'a',
      '<',
      '&',
      '"',
      ']]>',
      '\t',
      '\n',
      '\r',
      '\u0085',
      'é',
      '\u2028',
      '\ufeff',
      '\ufffd',
      '👋',
    ]
    const xmlText = fc.string({ unit: fc.constantFrom(...characters) })
    fc.assert(
      fc.property(xmlText, (said) => {
        const content = [element('jabber:client', 'body', {}, said)]
        expect(decodeEnvelope(encodeEnvelope(content, affixes))).toEqual({ content, ...affixes })
      }),
    )
  })
})

const sce = (inside: string) => `<envelope xmlns='urn:xmpp:sce:1'>${inside}</envelope>`
const content = "<content><body xmlns='jabber:client'>Hello World!</body></content>"

describe('XEP-0420 §4 and §10: reading an envelope', () => {
  test.each([
    [
      'XEP-0384 §5.5.1, example 6',
      sce(`${content}<rpad>...</rpad><from jid='romeo@montague.lit'/>`),
      { from: romeo },
    ],
    [
      'XEP-0420 §4, example 1',
      sce(
        `${content}<time stamp='2004-01-25T06:05:00+01:00'/><to jid='missioncontrol@houston.nasa.gov'/><from jid='opportunity@mars.planet'/><rpad>C1DHN9HK-9A25tSmwK4hU!Jji9%GKYK^syIlHJT9TnI4</rpad>`,
      ),
      {
        time: new Date('2004-01-25T05:05:00Z'),
        to: 'missioncontrol@houston.nasa.gov',
        from: 'opportunity@mars.planet',
      },
    ],
    [
      'XEP-0420 §6.2, example 7: full JIDs',
      sce(`${content}<from jid='romeo@montague.lit/orchard'/>`),
      { from: 'romeo@montague.lit/orchard' },
    ],
    ['no affix at all', sce(content), {}],
    ['a declaration, comments being refused', `<?xml version='1.0'?>${sce(content)}`, {}],
    ['a very long padding', sce(`${content}<rpad>${'x'.repeat(100_000)}</rpad>`), {}],
    ['affixes of other protocols', sce(`${content}<nonce xmlns='urn:example'/><unknown/>text`), {}],
    ['affixes in another namespace are none', sce(`${content}<from xmlns='jabber:client' jid='x@y'/>`), {}],
  ])('%s', (_, xml, expected) => {
    expect(decodeEnvelope(bytes(xml))).toEqual({ content: [body], ...expected })
  })

  test.each([
    ['no content', sce('<rpad/>'), 'envelope/content'],
    ['two contents', sce(content + content), 'envelope/content'],
    ['content in another namespace', sce("<content xmlns='jabber:client'/>"), 'envelope/content'],
    ['two senders', sce(`${content}<from jid='a@b'/><from jid='a@b'/>`), 'envelope/from'],
    ['two recipients', sce(`${content}<to jid='a@b'/><to jid='a@b'/>`), 'envelope/to'],
    [
      'two times',
      sce(`${content}<time stamp='2026-11-24T07:00:00Z'/><time stamp='2026-11-24T07:00:00Z'/>`),
      'envelope/time',
    ],
    ['a sender without JID', sce(`${content}<from/>`), 'envelope/from@jid'],
    ['a recipient without JID', sce(`${content}<to/>`), 'envelope/to@jid'],
    ['a time without stamp', sce(`${content}<time/>`), 'envelope/time@stamp'],
    ['a time that is none', sce(`${content}<time stamp='yesterday'/>`), 'envelope/time@stamp'],
    ['another element', "<content xmlns='urn:xmpp:sce:1'/>", 'envelope'],
    ['the namespace of before 0.4', sce(content).replace('sce:1', 'sce:0'), 'envelope'],
    ['no namespace', '<envelope><content/></envelope>', 'envelope'],
  ])('refuses %s', (_, xml, path) => {
    const error = failure(() => decodeEnvelope(bytes(xml)))
    expect([error.code, error.path]).toEqual(['envelope-malformed', path])
  })

  test.each([
    ['nothing', ''],
    ['no XML', 'Hello World!'],
    ['half of it', sce(content).slice(0, -5)],
    ['two', sce(content) + sce(content)],
    ['text after it', `${sce(content)}x`],
    ['DOCTYPE', `<!DOCTYPE envelope [<!ENTITY a 'aaaa'>]>${sce('<content>&a;</content>')}`],
    ['comment', sce(`${content}<!-- x -->`)],
    ['processing instruction', sce(`${content}<?x y?>`)],
    ['undeclared prefix', sce(`${content}<a:b/>`)],
    ['repeated attribute', sce(`${content}<to jid='a@b' jid='a@b'/>`)],
    ['control character', sce(`${content}<rpad>&#1;</rpad>`)],
  ])('refuses as XML: %s', (_, xml) => {
    const error = failure(() => decodeEnvelope(bytes(xml)))
    expect(error.code).toBe('envelope-malformed')
    expect(error.cause).toBeInstanceOf(XmlError)
  })

  test('refuses what is not UTF-8', () => {
    const broken = bytes(sce(content))
    broken[60] = 0xff
    expect(failure(() => decodeEnvelope(broken)).code).toBe('envelope-malformed')
  })

  test('MAX_ENVELOPE_DEPTH elements within one another', () => {
    const nested = (depth: number) =>
      sce(`<content>${'<x>'.repeat(depth - 2)}${'</x>'.repeat(depth - 2)}</content>`)
    expect(decodeEnvelope(bytes(nested(MAX_ENVELOPE_DEPTH))).content.length).toBe(1)
    expect(failure(() => decodeEnvelope(bytes(nested(MAX_ENVELOPE_DEPTH + 1)))).code).toBe(
      'envelope-malformed',
    )
  })

  test('MAX_PAYLOAD_LENGTH bytes', () => {
    const around = sce(`${content}<rpad></rpad>`).length
    const long = (length: number) => bytes(sce(`${content}<rpad>${'x'.repeat(length - around)}</rpad>`))
    expect(decodeEnvelope(long(MAX_PAYLOAD_LENGTH)).content.length).toBe(1)
    expect(failure(() => decodeEnvelope(long(MAX_PAYLOAD_LENGTH + 1))).code).toBe('envelope-malformed')
  })

  test('any change gives an envelope or an OmemoError', () => {
    const whole = encodeEnvelope([body], affixes)
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(20), (at, byte, cut) => {
        const changed = whole.slice(0, whole.length - (cut > 15 ? cut : 0))
        changed[at] = byte
        try {
          expect(decodeEnvelope(changed)).toHaveProperty('content')
        } catch (error) {
          expect(error).toMatchObject({ name: 'OmemoError', code: 'envelope-malformed' })
        }
      }),
      { numRuns: 1000 },
    )
  })
})

const received: AffixContext = { kind: 'chat', account: juliet, chat: romeo, sender: romeo, sentAt: time }
const ownCopy: AffixContext = { kind: 'chat', account: romeo, chat: juliet, sender: romeo, sentAt: time }
const inRoom: AffixContext = { kind: 'groupchat', account: juliet, chat: room, sender: romeo, sentAt: time }
const noteToSelf: AffixContext = { kind: 'chat', account: romeo, chat: romeo, sender: romeo, sentAt: time }

describe('XEP-0420 §4, XEP-0384 §5.5.1: affixes against the stanza', () => {
  const envelope = (more: Partial<Envelope>): Envelope => ({ content: [body], ...more })

  test.each([
    ['a message received', { from: romeo, to: juliet, time }, received, []],
    ['a copy of our own', { from: romeo, to: juliet, time }, ownCopy, []],
    ['in a room', { from: romeo, to: room, time }, inRoom, []],
    ['our own in a room', { from: juliet, to: room }, { ...inRoom, sender: juliet }, []],
    ['a note to oneself', { from: romeo, to: romeo }, noteToSelf, []],
    ['full JIDs', { from: 'romeo@montague.lit/orchard', to: 'juliet@capulet.lit/x/y' }, received, []],
    ['other spellings', { from: 'Romeo@MONTAGUE.lit', to: 'juliet@capulet.lit.' }, received, []],
    ['no recipient', { from: romeo }, received, ['to-missing']],
    ['no recipient of a copy of our own', { from: romeo }, ownCopy, ['to-missing']],
    ['no sender', { to: juliet }, received, ['from-missing']],
    ['nothing', {}, received, ['from-missing', 'to-missing']],
    ['another time', { time: new Date(0) }, received, ['from-missing', 'to-missing', 'time-skew']],
    [
      'the stanza has no time',
      { from: romeo, to: juliet, time: new Date(0) },
      { ...received, sentAt: undefined },
      [],
    ],
  ] as const)('%s', (_, affixes, context, warnings) => {
    expect(checkAffixes(envelope(affixes), context)).toEqual({ content: [body], warnings })
  })

  test.each([
    ['another sender', { from: mercutio }, received, 'envelope/from'],
    ['the recipient as sender', { from: juliet }, received, 'envelope/from'],
    ['the room as sender', { from: room, to: room }, inRoom, 'envelope/from'],
    ['another member', { from: mercutio, to: room }, inRoom, 'envelope/from'],
    ['a copy of our own from another', { from: juliet, to: juliet }, ownCopy, 'envelope/from'],
    ['meant for another', { from: romeo, to: mercutio }, received, 'envelope/to'],
    ['a private message as one of a room', { from: romeo, to: juliet }, inRoom, 'envelope/to'],
    ['a message of a room as a private one', { from: romeo, to: room }, received, 'envelope/to'],
    ['a message to us as a copy of our own', { from: romeo, to: romeo }, ownCopy, 'envelope/to'],
    ['a copy of our own as a message to us', { from: romeo, to: juliet }, noteToSelf, 'envelope/to'],
    ['no room', { from: romeo }, inRoom, 'envelope/to'],
    ['a sender that is no JID', { from: '@' }, received, 'envelope/from'],
    ['an empty recipient', { from: romeo, to: '' }, received, 'envelope/to'],
  ] as const)('refuses %s', (_, affixes, context, path) => {
    const error = failure(() => checkAffixes(envelope(affixes), context))
    expect([error.code, error.path]).toEqual(['envelope-affix-mismatch', path])
    expect(error.message).not.toContain('@')
  })

  test.each([1, -1])('a clock may be off by TIME_TOLERANCE (%i)', (sign) => {
    const at = (offset: number) => ({
      from: romeo,
      to: juliet,
      time: new Date(time.getTime() + sign * offset),
    })
    expect(checkAffixes(envelope(at(TIME_TOLERANCE)), received).warnings).toEqual([])
    expect(checkAffixes(envelope(at(TIME_TOLERANCE + 1)), received).warnings).toEqual(['time-skew'])
  })
})

describe('XEP-0420 §9 and §10: content for servers', () => {
  // Of each kind one: the whole list is tested where it stands, in `@xmpp-e2e/xml`.
  const rows = [
    ["<body xmlns='jabber:client'/>", true],
    ["<body xmlns='http://www.w3.org/1999/xhtml'/>", false],
    ["<x xmlns='jabber:x:oob'/>", true],
    ["<store xmlns='urn:xmpp:hints'/>", false],
    ["<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='x'/>", false],
    ["<origin-id xmlns='urn:xmpp:sid:0' id='1'/>", true],
    ["<encryption xmlns='urn:xmpp:eme:0' namespace='x'/>", false],
    ["<result xmlns='urn:xmpp:mam:2'/>", false],
    ["<envelope xmlns='urn:xmpp:sce:1'/>", false],
    ["<encrypted xmlns='eu.siacs.conversations.axolotl'/>", false],
    ["<encrypted xmlns='urn:xmpp:omemo:2'/>", false],
    ["<opt-out xmlns='urn:xmpp:omemo:2'/>", true],
  ] as const

  test.each(rows)('%s is written: %s', (xml, allowed) => {
    const write = () => encodeEnvelope([body, parse(xml)], affixes)
    if (allowed) expect(decodeEnvelope(write()).content.length).toBe(2)
    else expect(write).toThrow(TypeError)
  })

  test('when reading, what is not allowed is dropped, the rest keeps its order', () => {
    const all = rows.map(([xml]) => parse(xml))
    const allowed = rows.filter(([, ok]) => ok).map(([xml]) => parse(xml))
    const kept = checkAffixes({ content: all, from: romeo }, received).content
    expect(kept.map((el) => serialize(el))).toEqual(allowed.map((el) => serialize(el)))
    expect(kept.every((el, i) => equal(el, allowed[i] ?? body))).toBe(true)
  })
})
