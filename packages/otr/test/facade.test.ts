/** Two ends with the façade. What the protocol does by itself is tested below it; here it is what hosts see. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { firstUse, manual } from '@xmpp-e2e/trust'
import { bare, child, type Element, element, elements, text } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { MAX_ASSEMBLED_BYTES, MAX_INSTANCES, MAX_STRANGERS, type OtrEvent } from '../src/index.ts'
import { chat, network, received, type TestClient } from './facade.ts'

const ROMEO = 'romeo@montague.lit/orchard'
const JULIET = 'juliet@capulet.lit/balcony'
const romeosJid = bare(ROMEO)
const julietsJid = bare(JULIET)

type Options = Parameters<ReturnType<typeof network>['client']>[1]

/** Both, with a session that Romeo has asked for. */
async function couple(romeosOptions: Options = {}, julietsOptions: Options = {}) {
  const net = network()
  const romeo = await net.client(ROMEO, romeosOptions)
  const juliet = await net.client(JULIET, julietsOptions)
  await romeo.otr.query(julietsJid)
  await net.settle()
  return { net, romeo, juliet }
}

/** As it comes in. */
const chatFrom = (from: string, words: string) =>
  element('jabber:client', 'message', { from, type: 'chat' }, [element('jabber:client', 'body', {}, words)])
const bodyOf = (stanza: Element | undefined): string => text(child(stanza as Element, 'body') as Element)
const lastSent = ({ sent }: TestClient): Element => sent.at(-1) as Element
const kinds = (events: readonly OtrEvent[]): readonly string[] => events.map(({ kind }) => kind)
const states = ({ otr }: TestClient) => otr.sessions().map(({ session }) => session.state)

test.each([2, 3] as const)('a query, a session and messages both ways, in version %s', async (version) => {
  const otr = { versions: [version] }
  const { net, romeo, juliet } = await couple({ otr }, { otr })
  expect(romeo.otr.sessions(julietsJid)).toStrictEqual([
    {
      jid: JULIET,
      instance: version === 2 ? 0 : juliet.otr.instanceTag,
      session: expect.objectContaining({ state: 'encrypted', version, fingerprint: juliet.otr.fingerprint }),
      selected: true,
    },
  ])
  expect(kinds(romeo.events)).toStrictEqual(['key-met', 'session'])
  expect(kinds(juliet.events)).toStrictEqual(['offer', 'key-met', 'session'])
  const out = await romeo.otr.send(chat(julietsJid, 'But, soft!'), [julietsJid])
  expect(out).toMatchObject({ kind: 'encrypted', keys: [{ owner: julietsJid, level: 'blind' }], skipped: [] })
  await net.settle()
  await juliet.otr.send(chat(romeosJid, 'Ay me!'), [romeosJid])
  await net.settle()
  expect(juliet.read()).toStrictEqual(['But, soft!'])
  expect(romeo.read()).toStrictEqual(['Ay me!'])
  expect(juliet.decrypted.at(-1)).toMatchObject({
    kind: 'message',
    protocol: 'urn:xmpp:otr:0',
    sender: { jid: ROMEO },
    chat: romeosJid,
    key: { owner: romeosJid, fingerprint: romeo.otr.fingerprint, level: 'blind' },
    authenticated: true,
    own: false,
    warnings: [],
  })
})

test('XEP-0364 §4: the full JID, hints, and a mark with a name; receipts and states stay beside it', async () => {
  const { romeo } = await couple()
  const more = [
    element('urn:xmpp:receipts', 'request'),
    element('jabber:client', 'subject', {}, 'secret'),
    element('jabber:client', 'body', { 'xml:lang': 'it' }, 'segreto'),
  ]
  const out = await romeo.otr.encrypt(chat(julietsJid, 'hello', more), [julietsJid])
  if (out.kind !== 'encrypted') throw new Error(out.code)
  const [stanza] = out.stanzas
  expect(stanza.attrs).toEqual({ to: JULIET, type: 'chat', id: 'hello' })
  expect(bodyOf(stanza)).toMatch(/^\?OTR:[A-Za-z0-9+/=]+\.$/)
  expect(
    elements(stanza)
      .slice(1)
      .map(({ ns, name, attrs }) => [ns, name, attrs]),
  ).toEqual([
    ['urn:xmpp:receipts', 'request', {}],
    ['urn:xmpp:eme:0', 'encryption', { namespace: 'urn:xmpp:otr:0', name: 'OTR' }],
    ['urn:xmpp:hints', 'no-copy', {}],
    ['urn:xmpp:hints', 'no-permanent-store', {}],
    ['urn:xmpp:carbons:2', 'private', {}],
  ])
  expect(out.exposed).toStrictEqual(['{urn:xmpp:receipts}request'])
  expect(out.withheld).toStrictEqual(['{jabber:client}subject', '{jabber:client}body'])
  expect(JSON.stringify(out.stanzas)).not.toMatch(/secret|segreto/)
})

