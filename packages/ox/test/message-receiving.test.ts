/** What XEP-0373 §3.2 asks of who receives, and what attackers and servers try. */
import { blindTrustBeforeVerification, manual } from '@xmpp-e2e/trust'
import { type BareJid, bareJid, type Element, element, type Received, serialize } from '@xmpp-e2e/xml'
import { beforeAll, describe, expect, test } from 'vitest'
import { openpgpElement } from '../src/elements/openpgp-element.ts'
import { SEEN_MS } from '../src/index.ts'
import { peer } from './keys.ts'
import { type Scene, scene } from './message-scene.ts'
import { body, type Crafted, crafted, message, received, shown, summary, vouched } from './message-support.ts'
import { bodyOf, chat } from './world.ts'

const DAY = 86_400_000

let at: Scene
beforeAll(async () => {
  at = await scene()
})

/** From juliet to romeo, unless it says otherwise. */
async function letter(changes: Partial<Crafted> = {}, here: Scene = at): Promise<Element> {
  const { juliet, romeo } = here.keys
  return crafted(here, { by: juliet, for: [romeo.certificate], to: [here.romeo.account], ...changes })
}

function from(sender: string, openpgp: Element, ...beside: readonly Element[]): Received {
  return received(at.romeo.account, message({ from: sender, to: at.romeo.account }, openpgp, ...beside))
}

const read = async (one: Received, here: Scene = at) => here.finish(here.romeo.ox.decrypt(one))

describe('row 1: nothing is given that the sender has not signed', () => {
  test('signed by a key of the sender', async () => {
    const found = shown(await read(from(`${at.juliet.account}/balcony`, await letter())))
    expect(found).toMatchObject({
      as: 'signcrypt',
      authenticated: true,
      encrypted: true,
      own: false,
      warnings: [],
    })
    expect(found.sender).toEqual({ jid: at.juliet.account })
    expect(found.key).toMatchObject({
      owner: at.juliet.account,
      level: 'blind',
      fingerprint: at.juliet.ox.fingerprint,
    })
    expect(bodyOf(found.content)).toBe('Hello.')
  })

  test.each<[string, string, (keys: Scene['keys']) => Partial<Crafted>]>([
    ['nobody', 'signature-missing: never', () => ({ as: 'crypt' })],
    ['a key that nobody announces', 'signer-unknown: after-refresh', ({ stranger }) => ({ by: stranger })],
    ['a key of another contact: our own', 'signer-unknown: after-refresh', ({ romeo }) => ({ by: romeo })],
  ])('signed by %s', async (_, summed, changes) => {
    const decrypted = await read(from(at.juliet.account, await letter(changes(at.keys))))
    expect(summary(decrypted)).toBe(summed)
    expect(JSON.stringify(decrypted)).not.toContain('Hello')
  })

  test('signed by juliet, and sent by another', async () => {
    expect(summary(await read(from(at.mercutio, await letter())))).toBe('signer-unknown: after-refresh')
  })

  test('every bit that is changed on the way', async () => {
    const whole = await letter()
    const bytes = Uint8Array.from(atob(String(whole.children[0])), (character) => character.charCodeAt(0))
    for (let at = 0; at < bytes.length; at += 13) {
      const changed = bytes.slice()
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
      const decrypted = await read(from('juliet@capulet.example', openpgpElement(changed)))
      // Of some octets, what they say does not matter: key ids of recipients are not signed, hints of sizes neither.
      if (decrypted.kind === 'message') expect(bodyOf(decrypted.content)).toBe('Hello.')
      else expect(decrypted.kind).toBe('unreadable')
    }
  })
})

