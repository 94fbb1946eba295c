/** XEP-0373 §4.1, §4.2: own keys on the server, beside those of other clients. */
import { configuration, configure, deleteNode, PepError } from '@xmpp-e2e/disco/pep'
import { memoryStore } from '@xmpp-e2e/store'
import { ejabberd, modern, prosody } from '@xmpp-e2e/testkit'
import { children, element, serialize } from '@xmpp-e2e/xml'
import { readKey } from 'openpgp'
import { expect, test } from 'vitest'
import { decodePublicKey, encodePublicKey, publicKeyNode } from '../src/elements/key-element.ts'
import { KEY_LIST_NODE } from '../src/elements/key-list.ts'
import { ANNOUNCE_JITTER_MS, MAX_ANNOUNCEMENTS_PER_HOUR, type OxEvent } from '../src/index.ts'
import { generateSecretKey } from '../src/openpgp/secret-key.ts'
import { listElement, type Peer, peer, requestOf, requests } from './keys.ts'
import { type TestClient, type World, world } from './world.ts'

const OTHER = 'a'.repeat(40)

function own(w: World): () => readonly string[] {
  return () => requests(w, 'juliet', w.service.account('juliet'))
}

/** Longer than any pause, and until all is quiet. */
async function wait({ service, settle }: World): Promise<void> {
  await settle()
  await service.advance(ANNOUNCE_JITTER_MS)
  await settle()
}

function fingerprintOf({ ox }: TestClient): string {
  if (ox.fingerprint === undefined) throw new Error('no key')
  return ox.fingerprint
}

function kinds(events: readonly OxEvent[]): readonly string[] {
  return events.map(({ kind }) => kind)
}

async function certificateOf({ items, account }: Peer, fingerprint: string) {
  const [item] = await items(account, publicKeyNode(fingerprint))
  if (item?.payload === undefined) throw new Error('not published')
  return { id: item.id, key: await readKey({ binaryKey: decodePublicKey(item.payload) }) }
}

test('§4.2: the certificate is published before the list names it; both are open, dated in UTC, in upper case', async () => {
  const w = world()
  const juliet = await w.client('juliet')
  const upper = fingerprintOf(juliet).toUpperCase()
  expect(own(w)().slice(0, 5)).toEqual([
    `items :${upper}`,
    `publish :${upper}`,
    'items ',
    'publish ',
    'items ',
  ])
  const stranger = peer(w, 'romeo')
  const [key] = await stranger.items(juliet.account, publicKeyNode(upper))
  const [list] = await stranger.items(juliet.account, KEY_LIST_NODE)
  expect(list?.id).toBe('current')
  const [entry] = children(list?.payload ?? element('', 'none'), 'pubkey-metadata')
  expect(entry?.attrs).toEqual({ 'v4-fingerprint': upper, date: key?.id })
  expect(key?.id).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
})

test.each([modern, prosody, ejabberd])('§4: announced and found on a service like $name', async (quirks) => {
  const w = world({ quirks })
  const juliet = await w.client('juliet')
  await wait(w)
  const other = await w.client('juliet')
  await wait(w)
  const romeo = await w.client('romeo')
  const { all, problem } = await w.finish(romeo.ox.certificates(juliet.account, { refresh: true }))
  expect(problem).toBeUndefined()
  expect(all.map(({ fingerprint }) => fingerprint)).toEqual([fingerprintOf(juliet), fingerprintOf(other)])
  await w.finish(juliet.ox.revoke(fingerprintOf(juliet), 'retired'))
  await wait(w)
  const again = await w.finish(romeo.ox.certificates(juliet.account, { refresh: true }))
  expect(again.all.map(({ revoked }) => revoked)).toEqual(['soft', undefined])
})

test('what is there is not published again', async () => {
  const w = world()
  const juliet = await w.client('juliet')
  await wait(w)
  const before = own(w)().length
  await w.finish(juliet.ox.start())
  expect(own(w)().slice(before)).toEqual([`items :${fingerprintOf(juliet).toUpperCase()}`, 'items '])
})

