import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { bare } from '../src/jid.ts'
import { parse } from '../src/parse.ts'
import { type Received, type ReceiveOptions, receive, vouch } from '../src/received.ts'
import { serialize } from '../src/serialize.ts'
import vectors from './vectors/received.json' with { type: 'json' }

const occupants = new Map(Object.entries(vectors.occupants))
const options: ReceiveOptions = {
  account: bare(vectors.account),
  queries: new Map(Object.entries(vectors.queries).map(([id, archive]) => [id, bare(archive)])),
  occupant: (roomJid) => {
    const real = occupants.get(roomJid)
    return real === undefined ? undefined : bare(real)
  },
}

describe('what is received', () => {
  test.each(vectors.received)('$name', ({ xml, expected }) => {
    const received = receive(parse(xml), options)
    if ('kind' in received) expect.fail(JSON.stringify(received))
    const { stanza, account, sentAt, ...rest } = received
    expect(account).toBe(vectors.account)
    expect({ ...rest, ...(sentAt && { sentAt: sentAt.toISOString() }) }).toEqual({
      ...expected,
      checkedBy: 'xml',
    })
    expect(stanza.name).toBe('message')
    if (rest.channel === 'carbon' || rest.channel === 'archive')
      expect(xml.indexOf("<message xmlns='jabber:client'", 1)).toBeGreaterThan(0)
    // The host may send it to a worker, and vouch for it there.
    expect(structuredClone({ ...received, stanza: null })).toEqual({ ...received, stanza: null })
    expect(vouch(received)).toEqual({ ...received, checkedBy: 'host' })
  })

  test.each(vectors.forged)('forged: $name', ({ xml, code }) => {
    expect(receive(parse(xml), options)).toEqual({ kind: 'forged', code })
  })

  test.each(vectors.notMessages)('no message: $name', ({ xml }) => {
    expect(receive(parse(xml), options)).toEqual({ kind: 'not-a-message' })
  })

  test('without open queries, no result is accepted; without a list of occupants, none is known', () => {
    const { account } = options
    for (const { xml, expected } of vectors.received) {
      const received = receive(parse(xml), { account })
      if (expected.channel === 'archive') expect(received).toEqual({ kind: 'forged', code: 'unsolicited' })
      else if (!('kind' in received)) expect(received.sender.known).not.toBe('occupant')
    }
  })
})

describe('any other source', () => {
  const wrapped = vectors.received.filter(({ expected }) => /carbon|archive/.test(expected.channel))
  const part = fc.constantFrom('me', 'romeo', 'example.org', 'example.com', 'x', 'ME')
  const source = fc
    .tuple(fc.option(part, { nil: '' }), part, fc.option(part, { nil: '' }))
    .map(([local, domain, resource]) => `${local && `${local}@`}${domain}${resource && `/${resource}`}`)

  test('no sender but the account and the archive that was asked gets a wrapper opened', () => {
    fc.assert(
      fc.property(fc.constantFrom(...wrapped), source, ({ xml }, from) => {
        fc.pre(from.toLowerCase() !== vectors.account && from !== 'coven@chat.example')
        const raw = parse(xml)
        const spoofed = { ...raw, attrs: { ...raw.attrs, from } }
        expect(receive(spoofed, options)).toEqual({ kind: 'forged', code: 'wrong-source' })
      }),
      { seed: 280 },
    )
  })

  test('no child that could be shown stands beside a wrapper', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...wrapped),
        fc.constantFrom(
          '<body/>',
          '<subject/>',
          "<replace xmlns='urn:xmpp:message-correct:0' id='1'/>",
          "<encrypted xmlns='eu.siacs.conversations.axolotl'/>",
          "<openpgp xmlns='urn:xmpp:openpgp:0'/>",
          "<event xmlns='http://jabber.org/protocol/pubsub#event'/>",
        ),
        fc.boolean(),
        ({ xml }, smuggled, first) => {
          const raw = parse(xml)
          const extra = parse(smuggled.replace(/^<(body|subject)/, "<$1 xmlns='jabber:client'"))
          const children = first ? [extra, ...raw.children] : [...raw.children, extra]
          expect(receive({ ...raw, children }, options)).toEqual({ kind: 'forged', code: 'smuggled' })
        },
      ),
      { seed: 297 },
    )
  })
})

describe('vouch', () => {
  const good = receive(parse(vectors.received[0]?.xml ?? ''), options) as Received

  test('takes what a host has checked, frozen and without anything else', () => {
    const vouched = vouch({ ...good, ...{ extra: 1 } })
    expect(vouched).toEqual({ ...good, checkedBy: 'host' })
    expect(Object.isFrozen(vouched) && Object.isFrozen(vouched.sender)).toBe(true)
    expectTypeOf(vouched).toEqualTypeOf<Received>()
  })

  const me = bare('me@example.org')
  const odd = (value: string) => value as typeof me
  test.each<[string, Partial<Received>]>([
    ['an IQ', { stanza: parse("<iq xmlns='jabber:client' type='result' id='1'/>") }],
    ['an error', { stanza: parse("<message xmlns='jabber:client' type='error'/>") }],
    ['an account that is not canonical', { account: odd('Me@example.org') }],
    ['an account with a resource', { account: odd('me@example.org/x') }],
    ['a chat that is no JID', { chat: odd('@') }],
    ['a sender that is no JID', { sender: { known: 'stream', jid: 'a@' } }],
    ['an occupant by its occupant JID', { sender: { known: 'occupant', jid: 'coven@chat.example/x' } }],
    ['a candidate that is no bare JID', { sender: { known: 'no', candidates: [odd('a@b/c')] } }],
    ['another channel', { channel: 'mam' as 'archive' }],
    ['own that is no boolean', { own: 'yes' as never }],
    ['a date that is none', { sentAt: new Date(Number.NaN) }],
  ])('refuses %s', (_name, change) => {
    expect(() => vouch({ ...good, ...change })).toThrow(TypeError)
  })
})

test('nothing is changed', () => {
  for (const { xml } of [...vectors.received, ...vectors.forged]) {
    const raw = parse(xml)
    const before = serialize(raw)
    receive(raw, options)
    expect(serialize(raw)).toBe(before)
  }
})
