/** XEP-0373 §4: keys of contacts as servers give them, and what is made of them. */
import { child, children, type Element, element } from '@xmpp-e2e/xml'
import { generateKey as generate, reformatKey } from 'openpgp'
import { expect, test } from 'vitest'
import { encodePublicKey, publicKeyNode } from '../src/elements/key-element.ts'
import { KEY_LIST_NODE } from '../src/elements/key-list.ts'
import { LIST_MS, MAX_KEYS_PER_ACCOUNT, MAX_UNLISTED_KEYS, RETRY_MS } from '../src/index.ts'
import { generateSecretKey, revokeSecretKey, type SecretKey } from '../src/openpgp/secret-key.ts'
import { listElement, type Peer, peer, requests } from './keys.ts'
import { chat, type TestClient, type World, world } from './world.ts'

interface Scene extends World {
  readonly romeo: TestClient
  readonly juliet: Peer
  readonly keys: readonly [SecretKey, SecretKey, SecretKey]
  /** Announces these, and nothing else. */
  announce(keys: readonly SecretKey[]): Promise<void>
  /** What romeo knows after asking. */
  refreshed(): Promise<readonly unknown[]>
  /** Requests about juliet's keys since the last call. */
  asked(): readonly string[]
  encrypt(): ReturnType<TestClient['ox']['encrypt']>
}

async function scene(options: Parameters<typeof world>[0] = {}): Promise<Scene> {
  const w = world(options)
  const romeo = await w.client('romeo')
  const juliet = peer(w, 'juliet')
  const now = w.service.clock.now() - 3_600_000
  const keys = (await Promise.all(
    [0, 1, 2].map((i) => generateSecretKey(juliet.account, now + i * 1000)),
  )) as [SecretKey, SecretKey, SecretKey]
  let seen = 0
  return {
    ...w,
    romeo,
    juliet,
    keys,
    announce: (some) =>
      juliet.announce(
        Object.fromEntries(some.map(({ certificate }) => [certificate.fingerprint, certificate.bytes])),
      ),
    async refreshed() {
      const { all, problem } = await w.finish(romeo.ox.certificates(juliet.account, { refresh: true }))
      return problem === undefined
        ? all.map(({ fingerprint, listed, problem }) => [fingerprint, listed, problem])
        : [problem, ...all.map(({ fingerprint, listed }) => [fingerprint, listed])]
    },
    asked() {
      const all = requests(w, 'romeo', juliet.account)
      const news = all.slice(seen)
      seen = all.length
      return news
    },
    encrypt: () => w.finish(romeo.ox.encrypt(chat(juliet.account, 'hello'), [juliet.account])),
  }
}

const fingerprintOf = ({ certificate }: SecretKey) => certificate.fingerprint
const upper = (key: SecretKey) => fingerprintOf(key).toUpperCase()

test('§4.3, §4.4: the list, then each certificate, once', async () => {
  const { announce, keys, refreshed, asked } = await scene()
  await announce(keys.slice(0, 2))
  expect(await refreshed()).toEqual(keys.slice(0, 2).map((key) => [fingerprintOf(key), true, undefined]))
  expect(asked()).toEqual(['items ', `items :${upper(keys[0])}`, `items :${upper(keys[1])}`])
  await refreshed()
  expect(asked()).toEqual(['items '])
})

test.each([
  ['lower', (one: string) => one.toLowerCase()],
  ['upper', (one: string) => one.toUpperCase()],
] as const)('§4.1: fingerprints in lower case, of a node in %s case', async (_, written) => {
  const { juliet, keys, refreshed, service } = await scene()
  const [{ certificate }] = keys
  const advertised = certificate.fingerprint.toLowerCase()
  const entry = element('urn:xmpp:openpgp:0', 'pubkey-metadata', {
    'v4-fingerprint': advertised,
    date: new Date(service.clock.now()).toISOString(),
  })
  await juliet.put(`${KEY_LIST_NODE}:${written(advertised)}`, encodePublicKey(certificate.bytes))
  await juliet.put(KEY_LIST_NODE, element('urn:xmpp:openpgp:0', 'public-keys-list', {}, entry))
  expect(await refreshed()).toEqual([[advertised, true, undefined]])
})