describe('§3.1: what an element says of itself, and what it came in', () => {
  const verdicts: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    signcrypt: {
      signcrypt: 'message: Hello.',
      sign: 'content-mismatch: never',
      crypt: 'signature-missing: never',
    },
    sign: { signcrypt: 'content-mismatch: never', sign: 'message: Hello.', crypt: 'content-mismatch: never' },
    crypt: {
      signcrypt: 'signature-unexpected: never',
      sign: 'content-mismatch: never',
      crypt: 'message: Hello.',
    },
  }
  const kinds = ['signcrypt', 'sign', 'crypt'] as const

  test.each(kinds.flatMap((kind) => kinds.map((as) => [kind, as] as const)))(
    '<%s/> in what is made as %s',
    async (kind, as) => {
      const decrypted = await read(from(at.juliet.account, await letter({ kind, as })))
      expect(summary(decrypted)).toBe(verdicts[kind]?.[as])
      if (decrypted.kind !== 'message') return
      expect(decrypted).toMatchObject({ as, encrypted: as !== 'sign', authenticated: as !== 'crypt' })
      expect(decrypted.key === undefined).toBe(as === 'crypt')
    },
  )

  test('<crypt/> without addressee is marked', async () => {
    expect(
      shown(await read(from(at.juliet.account, await letter({ kind: 'crypt', to: [] })))).warnings,
    ).toEqual(['not-addressed'])
  })

  test('what was decrypted is no content', async () => {
    const { signcrypt } = await import('../src/openpgp/message.ts')
    const bytes = await signcrypt(
      new TextEncoder().encode('Hello.'),
      at.keys.juliet,
      [at.keys.romeo.certificate],
      at.service.clock.now(),
    )
    expect(summary(await read(from(at.juliet.account, openpgpElement(bytes))))).toBe(
      'content-malformed: never',
    )
  })

  test('attack: words of what was decrypted, in the detail of the error', async () => {
    const { signcrypt } = await import('../src/openpgp/message.ts')
    for (const words of [
      '<a>&SECRET;</a>',
      '<SECRET:a/>',
      '<signcrypt xmlns="urn:xmpp:openpgp:0"><to jid="SECRET @@"/><time stamp="SECRET"/><payload/></signcrypt>',
    ]) {
      const { romeo, juliet } = at.keys
      const bytes = await signcrypt(
        new TextEncoder().encode(words),
        juliet,
        [romeo.certificate],
        at.service.clock.now(),
      )
      const decrypted = await read(from(at.juliet.account, openpgpElement(bytes)))
      expect(decrypted).toMatchObject({ code: 'content-malformed' })
      expect(JSON.stringify(decrypted)).not.toContain('SECRET')
    }
  })
})

describe('row 2: the addressee is who the stanza is for', () => {
  const room = bareJid.decode('room@conference.capulet.example')!
  const cases = [
    ['to us', 'incoming', (s: Scene) => s.romeo.account, 'message: Hello.'],
    ['to somebody else, passed on to us', 'incoming', (s: Scene) => s.mercutio, 'addressee-wrong: never'],
    ['to the sender', 'incoming', (s: Scene) => s.juliet.account, 'addressee-wrong: never'],
    ['to the contact', 'sent copy', (s: Scene) => s.juliet.account, 'message: Hello.'],
    ['to ourselves', 'sent copy', (s: Scene) => s.romeo.account, 'addressee-wrong: never'],
    ['to another contact', 'sent copy', (s: Scene) => s.mercutio, 'addressee-wrong: never'],
    ['to the room', 'room', () => room, 'message: Hello.'],
    ['to us alone', 'room', (s: Scene) => s.romeo.account, 'addressee-wrong: never'],
    [
      'to another room',
      'room',
      () => bareJid.decode('other@conference.capulet.example')!,
      'addressee-wrong: never',
    ],
    ['to us, in a message to the room, as a private one', 'incoming', () => room, 'addressee-wrong: never'],
  ] as const

  test.each(
    cases.flatMap((one) =>
      (['live', 'carbon', 'archive', 'offline'] as const).map((channel) => [...one, channel] as const),
    ),
  )('%s: %s', async (_, context, to, summed, channel) => {
    const by = context === 'sent copy' ? at.keys.romeo : at.keys.juliet
    const openpgp = await letter({ by, to: [to(at)] })
    const whole = from(at.juliet.account, openpgp)
    const ways: Record<typeof context, Parameters<typeof vouched>[1]> = {
      incoming: {},
      'sent copy': { own: true, sender: { known: 'stream', jid: `${at.romeo.account}/home` } },
      room: {
        stanza: message({ type: 'groupchat', from: `${room}/jules`, to: at.romeo.account }, openpgp),
        chat: room,
        sender: { known: 'occupant', jid: at.juliet.account },
      },
    }
    expect(summary(await read(vouched(whole, { ...ways[context], channel })))).toBe(summed)
  })

  test('row 2: an address with a resource, in another case, and among others', async () => {
    const written = bareJid.decode('romeo@capulet.example') as string
    const strange = [written.toUpperCase(), `${written}/orchard`] as readonly string[] as readonly BareJid[]
    // Written by hand: what is of this package writes canonical addresses.
    const { signcrypt } = await import('../src/openpgp/message.ts')
    for (const to of strange) {
      const time = new Date(at.service.clock.now()).toISOString()
      const xml = `<signcrypt xmlns='urn:xmpp:openpgp:0'><to jid='${at.mercutio}'/><to jid='${to}'/><time stamp='${time}'/><payload><body xmlns='jabber:client'>${to}</body></payload></signcrypt>`
      const bytes = await signcrypt(
        new TextEncoder().encode(xml),
        at.keys.juliet,
        [at.keys.romeo.certificate],
        at.service.clock.now(),
      )
      expect(summary(await read(from(at.juliet.account, openpgpElement(bytes))))).toBe(`message: ${to}`)
    }
  })
})