test('a message that is cut becomes several stanzas; the last has its id', async () => {
  const otr = { maxFragment: 100 }
  const { net, romeo, juliet } = await couple({ otr }, { otr })
  const out = await romeo.otr.send(chat(julietsJid, 'x'.repeat(300)), [julietsJid])
  if (out.kind !== 'encrypted') throw new Error(out.code)
  expect(out.stanzas.length).toBeGreaterThan(3)
  expect(out.stanzas.map(({ attrs }) => attrs.id).filter(Boolean)).toStrictEqual(['x'.repeat(300)])
  expect(out.stanzas.every((stanza) => bodyOf(stanza).length <= 100)).toBe(true)
  await net.settle()
  expect(juliet.read()).toStrictEqual(['x'.repeat(300)])
})

test('without a session nothing is encrypted; where it is required, the contact is asked once', async () => {
  const net = network()
  const romeo = await net.client(ROMEO)
  expect(await romeo.otr.send(chat(julietsJid, 'a'), [julietsJid])).toStrictEqual({
    kind: 'refused',
    code: 'not-encrypted',
    ask: [],
  })
  expect(romeo.sent).toStrictEqual([])
  const strict = await net.client('romeo@montague.lit/street', { otr: { requireEncryption: true } })
  for (const body of ['a', 'b'])
    expect(await strict.otr.send(chat(julietsJid, body), [julietsJid])).toMatchObject({
      code: 'not-encrypted',
    })
  expect(strict.sent.map(bodyOf)).toStrictEqual(['?OTRv3?'])
  expect(await strict.otr.offer(chat(julietsJid, 'a'), julietsJid)).toMatchObject({
    code: 'encryption-required',
  })
})

test('an offer is plain text with a tag, until it was declined; the tag is taken off and told', async () => {
  const net = network()
  const romeo = await net.client(ROMEO)
  const juliet = await net.client(JULIET)
  const offered = await romeo.otr.offer(chat(julietsJid, 'hi'), julietsJid)
  if (offered.kind !== 'offered') throw new Error(offered.code)
  expect(bodyOf(offered.stanza)).toMatch(/^hi[ \t]{24}$/)
  net.queue.push([ROMEO, offered.stanza])
  await net.settle()
  expect(juliet.decrypted).toMatchObject([{ kind: 'plain', unexpected: false }])
  const [plain] = juliet.decrypted
  expect(plain?.kind === 'plain' && bodyOf(plain.stanza)).toBe('hi')
  expect(juliet.events).toStrictEqual([
    { kind: 'offer', jid: ROMEO, via: 'whitespace', versions: [3], accepted: false },
  ])
  net.queue.push([JULIET, chat(romeosJid, 'no tag')])
  await net.settle()
  expect(await romeo.otr.offer(chat(julietsJid, 'again'), julietsJid)).toStrictEqual({
    kind: 'offered',
    stanza: chat(julietsJid, 'again'),
  })
})

test('plain text within a session is shown as unexpected, and offers are refused', async () => {
  const { net, romeo } = await couple()
  net.queue.push([JULIET, chat(ROMEO, 'in the clear')], ['juliet@capulet.lit/other', chat(ROMEO, 'too')])
  await net.settle()
  expect(romeo.decrypted.slice(-2)).toMatchObject([
    { kind: 'plain', unexpected: true },
    { kind: 'plain', unexpected: true },
  ])
  expect(await romeo.otr.offer(chat(julietsJid, 'a'), julietsJid)).toMatchObject({
    code: 'encryption-required',
  })
})