test('§4.3: no list, none for us, none just now, and none at all are told apart', async () => {
  const { announce, juliet, keys, refreshed, romeo, encrypt, service, finish } = await scene()
  expect(await refreshed()).toEqual(['keys-missing'])
  expect(await encrypt()).toMatchObject({
    kind: 'refused',
    code: 'recipients-unreachable',
    skipped: [{ owner: juliet.account, code: 'keys-missing' }],
  })
  const list = listElement([fingerprintOf(keys[0])], new Date(service.clock.now()))
  await juliet.put(KEY_LIST_NODE, list, 'current', 'presence')
  expect(await refreshed()).toEqual(['keys-forbidden'])
  await announce([keys[0]])
  const known = [fingerprintOf(keys[0]), true]
  expect(await refreshed()).toEqual([[...known, undefined]])
  const stop = service.fault({
    fault: { kind: 'error', condition: 'remote-server-timeout' },
    direction: 'sent',
    client: 'romeo',
  })
  expect(await refreshed()).toEqual(['keys-unavailable', known])
  // What is known is used.
  expect(await encrypt()).toMatchObject({ kind: 'encrypted' })
  stop()
  await juliet.put(KEY_LIST_NODE, element('urn:example', 'list'))
  expect(await refreshed()).toEqual(['key-list-malformed', known])
  await juliet.put(KEY_LIST_NODE, listElement([], new Date()))
  expect(await refreshed()).toEqual([[known[0], false, undefined]])
  await finish(romeo.ox.close())
})

test('row 4: another certificate than the list names is not taken, nor one with a secret key; of several, the one named', async () => {
  const { juliet, keys, refreshed, romeo, service, finish } = await scene()
  const [one, other, third] = keys
  const fingerprints = keys.map(fingerprintOf)
  const both = new Uint8Array([...other.certificate.bytes, ...third.certificate.bytes])
  await juliet.put(publicKeyNode(fingerprintOf(one)), encodePublicKey(other.certificate.bytes))
  await juliet.put(publicKeyNode(fingerprintOf(other)), encodePublicKey(other.bytes))
  await juliet.put(publicKeyNode(fingerprintOf(third)), encodePublicKey(both))
  await juliet.put(KEY_LIST_NODE, listElement(fingerprints, new Date(service.clock.now())))
  expect(await refreshed()).toEqual([
    [fingerprints[0], true, 'fingerprint-mismatch'],
    [fingerprints[1], true, 'certificate-malformed'],
    [fingerprints[2], true, undefined],
  ])
  const { all } = await finish(romeo.ox.certificates(juliet.account))
  expect(all.map(({ bytes }) => bytes !== undefined)).toEqual([false, false, true])
  expect((await romeo.ox.keys(juliet.account)).map(({ fingerprint }) => fingerprint)).toEqual([
    fingerprints[2],
  ])
})

test('§5, row 34: a certificate that names another account is not taken; one without an answer is asked for again soon, once', async () => {
  const { juliet, keys, refreshed, service, asked, encrypt } = await scene()
  const mallory = await generateSecretKey(service.account('mallory'), service.clock.now())
  await juliet.announce({
    [fingerprintOf(mallory)]: mallory.certificate.bytes,
    [fingerprintOf(keys[0])]: keys[0].certificate.bytes,
  })
  const stop = service.fault({
    fault: { kind: 'error', condition: 'remote-server-timeout' },
    client: 'romeo',
    direction: 'sent',
    match: (el) => JSON.stringify(el).includes(upper(keys[0])),
  })
  expect(await refreshed()).toEqual([
    [fingerprintOf(mallory), true, 'user-id-missing'],
    [fingerprintOf(keys[0]), true, 'certificate-unavailable'],
  ])
  stop()
  expect(asked().filter((request) => request.toUpperCase().endsWith(upper(keys[0])))).toHaveLength(1)
  expect(await encrypt()).toMatchObject({ kind: 'refused' })
  expect(asked()).toEqual([])
  await service.advance(RETRY_MS)
  expect(await encrypt()).toMatchObject({ kind: 'encrypted', skipped: [{ code: 'user-id-missing' }] })
})

