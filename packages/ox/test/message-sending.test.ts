/** What XEP-0373 §3 and XEP-0374 §2 ask of who sends. */
import { manual } from '@xmpp-e2e/trust'
import {
  type BareJid,
  bareJid,
  children,
  type Element,
  element,
  elements,
  serialize,
  text,
} from '@xmpp-e2e/xml'
import { enums, PublicSubkeyPacket } from 'openpgp'
import { beforeAll, describe, expect, test } from 'vitest'
import { MAX_ADDRESSEES, MAX_CONTENT_BYTES } from '../src/elements/content.ts'
import { decodeOpenpgp, openpgpOf } from '../src/elements/openpgp-element.ts'
import { FALLBACK_BODY } from '../src/message/content-of.ts'
import { MAX_SENT, rememberSent } from '../src/message/seen.ts'
import { generateSecretKey, type SecretKey } from '../src/openpgp/secret-key.ts'
import type { Encrypted } from '../src/outcome.ts'
import { peer } from './keys.ts'
import { body, message, received, secretOf, shown, summary } from './message-support.ts'
import { joined, primaryOf, rawPacket, rawPackets, signature } from './openpgp-fixtures.ts'
import { bodyOf, chat, type TestClient, type World, world } from './world.ts'

const jid = (text: string) => bareJid.decode(text)!

interface Scene extends World {
  readonly juliet: TestClient
  readonly romeo: TestClient
}

async function scene(options: Parameters<World['client']>[1] = {}): Promise<Scene> {
  const here = world()
  const juliet = await here.client('juliet', options)
  const romeo = await here.client('romeo')
  return { ...here, juliet, romeo }
}

let at: Scene
beforeAll(async () => {
  at = await scene()
})

type Sent = Extract<Encrypted, { readonly kind: 'encrypted' }>

async function send(
  stanza: Element,
  to: readonly BareJid[] = [at.romeo.account],
  here: Scene = at,
): Promise<Encrypted> {
  return here.finish(here.juliet.ox.encrypt(stanza, to))
}

function sent(encrypted: Encrypted): Sent {
  if (encrypted.kind !== 'encrypted') throw new Error(JSON.stringify(encrypted))
  return encrypted
}

/** What came of it at romeo's. */
async function readBy(romeo: TestClient, stanza: Element, here: World = at) {
  const from = jid('juliet@capulet.example')
  const came = received(
    romeo.account,
    element('jabber:client', 'message', { ...stanza.attrs, from }, stanza.children),
  )
  return here.finish(romeo.ox.decrypt(came))
}