test('the policy decides which keys are sent to, and whose messages are shown', async () => {
  const { net, romeo, juliet } = await couple({ policy: manual })
  const refused = await romeo.otr.encrypt(chat(julietsJid, 'a'), [julietsJid])
  expect(refused).toMatchObject({ code: 'key-undecided', ask: [{ fingerprint: juliet.otr.fingerprint }] })
  await juliet.otr.send(chat(romeosJid, 'shown'), [romeosJid])
  await net.settle()
  expect(romeo.decrypted.at(-1)).toMatchObject({ kind: 'message', warnings: ['key-undecided'] })
  const [key] = await romeo.otr.scan(juliet.otr.uri, julietsJid)
  expect(key).toMatchObject({ level: 'verified', by: 'scan' })
  expect(await romeo.otr.encrypt(chat(julietsJid, 'a'), [julietsJid])).toMatchObject({ kind: 'encrypted' })
  await romeo.otr.decide({ owner: julietsJid, fingerprint: juliet.otr.fingerprint }, 'distrusted', 'choice')
  expect(await romeo.otr.encrypt(chat(julietsJid, 'a'), [julietsJid])).toMatchObject({
    code: 'key-distrusted',
  })
  await juliet.otr.send(chat(romeosJid, 'not shown'), [romeosJid])
  await net.settle()
  expect(romeo.decrypted.at(-1)).toMatchObject({ kind: 'unreadable', code: 'key-distrusted', retry: 'never' })
  expect(await romeo.otr.keys()).toMatchObject([{ level: 'distrusted', by: 'choice', owner: julietsJid }])
})

test('the URI names the fingerprint as XEP-0364 §6 has it', async () => {
  const net = network()
  const romeo = await net.client(ROMEO)
  expect(romeo.otr.uri).toBe(`xmpp:${romeosJid}?otr-fingerprint=${romeo.otr.fingerprint.toUpperCase()}`)
  await expect(romeo.otr.scan(romeo.otr.uri, romeosJid)).rejects.toMatchObject({ code: 'uri-without-keys' })
})

test.each([
  [undefined, 'verified', 'verified'],
  ['Who?', 'verified', 'blind'],
] as const)(
  'a comparison with the question %s verifies for who asked, or both',
  async (question, one, other) => {
    const { net, romeo, juliet } = await couple()
    const options = question === undefined ? {} : { question }
    expect(await romeo.otr.compare(julietsJid, 'rosaline', options)).toStrictEqual({ kind: 'begun' })
    expect(await romeo.otr.compare(julietsJid, 'rosaline')).toMatchObject({ code: 'not-now' })
    await net.settle()
    expect(juliet.events.at(-1)).toStrictEqual({
      kind: 'smp-asked',
      jid: ROMEO,
      instance: romeo.otr.instanceTag,
      fingerprint: romeo.otr.fingerprint,
      keyChanged: false,
      ...options,
    })
    expect(await juliet.otr.answer(romeosJid, 'rosaline')).toStrictEqual({ kind: 'begun' })
    await net.settle()
    const ended = { kind: 'smp-ended', result: 'match', oneWay: question !== undefined }
    expect(romeo.events).toContainEqual(expect.objectContaining({ ...ended, weInitiated: true }))
    expect(juliet.events).toContainEqual(expect.objectContaining({ ...ended, weInitiated: false }))
    expect(await romeo.otr.keys(julietsJid)).toMatchObject([{ level: one }])
    expect(await juliet.otr.keys(romeosJid)).toMatchObject([{ level: other }])
  },
)

test('secrets that differ change no key; a comparison can be aborted', async () => {
  const { net, romeo, juliet } = await couple()
  await romeo.otr.compare(julietsJid, 'rosaline')
  await net.settle()
  await juliet.otr.answer(romeosJid, 'paris')
  await net.settle()
  expect(romeo.events.at(-1)).toMatchObject({ kind: 'smp-ended', result: 'mismatch' })
  await romeo.otr.compare(julietsJid, 'rosaline')
  await net.settle()
  await juliet.otr.abort(romeosJid)
  await net.settle()
  expect(romeo.events.at(-1)).toMatchObject({ kind: 'smp-ended', result: 'aborted' })
  expect(await romeo.otr.keys(julietsJid)).toMatchObject([{ level: 'blind' }])
})