test('row 5: a key that the server adds is trusted blindly only until one is verified', async () => {
  const { announce, juliet, keys, refreshed, romeo, encrypt } = await scene()
  const owner = juliet.account
  await announce([keys[0]])
  await refreshed()
  await romeo.ox.decide({ owner, fingerprint: fingerprintOf(keys[0]) }, 'verified', 'compare')
  romeo.events.length = 0
  await announce(keys.slice(0, 2))
  await refreshed()
  expect(romeo.events).toEqual([
    {
      kind: 'key-met',
      key: expect.objectContaining({ fingerprint: fingerprintOf(keys[1]), level: 'undecided' }),
    },
    { kind: 'keys-changed', jid: owner, added: [fingerprintOf(keys[1])], removed: [] },
  ])
  const encrypted = await encrypt()
  if (encrypted.kind !== 'encrypted') throw new Error(JSON.stringify(encrypted))
  expect(encrypted.keys.map(({ fingerprint }) => fingerprint)).not.toContain(fingerprintOf(keys[1]))
  expect(encrypted.skipped).toMatchObject([{ fingerprint: fingerprintOf(keys[1]), code: 'key-undecided' }])
})

test('§4.5: a notification of what is known costs no request; without a payload, or of something else, the list is read', async () => {
  const { announce, service, keys, juliet, romeo, refreshed, asked, settle, finish } = await scene()
  service.subscribeBoth('romeo', 'juliet')
  await announce([keys[0]])
  await settle()
  // Nobody has written to juliet.
  expect(asked()).toEqual([])
  await refreshed()
  asked()
  await juliet.put(KEY_LIST_NODE, listElement([fingerprintOf(keys[0])], new Date(service.clock.now())))
  await settle()
  expect(asked()).toEqual([])
  const stop = service.fault({
    fault: { kind: 'tamper', change: withoutPayload },
    client: 'romeo',
    direction: 'received',
  })
  await juliet.put(KEY_LIST_NODE, listElement([fingerprintOf(keys[0])], new Date(service.clock.now())))
  await settle()
  expect(asked()).toEqual(['items '])
  stop()
  await announce(keys.slice(0, 2))
  await settle()
  expect(asked()).toEqual(['items ', `items :${upper(keys[1])}`])
  await finish(romeo.ox.close())
})

function withoutPayload(stanza: Element): Element {
  const event = child(stanza, 'event', 'http://jabber.org/protocol/pubsub#event')
  const items = event && child(event, 'items')
  if (event === undefined || items === undefined) return stanza
  const bare = children(items, 'item').map((item) => element(item.ns, 'item', item.attrs))
  const emptied = element(event.ns, 'event', {}, element(items.ns, 'items', items.attrs, bare))
  return element(stanza.ns, 'message', stanza.attrs, emptied)
}

test('§4.5: a notification that comes while the list is being read has it read again', async () => {
  const { announce, service, keys, refreshed, romeo, juliet, asked, settle, finish } = await scene()
  service.subscribeBoth('romeo', 'juliet')
  await announce([keys[0]])
  await refreshed()
  asked()
  // The answer is from before, and is late.
  service.fault({
    fault: { kind: 'delay', ms: 5000 },
    client: 'romeo',
    direction: 'received',
    match: ({ name }) => name === 'iq',
    nth: 1,
  })
  const reading = romeo.ox.certificates(juliet.account, { refresh: true })
  await settle()
  await announce(keys.slice(0, 2))
  await finish(reading)
  await settle()
  expect(asked()).toEqual(['items ', 'items ', `items :${upper(keys[1])}`])
  const { all } = await finish(romeo.ox.certificates(juliet.account))
  expect(all).toHaveLength(2)
})

test('one account is asked once, however many wait for it; and not again for a day', async () => {
  const { announce, service, keys, asked, encrypt, romeo, juliet, finish } = await scene()
  await announce(keys)
  const many = Array.from({ length: 20 }, (_, i) =>
    romeo.ox.encrypt(chat(juliet.account, 'hello', `${i}`), [juliet.account]),
  )
  for (const encrypted of await finish(Promise.all(many))) expect(encrypted.kind).toBe('encrypted')
  expect(asked()).toEqual(['items ', ...keys.map((key) => `items :${upper(key)}`)])
  const readAt = (await finish(romeo.ox.certificates(juliet.account))).readAt?.getTime() ?? 0
  await service.advance(readAt + LIST_MS - 1 - service.clock.now())
  await encrypt()
  expect(asked()).toEqual([])
  await service.advance(1)
  await encrypt()
  expect(asked()).toEqual(['items '])
})