describe('the stanza', () => {
  test('XEP-0374 §2.5: fallback, mark and hint outside, everything else inside, and its id stays', async () => {
    const inside = [
      element('jabber:client', 'thread', {}, 't'),
      element('urn:xmpp:receipts', 'request'),
      element('urn:xmpp:sid:0', 'origin-id', { id: 'o' }),
      body('Wherefore?'),
    ]
    const outside = [element('urn:xmpp:hints', 'no-copy'), element('urn:xmpp:carbons:2', 'private')]
    const withheld = [element('urn:xmpp:delay', 'delay', { stamp: '2020-01-01T00:00:00Z' })]
    const attrs = { to: `${at.romeo.account}/orchard`, 'xml:lang': 'en' }
    const { stanzas, exposed, ...rest } = sent(await send(message(attrs, ...inside, ...outside, ...withheld)))
    const [stanza] = stanzas
    expect(stanza.attrs).toEqual({ ...attrs, type: 'chat', id: 'm' })
    expect(elements(stanza).map(({ ns, name }) => `${name} ${ns}`)).toEqual([
      'body jabber:client',
      'openpgp urn:xmpp:openpgp:0',
      'encryption urn:xmpp:eme:0',
      'store urn:xmpp:hints',
      'no-copy urn:xmpp:hints',
      'private urn:xmpp:carbons:2',
    ])
    expect(children(stanza, 'body').map(text)).toEqual([FALLBACK_BODY])
    expect(children(stanza, 'encryption', 'urn:xmpp:eme:0')[0]?.attrs).toMatchObject({
      namespace: 'urn:xmpp:openpgp:0',
    })
    expect(exposed).toEqual(['{urn:xmpp:hints}no-copy', '{urn:xmpp:carbons:2}private'])
    expect(rest.withheld).toEqual(['{urn:xmpp:delay}delay'])
    expect(serialize(stanza)).not.toContain('Wherefore')
    const found = shown(await readBy(at.romeo, stanza))
    expect(found.content.map(({ name }) => name)).toEqual(['body', 'thread', 'request', 'origin-id'])
  })

  test.each(['no-store', 'no-permanent-store'] as const)('<%s/> is not contradicted', async (name) => {
    const [stanza] = sent(
      await send(message({ to: at.romeo.account }, body('x'), element('urn:xmpp:hints', name))),
    ).stanzas
    expect(
      elements(stanza)
        .filter(({ ns }) => ns === 'urn:xmpp:hints')
        .map((el) => el.name),
    ).toEqual([name])
  })

  test('what has no body has no fallback for one', async () => {
    const composing = element('http://jabber.org/protocol/chatstates', 'composing')
    const [stanza] = sent(await send(message({ to: at.romeo.account }, composing))).stanzas
    expect(elements(stanza).map(({ name }) => name)).toEqual(['openpgp', 'encryption', 'store'])
  })

  test('<crypt/> and <sign/>', async () => {
    const stanza = chat(at.romeo.account, 'Wherefore?')
    const crypted = sent(await at.finish(at.juliet.ox.encryptUnsigned(stanza, [at.romeo.account])))
    expect(shown(await readBy(at.romeo, crypted.stanzas[0]))).toMatchObject({
      as: 'crypt',
      authenticated: false,
      encrypted: true,
    })
    const signed = await at.finish(at.juliet.ox.sign(stanza, [at.romeo.account]))
    if (signed.kind !== 'signed') throw new Error(signed.code)
    expect(signed.key).toMatchObject({ fingerprint: at.juliet.ox.fingerprint, own: true })
    expect(signed.exposed).toEqual(['{jabber:client}body'])
    expect(children(signed.stanzas[0], 'body').map(text)).toEqual(['Wherefore?'])
    expect(shown(await readBy(at.romeo, signed.stanzas[0]))).toMatchObject({
      as: 'sign',
      authenticated: true,
      encrypted: false,
    })
  })

  test('short messages have the same length', async () => {
    const lengths = await Promise.all(
      ['', 'yes', 'no', 'In fair Verona, where we lay our scene'].map(async (words) => {
        const openpgp = openpgpOf(sent(await send(chat(at.romeo.account, words, 'id'))).stanzas[0])
        return decodeOpenpgp(openpgp ?? element('x', 'x')).length
      }),
    )
    // A number of a signature has a byte less now and then.
    expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(4)
  })
})

describe('XEP-0374 §2.3.1: all keys of all', () => {
  test('of two contacts, of another client of ours, and who is left out', async () => {
    const here = await scene()
    const mercutio = await here.client('mercutio')
    const other = await here.client('juliet', { resource: 'other' })
    const nurse = here.service.account('nurse')
    await here.settle()
    const to = [here.romeo.account, mercutio.account, nurse]
    const { keys, skipped, stanzas } = sent(await send(chat(here.romeo.account, 'All.'), to, here))
    const fingerprints = [here.romeo, mercutio, here.juliet, other].map(({ ox }) => ox.fingerprint)
    expect(keys.map(({ fingerprint }) => fingerprint).sort()).toEqual(fingerprints.sort())
    expect(skipped).toEqual([{ owner: nurse, code: 'keys-missing' }])
    for (const who of [here.romeo, mercutio]) {
      const found = shown(await readBy(who, stanzas[0], here))
      expect(found.to).toEqual(to)
    }
  })

  test('one that looks right and cannot be encrypted to does not keep it from the others', async () => {
    const here = await scene()
    const bad = await brokenCertificate(
      await generateSecretKey(here.romeo.account, here.service.clock.now(), undefined),
    )
    const good = await secretOf(here, here.romeo)
    const all = { [good.certificate.fingerprint]: good.certificate.bytes, [bad.fingerprint]: bad.bytes }
    await peer(here, 'romeo').announce(all)
    await here.settle()
    const { keys, skipped } = sent(await send(chat(here.romeo.account, 'Hello.'), [here.romeo.account], here))
    expect(keys.map(({ fingerprint }) => fingerprint)).toContain(good.certificate.fingerprint)
    expect(skipped).toMatchObject([
      { owner: here.romeo.account, fingerprint: bad.fingerprint, code: 'certificate-malformed' },
    ])
    await peer(here, 'romeo').announce({ [bad.fingerprint]: bad.bytes })
    here.romeo.client.close()
    await here.settle()
    await here.finish(here.juliet.ox.certificates(here.romeo.account, { refresh: true }))
    expect(await send(chat(here.romeo.account, 'Hello.'), [here.romeo.account], here)).toMatchObject({
      kind: 'refused',
      code: 'recipients-unreachable',
    })
  })

  test('to oneself', async () => {
    const { keys } = sent(await send(chat(at.juliet.account, 'Milk'), [at.juliet.account]))
    expect(keys.map(({ fingerprint }) => fingerprint)).toEqual([at.juliet.ox.fingerprint])
  })
})