test('a resumed stream keeps sessions; a new one finishes them, and nothing goes out in the clear', async () => {
  const { net, romeo, juliet } = await couple()
  romeo.session('lost')
  await expect(romeo.otr.send(chat(julietsJid, 'a'), [julietsJid])).rejects.toThrow('offline')
  romeo.session('resumed')
  await romeo.otr.send(chat(julietsJid, 'b'), [julietsJid])
  await net.settle()
  expect(juliet.read()).toStrictEqual(['b'])
  romeo.session('lost')
  romeo.session('new')
  expect(states(romeo)).toStrictEqual(['finished'])
  expect(romeo.events.at(-1)).toMatchObject({ kind: 'session', session: { state: 'finished' } })
  expect(await romeo.otr.send(chat(julietsJid, 'c'), [julietsJid])).toMatchObject({ code: 'finished' })
  expect(await romeo.otr.offer(chat(julietsJid, 'c'), julietsJid)).toMatchObject({
    code: 'encryption-required',
  })
  await romeo.otr.query(julietsJid)
  await net.settle()
  await romeo.otr.send(chat(julietsJid, 'd'), [julietsJid])
  await net.settle()
  expect(juliet.read()).toStrictEqual(['b', 'd'])
})

test('after a reload messages are unreadable, the sender is told once, and a query mends it', async () => {
  const { net, romeo, juliet } = await couple()
  net.drop(JULIET)
  const again = await net.client(JULIET, { store: juliet.store })
  expect(again.otr.fingerprint).toBe(juliet.otr.fingerprint)
  expect(again.otr.instanceTag).toBe(juliet.otr.instanceTag)
  for (const body of ['a', 'b', 'c']) await romeo.otr.send(chat(julietsJid, body), [julietsJid])
  await net.settle()
  const missing = { kind: 'unreadable', code: 'session-missing', retry: 'never', detail: {} }
  expect(again.decrypted).toStrictEqual([missing, missing, missing])
  expect(again.sent.map(bodyOf)).toStrictEqual(['?OTR Error: An encrypted message could not be read.'])
  expect(romeo.events.at(-1)).toMatchObject({ kind: 'peer-error', jid: JULIET })
  await again.otr.query(romeosJid)
  await net.settle()
  await romeo.otr.send(chat(julietsJid, 'd'), [julietsJid])
  await net.settle()
  expect(again.read()).toStrictEqual(['d'])
})

test('a peer that goes offline finishes its session; at another address with the same key it goes on', async () => {
  const { net, romeo, juliet } = await couple()
  romeo.get(element('jabber:client', 'presence', { type: 'unavailable', from: JULIET }))
  await net.settle()
  expect(states(romeo)).toStrictEqual(['finished'])
  net.drop(JULIET)
  const elsewhere = await net.client('juliet@capulet.lit/tomb', { store: juliet.store })
  await romeo.otr.query(julietsJid)
  await net.settle()
  expect(await romeo.otr.send(chat(julietsJid, 'a'), [julietsJid])).toMatchObject({ kind: 'encrypted' })
  await net.settle()
  expect(elsewhere.read()).toStrictEqual(['a'])
})

test('another key at another address gets nothing until the user selects it', async () => {
  const { net, romeo } = await couple({ policy: firstUse })
  const tybalt = await net.client('juliet@capulet.lit/hall', { seed: 5 })
  await tybalt.otr.query(romeosJid)
  await net.settle()
  expect(romeo.events.at(-1)).toMatchObject({
    kind: 'session',
    jid: tybalt.jid,
    keyChanged: true,
    selected: false,
  })
  const out = await romeo.otr.encrypt(chat(julietsJid, 'a'), [julietsJid])
  expect(out.kind === 'encrypted' && out.stanzas[0].attrs.to).toBe(JULIET)
  const { fingerprint } = tybalt.otr
  expect(await romeo.otr.encrypt(chat(tybalt.jid, 'a'), [julietsJid])).toMatchObject({
    code: 'key-changed',
    ask: [{ fingerprint }],
  })
  await romeo.otr.select(tybalt.jid, tybalt.otr.instanceTag, fingerprint)
  expect(await romeo.otr.encrypt(chat(julietsJid, 'a'), [julietsJid])).toMatchObject({
    code: 'key-undecided',
  })
  await romeo.otr.decide({ owner: julietsJid, fingerprint }, 'verified', 'compare')
  await romeo.otr.send(chat(julietsJid, 'b'), [julietsJid])
  await net.settle()
  expect(tybalt.read()).toStrictEqual(['b'])
})