describe('who sent it', () => {
  test('an occupant who is not known: whichever candidate has signed it', async () => {
    const room = bareJid.decode('room@conference.capulet.example')!
    const openpgp = await letter({ to: [room], payload: [body('In the room.')] })
    const stanza = message({ type: 'groupchat', from: `${room}/jules`, to: at.romeo.account }, openpgp)
    const as = (...candidates: readonly BareJid[]) =>
      vouched(from(at.juliet.account, openpgp), { stanza, chat: room, sender: { known: 'no', candidates } })
    expect(summary(await read(as()))).toBe('sender-unknown: never')
    expect(summary(await read(as(at.mercutio)))).toBe('signer-unknown: after-refresh')
    expect(shown(await read(as(at.mercutio, at.juliet.account))).sender).toEqual({ jid: at.juliet.account })
    const unsigned = message(
      { type: 'groupchat', from: `${room}/jules` },
      await letter({ kind: 'crypt', to: [room] }),
    )
    const found = await read(vouched(as(at.juliet.account), { stanza: unsigned }))
    expect(shown(found)).toMatchObject({ sender: undefined, authenticated: false })
  })

  test('what this client has sent comes back, and another client of the account reads it', async () => {
    const here = await scene()
    const { juliet, romeo } = here
    const other = await here.client('romeo', { hasKey: false, resource: 'other' })
    const unlocked = await romeo.ox.exportSecretKey(romeo.ox.fingerprint ?? '', { unprotected: true })
    await here.finish(other.ox.importSecretKeys(unlocked))
    const encrypted = await here.finish(romeo.ox.encrypt(chat(juliet.account, 'Soft!'), [juliet.account]))
    if (encrypted.kind !== 'encrypted') throw new Error(encrypted.code)
    const copy = vouched(received(romeo.account, encrypted.stanzas[0]), {
      own: true,
      chat: juliet.account,
      channel: 'carbon',
    })
    expect(copy).toMatchObject({ own: true, chat: juliet.account })
    expect(summary(await here.finish(romeo.ox.decrypt(copy)))).toBe('silent: own')
    const found = shown(await here.finish(other.ox.decrypt(copy)))
    expect(found).toMatchObject({ own: true, chat: juliet.account, warnings: [] })
    expect(found.key).toMatchObject({ own: true, level: 'verified' })
  })
})

