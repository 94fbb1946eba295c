import fc from 'fast-check'
import { describe, expect, expectTypeOf, test, vi } from 'vitest'
import { bare } from '../src/jid.ts'
import { parse } from '../src/parse.ts'
import { MAX_STANZA_IDS, type Received, type ReceiveOptions, receive, vouch } from '../src/received.ts'
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
    if (received.kind !== 'message') expect.fail(JSON.stringify(received))
    const { stanza, account, sentAt, ...rest } = received
    expect(account).toBe(vectors.account)
    expect({ ...rest, ...(sentAt && { sentAt: sentAt.toISOString() }) }).toEqual({
      ...expected,
      kind: 'message',
      checkedBy: 'xml',
    })
    const forwarded = rest.channel === 'carbon' || rest.channel === 'archive'
    const inner = /(?<=.)<message.*?<[/]message>/.exec(xml)?.[0] ?? ''
    expect(stanza).toEqual(parse(forwarded ? inner : xml))
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
      else if (received.kind === 'message') expect(received.sender.known).not.toBe('occupant')
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

describe('XEP-0045 §7.2.15: after the subject, a stamp of the room is of an occupant', () => {
  const history = parse(vectors.received.find(({ name }) => name.startsWith('XEP-0045 §7.2.13'))?.xml ?? '')

  test.each([
    [true, 'occupant', 'live'],
    [false, 'no', 'offline'],
  ])('joined: %s', (joined, known, channel) => {
    const asked: string[] = []
    const received = receive(history, { ...options, joined: (room) => asked.push(room) > 0 && joined })
    expect(received).toMatchObject({ sender: { known }, channel })
    expect('sentAt' in received).toBe(!joined)
    expect(asked).toEqual(['coven@chat.example'])
  })
})

describe('addresses that strangers write are not all read', () => {
  const long = `a${'\u0301'.repeat(2040)}@`
  const message = (children: string) =>
    parse(`<message xmlns='jabber:client' from='a@b/c' type='chat'>${children}</message>`)
  const mark = (i: number) => `<stanza-id xmlns='urn:xmpp:sid:0' id='${i}' by='${long}x${i}'/>`
  const stamp = (i: number) =>
    `<delay xmlns='urn:xmpp:delay' from='${long}x${i}' stamp='2002-09-10T23:08:25Z'/>`
  const old = (i: number) => `<x xmlns='jabber:x:delay' from='${long}x${i}' stamp='20020910T23:08:25'/>`

  test.each([
    ['stanza-id', mark],
    ['delay', stamp],
    ['the older delay', old],
  ])('%s', (_name, child) => {
    const raw = message(Array.from({ length: 240 }, (_, i) => child(i)).join(''))
    // Whatever is not ASCII gets normalized: once as a whole, and 2041 times by the character, in each round.
    const normalize = vi.spyOn(String.prototype, 'normalize')
    try {
      receive(raw, options)
      expect(normalize.mock.calls.length).toBeLessThanOrEqual(4 * 2042 * MAX_STANZA_IDS)
    } finally {
      normalize.mockRestore()
    }
  })

  test('the second stanza-id of the account is the last one that is read', () => {
    const own = "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='me@example.org'/>"
    const raw = message(own + own + mark(1))
    const normalize = vi.spyOn(String.prototype, 'normalize')
    try {
      expect(receive(raw, options)).not.toHaveProperty('archiveId')
      expect(normalize).not.toHaveBeenCalled()
    } finally {
      normalize.mockRestore()
    }
  })
})
