import { bareJid, element, serialize, text } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Content, decodeContent, encodeContent, MAX_ADDRESSEES } from '../src/elements/content.ts'
import { PADDING_STEP, padding } from '../src/elements/padding.ts'
import { MAX_CONTENT_BYTES, OxError } from '../src/elements.ts'
import { utf8, utf8Text } from '../src/utf8.ts'
import vectors from './vectors/content.json' with { type: 'json' }

const juliet = bareJid.decode('juliet@example.org')!
const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i)
const body = (words: string) => element('jabber:client', 'body', {}, words)
const time = new Date('2014-07-10T15:06:00Z')
const content: Content = { kind: 'signcrypt', to: [juliet], time, payload: [body('Wherefore?')] }

function codeOf(f: () => unknown): string | undefined {
  try {
    f()
    return undefined
  } catch (error) {
    if (error instanceof OxError) return error.code
    throw error
  }
}

const good = vectors.cases.filter(({ read }) => read !== undefined)
const bad = vectors.cases.filter(({ read }) => read === undefined)

describe('read', () => {
  test.each(good)('$name', ({ xml, read }) => {
    const { payload, to, ...found } = decodeContent(utf8(xml))
    const bodies = payload.filter(({ name, ns }) => name === 'body' && ns === 'jabber:client').map(text)
    expect({ ...found, to, time: found.time.toISOString(), bodies }).toEqual(read)
  })

  test.each(bad)('row 19: refused: $name', ({ xml }) => {
    expect(codeOf(() => decodeContent(utf8(xml)))).toBe('message-malformed')
  })

  test('row 19: refused: what is no UTF-8, and an element in an element in an element …', () => {
    expect(codeOf(() => decodeContent(Uint8Array.of(0x3c, 0xff, 0x3e)))).toBe('message-malformed')
    const deep = `<payload>${'<a>'.repeat(62)}${'</a>'.repeat(62)}</payload>`
    const xml = utf8Text(encodeContent(content, counting))?.replace(/<payload>.*<\/payload>/, deep) ?? ''
    expect(codeOf(() => decodeContent(utf8(xml)))).toBeUndefined()
    const deeper = xml.replace('<a>', '<a><a>').replace('</a>', '</a></a>')
    expect(codeOf(() => decodeContent(utf8(deeper)))).toBe('message-malformed')
  })

  test('row 19: whatever is changed in one place is read or refused, and nothing else happens', () => {
    const written = encodeContent(content, counting)
    for (let at = 0; at < written.length; at++)
      for (const bit of [1, 2, 4, 32, 128]) {
        const changed = written.slice()
        changed[at] = (changed[at] ?? 0) ^ bit
        expect([undefined, 'message-malformed']).toContain(codeOf(() => decodeContent(changed)))
      }
  })

  test('row 19: anything at all is read or refused', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.string().map(utf8)), (bytes) => {
        expect(codeOf(() => decodeContent(bytes))).toBe('message-malformed')
      }),
    )
  })
})