test('§4.2: what others have written into the list stays, whatever it is', async () => {
  const w = world()
  const other = peer(w, 'juliet')
  const foreign = element('urn:xmpp:openpgp:0', 'pubkey-metadata', {
    'v6-fingerprint': 'b'.repeat(64),
    date: 'x',
  })
  const list = listElement([OTHER], new Date(0))
  await other.put(
    KEY_LIST_NODE,
    element(list.ns, list.name, { mine: 'yes' }, list.children, foreign, element('urn:example', 'note')),
  )
  const juliet = await w.client('juliet')
  const [item] = await other.items(other.account, KEY_LIST_NODE)
  const written = serialize(item?.payload ?? element('', 'none'))
  for (const part of [OTHER.toUpperCase(), 'v6-fingerprint', 'urn:example', "mine='yes'"])
    expect(written.replaceAll('"', "'")).toContain(part)
  expect(await other.listed(other.account)).toEqual([OTHER, fingerprintOf(juliet)])
})

test.each([
  'remote-server-timeout',
  'forbidden',
  'internal-server-error',
  'service-unavailable',
  'feature-not-implemented',
])('row 6: a list that cannot be read (%s) is not written', async (condition) => {
  const w = world()
  const other = peer(w, 'juliet')
  await other.put(KEY_LIST_NODE, listElement([OTHER], new Date(0)))
  const before = own(w)().length
  const stop = w.service.fault({
    fault: { kind: 'error', condition },
    direction: 'sent',
    match: (stanza) => requestOf(stanza)?.node === KEY_LIST_NODE && requestOf(stanza)?.what === 'items',
  })
  const juliet = await w.client('juliet', { isStarted: false })
  await expect(w.finish(juliet.ox.start())).rejects.toBeInstanceOf(PepError)
  stop()
  expect(own(w)().slice(before)).not.toContain('publish ')
  expect(await other.listed(other.account)).toEqual([OTHER])
  // The next session tries again.
  juliet.client.reconnect()
  await wait(w)
  expect(await other.listed(other.account)).toEqual([OTHER, fingerprintOf(juliet)])
})

test('a list that is none is replaced', async () => {
  const w = world()
  const other = peer(w, 'juliet')
  await other.put(KEY_LIST_NODE, element('urn:example', 'nonsense'))
  const juliet = await w.client('juliet')
  expect(await other.listed(other.account)).toEqual([fingerprintOf(juliet)])
})

test('row 36: nodes that others cannot read are configured anew, and never deleted', async () => {
  const w = world()
  const other = peer(w, 'juliet')
  await other.put(KEY_LIST_NODE, listElement([OTHER], new Date(0)), 'current', 'presence')
  await w.client('juliet')
  const stranger = peer(w, 'romeo')
  expect(await stranger.listed(other.account)).toContain(OTHER)
  const sent = w.service.transcript.map((entry) => (entry.kind === 'stanza' ? serialize(entry.stanza) : ''))
  expect(sent.some((stanza) => stanza.includes('<configure'))).toBe(true)
  expect(sent.some((stanza) => /<(delete|purge|retract) /.test(stanza))).toBe(false)
})

test('row 36: nodes that were closed since are opened in the next session, with nothing to publish', async () => {
  const w = world()
  const juliet = await w.client('juliet')
  const other = peer(w, 'juliet', 'closing')
  const nodes = [KEY_LIST_NODE, publicKeyNode(fingerprintOf(juliet))]
  for (const node of nodes) await w.finish(configure(other.connection, node, { access: 'whitelist' }))
  await w.finish(juliet.ox.start())
  for (const node of nodes)
    expect(await w.finish(configuration(other.connection, node))).toMatchObject({ access: 'open' })
  expect(await peer(w, 'romeo').listed(juliet.account)).toEqual([fingerprintOf(juliet)])
})