test('`end` tells the peer, whose messages are refused then; it is the only way to plain text', async () => {
  const { net, romeo, juliet } = await couple()
  await romeo.otr.end(julietsJid)
  await net.settle()
  expect(states(romeo)).toStrictEqual([])
  expect(states(juliet)).toStrictEqual(['finished'])
  expect(await juliet.otr.send(chat(romeosJid, 'a'), [romeosJid])).toMatchObject({ code: 'finished' })
  expect(await romeo.otr.offer(chat(julietsJid, 'a'), julietsJid)).toMatchObject({ kind: 'offered' })
  await juliet.otr.end(romeosJid)
  expect(await juliet.otr.offer(chat(romeosJid, 'a'), romeosJid)).toMatchObject({ kind: 'offered' })
})

test('`close` ends sessions, and leaves no timer; `erase` leaves nothing', async () => {
  const { net, romeo, juliet } = await couple()
  await romeo.otr.close()
  await net.settle()
  expect(states(juliet)).toStrictEqual(['finished'])
  await expect(romeo.otr.encrypt(chat(julietsJid, 'a'), [julietsJid])).rejects.toThrow(TypeError)
  expect(await juliet.otr.erase({ server: false })).toStrictEqual({ unlisted: true })
  expect((await juliet.store.list('')).entries).toStrictEqual([])
  expect(net.clock.waiting()).toBe(0)
})

test('crossed queries and lost steps end in a session, by timers alone', async () => {
  const net = network()
  const romeo = await net.client(ROMEO)
  const juliet = await net.client(JULIET)
  await romeo.otr.query(JULIET)
  await juliet.otr.query(ROMEO)
  await net.settle()
  await romeo.otr.end(julietsJid)
  await juliet.otr.end(romeosJid)
  await net.settle()
  net.clock.pass(60_000)
  await romeo.otr.query(JULIET)
  const [[from, query] = [ROMEO, chat(JULIET, '')]] = net.queue.splice(0)
  net.queue.push([from, query])
  net.drop(ROMEO)
  await net.settle()
  const back = await net.client(ROMEO, { store: romeo.store })
  net.clock.pass(5001)
  await net.settle()
  expect(states(back)).toStrictEqual(['encrypted'])
  expect(states(juliet)).toStrictEqual(['encrypted'])
})

test('a symmetric key is the same on both sides', async () => {
  const { net, romeo, juliet } = await couple()
  const shared = await romeo.otr.shareKey(julietsJid, 7, Uint8Array.of(1, 2))
  await net.settle()
  if (shared.kind !== 'shared') throw new Error(shared.code)
  expect(juliet.events.at(-1)).toStrictEqual({
    kind: 'symmetric-key',
    jid: ROMEO,
    instance: romeo.otr.instanceTag,
    fingerprint: romeo.otr.fingerprint,
    keyChanged: false,
    use: 7,
    data: Uint8Array.of(1, 2),
    key: shared.key,
    weInitiated: false,
  })
})

test('version 2 is for those contacts for whom the application says so', async () => {
  const net = network()
  const romeo = await net.client(ROMEO, {
    otrFor: (contact) => (contact === julietsJid ? { versions: [2, 3] } : undefined),
  })
  const juliet = await net.client(JULIET, { otr: { versions: [2] } })
  const paris = await net.client('paris@verona.lit/house', { otr: { versions: [2] } })
  await romeo.otr.query(julietsJid)
  await romeo.otr.query(bare(paris.jid))
  await net.settle()
  expect(romeo.otr.sessions().map(({ jid }) => jid)).toStrictEqual([JULIET])
  expect(states(juliet)).toStrictEqual(['encrypted'])
  expect(romeo.otr.features).toStrictEqual(['urn:xmpp:otr:0'])
  expect(juliet.otr.features).toStrictEqual([])
})

test('a lower version than a key has spoken is told, also after a restart', async () => {
  const { net, romeo, juliet } = await couple()
  expect(romeo.events.at(-1)).toMatchObject({ kind: 'session', downgrade: false })
  for (const one of [romeo, juliet]) {
    await one.otr.close()
    net.drop(one.jid)
  }
  net.queue.length = 0
  const again = await net.client(ROMEO, { store: romeo.store, otr: { versions: [2] } })
  await net.client(JULIET, { store: juliet.store, otr: { versions: [2] } })
  await again.otr.query(julietsJid)
  await net.settle()
  expect(again.events.at(-1)).toMatchObject({ kind: 'session', downgrade: true })
})