describe('written', () => {
  test.each(['signcrypt', 'sign', 'crypt'] as const)('<%s/> is read as it was written', (kind) => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 400 }),
        fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }),
        (words, date) => {
          fc.pre(!/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.test(words))
          const bytes = encodeContent({ ...content, kind, time: date, payload: [body(words)] }, counting)
          const read = decodeContent(bytes)
          expect(read.kind).toBe(kind)
          expect(read.to).toEqual([juliet])
          expect(read.time.getTime()).toBe(Math.floor(date.getTime() / 1000) * 1000)
          // XML has one end of line (§2.11), unless it is written as a character reference.
          expect(read.payload.map(text)).toEqual([words])
        },
      ),
    )
  })

  test('row 20: what could be markup is text', () => {
    const words = `]]> <!-- & ' " </body><body>`
    expect(
      decodeContent(encodeContent({ ...content, payload: [body(words)] }, counting)).payload.map(text),
    ).toEqual([words])
  })

  test.each(['\0', '\ud800', '\u{ffff}', '\x0b'])('row 20: %j, which XML has not, is refused', (words) => {
    expect(() => encodeContent({ ...content, payload: [body(words)] }, counting)).toThrow()
  })

  test('the body comes first, for Smack reads no further than the first element that it does not know', () => {
    const thread = element('jabber:client', 'thread', {}, 't')
    const active = element('http://jabber.org/protocol/chatstates', 'active')
    const read = decodeContent(
      encodeContent({ ...content, payload: [active, thread, body('a'), body('b')] }, counting),
    )
    expect(read.payload.map(({ name }) => name)).toEqual(['body', 'body', 'active', 'thread'])
    expect(read.payload.map((el) => serialize(el))[0]).toBe(serialize(body('a')))
  })

  test('without resource, in UTC, to the second; padding before the payload', () => {
    const xml = utf8Text(encodeContent({ ...content, time: new Date('2014-07-10T15:06:00.999Z') }, counting))
    expect(xml).toMatch(
      /^<signcrypt xmlns="urn:xmpp:openpgp:0"><to jid="juliet@example\.org"\/><time stamp="2014-07-10T15:06:00Z"\/><rpad>[\w-]+<\/rpad><payload><body xmlns="jabber:client">/,
    )
  })

  test('so many addressees, and no more', () => {
    const to = (length: number) => Array.from({ length }, (_, i) => bareJid.decode(`juliet${i}@example.org`)!)
    const many = encodeContent({ ...content, to: to(MAX_ADDRESSEES) }, counting)
    expect(decodeContent(many).to).toHaveLength(MAX_ADDRESSEES)
    expect(() => encodeContent({ ...content, to: to(MAX_ADDRESSEES + 1) }, counting)).toThrow(RangeError)
    expect(() => encodeContent({ ...content, to: [] }, counting)).toThrow(RangeError)
    const xml = utf8Text(many)?.replace('<time', `<to jid='romeo@example.org'/><time`) ?? ''
    expect(codeOf(() => decodeContent(utf8(xml)))).toBe('message-malformed')
  })

  test('so many bytes, and no more', () => {
    const spare = encodeContent({ ...content, payload: [body('a')] }, counting).length
    const fits = (length: number) =>
      encodeContent({ ...content, kind: 'sign', payload: [body('a'.repeat(length))] }, counting)
    const rest = MAX_CONTENT_BYTES - fits(1).length + 1
    expect(decodeContent(fits(rest)).payload.map((el) => text(el).length)).toEqual([rest])
    expect(() => fits(rest + 1)).toThrow(RangeError)
    const longer = new Uint8Array([...fits(rest), 0x20])
    expect(codeOf(() => decodeContent(longer))).toBe('message-malformed')
    // Padding is part of it.
    const padded = (length: number) =>
      encodeContent({ ...content, payload: [body('a'.repeat(length))] }, counting)
    const most = MAX_CONTENT_BYTES - spare
    expect(padded(most).length).toBe(MAX_CONTENT_BYTES)
    expect(() => padded(most + PADDING_STEP)).toThrow(RangeError)
  })
})

describe('rpad', () => {
  test('always, for what is encrypted: all short messages look alike', () => {
    const lengths = new Set<number>()
    for (let length = 0; length < 60; length++)
      for (const kind of ['signcrypt', 'crypt'] as const)
        lengths.add(encodeContent({ ...content, kind, payload: [body('a'.repeat(length))] }, counting).length)
    expect(lengths.size).toBeLessThanOrEqual(2)
    expect(utf8Text(encodeContent({ ...content, kind: 'sign' }, counting))).not.toContain('rpad')
  })

  test('a length tells how many steps it takes, and no step costs an eighth', () => {
    const told = new Set<number>()
    for (let length = 1; length < MAX_CONTENT_BYTES; length += 7) {
      const total = length + padding(length, counting).length
      expect(total % PADDING_STEP).toBe(0)
      expect(total).toBeGreaterThan(length)
      expect(total - length).toBeLessThanOrEqual(Math.max(PADDING_STEP, length / 8))
      told.add(total)
    }
    // 32 of 256, 16 each of 512 and 1024, and 48 of 2048.
    expect(told.size).toBe(112)
  })

  test('its characters are of the random bytes, each as likely as the other, and none is escaped', () => {
    const all = padding(0, counting)
    expect(all).toHaveLength(256)
    const counts = new Map<string, number>()
    for (const character of all) counts.set(character, (counts.get(character) ?? 0) + 1)
    expect([...counts.values()]).toEqual(Array.from({ length: 64 }, () => 4))
    expect(all).toMatch(/^[\w-]+$/)
    expect(serialize(element('urn:xmpp:openpgp:0', 'rpad', {}, all))).toContain(all)
  })
})