test('row 6: an empty list is not taken for what is known where none was read before', async () => {
  const w = world()
  const other = peer(w, 'juliet')
  const juliet = await w.client('juliet')
  await wait(w)
  const { token, entries } = await juliet.store.list('')
  const read = entries.map(([name]) => name).filter((name) => name.endsWith(`contact/${juliet.account}`))
  expect(read).toHaveLength(1)
  await juliet.store.commit([token], { delete: read })
  await other.put(KEY_LIST_NODE, listElement([], new Date(0)))
  await wait(w)
  expect(kinds(juliet.events)).toContain('own-key-removed')
  expect(await other.listed(other.account)).toEqual([fingerprintOf(juliet)])
})

test('row 6: a key that is taken off the list is announced again, after a while, and only so often', async () => {
  const w = world()
  const other = peer(w, 'juliet')
  const juliet = await w.client('juliet')
  const fingerprint = fingerprintOf(juliet)
  await wait(w)
  juliet.events.length = 0
  for (let i = 0; i < MAX_ANNOUNCEMENTS_PER_HOUR; i++) {
    const before = own(w)().filter((request) => request === 'publish ').length
    await other.put(KEY_LIST_NODE, listElement([OTHER], new Date(i * 1000)))
    await w.settle()
    // Its own write only: ours waits.
    expect(own(w)().filter((request) => request === 'publish ')).toHaveLength(before + 1)
    await wait(w)
    expect(await other.listed(other.account)).toEqual([OTHER, fingerprint])
  }
  const removed = (announcedAgain: boolean) => ({ kind: 'own-key-removed', fingerprint, announcedAgain })
  const events = juliet.events.filter(({ kind }) => kind === 'own-key-removed')
  expect(events).toEqual(Array.from({ length: MAX_ANNOUNCEMENTS_PER_HOUR }, () => removed(true)))
  await other.put(KEY_LIST_NODE, listElement([OTHER], new Date(9000)))
  await wait(w)
  expect(juliet.events.at(-1)).toEqual(removed(false))
  expect(await other.listed(other.account)).toEqual([OTHER])
  await w.service.advance(3_600_000)
  await other.put(KEY_LIST_NODE, listElement([], new Date(9000)))
  await wait(w)
  expect(await other.listed(other.account)).toEqual([fingerprint])
})

test('row 6: a list that is deleted is written again', async () => {
  const w = world()
  const other = peer(w, 'juliet')
  const juliet = await w.client('juliet')
  await wait(w)
  await w.finish(deleteNode(other.connection, KEY_LIST_NODE))
  await wait(w)
  expect(await other.listed(other.account)).toEqual([fingerprintOf(juliet)])
})

test('a key of the account that is not here is told of once', async () => {
  const w = world()
  const other = peer(w, 'juliet')
  const juliet = await w.client('juliet')
  await wait(w)
  const key = await generateSecretKey(juliet.account, w.service.clock.now())
  const { fingerprint } = key.certificate
  await other.put(publicKeyNode(fingerprint), encodePublicKey(key.certificate.bytes))
  const list = [fingerprintOf(juliet), fingerprint]
  juliet.events.length = 0
  await other.put(KEY_LIST_NODE, listElement(list, new Date(w.service.clock.now())))
  await wait(w)
  await other.put(KEY_LIST_NODE, listElement(list, new Date(w.service.clock.now() + 60_000)))
  await wait(w)
  expect(kinds(juliet.events)).toEqual(['key-met', 'keys-changed', 'own-key-elsewhere'])
  expect(juliet.events.at(-1)).toEqual({ kind: 'own-key-elsewhere', fingerprint })
})

test('§4.2: a revocation is published, and the list has a later date, so that contacts read it', async () => {
  const w = world()
  const juliet = await w.client('juliet')
  const romeo = await w.client('romeo')
  const fingerprint = fingerprintOf(juliet)
  await w.finish(romeo.ox.certificates(juliet.account, { refresh: true }))
  // Within the same second.
  await w.finish(juliet.ox.revoke(fingerprint, 'retired'))
  await wait(w)
  const { all } = await w.finish(romeo.ox.certificates(juliet.account, { refresh: true }))
  expect(all).toMatchObject([{ fingerprint, listed: true, revoked: 'soft' }])
  expect(romeo.events).toContainEqual(
    expect.objectContaining({ kind: 'certificate-changed', state: 'revoked' }),
  )
})