describe('row 5: trust', () => {
  test('a key that the server adds after one was verified is not believed', async () => {
    const here = await scene({ policy: blindTrustBeforeVerification })
    const { juliet, romeo, keys } = here
    const fingerprint = juliet.ox.fingerprint ?? ''
    await romeo.ox.decide({ owner: juliet.account, fingerprint }, 'verified', 'compare')
    await peer(here, 'juliet').announce({
      [fingerprint]: keys.juliet.certificate.bytes,
      [keys.stranger.certificate.fingerprint]: keys.stranger.certificate.bytes,
    })
    await here.settle()
    await here.finish(romeo.ox.certificates(juliet.account, { refresh: true }))
    const decrypted = await read(from(juliet.account, await letter({ by: keys.stranger }, here)), here)
    if (decrypted.kind === 'message') expect(decrypted.warnings).toContain('key-undecided')
    else expect(summary(decrypted)).toBe('key-distrusted: after-decision')
    // Nor is it encrypted to, and the first one is.
    const sent = await here.finish(romeo.ox.encrypt(chat(juliet.account, 'It is my lady.'), [juliet.account]))
    if (sent.kind !== 'encrypted') throw new Error(sent.code)
    expect(sent.keys.map((key) => key.fingerprint)).not.toContain(keys.stranger.certificate.fingerprint)
    expect(sent.skipped).toMatchObject([
      { code: 'key-undecided', fingerprint: keys.stranger.certificate.fingerprint },
    ])
  })

  test('distrusted: nothing is shown, until somebody decides otherwise', async () => {
    const here = await scene()
    const key = { owner: here.juliet.account, fingerprint: here.juliet.ox.fingerprint ?? '' }
    const one = from(here.juliet.account, await letter({}, here))
    await here.romeo.ox.decide(key, 'distrusted', 'compare')
    expect(await read(one, here)).toMatchObject({
      code: 'key-distrusted',
      retry: 'after-decision',
      detail: { fingerprint: key.fingerprint },
    })
    await here.romeo.ox.decide(key, 'verified', 'compare')
    expect(shown(await read(one, here)).key?.level).toBe('verified')
  })

  test('undecided, under a policy that leaves it to people', async () => {
    const here = await scene({ policy: manual })
    const decrypted = await read(from(here.juliet.account, await letter({}, here)), here)
    expect(decrypted.kind === 'message' ? decrypted.warnings : summary(decrypted)).toEqual(['key-undecided'])
  })
})

describe('row 7: replay', () => {
  test('the same answer until it is settled, and a duplicate then, under any id and through any channel', async () => {
    const openpgp = await letter({ payload: [body('Once.')] })
    const one = from(at.juliet.account, openpgp)
    const first = shown(await read(one))
    expect(await read(one)).toEqual(first)
    await at.romeo.ox.settle([first.ref, first.ref])
    const again = received(
      at.romeo.account,
      message({ from: at.juliet.account, to: at.romeo.account, id: 'other' }, openpgp),
    )
    for (const channel of ['live', 'carbon', 'archive', 'offline'] as const)
      expect(summary(await read(vouched(again, { channel })))).toBe('silent: duplicate')
    // The same words again are another message.
    expect(summary(await read(from(at.juliet.account, await letter({ payload: [body('Once.')] }))))).toBe(
      'message: Once.',
    )
  })

  test('encrypted anew by whoever has read it, it is the same message', async () => {
    const now = at.service.clock.now()
    const { encodeContent } = await import('../src/elements/content.ts')
    const { signcrypt } = await import('../src/openpgp/message.ts')
    const content = encodeContent(
      { kind: 'signcrypt', to: [at.romeo.account], time: new Date(now), payload: [body('Twice.')] },
      (length) => at.service.random(length),
    )
    const made = async () =>
      from(
        at.juliet.account,
        openpgpElement(await signcrypt(content, at.keys.juliet, [at.keys.romeo.certificate], now)),
      )
    const first = shown(await read(await made()))
    await at.romeo.ox.settle([first.ref])
    expect(summary(await read(await made()))).toBe('silent: duplicate')
  })

  test('what was settled is forgotten after 90 days, whenever it says that it was written', async () => {
    const here = await scene()
    const ancient = from(here.juliet.account, await letter({ time: new Date('0001-01-01T00:00:00Z') }, here))
    const future = from(here.juliet.account, await letter({ time: new Date('9999-12-31T23:59:59Z') }, here))
    for (const one of [ancient, future]) {
      const found = shown(await read(one, here))
      expect(found.warnings).toEqual(['time-skew'])
      await here.romeo.ox.settle([found.ref])
    }
    const { nextDue } = await here.romeo.ox.tick()
    const settledAt = here.service.clock.now()
    expect((nextDue?.getTime() ?? 0) - settledAt).toBeGreaterThanOrEqual(SEEN_MS)
    expect((nextDue?.getTime() ?? 0) - settledAt).toBeLessThanOrEqual(SEEN_MS + 2 * DAY)
    await here.service.advance((nextDue?.getTime() ?? 0) - settledAt - 1)
    await here.romeo.ox.tick()
    expect(summary(await read(ancient, here))).toBe('silent: duplicate')
    await here.service.advance(DAY)
    expect(await here.romeo.ox.tick()).toEqual({})
    expect(shown(await read(ancient, here)).warnings).toEqual(['time-skew'])
    expect((await here.romeo.store.list('')).entries.filter(([name]) => name.includes('seen/'))).toEqual([])
  })

  test('only what is a ref is settled', async () => {
    await expect(at.romeo.ox.settle(['x'])).rejects.toThrow(RangeError)
    const many = Array.from({ length: 250 }, (_, i) => i.toString(16).padStart(32, '0'))
    await at.romeo.ox.settle(many)
    const { entries } = await at.romeo.store.list('')
    expect(entries.filter(([name]) => name.includes('seen/0000'))).toHaveLength(250)
  })
})