/** All that it says is signed by its owner; the point of its subkey is zero. */
async function brokenCertificate(
  secret: SecretKey,
): Promise<{ readonly fingerprint: string; readonly bytes: Uint8Array }> {
  const { bytes, fingerprint, created } = secret.certificate
  const [primary, userId, certification, subkey] = rawPackets(bytes)
  if (!primary || !userId || !certification || subkey?.tag !== 14) throw new Error('another layout')
  const changed = subkey.body.slice()
  // Before it, 0x40 and the length in bits; behind it, four bytes about the derivation of keys.
  changed.fill(0, changed.length - 4 - 32, changed.length - 4)
  const bind = new PublicSubkeyPacket()
  await bind.read(changed)
  const key = primaryOf(secret)
  const binding = await signature({ key, bind }, key, created.getTime(), {
    signatureType: enums.signature.subkeyBinding,
    keyFlags: Uint8Array.of(enums.keyFlags.encryptCommunication),
  })
  const parts = [
    primary.whole,
    userId.whole,
    certification.whole,
    rawPacket(14, changed),
    rawPacket(2, binding.write()),
  ]
  return { fingerprint, bytes: joined(...parts) }
}

describe('refused', () => {
  test('row 5: undecided keys, which are asked about; distrusted ones', async () => {
    const here = await scene({ policy: manual })
    const fingerprint = here.romeo.ox.fingerprint ?? ''
    const stanza = chat(here.romeo.account, 'Hello.')
    const undecided = await send(stanza, [here.romeo.account], here)
    expect(undecided).toMatchObject({
      kind: 'refused',
      code: 'keys-undecided',
      ask: [{ owner: here.romeo.account, fingerprint, level: 'undecided' }],
    })
    if (undecided.kind !== 'refused') return
    const [key] = undecided.ask
    if (key === undefined) throw new Error('nobody to ask about')
    await here.juliet.ox.decide(key, 'distrusted', 'compare')
    expect(await send(stanza, [here.romeo.account], here)).toMatchObject({
      code: 'recipients-unreachable',
      ask: [],
      skipped: [{ code: 'key-distrusted' }],
    })
    await here.juliet.ox.decide(key, 'verified', 'compare')
    expect(sent(await send(stanza, [here.romeo.account], here)).skipped).toEqual([])
  })

  test.each([
    ['keys-missing', undefined],
    ['keys-forbidden', 'forbidden'],
    ['keys-unavailable', 'remote-server-timeout'],
  ] as const)('nobody is reached: %s', async (code, condition) => {
    const here = await scene()
    const nurse = here.service.account('nurse')
    if (condition)
      here.service.fault({
        fault: { kind: 'error', condition },
        client: 'juliet',
        direction: 'sent',
        match: ({ attrs }) => attrs.to === nurse,
      })
    const refused = await send(chat(nurse, 'Hello.'), [nurse], here)
    expect(refused).toEqual({
      kind: 'refused',
      code: 'recipients-unreachable',
      ask: [],
      skipped: [{ owner: nurse, code }],
    })
  })

  test('no network, and keys that are known; and none that are', async () => {
    const here = await scene()
    sent(await send(chat(here.romeo.account, 'Hello.'), [here.romeo.account], here))
    here.juliet.client.lose()
    await here.settle()
    sent(await send(chat(here.romeo.account, 'Again.'), [here.romeo.account], here))
    expect(
      await send(chat('nurse@capulet.example', 'Hello.'), [jid('nurse@capulet.example')], here),
    ).toMatchObject({ code: 'recipients-unreachable', skipped: [{ code: 'keys-unavailable' }] })
  })

  test('no key of ours', async () => {
    const here = await scene({ hasKey: false })
    expect(await send(chat(here.romeo.account, 'Hello.'), [here.romeo.account], here)).toMatchObject({
      code: 'key-missing',
    })
    expect(
      await here.finish(here.juliet.ox.sign(chat(here.romeo.account, 'Hello.'), [here.romeo.account])),
    ).toMatchObject({ code: 'key-missing' })
    // Nobody signs <crypt/>.
    sent(
      await here.finish(
        here.juliet.ox.encryptUnsigned(chat(here.romeo.account, 'Hello.'), [here.romeo.account]),
      ),
    )
  })

  test('a key of ours that was revoked', async () => {
    const here = await scene()
    await here.finish(here.juliet.ox.revoke(here.juliet.ox.fingerprint ?? '', 'retired'))
    expect(await send(chat(here.romeo.account, 'Hello.'), [here.romeo.account], here)).toMatchObject({
      code: 'key-missing',
    })
  })

  test('a private message through a room', async () => {
    const x = element('http://jabber.org/protocol/muc#user', 'x')
    expect(await send(message({ to: `${at.romeo.account}/x` }, body('Hello.'), x))).toMatchObject({
      code: 'room-private-message',
    })
  })

  test('nothing to encrypt', async () => {
    expect(await send(message({ to: at.romeo.account }, element('urn:xmpp:hints', 'store')))).toMatchObject({
      code: 'content-missing',
    })
  })

  test('too long, and just not', async () => {
    const fits = MAX_CONTENT_BYTES - 250
    expect((await send(chat(at.romeo.account, 'a'.repeat(fits - 100)))).kind).toBe('encrypted')
    expect(await send(chat(at.romeo.account, 'a'.repeat(fits + 100)))).toMatchObject({
      code: 'content-too-long',
    })
  })

  test('too many', async () => {
    const many = Array.from({ length: MAX_ADDRESSEES }, (_, i) => jid(`r${i}@capulet.example`))
    expect(await send(chat(at.romeo.account, 'x'), [at.romeo.account, ...many])).toMatchObject({
      code: 'recipients-too-many',
    })
  })
})