test('what cannot be sent is told, and what has characters that XML cannot carry does no harm', async () => {
  const { net, romeo, juliet } = await couple()
  await romeo.otr.send(chat(julietsJid, '<b>&amp;'), [julietsJid])
  await net.settle()
  expect(juliet.read()).toStrictEqual(['<b>&amp;'])
  romeo.session('lost')
  await romeo.otr.compare(julietsJid, 'a')
  expect(romeo.events.at(-1)).toMatchObject({ kind: 'send-failed', jid: JULIET })
  expect(lastSent(romeo).name).toBe('message')
})

test('what is aborted before it was encrypted never was', async () => {
  const { net, romeo, juliet } = await couple()
  const reason = new Error('enough')
  const abort = new AbortController()
  // Messages to one contact wait for each other.
  const others = [romeo.otr.send(chat(julietsJid, 'a'), [julietsJid])]
  const aborted = romeo.otr.send(chat(julietsJid, 'b'), [julietsJid], abort)
  others.push(romeo.otr.send(chat(julietsJid, 'c'), [julietsJid], new AbortController()))
  abort.abort(reason)
  await expect(aborted).rejects.toBe(reason)
  expect(await Promise.all(others)).toMatchObject([{ kind: 'encrypted' }, { kind: 'encrypted' }])
  await net.settle()
  expect(juliet.read()).toStrictEqual(['a', 'c'])
})

test('what is aborted while its key is looked up was not encrypted either', async () => {
  const memory = memoryStore()
  const abort = new AbortController()
  const reason = new Error('enough')
  let isLate = false
  const store: Store = {
    ...memory,
    read(keys) {
      if (isLate) abort.abort(reason)
      return memory.read(keys)
    },
  }
  const { net, romeo, juliet } = await couple({ store })
  isLate = true
  await expect(romeo.otr.send(chat(julietsJid, 'a'), [julietsJid], abort)).rejects.toBe(reason)
  await net.settle()
  expect(juliet.read()).toStrictEqual([])
})

test('misuse is thrown', async () => {
  const { romeo } = await couple()
  const { otr } = romeo
  await expect(otr.encrypt(chat(julietsJid, 'a'), [])).rejects.toThrow(TypeError)
  await expect(otr.encrypt(chat(julietsJid, 'a'), [romeosJid])).rejects.toThrow(TypeError)
  await expect(otr.encrypt(element('jabber:client', 'iq'), [julietsJid])).rejects.toThrow(TypeError)
  const room = element('jabber:client', 'message', { type: 'groupchat' })
  await expect(otr.encrypt(room, [julietsJid])).rejects.toThrow(TypeError)
  await expect(otr.decide({ owner: julietsJid, fingerprint: 'AB' }, 'verified', 'scan')).rejects.toThrow(
    RangeError,
  )
  const own = { owner: romeosJid, fingerprint: otr.fingerprint }
  await expect(otr.decide(own, 'verified', 'scan')).rejects.toThrow(RangeError)
  expect(await otr.encrypt(element('jabber:client', 'message'), [julietsJid])).toMatchObject({
    code: 'content-missing',
  })
  expect(await otr.encrypt(chat(julietsJid, 'x'.repeat(300_000)), [julietsJid])).toMatchObject({
    code: 'content-too-long',
  })
})

test('a stream that ends while something is computed takes it with it', async () => {
  const { net, romeo, juliet } = await couple()
  const begun = romeo.otr.compare(julietsJid, 'a')
  // Some of the slices have been done.
  for (let slices = 0; slices < 3; slices++) await new Promise<void>((resolve) => void setImmediate(resolve))
  romeo.session('new')
  expect(await begun).toStrictEqual({ kind: 'refused', code: 'finished', ask: [] })
  await net.settle()
  expect(kinds(juliet.events)).not.toContain('smp-asked')
  expect(states(romeo)).toStrictEqual(['finished'])
})

test('what is read is given to the host also when the stream ends just then', async () => {
  const { net, romeo, juliet } = await couple()
  await romeo.otr.send(chat(julietsJid, 'a'), [julietsJid])
  const [[, stanza] = []] = net.queue.splice(0)
  const stamped = element('jabber:client', 'message', { ...stanza?.attrs, from: ROMEO }, stanza?.children)
  const decrypted = juliet.otr.decrypt(received(stamped, JULIET))
  juliet.session('new')
  const plain = juliet.otr.decrypt(received(chatFrom(ROMEO, 'b'), JULIET))
  juliet.session('new')
  expect(await Promise.all([decrypted, plain])).toMatchObject([
    { kind: expect.stringMatching(/message|unreadable/) },
    { kind: 'plain', unexpected: true },
  ])
})