describe('row 8: what stands beside it', () => {
  test('is never part of the message, and what only servers say never comes from inside', async () => {
    const replace = element('urn:xmpp:message-correct:0', 'replace', { id: 'x' })
    const delay = element('urn:xmpp:delay', 'delay', { stamp: '2020-01-01T00:00:00Z' })
    const id = element('urn:xmpp:sid:0', 'stanza-id', { id: 'forged', by: at.romeo.account })
    const inside = [
      body('Inside.'),
      element('jabber:client', 'thread', {}, 't'),
      delay,
      id,
      element('urn:xmpp:carbons:2', 'sent'),
    ]
    const beside = [
      replace,
      element('jabber:client', 'subject', {}, 'forged'),
      body('forged'),
      body('twice'),
      element('jabber:x:oob', 'x'),
      element('http://jabber.org/protocol/xhtml-im', 'html'),
      element('urn:xmpp:hints', 'store'),
    ]
    const found = shown(
      await read(from(`${at.juliet.account}/balcony`, await letter({ payload: inside }), ...beside)),
    )
    expect(found.content.map(({ name }) => name)).toEqual(['body', 'thread'])
    expect(found.stanza.children.map((el) => (typeof el === 'string' ? el : el.name))).toEqual([
      'body',
      'thread',
      'store',
    ])
    expect(found.stanza.attrs).toMatchObject({ from: `${at.juliet.account}/balcony`, id: 'm', type: 'chat' })
    expect(serialize(found.stanza)).not.toContain('forged')
    expect(found.unauthenticated.map(({ name }) => name)).toEqual(['replace', 'subject', 'x', 'html'])
  })

  test('a second <openpgp/> hides nothing: neither is read', async () => {
    const one = from(at.juliet.account, await letter(), await letter())
    expect(at.romeo.ox.claims(one.stanza)).toBe(true)
    expect(summary(await read(one))).toBe('message-malformed: never')
  })
})

describe('row 9: a body beside what cannot be read is not shown', () => {
  test.each([
    ['nothing', '', 'message-malformed: never'],
    ['what is no base64', '*', 'message-malformed: never'],
    ['what is no OpenPGP', 'AAAA', 'message-malformed: never'],
  ])('%s', async (_, text, summed) => {
    const decrypted = await read(
      from(at.juliet.account, element('urn:xmpp:openpgp:0', 'openpgp', {}, text), body('Shown?')),
    )
    expect(summary(decrypted)).toBe(summed)
    expect(JSON.stringify(decrypted)).not.toContain('Shown')
  })

  test('what was cut off, anywhere', async () => {
    const text = String((await letter()).children[0])
    for (let length = 4; length < text.length; length += 44) {
      const cut = element('urn:xmpp:openpgp:0', 'openpgp', {}, text.slice(0, length))
      expect((await read(from(at.juliet.account, cut, body('Shown?')))).kind).toBe('unreadable')
    }
  })

  test('what is longer than it may be', async () => {
    const long = openpgpElement(new Uint8Array(262_145))
    expect(summary(await read(from(at.juliet.account, long)))).toBe('message-too-big: never')
  })

  test('no <openpgp/> is nothing for us, nor is one of another namespace', async () => {
    const plain = from(at.juliet.account, body('Plain.'))
    expect(at.romeo.ox.claims(plain.stanza)).toBe(false)
    expect(summary(await read(plain))).toBe('silent: ignored')
    await expect(at.juliet.ox.decrypt(plain)).rejects.toThrow(TypeError)
  })
})