test('who has no keys is asked again after a minute, and not before', async () => {
  const { service, asked, encrypt, romeo, juliet } = await scene()
  await encrypt()
  asked()
  const readAt = (await romeo.ox.certificates(juliet.account)).readAt?.getTime() ?? 0
  await service.advance(readAt + RETRY_MS - 1 - service.clock.now())
  await encrypt()
  expect(asked()).toEqual([])
  await service.advance(1)
  await encrypt()
  expect(asked()).toEqual(['items '])
})

test('who gives up does not take it from those who wait', async () => {
  const { announce, keys, romeo, juliet, finish } = await scene()
  await announce([keys[0]])
  const controller = new AbortController()
  const reason = new Error('enough')
  const impatient = romeo.ox.certificates(juliet.account, { refresh: true, signal: controller.signal })
  const patient = romeo.ox.certificates(juliet.account, { refresh: true })
  controller.abort(reason)
  await expect(finish(impatient)).rejects.toBe(reason)
  expect((await finish(patient)).all).toHaveLength(1)
})

test('what is taken off the list is not encrypted to, and stays known', async () => {
  const { announce, keys, refreshed, encrypt, romeo, juliet } = await scene()
  await announce(keys.slice(0, 2))
  await refreshed()
  await announce([keys[1]])
  romeo.events.length = 0
  expect(await refreshed()).toEqual([
    [fingerprintOf(keys[0]), false, undefined],
    [fingerprintOf(keys[1]), true, undefined],
  ])
  expect(romeo.events).toEqual([
    { kind: 'keys-changed', jid: juliet.account, added: [], removed: [fingerprintOf(keys[0])] },
  ])
  const encrypted = await encrypt()
  if (encrypted.kind !== 'encrypted') throw new Error('refused')
  expect(encrypted.keys.filter(({ own }) => !own).map(({ fingerprint }) => fingerprint)).toEqual([
    fingerprintOf(keys[1]),
  ])
})

test(`${MAX_KEYS_PER_ACCOUNT} keys are used; of more, those that are known stay`, async () => {
  const { juliet, keys, refreshed, romeo, service, finish } = await scene()
  const known = keys[0]
  const others = Array.from({ length: MAX_KEYS_PER_ACCOUNT }, (_, i) => `${i}`.padStart(40, '0'))
  await juliet.put(publicKeyNode(fingerprintOf(known)), encodePublicKey(known.certificate.bytes))
  const date = new Date(service.clock.now())
  await juliet.put(KEY_LIST_NODE, listElement([...others.slice(1), fingerprintOf(known)], date))
  expect(await refreshed()).toHaveLength(MAX_KEYS_PER_ACCOUNT)
  await juliet.put(KEY_LIST_NODE, listElement([...others, fingerprintOf(known)], date))
  await refreshed()
  const { all } = await finish(romeo.ox.certificates(juliet.account))
  expect(all).toHaveLength(MAX_KEYS_PER_ACCOUNT + 1)
  expect(all.find(({ fingerprint }) => fingerprint === fingerprintOf(known))?.problem).toBeUndefined()
  expect(
    all.filter(({ problem }) => problem === 'keys-too-many').map(({ fingerprint }) => fingerprint),
  ).toEqual([others.at(-1)])
})

test(`lists that are ever new leave ${MAX_UNLISTED_KEYS} certificates behind, and nothing of keys that were never there`, async () => {
  const { juliet, refreshed, romeo, service } = await scene()
  const made = await Promise.all(
    Array.from({ length: MAX_UNLISTED_KEYS + 2 }, () =>
      generateSecretKey(juliet.account, service.clock.now() - 1000),
    ),
  )
  const batches = Array.from({ length: Math.ceil(made.length / MAX_KEYS_PER_ACCOUNT) }, (_, i) =>
    made.slice(i * MAX_KEYS_PER_ACCOUNT, (i + 1) * MAX_KEYS_PER_ACCOUNT),
  )
  for (const batch of batches) {
    await juliet.announce(
      Object.fromEntries(batch.map(({ certificate }) => [certificate.fingerprint, certificate.bytes])),
    )
    await refreshed()
  }
  await juliet.put(KEY_LIST_NODE, listElement(['0'.repeat(40)], new Date(service.clock.now())))
  expect(await refreshed()).toHaveLength(MAX_UNLISTED_KEYS + 1)
  const certificates = (await romeo.store.list(`ox/${romeo.account}/cert/${juliet.account}/`)).entries
  expect(certificates).toHaveLength(MAX_UNLISTED_KEYS)
  await juliet.put(KEY_LIST_NODE, listElement([], new Date(service.clock.now())))
  expect(await refreshed()).toHaveLength(MAX_UNLISTED_KEYS)
})