test('session keys are overwritten when a session ends, however it ends', async () => {
  for (const how of ['end', 'new', 'close'] as const) {
    const { romeo } = await couple()
    const secrets: Uint8Array[] = []
    const kept = Uint8Array.prototype.fill
    const seen = new Set<Uint8Array>()
    Uint8Array.prototype.fill = function (value, ...rest) {
      if (value === 0 && rest.length === 0) seen.add(this)
      return kept.call(this, value, ...rest)
    }
    try {
      if (how === 'end') await romeo.otr.end(julietsJid)
      if (how === 'new') romeo.session('new')
      if (how === 'close') await romeo.otr.close()
    } finally {
      Uint8Array.prototype.fill = kept
    }
    secrets.push(...[...seen].filter(({ length }) => length === 40))
    // Two key pairs of ours.
    expect(secrets.length).toBeGreaterThanOrEqual(2)
    expect(secrets.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true)
  }
})

test('row 19: pieces of strangers are kept for so many addresses and no more, and not for long', async () => {
  const net = network()
  const romeo = await net.client(ROMEO)
  const piece = (n: number, k: 1 | 2) => {
    const tag = (0x1000 + n).toString(16).padStart(8, '0')
    const words = `?OTR|${tag}|00000000,0000${k},00002,${k === 1 ? '?OT' : 'Rv3?'},`
    return romeo.otr.decrypt(received(chatFrom(`juliet@capulet.lit/${n}`, words), ROMEO))
  }
  for (let n = 0; n <= MAX_STRANGERS; n++) await piece(n, 1)
  await piece(0, 2)
  expect(romeo.events.at(-1)).toMatchObject({ kind: 'dropped', why: 'fragment' })
  await piece(1, 2)
  expect(romeo.events.at(-1)).toMatchObject({ kind: 'offer', via: 'query' })
  net.clock.pass(60_001)
  await net.settle()
  await piece(2, 2)
  expect(romeo.events.at(-1)).toMatchObject({ kind: 'dropped', why: 'fragment' })
})

test('row 19: pieces of everybody together are within one bound; the oldest message goes first', async () => {
  const net = network()
  const romeo = await net.client(ROMEO)
  const size = 2 ** 17
  const addresses = MAX_ASSEMBLED_BYTES / size / MAX_INSTANCES
  expect(addresses).toBeLessThan(MAX_STRANGERS)
  const tagOf = (n: number) => (0x1000 + n).toString(16)
  const add = (n: number, k: 1 | 2) => {
    const from = `juliet@capulet.lit/${Math.floor(n / MAX_INSTANCES)}`
    const words = `?OTR|${tagOf(n)}|0,${k},2,${k === 1 ? '?OTRv3?'.padEnd(size) : ''},`
    net.clock.pass(1)
    return romeo.otr.decrypt(received(chatFrom(from, words), ROMEO))
  }
  const count = addresses * MAX_INSTANCES
  for (let n = 0; n < count; n++) await add(n, 1)
  await add(1, 2)
  expect(kinds(romeo.events)).toStrictEqual(['offer'])
  await add(1, 1)
  expect(romeo.events).toHaveLength(1)
  await add(count, 1)
  await add(0, 2)
  expect(romeo.events.at(-1)).toMatchObject({ kind: 'dropped', why: 'fragment' })
  await add(2, 2)
  await add(count, 2)
  expect(kinds(romeo.events)).toStrictEqual(['offer', 'dropped', 'offer', 'offer'])
})

test('a store that fails in the middle of a key exchange changes nothing: the same message can come again', async () => {
  const net = network()
  const romeo = await net.client(ROMEO)
  const memory = memoryStore()
  let isBroken = false
  const store: Store = {
    read: (keys) => memory.read(keys),
    list: (prefix) => memory.list(prefix),
    commit: (tokens, batch) =>
      isBroken ? Promise.reject(new Error('disk full')) : memory.commit(tokens, batch),
  }
  const juliet = await net.client(JULIET, { store })
  await juliet.otr.query(ROMEO)
  isBroken = true
  await expect(net.settle()).rejects.toThrow()
  expect(states(juliet)).toStrictEqual([])
  isBroken = false
  net.clock.pass(5001)
  await net.settle()
  expect(states(juliet)).toStrictEqual(['encrypted'])
  expect(states(romeo)).toStrictEqual(['encrypted'])
})