test('a crash between certificate and list leaves no contact with the old one', async () => {
  const w = world()
  const juliet = await w.client('juliet')
  const fingerprint = fingerprintOf(juliet)
  await wait(w)
  const stop = w.service.fault({
    fault: { kind: 'error', condition: 'internal-server-error' },
    direction: 'sent',
    match: (stanza) => requestOf(stanza)?.node === KEY_LIST_NODE,
  })
  await w.finish(juliet.ox.revoke(fingerprint, 'retired'))
  await wait(w)
  stop()
  expect(kinds(juliet.events)).toContain('background-failed')
  juliet.client.reconnect()
  await wait(w)
  const bare = peer(w, 'juliet')
  const [list] = await bare.items(bare.account, KEY_LIST_NODE)
  const { id } = await certificateOf(bare, fingerprint)
  expect(children(list?.payload ?? element('', 'none'), 'pubkey-metadata')[0]?.attrs.date).toBe(id)
})

test.each([
  ['open', {}],
  ['locked', { passphrase: 'secret' }],
])(
  'what another client has published of a key that is here as well, and %s, is taken over, not overwritten',
  async (_, options) => {
    const w = world()
    const store = memoryStore()
    const first = await w.client('juliet', { hasKey: false })
    await w.finish(first.ox.generate(options))
    const fingerprint = fingerprintOf(first)
    await wait(w)
    await store.commit([], { put: (await first.store.list('')).entries })
    await w.finish(first.ox.revoke(fingerprint, 'compromised'))
    await wait(w)
    await w.finish(first.ox.close())
    // As it was before.
    const second = await w.client('juliet', { store, hasKey: false })
    await wait(w)
    const bare = peer(w, 'juliet')
    const { key } = await certificateOf(bare, fingerprint)
    expect(key.revocationSignatures).toHaveLength(1)
    const isLocked = 'passphrase' in options
    expect(await second.ox.ownKeys()).toMatchObject([{ fingerprint, revoked: true, locked: isLocked }])
    if (isLocked) expect(await second.ox.unlock('secret')).toEqual([fingerprint])
  },
)

test('row 27: nothing secret is in what is published', async () => {
  const w = world()
  const juliet = await w.client('juliet', { hasKey: false })
  for (const passphrase of [undefined, 'secret']) {
    const { fingerprint } = await w.finish(juliet.ox.generate(passphrase === undefined ? {} : { passphrase }))
    await wait(w)
    const { key } = await certificateOf(peer(w, 'juliet', `bare-${fingerprint}`), fingerprint)
    expect(key.isPrivate()).toBe(false)
    // Secret key, secret subkey.
    expect(key.toPacketList().filterByTag(5, 7)).toHaveLength(0)
  }
})

test('erased: the keys are taken off the list, which stays', async () => {
  const w = world()
  const other = peer(w, 'juliet')
  await other.put(KEY_LIST_NODE, listElement([OTHER], new Date(0)))
  const juliet = await w.client('juliet')
  expect(await w.finish(juliet.ox.erase({ server: true }))).toEqual({ unlisted: true })
  expect(await other.listed(other.account)).toEqual([OTHER])
  expect((await juliet.store.list('')).entries).toEqual([])
})

test('closing does not wait for what would be announced again', async () => {
  const w = world()
  const other = peer(w, 'juliet')
  const juliet = await w.client('juliet')
  await wait(w)
  await other.put(KEY_LIST_NODE, listElement([], new Date(0)))
  await w.settle()
  const at = w.service.clock.now()
  await juliet.ox.close()
  expect(w.service.clock.now()).toBe(at)
  await wait(w)
  expect(await other.listed(other.account)).toEqual([])
})