test.each([
  ['retired', 'revoked'],
  ['compromised', 'revoked-hard'],
] as const)(
  'a key that was %s is told of once, and an older certificate does not undo it',
  async (reason, state) => {
    const { announce, keys, refreshed, romeo, service, encrypt } = await scene()
    await announce([keys[0]])
    await refreshed()
    romeo.events.length = 0
    const revoked = await revokeSecretKey(keys[0], reason, service.clock.now())
    await service.advance(1000)
    await announce([revoked])
    expect(await refreshed()).toEqual([[fingerprintOf(keys[0]), true, 'certificate-revoked']])
    expect(romeo.events).toEqual([
      {
        kind: 'certificate-changed',
        key: expect.objectContaining({ fingerprint: fingerprintOf(keys[0]) }),
        state,
      },
    ])
    expect(await encrypt()).toMatchObject({ kind: 'refused', skipped: [{ code: 'certificate-revoked' }] })
    await service.advance(1000)
    await announce([keys[0]])
    expect(await refreshed()).toEqual([[fingerprintOf(keys[0]), true, 'certificate-revoked']])
    expect(romeo.events).toHaveLength(1)
  },
)

test('a key that expires is told of once, when the list is read next; and again after it was extended', async () => {
  const { juliet, refreshed, romeo, service } = await scene()
  const made = await generate({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ name: `xmpp:${juliet.account}` }],
    keyExpirationTime: 3600,
    date: new Date(service.clock.now()),
    format: 'object',
  })
  const fingerprint = made.publicKey.getFingerprint()
  const announce = async (bytes: Uint8Array) => juliet.announce({ [fingerprint]: bytes })
  await announce(made.publicKey.write())
  expect(await refreshed()).toEqual([[fingerprint, true, undefined]])
  romeo.events.length = 0
  await service.advance(3_600_000)
  expect(await refreshed()).toEqual([[fingerprint, true, 'certificate-expired']])
  await refreshed()
  expect(romeo.events).toEqual([
    { kind: 'certificate-changed', key: expect.objectContaining({ fingerprint }), state: 'expired' },
  ])
  const extended = await reformatKey({
    privateKey: made.privateKey,
    userIDs: [{ name: `xmpp:${juliet.account}` }],
    keyExpirationTime: 7200,
    date: new Date(service.clock.now()),
    format: 'object',
  })
  await announce(extended.publicKey.write())
  expect(await refreshed()).toEqual([[fingerprint, true, undefined]])
  await service.advance(3_600_000)
  await refreshed()
  expect(romeo.events).toHaveLength(2)
})

test('a certificate that came another way is known, and encrypted to once it is announced', async () => {
  const { announce, keys, romeo, juliet, encrypt, service, refreshed } = await scene()
  const [{ certificate }] = keys
  expect(await romeo.ox.importCertificate(juliet.account, certificate.bytes)).toBe(certificate.fingerprint)
  expect(await encrypt()).toMatchObject({ kind: 'refused', code: 'recipients-unreachable' })
  await announce([keys[0]])
  await refreshed()
  expect(await encrypt()).toMatchObject({ kind: 'encrypted' })
  const mallory = await generateSecretKey(service.account('mallory'), service.clock.now())
  await expect(romeo.ox.importCertificate(juliet.account, mallory.certificate.bytes)).rejects.toMatchObject({
    code: 'user-id-missing',
  })
  await expect(romeo.ox.importCertificate(juliet.account, keys[1].bytes)).rejects.toMatchObject({
    code: 'certificate-malformed',
  })
  await expect(romeo.ox.importCertificate(juliet.account, 'nothing')).rejects.toMatchObject({
    code: 'certificate-malformed',
  })
})