describe('misuse', () => {
  const to = jid('romeo@capulet.example')
  test.each<[string, Element, readonly string[], typeof TypeError | typeof RangeError]>([
    ['no message', element('jabber:client', 'iq', { to }), [to], TypeError],
    ['an error', message({ to, type: 'error' }, body('x')), [to], TypeError],
    ['nobody', message({}, body('x')), [to], TypeError],
    ['no address', message({ to: '@' }, body('x')), [to], RangeError],
    ['encrypted already', message({ to }, element('urn:xmpp:openpgp:0', 'openpgp')), [to], TypeError],
    [
      'to another than it is addressed to',
      message({ to }, body('x')),
      ['mercutio@capulet.example'],
      RangeError,
    ],
    ['to nobody', message({ to }, body('x')), [], RangeError],
    ['with a resource', message({ to }, body('x')), [`${to}/orchard`], RangeError],
    ['what is not canonical', message({ to }, body('x')), [to, 'Nurse@capulet.example'], RangeError],
    [
      'an occupant of a room, as the room',
      message({ to: `${to}/x`, type: 'groupchat' }, body('x')),
      [to],
      RangeError,
    ],
  ])('%s', async (_, stanza, recipients, type) => {
    const addressed = recipients as readonly string[] as readonly BareJid[]
    await expect(at.juliet.ox.encrypt(stanza, addressed)).rejects.toThrow(type)
    await expect(at.juliet.ox.sign(stanza, addressed)).rejects.toThrow(type)
  })

  test('after it was closed', async () => {
    const here = await scene()
    await here.juliet.ox.close()
    await expect(here.juliet.ox.encrypt(chat(to, 'x'), [to])).rejects.toThrow(TypeError)
  })
})

test('of what was sent, only so much is remembered', () => {
  const account = { sent: new Set<string>() }
  for (let i = 0; i <= MAX_SENT; i++) rememberSent(account, String(i))
  expect([account.sent.size, account.sent.has('0'), account.sent.has('1')]).toEqual([MAX_SENT, false, true])
})

test('`send` sends it', async () => {
  const encrypted = await at.finish(at.juliet.ox.send(chat(at.romeo.account, 'Sent.'), [at.romeo.account]))
  expect(encrypted.kind).toBe('encrypted')
  await at.settle()
  const last = at.romeo.arrived().at(-1)
  if (last === undefined) throw new Error('nothing came')
  const found = await at.finish(at.romeo.ox.decrypt(last))
  expect(summary(found)).toBe('message: Sent.')
  expect(bodyOf(shown(found).stanza.children.filter((el) => typeof el !== 'string'))).toBe('Sent.')
})
