/** Rows of `attacks.md`: what a server can do with whole stanzas, and what is left of time to measure. */
import { bare, type Element, element, elements, type Received, receive, vouch } from '@xmpp-e2e/xml'
import { describe, expect, it, test } from 'vitest'
import { equalBytes } from '../src/wire/bytes.ts'
import { chat, network, received, type TestClient } from './facade.ts'
import { group } from './sides.ts'
import { seeded } from './support.ts'

const ROMEO = 'romeo@montague.lit/orchard'
const JULIET = 'juliet@capulet.lit/balcony'
const [romeosJid, julietsJid] = [bare(ROMEO), bare(JULIET)]

async function couple(version: 2 | 3) {
  const net = network()
  const otr = { versions: [version] }
  const romeo = await net.client(ROMEO, { otr })
  const juliet = await net.client(JULIET, { otr })
  await romeo.otr.query(julietsJid)
  await net.settle()
  return { net, romeo, juliet }
}

/** A message that is encrypted and on its way to Romeo. */
async function onItsWay(
  { net, juliet }: { net: ReturnType<typeof network>; juliet: TestClient },
  words: string,
) {
  await juliet.otr.send(chat(romeosJid, words), [romeosJid])
  const [[from, stanza] = []] = net.queue.splice(0)
  return element('jabber:client', 'message', { ...stanza?.attrs, from: from! }, stanza?.children)
}

const withType = (stanza: Element, type: string) =>
  element('jabber:client', 'message', { ...stanza.attrs, type }, stanza.children)
const copy = (stanza: Element, change: Partial<Received>): Received => {
  const { checkedBy: _checkedBy, ...live } = received(stanza, ROMEO)
  return vouch({ ...live, ...change })
}

describe.each([2, 3] as const)('row 23: stanzas that are not for the session, version %i', (version) => {
  const stanzas: readonly [string, (stanza: Element) => Received][] = [
    ['a carbon', (stanza) => copy(stanza, { channel: 'carbon' })],
    ['a carbon of our own', (stanza) => copy(stanza, { channel: 'carbon', own: true })],
    ['of an archive', (stanza) => copy(stanza, { channel: 'archive' })],
    ['of type groupchat', (stanza) => copy(stanza, { stanza: withType(stanza, 'groupchat') })],
    ['of type headline', (stanza) => copy(stanza, { stanza: withType(stanza, 'headline') })],
    ['of an occupant', (stanza) => copy(stanza, { sender: { known: 'occupant', jid: julietsJid } })],
    ['of nobody', (stanza) => copy(stanza, { sender: { known: 'no', candidates: [] } })],
  ]

  it.each(stanzas)('%s is not read, and answered by nothing; live it is read', async (_what, changed) => {
    const all = await couple(version)
    const { romeo } = all
    const stanza = await onItsWay(all, 'hello')
    const sent = romeo.sent.length
    expect((await romeo.otr.decrypt(changed(stanza))).kind).not.toBe('message')
    expect(romeo.sent.length).toBe(sent)
    expect(await romeo.otr.decrypt(received(stanza, ROMEO))).toMatchObject({ kind: 'message' })
  })

  it('of type error: no host can say that it was received', async () => {
    const all = await couple(version)
    const stanza = await onItsWay(all, 'hello')
    const error = withType(stanza, 'error')
    expect(receive(error, { account: romeosJid }).kind).toBe('not-a-message')
    expect(() => copy(stanza, { stanza: error })).toThrow(TypeError)
    expect(all.romeo.otr.claims(error)).toBe(false)
  })

  it('a query that comes so begins nothing', async () => {
    const net = network()
    const romeo = await net.client(ROMEO, { otr: { versions: [version] } })
    const query = element('jabber:client', 'message', { from: JULIET, to: ROMEO, type: 'chat' }, [
      element('jabber:client', 'body', {}, `?OTRv${version}?`),
    ])
    for (const [, changed] of stanzas) await romeo.otr.decrypt(changed(query))
    // What was kept for later is read only where something is under way.
    await romeo.otr.decrypt(copy(query, { channel: 'offline' }))
    expect(romeo.sent).toStrictEqual([])
    await romeo.otr.decrypt(received(query, ROMEO))
    expect(romeo.sent.length).toBe(1)
  })

  it('another resource has nothing of the session, though it has no tag', async () => {
    const all = await couple(version)
    const { romeo } = all
    const stanza = await onItsWay(all, 'hello')
    const elsewhere = element(
      'jabber:client',
      'message',
      { ...stanza.attrs, from: `${julietsJid}/nurse` },
      stanza.children,
    )
    expect((await romeo.otr.decrypt(received(elsewhere, ROMEO))).kind).toBe('unreadable')
    expect(await romeo.otr.decrypt(received(stanza, ROMEO))).toMatchObject({
      kind: 'message',
      sender: { jid: JULIET },
    })
    // What goes out goes to the full JID alone.
    const out = await romeo.otr.encrypt(chat(julietsJid, 'x'), [julietsJid])
    if (out.kind !== 'encrypted') throw new Error(out.code)
    expect(out.stanzas.map(({ attrs }) => attrs.to)).toStrictEqual([JULIET])
    expect(elements(out.stanzas[0]).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['no-copy', 'private']),
    )
  })
})

/** Bytes that count how often one of them is read. */
function counting(bytes: Uint8Array) {
  const count = { reads: 0 }
  const watched = new Proxy(bytes, {
    get(target, name) {
      if (typeof name === 'string' && /^\d+$/.test(name)) count.reads++
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { watched, count }
}

describe('row 24: what depends on secrets', () => {
  test('a MAC is compared to its end wherever the first difference is', () => {
    const mac = seeded(1)(20)
    const reads = [-1, 0, 10, 19].map((at) => {
      const { watched, count } = counting(mac.map((byte, i) => (i === at ? byte ^ 1 : byte)))
      expect(equalBytes(watched, mac)).toBe(at < 0)
      return count.reads
    })
    expect(reads).toStrictEqual(Array(4).fill(20))
  })

  test('an exponent is read to its end whatever its digits are', () => {
    const base = group.powerOfG(seeded(2)(40))
    const exponents = [
      new Uint8Array(40),
      new Uint8Array(40).fill(0xff),
      seeded(3)(40),
      Uint8Array.of(...new Uint8Array(39), 1),
    ]
    const reads = exponents.map((exponent) => {
      const { watched, count } = counting(exponent)
      group.product({ base, exponent: watched })
      return count.reads
    })
    expect(new Set(reads).size).toBe(1)
    expect(reads[0]).toBeGreaterThanOrEqual(40)
  })
})
